//! Requests under way: the lines of a client that are not wholly answered yet, in their order.
//!
//! A request is named by where its line ends. It is sent to the state daemon, and sent again under the same name to one
//! that comes back, until it is answered. While the daemon is lost, what certainly did not reach it is refused.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use chat_model::{
    ConnectionSerial, MessageBatchBuilder, MessageNumber, Names, Outcome, Progress, PushMode,
    Request, StreamOffset,
};
use chat_rpc::{FromWorker, RequestItem, SendBatch};

use super::slot::{Answer, Item, Requests, Slot, Stage};

/// Slots that memory is kept for while there are none.
const KEPT_SLOTS: usize = 16;
/// A batch of messages whose memory is kept for the next one has at most so much text.
const KEPT_BATCH_BYTES: usize = 16 * 1024;

/// A slot for each line. Messages that follow one another and were not asked yet share one.
#[derive(Debug)]
pub(super) struct Pipeline<Memo> {
    queue: VecDeque<Slot<Memo>>,
    /// How many lines the slots stand for.
    lines: usize,
    /// How many slots are for lists of names.
    lists: usize,
    /// What is held of them.
    held_bytes: usize,
    /// No slot before this one is to be asked.
    next_to_ask: usize,
    /// Memory for the next batch of messages.
    spare: Option<Box<MessageBatchBuilder>>,
    /// The last request whose answer arrived.
    answered: StreamOffset,
    /// The daemon knows of this connection.
    has_asked: bool,
    /// The daemon has been away for long: what did not reach it is refused.
    is_daemon_lost: bool,
}

impl<Memo> Default for Pipeline<Memo> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            lines: 0,
            lists: 0,
            held_bytes: 0,
            next_to_ask: 0,
            spare: None,
            answered: StreamOffset(0),
            has_asked: false,
            is_daemon_lost: false,
        }
    }
}

impl<Memo: Clone + PartialEq> Pipeline<Memo> {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many lines are not wholly answered.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// What is held of these lines.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    pub(super) fn front(&self) -> Option<&Slot<Memo>> {
        self.queue.front()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut Slot<Memo>> {
        self.queue.front_mut()
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Slot<Memo>> {
        self.queue.iter()
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Slot<Memo> {
        &mut self.queue[index]
    }

    pub(super) fn range_mut(
        &mut self,
        slots: Range<usize>,
    ) -> impl Iterator<Item = &mut Slot<Memo>> {
        self.queue.range_mut(slots)
    }

    /// Forgets all lines, and keeps a little memory.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.queue.shrink_to(KEPT_SLOTS);
        self.lines = 0;
        self.lists = 0;
        self.held_bytes = 0;
        self.next_to_ask = 0;
    }

    /// Becomes the pipeline of a session that was parked: all is answered up to here.
    pub(super) fn restore(&mut self, answered: StreamOffset, is_daemon_lost: bool) {
        self.clear();
        self.answered = answered;
        self.has_asked = true;
        self.is_daemon_lost = is_daemon_lost;
    }

    /// The last request whose answer arrived.
    pub(super) fn answered(&self) -> StreamOffset {
        self.answered
    }

    /// Whether the daemon knows of this connection.
    pub(super) fn has_asked(&self) -> bool {
        self.has_asked
    }

    pub(super) fn is_daemon_lost(&self) -> bool {
        self.is_daemon_lost
    }

    /// A line that is to be asked, or refused while the daemon is lost.
    pub(super) fn push(&mut self, mut slot: Slot<Memo>) {
        if self.is_daemon_lost && !slot.stage.is_answered() {
            refuse(&mut slot);
        }
        self.lines += slot.lines();
        self.lists += usize::from(slot.requests.is_for_list());
        self.held_bytes += slot.held_bytes;
        self.queue.push_back(slot);
    }

    /// Whether the last line changes the password: what it may come to decides what those behind it are.
    pub(super) fn ends_with_password_change(&self) -> bool {
        self.queue.back().is_some_and(Slot::changes_password)
    }

    /// A message: it goes with those before it that were not asked yet, if there is room.
    pub(super) fn push_message(
        &mut self,
        offset: StreamOffset,
        (memo, memo_bytes): (Memo, usize),
        (recipients, text): (Names<'_>, &str),
    ) {
        if let Some(slot) = self.queue.back_mut()
            && slot.stage == Stage::Unasked
            && slot.memo.as_ref() == Some(&memo)
            && let Requests::Batch(batch) = &mut slot.requests
            && batch.push(offset, recipients, text)
        {
            let held_bytes = memo_bytes + recipients.bytes() + text.len();
            slot.offset = offset;
            slot.held_bytes += held_bytes;
            self.lines += 1;
            self.held_bytes += held_bytes;
            return;
        }
        let mut batch = self.spare.take().unwrap_or_default();
        let is_taken = batch.push(offset, recipients, text);
        debug_assert!(is_taken, "an empty batch has room for any line");
        self.push(Slot::new(offset, Requests::Batch(batch), memo, memo_bytes));
    }

    /// Takes the first slot out.
    pub(super) fn pop_front(&mut self) -> Option<Slot<Memo>> {
        let slot = self.queue.pop_front()?;
        self.lines -= slot.lines();
        self.lists -= usize::from(slot.requests.is_for_list());
        self.held_bytes -= slot.held_bytes;
        self.next_to_ask = self.next_to_ask.saturating_sub(1);
        Some(slot)
    }

    /// Keeps the memory of a slot that was taken out.
    pub(super) fn recycle(&mut self, slot: Slot<Memo>) {
        if let Requests::Batch(mut batch) = slot.requests
            && batch.batch().bytes() <= KEPT_BATCH_BYTES
        {
            batch.clear();
            self.spare = Some(batch);
        }
    }

    /// The next item for the daemon, which counts as sent by this.
    pub(super) fn next_item(
        &mut self,
        may_ask_for_list: bool,
        connection: ConnectionSerial,
        progress: Progress,
    ) -> Option<FromWorker<'_>> {
        let answered = self.answered;
        let slot = self.next_to_ask(may_ask_for_list)?;
        Some(match slot.requests.to_item() {
            Item::Request(request) => FromWorker::Request(RequestItem {
                connection,
                offset: slot.offset,
                answered,
                progress,
                request,
            }),
            Item::Batch(batch) => FromWorker::SendBatch(SendBatch {
                connection,
                answered,
                progress,
                lines: Cow::Borrowed(batch),
            }),
        })
    }

    /// The next slot that the daemon is to be asked, which is taken for asked by this. What is behind a list of names
    /// waits until that is wholly answered, so that there is one at a time; a list waits until it may be asked for.
    fn next_to_ask(&mut self, may_ask_for_list: bool) -> Option<&Slot<Memo>> {
        let waits = |index: &usize| self.queue[*index].stage.is_to_be_asked();
        let next = (self.next_to_ask..self.queue.len()).find(waits);
        self.next_to_ask = next.unwrap_or(self.queue.len());
        let next = next?;
        let is_list = self.queue[next].requests.is_for_list();
        if is_list && !may_ask_for_list || self.has_list_before(next) {
            return None;
        }
        // It may end the session: all before it is answered first.
        if next > 0 && self.queue[next].changes_password() {
            return None;
        }
        self.next_to_ask += 1;
        self.has_asked = true;
        let slot = &mut self.queue[next];
        slot.stage = Stage::Asked;
        Some(slot)
    }

    /// Whether a list of names is the next that the daemon is to be asked for.
    pub(super) fn is_list_next(&self) -> bool {
        let next = self.queue.get(self.next_to_ask);
        next.is_some_and(|slot| slot.stage.is_to_be_asked() && slot.requests.is_for_list())
            && !self.has_list_before(self.next_to_ask)
    }

    fn has_list_before(&self, index: usize) -> bool {
        let is_list = |slot: &Slot<Memo>| slot.requests.is_for_list();
        self.lists > 0 && self.queue.iter().take(index).any(is_list)
    }

    /// The daemon is back: what was asked and not answered is to be asked again.
    pub(super) fn ask_again(&mut self) {
        self.is_daemon_lost = false;
        self.next_to_ask = 0;
        for slot in &mut self.queue {
            if slot.stage == Stage::Asked {
                slot.stage = Stage::AskedBefore;
            }
        }
    }

    /// The daemon has been away for long: refuses what certainly did not reach it.
    pub(super) fn daemon_is_lost(&mut self) {
        self.is_daemon_lost = true;
        for slot in &mut self.queue {
            if slot.stage == Stage::Unasked {
                refuse(slot);
            }
        }
    }

    /// When messages come as far as the daemon knows, if an answer changed that. The client may not have seen it yet.
    pub(super) fn last_push_set(&self) -> Option<PushMode> {
        let answered = self.queue.iter().rev();
        answered
            .filter(|slot| slot.stage.is_answered())
            .find_map(Slot::push_set)
    }

    /// An answer came to all requests up to this one.
    pub(super) fn note_answered(&mut self, offset: StreamOffset) {
        self.answered = self.answered.max(offset);
    }

    /// The slots of the lines from one to another that the daemon was asked and has not answered, and those between.
    /// A slot with other lines is split. Empty if there is none.
    pub(super) fn asked(&mut self, first: StreamOffset, last: StreamOffset) -> Range<usize> {
        let is_asked = |slot: &Slot<Memo>| {
            slot.stage == Stage::Asked && slot.offset >= first && slot.first_offset() <= last
        };
        let Some(mut start) = self.queue.iter().position(is_asked) else {
            return 0..0;
        };
        start += usize::from(self.split(start, first));
        let mut end = start;
        while let Some(slot) = self.queue.get(end)
            && slot.first_offset() <= last
        {
            self.split(end, StreamOffset(last.0.saturating_add(1)));
            end += 1;
        }
        start..end
    }

    /// Splits a slot that was asked and has lines before this offset and others. Returns whether there are two now.
    fn split(&mut self, index: usize, at: StreamOffset) -> bool {
        let slot = &mut self.queue[index];
        if slot.stage != Stage::Asked || slot.first_offset() >= at || slot.offset < at {
            return false;
        }
        let Some(behind) = slot.split_off(at) else {
            return false;
        };
        self.queue.insert(index + 1, behind);
        // What is split was asked.
        self.next_to_ask += 1;
        true
    }
}

/// Refuses what did not reach the daemon, but the end of the session: that is done when the daemon is back.
fn refuse<Memo: Clone>(slot: &mut Slot<Memo>) {
    if slot.requests != Requests::One(Request::LogOut) {
        let busy = Answer::Outcome(Outcome::Busy);
        slot.answered(busy, MessageNumber::default());
    }
}

#[cfg(test)]
mod tests {
    use chat_model::NameList;

    use super::*;

    /// A message that ends here.
    fn push_message(slots: &mut Pipeline<()>, end: u64) {
        let bob = NameList::one("bob");
        slots.push_message(StreamOffset(end), ((), 4), (bob.names(), "text"));
    }

    /// A batch of five lines that end at 10, 20, ... and were asked.
    fn asked() -> Pipeline<()> {
        let mut slots = Pipeline::default();
        for number in 1..=5 {
            push_message(&mut slots, 10 * number);
        }
        assert_eq!((slots.queue.len(), slots.lines()), (1, 5));
        assert!(slots.next_to_ask(true).is_some());
        slots
    }

    /// Where each slot begins and ends.
    fn shape(slots: &Pipeline<()>) -> Vec<(u64, u64)> {
        let ends = |slot: &Slot<()>| (slot.first_offset().0, slot.offset.0);
        slots.iter().map(ends).collect()
    }

    #[test]
    fn batch_is_split_where_an_answer_ends() {
        for (first, last, range, expected) in [
            (10, 50, 0..1, vec![(10, 50)]),
            (5, 70, 0..1, vec![(10, 50)]),
            (30, 30, 1..2, vec![(10, 20), (30, 30), (40, 50)]),
            (10, 10, 0..1, vec![(10, 10), (20, 50)]),
            (50, 50, 1..2, vec![(10, 40), (50, 50)]),
            (20, 40, 1..2, vec![(10, 10), (20, 40), (50, 50)]),
            (51, 60, 0..0, vec![(10, 50)]),
        ] {
            let mut slots = asked();
            let held_bytes = slots.held_bytes();
            assert_eq!(slots.asked(StreamOffset(first), StreamOffset(last)), range);
            assert_eq!(shape(&slots), expected);
            assert_eq!(slots.lines(), 5);
            let sum: usize = slots.iter().map(|slot| slot.held_bytes).sum();
            assert_eq!(sum, held_bytes);
            assert!(slots.next_to_ask(true).is_none(), "all were asked");
        }
    }

    #[test]
    fn asked_batch_gets_no_more_lines() {
        let mut slots = asked();
        push_message(&mut slots, 60);
        let list = Requests::One(Request::ListUsers {
            seen_within_minutes: None,
        });
        slots.push(Slot::new(StreamOffset(70), list, (), 0));
        push_message(&mut slots, 80);
        assert_eq!(shape(&slots), [(10, 50), (60, 60), (70, 70), (80, 80)]);
        let to_ask = std::iter::from_fn(|| Some(slots.next_to_ask(true)?.offset.0));
        assert_eq!(
            to_ask.collect::<Vec<_>>(),
            [60, 70],
            "the list is waited for"
        );
        slots.ask_again();
        let to_ask = std::iter::from_fn(|| Some(slots.next_to_ask(true)?.offset.0));
        assert_eq!(to_ask.collect::<Vec<_>>(), [50, 60, 70]);
        for _ in 0..3 {
            assert!(slots.pop_front().is_some());
        }
        let to_ask = std::iter::from_fn(|| Some(slots.next_to_ask(true)?.offset.0));
        assert_eq!(to_ask.collect::<Vec<_>>(), [80]);
    }

    #[test]
    fn memory_of_a_batch_is_reused() {
        let mut slots = asked();
        let slot = slots.pop_front().unwrap();
        slots.recycle(slot);
        assert_eq!((slots.lines(), slots.held_bytes()), (0, 0));
        push_message(&mut slots, 60);
        assert_eq!(shape(&slots), [(60, 60)]);
    }
}
