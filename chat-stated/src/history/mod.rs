//! Messages that are kept after their readers have them: a database of its own beside the checkpoint.
//!
//! A thread writes it from what was committed; no message waits for that. Rows are by message number, each with a
//! checksum over all of it. A full-text index finds words. Until the file has a message durably, the journal has it:
//! no checkpoint that would let the journal forget it becomes current before ([`crate::core`]).

mod check;
mod copy;
mod format;
mod query;
mod reader;
mod retention;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use crate::state::{Forgotten, KeptMessage, KeptRoom};
pub use copy::{CopiedRows, HistoryRow, HistorySource, RestoredHistory};
pub use format::Gap;
pub use query::{OwnMessages, Scope, Words};
pub use reader::{Found, HistoryReader};
pub use retention::{Retention, Sweep};
pub use store::HistoryStore;
pub use writer::{HistoryEvent, HistoryRequest, PAUSED_BYTES, Question, start_history};

/// Lines that one answer has at most.
pub const MAX_LINES: usize = 1_000;
