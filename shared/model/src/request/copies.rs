//! The same request, owned or borrowed.

use std::borrow::Cow;

use super::Request;
use crate::Password;

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
                asked_boot_ms,
            } => Request::LogIn {
                name: name.into_owned().into(),
                password: password.into_owned(),
                address,
                asked_boot_ms,
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
            Self::NameGroups => Request::NameGroups,
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
                asked_boot_ms,
            } => Request::LogIn {
                name: (&**name).into(),
                password: Password::borrowed(password),
                address: *address,
                asked_boot_ms: *asked_boot_ms,
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
            Self::NameGroups => Request::NameGroups,
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
}
