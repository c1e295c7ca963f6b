//! Messages that are kept after their readers have them: a database of its own beside the checkpoint.
//!
//! A thread writes it from what was committed; no message waits for that. Rows are by message number, each with a
//! checksum over all of it. A full-text index finds words. Until the file has a message durably, the journal has it:
//! no checkpoint that would let the journal forget it becomes current before ([`crate::core`]).

mod check;
mod format;
mod query;
mod reader;
mod retention;
mod store;
#[cfg(test)]
mod tests;

use chat_model::{AccountId, MessageNumber};
use smallvec::SmallVec;

pub use format::Gap;
pub use query::{Scope, Span, Words};
pub use reader::{Found, HistoryReader};
pub use store::HistoryStore;

/// Lines that one answer has at most.
pub const MAX_LINES: usize = 1_000;

/// A message that is to be kept, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMessage {
    /// Its place among all messages.
    pub number: MessageNumber,
    /// When the server took it, in milliseconds since 1970-01-01T00:00:00Z.
    pub time_ms: i64,
    /// Who sent it.
    pub sender: AccountId,
    /// Who got it, each once.
    pub readers: SmallVec<[AccountId; 2]>,
    /// 1 byte to 1 MiB.
    pub text: Box<str>,
}

impl KeptMessage {
    /// What it takes in memory until it is on disk, roughly.
    pub fn bytes(&self) -> usize {
        const FIXED: usize = 64;
        FIXED + self.readers.len() * size_of::<AccountId>() + self.text.len()
    }
}
