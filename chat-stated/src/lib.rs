//! The state daemon: a deterministic state machine over an ordered, durable journal.

pub mod entry;
pub mod journal;
pub mod server;
pub mod settings;
pub mod socket;
