//! How far the snapshot under way has come.

use chat_model::{AccountId, MessageNumber};

/// A snapshot under way.
#[derive(Debug)]
pub(super) struct SnapshotProgress {
    /// The last message when it began.
    pub(super) through: MessageNumber,
    /// Whose queues may hold messages on no page.
    pub(super) readers: Vec<AccountId>,
    /// The last one's queue is done up to here.
    pub(super) queue_through: MessageNumber,
}
