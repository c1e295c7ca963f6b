//! Messages that somebody still has to read: each stored once, whatever the number of its readers. The texts of those
//! that a checkpoint has can be dropped from memory.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;

use chat_shared::rpc::MessageNumber;
use serde::{Deserialize, Serialize};
use slab::Slab;

use crate::entry::AccountId;
use crate::text_page::TextPlace;

/// Where a message lies in [`Messages`].
pub(super) type MessageKey = usize;

/// Number of a page of messages in the checkpoint; not 0, and never given to another page while the process lives.
pub(super) type PageNumber = u64;

/// Messages put on one page of the checkpoint.
const PAGE_MESSAGES: usize = 256;
/// Bytes of text after which a page is full: whoever reads one text from the disk reads its page.
const PAGE_BYTES: usize = 16 * 1024;
/// A page of which less than this part still waits is given up, and what waits moves to a new one.
const PAGE_WORTH_KEEPING: usize = 4;
/// Messages that may have been read since the last checkpoint before their traces are cleared away.
const UNPAGED_SLACK: usize = 64 * 1024;

/// Who a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Readers {
    One(AccountId),
    Some(Box<[AccountId]>),
    /// Every account there was, but the sender.
    AllButSender,
}

impl Readers {
    /// The first one who is named.
    fn first(&self) -> Option<AccountId> {
        match self {
            Self::One(reader) => Some(*reader),
            Self::Some(readers) => readers.first().copied(),
            Self::AllButSender => None,
        }
    }
}

/// The text of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Resident(Box<str>),
    /// On a page of the current checkpoint.
    OnPage {
        page: PageNumber,
        bytes: u32,
    },
}

impl Text {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Resident(text) => text.len(),
            Self::OnPage { bytes, .. } => *bytes as usize,
        }
    }

    pub(super) fn bytes(&self) -> u32 {
        u32::try_from(self.len()).expect("texts are limited to 1 MiB")
    }

    fn resident_bytes(&self) -> u64 {
        match self {
            Self::Resident(text) => text.len() as u64,
            Self::OnPage { .. } => 0,
        }
    }
}

/// A message as it is kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredMessage {
    pub(super) number: MessageNumber,
    pub(super) sender: AccountId,
    pub(super) wall_s: i64,
    pub(super) text: Text,
    pub(super) readers: Readers,
}

#[derive(Debug)]
struct Slot {
    message: StoredMessage,
    /// How many queues it still stands in.
    unread: u32,
    /// The page it counts on. Where its text is, says the text.
    page: Option<NonZeroU64>,
}

/// A page of the checkpoint.
#[derive(Debug, Default)]
struct Page {
    /// Those of its messages that may still wait.
    keys: Vec<(MessageNumber, MessageKey)>,
    /// How many of its messages wait.
    waiting: usize,
    /// How many messages it takes room for.
    written: usize,
}

impl Page {
    fn is_worth_keeping(&self) -> bool {
        self.waiting > 0 && self.waiting * PAGE_WORTH_KEEPING >= self.written
    }
}

/// All messages that wait, and which of them the checkpoint has.
#[derive(Debug, Default)]
pub(super) struct Messages {
    slots: Slab<Slot>,
    /// Broadcasts by rising number; `None` for one that nobody waits for any more.
    broadcasts: VecDeque<(MessageNumber, Option<MessageKey>)>,
    broadcasts_waiting: u32,
    broadcast_bytes: u64,
    /// Since the last checkpoint, with those that were read meanwhile.
    unpaged: Vec<(MessageNumber, MessageKey)>,
    pages: BTreeMap<PageNumber, Page>,
    last_page: PageNumber,
    given_up_pages: Vec<PageNumber>,
    /// Bytes of text in memory.
    resident_bytes: u64,
    /// Pages up to here are in the current checkpoint, or were given up.
    current_through: PageNumber,
    /// No page before this one has texts in memory.
    resident_from: PageNumber,
    /// Messages whose texts the next checkpoint has on other pages, and on which.
    moving: BTreeMap<MessageNumber, (PageNumber, MessageKey)>,
}

impl Messages {
    /// Stores a message that `unread` queues hold; more than 0.
    pub(super) fn store(&mut self, message: StoredMessage, unread: u32) -> MessageKey {
        debug_assert!(unread > 0, "a message for nobody is not stored");
        let number = message.number;
        let broadcast_bytes = match message.readers {
            Readers::AllButSender => Some(message.text.len() as u64),
            _ => None,
        };
        self.resident_bytes += message.text.resident_bytes();
        let key = self.slots.insert(Slot {
            message,
            unread,
            page: None,
        });
        if let Some(bytes) = broadcast_bytes {
            self.broadcasts.push_back((number, Some(key)));
            self.broadcasts_waiting += 1;
            self.broadcast_bytes += bytes;
        }
        self.unpaged.push((number, key));
        if self.unpaged.len() > 2 * self.slots.len() + UNPAGED_SLACK {
            self.drop_read_from_unpaged();
        }
        key
    }

    fn drop_read_from_unpaged(&mut self) {
        self.unpaged.retain(|(number, key)| {
            self.slots
                .get(*key)
                .is_some_and(|slot| slot.message.number == *number)
        });
    }

    pub(super) fn get(&self, key: MessageKey) -> &StoredMessage {
        &self.slots[key].message
    }

    pub(super) fn broadcasts_waiting(&self) -> u32 {
        self.broadcasts_waiting
    }

    pub(super) fn broadcast_bytes(&self) -> u64 {
        self.broadcast_bytes
    }

    pub(super) fn waiting(&self) -> usize {
        self.slots.len()
    }

    /// Broadcasts after a number, that somebody waits for, oldest first.
    pub(super) fn broadcasts_after(
        &self,
        after: MessageNumber,
    ) -> impl Iterator<Item = &StoredMessage> {
        let start = self
            .broadcasts
            .partition_point(|(number, _)| *number <= after);
        self.broadcasts
            .range(start..)
            .filter_map(|(_, key)| key.map(|key| self.get(key)))
    }

    /// One reader fewer for a message.
    pub(super) fn read_by_one(&mut self, key: MessageKey) {
        let slot = &mut self.slots[key];
        slot.unread -= 1;
        if slot.unread > 0 {
            return;
        }
        let slot = self.slots.remove(key);
        self.resident_bytes -= slot.message.text.resident_bytes();
        if let Some(page_number) = slot.page.map(NonZeroU64::get)
            && let Some(page) = self.pages.get_mut(&page_number)
        {
            page.waiting -= 1;
            if !page.is_worth_keeping() {
                self.give_up_page(page_number);
            }
        }
        if slot.message.readers == Readers::AllButSender {
            self.broadcast_was_read(&slot.message);
        }
    }

    /// One reader fewer for the broadcasts after `after` and up to `through`, but `reader`'s own.
    pub(super) fn broadcasts_read_by(
        &mut self,
        reader: AccountId,
        after: MessageNumber,
        through: MessageNumber,
    ) {
        let start = self
            .broadcasts
            .partition_point(|(number, _)| *number <= after);
        let end = self
            .broadcasts
            .partition_point(|(number, _)| *number <= through);
        let keys: Vec<MessageKey> = self
            .broadcasts
            .range(start..end.max(start))
            .filter_map(|(_, key)| *key)
            .filter(|key| self.slots[*key].message.sender != reader)
            .collect();
        for key in keys {
            self.read_by_one(key);
        }
    }

    fn broadcast_was_read(&mut self, message: &StoredMessage) {
        self.broadcasts_waiting -= 1;
        self.broadcast_bytes -= message.text.len() as u64;
        let index = self
            .broadcasts
            .partition_point(|(number, _)| *number < message.number);
        self.broadcasts[index].1 = None;
        while matches!(self.broadcasts.front(), Some((_, None))) {
            self.broadcasts.pop_front();
        }
        if self.broadcasts.len() > 2 * self.broadcasts_waiting as usize + 64 {
            self.broadcasts.retain(|(_, key)| key.is_some());
        }
    }

    fn give_up_page(&mut self, page_number: PageNumber) {
        let Some(page) = self.pages.remove(&page_number) else {
            return;
        };
        for (number, key) in page.keys {
            if let Some(slot) = self.slots.get_mut(key)
                && slot.message.number == number
            {
                slot.page = None;
                self.unpaged.push((number, key));
            }
        }
        self.given_up_pages.push(page_number);
    }

    /// Puts the messages that no page holds on new pages; gives each page to `write`, and the numbers of
    /// those that are to be removed to `remove`.
    pub(super) fn take_pages(
        &mut self,
        mut write: impl FnMut(PageNumber, &[&StoredMessage]),
        mut remove: impl FnMut(PageNumber),
    ) {
        self.drop_read_from_unpaged();
        let mut unpaged = std::mem::take(&mut self.unpaged);
        // What one reader waits for is read, and leaves, together.
        unpaged.sort_by_cached_key(|(number, key)| (self.get(*key).readers.first(), *number));
        let mut rest = unpaged.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fitting = rest
                .iter()
                .take(PAGE_MESSAGES)
                .take_while(|(_, key)| {
                    let fits = bytes < PAGE_BYTES;
                    bytes += self.slots[*key].message.text.len();
                    fits
                })
                .count();
            let (keys, later) = rest.split_at(fitting);
            self.last_page += 1;
            let messages: Vec<&StoredMessage> =
                keys.iter().map(|(_, key)| self.get(*key)).collect();
            write(self.last_page, &messages);
            for (number, key) in keys {
                if matches!(self.slots[*key].message.text, Text::OnPage { .. }) {
                    self.moving.insert(*number, (self.last_page, *key));
                }
            }
            self.add_page(self.last_page, keys.to_vec(), keys.len());
            rest = later;
        }
        for page_number in std::mem::take(&mut self.given_up_pages) {
            remove(page_number);
        }
    }

    /// Pages of the checkpoint that hold little or nothing that waits, and go with the next checkpoint.
    pub(super) fn given_up_pages(&self) -> usize {
        self.given_up_pages.len()
    }

    /// Says which page of the checkpoint holds these messages, all that wait of the `written` ones on it.
    pub(super) fn add_page(
        &mut self,
        page_number: PageNumber,
        keys: Vec<(MessageNumber, MessageKey)>,
        written: usize,
    ) {
        self.last_page = self.last_page.max(page_number);
        for (_, key) in &keys {
            self.slots[*key].page = NonZeroU64::new(page_number);
        }
        let page = Page {
            waiting: keys.len(),
            keys,
            written,
        };
        let is_worth_keeping = page.is_worth_keeping();
        self.pages.insert(page_number, page);
        if !is_worth_keeping {
            self.give_up_page(page_number);
        }
    }

    /// Makes room for so many messages at once.
    pub(super) fn reserve(&mut self, messages: usize) {
        self.slots.reserve(messages);
    }

    /// In a restore, before the pages are added: what was stored so far stands on pages already.
    pub(super) fn forget_new(&mut self) {
        self.unpaged.clear();
    }

    /// In a restore, once the pages were added: the current checkpoint has them all.
    pub(super) fn pages_restored(&mut self, resident_from: Option<PageNumber>) {
        self.current_through = self.last_page;
        self.resident_from = resident_from.unwrap_or(self.last_page + 1);
    }

    pub(super) fn resident_bytes(&self) -> u64 {
        self.resident_bytes
    }

    /// The checkpoint of the pages that were taken last is the current one.
    pub(super) fn checkpoint_is_current(&mut self) {
        self.current_through = self.last_page;
        for (number, (new_page, key)) in std::mem::take(&mut self.moving) {
            if let Some(slot) = self.slots.get_mut(key)
                && slot.message.number == number
                && let Text::OnPage { page, .. } = &mut slot.message.text
            {
                *page = new_page;
            }
        }
    }

    /// Drops texts that the current checkpoint has, oldest pages first, until no more than so many bytes are in memory,
    /// or so many messages were looked at. Says whether there may be more to drop.
    pub(super) fn drop_texts(&mut self, until_bytes: u64, max_messages: usize) -> bool {
        let mut looked_at = 0;
        while self.resident_bytes > until_bytes {
            let droppable = self.resident_from..self.current_through + 1;
            let Some((page_number, page)) = self.pages.range(droppable).next() else {
                return false;
            };
            if looked_at >= max_messages {
                return true;
            }
            for (number, key) in &page.keys {
                if let Some(slot) = self.slots.get_mut(*key)
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
            self.resident_from = page_number + 1;
        }
        false
    }

    /// Where a text is that is not in memory.
    pub(super) fn text_place(&self, message: &StoredMessage) -> Option<TextPlace> {
        let Text::OnPage { page, bytes } = message.text else {
            return None;
        };
        Some(TextPlace {
            number: message.number,
            text_bytes: bytes,
            page,
            moved_to: self.moving.get(&message.number).map(|(page, _)| *page),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_leaves_no_trace_even_if_no_checkpoint_is_taken() {
        let mut messages = Messages::default();
        for number in 1..=3 * UNPAGED_SLACK as u64 {
            let message = StoredMessage {
                number: MessageNumber(number),
                sender: AccountId(0),
                wall_s: 0,
                text: Text::Resident("".into()),
                readers: Readers::AllButSender,
            };
            let key = messages.store(message, 1);
            messages.read_by_one(key);
        }
        assert!(messages.unpaged.len() <= UNPAGED_SLACK + 2);
        assert!(messages.broadcasts.is_empty());
        assert_eq!(messages.waiting(), 0);
    }
}
