//! The applied state on disk: records by table and key, as they were at one position of the journal, but for the texts
//! of messages that were read by the time it was written.
//!
//! A checkpoint is the changes since the one before. It is written in slices, beside the current one, by a
//! thread of its own; one small transaction then makes it current, and what it superseded is deleted in
//! slices. A crash at any point leaves either the old or the new one, whole.
//!
//! Every row bears a checksum over its table, key, generation and content. The header holds their number
//! and sum, so that a missing row is noticed too.
//!
//! Pages of texts ([`crate::text_page`]) need not be loaded: of one that is not, the checksum counts at the start, and
//! the content is held against it whenever it is read.

mod damaged_pages;
mod format;
mod load;
mod memory;
mod reader;
mod restoration;
mod snapshot;
mod state_snapshot;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod text_reader;
mod writer;

use crate::database::NoRoom;
use crate::journal::LogIndex;
use crate::text_page::Content;

pub use damaged_pages::keep_damaged_page;
pub use load::{Loaded, RecordSink};
pub use memory::MemoryCheckpoint;
pub use reader::CheckpointReader;
pub use restoration::{Restoration, RestoreError};
pub use snapshot::{CheckpointSnapshot, FIRST_RECORD_FORMAT, RECORD_FORMAT, create_checkpoint};
pub use state_snapshot::StateSnapshot;
pub use store::{CheckpointStore, damaged_checkpoint};
pub use text_reader::{TextEvent, TextRequest, start_text_reader};
pub use writer::CheckpointWriter;

/// One record that is to be set or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which kind of record.
    pub table: u8,
    /// Which of its kind.
    pub key: u64,
    /// Its new content; `None` removes it.
    pub value: Option<Content>,
}

/// What makes the checkpoint at a position out of the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last batch whose effects are in it.
    pub position: LogIndex,
    /// Of two changes of one record the later holds.
    pub changes: Vec<Change>,
}

/// A record of the current checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Which kind of record.
    pub table: u8,
    /// Which of its kind.
    pub key: u64,
    /// Its content.
    pub value: &'a [u8],
}

/// What comes of a checkpoint that was to be written.
#[derive(Debug)]
pub enum CheckpointEvent {
    /// It is durable and current: the journal may forget what it holds.
    Written {
        /// Its position.
        position: LogIndex,
    },
    /// The disk is full. The checkpoint before is still the current one. The changes come back: the next
    /// checkpoint has to begin with them.
    NoRoom {
        /// As it was given.
        checkpoint: Checkpoint,
        /// Why.
        cause: NoRoom,
    },
    /// A page of texts that were to move to another is damaged. The checkpoint before is still the current one. The
    /// changes come back: the next checkpoint has to begin with them, and to leave that page where it is.
    DamagedTexts {
        /// Its number.
        page: u64,
        /// As it was given.
        checkpoint: Checkpoint,
    },
    /// The disk refuses. The process has to end; the checkpoint that is current stays so.
    Failed {
        /// What was tried and what went wrong, for people.
        error: String,
    },
}
