//! Answers as a client understands them.

use chat_model::PushMode;

use crate::client::number;
use crate::command::Command;
use crate::words;

/// The answer to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The message is stored for everybody it names.
    Sent,
    /// The message is stored for all but these names, with commas between; nobody has them.
    SentExcept(&'a [u8]),
    /// The waiting messages follow.
    Fetching,
    /// Names of users, one space between.
    Users(&'a [u8]),
    /// When messages come from now on.
    Push(PushMode),
    /// Whether message lines have numbers from now on.
    Ids(bool),
    /// Whether message lines say from now on whom a message went to.
    To(bool),
    /// The secret of the new token; empty if one was dropped.
    Token(&'a [u8]),
    /// Names of the user's tokens, one space between.
    Tokens(&'a [u8]),
    /// What came of a changed password: nothing if it was done, or the word for why not.
    Passwd(&'a [u8]),
    /// Words for what the server can do, one space between.
    Features(&'a [u8]),
    /// The sessions of the user, one space between; a star stands before those that are online.
    Sessions(&'a [u8]),
    /// What a command of rooms is answered behind its word: names, a topic, a room, or nothing.
    OfRooms(&'a [u8]),
    /// So many messages of the history follow.
    Found {
        /// How many.
        count: u64,
        /// Whether a search found more than these.
        has_more: bool,
    },
    /// Nothing was done.
    Refused(Refusal<'a>),
    /// Something that this command is not known to be answered.
    Other(&'a [u8]),
}

impl<'a> Answer<'a> {
    /// Understands the line that answers a command.
    pub fn read(command: Command, line: &'a [u8]) -> Self {
        if let Some(refusal) = Refusal::parse(line) {
            return Self::Refused(refusal);
        }
        let known = match command {
            Command::Who | Command::Last => Some(Self::Users(line)),
            Command::Fetch if line == words::FETCHING.as_bytes() => Some(Self::Fetching),
            Command::Send | Command::Broadcast | Command::Once
                if line == words::SENT_TO_ALL.as_bytes() =>
            {
                Some(Self::Sent)
            }
            Command::Send | Command::Once => {
                let unknown = after_word(line, words::SEND).or(after_word(line, words::SENT));
                unknown.map(Self::SentExcept)
            }
            Command::Push => after_word(line, words::PUSH).and_then(push),
            Command::Ids => after_word(line, words::IDS).and_then(is_on).map(Self::Ids),
            Command::To => after_word(line, words::TO).and_then(is_on).map(Self::To),
            Command::Token => after_word(line, words::TOKEN).map(Self::Token),
            Command::Tokens => after_word(line, words::TOKENS).map(Self::Tokens),
            Command::Passwd => after_word(line, words::PASSWD).map(Self::Passwd),
            Command::Features => after_word(line, words::FEATURES).map(Self::Features),
            Command::Sessions => after_word(line, words::SESSIONS).map(Self::Sessions),
            Command::History | Command::Search => after_word(line, command.word()).and_then(found),
            command if command.is_of_rooms() => after_word(line, command.word()).map(Self::OfRooms),
            _ => None,
        };
        known.unwrap_or(Self::Other(line))
    }
}

fn found(count: &[u8]) -> Option<Answer<'_>> {
    let digits = count.strip_suffix(b"+").unwrap_or(count);
    Some(Answer::Found {
        count: number(digits)?,
        has_more: digits != count,
    })
}

fn push(mode: &[u8]) -> Option<Answer<'_>> {
    let mode = [
        (words::ON, PushMode::On),
        (words::ACK, PushMode::Ack),
        (words::OFF, PushMode::Off),
    ]
    .into_iter()
    .find(|(word, _)| word.as_bytes() == mode)?;
    Some(Answer::Push(mode.1))
}

fn is_on(mode: &[u8]) -> Option<bool> {
    let is_on = mode == words::ON.as_bytes();
    (is_on || mode == words::OFF.as_bytes()).then_some(is_on)
}

/// What stands behind a word and a colon.
pub(crate) fn after_word<'a>(line: &'a [u8], word: &str) -> Option<&'a [u8]> {
    line.strip_prefix(word.as_bytes())?.strip_prefix(b":")
}

/// `error:KIND:COMMAND`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The word for the reason: `busy`, `quota`, ...
    pub kind: &'a [u8],
    /// Of which command; empty before the login.
    pub command: &'a [u8],
}

impl<'a> Refusal<'a> {
    /// Understands a line, if it is a refusal.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let rest = after_word(line, words::ERROR)?;
        let end = rest.iter().position(|byte| *byte == b':')?;
        Some(Self {
            kind: &rest[..end],
            command: &rest[end + 1..],
        })
    }

    /// Whether the same line may succeed later: the server is busy, or its disk is full.
    pub fn is_temporary(&self) -> bool {
        [words::BUSY, words::FULL]
            .iter()
            .any(|kind| kind.as_bytes() == self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(command: Command, line: &str) -> Answer<'_> {
        Answer::read(command, line.as_bytes())
    }

    #[test]
    fn each_command_has_its_answers() {
        assert_eq!(read(Command::Send, "sent:"), Answer::Sent);
        assert_eq!(read(Command::Broadcast, "sent:"), Answer::Sent);
        assert_eq!(read(Command::Send, "send:a,b"), Answer::SentExcept(b"a,b"));
        assert_eq!(read(Command::Once, "send:a"), Answer::SentExcept(b"a"));
        assert_eq!(read(Command::Once, "sent:"), Answer::Sent);
        assert_eq!(read(Command::Fetch, "fetching"), Answer::Fetching);
        assert_eq!(read(Command::Who, "a b"), Answer::Users(b"a b"));
        let mode = PushMode::Ack;
        assert_eq!(read(Command::Push, "push:ack"), Answer::Push(mode));
        assert_eq!(read(Command::Ids, "ids:off"), Answer::Ids(false));
        assert_eq!(read(Command::To, "to:on"), Answer::To(true));
        assert_eq!(read(Command::Join, "join:#a"), Answer::OfRooms(b"#a"));
        assert_eq!(read(Command::Kick, "kick:"), Answer::OfRooms(b""));
        let found = |count, has_more| Answer::Found { count, has_more };
        assert_eq!(read(Command::History, "history:2"), found(2, false));
        assert_eq!(read(Command::Search, "search:50+"), found(50, true));
        for (command, line) in [
            (Command::History, "history:x"),
            (Command::Search, "search:"),
            (Command::Fetch, "sent:"),
            (Command::Broadcast, "send:a"),
            (Command::Push, "push:maybe"),
            (Command::Ids, "ids:"),
            (Command::To, "to:bob"),
            (Command::Other, "fetching"),
        ] {
            assert_eq!(read(command, line), Answer::Other(line.as_bytes()));
        }
    }

    #[test]
    fn refusals_are_taken_apart() {
        let refusal = Refusal {
            kind: b"quota",
            command: b"send",
        };
        assert_eq!(
            read(Command::Send, "error:quota:send"),
            Answer::Refused(refusal)
        );
        assert!(!refusal.is_temporary());
        assert!(Refusal::parse(b"error:busy:").is_some_and(|refusal| refusal.is_temporary()));
        for line in ["error", "error:", "error:busy", "errors:a:b"] {
            assert_eq!(Refusal::parse(line.as_bytes()), None, "{line}");
        }
    }
}
