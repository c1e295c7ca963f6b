//! Format 6: messages that are sent once. All else is as in format 5.

pub(crate) mod state;
#[cfg(test)]
mod tests;

use chat_model::{RequestName, StreamOffset};
use serde::{Deserialize, Serialize};

use super::v4::Connection;
use super::v4::entry::{Audience, Progress};
use super::v5;
use crate::entry as memory;

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
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Action<'a> {
    SendOnce {
        id: [u8; 16],
        #[serde(borrow)]
        audience: Audience<'a>,
        text: &'a str,
    },
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
        Self::OfFormat5(entry.into())
    }
}

impl Entry<'_> {
    /// The entry it stands for; nothing if it stands for none.
    pub(crate) fn read(self) -> Option<memory::Entry> {
        Some(match self {
            Self::OfFormat5(entry) => entry.read()?,
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
        })
    }
}
