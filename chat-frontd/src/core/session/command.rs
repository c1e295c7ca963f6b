//! What a line in the chat means.

use std::borrow::Cow;

use chat_line_protocol::words;
use chat_model::{NameList, text};
use memchr::memchr2;

/// A line in the chat, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    Who,
    Last { minutes: u64 },
    Send(Draft<'a>),
    Broadcast { text: String },
    Fetch,
    LogOut,
    Push(PushMode),
    Ids(bool),
}

/// A message and who is to have it, fit to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft<'a> {
    /// As typed.
    pub(crate) recipients: NameList<'a>,
    /// Without control characters.
    pub(crate) text: Cow<'a, str>,
}

impl<'a> Draft<'a> {
    fn to_one(name: &'a [u8], text: &'a [u8]) -> Self {
        Self {
            recipients: NameList::one(text::clean(name)),
            text: text::clean(text),
        }
    }

    /// `names` have white space between them.
    fn to_group(names: &[u8], text: &'a [u8]) -> Self {
        let mut recipients = NameList::with_capacity(names.len());
        for name in names.split(|byte| is_white(*byte)) {
            if !name.is_empty() {
                recipients.push(&text::clean(name));
            }
        }
        Self {
            recipients,
            text: text::clean(text),
        }
    }

    /// Length of the text and the names.
    pub(crate) fn bytes(&self) -> usize {
        self.recipients.bytes() + self.text.len()
    }

    /// Whether there are more names than this.
    pub(crate) fn has_more_recipients_than(&self, most: usize) -> bool {
        self.recipients.len() > most
    }
}

/// Whether messages are sent without being asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PushMode {
    #[default]
    Off,
    /// A connection that stays whole for a second is taken for a sign that the reader has them.
    On,
    /// Only what the client says next is.
    Ack,
}

/// A line in the chat that cannot be carried out. The word is fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommandError {
    /// There is no such command.
    Unknown { word: String },
    /// The command exists, but not with these arguments.
    Arguments { word: &'static str },
}

impl Command<'_> {
    /// Its word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Who => words::WHO,
            Self::Last { .. } => words::LAST,
            Self::Send(_) => words::SEND,
            Self::Broadcast { .. } => words::BROADCAST,
            Self::Fetch => words::FETCH,
            Self::LogOut => words::LOGOUT,
            Self::Push(_) => words::PUSH,
            Self::Ids(_) => words::IDS,
        }
    }
}

impl CommandError {
    /// The word of the line.
    pub(crate) fn word(&self) -> Cow<'static, str> {
        match self {
            Self::Unknown { word } => Cow::Owned(word.clone()),
            Self::Arguments { word } => Cow::Borrowed(word),
        }
    }
}

/// The first word of a line, fit to be shown.
pub(crate) fn command_word(line: &[u8]) -> String {
    text::clean(split_word(line).0).into_owned()
}

/// Understands a line without its end. White space is spaces and tabs: before a command and behind it, it means
/// nothing; a text is kept with all of it.
pub(crate) fn parse(line: &[u8]) -> Result<Command<'_>, CommandError> {
    let (word, rest) = split_word(line);
    match word {
        b"who" => without_arguments("who", rest, Command::Who),
        b"last" => parse_last(rest),
        b"send" => parse_send(rest).ok_or(CommandError::Arguments { word: "send" }),
        b"broadcast" => match rest {
            b"" => Err(CommandError::Arguments { word: "broadcast" }),
            rest => Ok(Command::Broadcast {
                text: text::clean(rest).into_owned(),
            }),
        },
        b"fetch" => without_arguments("fetch", rest, Command::Fetch),
        b"logout" => without_arguments("logout", rest, Command::LogOut),
        b"push" => match trim(rest) {
            b"on" => Ok(Command::Push(PushMode::On)),
            b"ack" => Ok(Command::Push(PushMode::Ack)),
            b"off" => Ok(Command::Push(PushMode::Off)),
            _ => Err(CommandError::Arguments { word: "push" }),
        },
        b"ids" => match trim(rest) {
            b"on" => Ok(Command::Ids(true)),
            b"off" => Ok(Command::Ids(false)),
            _ => Err(CommandError::Arguments { word: "ids" }),
        },
        word => Err(CommandError::Unknown {
            word: text::clean(word).into_owned(),
        }),
    }
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The first word, and what comes after the one space or tab behind it.
fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = skip_white(line);
    match memchr2(b' ', b'\t', line) {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, b""),
    }
}

fn skip_white(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_white(*byte));
    &bytes[start.unwrap_or(bytes.len())..]
}

/// Without white space at both ends.
fn trim(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !is_white(*byte));
    skip_white(&bytes[..end.map_or(0, |last| last + 1)])
}

fn without_arguments(
    word: &'static str,
    rest: &[u8],
    command: Command<'static>,
) -> Result<Command<'static>, CommandError> {
    if skip_white(rest).is_empty() {
        Ok(command)
    } else {
        Err(CommandError::Arguments { word })
    }
}

fn parse_last(rest: &[u8]) -> Result<Command<'static>, CommandError> {
    let digits = trim(rest);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(CommandError::Arguments { word: "last" });
    }
    let minutes = digits.iter().fold(0_u64, |minutes, digit| {
        minutes
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Ok(Command::Last { minutes })
}

fn parse_send(rest: &[u8]) -> Option<Command<'_>> {
    let rest = skip_white(rest);
    let draft = if let Some(group) = rest.strip_prefix(b"(") {
        let end = group.iter().position(|byte| *byte == b')')?;
        let (space, text) = group[end + 1..].split_first()?;
        if !is_white(*space) {
            return None;
        }
        Draft::to_group(&group[..end], text)
    } else {
        let (name, text) = split_word(rest);
        Draft::to_one(name, text)
    };
    let may_be_sent = !draft.text.is_empty() && draft.recipients.may_be_recipients();
    may_be_sent.then_some(Command::Send(draft))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send<'a>(recipients: &[&str], text: &'a str) -> Result<Command<'a>, CommandError> {
        Ok(Command::Send(Draft {
            recipients: recipients.iter().copied().collect(),
            text: text.into(),
        }))
    }

    #[test]
    fn every_command_as_it_is_meant() {
        assert_eq!(parse(b"who"), Ok(Command::Who));
        assert_eq!(parse(b"  who  "), Ok(Command::Who));
        assert_eq!(parse(b"last 0"), Ok(Command::Last { minutes: 0 }));
        assert_eq!(parse(b"last 090 "), Ok(Command::Last { minutes: 90 }));
        let endless = parse(b"last 99999999999999999999999");
        assert_eq!(endless, Ok(Command::Last { minutes: u64::MAX }));
        assert_eq!(parse(b"send bob hi there"), send(&["bob"], "hi there"));
        assert_eq!(parse(b"send  bob  hi  "), send(&["bob"], " hi  "));
        let group = send(&["a", "b", "a"], "hi  all");
        assert_eq!(parse(b"send ( a  b a) hi  all"), group);
        assert_eq!(parse(b"send bob ) x"), send(&["bob"], ") x"));
        let broadcast = Command::Broadcast {
            text: "hey  you".into(),
        };
        assert_eq!(parse(b"broadcast hey  you"), Ok(broadcast));
        assert_eq!(parse(b"fetch"), Ok(Command::Fetch));
        assert_eq!(parse(b"logout"), Ok(Command::LogOut));
        assert_eq!(parse(b"push on"), Ok(Command::Push(PushMode::On)));
        assert_eq!(parse(b"push ack"), Ok(Command::Push(PushMode::Ack)));
        assert_eq!(parse(b"push off"), Ok(Command::Push(PushMode::Off)));
        assert_eq!(parse(b"ids on"), Ok(Command::Ids(true)));
        assert_eq!(parse(b"ids off"), Ok(Command::Ids(false)));
    }

    #[test]
    fn white_space_round_a_command_means_nothing() {
        for line in ["who", " who", "who ", "\twho\t", " \t who \t "] {
            assert_eq!(parse(line.as_bytes()), Ok(Command::Who), "{line:?}");
        }
        let last = Ok(Command::Last { minutes: 5 });
        assert_eq!(parse(b"\tlast\t 5\t"), last);
        assert_eq!(parse(b" push\t ack\t"), Ok(Command::Push(PushMode::Ack)));
        assert_eq!(parse(b"ids\ton "), Ok(Command::Ids(true)));
        assert_eq!(parse(b"\tlogout\t"), Ok(Command::LogOut));
        for line in [
            "send bob hi",
            "\tsend bob hi",
            " send\tbob\thi",
            "send \tbob hi",
        ] {
            assert_eq!(parse(line.as_bytes()), send(&["bob"], "hi"), "{line:?}");
        }
        let group = parse(b"send\t(\ta \tb\t)\thi");
        assert_eq!(group, send(&["a", "b"], "hi"));
    }

    #[test]
    fn a_text_keeps_all_its_white_space() {
        assert_eq!(parse(b"send bob \ta\tb  \t"), send(&["bob"], "\ta\tb  \t"));
        assert_eq!(parse(b"send (a b)\t\t"), send(&["a", "b"], "\t"));
        assert_eq!(parse(b"send bob  "), send(&["bob"], " "));
        let text = " a\t ".to_owned();
        assert_eq!(parse(b"broadcast\t a\t "), Ok(Command::Broadcast { text }));
    }

    #[test]
    fn wrong_arguments_are_named_by_their_command() {
        for (line, word) in [
            ("who is there", "who"),
            ("last", "last"),
            ("last x", "last"),
            ("last -1", "last"),
            ("last +1", "last"),
            ("last 1.5", "last"),
            ("last 5 6", "last"),
            ("send", "send"),
            ("send ", "send"),
            ("send windows", "send"),
            ("send windows ", "send"),
            ("send () hi", "send"),
            ("send (  ) hi", "send"),
            ("send (windows", "send"),
            ("send (windows hi", "send"),
            ("send (windows)", "send"),
            ("send (windows) ", "send"),
            ("send (windows)hi", "send"),
            ("send\twindows", "send"),
            ("send windows\t", "send"),
            ("send (windows)\t", "send"),
            ("broadcast\t", "broadcast"),
            ("push on\r", "push"),
            ("send a,b hi", "send"),
            ("send (windows a,) hi", "send"),
            ("broadcast", "broadcast"),
            ("broadcast ", "broadcast"),
            ("fetch it", "fetch"),
            ("logout now", "logout"),
            ("push", "push"),
            ("push maybe", "push"),
            ("push on off", "push"),
            ("ids", "ids"),
            ("ids yes", "ids"),
        ] {
            let error = Err(CommandError::Arguments { word });
            assert_eq!(parse(line.as_bytes()), error, "{line}");
        }
    }

    #[test]
    fn unknown_commands_are_repeated_clean() {
        for (line, word) in [
            (&b"dance"[..], "dance"),
            (b"dance with me", "dance"),
            (b"", ""),
            (b"   ", ""),
            (b"WHO", "WHO"),
            (b"\x1b[2J", "\u{fffd}[2J"),
            (b"\xffx", "\u{fffd}x"),
            (b" \t ", ""),
            (b"who\r", "who\u{fffd}"),
            (b"who\x0b", "who\u{fffd}"),
            ("who\u{a0}".as_bytes(), "who\u{a0}"),
        ] {
            let word = word.to_owned();
            assert_eq!(parse(line), Err(CommandError::Unknown { word }));
        }
    }

    #[test]
    fn control_characters_of_texts_and_names_are_replaced() {
        let clean = send(&["b\u{fffd}b"], "\u{fffd}[0m\t\u{fffd}");
        assert_eq!(parse(b"send b\x07b \x1b[0m\t\x0b"), clean);
    }
}
