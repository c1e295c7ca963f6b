//! What a client wants of the server, and what comes of it.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{MessageNumber, NameList, Password, RoomAct};

/// Who a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Audience<'a> {
    /// The accounts with these names. A name may stand there twice, and may be nobody's.
    Accounts(#[serde(borrow)] NameList<'a>),
    /// Every account but the sender's.
    Everyone,
    /// Rooms, and accounts beside them: names that begin with `#` are those of rooms. Otherwise as `Accounts`.
    Mixed(#[serde(borrow)] NameList<'a>),
}

impl<'a> Audience<'a> {
    /// The same without what it borrows.
    pub fn into_owned(self) -> Audience<'static> {
        match self {
            Self::Accounts(names) => Audience::Accounts(names.into_owned()),
            Self::Everyone => Audience::Everyone,
            Self::Mixed(names) => Audience::Mixed(names.into_owned()),
        }
    }

    /// The same, borrowed from this one.
    pub fn borrowed(&self) -> Audience<'_> {
        match self {
            Self::Accounts(names) => Audience::Accounts(names.borrowed()),
            Self::Everyone => Audience::Everyone,
            Self::Mixed(names) => Audience::Mixed(names.borrowed()),
        }
    }

    /// Bytes of the names in it.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Accounts(names) | Self::Mixed(names) => names.bytes(),
            Self::Everyone => 0,
        }
    }
}

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
}

impl Request<'_> {
    /// The same without what it borrows.
    pub fn into_owned(self) -> Request<'static> {
        match self {
            Self::Identify { name, address } => Request::Identify {
                name: name.into_owned().into(),
                address,
            },
            Self::Register {
                name,
                password,
                address,
            } => Request::Register {
                name: name.into_owned().into(),
                password: password.into_owned(),
                address,
            },
            Self::LogIn {
                name,
                password,
                address,
            } => Request::LogIn {
                name: name.into_owned().into(),
                password: password.into_owned(),
                address,
            },
            Self::Send { audience, text } => Request::Send {
                audience: audience.into_owned(),
                text: text.into_owned().into(),
            },
            Self::Fetch => Request::Fetch,
            Self::ListUsers {
                seen_within_minutes,
            } => Request::ListUsers {
                seen_within_minutes,
            },
            Self::SetPush { on } => Request::SetPush { on },
            Self::ListSessions => Request::ListSessions,
            Self::DropSession { name } => Request::DropSession {
                name: name.map(|name| name.into_owned().into()),
            },
            Self::History { of, span, count } => Request::History {
                of: of.into_owned().into(),
                span,
                count,
            },
            Self::Search { of, words } => Request::Search {
                of: of.map(|of| of.into_owned().into()),
                words: words.into_owned().into(),
            },
            Self::LogOut => Request::LogOut,
            Self::NewToken { name, secret } => Request::NewToken {
                name: name.into_owned().into(),
                secret: secret.into_owned(),
            },
            Self::DropToken { name } => Request::DropToken {
                name: name.into_owned().into(),
            },
            Self::ListTokens => Request::ListTokens,
            Self::SendOnce { id, audience, text } => Request::SendOnce {
                id: id.into_owned().into(),
                audience: audience.into_owned(),
                text: text.into_owned().into(),
            },
            Self::ChangeRoom { room, act } => Request::ChangeRoom {
                room: room.into_owned().into(),
                act: act.into_owned(),
            },
            Self::ListRooms { all } => Request::ListRooms { all },
            Self::ListMembers { room } => Request::ListMembers {
                room: room.into_owned().into(),
            },
            Self::ShowTopic { room } => Request::ShowTopic {
                room: room.into_owned().into(),
            },
            Self::ChangePassword {
                current,
                new,
                address,
            } => Request::ChangePassword {
                current: current.into_owned(),
                new: new.into_owned(),
                address,
            },
        }
    }

    /// The same, borrowed from this one.
    pub fn borrowed(&self) -> Request<'_> {
        match self {
            Self::Identify { name, address } => Request::Identify {
                name: (&**name).into(),
                address: *address,
            },
            Self::Register {
                name,
                password,
                address,
            } => Request::Register {
                name: (&**name).into(),
                password: Password::borrowed(password),
                address: *address,
            },
            Self::LogIn {
                name,
                password,
                address,
            } => Request::LogIn {
                name: (&**name).into(),
                password: Password::borrowed(password),
                address: *address,
            },
            Self::Send { audience, text } => Request::Send {
                audience: audience.borrowed(),
                text: (&**text).into(),
            },
            Self::Fetch => Request::Fetch,
            Self::ListUsers {
                seen_within_minutes,
            } => Request::ListUsers {
                seen_within_minutes: *seen_within_minutes,
            },
            Self::SetPush { on } => Request::SetPush { on: *on },
            Self::ListSessions => Request::ListSessions,
            Self::DropSession { name } => Request::DropSession {
                name: name.as_deref().map(Into::into),
            },
            Self::History { of, span, count } => Request::History {
                of: (&**of).into(),
                span: *span,
                count: *count,
            },
            Self::Search { of, words } => Request::Search {
                of: of.as_deref().map(Cow::Borrowed),
                words: (&**words).into(),
            },
            Self::LogOut => Request::LogOut,
            Self::NewToken { name, secret } => Request::NewToken {
                name: (&**name).into(),
                secret: Password::borrowed(secret),
            },
            Self::DropToken { name } => Request::DropToken {
                name: (&**name).into(),
            },
            Self::ListTokens => Request::ListTokens,
            Self::SendOnce { id, audience, text } => Request::SendOnce {
                id: (&**id).into(),
                audience: audience.borrowed(),
                text: (&**text).into(),
            },
            Self::ChangeRoom { room, act } => Request::ChangeRoom {
                room: (&**room).into(),
                act: act.borrowed(),
            },
            Self::ListRooms { all } => Request::ListRooms { all: *all },
            Self::ListMembers { room } => Request::ListMembers {
                room: (&**room).into(),
            },
            Self::ShowTopic { room } => Request::ShowTopic {
                room: (&**room).into(),
            },
            Self::ChangePassword {
                current,
                new,
                address,
            } => Request::ChangePassword {
                current: Password::borrowed(current),
                new: Password::borrowed(new),
                address: *address,
            },
        }
    }

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
            | Self::ListRooms { .. } => 0,
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

/// Where a message was sent, as its reader sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SentTo<'a> {
    /// To people: the reader, a group, or everyone.
    #[default]
    People,
    /// To this room.
    Room(&'a str),
    /// It is no message: the text stands for itself, and tells of this room.
    NoticeOf(&'a str),
    /// It is no message: so many of this room, of which this was the last, are in the history only. It has no text.
    GapIn(&'a str, u64),
}

/// A message as its reader gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message<'a> {
    /// Rises within a reader's queue.
    pub number: MessageNumber,
    /// When the server took it, in milliseconds since 1970-01-01T00:00:00Z. Rises with the number.
    pub time_ms: i64,
    /// The account that sent it; [`ROOM_SENDER`](crate::room::ROOM_SENDER) for what is no message.
    pub sender: &'a str,
    /// Where it was sent.
    pub sent_to: SentTo<'a>,
    /// 1 byte to 1 MiB, without control characters but TAB.
    pub text: &'a str,
}
