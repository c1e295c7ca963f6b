//! Rooms: their names, and what may be done to them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What the name of a room begins with. No account has such a name.
pub const ROOM_MARK: char = '#';
/// Longest name of a room, in bytes, without its mark.
pub const MAX_ROOM_NAME_BYTES: usize = 32;
/// Longest topic, in bytes.
pub const MAX_TOPIC_BYTES: usize = 1_024;
/// What stands for the sender in a line from a room itself. No account has this name.
pub const ROOM_SENDER: &str = "*";

/// Whether a name is that of a room, though perhaps of none that can be.
pub fn is_of_room(name: &str) -> bool {
    name.starts_with(ROOM_MARK)
}

/// Whether a room can have this name: `#` and 1 to 32 of `a-z`, `0-9`, `_`, `.` and `-`.
pub fn may_be_room(name: &str) -> bool {
    name.strip_prefix(ROOM_MARK).is_some_and(|rest| {
        (1..=MAX_ROOM_NAME_BYTES).contains(&rest.len())
            && rest.bytes().all(|byte| {
                byte.is_ascii_lowercase()
                    || byte.is_ascii_digit()
                    || matches!(byte, b'_' | b'.' | b'-')
            })
    })
}

/// What a member does to a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoomAct<'a> {
    /// Become a member. Makes the room if there is none.
    Join,
    /// Be a member no longer.
    Leave,
    /// Say what the room is about: 1 byte to [`MAX_TOPIC_BYTES`], without control characters but TAB.
    SetTopic(#[serde(borrow)] Cow<'a, str>),
    /// Whether only those who are invited join, and the room is not listed.
    SetPrivate(bool),
    /// How long the room's history is kept.
    SetRetention {
        /// At least 1.
        days: u32,
    },
    /// End the room.
    Drop,
    /// Do something to a user.
    Treat {
        /// What.
        treatment: Treatment,
        /// As typed.
        #[serde(borrow)]
        user: Cow<'a, str>,
    },
}

/// What an operator of a room does to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Treatment {
    /// Let a user join a private room.
    Invite,
    /// End a membership.
    Kick,
    /// End a membership, and let the user join no more.
    Ban,
    /// End a ban.
    Unban,
    /// Make a member an operator.
    Op,
    /// The opposite.
    Deop,
}

impl RoomAct<'_> {
    /// The same without what it borrows.
    pub fn into_owned(self) -> RoomAct<'static> {
        match self {
            Self::Join => RoomAct::Join,
            Self::Leave => RoomAct::Leave,
            Self::SetTopic(topic) => RoomAct::SetTopic(topic.into_owned().into()),
            Self::SetPrivate(is_private) => RoomAct::SetPrivate(is_private),
            Self::SetRetention { days } => RoomAct::SetRetention { days },
            Self::Drop => RoomAct::Drop,
            Self::Treat { treatment, user } => RoomAct::Treat {
                treatment,
                user: user.into_owned().into(),
            },
        }
    }

    /// The same, borrowed from this one.
    pub fn borrowed(&self) -> RoomAct<'_> {
        match self {
            Self::SetTopic(topic) => RoomAct::SetTopic((&**topic).into()),
            Self::Treat { treatment, user } => RoomAct::Treat {
                treatment: *treatment,
                user: (&**user).into(),
            },
            Self::Join => RoomAct::Join,
            Self::Leave => RoomAct::Leave,
            Self::SetPrivate(is_private) => RoomAct::SetPrivate(*is_private),
            Self::SetRetention { days } => RoomAct::SetRetention { days: *days },
            Self::Drop => RoomAct::Drop,
        }
    }

    /// Bytes of the topic or name in it.
    pub fn bytes(&self) -> usize {
        match self {
            Self::SetTopic(text) | Self::Treat { user: text, .. } => text.len(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rooms() {
        for name in ["#a", "#0", "#a-z_0.9", &format!("#{}", "x".repeat(32))] {
            assert!(may_be_room(name) && is_of_room(name), "{name}");
        }
        for name in [
            "",
            "a",
            "#",
            "##a",
            "#A",
            "#a b",
            "#é",
            "a#",
            "#a,b",
            &format!("#{}", "x".repeat(33)),
        ] {
            assert!(!may_be_room(name), "{name}");
        }
    }
}
