//! How far the snapshot under way has come.

use chat_model::{AccountId, MessageNumber, RoomId};

/// A snapshot under way.
#[derive(Debug)]
pub(super) struct SnapshotProgress {
    /// The last message when it began.
    pub(super) through: MessageNumber,
    /// Whose queues may hold messages on no page.
    pub(super) readers: Vec<AccountId>,
    /// Rooms whose feeds may.
    pub(super) rooms: Vec<RoomId>,
    /// The last reader's queue, or the last room's feed, is done up to here.
    pub(super) queue_through: MessageNumber,
}
