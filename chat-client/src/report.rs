//! Everything the client can tell its user, before it is put into words.

use crate::conversation::message::Message;

/// One report to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// A message.
    Message(Message),
    /// Logged in under this name.
    Welcome(String),
    /// The name or the password was empty; the prompt is repeated.
    EmptyAnswer,
    /// There is no account with this name, and a script did not confirm to create one.
    NoSuchAccount(String),
    /// No account can have this name, or nobody can log in with it now.
    NameNotPossible(String),
    /// Somebody else has registered the name meanwhile.
    NameTaken(String),
    /// The password is not that of the account.
    WrongPassword,
    /// The password and its repetition differ.
    PasswordsDiffer,
    /// The account was created.
    Registered(String),
    /// The user is logged in elsewhere.
    AlreadyConnected(String),
    /// Blocked for this many seconds; `now` if this connection caused it.
    Blocked {
        /// The rest of the block.
        seconds: u64,
        /// Whether the block begins now, after the last wrong password.
        now: bool,
    },
    /// The message is stored for its recipients.
    Sent {
        /// Whether it was a broadcast.
        to_everyone: bool,
    },
    /// Some of the recipients do not exist.
    NotDelivered {
        /// The names without an account.
        unknown: Vec<String>,
        /// How many other recipients have the message.
        others: usize,
    },
    /// Nothing is waiting.
    NoNewMessages,
    /// `push:x` or `ids:x`.
    Switched {
        /// `push` or `ids`.
        word: &'static str,
        /// The new mode.
        mode: String,
    },
    /// `error:kind:command`.
    Refused {
        /// The kind of error.
        kind: String,
        /// The refused command; empty before the login.
        command: String,
    },
    /// The server does not push: messages come when asked for.
    NoPush,
    /// A command line that is too long to send.
    TooLong {
        /// Length of the line.
        bytes: usize,
        /// Longest allowed line.
        max_bytes: usize,
    },
    /// An answer that tells something, such as names of users; also that to a command this client does not know.
    Answer {
        /// The line that asked for it.
        requested: String,
        /// The answer as the server sent it.
        line: String,
    },
    /// A line that this client does not know.
    Unexpected(String),
    /// Completions of the word before the cursor.
    Candidates(Vec<String>),
    /// Characters that were typed are not in UTF-8.
    DroppedText,
    /// The list of commands.
    Help,
    /// Logged out normally.
    Goodbye,
    /// The server closed the connection because the client sent nothing.
    TimedOut,
    /// The same session of the user has logged in elsewhere.
    Replaced,
    /// The connection is lost, with the reason if it is known.
    Lost(Option<String>),
    /// The connection was lost before the server sent a line, without TLS.
    LostUnheard(Option<String>),
    /// The server does not answer.
    NoAnswer {
        /// The time-out.
        seconds: u64,
    },
    /// The login of this run is kept for later ones.
    LoginKept,
    /// The login of this run is not kept, with the reason.
    LoginNotKept(String),
    /// The login of this run is not kept, because the server made no token.
    NoToken {
        /// The kind of error.
        kind: String,
    },
    /// What is kept cannot be used, with the reason.
    KeptLoginUnusable(String),
    /// The server does not take the kept login of this account any more.
    TokenRefused(String),
    /// No login of this account is kept.
    NoKeptLogin(String),
    /// No login of this account is kept any more.
    LoginForgotten(String),
    /// The kept login is kept still, with the reason.
    LoginNotForgotten(String),
    /// A script has neither a kept login of this account nor a password.
    NoPassword(String),
    /// A line that was typed but not sent.
    NotSent(String),
    /// The input ended before the login.
    InputEnded,
}
