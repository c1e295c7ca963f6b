//! A message as its reader gets it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::MessageNumber;

/// Where a message was sent, as its reader sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SentTo<'a> {
    /// To the reader alone, or to a group of which the reader has not asked for the names.
    #[default]
    People,
    /// To this room.
    Room(&'a str),
    /// It is no message: the text stands for itself, and tells of this room.
    NoticeOf(&'a str),
    /// It is no message: so many of this room, of which this was the last, are in the history only. It has no text.
    GapIn(&'a str, u64),
    /// To every account.
    Everyone,
    /// To several: names of users and rooms, in the order in which they were sent, with one space between.
    Group(#[serde(borrow)] Cow<'a, str>),
}

impl SentTo<'_> {
    /// Bytes of what may be long in it.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Group(names) => names.len(),
            _ => 0,
        }
    }
}

/// A message as its reader gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message<'a> {
    /// Rises within a reader's queue.
    pub number: MessageNumber,
    /// When the server took it, in milliseconds since 1970-01-01T00:00:00Z. Rises with the number.
    pub time_ms: i64,
    /// The account that sent it; [`ROOM_SENDER`](crate::room::ROOM_SENDER) for what is no message.
    pub sender: &'a str,
    /// Where it was sent.
    #[serde(borrow)]
    pub sent_to: SentTo<'a>,
    /// 1 byte to 1 MiB, without control characters but TAB.
    pub text: &'a str,
}
