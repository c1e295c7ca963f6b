//! What there is to tell the person, before it has words.

use crate::conversation::message::Message;

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// A message.
    Message(Message),
    /// Logged in under this name.
    Welcome(String),
    /// The name or the password was empty: asked again.
    EmptyAnswer,
    /// No account has this name, and a script did not ask for one.
    NoSuchAccount(String),
    /// No account can have this name, or nobody can log in with it now.
    NameNotPossible(String),
    /// Somebody registered the name meanwhile.
    NameTaken(String),
    /// The password is not that of the account.
    WrongPassword,
    /// The password and its repetition differ.
    PasswordsDiffer,
    /// The account was made.
    Registered(String),
    /// The user is logged in elsewhere.
    AlreadyConnected(String),
    /// Blocked for this many seconds; `now` if this connection caused it.
    Blocked {
        /// How long.
        seconds: u64,
        /// Whether the block begins now, after the last wrong password.
        now: bool,
    },
    /// The message is on its way to whom it names, or to everyone.
    Sent {
        /// Whether it was a broadcast.
        to_everyone: bool,
    },
    /// Some of the recipients do not exist.
    NotDelivered {
        /// Those.
        unknown: Vec<String>,
        /// How many others there are, who have the message.
        others: usize,
    },
    /// Answer to `who`, or to `last` with its minutes.
    Online {
        /// The names.
        names: Vec<String>,
        /// The minutes asked for.
        minutes: Option<String>,
    },
    /// Nothing is waiting.
    NoNewMessages,
    /// `push:x` or `ids:x`.
    Switched {
        /// Which one.
        word: &'static str,
        /// To what.
        mode: String,
    },
    /// `error:kind:command`.
    Refused {
        /// Why.
        kind: String,
        /// Of which command; empty before the login.
        command: String,
    },
    /// The server does not push: messages come when asked for.
    NoPush,
    /// A command line that is too long to send.
    TooLong {
        /// Its length.
        bytes: usize,
        /// What is allowed.
        max_bytes: usize,
    },
    /// The answer to a command that this client does not know.
    Answer(String),
    /// A line that this client does not know.
    Unexpected(String),
    /// What the word before the cursor may become.
    Candidates(Vec<String>),
    /// The commands.
    Help,
    /// Left in good order.
    Goodbye,
    /// The server closed because of silence.
    TimedOut,
    /// The connection is gone; why, if known.
    Lost(Option<String>),
    /// The same before a line came from the server, without TLS; why, if known.
    LostUnheard(Option<String>),
    /// The server gives no answer.
    NoAnswer {
        /// For this long.
        seconds: u64,
    },
    /// What was typed when the end came.
    NotSent(String),
    /// The input ended before the login.
    InputEnded,
}
