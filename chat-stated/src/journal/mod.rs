//! The ordered, durable journal: batches of entries go in, and come out durable and in one order.
//!
//! Nothing is applied, and so nothing answered, before it came out of here.

mod commit_times;
mod crash_points;
pub(crate) mod durable_position;
pub mod format;
mod local;
mod recovery;
mod snapshot;
mod store;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::database::NoRoom;
use crate::entry::Batch;

pub use commit_times::CommitSummary;
pub use local::LocalJournal;
pub use recovery::{CheckedJournal, RecoveredJournal, StoredBatch};
pub use snapshot::{JournalSnapshot, StoredRow, create_journal};
pub use store::damaged_journal;

/// Where a batch stands in the journal: 1, 2, 3, ... without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogIndex(pub u64);

/// What comes out of a journal.
#[derive(Debug)]
pub enum JournalEvent {
    /// Durable, in this place of the order. Batches come out by rising position. With several hosts, the
    /// batches of the others come out here too.
    Committed {
        /// Its place.
        position: LogIndex,
        /// The batch as it went in.
        batch: Batch,
        /// Whether this process submitted it. Only then it settles what waits for a batch of this process.
        own: bool,
        /// What it takes in the journal.
        bytes: usize,
        /// From the first byte written to all of it on disk, with the batches that went together with it.
        took: Duration,
    },
    /// The system lets nothing more be stored. Nothing of the batch is in the journal; what came before it is.
    NoRoom {
        /// The batch as it went in.
        batch: Batch,
        /// Why.
        cause: NoRoom,
    },
    /// The journal cannot say any more what is durable. The process has to end.
    Failed {
        /// What was tried and what went wrong, for people.
        error: String,
    },
}

/// An ordered, durable log of batches.
///
/// `submit` never waits for the disk. What was submitted while a commit was under way is committed
/// together, as batches of their own positions.
pub trait Journal: Send {
    /// Puts a batch behind all that were submitted before.
    fn submit(&mut self, batch: Batch);

    /// Allows the journal to forget everything up to and including this position: a checkpoint has it.
    fn forget_through(&mut self, position: LogIndex);
}
