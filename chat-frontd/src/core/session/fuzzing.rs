//! The line parser as it can be fuzzed from outside.

use chat_model::NameList;

use super::command::{self, Command, CommandError};
use super::line_buffer::LineBuffer;

/// A line that was cut out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutLine {
    /// What it says, without its end; of one over the limit, what came before the limit.
    pub content: Vec<u8>,
    /// How many bytes of the stream had come when it was complete.
    pub end: u64,
    /// Over the limit.
    pub is_too_long: bool,
}

/// Cuts a stream that comes in these pieces into lines. What may be secret ends with the line of this number.
pub fn cut_lines(pieces: &[&[u8]], max_line_bytes: usize, secret_lines: usize) -> Vec<CutLine> {
    let mut buffer = LineBuffer::new(max_line_bytes);
    let mut lines = Vec::new();
    for piece in pieces {
        assert!(buffer.needs_more());
        buffer.extend(piece);
        while let Some(line) = buffer.next_line() {
            lines.push(CutLine {
                content: buffer.content(&line).to_vec(),
                end: line.end.0,
                is_too_long: line.is_too_long,
            });
            buffer.keeps_secrets(lines.len() < secret_lines);
        }
    }
    let total: usize = pieces.iter().map(|piece| piece.len()).sum();
    assert_eq!(buffer.stream_total(), total as u64);
    lines
}

/// What a line in the chat means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A message to some.
    Send {
        /// As typed.
        recipients: NameList<'static>,
        /// The text.
        text: String,
    },
    /// A message to all.
    Broadcast {
        /// The text.
        text: String,
    },
    /// Who is online, or was within so many minutes.
    Last {
        /// As typed, or the largest number.
        minutes: u64,
    },
    /// A command that is its words.
    Plain(&'static str),
    /// Refused, with this word.
    Refused(String),
}

/// Understands a line without its end.
pub fn understand(line: &[u8]) -> Meaning {
    use super::command::PushMode;
    match command::parse(line) {
        Ok(Command::Send(draft)) => Meaning::Send {
            recipients: draft.recipients.into_owned(),
            text: draft.text.into_owned(),
        },
        Ok(Command::Broadcast { text }) => Meaning::Broadcast { text },
        Ok(Command::Last { minutes }) => Meaning::Last { minutes },
        Ok(Command::Who) => Meaning::Plain("who"),
        Ok(Command::Fetch) => Meaning::Plain("fetch"),
        Ok(Command::LogOut) => Meaning::Plain("logout"),
        Ok(Command::Push(PushMode::On)) => Meaning::Plain("push on"),
        Ok(Command::Push(PushMode::Ack)) => Meaning::Plain("push ack"),
        Ok(Command::Push(PushMode::Off)) => Meaning::Plain("push off"),
        Ok(Command::Ids(true)) => Meaning::Plain("ids on"),
        Ok(Command::Ids(false)) => Meaning::Plain("ids off"),
        Err(CommandError::Unknown { word }) => Meaning::Refused(word),
        Err(CommandError::Arguments { word }) => Meaning::Refused(word.to_owned()),
    }
}

/// The first word of a line, as a refusal repeats it.
pub fn word(line: &[u8]) -> String {
    command::command_word(line)
}
