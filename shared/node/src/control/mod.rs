//! How an operator controls and inspects a running daemon from another process.
//!
//! Tools ask a daemon on its control socket: `protocol` has the words, `socket` and `conversation` are the daemon's
//! side, `client` is a tool's. Of the flags of the daemons themselves (`operator`), `--stop` and `--status` use a
//! signal and the status file, so that they also work with a daemon of an older version.

pub mod change;
pub mod client;
mod conversation;
pub mod operator;
pub mod protocol;
pub mod reload_result;
pub mod socket;
pub mod status_file;
