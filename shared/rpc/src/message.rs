//! What workers and the state daemon say to each other once they are attached.
//!
//! Strings are borrowed from the frame they came in, so that neither side copies a text it only passes on.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use chat_model::{ConnectionSerial, MessageNumber, Progress, StreamOffset};

use super::MessageBatch;

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
    Request(Request<'a>),
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
    /// A client connection has ended, logged out or not: the daemon may forget it. Said of every connection that
    /// was `Opened`. Not answered.
    Close {
        /// Which.
        connection: ConnectionSerial,
        /// How far its reader came.
        progress: Progress,
    },
    /// Somebody connected, and may not have said anything yet. Said of every connection before anything else of it, and
    /// of all again behind [`FromWorker::Resume`]. Not answered, unless by [`ToWorker::Reject`].
    Opened {
        /// Which.
        connection: ConnectionSerial,
        /// Where the client comes from. Unspecified for one that is known, and of whom the worker knows no more than that it
        /// is trusted.
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
}

/// One client line that needs the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request<'a> {
    /// Whose line.
    pub connection: ConnectionSerial,
    /// Which line.
    pub offset: StreamOffset,
    /// The last request whose answer arrived, so that the daemon may forget the answers up to it.
    pub answered: StreamOffset,
    /// How far the reader has come.
    pub progress: Progress,
    /// What is asked.
    #[serde(borrow)]
    pub call: Call<'a>,
}

/// Lines of a client, one behind the other, with a message to some accounts each: as many requests with [`Call::Send`].
/// Answered as those would be, or by [`ToWorker::Sent`].
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
    pub fn requests(&self) -> impl Iterator<Item = Request<'_>> {
        self.lines.iter().map(|send| Request {
            connection: self.connection,
            offset: send.offset,
            answered: self.answered,
            progress: self.progress,
            call: Call::Send {
                recipients: send.recipients,
                text: send.text,
            },
        })
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call<'a> {
    /// A user named himself. Answers: `Password`, `Register`, `Username`, `Connected`, `Blocked`.
    Name {
        /// As typed.
        name: &'a str,
        /// Where the client comes from.
        address: IpAddr,
    },
    /// Make an account. Answers: `Registered`, `Username`, `Busy`, `Full`.
    Register {
        /// As typed.
        name: &'a str,
        /// As typed; any bytes but none.
        password: &'a [u8],
        /// Where the client comes from.
        address: IpAddr,
    },
    /// A password. Answers: `Welcome`, `Password`, `Locked`, `Connected`, `Busy`, `Full`; `Username` if there is
    /// no such account.
    LogIn {
        /// The account.
        name: &'a str,
        /// As typed; any bytes but none.
        password: &'a [u8],
        /// Where the client comes from.
        address: IpAddr,
    },
    /// A message to some accounts. Answers: `Sent`, `Quota`, `Full`.
    Send {
        /// Names as typed, one space between; the same one may stand there twice.
        recipients: &'a str,
        /// Without control characters.
        text: &'a str,
    },
    /// A message to every account but the sender. Answers: `Sent`, `Quota`, `Full`.
    Broadcast {
        /// Without control characters.
        text: &'a str,
    },
    /// Nothing but the messages that wait. Answer: `Fetched`.
    Fetch,
    /// Who is online. Answered by [`ToWorker::Users`], or `Busy`. A worker asks nothing more for a client until it
    /// has that: others may be answered before.
    Who,
    /// Who is online, or was within so many minutes. Answered as `Who` is.
    Last {
        /// Saturated at the largest number there is.
        minutes: u64,
    },
    /// Whether messages are to be sent without being asked for. Answer: `Fetched`.
    Push {
        /// On or off.
        on: bool,
    },
    /// End the session. Answer: `LoggedOut`, once it has ended.
    LogOut,
}

impl Call<'_> {
    /// Whether a password is in it.
    pub fn holds_password(&self) -> bool {
        matches!(self, Self::Register { .. } | Self::LogIn { .. })
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
        /// The answer.
        #[serde(borrow)]
        answer: Answer<'a>,
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
    End {
        /// Which.
        connection: ConnectionSerial,
    },
    /// There are too many connections, in all or from there. The worker says so to the client and closes; requests of this
    /// connection are not answered any more.
    Reject {
        /// Which.
        connection: ConnectionSerial,
    },
    /// The answer to each of several requests: stored, and nobody is unknown. No messages go with it.
    Sent {
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
        /// Sorted, one space between. May be long.
        names: &'a str,
    },
}

/// A request that is answered together with others.
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

/// The answer to a request. Which call can have which is said at [`Call`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// The account exists, give its password; or the one given was wrong.
    Password,
    /// No such account; it could be registered.
    Register,
    /// No new account can have this name, or somebody else registered it first.
    Username,
    /// The user is logged in already.
    Connected,
    /// The user is blocked from this address. At least 1 second.
    Blocked {
        /// Rounded up.
        seconds_left: u64,
    },
    /// The account was made.
    Registered,
    /// Logged in.
    Welcome,
    /// The last allowed try was wrong: blocked for so long. At least 1 second.
    Locked {
        /// Rounded up.
        seconds_left: u64,
    },
    /// Stored. The names that no account has, in the order they were given, each once.
    Sent {
        /// Empty if all are known.
        #[serde(borrow)]
        unknown: Vec<&'a str>,
    },
    /// Done; there is nothing to say but the messages.
    Fetched,
    /// The session has ended.
    LoggedOut,
    /// A queue is full; nobody got the message.
    Quota,
    /// The disk has no room for what this would add.
    Full,
    /// Too many logins are before this one.
    Busy,
    /// The worker asked for what this connection may not do (not logged in, or logged in already, or an
    /// offset that was answered and forgotten). A worker without a bug never sees it.
    Refused,
}

/// A message as its reader gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message<'a> {
    /// Grows within a reader's queue.
    pub number: MessageNumber,
    /// When the server took it, in seconds since 1970-01-01T00:00:00Z.
    pub wall_s: i64,
    /// The account that sent it.
    pub sender: &'a str,
    /// Without control characters.
    pub text: &'a str,
}
