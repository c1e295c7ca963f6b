//! A message as it is kept in memory.

use chat_model::{AccountId, Message, MessageNumber, RoomId, SentTo};
use smallvec::SmallVec;

use std::sync::Arc;

use super::groups::Group;
use super::waiting::message_bytes;

/// Number of a page of messages in the checkpoint; not 0, and never given to another page while the process lives.
pub(crate) type PageNumber = u64;

/// Where a message lies in [`super::messages::Messages`]. There are as many of these in memory as readers of all
/// messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageKey(u32);

impl MessageKey {
    pub(super) fn of(index: usize) -> Self {
        Self(u32::try_from(index).expect("2^32 messages do not fit into memory"))
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Who a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    One(AccountId),
    Some(Group),
    /// Every account that gets broadcasts, but the sender.
    AllButSender,
    Rooms(Arc<RoomReaders>),
}

/// Rooms, and accounts beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomReaders {
    /// In the order in which they were named, each once, with how many messages the room had before.
    pub(crate) rooms: SmallVec<[(RoomId, u64); 1]>,
    /// In the order in which they were named, each once.
    pub(crate) accounts: Box<[AccountId]>,
    /// How many of the accounts were named before each room; empty, if all were named behind the rooms.
    pub(crate) accounts_before: Box<[u32]>,
    /// It is no message: the room of this name tells of what an operator did.
    pub(crate) notice_of: Option<Arc<str>>,
}

impl Readers {
    /// How many messages a room had before this one; nothing if it was not for the room.
    pub(super) fn sequence_in(&self, room: RoomId) -> Option<u64> {
        let Self::Rooms(readers) = self else {
            return None;
        };
        let mut rooms = readers.rooms.iter();
        rooms
            .find(|(id, _)| *id == room)
            .map(|(_, sequence)| *sequence)
    }
}

/// The text of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Resident(Box<str>),
    /// On a page of the current checkpoint.
    OnPage {
        page: PageNumber,
        bytes: u32,
    },
}

impl Text {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Resident(text) => text.len(),
            Self::OnPage { bytes, .. } => *bytes as usize,
        }
    }

    pub(super) fn bytes(&self) -> u32 {
        u32::try_from(self.len()).expect("texts are limited to 1 MiB")
    }

    pub(super) fn resident_bytes(&self) -> u64 {
        match self {
            Self::Resident(text) => text.len() as u64,
            Self::OnPage { .. } => 0,
        }
    }
}

/// A message as it is kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredMessage {
    pub(crate) number: MessageNumber,
    pub(crate) sender: AccountId,
    /// Milliseconds since 1970-01-01T00:00:00Z. Rises with the number, but for messages that programs stored which
    /// counted seconds.
    pub(crate) time_ms: i64,
    pub(crate) text: Text,
    pub(crate) readers: Readers,
}

/// A message without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MessageParts<R = Readers> {
    pub(crate) number: MessageNumber,
    pub(crate) sender: AccountId,
    pub(crate) time_ms: i64,
    pub(crate) text_bytes: u32,
    pub(crate) readers: R,
}

impl StoredMessage {
    /// All but the text.
    pub(crate) fn parts(&self) -> MessageParts<&Readers> {
        MessageParts {
            number: self.number,
            sender: self.sender,
            time_ms: self.time_ms,
            text_bytes: self.text.bytes(),
            readers: &self.readers,
        }
    }

    /// With a text that is on a page of the current checkpoint.
    pub(super) fn of_parts(parts: MessageParts, page: PageNumber) -> Self {
        Self {
            number: parts.number,
            sender: parts.sender,
            time_ms: parts.time_ms,
            text: Text::OnPage {
                page,
                bytes: parts.text_bytes,
            },
            readers: parts.readers,
        }
    }

    /// As its reader gets it.
    pub(super) fn shown<'a>(
        &self,
        sender: &'a str,
        sent_to: SentTo<'a>,
        text: &'a str,
    ) -> Message<'a> {
        Message {
            number: self.number,
            time_ms: self.time_ms,
            sender,
            sent_to,
            text,
        }
    }

    /// What it takes while it waits.
    pub(super) fn waiting_bytes(&self) -> u64 {
        let readers = match &self.readers {
            Readers::One(_) => 1,
            Readers::Some(readers) => readers.len(),
            Readers::AllButSender => 0,
            Readers::Rooms(readers) => readers.rooms.len() + readers.accounts.len(),
        };
        message_bytes(self.text.len(), readers)
    }
}

impl MessageParts {
    /// A message by what each format has of it. A field that a newer format adds gets its value for older messages
    /// here.
    pub(crate) fn of_any_format(
        number: MessageNumber,
        sender: AccountId,
        time_ms: i64,
        text_bytes: u32,
        readers: Readers,
    ) -> Self {
        Self {
            number,
            sender,
            time_ms,
            text_bytes,
            readers,
        }
    }

    /// The same, borrowed.
    pub(crate) fn as_ref(&self) -> MessageParts<&Readers> {
        MessageParts {
            number: self.number,
            sender: self.sender,
            time_ms: self.time_ms,
            text_bytes: self.text_bytes,
            readers: &self.readers,
        }
    }
}

impl MessageParts<&Readers> {
    /// The same without what it borrows.
    pub(super) fn into_owned(self) -> MessageParts {
        MessageParts {
            number: self.number,
            sender: self.sender,
            time_ms: self.time_ms,
            text_bytes: self.text_bytes,
            readers: self.readers.clone(),
        }
    }
}
