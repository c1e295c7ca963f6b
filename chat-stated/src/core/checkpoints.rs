//! When a checkpoint is due, and what has to be in it.

use chat_model::MessageNumber;

use super::{Action, Core};
use crate::checkpoint::{Change, StateSnapshot, keep_damaged_page};
use crate::database::NoRoom;
use crate::journal::LogIndex;

/// Checkpoints that may be due at once before one begins though the last was just now: bounds what a start replays.
pub(super) const MOST_DUE: u64 = 8;
/// What is done of a snapshot in one turn, in steps of [`StateSnapshot::take_piece`]: well below a millisecond.
const STEPS_IN_ONE_TURN: usize = 2_048;

/// What has come into the journal since the last checkpoint, and the one that is being written.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// The last position that was applied.
    applied: LogIndex,
    bytes: u64,
    entries: u64,
    in_progress: bool,
    /// Of the one in progress, while what it is to hold is not all gathered.
    gathering: Option<Gathering>,
    /// When the last one was begun, in boot time.
    begun_ms: u64,
    /// Much was replayed at the start, and no checkpoint has it: the next process must not have to replay that too,
    /// however soon this one dies.
    has_replayed: bool,
    /// The last one was not written.
    has_failed: bool,
    /// All of it is gathered, and the history has yet to become durable up to this message.
    waits_for_history: Option<(MessageNumber, LogIndex, Vec<Change>)>,
    /// Of a checkpoint that the disk had no room for: they belong into the next one.
    left_over: Vec<Change>,
}

#[derive(Debug)]
struct Gathering {
    snapshot: StateSnapshot,
    /// Up to where it is to hold everything.
    position: LogIndex,
    /// When its messages are gathered, in boot time: most are read by then.
    messages_at_ms: u64,
    /// All but the messages is gathered.
    waits_for_messages: bool,
    /// The last message that the history has to have before it.
    last_kept: MessageNumber,
}

impl Checkpoints {
    pub(super) fn at(position: LogIndex) -> Self {
        Self {
            applied: position,
            bytes: 0,
            entries: 0,
            in_progress: false,
            gathering: None,
            begun_ms: 0,
            has_replayed: false,
            has_failed: false,
            waits_for_history: None,
            left_over: Vec::new(),
        }
    }

    /// The last position that was applied.
    pub(super) fn applied(&self) -> LogIndex {
        self.applied
    }

    /// Entries since the last one began.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Whether the last one was not written.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub(super) fn is_in_progress(&self) -> bool {
        self.in_progress
    }

    /// When there is more to be gathered for a checkpoint, in boot time.
    pub(super) fn next_piece_ms(&self, now_ms: u64) -> Option<u64> {
        let gathering = self.gathering.as_ref()?;
        Some(match gathering.waits_for_messages {
            true => gathering.messages_at_ms,
            false => now_ms,
        })
    }

    pub(super) fn count(&mut self, position: LogIndex, bytes: u64, entries: u64) {
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
        self.checkpoints.has_replayed = entries > 0;
    }

    pub(super) fn go_on_with_checkpoint(&mut self) {
        if self.checkpoints.in_progress {
            self.gather_checkpoint();
            return self.write_checkpoint_behind_history();
        }
        let next_ms = self.checkpoints.begun_ms + self.settings.checkpoint_interval_ms;
        let is_soon = self.timestamp.boot_ms < next_ms && !self.has_texts_to_drop();
        if self.is_checkpoint_due(if is_soon { MOST_DUE } else { 1 }) {
            let is_small = self.state.waiting_messages() <= self.settings.checkpoint_few_messages;
            self.begin_checkpoint(match is_small || self.checkpoints.has_replayed {
                true => 0,
                false => self.settings.checkpoint_reading_ms,
            });
            self.checkpoints.has_replayed = false;
        }
    }

    fn is_checkpoint_due(&self, times: u64) -> bool {
        let given_up_pages = self.state.given_up_pages() as u64;
        self.checkpoints.bytes >= times * self.settings.checkpoint_every_bytes
            || self.checkpoints.entries >= times * self.settings.checkpoint_every_entries
            || given_up_pages >= times * self.settings.checkpoint_every_given_up_pages as u64
    }

    /// A checkpoint lets the journal forget, and so makes room for what is small.
    pub(super) fn begin_checkpoint_for_room(&mut self) {
        let has_news = self.checkpoints.entries > 0 || !self.checkpoints.left_over.is_empty();
        if let Some(gathering) = &mut self.checkpoints.gathering {
            gathering.messages_at_ms = 0;
        } else if has_news && !self.checkpoints.in_progress {
            self.begin_checkpoint(0);
        }
    }

    /// Begins one; messages that are read within this time need not be written down with their texts.
    fn begin_checkpoint(&mut self, reading_ms: u64) {
        self.checkpoints.in_progress = true;
        self.checkpoints.gathering = Some(Gathering {
            snapshot: StateSnapshot::begin(&mut self.state),
            position: self.checkpoints.applied,
            messages_at_ms: self.timestamp.boot_ms + reading_ms,
            waits_for_messages: false,
            last_kept: self.state.keeping().last,
        });
        self.checkpoints.begun_ms = self.timestamp.boot_ms;
        self.checkpoints.bytes = 0;
        self.checkpoints.entries = 0;
        // Most are small, and done with this.
        self.gather_checkpoint();
    }

    /// Gathers a little more of what the checkpoint that was begun is to hold; once that is all, it is to be written.
    fn gather_checkpoint(&mut self) {
        let is_urgent = self.has_texts_to_drop() || self.is_checkpoint_due(MOST_DUE);
        let Some(gathering) = &mut self.checkpoints.gathering else {
            return;
        };
        if self.timestamp.boot_ms < gathering.messages_at_ms && !is_urgent {
            gathering.waits_for_messages = gathering.waits_for_messages
                || gathering
                    .snapshot
                    .take_without_messages(&mut self.state, STEPS_IN_ONE_TURN);
            return;
        }
        gathering.waits_for_messages = false;
        if !gathering
            .snapshot
            .take_piece(&mut self.state, STEPS_IN_ONE_TURN)
        {
            return;
        }
        let Some(Gathering {
            position,
            snapshot,
            last_kept,
            ..
        }) = self.checkpoints.gathering.take()
        else {
            return;
        };
        let taken = snapshot.into_changes();
        let mut records = std::mem::take(&mut self.checkpoints.left_over);
        if records.is_empty() {
            records = taken;
        } else {
            records.extend(taken);
        }
        self.checkpoints.waits_for_history = Some((last_kept, position, records));
        self.write_checkpoint_behind_history();
    }

    /// Has the checkpoint written once the history is durable up to it: then the journal forgets nothing that the
    /// history lacks.
    fn write_checkpoint_behind_history(&mut self) {
        let history = &self.history;
        let settled = |(last_kept, ..): &mut (MessageNumber, _, _)| history.is_settled(*last_kept);
        if let Some((_, position, records)) = self.checkpoints.waits_for_history.take_if(settled) {
            self.actions.push(Action::Checkpoint { position, records });
        } else if self.checkpoints.waits_for_history.is_some() {
            self.checkpoint_waits_for_history(self.checkpoints.bytes);
        }
    }

    /// A checkpoint is durable.
    pub fn checkpoint_written(&mut self, position: LogIndex) {
        self.checkpoints.in_progress = false;
        self.checkpoints.has_failed = false;
        self.begin_dropping_texts();
        self.actions.push(Action::ForgetJournal(position));
    }

    /// A page of texts that the checkpoint was to move is damaged; `records` are what it was to hold. Another one,
    /// without that, begins when it is time for one.
    pub fn checkpoint_met_damage(&mut self, page: u64, records: Vec<Change>) {
        self.checkpoints.in_progress = false;
        self.checkpoints.has_failed = true;
        self.checkpoints.left_over = keep_damaged_page(&mut self.state, page, records);
        self.checkpoints.entries += self.settings.checkpoint_every_entries;
    }

    /// The disk had no room for a checkpoint; `records` are what it was to hold.
    pub fn checkpoint_no_room(&mut self, records: Vec<Change>, cause: NoRoom) {
        self.checkpoints.in_progress = false;
        self.checkpoints.has_failed = true;
        self.checkpoints.left_over = records;
        self.disk_is_full(cause);
    }
}
