//! The lines of a client that are not wholly answered yet, in their order.

use std::collections::VecDeque;
use std::ops::Range;

use chat_line_protocol::words;
use chat_model::{MessageBatchBuilder, StreamOffset};

use super::command::Draft;
use super::slot::{Question, Slot, Stage};

/// Slots that room is left for while there are none.
const KEPT_SLOTS: usize = 16;
/// Room for a run of lines that is kept for the next one.
const KEPT_RUN_BYTES: usize = 16 * 1024;

/// A line each, but messages that follow one another and were not asked yet: they are one slot, a run.
#[derive(Debug, Default)]
pub(super) struct Slots {
    queue: VecDeque<Slot>,
    /// How many lines the slots stand for.
    lines: usize,
    /// How many slots are for lists of names.
    lists: usize,
    /// What is held of them.
    held_bytes: usize,
    /// No slot before this one is to be asked.
    next_to_ask: usize,
    /// Room for the next run.
    spare: Option<Box<MessageBatchBuilder>>,
}

impl Slots {
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

    pub(super) fn front(&self) -> Option<&Slot> {
        self.queue.front()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut Slot> {
        self.queue.front_mut()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Slot> {
        self.queue.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.queue.iter_mut()
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Slot {
        &mut self.queue[index]
    }

    pub(super) fn range_mut(&mut self, slots: Range<usize>) -> impl Iterator<Item = &mut Slot> {
        self.queue.range_mut(slots)
    }

    /// Forgets all lines, and keeps a little room.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.queue.shrink_to(KEPT_SLOTS);
        self.lines = 0;
        self.lists = 0;
        self.held_bytes = 0;
        self.next_to_ask = 0;
    }

    pub(super) fn push(&mut self, slot: Slot) {
        self.lines += slot.lines();
        self.lists += usize::from(slot.question.is_for_list());
        self.held_bytes += slot.held_bytes;
        self.queue.push_back(slot);
    }

    /// A message: it goes with those before it that were not asked yet, if there is room.
    pub(super) fn push_draft(&mut self, offset: StreamOffset, draft: &Draft<'_>) {
        let held_bytes = words::SEND.len() + draft.bytes();
        if let Some(slot) = self.queue.back_mut()
            && slot.stage == Stage::Unasked
            && let Question::SendBatch(run) = &mut slot.question
            && run.push(offset, draft.recipients.names(), &draft.text)
        {
            slot.offset = offset;
            slot.held_bytes += held_bytes;
            self.lines += 1;
            self.held_bytes += held_bytes;
            return;
        }
        let mut run = self.spare.take().unwrap_or_default();
        let is_taken = run.push(offset, draft.recipients.names(), &draft.text);
        debug_assert!(is_taken, "an empty run has room for any line");
        let word = words::SEND.into();
        self.push(Slot::new(offset, word, Question::SendBatch(run)));
    }

    /// Takes the first slot out.
    pub(super) fn pop_front(&mut self) -> Option<Slot> {
        let slot = self.queue.pop_front()?;
        self.lines -= slot.lines();
        self.lists -= usize::from(slot.question.is_for_list());
        self.held_bytes -= slot.held_bytes;
        self.next_to_ask = self.next_to_ask.saturating_sub(1);
        Some(slot)
    }

    /// Keeps the room of a slot that was taken out.
    pub(super) fn recycle(&mut self, slot: Slot) {
        if let Question::SendBatch(mut run) = slot.question
            && run.batch().bytes() <= KEPT_RUN_BYTES
        {
            run.clear();
            self.spare = Some(run);
        }
    }

    /// The next slot that the daemon is to be asked, which is taken for asked by this. What is behind a list of names
    /// waits until that is wholly answered, so that there is one at a time; a list waits until it may be asked for.
    pub(super) fn next_to_ask(&mut self, may_ask_for_list: bool) -> Option<&Slot> {
        let waits = |index: &usize| self.queue[*index].stage.is_to_be_asked();
        let next = (self.next_to_ask..self.queue.len()).find(waits);
        self.next_to_ask = next.unwrap_or(self.queue.len());
        let next = next?;
        let is_list = self.queue[next].question.is_for_list();
        if is_list && !may_ask_for_list || self.has_list_before(next) {
            return None;
        }
        self.next_to_ask += 1;
        let slot = &mut self.queue[next];
        slot.stage = Stage::Asked;
        Some(slot)
    }

    /// Whether a list of names is the next that the daemon is to be asked for.
    pub(super) fn is_list_next(&self) -> bool {
        let next = self.queue.get(self.next_to_ask);
        next.is_some_and(|slot| slot.stage.is_to_be_asked() && slot.question.is_for_list())
            && !self.has_list_before(self.next_to_ask)
    }

    fn has_list_before(&self, index: usize) -> bool {
        let is_list = |slot: &Slot| slot.question.is_for_list();
        self.lists > 0 && self.queue.iter().take(index).any(is_list)
    }

    /// What was asked and not answered is to be asked again.
    pub(super) fn ask_again(&mut self) {
        self.next_to_ask = 0;
        for slot in &mut self.queue {
            if slot.stage == Stage::Asked {
                slot.stage = Stage::AskedBefore;
            }
        }
    }

    /// The slots of the lines from one to another of which the daemon was asked and gave no answer, each with such lines
    /// only; those between that are answered are among them. Empty if there is none.
    pub(super) fn asked(&mut self, first: StreamOffset, last: StreamOffset) -> Range<usize> {
        let is_asked = |slot: &Slot| {
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

    /// Makes two slots of one that was asked and has lines before this offset and others. Says whether there are two now.
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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use chat_model::NameList;

    use super::*;

    fn draft(text: &str) -> Draft<'_> {
        Draft {
            recipients: NameList::one("bob"),
            text: Cow::Borrowed(text),
        }
    }

    /// A run of five lines that end at 10, 20, ... and were asked.
    fn asked() -> Slots {
        let mut slots = Slots::default();
        for number in 1..=5 {
            slots.push_draft(StreamOffset(10 * number), &draft("text"));
        }
        assert_eq!((slots.queue.len(), slots.lines()), (1, 5));
        assert!(slots.next_to_ask(true).is_some());
        slots
    }

    /// Where each slot begins and ends.
    fn shape(slots: &Slots) -> Vec<(u64, u64)> {
        let ends = |slot: &Slot| (slot.first_offset().0, slot.offset.0);
        slots.iter().map(ends).collect()
    }

    #[test]
    fn a_run_is_taken_apart_where_an_answer_begins_or_ends() {
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
    fn what_was_asked_gets_no_more_lines() {
        let mut slots = asked();
        slots.push_draft(StreamOffset(60), &draft("more"));
        slots.push(Slot::new(StreamOffset(70), "who".into(), Question::Who));
        slots.push_draft(StreamOffset(80), &draft("more"));
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
    fn room_is_used_again_and_nothing_is_left_behind() {
        let mut slots = asked();
        let slot = slots.pop_front().unwrap();
        slots.recycle(slot);
        assert_eq!((slots.lines(), slots.held_bytes()), (0, 0));
        slots.push_draft(StreamOffset(60), &draft("more"));
        assert_eq!(shape(&slots), [(60, 60)]);
    }
}
