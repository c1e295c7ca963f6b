//! The front end: a master, and workers that speak the line protocol to TCP clients.
// See `chat_node::logs::output`.
#![warn(clippy::print_stderr)]

pub mod core;
pub mod master;
pub mod proxy_header;
pub mod settings;
pub mod tls;
pub mod worker;
