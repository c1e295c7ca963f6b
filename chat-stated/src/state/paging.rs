//! Which page of the checkpoint holds each message. Messages come onto pages bit by bit, while others come and go:
//! a snapshot has all those that waited when it began.

mod damage;
mod read_meanwhile;

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use chat_model::MessageNumber;

use super::messages::{MessageKey, Messages, Readers, StoredMessage, Text};
use super::save::Records;
use super::snapshot::Work;
use crate::text_page::TextPlace;
use read_meanwhile::ReadMeanwhile;

/// Number of a page of messages in the checkpoint; not 0, and never given to another page while the process lives.
pub(super) type PageNumber = u64;

/// Messages put on one page of the checkpoint.
const PAGE_MESSAGES: usize = 256;
/// Bytes of text after which a page is full: whoever reads one text from the disk reads its page.
const PAGE_BYTES: usize = 16 * 1024;
/// A page of which less than this part still waits is given up, and what waits moves to a new one.
const PAGE_WORTH_KEEPING: usize = 4;
/// Bytes of text that take about as long to copy as a message does without its text.
const TEXT_BYTES_A_STEP: usize = 1024;
/// Names of readers that do.
const READERS_A_STEP: usize = 16;

/// A page of the checkpoint.
#[derive(Debug, Default)]
struct Page {
    /// Those of its messages that may still wait.
    keys: Vec<(MessageNumber, MessageKey)>,
    /// How many of its messages wait.
    waiting: usize,
    /// How many messages it takes room for.
    written: usize,
    /// The next snapshot, or the one under way, removes it.
    is_given_up: bool,
    /// Its texts cannot be moved.
    is_damaged: bool,
    /// It has no texts: the journal behind the checkpoint has the reading of its messages.
    is_read_meanwhile: bool,
}

impl Page {
    fn is_worth_keeping(&self) -> bool {
        self.waiting > 0 && (self.is_damaged || self.waiting * PAGE_WORTH_KEEPING >= self.written)
    }
}

/// A page that is being filled.
#[derive(Debug, Default)]
pub(super) struct OpenPage {
    number: PageNumber,
    keys: Vec<(MessageNumber, MessageKey)>,
    bytes: usize,
}

impl OpenPage {
    /// Whether a piece of a snapshot ends here: better between two pages.
    pub(super) fn ends_piece(&self, work: &Work) -> bool {
        work.is_overspent() || work.is_spent() && self.keys.is_empty()
    }

    fn is_full(&self) -> bool {
        self.keys.len() >= PAGE_MESSAGES || self.bytes >= PAGE_BYTES
    }
}

/// What a snapshot still has to do of messages.
#[derive(Debug)]
struct Gathering {
    /// The last message when it began.
    through: MessageNumber,
    /// Pages that were given up when it began, sorted: they are removed, and what waits on them moves.
    leaving: Vec<PageNumber>,
    /// Broadcasts up to here are done.
    broadcasts_through: MessageNumber,
    /// Messages that were read since, before they came onto a page.
    read_meanwhile: ReadMeanwhile,
}

/// The pages of the checkpoint, and what is on its way onto them.
#[derive(Debug, Default)]
pub(super) struct Paging {
    pages: BTreeMap<PageNumber, Page>,
    last_page: PageNumber,
    /// Whatever waits and is no newer stands on a page.
    paged_through: MessageNumber,
    /// For the next snapshot to remove.
    given_up_pages: Vec<PageNumber>,
    gathering: Option<Gathering>,
    /// Pages up to here are in the current checkpoint, or were given up.
    current_through: PageNumber,
    /// No page before this one has texts in memory.
    resident_from: PageNumber,
    /// Messages whose texts the next checkpoint has on other pages, and on which.
    moving: BTreeMap<MessageNumber, (PageNumber, MessageKey)>,
}

impl Paging {
    /// A message has no reader left. Says whether the snapshot under way still has to get it.
    pub(super) fn is_awaited_after_leaving(
        &mut self,
        page: Option<NonZeroU64>,
        number: MessageNumber,
    ) -> bool {
        match page {
            Some(page) => self.leave_page(page.get()),
            None => self
                .gathering
                .as_ref()
                .is_some_and(|gathering| number <= gathering.through),
        }
    }

    /// Keeps a message that was read for the snapshot under way.
    pub(super) fn keep_for_snapshot(&mut self, message: &StoredMessage) {
        if let Some(gathering) = &mut self.gathering {
            gathering.read_meanwhile.add(message, &mut self.last_page);
        }
    }

    /// One message fewer waits on a page. Says whether the snapshot under way removes that page, and so lacks the
    /// message.
    fn leave_page(&mut self, page_number: PageNumber) -> bool {
        let Some(page) = self.pages.get_mut(&page_number) else {
            return false;
        };
        page.waiting -= 1;
        if page.waiting == 0 {
            page.keys = Vec::new();
        }
        if !page.is_given_up {
            self.give_up_if_worthless(page_number);
            return false;
        }
        self.gathering
            .as_ref()
            .is_some_and(|gathering| gathering.leaving.binary_search(&page_number).is_ok())
    }

    fn give_up_if_worthless(&mut self, page_number: PageNumber) {
        if let Some(page) = self.pages.get_mut(&page_number)
            && !page.is_given_up
            && !page.is_worth_keeping()
        {
            page.is_given_up = true;
            self.given_up_pages.push(page_number);
        }
    }

    fn insert(
        &mut self,
        page_number: PageNumber,
        keys: Vec<(MessageNumber, MessageKey)>,
        written: usize,
    ) {
        let page = Page {
            waiting: keys.len(),
            keys,
            written,
            ..Page::default()
        };
        self.pages.insert(page_number, page);
        self.give_up_if_worthless(page_number);
    }

    fn new_page(&mut self) -> PageNumber {
        self.last_page += 1;
        self.last_page
    }

    /// Pages of the checkpoint that hold little or nothing that waits, and go with the next checkpoint.
    pub(super) fn given_up_pages(&self) -> usize {
        self.given_up_pages.len()
    }

    /// The newest message that surely stands on a page, if it waits.
    pub(super) fn paged_through(&self) -> MessageNumber {
        self.paged_through
    }

    /// A snapshot begins: it has the messages up to this one. The one before has come to its end.
    pub(super) fn begin_snapshot(&mut self, through: MessageNumber) {
        let mut leaving = std::mem::take(&mut self.given_up_pages);
        leaving.sort_unstable();
        self.gathering = Some(Gathering {
            through,
            leaving,
            broadcasts_through: self.paged_through,
            read_meanwhile: ReadMeanwhile::default(),
        });
    }

    /// In a restore, once the pages were added: the current checkpoint has them all, up to this message.
    pub(super) fn pages_restored(
        &mut self,
        through: MessageNumber,
        resident_from: Option<PageNumber>,
    ) {
        self.paged_through = through;
        self.current_through = self.last_page;
        self.resident_from = resident_from.unwrap_or(self.last_page + 1);
    }
}

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
        records: &mut Records,
        work: &mut Work,
    ) -> bool {
        while !open.ends_piece(work) {
            let leaving = |gathering: &mut Gathering| gathering.leaving.pop();
            let Some(page_number) = self.paging.gathering.as_mut().and_then(leaving) else {
                return true;
            };
            work.spend(1);
            let Some(page) = self.paging.pages.remove(&page_number) else {
                continue;
            };
            if page.is_read_meanwhile {
                records.remove_read_page(page_number);
                continue;
            }
            records.remove_page(page_number);
            if page.waiting == 0 {
                continue;
            }
            for (number, key) in page.keys {
                if let Some(slot) = self.find_mut(number, key) {
                    slot.page = None;
                    self.put_on_page(number, key, open, records, work);
                }
            }
        }
        false
    }

    /// Puts the broadcasts that the snapshot has on pages. Says whether that is done.
    pub(super) fn put_broadcasts_on_pages(
        &mut self,
        open: &mut OpenPage,
        records: &mut Records,
        work: &mut Work,
    ) -> bool {
        let Some(gathering) = &self.paging.gathering else {
            return true;
        };
        let (done, through) = (gathering.broadcasts_through, gathering.through);
        let start = self
            .broadcasts
            .partition_point(|(number, _)| *number <= done);
        for index in start..self.broadcasts.len() {
            let (number, key) = self.broadcasts[index];
            if number > through {
                break;
            }
            if open.ends_piece(work) {
                return false;
            }
            match key {
                Some(key) => self.put_on_page(number, key, open, records, work),
                None => work.spend(1),
            }
            if let Some(gathering) = &mut self.paging.gathering {
                gathering.broadcasts_through = number;
            }
        }
        true
    }

    /// Puts a message on the page that is being filled, unless it stands on one.
    pub(super) fn put_on_page(
        &mut self,
        number: MessageNumber,
        key: MessageKey,
        open: &mut OpenPage,
        records: &mut Records,
        work: &mut Work,
    ) {
        if self.slot_mut(key).page.is_some() {
            return work.spend(1);
        }
        if open.keys.is_empty() {
            open.number = self.paging.new_page();
        }
        let slot = &mut self.slots[key.index()];
        slot.page = NonZeroU64::new(open.number);
        if matches!(slot.message.text, Text::OnPage { .. }) {
            self.paging.moving.insert(number, (open.number, key));
        }
        work.spend(steps_of(&slot.message));
        open.bytes += slot.message.text.len();
        open.keys.push((number, key));
        if open.is_full() {
            self.close_page(open, records);
        }
    }

    /// Writes the page down that is being filled, if there is anything on it.
    pub(super) fn close_page(&mut self, open: &mut OpenPage, records: &mut Records) {
        if open.keys.is_empty() {
            return;
        }
        let open = std::mem::take(open);
        let messages = open.keys.iter().map(|(_, key)| self.get(*key));
        records.put_page(open.number, messages);
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
        let mut waiting: BTreeMap<PageNumber, usize> =
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
