//! The direct messages that wait for one account, and how much of its queue's limit they use.

use std::collections::VecDeque;

use chat_shared::rpc::MessageNumber;

use super::messages::MessageKey;
use crate::entry::{AccountId, Limits};

/// A message in a queue, with what is needed to account for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    pub(super) number: MessageNumber,
    pub(super) key: MessageKey,
    sender: AccountId,
    text_bytes: u32,
}

/// What one sender has in a queue.
#[derive(Clone, Copy, Debug)]
struct Share {
    sender: AccountId,
    messages: u32,
    bytes: u64,
}

/// Direct messages by rising number. Those its reader's TCP has acknowledged stay until the reader surely
/// has them, but no longer count against the limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    messages: VecDeque<Queued>,
    /// How many of `messages` do not count.
    received: usize,
    counted_bytes: u64,
    /// What counts, by sender; sorted by sender.
    shares: Vec<Share>,
}

impl Queue {
    /// Whether a message may still be added.
    pub(super) fn has_room(&self, sender: AccountId, text_bytes: usize, limits: &Limits) -> bool {
        let counted = (self.messages.len() - self.received) as u64;
        let text_bytes = text_bytes as u64;
        if counted >= u64::from(limits.queue_messages)
            || self.counted_bytes + text_bytes > limits.queue_bytes
        {
            return false;
        }
        let percent = u64::from(limits.sender_share_percent);
        let (messages, bytes) = match self.share_index(sender) {
            Ok(index) => (self.shares[index].messages, self.shares[index].bytes),
            Err(_) => (0, 0),
        };
        u64::from(messages) < (u64::from(limits.queue_messages) * percent / 100).max(1)
            && bytes + text_bytes <= (limits.queue_bytes.saturating_mul(percent) / 100)
    }

    pub(super) fn push(
        &mut self,
        number: MessageNumber,
        key: MessageKey,
        sender: AccountId,
        text_bytes: usize,
    ) {
        let queued = Queued {
            number,
            key,
            sender,
            text_bytes: u32::try_from(text_bytes).unwrap_or(u32::MAX),
        };
        self.count(&queued);
        self.messages.push_back(queued);
    }

    /// Messages after a number, oldest first.
    pub(super) fn after(&self, after: MessageNumber) -> impl Iterator<Item = &Queued> {
        let start = self
            .messages
            .partition_point(|queued| queued.number <= after);
        self.messages.range(start..)
    }

    /// The reader's TCP has everything up to here.
    pub(super) fn receive_through(&mut self, through: MessageNumber) {
        while let Some(queued) = self.messages.get(self.received).copied()
            && queued.number <= through
        {
            self.uncount(&queued);
            self.received += 1;
        }
    }

    /// The reader's connection ended: what it surely has is gone from here already, the rest counts again.
    pub(super) fn receive_nothing(&mut self) {
        for index in 0..self.received {
            let queued = self.messages[index];
            self.count(&queued);
        }
        self.received = 0;
    }

    /// Takes out the oldest message if it is not after `through`.
    pub(super) fn pop_through(&mut self, through: MessageNumber) -> Option<MessageKey> {
        let queued = *self.messages.front()?;
        if queued.number > through {
            return None;
        }
        self.messages.pop_front();
        if self.received > 0 {
            self.received -= 1;
        } else {
            self.uncount(&queued);
        }
        if self.messages.is_empty() {
            // An idle account keeps no memory for what it once had.
            self.messages = VecDeque::new();
            self.shares = Vec::new();
        }
        Some(queued.key)
    }

    fn share_index(&self, sender: AccountId) -> Result<usize, usize> {
        self.shares
            .binary_search_by_key(&sender, |share| share.sender)
    }

    fn count(&mut self, queued: &Queued) {
        self.counted_bytes += u64::from(queued.text_bytes);
        let index = self.share_index(queued.sender).unwrap_or_else(|index| {
            let share = Share {
                sender: queued.sender,
                messages: 0,
                bytes: 0,
            };
            self.shares.insert(index, share);
            index
        });
        self.shares[index].messages += 1;
        self.shares[index].bytes += u64::from(queued.text_bytes);
    }

    fn uncount(&mut self, queued: &Queued) {
        self.counted_bytes -= u64::from(queued.text_bytes);
        let index = self
            .share_index(queued.sender)
            .expect("what counts has a share");
        self.shares[index].messages -= 1;
        self.shares[index].bytes -= u64::from(queued.text_bytes);
        if self.shares[index].messages == 0 {
            self.shares.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn queue_of(messages: &[(u64, AccountId, usize)]) -> Queue {
        let mut queue = Queue::default();
        for (number, sender, bytes) in messages {
            queue.push(MessageNumber(*number), *number as usize, *sender, *bytes);
        }
        queue
    }

    #[test]
    fn one_sender_fills_no_more_than_his_share() {
        let queue = queue_of(&[(1, ANN, 10), (2, ANN, 10)]);
        assert!(!queue.has_room(ANN, 1, &LIMITS));
        assert!(queue.has_room(BOB, 50, &LIMITS));
        assert!(!queue.has_room(BOB, 51, &LIMITS));
    }

    #[test]
    fn a_full_queue_has_room_for_nobody() {
        let queue = queue_of(&[(1, ANN, 1), (2, ANN, 1), (3, BOB, 1), (4, BOB, 1)]);
        assert!(!queue.has_room(AccountId(3), 1, &LIMITS));
    }

    #[test]
    fn what_tcp_has_does_not_count_until_the_connection_ends() {
        let mut queue = queue_of(&[(1, ANN, 10), (2, ANN, 10), (3, ANN, 10)]);
        queue.receive_through(MessageNumber(2));
        assert!(queue.has_room(ANN, 10, &LIMITS));
        assert_eq!(queue.pop_through(MessageNumber(1)), Some(1));
        queue.receive_nothing();
        assert!(!queue.has_room(ANN, 10, &LIMITS));
        assert_eq!(queue.pop_through(MessageNumber(9)), Some(2));
        assert_eq!(queue.pop_through(MessageNumber(9)), Some(3));
        assert_eq!(queue.pop_through(MessageNumber(9)), None);
        assert_eq!(queue.counted_bytes, 0);
        assert!(queue.shares.is_empty());
    }
}
