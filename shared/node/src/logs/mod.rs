//! What a program writes for people and for other programs: standard output and error, log lines with their timestamps,
//! and the security log that tools such as fail2ban read.

pub mod log_file;
pub mod log_format;
pub mod output;
pub mod security_log;
pub mod wall_clock;
