//! The state daemon: a deterministic state machine over an ordered, durable journal.

pub mod checkpoint;
pub mod database;
pub mod entry;
pub mod journal;
pub mod state_lock;
