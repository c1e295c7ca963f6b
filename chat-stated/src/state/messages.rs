//! Messages that somebody still has to read: each stored once, whatever the number of its readers. The texts of those
//! that a checkpoint has can be dropped from memory.

use std::num::NonZeroU64;

use chat_model::MessageNumber;
use slab::Slab;

use super::feed::Feed;
use super::groups::{Group, Groups};
use super::message::{MessageKey, Readers, StoredMessage, Text};
use super::paging::Paging;
use super::waiting::WaitingBytes;
use chat_model::AccountId;

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) message: StoredMessage,
    /// How many queues and feeds it still stands in.
    holders: u32,
    /// The page it counts on. Where its text is, says the text.
    pub(super) page: Option<NonZeroU64>,
}

/// All messages that wait, and which of them the checkpoint has.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pub(super) slots: Slab<Slot>,
    pub(super) groups: Groups,
    pub(super) waiting_bytes: WaitingBytes,
    /// The feed of everyone.
    pub(super) broadcasts: Feed,
    /// Bytes of text in memory.
    pub(super) resident_bytes: u64,
    pub(super) paging: Paging,
    /// How often a message has left a queue, in this process.
    confirmed: u64,
}

impl Messages {
    /// The list of these readers, more than one, for one more message.
    pub(super) fn group(&mut self, readers: &[AccountId]) -> Group {
        self.groups.take(readers)
    }

    /// Stores a message that `unread` queues hold; more than 0. Its sender is an account.
    pub(super) fn store(&mut self, message: StoredMessage, unread: u32) -> MessageKey {
        let key = self.insert(message);
        self.put_in_queues(key, unread);
        key
    }

    /// In a restore: takes a message before it is known who waits for it. [`Messages::put_in_queues_or_take_out`]
    /// comes next.
    pub(super) fn insert(&mut self, message: StoredMessage) -> MessageKey {
        self.resident_bytes += message.text.resident_bytes();
        let key = self.slots.insert(Slot {
            message,
            holders: 0,
            page: None,
        });
        MessageKey::of(key)
    }

    /// So many readers wait for a message, more than 0.
    pub(super) fn put_in_queues(&mut self, key: MessageKey, unread: u32) {
        debug_assert!(unread > 0, "a message for nobody is not stored");
        let slot = &mut self.slots[key.index()];
        slot.holders = unread;
        let message = &slot.message;
        self.waiting_bytes
            .add(message.sender, message.waiting_bytes());
        if message.readers == Readers::AllButSender {
            let text_bytes = message.text.len();
            self.broadcasts
                .push(message.number, key, unread, text_bytes);
            slot.holders = 1;
        }
    }

    /// In a restore: the same, and a message that nobody waits for is taken out.
    pub(super) fn put_in_queues_or_take_out(&mut self, key: MessageKey, unread: u32) {
        if unread > 0 {
            return self.put_in_queues(key, unread);
        }
        let slot = self.slots.remove(key.index());
        self.forget(&slot.message);
    }

    /// In a restore: the text of a message was read.
    pub(super) fn put_text(&mut self, key: MessageKey, text: &str) {
        self.resident_bytes += text.len() as u64;
        self.slot_mut(key).message.text = Text::Resident(text.into());
    }

    /// What a message had in memory beside its slot is gone.
    fn forget(&mut self, message: &StoredMessage) {
        self.resident_bytes -= message.text.resident_bytes();
        if let Readers::Some(group) = &message.readers {
            self.groups.give_back(group);
        }
    }

    pub(super) fn get(&self, key: MessageKey) -> &StoredMessage {
        &self.slots[key.index()].message
    }

    pub(super) fn slot_mut(&mut self, key: MessageKey) -> &mut Slot {
        &mut self.slots[key.index()]
    }

    /// The message of this number, if it is the one that lies there.
    pub(super) fn find(&self, number: MessageNumber, key: MessageKey) -> Option<&StoredMessage> {
        let slot = self.slots.get(key.index())?;
        (slot.message.number == number).then_some(&slot.message)
    }

    /// The same, to be changed.
    pub(super) fn find_mut(&mut self, number: MessageNumber, key: MessageKey) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(key.index())?;
        (slot.message.number == number).then_some(slot)
    }

    pub(super) fn waiting(&self) -> usize {
        self.slots.len()
    }

    /// Messages of a feed after a number, that somebody waits for, oldest first.
    pub(super) fn of_feed_after<'a>(
        &'a self,
        feed: &'a Feed,
        after: MessageNumber,
    ) -> impl Iterator<Item = &'a StoredMessage> {
        feed.after(after).map(|(_, key)| self.get(key))
    }

    /// One queue fewer holds a message, because its reader has confirmed it.
    pub(super) fn read_by_one(&mut self, key: MessageKey) {
        self.confirmed += 1;
        self.leave_holder(key);
    }

    /// One queue or feed fewer holds a message.
    pub(super) fn leave_holder(&mut self, key: MessageKey) {
        let slot = self.slot_mut(key);
        slot.holders -= 1;
        if slot.holders > 0 {
            return;
        }
        let slot = self.slots.remove(key.index());
        let message = &slot.message;
        self.waiting_bytes
            .remove(message.sender, message.waiting_bytes());
        self.forget(message);
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
        let mut broadcasts = std::mem::take(&mut self.broadcasts);
        self.feed_read_by(&mut broadcasts, reader, after, through);
        self.broadcasts = broadcasts;
    }

    /// One reader fewer for the messages of a feed after `after` and up to `through`, but `reader`'s own.
    pub(super) fn feed_read_by(
        &mut self,
        feed: &mut Feed,
        reader: AccountId,
        after: MessageNumber,
        through: MessageNumber,
    ) {
        let slots = &self.slots;
        let is_of_another = |key: MessageKey| slots[key.index()].message.sender != reader;
        let (confirmed, read) = feed.read(after, through, is_of_another);
        self.confirmed += confirmed;
        for key in read {
            let text_bytes = self.get(key).text.len();
            feed.remove_read(text_bytes);
            self.leave_holder(key);
        }
    }

    pub(super) fn resident_bytes(&self) -> u64 {
        self.resident_bytes
    }

    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::waiting::message_bytes;

    #[test]
    fn read_message_frees_memory() {
        let mut messages = Messages::default();
        for number in 1..=200_000 {
            let message = StoredMessage {
                number: MessageNumber(number),
                sender: AccountId(0),
                time_ms: 0,
                text: Text::Resident("".into()),
                readers: Readers::AllButSender,
            };
            messages.store(message, 1);
            let number = MessageNumber(number);
            messages.broadcasts_read_by(AccountId(1), MessageNumber(0), number);
        }
        assert!(messages.slots.capacity() < 100);
        assert_eq!(messages.broadcasts.waiting(), 0);
        assert_eq!(messages.broadcasts.count_after(MessageNumber(0)), 0);
        assert_eq!(messages.waiting(), 0);
        assert_eq!(messages.waiting_bytes.total(), 0);
    }

    #[test]
    fn equal_lists_of_readers_are_stored_once() {
        let mut messages = Messages::default();
        let readers: Vec<AccountId> = (0..1_900).map(AccountId).collect();
        let keys: Vec<MessageKey> = (1..=100)
            .map(|number| {
                let message = StoredMessage {
                    number: MessageNumber(number),
                    sender: AccountId(0),
                    time_ms: 0,
                    text: Text::Resident("x".into()),
                    readers: Readers::Some(messages.group(&readers)),
                };
                messages.store(message, 1)
            })
            .collect();
        assert_eq!(messages.groups.len(), 1);
        let charged = message_bytes(1, readers.len());
        assert_eq!(messages.waiting_bytes.total(), 100 * charged);
        for key in keys {
            assert_eq!(messages.groups.len(), 1);
            messages.read_by_one(key);
        }
        assert_eq!(messages.groups.len(), 0);
        assert_eq!(messages.waiting_bytes.of_sender(AccountId(0)), 0);
    }

    /// [`MESSAGE_BYTES`] counts on it.
    ///
    /// [`MESSAGE_BYTES`]: super::super::waiting::MESSAGE_BYTES
    #[test]
    fn slot_is_small() {
        assert!(size_of::<Slot>() <= 96, "{} bytes", size_of::<Slot>());
        assert_eq!(size_of::<MessageKey>(), 4);
    }
}
