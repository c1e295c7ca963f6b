//! The seam between a session and what its client speaks: lines become intents, and what comes of them becomes bytes.
//!
//! A session knows requests, outcomes, messages and how far its reader is. Only a dialect knows words.

#[cfg(test)]
mod boundary_tests;
mod line_protocol;

use std::fmt::Debug;
use std::net::IpAddr;

use chat_line_protocol::server::LineBuffer;
use chat_model::{Message, NameList, Outcome, PushMode, Request};

use super::secrets::Secrets;
use super::session::{Output, SessionLimits};

pub(crate) use line_protocol::LineProtocol;

/// What a client wants by a line. `Memo` is what its dialect has to remember until the answer is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Intent<'a, Memo> {
    /// Nothing of the session: the dialect has answered, or waits for another line.
    Handled,
    /// The client is told at once, and is to send more lines: no messages come with that, and no end of an answer.
    Prompt(Memo),
    /// Something that the state daemon does. A refused line fetches: what waits for its client comes with the answer.
    Request(Request<'a>, Memo),
    /// When messages come, as soon as it is answered.
    Push(PushMode, Memo),
    /// The end of the session, once all before it is answered.
    LogOut,
    /// The end of the connection; the dialect has said why.
    Close,
}

/// What a dialect may need to understand a line.
#[derive(Debug)]
pub(crate) struct LineContext<'a> {
    /// Where the client comes from.
    pub(crate) address: IpAddr,
    /// What holds for the client.
    pub(crate) limits: &'a SessionLimits,
    /// Secrets that a client may be given.
    pub(crate) secrets: &'a mut Secrets,
}

/// Why the server closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The client has logged out.
    LoggedOut,
    /// The client was silent for too long.
    TimedOut,
    /// The same session of the user has begun on another connection.
    Replaced,
    /// There are too many connections.
    TooManyConnections,
}

/// One client's side of what is spoken. Set up by the lines of its login; from then on it changes by answers only.
pub(crate) trait Dialect: Debug + Default {
    /// What has to be remembered of a line until its answer is written. Messages in a row go together if their memos
    /// are equal.
    type Memo: Clone + Debug + PartialEq;
    /// What has to be kept of a client that is logged in and has no request under way. A few bytes.
    type Parked: Copy + Debug + PartialEq;
    /// What helps to write for all clients of a worker.
    type Scratch: Debug + Default;

    /// What has to be kept while the client is parked.
    fn park(&self) -> Self::Parked;

    /// The dialect of a client that was parked.
    fn restore(parked: Self::Parked) -> Self;

    /// Takes out of the input, and answers, what can be no line. Returns whether there was such.
    fn take_stray(&mut self, _input: &mut LineBuffer, _output: &mut Output) -> bool {
        false
    }

    /// Understands a line before or after the login, here without its end. Before the login, the line before it is
    /// answered.
    fn take_line<'a>(
        &mut self,
        line: &'a [u8],
        context: &mut LineContext<'_>,
        output: &mut Output,
    ) -> Intent<'a, Self::Memo>;

    /// Whether the next line of a client that is logged in may be a password.
    fn awaits_secret(&self) -> bool {
        false
    }

    /// Understands a line over the limit, of which this came before the limit.
    fn take_long_line(&mut self, line: &[u8], output: &mut Output) -> Intent<'static, Self::Memo>;

    /// What is remembered of a message that goes to more accounts than a message may. It fetches instead.
    fn too_many_recipients(memo: Self::Memo) -> Self::Memo;

    /// Whether the dialect refused the line, so that nothing is asked but what waits.
    fn is_refused(memo: &Self::Memo) -> bool;

    /// For how many bytes a memo counts towards what may be held of a client's lines.
    fn held_bytes(memo: &Self::Memo) -> usize;

    /// Writes what came of a line. `Outcome::LoggedIn` ends the login.
    fn answer(&mut self, memo: &Self::Memo, outcome: &Outcome<'_>, output: &mut Vec<u8>);

    /// Writes the end of an answer in the chat, behind the messages that come with it.
    fn end_answer(&self, output: &mut Vec<u8>);

    /// Names of users as an answer. Written once for all clients that get them.
    fn users(names: &NameList<'_>) -> Vec<u8>;

    /// Kept messages as an answer.
    fn kept(messages: &[Message<'_>], is_search: bool, has_more: bool) -> Vec<u8>;

    /// Writes a message.
    fn message(&self, scratch: &mut Self::Scratch, message: &Message<'_>, output: &mut Vec<u8>);

    /// Writes why the connection is closed.
    fn close(&self, reason: CloseReason, output: &mut Vec<u8>);
}
