//! What the client asks the server, and what for.

use super::target::Target;

/// A line under way or about to be, and what to do with its answer.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) purpose: Purpose,
}

/// Why a line is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The client sets up the session: push, numbers, features.
    SetUp,
    /// The user's rooms.
    Rooms,
    /// Who is online.
    Online,
    /// The members of a room.
    Members(String),
    /// What a room is about.
    Topic(String),
    /// Messages of the history.
    History(Target),
    /// A search, whose words these are.
    Search(String),
    /// A message of the outbox.
    Message(u64),
    /// The user typed it.
    Typed,
    /// What came is shown, or the client is still there.
    Confirmation,
    /// A token to keep.
    MakeToken(String),
    /// The client leaves, and wants no more messages.
    PushOff,
    /// The client leaves.
    LogOut,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It waits to be sent, or for its answer.
    Waiting,
    /// It is on the server's disk, for all whom it names.
    Stored,
    /// It is stored, but not for these.
    StoredExcept(Vec<String>),
    /// It is not stored, and why.
    Refused(String),
}
