//! Putting messages on pages of the checkpoint, and their texts out of memory.

use std::num::NonZeroU64;

use chat_model::MessageNumber;

use super::budget::Budget;
use super::message::{MessageKey, PageNumber, Readers, StoredMessage, Text};
use super::messages::Messages;
use super::paging::{Gathering, OpenPage};
use super::snapshot_sink::SnapshotSink;
use super::text_place::TextPlace;

/// Bytes of text that take about as long to copy as a message does without its text.
const TEXT_BYTES_A_STEP: usize = 1024;
/// Names of readers that do.
const READERS_A_STEP: usize = 16;

impl Messages {
    /// In a restore: says which page of the checkpoint holds these messages, all that wait of the `written` ones on it.
    pub(super) fn add_page(
        &mut self,
        page_number: PageNumber,
        keys: Vec<(MessageNumber, MessageKey)>,
        written: usize,
    ) {
        self.paging.last_page = self.paging.last_page.max(page_number);
        for (_, key) in &keys {
            self.slot_mut(*key).page = NonZeroU64::new(page_number);
        }
        self.paging.insert(page_number, keys, written);
    }

    /// Removes pages that were given up, and moves what waits on them. Says whether that is done.
    pub(super) fn clear_leaving_pages(
        &mut self,
        open: &mut OpenPage,
        sink: &mut impl SnapshotSink,
        budget: &mut Budget,
    ) -> bool {
        while !open.ends_piece(budget) {
            let leaving = |gathering: &mut Gathering| gathering.leaving.pop();
            let Some(page_number) = self.paging.gathering.as_mut().and_then(leaving) else {
                return true;
            };
            budget.spend(1);
            let Some(page) = self.paging.pages.remove(&page_number) else {
                continue;
            };
            if page.is_read_meanwhile {
                sink.remove_page_without_texts(page_number);
                continue;
            }
            sink.remove_page(page_number);
            if page.waiting == 0 {
                continue;
            }
            for (number, key) in page.keys {
                if let Some(slot) = self.find_mut(number, key) {
                    slot.page = None;
                    self.put_on_page(number, key, open, sink, budget);
                }
            }
        }
        false
    }

    /// Puts the broadcasts that the snapshot has on pages. Says whether that is done.
    pub(super) fn put_broadcasts_on_pages(
        &mut self,
        open: &mut OpenPage,
        sink: &mut impl SnapshotSink,
        budget: &mut Budget,
    ) -> bool {
        let Some(gathering) = &self.paging.gathering else {
            return true;
        };
        let (done, through) = (gathering.broadcasts_through, gathering.through);
        let mut place = self.broadcasts.place_after(done);
        while let Some((number, key)) = self.broadcasts.at(place)
            && number <= through
        {
            if open.ends_piece(budget) {
                return false;
            }
            match key {
                Some(key) => self.put_on_page(number, key, open, sink, budget),
                None => budget.spend(1),
            }
            if let Some(gathering) = &mut self.paging.gathering {
                gathering.broadcasts_through = number;
            }
            place += 1;
        }
        true
    }

    /// Puts a message on the page that is being filled, unless it stands on one.
    pub(super) fn put_on_page(
        &mut self,
        number: MessageNumber,
        key: MessageKey,
        open: &mut OpenPage,
        sink: &mut impl SnapshotSink,
        budget: &mut Budget,
    ) {
        if self.slot_mut(key).page.is_some() {
            return budget.spend(1);
        }
        if open.keys.is_empty() {
            open.number = self.paging.new_page();
        }
        let slot = &mut self.slots[key.index()];
        slot.page = NonZeroU64::new(open.number);
        if matches!(slot.message.text, Text::OnPage { .. }) {
            self.paging.moving.insert(number, (open.number, key));
        }
        budget.spend(steps_of(&slot.message));
        open.bytes += slot.message.text.len();
        open.keys.push((number, key));
        if open.is_full() {
            self.close_page(open, sink);
        }
    }

    /// Writes the page down that is being filled, if there is anything on it.
    pub(super) fn close_page(&mut self, open: &mut OpenPage, sink: &mut impl SnapshotSink) {
        if open.keys.is_empty() {
            return;
        }
        let open = std::mem::take(open);
        let messages = open.keys.iter().map(|(_, key)| self.get(*key));
        sink.put_page(open.number, messages);
        let written = open.keys.len();
        self.paging.insert(open.number, open.keys, written);
    }

    /// The checkpoint of the pages that were taken last is the current one.
    pub(super) fn checkpoint_is_current(&mut self) {
        self.paging.current_through = self.paging.last_page;
        for (number, (new_page, key)) in std::mem::take(&mut self.paging.moving) {
            if let Some(slot) = self.find_mut(number, key)
                && let Text::OnPage { page, .. } = &mut slot.message.text
            {
                *page = new_page;
            }
        }
    }

    /// Drops texts that the current checkpoint has, oldest pages first, until no more than so many bytes are in memory,
    /// or so many messages were looked at. Says whether there may be more to drop.
    pub(super) fn drop_texts(&mut self, until_bytes: u64, max_messages: usize) -> bool {
        let paging = &mut self.paging;
        let mut looked_at = 0;
        while self.resident_bytes > until_bytes {
            let droppable = paging.resident_from..paging.current_through + 1;
            let Some((page_number, page)) = paging.pages.range(droppable).next() else {
                return false;
            };
            if looked_at >= max_messages {
                return true;
            }
            for (number, key) in &page.keys {
                if let Some(slot) = self.slots.get_mut(key.index())
                    && slot.message.number == *number
                    && let Text::Resident(text) = &slot.message.text
                {
                    self.resident_bytes -= text.len() as u64;
                    slot.message.text = Text::OnPage {
                        page: *page_number,
                        bytes: slot.message.text.bytes(),
                    };
                }
            }
            looked_at += page.keys.len().max(1);
            paging.resident_from = page_number + 1;
        }
        false
    }

    /// Where a text is that is not in memory.
    pub(super) fn text_place(&self, message: &StoredMessage) -> Option<TextPlace> {
        let Text::OnPage { page, bytes } = message.text else {
            return None;
        };
        let moved = self.paging.moving.get(&message.number);
        Some(TextPlace {
            number: message.number,
            text_bytes: bytes,
            page,
            moved_to: moved.map(|(page, _)| *page),
        })
    }
}

/// What it takes to put a message on a page.
fn steps_of(message: &StoredMessage) -> usize {
    let readers = match &message.readers {
        Readers::Some(readers) => readers.len(),
        Readers::Rooms(readers) => readers.accounts.len(),
        _ => 1,
    };
    1 + message.text.len() / TEXT_BYTES_A_STEP + readers / READERS_A_STEP
}

#[cfg(test)]
impl Messages {
    /// How many messages stand on pages.
    pub(super) fn on_pages(&self) -> usize {
        let slots = self.slots.iter();
        slots.filter(|(_, slot)| slot.page.is_some()).count()
    }

    /// Panics if what is counted is not what there is.
    pub(super) fn assert_consistent(&self) {
        let paging = &self.paging;
        let mut waiting: std::collections::BTreeMap<PageNumber, usize> =
            paging.pages.keys().map(|page| (*page, 0)).collect();
        let (mut resident_bytes, mut groups) = (0, std::collections::HashSet::new());
        for (_, slot) in &self.slots {
            if let Readers::Some(group) = &slot.message.readers {
                groups.insert(group.as_ptr());
            }
            resident_bytes += slot.message.text.resident_bytes();
            match slot.page {
                Some(page) => *waiting.get_mut(&page.get()).expect("the page is there") += 1,
                None => assert!(slot.message.number > paging.paged_through),
            }
        }
        assert_eq!(resident_bytes, self.resident_bytes);
        assert_eq!(groups.len(), self.groups.len(), "each list once");
        let mut leaving = paging.given_up_pages.clone();
        leaving.extend(paging.gathering.iter().flat_map(|found| &found.leaving));
        leaving.sort_unstable();
        let given_up = paging.pages.iter().filter(|(_, page)| page.is_given_up);
        assert!(given_up.map(|(number, _)| number).eq(&leaving), "each once");
        for (number, page) in &paging.pages {
            assert_eq!(page.waiting, waiting[number]);
            assert_eq!(page.is_given_up, !page.is_worth_keeping());
        }
    }
}
