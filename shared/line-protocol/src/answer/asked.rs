//! What is remembered of a line until it is answered, and its answer.

use std::borrow::Cow;

use chat_model::{Audience, Outcome, Password, PushMode, Request, RoomAct, Treatment};

use super::writing::{
    answer_password_change, append_features, append_named, append_refusal, append_sessions,
    append_unknown, users_line,
};
use crate::command::Command;
use crate::server::{CommandError, Intent, append_line, command_word};
use crate::words;

/// What `features` says beside the words for what works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// How long a client may be silent.
    pub time_out_s: u64,
    /// A line from a client, its end included.
    pub max_line_bytes: usize,
}

/// What has to be remembered of a line in the chat until its answer is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A command whose answer follows from its outcome.
    Command(Command),
    /// When messages come.
    Push(PushMode),
    /// Whether message lines have numbers.
    Ids(bool),
    /// Whether message lines say whom a message went to.
    To(bool),
    /// A token with this secret.
    NewToken(Password<'static>),
    /// Another password: its lines are wanted.
    Passwd,
    /// The last line of `passwd`: the new passwords differ.
    PasswordsDiffer,
    /// What the server can do.
    Features(ServerLimits),
    /// A command whose answer repeats a room's name or its topic.
    Room {
        /// Which.
        command: Command,
        /// What is repeated, fit to be shown.
        repeated: String,
    },
    /// A line that is refused. What waits for its client comes with the refusal.
    Refused {
        /// The word for the reason.
        kind: &'static str,
        /// The line's first word, fit to be shown.
        word: Cow<'static, str>,
    },
}

impl Asked {
    /// What is remembered of a line. `limits` is asked for where the answer names them.
    pub fn of(
        parsed: &Result<Intent<'_>, CommandError>,
        limits: impl FnOnce() -> ServerLimits,
    ) -> Self {
        match parsed {
            Ok(Intent::Passwd) => Self::Passwd,
            Ok(Intent::Features) => Self::Features(limits()),
            // Who gives it its secret remembers that.
            Ok(Intent::NewToken(_)) => Self::Command(Command::Token),
            Ok(Intent::Push(mode)) => Self::Push(*mode),
            Ok(Intent::Ids(is_on)) => Self::Ids(*is_on),
            Ok(Intent::To(is_on)) => Self::To(*is_on),
            Ok(Intent::Request(Request::ChangeRoom { room, act })) => Self::of_room(room, act),
            Ok(Intent::Request(request)) => Self::Command(command_of(request)),
            // It is not answered as a line is.
            Ok(Intent::LogOut) => Self::Command(Command::LogOut),
            Err(CommandError::Unknown { word }) => Self::Refused {
                kind: words::COMMAND,
                word: word.clone().into(),
            },
            Err(CommandError::Arguments { word }) => Self::Refused {
                kind: words::ARGS,
                word: Cow::Borrowed(word),
            },
        }
    }

    fn of_room(room: &str, act: &RoomAct<'_>) -> Self {
        let command = match act {
            RoomAct::Join => Command::Join,
            RoomAct::Leave => Command::Leave,
            RoomAct::SetTopic(_) => Command::Topic,
            RoomAct::SetPrivate(_) | RoomAct::SetRetention { .. } | RoomAct::Drop => Command::Room,
            RoomAct::Treat { treatment, .. } => {
                return Self::Command(match treatment {
                    Treatment::Invite => Command::Invite,
                    Treatment::Kick => Command::Kick,
                    Treatment::Ban => Command::Ban,
                    Treatment::Unban => Command::Unban,
                    Treatment::Op => Command::Op,
                    Treatment::Deop => Command::Deop,
                });
            }
        };
        let repeated = match act {
            RoomAct::SetTopic(topic) => topic.clone().into_owned(),
            _ => room.to_owned(),
        };
        Self::Room { command, repeated }
    }

    /// What is remembered of a line over the limit, of which this came before the limit.
    pub fn too_long(line: &[u8]) -> Self {
        Self::Refused {
            kind: words::LENGTH,
            word: command_word(line).into(),
        }
    }

    /// The same command, refused because of its arguments.
    pub fn with_wrong_arguments(self) -> Self {
        let word = match self {
            Self::Refused { word, .. } => word,
            other => other.word().to_owned().into(),
        };
        let kind = words::ARGS;
        Self::Refused { kind, word }
    }

    /// For how many bytes it counts towards what may be held of a client's lines.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::NewToken(secret) => secret.len(),
            other => other.word().len(),
        }
    }

    /// The command's word.
    pub fn word(&self) -> &str {
        match self {
            Self::Command(command) => command.word(),
            Self::Push(_) => words::PUSH,
            Self::Ids(_) => words::IDS,
            Self::To(_) => words::TO,
            Self::NewToken(_) => words::TOKEN,
            Self::Passwd | Self::PasswordsDiffer => words::PASSWD,
            Self::Features(_) => words::FEATURES,
            Self::Room { command, .. } => command.word(),
            Self::Refused { word, .. } => word,
        }
    }

    /// Writes what came of it. Returns false if no such line can have this outcome.
    pub fn answer(&self, outcome: &Outcome<'_>, output: &mut Vec<u8>) -> bool {
        match outcome {
            outcome if *self == Self::Command(Command::Passwd) => {
                return answer_password_change(outcome, output);
            }
            Outcome::Stored { .. } if self.word() == words::TOKEN => self.answer_token(output),
            Outcome::NameUnavailable if self.word() == words::TOKEN => {
                append_refusal(words::ARGS, words::TOKEN, output);
            }
            Outcome::Users(names) if *self == Self::Command(Command::Tokens) => {
                output.extend_from_slice(words::TOKENS.as_bytes());
                output.push(b':');
                output.extend_from_slice(&users_line(names));
            }
            Outcome::Stored { unknown } if unknown.is_empty() => {
                append_line(words::SENT_TO_ALL, output);
            }
            Outcome::Stored { unknown } => append_unknown(unknown, output),
            Outcome::Done => self.answer_done(output),
            Outcome::Sessions { online, offline } => append_sessions(online, offline, output),
            Outcome::NotFound => append_refusal(words::ARGS, self.word(), output),
            Outcome::Denied => append_refusal(words::DENIED, self.word(), output),
            Outcome::QueueFull => append_refusal(words::QUOTA, self.word(), output),
            Outcome::DiskFull => append_refusal(words::FULL, self.word(), output),
            Outcome::Busy => append_refusal(words::BUSY, self.word(), output),
            Outcome::Topic(topic) => append_named(words::TOPIC, topic.as_bytes(), output),
            Outcome::Users(names) => append_named(self.word(), &users_line(names), output),
            _ => {
                append_refusal(words::ARGS, self.word(), output);
                return false;
            }
        }
        true
    }

    fn answer_token(&self, output: &mut Vec<u8>) {
        output.extend_from_slice(words::TOKEN.as_bytes());
        output.push(b':');
        if let Self::NewToken(secret) = self {
            output.extend_from_slice(secret);
        }
        output.push(b'\n');
    }

    fn answer_done(&self, output: &mut Vec<u8>) {
        let answer = match self {
            Self::Refused { kind, word } => return append_refusal(kind, word, output),
            Self::Features(limits) => return append_features(*limits, output),
            Self::Passwd => words::PASSWORD,
            Self::PasswordsDiffer => words::PASSWD_DIFFER,
            Self::Push(PushMode::On) => "push:on",
            Self::Push(PushMode::Ack) => "push:ack",
            Self::Push(PushMode::Off) => "push:off",
            Self::Ids(true) => "ids:on",
            Self::Ids(false) => "ids:off",
            Self::To(true) => "to:on",
            Self::To(false) => "to:off",
            Self::Room { command, repeated } => {
                return append_named(command.word(), repeated.as_bytes(), output);
            }
            Self::Command(command) if command.treats_user() => {
                return append_named(command.word(), b"", output);
            }
            _ => words::FETCHING,
        };
        append_line(answer, output);
    }
}

/// The command that makes this request.
fn command_of(request: &Request<'_>) -> Command {
    match request {
        Request::Send { audience, .. } | Request::SendOnce { audience, .. } => match audience {
            Audience::Accounts(_) | Audience::Mixed(_) => Command::Send,
            Audience::Everyone => Command::Broadcast,
        },
        Request::ListUsers {
            seen_within_minutes: None,
        } => Command::Who,
        Request::ListUsers { .. } => Command::Last,
        Request::ListSessions | Request::DropSession { .. } => Command::Sessions,
        Request::ListRooms { .. } => Command::Rooms,
        Request::ListMembers { .. } => Command::Members,
        Request::ShowTopic { .. } => Command::Topic,
        Request::NewToken { .. } | Request::DropToken { .. } => Command::Token,
        Request::ListTokens => Command::Tokens,
        Request::History { .. } => Command::History,
        Request::Search { .. } => Command::Search,
        Request::ChangePassword { .. } => Command::Passwd,
        // No line in the chat is another request.
        _ => Command::Fetch,
    }
}

#[cfg(test)]
mod tests;
