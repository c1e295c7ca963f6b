//! Settings of a program, from its command line and from environment variables, and the flags that both daemons share.

pub mod command_line;
mod environment;
pub mod process_options;
