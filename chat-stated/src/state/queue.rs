//! The direct messages that wait for one account, and how much of its queue's limit they use.

use std::collections::VecDeque;

use chat_model::MessageNumber;

use super::message::MessageKey;
use super::messages::Messages;
use super::quota::QuotaLimit;
use crate::entry::Limits;
use chat_model::AccountId;

/// A queue of no more messages takes what room it takes; a longer one keeps little beyond what it holds.
const FEW: usize = 32;

/// What one sender has in a queue.
#[derive(Clone, Copy, Debug)]
struct Share {
    sender: AccountId,
    messages: u32,
    bytes: u64,
}

/// Direct messages by rising number. Those its reader's TCP has acknowledged stay until the reader surely
/// has them, but no longer count against the limit.
///
/// A group's message stands in thousands of queues: each holds where it lies, and nothing else of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    messages: VecDeque<MessageKey>,
    /// How many of `messages` do not count.
    received: usize,
    counted_bytes: u64,
    /// What counts, by sender; sorted by sender.
    shares: Vec<Share>,
}

impl Queue {
    /// Whether a message may still be added; if so, how many senders more the queue counts then: 0 or 1. If not, which
    /// limit is reached.
    pub(super) fn room_for(
        &self,
        sender: AccountId,
        text_bytes: usize,
        limits: &Limits,
    ) -> Result<usize, QuotaLimit> {
        let counted = (self.messages.len() - self.received) as u64;
        let text_bytes = text_bytes as u64;
        if counted >= u64::from(limits.queue_messages) {
            return Err(QuotaLimit::QueueMessages);
        }
        if self.counted_bytes + text_bytes > limits.queue_bytes {
            return Err(QuotaLimit::QueueBytes);
        }
        let percent = u64::from(limits.sender_share_percent);
        let share = self.share_index(sender).ok();
        let (messages, bytes) = match share {
            Some(index) => (self.shares[index].messages, self.shares[index].bytes),
            None => (0, 0),
        };
        let has_room = u64::from(messages)
            < (u64::from(limits.queue_messages) * percent / 100).max(1)
            && bytes + text_bytes <= (limits.queue_bytes.saturating_mul(percent) / 100);
        match has_room {
            true => Ok(usize::from(share.is_none())),
            false => Err(QuotaLimit::SenderShare),
        }
    }

    /// Adds a message that is newer than all others.
    pub(super) fn push(&mut self, key: MessageKey, sender: AccountId, text_bytes: usize) {
        self.count(sender, text_bytes);
        let messages = self.messages.len();
        if messages == self.messages.capacity() && messages >= FEW {
            self.messages.reserve_exact(messages / 4);
        }
        self.messages.push_back(key);
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Bytes of text that count against the limit.
    pub(super) fn counted_bytes(&self) -> u64 {
        self.counted_bytes
    }

    /// Whether not even a short message of a new sender may be added.
    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        let counted = (self.messages.len() - self.received) as u64;
        counted >= u64::from(limits.queue_messages) || self.counted_bytes >= limits.queue_bytes
    }

    /// How full it is, in percent of the limit that it is nearest to.
    pub(super) fn fill_percent(&self, limits: &Limits) -> u64 {
        let counted = (self.messages.len() - self.received) as u64;
        let percent = |part: u64, limit: u64| part.saturating_mul(100) / limit.max(1);
        let of_messages = percent(counted, limits.queue_messages.into());
        of_messages.max(percent(self.counted_bytes, limits.queue_bytes))
    }

    /// How many senders have messages that count.
    pub(super) fn shares(&self) -> usize {
        self.shares.len()
    }

    /// The newest message.
    pub(super) fn last(&self) -> Option<MessageKey> {
        self.messages.back().copied()
    }

    /// The place of the first message after a number, for [`Queue::messages_from`].
    pub(super) fn place_after(&self, after: MessageNumber, messages: &Messages) -> usize {
        let is_after = |place: usize| messages.get(self.messages[place]).number > after;
        // Most readers have come near the end: looked for from there, few messages are looked at.
        let (mut from, mut to, mut step) = (self.messages.len(), self.messages.len(), 1);
        while from > 0 && is_after(from - 1) {
            to = from - 1;
            from = to.saturating_sub(step);
            step *= 2;
        }
        while from < to {
            let middle = from + (to - from) / 2;
            match is_after(middle) {
                true => to = middle,
                false => from = middle + 1,
            }
        }
        to
    }

    /// Messages from a place on, oldest first.
    pub(super) fn messages_from(&self, place: usize) -> impl Iterator<Item = MessageKey> {
        self.messages.range(place..).copied()
    }

    /// The reader's TCP has everything up to here.
    pub(super) fn receive_through(&mut self, through: MessageNumber, messages: &Messages) {
        while let Some(key) = self.messages.get(self.received).copied()
            && messages.get(key).number <= through
        {
            self.uncount(key, messages);
            self.received += 1;
        }
    }

    /// The reader's connection ended: what it surely has is gone from here already, the rest counts again.
    pub(super) fn receive_nothing(&mut self, messages: &Messages) {
        for place in 0..self.received {
            let message = messages.get(self.messages[place]);
            self.count(message.sender, message.text.len());
        }
        self.received = 0;
    }

    /// Takes out the oldest message if it is not after `through`.
    pub(super) fn pop_through(
        &mut self,
        through: MessageNumber,
        messages: &Messages,
    ) -> Option<MessageKey> {
        let key = *self.messages.front()?;
        if messages.get(key).number > through {
            return None;
        }
        self.messages.pop_front();
        if self.received > 0 {
            self.received -= 1;
        } else {
            self.uncount(key, messages);
        }
        let left = self.messages.len();
        if left == 0 {
            // An idle account keeps no memory for what it once had.
            self.messages = VecDeque::new();
            self.shares = Vec::new();
        } else if self.messages.capacity() > FEW && left < self.messages.capacity() / 4 {
            self.messages.shrink_to(2 * left);
        }
        Some(key)
    }

    fn share_index(&self, sender: AccountId) -> Result<usize, usize> {
        self.shares
            .binary_search_by_key(&sender, |share| share.sender)
    }

    fn count(&mut self, sender: AccountId, text_bytes: usize) {
        self.counted_bytes += text_bytes as u64;
        let index = self.share_index(sender).unwrap_or_else(|index| {
            let share = Share {
                sender,
                messages: 0,
                bytes: 0,
            };
            self.shares.insert(index, share);
            index
        });
        self.shares[index].messages += 1;
        self.shares[index].bytes += text_bytes as u64;
    }

    fn uncount(&mut self, key: MessageKey, messages: &Messages) {
        let message = messages.get(key);
        let text_bytes = message.text.len() as u64;
        self.counted_bytes -= text_bytes;
        let index = self
            .share_index(message.sender)
            .expect("what counts has a share");
        self.shares[index].messages -= 1;
        self.shares[index].bytes -= text_bytes;
        if self.shares[index].messages == 0 {
            self.shares.remove(index);
            if self.shares.capacity() > FEW && self.shares.len() < self.shares.capacity() / 4 {
                self.shares.shrink_to(2 * self.shares.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::message::{Readers, StoredMessage, Text};

    const LIMITS: Limits = Limits {
        block_time_ms: 0,
        accounts: 10,
        queue_messages: 4,
        queue_bytes: 100,
        sender_share_percent: 50,
        broadcast_messages: 0,
        broadcast_bytes: 0,
        broadcasts_per_minute: 0,
    };
    const ANN: AccountId = AccountId(1);
    const BOB: AccountId = AccountId(2);

    fn queue_of(letters: &[(u64, AccountId, usize)]) -> (Queue, Messages) {
        let (mut queue, mut messages) = (Queue::default(), Messages::default());
        for (number, sender, bytes) in letters {
            let message = StoredMessage {
                number: MessageNumber(*number),
                sender: *sender,
                time_ms: 0,
                text: Text::Resident("x".repeat(*bytes).into()),
                readers: Readers::One(AccountId(0)),
            };
            let key = messages.store(message, 1);
            queue.push(key, *sender, *bytes);
        }
        (queue, messages)
    }

    fn popped(queue: &mut Queue, through: u64, messages: &Messages) -> Option<u64> {
        let key = queue.pop_through(MessageNumber(through), messages)?;
        Some(messages.get(key).number.0)
    }

    #[test]
    fn sender_fills_only_its_share() {
        let (queue, _) = queue_of(&[(1, ANN, 10), (2, ANN, 10)]);
        assert_eq!(
            queue.room_for(ANN, 1, &LIMITS),
            Err(QuotaLimit::SenderShare)
        );
        assert_eq!(queue.room_for(BOB, 50, &LIMITS), Ok(1));
        assert_eq!(
            queue.room_for(BOB, 51, &LIMITS),
            Err(QuotaLimit::SenderShare)
        );
        assert_eq!(
            queue.room_for(BOB, 1_000, &LIMITS),
            Err(QuotaLimit::QueueBytes)
        );
    }

    #[test]
    fn full_queue_has_room_for_nobody() {
        let (queue, _) = queue_of(&[(1, ANN, 1), (2, ANN, 1), (3, BOB, 1), (4, BOB, 1)]);
        assert_eq!(
            queue.room_for(AccountId(3), 1, &LIMITS),
            Err(QuotaLimit::QueueMessages)
        );
    }

    #[test]
    fn acknowledged_messages_stay_until_close() {
        let (mut queue, messages) = queue_of(&[(1, ANN, 10), (2, ANN, 10), (3, ANN, 10)]);
        queue.receive_through(MessageNumber(2), &messages);
        assert_eq!(queue.room_for(ANN, 10, &LIMITS), Ok(0));
        assert_eq!(popped(&mut queue, 1, &messages), Some(1));
        queue.receive_nothing(&messages);
        assert_eq!(
            queue.room_for(ANN, 10, &LIMITS),
            Err(QuotaLimit::SenderShare)
        );
        assert_eq!(popped(&mut queue, 9, &messages), Some(2));
        assert_eq!(popped(&mut queue, 9, &messages), Some(3));
        assert_eq!(popped(&mut queue, 9, &messages), None);
        assert_eq!(queue.counted_bytes, 0);
        assert!(queue.shares.is_empty());
    }

    #[test]
    fn every_place_is_found_from_end() {
        for count in 0..40 {
            let drafts: Vec<_> = (1..=count).map(|number| (2 * number, ANN, 0)).collect();
            let (queue, messages) = queue_of(&drafts);
            for after in 0..=2 * count + 2 {
                let place = queue.place_after(MessageNumber(after), &messages);
                assert_eq!(
                    place as u64,
                    (after / 2).min(count),
                    "of {count} after {after}"
                );
            }
        }
    }

    #[test]
    fn queue_has_little_spare_memory() {
        let letters: Vec<_> = (1..=10_000).map(|number| (number, ANN, 0)).collect();
        let (mut queue, messages) = queue_of(&letters);
        assert!(queue.messages.capacity() <= 12_500);
        for number in 1..=9_900 {
            assert_eq!(popped(&mut queue, number, &messages), Some(number));
        }
        assert!(queue.messages.capacity() <= 400);
    }
}
