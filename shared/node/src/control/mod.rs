//! How an operator controls and inspects a running daemon from another process: stop, reload and status. A daemon
//! publishes its state in a status file, and takes orders as signals.

pub mod operator;
pub mod reload_result;
pub mod status_file;
