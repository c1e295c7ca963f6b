//! The commands of a chat, as far as a client has to know them to understand the answers.

use crate::words;

/// What a line asks of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `send`.
    Send,
    /// `broadcast`.
    Broadcast,
    /// `fetch`.
    Fetch,
    /// `who`.
    Who,
    /// `last`.
    Last,
    /// `push`.
    Push,
    /// `ids`.
    Ids,
    /// `logout`.
    LogOut,
    /// One that this end does not know; the server may.
    Other,
}

impl Command {
    /// The command of a line, as the server will read it.
    pub fn of(line: &[u8]) -> Self {
        match split_word(line).0 {
            b"send" => Self::Send,
            b"broadcast" => Self::Broadcast,
            b"fetch" => Self::Fetch,
            b"who" => Self::Who,
            b"last" => Self::Last,
            b"push" => Self::Push,
            b"ids" => Self::Ids,
            b"logout" => Self::LogOut,
            _ => Self::Other,
        }
    }

    /// Whether the answer is names of users, which may be any words.
    pub(super) fn is_for_names(self) -> bool {
        matches!(self, Self::Who | Self::Last)
    }

    /// The command's word; empty for one that is not known.
    pub fn word(self) -> &'static str {
        match self {
            Self::Send => words::SEND,
            Self::Broadcast => words::BROADCAST,
            Self::Fetch => words::FETCH,
            Self::Who => words::WHO,
            Self::Last => words::LAST,
            Self::Push => words::PUSH,
            Self::Ids => words::IDS,
            Self::LogOut => words::LOGOUT,
            Self::Other => "",
        }
    }
}

/// The first word of a line, and what follows it. White space around either means nothing.
pub fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = trim(line);
    match line.iter().position(|byte| is_white(*byte)) {
        Some(at) => (&line[..at], trim(&line[at..])),
        None => (line, b""),
    }
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim(bytes: &[u8]) -> &[u8] {
    let Some(start) = bytes.iter().position(|byte| !is_white(*byte)) else {
        return b"";
    };
    let end = bytes.iter().rposition(|byte| !is_white(*byte));
    &bytes[start..=end.unwrap_or(start)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_like_the_server() {
        for (line, command) in [
            ("send bob hi", Command::Send),
            ("\tsend\tbob hi", Command::Send),
            (" who ", Command::Who),
            ("last 5", Command::Last),
            ("broadcast x", Command::Broadcast),
            ("push on", Command::Push),
            ("ids off", Command::Ids),
            ("logout", Command::LogOut),
            ("fetch", Command::Fetch),
            ("", Command::Other),
            ("WHO", Command::Other),
            ("who\u{a0}", Command::Other),
        ] {
            assert_eq!(Command::of(line.as_bytes()), command, "{line:?}");
        }
        assert_eq!(split_word(b" push \t on "), (&b"push"[..], &b"on"[..]));
        assert_eq!(split_word(b" \t"), (&b""[..], &b""[..]));
    }
}
