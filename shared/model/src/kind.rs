//! What kinds of requests and outcomes there are, for those who count them.

use crate::{Audience, Outcome, Request};

macro_rules! kinds {
    ($(#[$doc:meta])* $kind:ident { $($variant:ident $name:literal,)* }) => {
        $(#[$doc])*
        #[expect(missing_docs, reason = "each is named as what it is a kind of")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $kind {
            $($variant,)*
        }

        impl $kind {
            /// All kinds, each at the index that is its number.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name, for machines: small letters, and `-` between words.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// The kind of a [`Request`]. `Refused` is what no request was made of, because the line was wrong.
    RequestKind {
        Identify "identify",
        Register "register",
        LogIn "log-in",
        Send "send",
        Broadcast "broadcast",
        Fetch "fetch",
        ListUsers "list-users",
        SetPush "set-push",
        ListSessions "list-sessions",
        DropSession "drop-session",
        NewToken "new-token",
        DropToken "drop-token",
        ListTokens "list-tokens",
        History "history",
        Search "search",
        LogOut "log-out",
        Refused "refused",
        ChangeRoom "change-room",
        ListRooms "list-rooms",
        ListMembers "list-members",
        ShowTopic "show-topic",
        ChangePassword "change-password",
        NameGroups "name-groups",
    }
}

kinds! {
    /// The kind of an [`Outcome`]. `StoredForSome` has names in it that no account has.
    OutcomeKind {
        PasswordNeeded "password-needed",
        NameFree "name-free",
        NameUnavailable "name-unavailable",
        AlreadyLoggedIn "already-logged-in",
        Blocked "blocked",
        Registered "registered",
        LoggedIn "logged-in",
        Locked "locked",
        Stored "stored",
        StoredForSome "stored-for-some",
        Done "done",
        Users "users",
        Sessions "sessions",
        SessionDropped "session-dropped",
        NotFound "not-found",
        Denied "denied",
        LoggedOut "logged-out",
        QueueFull "queue-full",
        DiskFull "disk-full",
        Busy "busy",
        Refused "refused",
        Topic "topic",
    }
}

impl Request<'_> {
    /// Its kind.
    pub fn kind(&self) -> RequestKind {
        match self {
            Self::Identify { .. } => RequestKind::Identify,
            Self::Register { .. } => RequestKind::Register,
            Self::LogIn { .. } => RequestKind::LogIn,
            Self::Send { audience, .. } | Self::SendOnce { audience, .. } => match audience {
                Audience::Accounts(_) | Audience::Mixed(_) => RequestKind::Send,
                Audience::Everyone => RequestKind::Broadcast,
            },
            Self::Fetch => RequestKind::Fetch,
            Self::ListUsers { .. } => RequestKind::ListUsers,
            Self::SetPush { .. } => RequestKind::SetPush,
            Self::ListSessions => RequestKind::ListSessions,
            Self::DropSession { .. } => RequestKind::DropSession,
            Self::NewToken { .. } => RequestKind::NewToken,
            Self::DropToken { .. } => RequestKind::DropToken,
            Self::ListTokens => RequestKind::ListTokens,
            Self::History { .. } => RequestKind::History,
            Self::Search { .. } => RequestKind::Search,
            Self::LogOut => RequestKind::LogOut,
            Self::ChangeRoom { .. } => RequestKind::ChangeRoom,
            Self::ListRooms { .. } => RequestKind::ListRooms,
            Self::ListMembers { .. } => RequestKind::ListMembers,
            Self::ShowTopic { .. } => RequestKind::ShowTopic,
            Self::ChangePassword { .. } => RequestKind::ChangePassword,
            Self::NameGroups => RequestKind::NameGroups,
        }
    }
}

impl Outcome<'_> {
    /// Its kind.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::PasswordNeeded => OutcomeKind::PasswordNeeded,
            Self::NameFree => OutcomeKind::NameFree,
            Self::NameUnavailable => OutcomeKind::NameUnavailable,
            Self::AlreadyLoggedIn => OutcomeKind::AlreadyLoggedIn,
            Self::Blocked { .. } => OutcomeKind::Blocked,
            Self::Registered => OutcomeKind::Registered,
            Self::LoggedIn => OutcomeKind::LoggedIn,
            Self::Locked { .. } => OutcomeKind::Locked,
            Self::Stored { unknown } if unknown.is_empty() => OutcomeKind::Stored,
            Self::Stored { .. } => OutcomeKind::StoredForSome,
            Self::Done => OutcomeKind::Done,
            Self::Users(_) => OutcomeKind::Users,
            Self::Sessions { .. } => OutcomeKind::Sessions,
            Self::SessionDropped => OutcomeKind::SessionDropped,
            Self::NotFound => OutcomeKind::NotFound,
            Self::Denied => OutcomeKind::Denied,
            Self::LoggedOut => OutcomeKind::LoggedOut,
            Self::QueueFull => OutcomeKind::QueueFull,
            Self::DiskFull => OutcomeKind::DiskFull,
            Self::Busy => OutcomeKind::Busy,
            Self::Refused => OutcomeKind::Refused,
            Self::Topic(_) => OutcomeKind::Topic,
        }
    }
}
