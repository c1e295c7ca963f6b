//! What a client wants of the server.

mod copies;

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Audience, MessageNumber, Password, RoomAct};

/// Where a page of the history begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistorySpan {
    /// The newest messages.
    #[default]
    Newest,
    /// The last before this one.
    Before(MessageNumber),
    /// The first after this one.
    After(MessageNumber),
}

/// One thing that a client asks for, whatever the dialect it asks in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// A user says who it is. Outcomes: `PasswordNeeded`, `NameFree`, `NameUnavailable`, `AlreadyLoggedIn`, `Blocked`.
    Identify {
        /// As typed.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// Where the client comes from.
        address: IpAddr,
    },
    /// Make an account. Outcomes: `Registered`, `NameUnavailable`, `Busy`, `DiskFull`.
    Register {
        /// As typed.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// As typed; any bytes but none.
        #[serde(borrow)]
        password: Password<'a>,
        /// Where the client comes from.
        address: IpAddr,
    },
    /// Log in. Outcomes: `LoggedIn`, `PasswordNeeded`, `Locked`, `AlreadyLoggedIn`, `Busy`, `DiskFull`;
    /// `NameUnavailable` if there is no such account, or one named session more than it may have.
    LogIn {
        /// As typed: the account, or a session of it.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// As typed; any bytes but none.
        #[serde(borrow)]
        password: Password<'a>,
        /// Where the client comes from.
        address: IpAddr,
        /// When the client asked, by the host's boot clock. Of two logins to one session it tells which is the newer.
        asked_boot_ms: u64,
    },
    /// A message. Outcomes: `Stored`, `QueueFull`, `DiskFull`.
    Send {
        /// Who is to have it.
        #[serde(borrow)]
        audience: Audience<'a>,
        /// 1 byte to 1 MiB, without control characters but TAB.
        #[serde(borrow)]
        text: Cow<'a, str>,
    },
    /// Nothing but the messages that wait. Outcome: `Done`.
    Fetch,
    /// Names of users, sorted. Outcome: `Users`, or `Busy`.
    ListUsers {
        /// Those who are online, and those who were within so many minutes. `None`: those who are online only.
        seen_within_minutes: Option<u64>,
    },
    /// Whether messages are sent without being asked for. Outcome: `Done`.
    SetPush {
        /// On or off.
        on: bool,
    },
    /// End the session. Outcome: `LoggedOut`, once it has ended.
    LogOut,
    /// A secret that stands for the password at logins. Outcomes: `Stored`; `NameUnavailable` if there is one of this
    /// name; `QueueFull` if there are too many; `DiskFull`.
    NewToken {
        /// Names it among those of the user: see [`may_be_token_name`](crate::name::may_be_token_name).
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// As the client will send it.
        #[serde(borrow)]
        secret: Password<'a>,
    },
    /// No login by this token any more. Outcomes: `Stored`; `NameUnavailable` if there is none.
    DropToken {
        /// Its name.
        #[serde(borrow)]
        name: Cow<'a, str>,
    },
    /// Names of the user's tokens, sorted. Outcome: `Users`.
    ListTokens,
    /// A message that is stored once, however often it is sent. Outcomes: those of `Send`; for a repeat that of the
    /// message.
    SendOnce {
        /// Names the message among those of its sender: see [`may_be_once_id`](crate::message::may_be_once_id).
        #[serde(borrow)]
        id: Cow<'a, str>,
        /// Who is to have it.
        #[serde(borrow)]
        audience: Audience<'a>,
        /// 1 byte to 1 MiB, without control characters but TAB.
        #[serde(borrow)]
        text: Cow<'a, str>,
    },
    /// Which sessions the user has. Outcome: `Sessions`.
    ListSessions,
    /// Give up a session that is not logged in, and what waits for it. Outcomes: `SessionDropped`; `NotFound` if there
    /// is none; `Denied` if it is logged in, or the last one.
    DropSession {
        /// Its name; nothing for the plain one.
        #[serde(borrow)]
        name: Option<Cow<'a, str>>,
    },
    /// Do something to a room. Outcomes: `Done`, `Denied`, `NotFound`, `QueueFull`, `DiskFull`.
    ChangeRoom {
        /// A name that a room may have.
        #[serde(borrow)]
        room: Cow<'a, str>,
        /// What.
        #[serde(borrow)]
        act: RoomAct<'a>,
    },
    /// Names of rooms, sorted. Outcome: `Users`.
    ListRooms {
        /// Those that are not private, and not those of which the user is a member.
        all: bool,
    },
    /// The members of a room, sorted by name, with `~` before the owner's and `@` before operators'. Outcomes: `Users`,
    /// `Denied`, `Busy`.
    ListMembers {
        /// A name that a room may have.
        #[serde(borrow)]
        room: Cow<'a, str>,
    },
    /// What a room is about. Outcomes: `Topic`, `Denied`.
    ShowTopic {
        /// A name that a room may have.
        #[serde(borrow)]
        room: Cow<'a, str>,
    },
    /// Kept messages of a room or a conversation. Outcomes: `Denied`, `Busy`; else the messages themselves.
    History {
        /// The room, or with whom, as typed.
        #[serde(borrow)]
        of: Cow<'a, str>,
        /// Where they begin.
        span: HistorySpan,
        /// How many at most, from 1 to 1,000.
        count: u16,
    },
    /// The newest kept messages that have all these words. Outcomes: `Denied`, `Busy`; else the messages themselves.
    Search {
        /// The room, or with whom, as typed; `None` for all that one may read.
        #[serde(borrow)]
        of: Option<Cow<'a, str>>,
        /// The words, as typed.
        #[serde(borrow)]
        words: Cow<'a, str>,
    },
    /// Another password for the user. Outcomes: `Stored`, once the account file has it; `PasswordNeeded` if the current
    /// one is wrong; `Locked`, which ends the session; `Busy`, `DiskFull`.
    ChangePassword {
        /// The password of before, as typed.
        #[serde(borrow)]
        current: Password<'a>,
        /// As typed; any bytes but none.
        #[serde(borrow)]
        new: Password<'a>,
        /// Where the client comes from.
        address: IpAddr,
    },
    /// From now on a message to a group comes with the names that it went to. Outcome: `Done`.
    NameGroups,
}

impl Request<'_> {
    /// Bytes of the names, the password, the identifier and the text in it.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Identify { name, .. } => name.len(),
            Self::Register { name, password, .. } | Self::LogIn { name, password, .. } => {
                name.len() + password.as_bytes().len()
            }
            Self::Send { audience, text } => audience.bytes() + text.len(),
            Self::NewToken { name, secret } => name.len() + secret.as_bytes().len(),
            Self::DropToken { name } => name.len(),
            Self::SendOnce { id, audience, text } => id.len() + audience.bytes() + text.len(),
            Self::DropSession { name } => name.as_ref().map_or(0, |name| name.len()),
            Self::ChangeRoom { room, act } => room.len() + act.bytes(),
            Self::ListMembers { room } | Self::ShowTopic { room } => room.len(),
            Self::History { of, .. } => of.len(),
            Self::Search { of, words } => of.as_deref().map_or(0, str::len) + words.len(),
            Self::ChangePassword { current, new, .. } => current.len() + new.len(),
            Self::Fetch
            | Self::ListUsers { .. }
            | Self::SetPush { .. }
            | Self::ListSessions
            | Self::ListTokens
            | Self::LogOut
            | Self::NameGroups
            | Self::ListRooms { .. } => 0,
        }
    }

    /// Notes when the client asked for this, by the host's boot clock, if that decides anything.
    pub fn note_asked_at(&mut self, boot_ms: u64) {
        if let Self::LogIn { asked_boot_ms, .. } = self {
            *asked_boot_ms = boot_ms;
        }
    }

    /// Whether a password is in it, or what stands for one.
    pub fn holds_password(&self) -> bool {
        matches!(
            self,
            Self::Register { .. }
                | Self::LogIn { .. }
                | Self::NewToken { .. }
                | Self::ChangePassword { .. }
        )
    }
}
