//! Messages that somebody still has to read: each stored once, whatever the number of its readers. The texts of those
//! that a checkpoint has can be dropped from memory.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use chat_shared::rpc::MessageNumber;
use serde::{Deserialize, Serialize};
use slab::Slab;

use super::paging::{PageNumber, Paging};
use crate::entry::AccountId;

/// Where a message lies in [`Messages`].
pub(super) type MessageKey = usize;

/// Who a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Readers {
    One(AccountId),
    Some(Box<[AccountId]>),
    /// Every account there was, but the sender.
    AllButSender,
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

    pub(super) fn resident_bytes(&self) -> u64 {
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
pub(super) struct Slot {
    pub(super) message: StoredMessage,
    /// How many queues it still stands in.
    unread: u32,
    /// The page it counts on. Where its text is, says the text.
    pub(super) page: Option<NonZeroU64>,
}

/// All messages that wait, and which of them the checkpoint has.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pub(super) slots: Slab<Slot>,
    /// Broadcasts by rising number; `None` for one that nobody waits for any more.
    pub(super) broadcasts: VecDeque<(MessageNumber, Option<MessageKey>)>,
    broadcasts_waiting: u32,
    broadcast_bytes: u64,
    /// Bytes of text in memory.
    pub(super) resident_bytes: u64,
    pub(super) paging: Paging,
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
        key
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
        if slot.message.readers == Readers::AllButSender {
            self.broadcast_was_read(&slot.message);
        }
        let number = slot.message.number;
        if self.paging.is_awaited_after_leaving(slot.page, number) {
            self.paging.keep_for_snapshot(&slot.message);
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

    /// Makes room for so many messages at once.
    pub(super) fn reserve(&mut self, messages: usize) {
        self.slots.reserve(messages);
    }

    pub(super) fn resident_bytes(&self) -> u64 {
        self.resident_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_leaves_no_trace_even_if_no_checkpoint_is_taken() {
        let mut messages = Messages::default();
        for number in 1..=200_000 {
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
        assert!(messages.slots.capacity() < 100);
        assert!(messages.broadcasts.is_empty());
        assert_eq!(messages.waiting(), 0);
    }
}
