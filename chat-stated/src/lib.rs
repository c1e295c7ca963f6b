//! The state daemon: a deterministic state machine over an ordered, durable journal.
// See `chat_node::logs::output`.
#![warn(clippy::print_stderr)]

pub mod account_file;
pub mod backup;
pub mod checkpoint;
mod connection_map;
pub mod core;
pub mod database;
pub mod disk_reserve;
mod earlier_state;
pub mod entry;
pub mod history;
pub mod insecure_permissions;
pub mod io_thread;
pub mod journal;
pub mod memory_plan;
pub mod ownership;
pub mod passwords;
mod records;
pub mod server;
pub mod settings;
pub mod state;
pub mod state_lock;
pub mod stored_state;
pub mod text_page;
