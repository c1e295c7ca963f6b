//! The targets, and what several of them need.

pub mod account_file;
pub mod backup;
pub mod daemon;
pub mod entry;
pub mod frame;
pub mod line;
pub mod proxy_header;
pub mod session;
pub mod status_file;
pub mod tls;
pub mod worker;

mod answers;
mod items;
mod observed_client;
mod timestamps;
