//! Settings of a program, from its command line, environment variables and the settings file, and the flags that both
//! daemons share.

pub mod command_line;
mod environment;
mod pages;
pub mod process_options;
pub mod reload;
pub mod settings_file;
pub mod sources;
pub mod tree;
