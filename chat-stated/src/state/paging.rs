//! Which page of the checkpoint holds each message. Messages come onto pages bit by bit, while others come and go:
//! a snapshot has all those that waited when it began.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use chat_model::MessageNumber;

use super::budget::Budget;
use super::message::{MessageKey, PageNumber, StoredMessage};
use super::read_meanwhile::ReadMeanwhile;
use super::snapshot_sink::SnapshotSink;

/// Messages put on one page of the checkpoint.
const PAGE_MESSAGES: usize = 256;
/// Bytes of text after which a page is full: reading one text from the disk reads its whole page.
const PAGE_BYTES: usize = 16 * 1024;
/// A page is given up once less than this part of its messages waits. Those move to a new page.
const PAGE_WORTH_KEEPING: usize = 4;
/// A page of the checkpoint.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Those of its messages that may still wait.
    pub(super) keys: Vec<(MessageNumber, MessageKey)>,
    /// How many of its messages wait.
    pub(super) waiting: usize,
    /// How many messages were written on it.
    pub(super) written: usize,
    /// The next snapshot, or the one under way, removes it.
    pub(super) is_given_up: bool,
    /// Its texts cannot be moved.
    pub(super) is_damaged: bool,
    /// It has no texts: the journal behind the checkpoint has the reading of its messages.
    pub(super) is_read_meanwhile: bool,
}

impl Page {
    pub(super) fn is_worth_keeping(&self) -> bool {
        self.waiting > 0 && (self.is_damaged || self.waiting * PAGE_WORTH_KEEPING >= self.written)
    }
}

/// A page that is being filled.
#[derive(Debug, Default)]
pub(super) struct OpenPage {
    pub(super) number: PageNumber,
    pub(super) keys: Vec<(MessageNumber, MessageKey)>,
    pub(super) bytes: usize,
}

impl OpenPage {
    /// Whether a piece of a snapshot ends here: better between two pages.
    pub(super) fn ends_piece(&self, budget: &Budget) -> bool {
        budget.is_overspent() || budget.is_spent() && self.keys.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.keys.len() >= PAGE_MESSAGES || self.bytes >= PAGE_BYTES
    }
}

/// What a snapshot still has to do of messages.
#[derive(Debug)]
pub(super) struct Gathering {
    /// The last message when it began.
    pub(super) through: MessageNumber,
    /// Pages that were given up when it began, sorted: they are removed, and what waits on them moves.
    pub(super) leaving: Vec<PageNumber>,
    /// Broadcasts up to here are done.
    pub(super) broadcasts_through: MessageNumber,
    /// Messages that were read since, before they came onto a page.
    pub(super) read_meanwhile: ReadMeanwhile,
}

/// The pages of the checkpoint, and what is on its way onto them.
#[derive(Debug, Default)]
pub(super) struct Paging {
    pub(super) pages: BTreeMap<PageNumber, Page>,
    pub(super) last_page: PageNumber,
    /// Whatever waits and is no newer stands on a page.
    pub(super) paged_through: MessageNumber,
    /// For the next snapshot to remove.
    pub(super) given_up_pages: Vec<PageNumber>,
    pub(super) gathering: Option<Gathering>,
    /// Pages up to here are in the current checkpoint, or were given up.
    pub(super) current_through: PageNumber,
    /// No page before this one has texts in memory.
    pub(super) resident_from: PageNumber,
    /// Messages whose texts the next checkpoint has on other pages, and on which.
    pub(super) moving: BTreeMap<MessageNumber, (PageNumber, MessageKey)>,
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

    pub(super) fn give_up_if_worthless(&mut self, page_number: PageNumber) {
        if let Some(page) = self.pages.get_mut(&page_number)
            && !page.is_given_up
            && !page.is_worth_keeping()
        {
            page.is_given_up = true;
            self.given_up_pages.push(page_number);
        }
    }

    pub(super) fn insert(
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

    pub(super) fn new_page(&mut self) -> PageNumber {
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

    /// Ends the snapshot under way with what was read meanwhile, on pages that the next one removes. Says whether all
    /// of that was given.
    pub(super) fn end_snapshot(
        &mut self,
        sink: &mut impl SnapshotSink,
        budget: &mut Budget,
    ) -> bool {
        let Some(mut gathering) = self.gathering.take() else {
            return true;
        };
        gathering.read_meanwhile.close_page(&mut self.last_page);
        while !budget.is_spent() {
            let Some(page_number) = gathering.read_meanwhile.put_page(sink, budget) else {
                self.paged_through = gathering.through;
                return true;
            };
            self.insert(page_number, Vec::new(), 0);
            self.note_read_meanwhile(page_number);
        }
        self.gathering = Some(gathering);
        false
    }

    /// The messages of a page that was added were read while the snapshot was taken.
    pub(super) fn note_read_meanwhile(&mut self, page_number: PageNumber) {
        if let Some(page) = self.pages.get_mut(&page_number) {
            page.is_read_meanwhile = true;
        }
    }
}
