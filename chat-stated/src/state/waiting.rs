//! What the messages that wait take, in bytes: of all senders together, and of each. Decisions rest on it, so it
//! follows from what waits alone, not from how a process happens to hold it.

use super::quota::{QuotaLimit, Refusal};
use crate::entry::WaitingLimits;
use chat_model::AccountId;

/// What a message takes beside its text and its readers: its record, the text's allocation, and its place on a page.
pub const MESSAGE_BYTES: u64 = 256;
/// What each reader of a message adds: a place in the reader's queue, and one in the list of readers.
pub const READER_BYTES: u64 = 12;
/// What a sender takes in each queue that counts a message of his.
pub const SHARE_BYTES: u64 = 32;

/// What a message takes that goes to so many named readers; a broadcast names none.
pub(super) fn message_bytes(text_bytes: usize, readers: usize) -> u64 {
    MESSAGE_BYTES + text_bytes as u64 + readers as u64 * READER_BYTES
}

/// What all messages that wait take.
#[derive(Debug, Default)]
pub(super) struct WaitingBytes {
    messages: u64,
    shares: u64,
    /// By the sender's number; those who never sent anything may be missing at the end.
    by_sender: Vec<u64>,
}

impl WaitingBytes {
    pub(super) fn total(&self) -> u64 {
        self.messages + self.shares * SHARE_BYTES
    }

    pub(super) fn of_sender(&self, sender: AccountId) -> u64 {
        self.by_sender.get(sender.0 as usize).copied().unwrap_or(0)
    }

    /// Why a sender may not have so much more wait, with shares in so many queues where he had none.
    pub(super) fn refusal(
        &self,
        sender: AccountId,
        message_bytes: u64,
        new_shares: usize,
        limits: &WaitingLimits,
    ) -> Option<Refusal> {
        let (taken, added) = (
            self.total(),
            message_bytes + new_shares as u64 * SHARE_BYTES,
        );
        if taken + added > limits.bytes {
            return Some(Refusal::Full);
        }
        let of_sender = self.of_sender(sender) + message_bytes;
        (of_sender > limits.sender_bytes(taken)).then(|| QuotaLimit::SenderWaiting.into())
    }

    /// A message is stored; its sender is an account.
    pub(super) fn add(&mut self, sender: AccountId, message_bytes: u64) {
        let index = sender.0 as usize;
        if index >= self.by_sender.len() {
            self.by_sender.resize(index + 1, 0);
        }
        self.by_sender[index] += message_bytes;
        self.messages += message_bytes;
    }

    /// A message that was added leaves.
    pub(super) fn remove(&mut self, sender: AccountId, message_bytes: u64) {
        self.by_sender[sender.0 as usize] -= message_bytes;
        self.messages -= message_bytes;
    }

    /// The number of senders that one queue counts has changed.
    pub(super) fn shares_changed(&mut self, before: usize, after: usize) {
        self.shares = self.shares + after as u64 - before as u64;
    }
}
