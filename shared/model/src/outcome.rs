//! What comes of a request.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::NameList;

/// What came of a request. Which request can have which outcome is said at [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome<'a> {
    /// The account exists: its password is needed, or the one given was wrong.
    PasswordNeeded,
    /// No account has this name, and one may be made.
    NameFree,
    /// No account has this name and none can be made; or another client made it first; or it is disabled.
    NameUnavailable,
    /// The user has a session already.
    AlreadyLoggedIn,
    /// The user is blocked from this address.
    Blocked {
        /// Rounded up; at least 1.
        seconds_left: u64,
    },
    /// The account was made.
    Registered,
    /// The session has begun.
    LoggedIn,
    /// The last allowed try was wrong: blocked from this address.
    Locked {
        /// Rounded up; at least 1.
        seconds_left: u64,
    },
    /// The message is on disk.
    Stored {
        /// Names that no account has, in the order they were given, each once.
        #[serde(borrow)]
        unknown: NameList<'a>,
    },
    /// There is nothing to say but the messages.
    Done,
    /// The users or rooms that were asked for.
    Users(#[serde(borrow)] NameList<'a>),
    /// The session has ended.
    LoggedOut,
    /// A queue is full, or the sender's share of it: nobody got the message.
    QueueFull,
    /// The disk, or what may wait in all, has no room for what this would add.
    DiskFull,
    /// Too much is under way; nothing was done.
    Busy,
    /// What this connection may not do: not logged in, logged in already, or a request that was answered and
    /// forgotten. A worker without a fault never sees it.
    Refused,
    /// The sessions of the user that have a place in its queue, by their full names, the plain one first.
    Sessions {
        /// Those that are logged in, sorted.
        #[serde(borrow)]
        online: NameList<'a>,
        /// The others, sorted.
        offline: NameList<'a>,
    },
    /// The session has no place any more. Told as `Sessions`, with those that are left.
    SessionDropped,
    /// What the request names is not there.
    NotFound,
    /// The user may not do that.
    Denied,
    /// What a room is about; empty if nobody has said.
    Topic(#[serde(borrow)] Cow<'a, str>),
}

impl Outcome<'_> {
    /// The same without what it borrows.
    pub fn into_owned(self) -> Outcome<'static> {
        match self {
            Self::PasswordNeeded => Outcome::PasswordNeeded,
            Self::NameFree => Outcome::NameFree,
            Self::NameUnavailable => Outcome::NameUnavailable,
            Self::AlreadyLoggedIn => Outcome::AlreadyLoggedIn,
            Self::Blocked { seconds_left } => Outcome::Blocked { seconds_left },
            Self::Registered => Outcome::Registered,
            Self::LoggedIn => Outcome::LoggedIn,
            Self::Locked { seconds_left } => Outcome::Locked { seconds_left },
            Self::Stored { unknown } => Outcome::Stored {
                unknown: unknown.into_owned(),
            },
            Self::Done => Outcome::Done,
            Self::Users(names) => Outcome::Users(names.into_owned()),
            Self::Sessions { online, offline } => Outcome::Sessions {
                online: online.into_owned(),
                offline: offline.into_owned(),
            },
            Self::SessionDropped => Outcome::SessionDropped,
            Self::NotFound => Outcome::NotFound,
            Self::Denied => Outcome::Denied,
            Self::LoggedOut => Outcome::LoggedOut,
            Self::QueueFull => Outcome::QueueFull,
            Self::DiskFull => Outcome::DiskFull,
            Self::Busy => Outcome::Busy,
            Self::Refused => Outcome::Refused,
            Self::Topic(topic) => Outcome::Topic(topic.into_owned().into()),
        }
    }

    /// Whether a message was stored, and nobody is unknown.
    pub fn is_stored_for_all(&self) -> bool {
        matches!(self, Self::Stored { unknown } if unknown.is_empty())
    }
}
