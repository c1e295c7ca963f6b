//! The state daemon: a deterministic state machine over an ordered, durable journal.

pub mod account_file;
pub mod checkpoint;
pub mod entry;
pub mod journal;
pub mod passwords;
pub mod state;
