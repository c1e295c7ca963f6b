//! What a checkpoint is to hold, taken bit by bit: the state as it was when the snapshot began, whatever is applied
//! meanwhile.
//!
//! What is small is written down at the beginning. An account that is changed before its turn comes is written down
//! first. Messages come last, so that most can have been read by then: of one that was, the snapshot has all but the text.
//! Messages that come are for the next one.

#[cfg(test)]
mod tests;

use chat_model::MessageNumber;

use super::State;
use super::paging::OpenPage;
use super::save::{Record, Records};
use chat_model::AccountId;

/// How far a piece may go beyond what it was given, or as far again if that is less, to end with a full page.
const SLACK_STEPS: i64 = 256;

/// How much of a snapshot is still to be done at once, in steps: a message, an account, or a kibibyte of text is one.
#[derive(Debug)]
pub(super) struct Work {
    steps_left: i64,
    slack_steps: i64,
}

impl Work {
    fn of(steps: usize) -> Self {
        let steps = i64::try_from(steps).unwrap_or(i64::MAX);
        Self {
            steps_left: steps,
            slack_steps: steps.min(SLACK_STEPS),
        }
    }

    pub(super) fn spend(&mut self, steps: usize) {
        self.steps_left = self.steps_left.saturating_sub_unsigned(steps as u64);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.steps_left <= 0
    }

    /// More was spent than even a page that is not full yet is worth.
    pub(super) fn is_overspent(&self) -> bool {
        self.steps_left <= -self.slack_steps
    }
}

/// A snapshot under way.
#[derive(Debug)]
pub(super) struct Snapshot {
    records: Records,
    /// The last message when it began.
    through: MessageNumber,
    /// Whose queues may hold messages on no page.
    readers: Vec<AccountId>,
    /// The last one's queue is done up to here.
    queue_through: MessageNumber,
}

impl State {
    /// What differs from the checkpoint that was taken before. The caller must see to it that these records
    /// get into the next checkpoint, even if the first try fails.
    pub fn take_changes(&mut self) -> Vec<Record> {
        self.begin_snapshot();
        loop {
            if let Some(records) = self.take_snapshot_piece(usize::MAX) {
                return records;
            }
        }
    }

    /// Begins to take what differs from the checkpoint that was taken before: the state as it is now. None may be under
    /// way.
    pub fn begin_snapshot(&mut self) {
        debug_assert!(self.snapshot.is_none(), "one after the other");
        let mut records = Records::default();
        records.put_header(self.header());
        records.put_waiting_limits(&self.waiting_limits);
        let readers = self.accounts.begin_snapshot();
        self.snapshot = Some(Snapshot {
            records,
            through: self.last_message,
            readers,
            queue_through: self.messages.paging.paged_through(),
        });
        self.messages.paging.begin_snapshot(self.last_message);
    }

    /// Goes on with the snapshot under way, for about so many steps, but leaves the messages that came since the one before.
    /// Says whether the rest is done.
    pub fn take_snapshot_without_messages(&mut self, steps: usize) -> bool {
        let Some(mut snapshot) = self.snapshot.take() else {
            return true;
        };
        let (mut work, mut open) = (Work::of(steps), OpenPage::default());
        let is_done = self.put_all_but_messages(&mut snapshot, &mut open, &mut work);
        self.messages.close_page(&mut open, &mut snapshot.records);
        self.snapshot = Some(snapshot);
        is_done
    }

    /// Goes on with the snapshot under way, for about so many steps; one is a message, an account, or a kibibyte of text.
    /// Gives the records once all are there: what [`State::take_changes`] would have given when it began, but for the texts of
    /// messages that were read since. Who goes on from these records has to replay what was applied since, and then to ask
    /// [`State::check_replayed`].
    pub fn take_snapshot_piece(&mut self, steps: usize) -> Option<Vec<Record>> {
        let mut snapshot = self.snapshot.take()?;
        let (mut work, mut open) = (Work::of(steps), OpenPage::default());
        let is_done = self.put_all_but_messages(&mut snapshot, &mut open, &mut work)
            && self.put_queues_on_pages(&mut snapshot, &mut open, &mut work)
            && self
                .messages
                .put_broadcasts_on_pages(&mut open, &mut snapshot.records, &mut work);
        self.messages.close_page(&mut open, &mut snapshot.records);
        if is_done {
            self.messages.paging.end_snapshot(&mut snapshot.records);
            return Some(snapshot.records.into_vec());
        }
        self.snapshot = Some(snapshot);
        None
    }

    fn put_all_but_messages(
        &mut self,
        snapshot: &mut Snapshot,
        open: &mut OpenPage,
        work: &mut Work,
    ) -> bool {
        let records = &mut snapshot.records;
        self.accounts.put_awaited(records, work)
            && self.messages.clear_leaving_pages(open, records, work)
    }

    /// What one reader waits for is read, and leaves, together. Says whether all queues are done.
    fn put_queues_on_pages(
        &mut self,
        snapshot: &mut Snapshot,
        open: &mut OpenPage,
        work: &mut Work,
    ) -> bool {
        while let Some(reader) = snapshot.readers.last().copied() {
            let after = snapshot.queue_through;
            if let Some(account) = self.accounts.get(reader) {
                let first = account.queue.place_after(after, &self.messages);
                for key in account.queue.messages_from(first) {
                    let number = self.messages.get(key).number;
                    if number > snapshot.through {
                        break;
                    }
                    if open.ends_piece(work) {
                        return false;
                    }
                    let records = &mut snapshot.records;
                    self.messages.put_on_page(number, key, open, records, work);
                    snapshot.queue_through = number;
                }
            }
            if open.ends_piece(work) {
                return false;
            }
            work.spend(1);
            self.accounts
                .queue_was_paged(reader, snapshot.through, &self.messages);
            snapshot.readers.pop();
            snapshot.queue_through = self.messages.paging.paged_through();
        }
        true
    }
}

#[cfg(test)]
impl State {
    /// How many messages stand on pages of the checkpoint.
    pub(crate) fn messages_on_pages(&self) -> usize {
        self.messages.on_pages()
    }
}
