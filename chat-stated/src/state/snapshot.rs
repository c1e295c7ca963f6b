//! What a checkpoint is to hold, taken bit by bit: the state as it was when the snapshot began, whatever is applied
//! meanwhile.
//!
//! What is small is written down at the beginning. An account that is changed before its turn comes is written down
//! first. Messages come last, so that most can have been read by then: of one that was, the snapshot has all but the
//! text. Messages that come are for the next one.

use super::State;
use super::budget::Budget;
use super::paging::OpenPage;
use super::snapshot_progress::SnapshotProgress;
use super::snapshot_sink::SnapshotSink;

impl State {
    /// Begins to take what differs from the checkpoint that was taken before: the state as it is now. None may be under
    /// way. What is small is for the caller to write down now.
    pub(crate) fn begin_snapshot(&mut self) {
        debug_assert!(self.snapshot.is_none(), "one after the other");
        let through = self.last_message.number;
        self.snapshot = Some(SnapshotProgress {
            through,
            readers: self.accounts.begin_snapshot(),
            rooms: self.rooms.begin_snapshot(),
            queue_through: self.messages.paging.paged_through(),
        });
        self.messages.paging.begin_snapshot(through);
        self.remembered.begin_snapshot();
        self.tokens.begin_snapshot();
    }

    /// Goes on with the snapshot under way, for about so many steps, but leaves the messages that came since the one
    /// before. Says whether the rest is done.
    pub(crate) fn take_snapshot_without_messages(
        &mut self,
        steps: usize,
        sink: &mut impl SnapshotSink,
    ) -> bool {
        if self.snapshot.is_none() {
            return true;
        }
        let (mut budget, mut open) = (Budget::of(steps), OpenPage::default());
        let is_done = self.put_all_but_messages(&mut open, sink, &mut budget);
        self.messages.close_page(&mut open, sink);
        is_done
    }

    /// Goes on with the snapshot under way, for about so many steps; one is a message, an account, or a kibibyte of
    /// text. Says whether it is done: then `sink` was given what the state was when it began, but for the texts of
    /// messages that were read since. Whoever goes on from it has to replay what was applied since, and then to ask
    /// [`State::check_replayed`].
    pub(crate) fn take_snapshot_piece(
        &mut self,
        steps: usize,
        sink: &mut impl SnapshotSink,
    ) -> bool {
        let Some(mut snapshot) = self.snapshot.take() else {
            return true;
        };
        let (mut budget, mut open) = (Budget::of(steps), OpenPage::default());
        let is_done = self.put_all_but_messages(&mut open, sink, &mut budget)
            && self.put_queues_on_pages(&mut snapshot, &mut open, sink, &mut budget)
            && self.put_rooms_on_pages(&mut snapshot, &mut open, sink, &mut budget)
            && self
                .messages
                .put_broadcasts_on_pages(&mut open, sink, &mut budget)
            && self.messages.paging.end_snapshot(sink, &mut budget);
        self.messages.close_page(&mut open, sink);
        if !is_done {
            self.snapshot = Some(snapshot);
        }
        is_done
    }

    fn put_all_but_messages(
        &mut self,
        open: &mut OpenPage,
        sink: &mut impl SnapshotSink,
        budget: &mut Budget,
    ) -> bool {
        self.accounts.put_awaited(sink, budget)
            && self.remembered.put_awaited(sink, budget)
            && self.rooms.put_awaited(sink, budget)
            && self.put_tokens(sink, budget)
            && self.messages.clear_leaving_pages(open, sink, budget)
    }

    fn put_tokens(&mut self, sink: &mut impl SnapshotSink, budget: &mut Budget) -> bool {
        self.tokens
            .put_awaited(budget, 1, |account, tokens| match tokens {
                Some(tokens) => sink.put_tokens(account, tokens),
                None => sink.remove_tokens(account),
            })
    }

    /// What one reader waits for is read, and leaves, together. Says whether all queues are done.
    fn put_queues_on_pages(
        &mut self,
        snapshot: &mut SnapshotProgress,
        open: &mut OpenPage,
        sink: &mut impl SnapshotSink,
        budget: &mut Budget,
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
                    if open.ends_piece(budget) {
                        return false;
                    }
                    self.messages.put_on_page(number, key, open, sink, budget);
                    snapshot.queue_through = number;
                }
            }
            if open.ends_piece(budget) {
                return false;
            }
            budget.spend(1);
            self.accounts
                .queue_was_paged(reader, snapshot.through, &self.messages);
            snapshot.readers.pop();
            snapshot.queue_through = self.messages.paging.paged_through();
        }
        true
    }

    /// The same for the feeds of rooms.
    fn put_rooms_on_pages(
        &mut self,
        snapshot: &mut SnapshotProgress,
        open: &mut OpenPage,
        sink: &mut impl SnapshotSink,
        budget: &mut Budget,
    ) -> bool {
        while let Some(id) = snapshot.rooms.last().copied() {
            if let Some(room) = self.rooms.get(id) {
                let mut place = room.feed.place_after(snapshot.queue_through);
                while let Some((number, key)) = room.feed.at(place)
                    && number <= snapshot.through
                {
                    if open.ends_piece(budget) {
                        return false;
                    }
                    match key {
                        Some(key) => self.messages.put_on_page(number, key, open, sink, budget),
                        None => budget.spend(1),
                    }
                    snapshot.queue_through = number;
                    place += 1;
                }
            }
            if open.ends_piece(budget) {
                return false;
            }
            budget.spend(1);
            self.rooms.feed_was_paged(id, snapshot.through);
            snapshot.rooms.pop();
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

    /// Panics if what is counted is not what there is.
    pub(crate) fn assert_consistent(&self) {
        self.messages.assert_consistent();
    }
}
