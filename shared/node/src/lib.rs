//! What a program of chatserv is on a host: how it is started, supervised, confined and stopped, what it is told, what it
//! logs, and what the system allows it. Knows neither the protocol nor the state.
// It panics if the error output cannot be written: see `output::complain`.
#![warn(clippy::print_stderr)]

pub mod child_link;
pub mod command_line;
pub mod crash_point;
pub mod daemon;
pub mod descriptor_limit;
pub mod detach;
pub mod files_read;
pub mod handouts;
pub mod histogram;
pub mod inherited_fd;
pub mod lock_holder;
pub mod log_format;
pub mod memory;
pub mod network;
pub mod operator;
pub mod output;
pub mod pid_file;
pub mod pidfd;
pub mod process_identity;
pub mod process_options;
pub mod refusals;
pub mod regular_file;
pub mod run_dir;
pub mod run_dir_trust;
pub mod sandbox;
pub mod security_log;
pub mod signals;
pub mod standard_streams;
pub mod status_file;
pub mod supervisor;
pub mod system_limits;
pub mod text_file;
pub mod token_bucket;
pub mod wake_stream;
pub mod wall_clock;
