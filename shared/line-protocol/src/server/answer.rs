//! What is written of a command's outcome.

use std::borrow::Cow;

use chat_model::{Audience, NameList, Outcome, PushMode, Request};

use super::{CommandError, Intent, append_line, command_word};
use crate::words;

/// What has to be remembered of a line in the chat until its answer is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A message to some accounts.
    Send,
    /// A message to everyone.
    Broadcast,
    /// The waiting messages.
    Fetch,
    /// Names of the users who are online.
    Who,
    /// Names of the users who are or were online.
    Last,
    /// When messages come.
    Push(PushMode),
    /// Whether message lines have numbers.
    Ids(bool),
    /// A line that is refused. What waits for its client comes with the refusal.
    Refused {
        /// The word for the reason.
        kind: &'static str,
        /// The line's first word, fit to be shown.
        word: Cow<'static, str>,
    },
}

impl Asked {
    /// What is remembered of a line.
    pub fn of(parsed: &Result<Intent<'_>, CommandError>) -> Self {
        match parsed {
            Ok(Intent::Push(mode)) => Self::Push(*mode),
            Ok(Intent::Ids(is_on)) => Self::Ids(*is_on),
            Ok(Intent::Request(Request::Send { audience, .. })) => match audience {
                Audience::Accounts(_) => Self::Send,
                Audience::Everyone => Self::Broadcast,
            },
            Ok(Intent::Request(Request::ListUsers {
                seen_within_minutes,
            })) => match seen_within_minutes {
                None => Self::Who,
                Some(_) => Self::Last,
            },
            // No line is another request, and the end of the session is not answered as a line is.
            Ok(Intent::Request(_) | Intent::LogOut) => Self::Fetch,
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

    /// The command's word.
    pub fn word(&self) -> &str {
        match self {
            Self::Send => words::SEND,
            Self::Broadcast => words::BROADCAST,
            Self::Fetch => words::FETCH,
            Self::Who => words::WHO,
            Self::Last => words::LAST,
            Self::Push(_) => words::PUSH,
            Self::Ids(_) => words::IDS,
            Self::Refused { word, .. } => word,
        }
    }

    /// Writes what came of it. Returns false if no such line can have this outcome.
    pub fn answer(&self, outcome: &Outcome<'_>, output: &mut Vec<u8>) -> bool {
        match outcome {
            Outcome::Stored { unknown } if unknown.is_empty() => {
                append_line(words::SENT_TO_ALL, output);
            }
            Outcome::Stored { unknown } => append_unknown(unknown, output),
            Outcome::Done => self.answer_done(output),
            Outcome::QueueFull => append_refusal(words::QUOTA, self.word(), output),
            Outcome::DiskFull => append_refusal(words::FULL, self.word(), output),
            Outcome::Busy => append_refusal(words::BUSY, self.word(), output),
            _ => {
                append_refusal(words::ARGS, self.word(), output);
                return false;
            }
        }
        true
    }

    fn answer_done(&self, output: &mut Vec<u8>) {
        let answer = match self {
            Self::Refused { kind, word } => return append_refusal(kind, word, output),
            Self::Push(PushMode::On) => "push:on",
            Self::Push(PushMode::Ack) => "push:ack",
            Self::Push(PushMode::Off) => "push:off",
            Self::Ids(true) => "ids:on",
            Self::Ids(false) => "ids:off",
            _ => words::FETCHING,
        };
        append_line(answer, output);
    }
}

/// Names with commas between, which no account has.
fn append_unknown(unknown: &NameList<'_>, output: &mut Vec<u8>) {
    output.extend_from_slice(words::SEND.as_bytes());
    for (index, name) in unknown.iter().enumerate() {
        output.push(if index == 0 { b':' } else { b',' });
        output.extend_from_slice(name.as_bytes());
    }
    output.push(b'\n');
}

/// Writes `error:KIND:WORD`.
pub fn append_refusal(kind: &str, word: &str, output: &mut Vec<u8>) {
    for part in [words::ERROR, ":", kind, ":", word, "\n"] {
        output.extend_from_slice(part.as_bytes());
    }
}

/// The line of names of users that answers `who` and `last`, with its end.
pub fn users_line(names: &NameList<'_>) -> Vec<u8> {
    let mut line = Vec::with_capacity(names.bytes() + names.len().max(1));
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            line.push(b' ');
        }
        line.extend_from_slice(name.as_bytes());
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn answer(line: &str, outcome: &Outcome<'_>) -> (bool, String) {
        let mut output = Vec::new();
        let asked = Asked::of(&parse(line.as_bytes()));
        let is_possible = asked.answer(outcome, &mut output);
        (is_possible, String::from_utf8(output).unwrap())
    }

    #[test]
    fn outcomes_as_they_are_written() {
        let stored = |unknown: &[&str]| Outcome::Stored {
            unknown: unknown.iter().copied().collect(),
        };
        for (line, outcome, expected) in [
            ("send bob hi", stored(&[]), "sent:\n"),
            ("send (a b) hi", stored(&["a", "b"]), "send:a,b\n"),
            (
                "broadcast hi",
                Outcome::QueueFull,
                "error:quota:broadcast\n",
            ),
            ("send bob hi", Outcome::DiskFull, "error:full:send\n"),
            ("who", Outcome::Busy, "error:busy:who\n"),
            ("fetch", Outcome::Done, "fetching\n"),
            ("push ack", Outcome::Done, "push:ack\n"),
            ("push on", Outcome::Busy, "error:busy:push\n"),
            ("ids on", Outcome::Done, "ids:on\n"),
            ("dance", Outcome::Done, "error:command:dance\n"),
            ("dance", Outcome::Busy, "error:busy:dance\n"),
            ("last x", Outcome::Done, "error:args:last\n"),
        ] {
            assert_eq!(answer(line, &outcome), (true, expected.into()));
        }
        let impossible = (false, "error:args:fetch\n".into());
        assert_eq!(answer("fetch", &Outcome::Registered), impossible);
    }

    #[test]
    fn refusals_keep_the_word() {
        let mut output = Vec::new();
        Asked::too_long(b"\x1bx y").answer(&Outcome::Done, &mut output);
        let asked = Asked::of(&parse(b"send bob hi")).with_wrong_arguments();
        asked.answer(&Outcome::Done, &mut output);
        let lines = "error:length:\u{fffd}x\nerror:args:send\n";
        assert_eq!(String::from_utf8(output).unwrap(), lines);
    }

    #[test]
    fn users_stand_on_one_line() {
        assert_eq!(users_line(&["a", "b"].into_iter().collect()), b"a b\n");
        assert_eq!(users_line(&NameList::default()), b"\n");
    }
}
