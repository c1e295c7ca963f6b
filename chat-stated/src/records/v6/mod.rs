//! Format 6: messages that are sent once, sessions of users, rooms, tokens, passwords that users change, and what the
//! history keeps; what operators do to rooms and tokens. All else is as in format 5.

pub(crate) mod history;
mod operations;
pub(crate) mod rooms;
pub(crate) mod sessions;
pub(crate) mod state;
#[cfg(test)]
mod tests;

use chat_model::{AccountId, RequestName, StreamOffset, UserSession};
use serde::{Deserialize, Serialize};

use super::v3::Address;
use super::v4::Connection;
use super::v4::entry::Progress;
use super::v5;
use crate::entry as memory;
use history::{HistoryLimits, HistoryRules};
use operations::OperatorAct;
use rooms::{Audience, RoomAct, RoomLimits};
use sessions::{Session, SessionLimits};

#[derive(Serialize, Deserialize)]
pub(crate) enum Entry<'a> {
    OfFormat5(#[serde(borrow)] v5::Entry<'a>),
    /// What a client's line tries that format 5 has not.
    Request {
        connection: Connection,
        offset: u64,
        answered: u64,
        progress: Progress,
        #[serde(borrow)]
        action: Action<'a>,
    },
    LimitSessions(SessionLimits),
    LimitRooms(RoomLimits),
    KeepHistory(HistoryRules),
    LimitHistory(HistoryLimits),
    Operate {
        ticket: u64,
        #[serde(borrow)]
        act: OperatorAct<'a>,
    },
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Action<'a> {
    SendOnce {
        id: [u8; 16],
        #[serde(borrow)]
        audience: Audience<'a>,
        text: &'a str,
    },
    LogIn {
        account: u32,
        #[serde(borrow)]
        session: Session<'a>,
        address: Address,
        password_version: u32,
        new_secret: Option<&'a str>,
    },
    DropSession {
        #[serde(borrow)]
        session: Session<'a>,
    },
    /// With an audience that format 4 has not.
    Send {
        #[serde(borrow)]
        audience: Audience<'a>,
        text: &'a str,
    },
    ChangeRoom {
        room: &'a str,
        #[serde(borrow)]
        act: RoomAct<'a>,
    },
    NewToken {
        name: &'a str,
        digest: [u8; 32],
    },
    DropToken {
        name: &'a str,
    },
    ChangePassword {
        address: Address,
        password_version: u32,
        secret: &'a str,
    },
    FailPasswordChange {
        address: Address,
    },
    /// As `LogIn`, and when the client asked.
    LogInAsked {
        account: u32,
        #[serde(borrow)]
        session: Session<'a>,
        address: Address,
        password_version: u32,
        new_secret: Option<&'a str>,
        asked_boot_ms: u64,
    },
    /// Members are told, other than by a `ChangeRoom`.
    DropRoom {
        room: &'a str,
    },
}

/// Whether format 5 cannot express what is tried.
pub(crate) fn is_new(action: &memory::Action) -> bool {
    Action::of(action).is_some()
}

/// Whether format 5 cannot express what an operator does.
pub(crate) fn is_new_act(act: &memory::OperatorAct) -> bool {
    OperatorAct::of(act).is_some()
}

impl<'a> From<&'a memory::Entry> for Entry<'a> {
    fn from(entry: &'a memory::Entry) -> Self {
        if let memory::Entry::Request {
            name,
            answered,
            progress,
            action,
        } = entry
            && let Some(action) = Action::of(action)
        {
            return Self::Request {
                connection: name.connection.into(),
                offset: name.offset.0,
                answered: answered.0,
                progress: (*progress).into(),
                action,
            };
        }
        if let memory::Entry::Operate { ticket, act } = entry
            && let Some(act) = OperatorAct::of(act)
        {
            let ticket = *ticket;
            return Self::Operate { ticket, act };
        }
        match entry {
            memory::Entry::LimitSessions(limits) => Self::LimitSessions((*limits).into()),
            memory::Entry::LimitRooms(limits) => Self::LimitRooms((*limits).into()),
            memory::Entry::KeepHistory(rules) => Self::KeepHistory((*rules).into()),
            memory::Entry::LimitHistory(limits) => Self::LimitHistory((*limits).into()),
            entry => Self::OfFormat5(entry.into()),
        }
    }
}

impl Entry<'_> {
    /// The entry it stands for; nothing if it stands for none.
    pub(crate) fn read(self) -> Option<memory::Entry> {
        Some(match self {
            Self::OfFormat5(entry) => entry.read()?,
            Self::LimitSessions(limits) => memory::Entry::LimitSessions(limits.into()),
            Self::LimitRooms(limits) => memory::Entry::LimitRooms(limits.into()),
            Self::KeepHistory(rules) => memory::Entry::KeepHistory(rules.into()),
            Self::LimitHistory(limits) => memory::Entry::LimitHistory(limits.into()),
            Self::Operate { ticket, act } => memory::Entry::Operate {
                ticket,
                act: act.into(),
            },
            Self::Request {
                connection,
                offset,
                answered,
                progress,
                action,
            } => memory::Entry::Request {
                name: RequestName {
                    connection: connection.into(),
                    offset: StreamOffset(offset),
                },
                answered: StreamOffset(answered),
                progress: progress.into(),
                action: action.read()?,
            },
        })
    }
}

impl<'a> Action<'a> {
    /// What is tried, if format 5 cannot express it.
    fn of(action: &'a memory::Action) -> Option<Self> {
        match action {
            memory::Action::SendOnce { id, audience, text } => Some(Self::SendOnce {
                id: id.0,
                audience: audience.into(),
                text,
            }),
            memory::Action::LogIn {
                account,
                session,
                address,
                password_version,
                new_secret,
                asked_boot_ms,
            } if *session != UserSession::Plain => {
                let (account, session) = (account.0, session.into());
                let (address, password_version) = ((*address).into(), *password_version);
                let new_secret = new_secret.as_deref();
                Some(match *asked_boot_ms {
                    None => Self::LogIn {
                        account,
                        session,
                        address,
                        password_version,
                        new_secret,
                    },
                    Some(asked_boot_ms) => Self::LogInAsked {
                        account,
                        session,
                        address,
                        password_version,
                        new_secret,
                        asked_boot_ms,
                    },
                })
            }
            memory::Action::DropSession { session } => Some(Self::DropSession {
                session: session.into(),
            }),
            memory::Action::Send {
                audience: audience @ chat_model::Audience::Mixed(_),
                text,
            } => Some(Self::Send {
                audience: audience.into(),
                text,
            }),
            memory::Action::ChangeRoom { room, act } => Some(Self::ChangeRoom {
                room,
                act: act.into(),
            }),
            memory::Action::DropRoom { room } => Some(Self::DropRoom { room }),
            memory::Action::NewToken { name, digest } => Some(Self::NewToken {
                name,
                digest: digest.0,
            }),
            memory::Action::DropToken { name } => Some(Self::DropToken { name }),
            memory::Action::ChangePassword {
                address,
                password_version,
                secret,
            } => Some(Self::ChangePassword {
                address: (*address).into(),
                password_version: *password_version,
                secret,
            }),
            memory::Action::FailPasswordChange { address } => Some(Self::FailPasswordChange {
                address: (*address).into(),
            }),
            _ => None,
        }
    }

    fn read(self) -> Option<memory::Action> {
        Some(match self {
            Self::SendOnce { id, audience, text } => memory::Action::SendOnce {
                id: memory::OnceId(id),
                audience: audience.read()?,
                text: text.into(),
            },
            Self::LogIn {
                account,
                session,
                address,
                password_version,
                new_secret,
            } => memory::Action::LogIn {
                account: AccountId(account),
                session: session.read()?,
                address: address.into(),
                password_version,
                new_secret: new_secret.map(Into::into),
                asked_boot_ms: None,
            },
            Self::LogInAsked {
                account,
                session,
                address,
                password_version,
                new_secret,
                asked_boot_ms,
            } => memory::Action::LogIn {
                account: AccountId(account),
                session: session.read()?,
                address: address.into(),
                password_version,
                new_secret: new_secret.map(Into::into),
                asked_boot_ms: Some(asked_boot_ms),
            },
            Self::DropSession { session } => memory::Action::DropSession {
                session: session.read()?,
            },
            Self::Send { audience, text } => memory::Action::Send {
                audience: audience.read()?,
                text: text.into(),
            },
            Self::ChangeRoom { room, act } => memory::Action::ChangeRoom {
                room: room.into(),
                act: act.read(),
            },
            Self::DropRoom { room } => memory::Action::DropRoom { room: room.into() },
            Self::NewToken { name, digest } => memory::Action::NewToken {
                name: name.into(),
                digest: memory::TokenDigest(digest),
            },
            Self::DropToken { name } => memory::Action::DropToken { name: name.into() },
            Self::ChangePassword {
                address,
                password_version,
                secret,
            } => memory::Action::ChangePassword {
                address: address.into(),
                password_version,
                secret: secret.into(),
            },
            Self::FailPasswordChange { address } => memory::Action::FailPasswordChange {
                address: address.into(),
            },
        })
    }
}
