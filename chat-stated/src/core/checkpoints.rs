//! When a checkpoint is due, and what has to be in it.

use super::{Action, Core};
use crate::journal::Position;
use crate::state::Record;

/// What has come into the journal since the last checkpoint, and the one that is being written.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// The last position that was applied.
    applied: Position,
    bytes: u64,
    entries: u64,
    in_progress: bool,
    /// Of a checkpoint that the disk had no room for: they belong into the next one.
    left_over: Vec<Record>,
}

impl Checkpoints {
    pub(super) fn at(position: Position) -> Self {
        Self {
            applied: position,
            bytes: 0,
            entries: 0,
            in_progress: false,
            left_over: Vec::new(),
        }
    }

    /// The last position that was applied.
    pub(super) fn applied(&self) -> Position {
        self.applied
    }

    pub(super) fn is_in_progress(&self) -> bool {
        self.in_progress
    }

    pub(super) fn count(&mut self, position: Position, bytes: u64, entries: u64) {
        self.applied = position;
        self.bytes += bytes;
        self.entries += entries;
    }
}

impl Core {
    /// Counts what was replayed at the start, so that a long journal gets its checkpoint soon.
    pub fn count_replayed(&mut self, bytes: u64, entries: u64) {
        self.checkpoints.bytes += bytes;
        self.checkpoints.entries += entries;
    }

    pub(super) fn begin_due_checkpoint(&mut self) {
        let is_due = self.checkpoints.bytes >= self.settings.checkpoint_every_bytes
            || self.checkpoints.entries >= self.settings.checkpoint_every_entries
            || self.state.given_up_pages() >= self.settings.checkpoint_every_given_up_pages;
        if is_due && !self.checkpoints.in_progress {
            self.begin_checkpoint();
        }
    }

    /// A checkpoint lets the journal forget, and so makes room for what is small.
    pub(super) fn begin_checkpoint_for_room(&mut self) {
        let has_news = self.checkpoints.entries > 0 || !self.checkpoints.left_over.is_empty();
        if has_news && !self.checkpoints.in_progress {
            self.begin_checkpoint();
        }
    }

    fn begin_checkpoint(&mut self) {
        let mut records = std::mem::take(&mut self.checkpoints.left_over);
        records.extend(self.state.take_changes());
        self.checkpoints.in_progress = true;
        self.checkpoints.bytes = 0;
        self.checkpoints.entries = 0;
        self.actions.push(Action::Checkpoint {
            position: self.checkpoints.applied,
            records,
        });
    }

    /// A checkpoint is durable.
    pub fn checkpoint_written(&mut self, position: Position) {
        self.checkpoints.in_progress = false;
        self.begin_dropping_texts();
        self.actions.push(Action::ForgetJournal(position));
    }

    /// The disk had no room for a checkpoint; `records` are what it was to hold.
    pub fn checkpoint_no_room(&mut self, records: Vec<Record>) {
        self.checkpoints.in_progress = false;
        self.checkpoints.left_over = records;
        self.disk_is_full();
    }
}
