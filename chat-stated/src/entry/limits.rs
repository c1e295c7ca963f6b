//! Limits by which the state decides: parts of the journal, because other limits would decide otherwise.

/// What the state refuses to grow beyond. Part of the journal, because it decides answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a block lasts after the third wrong password, and how long a wrong one is remembered.
    pub block_time_ms: u64,
    /// Accounts there may be.
    pub accounts: u32,
    /// Messages that may wait in one queue, broadcasts not counted.
    pub queue_messages: u32,
    /// Bytes of text that may wait in one queue, broadcasts not counted.
    pub queue_bytes: u64,
    /// The part of a queue that one sender may fill, in percent.
    pub sender_share_percent: u32,
    /// Broadcasts that may wait for somebody.
    pub broadcast_messages: u32,
    /// Bytes of text of broadcasts that may wait for somebody.
    pub broadcast_bytes: u64,
    /// Broadcasts one sender may make in a minute, after as many at once.
    pub broadcasts_per_minute: u32,
}

impl Limits {
    /// What holds until the first [`super::Entry::Configure`]. Frozen: journals without that entry were decided by
    /// these figures, and a replay has to decide the same. [`Limits::default`] may change.
    pub const INITIAL: Self = Self {
        block_time_ms: 60_000,
        accounts: 10_000_000,
        queue_messages: 100_000,
        queue_bytes: 64 * 1024 * 1024,
        sender_share_percent: 50,
        broadcast_messages: 100_000,
        broadcast_bytes: 64 * 1024 * 1024,
        broadcasts_per_minute: 60_000,
    };
}

/// What the settings offer. The core journals it into a state that has other limits.
impl Default for Limits {
    fn default() -> Self {
        Self {
            block_time_ms: 60_000,
            accounts: 10_000_000,
            queue_messages: 100_000,
            queue_bytes: 64 * 1024 * 1024,
            sender_share_percent: 50,
            broadcast_messages: 100_000,
            broadcast_bytes: 64 * 1024 * 1024,
            broadcasts_per_minute: 60_000,
        }
    }
}

/// When places of sessions are given up. Part of the journal, because it decides what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// For how long a session may stay away before its place is given up, where another one is younger.
    pub unused_ms: u64,
}

impl SessionLimits {
    /// What holds until the first [`super::Entry::LimitSessions`]: 90 days. Frozen, as [`Limits::INITIAL`].
    pub const INITIAL: Self = Self {
        unused_ms: 90 * 86_400_000,
    };
}

/// How much may wait in all, and of one sender. Follows the memory that the process may have, and is part of the
/// journal, because it decides answers. What waits already stays when it becomes less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingLimits {
    /// What all messages that wait may take, in the bytes that [`crate::state::MESSAGE_BYTES`] and the constants
    /// beside it count.
    pub bytes: u64,
    /// What one sender may use: this part of what is free, in percent. So some is left for others, though several use
    /// all they may.
    pub sender_percent: u32,
}

impl WaitingLimits {
    /// What holds until the first [`super::Entry::LimitWaiting`]: no limit. Frozen, as [`Limits::INITIAL`].
    pub const INITIAL: Self = Self {
        bytes: u64::MAX,
        sender_percent: 100,
    };

    /// What one sender may use while all messages take so much.
    pub fn sender_bytes(&self, taken_bytes: u64) -> u64 {
        let free_bytes = self.bytes.saturating_sub(taken_bytes);
        let bytes = u128::from(free_bytes) * u128::from(self.sender_percent) / 100;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// What rooms may grow to. Part of the journal, because it decides answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    /// Rooms there may be.
    pub rooms: u32,
    /// Rooms of which one user may be a member.
    pub rooms_of_user: u32,
    /// Members that a room may have.
    pub members: u32,
    /// Operators, bans and invitations that a room may have, of each.
    pub listed: u32,
    /// Messages that a room may get in a minute, after as many at once.
    pub sends_per_minute: u32,
    /// The newest messages of a room that may wait for its members.
    pub queue_messages: u32,
}

impl RoomLimits {
    /// What holds until the first [`super::Entry::LimitRooms`]. Frozen, as [`Limits::INITIAL`].
    pub const INITIAL: Self = Self {
        rooms: 10_000,
        rooms_of_user: 100,
        members: 10_000,
        listed: 1_000,
        sends_per_minute: 60_000,
        queue_messages: 1_000,
    };
}

/// What the settings offer: a state that has other limits gets these by an entry.
impl Default for RoomLimits {
    fn default() -> Self {
        Self::INITIAL
    }
}

/// Which messages are kept in the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryRules {
    /// Those to one user or a group.
    pub keeps_direct: bool,
}

/// How much of the messages stays in the history. Part of the journal, because it decides what goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// For how long, in milliseconds, where no owner of a room has said otherwise.
    pub kept_ms: u64,
    /// The longest time that holds for a room, whatever its owner has said.
    pub most_kept_ms: u64,
    /// Bytes of each room, roughly as they are in the file.
    pub room_bytes: u64,
    /// The same of all messages to people.
    pub direct_bytes: u64,
}

impl HistoryLimits {
    /// What holds until the first [`super::Entry::LimitHistory`]. Frozen, as [`Limits::INITIAL`].
    pub const INITIAL: Self = Self {
        kept_ms: 90 * 86_400_000,
        most_kept_ms: 36_500 * 86_400_000,
        room_bytes: 1024 * 1024 * 1024,
        direct_bytes: 16 * 1024 * 1024 * 1024,
    };
}

/// What the settings offer: a state that has other limits gets these by an entry.
impl Default for HistoryLimits {
    fn default() -> Self {
        Self::INITIAL
    }
}
