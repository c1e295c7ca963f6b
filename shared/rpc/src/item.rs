//! What workers and the state daemon say to each other once they are attached.
//!
//! Strings are borrowed from the frame they came in, so that neither side copies a text it only passes on.

use std::borrow::Cow;
use std::net::IpAddr;

use chat_model::{
    Audience, ConnectionSerial, Message, MessageBatch, MessageNumber, NameList, Outcome, Progress,
    Request, StreamOffset,
};
use serde::{Deserialize, Serialize};

/// From a worker to the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromWorker<'a> {
    /// First item after attaching again: every client connection the worker has. The daemon ends the
    /// connections of this worker session that are not named.
    Resume {
        /// In no particular order.
        connections: Vec<ResumedConnection>,
    },
    /// A client's line that needs the daemon. Answered by exactly one [`ToWorker::Reply`].
    #[serde(borrow)]
    Request(RequestItem<'a>),
    /// More of the queue, after a reply or push that said there is more. Answered by one [`ToWorker::Page`].
    Page {
        /// Whose queue.
        connection: ConnectionSerial,
        /// The first message wanted is the one after this.
        after: MessageNumber,
        /// The last message wanted.
        through: MessageNumber,
    },
    /// A reader has come further, outside a request.
    Progress {
        /// Whose queue.
        connection: ConnectionSerial,
        /// How far.
        progress: Progress,
    },
    /// A client connection has ended, logged out or not: the daemon may forget it. Said of every connection of which
    /// `ClientConnected` was said. Not answered.
    ClientClosed {
        /// Which.
        connection: ConnectionSerial,
        /// How far its reader came.
        progress: Progress,
    },
    /// Somebody connected, and may not have said anything yet. Said of every connection before anything else of it, and
    /// of all again behind [`FromWorker::Resume`]. Not answered, unless by [`ToWorker::Reject`].
    ClientConnected {
        /// Which.
        connection: ConnectionSerial,
        /// Where the client comes from. Unspecified for one that is known, and of whom the worker knows no more than
        /// that it is trusted.
        address: IpAddr,
        /// It was there before the daemon was: it is counted, and not rejected.
        is_known: bool,
    },
    /// Several lines of a client that are messages to some accounts each.
    SendBatch(SendBatch<'a>),
}

/// A client connection that outlived the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumedConnection {
    /// Which.
    pub connection: ConnectionSerial,
    /// The last request whose answer arrived.
    pub answered: StreamOffset,
    /// How far its reader has come.
    pub progress: Progress,
    /// The last message that the worker took for it: written, or waiting in the worker to be. The next one
    /// sent is the one after this.
    pub taken: MessageNumber,
    /// Whether `push` is on.
    pub push: bool,
    /// Whether it asked for the names of groups, as [`Request::NameGroups`] does.
    pub names_groups: bool,
}

/// One client line that needs the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestItem<'a> {
    /// Whose line.
    pub connection: ConnectionSerial,
    /// Where the line ends.
    pub offset: StreamOffset,
    /// The last request whose answer arrived, so that the daemon may forget the answers up to it.
    pub answered: StreamOffset,
    /// How far the reader has come.
    pub progress: Progress,
    /// What the client asks for. While a worker waits for the users it asked for, it asks nothing more for that client:
    /// other requests may be answered before.
    #[serde(borrow)]
    pub request: Request<'a>,
}

/// Lines of a client, one behind the other, with a message to some accounts each: as many requests with
/// [`Request::Send`]. Answered as those would be, or by [`ToWorker::Stored`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendBatch<'a> {
    /// Whose lines.
    pub connection: ConnectionSerial,
    /// As in a request.
    pub answered: StreamOffset,
    /// As in a request.
    pub progress: Progress,
    /// The lines.
    pub lines: Cow<'a, MessageBatch>,
}

impl SendBatch<'_> {
    /// The same as requests.
    pub fn requests(&self) -> impl Iterator<Item = RequestItem<'_>> {
        self.lines.iter().map(|line| RequestItem {
            connection: self.connection,
            offset: line.offset,
            answered: self.answered,
            progress: self.progress,
            request: Request::Send {
                audience: Audience::Accounts(line.recipients.into()),
                text: line.text.into(),
            },
        })
    }
}

/// From the daemon to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToWorker<'a> {
    /// The answer to one request, with what waited for the reader. Replies of one connection come in the
    /// order of its requests.
    Reply {
        /// Whose request.
        connection: ConnectionSerial,
        /// Which request.
        offset: StreamOffset,
        /// What came of it.
        #[serde(borrow)]
        outcome: Outcome<'a>,
        /// The next messages of the reader's queue, oldest first.
        #[serde(borrow)]
        messages: Vec<Message<'a>>,
        /// The queue as it was goes to here; where `more` is set, the worker asks for the rest with
        /// [`FromWorker::Page`]. 0 where nobody is logged in.
        through: MessageNumber,
        /// `messages` is not all there is up to `through`.
        more: bool,
    },
    /// Messages for readers who asked for push.
    Push {
        /// Every connection that gets these messages.
        connections: Vec<ConnectionSerial>,
        /// Oldest first. May be empty where `more` is set.
        #[serde(borrow)]
        messages: Vec<Message<'a>>,
        /// As in a reply.
        through: MessageNumber,
        /// As in a reply; nothing more is pushed until the worker has asked for the rest.
        more: bool,
    },
    /// More of a queue, as asked.
    Page {
        /// Whose queue.
        connection: ConnectionSerial,
        /// Oldest first.
        #[serde(borrow)]
        messages: Vec<Message<'a>>,
        /// There is more up to the `through` that was asked for.
        more: bool,
    },
    /// The daemon has ended this client's session (its account was disabled). The worker closes the connection.
    Kick {
        /// Which.
        connection: ConnectionSerial,
    },
    /// There are too many connections, in all or from there. The worker says so to the client and closes; requests of
    /// this connection are not answered any more.
    Reject {
        /// Which.
        connection: ConnectionSerial,
    },
    /// The answer to each of several requests: stored, and nobody is unknown. No messages go with it.
    Stored {
        /// Whose requests.
        connection: ConnectionSerial,
        /// The answered ones are all from this one...
        first: StreamOffset,
        /// ...to this one.
        last: StreamOffset,
        /// As in a reply, for each.
        through: MessageNumber,
        /// As in a reply, for each.
        more: bool,
    },
    /// The answer to several requests for the same names, made after the last of them came. No messages go with it.
    Users {
        /// Which requests.
        requests: Vec<UsersRequest>,
        /// Sorted, each once. May be as many as there are users.
        #[serde(borrow)]
        names: NameList<'a>,
    },
    /// The same session of the user has logged in on another connection. The worker says so to the client and closes.
    Replaced {
        /// Whose session has ended.
        connection: ConnectionSerial,
    },
    /// The answer to a request for kept messages. No messages of the queue go with it.
    Kept {
        /// Which request.
        request: UsersRequest,
        /// They were searched for.
        is_search: bool,
        /// There may be more.
        has_more: bool,
        /// Oldest first.
        #[serde(borrow)]
        messages: Vec<Message<'a>>,
    },
}

/// A request whose answer may be long, and may go to others too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsersRequest {
    /// Whose request.
    pub connection: ConnectionSerial,
    /// Which request.
    pub offset: StreamOffset,
    /// As in a reply.
    pub through: MessageNumber,
    /// As in a reply.
    pub more: bool,
}

#[cfg(test)]
#[path = "item_tests.rs"]
mod tests;
