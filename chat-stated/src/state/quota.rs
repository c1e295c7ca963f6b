//! The limits of what one queue, one sender or all broadcasts may hold.

use chat_model::{AccountId, Outcome};

/// A limit that a message would exceed. The sender is told only that it is one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceededQuota {
    /// The limit.
    pub limit: QuotaLimit,
    /// The recipient whose queue has it, if it is a limit of a queue.
    pub queue: Option<AccountId>,
}

/// What is limited. Each has a setting of the same name, but the number of named sessions.
#[expect(missing_docs, reason = "the settings say what they limit")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaLimit {
    QueueMessages,
    QueueBytes,
    SenderShare,
    SenderWaiting,
    BroadcastMessages,
    BroadcastBytes,
    BroadcastsPerMinute,
    Rooms,
    RoomsOfUser,
    RoomMembers,
    RoomListed,
    RoomSendsPerMinute,
    NamedSessions,
    Tokens,
}

impl QuotaLimit {
    /// The name of the setting, as the log has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueMessages => "queue-messages",
            Self::QueueBytes => "queue-bytes",
            Self::SenderShare => "sender-share-percent",
            Self::SenderWaiting => "sender-waiting-percent",
            Self::BroadcastMessages => "broadcast-messages",
            Self::BroadcastBytes => "broadcast-bytes",
            Self::BroadcastsPerMinute => "broadcasts-per-minute",
            Self::Rooms => "max-rooms",
            Self::RoomsOfUser => "max-user-rooms",
            Self::RoomMembers => "max-room-members",
            Self::RoomListed => "max-room-entries",
            Self::RoomSendsPerMinute => "room-messages-per-minute",
            Self::NamedSessions => "named-sessions",
            Self::Tokens => "tokens",
        }
    }

    pub(super) fn of_queue(self, reader: AccountId) -> Refusal {
        Refusal::Quota(ExceededQuota {
            limit: self,
            queue: Some(reader),
        })
    }
}

/// Why a message is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Quota(ExceededQuota),
    /// All messages that may wait do wait.
    Full,
}

impl Refusal {
    pub(super) fn outcome(self) -> Outcome<'static> {
        match self {
            Self::Quota(_) => Outcome::QueueFull,
            Self::Full => Outcome::DiskFull,
        }
    }

    pub(super) fn exceeded(self) -> Option<ExceededQuota> {
        match self {
            Self::Quota(exceeded) => Some(exceeded),
            Self::Full => None,
        }
    }
}

impl From<QuotaLimit> for Refusal {
    fn from(limit: QuotaLimit) -> Self {
        Self::Quota(ExceededQuota { limit, queue: None })
    }
}
