//! A message line of the server.

use chat_line_protocol::client::{MessageLine, WentTo};
use jiff::Timestamp;

use crate::safe_text::without_breaks;

/// A message as the server sent it, made safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// When the server took it.
    pub(crate) time: Timestamp,
    /// Its number, while `ids` is on.
    pub(crate) number: Option<u64>,
    /// Who wrote it; `*` if a room itself tells something.
    pub(crate) sender: String,
    /// The room it was sent to.
    pub(crate) room: Option<String>,
    /// Whom it went to, while `to` is on: `*`, or names in parentheses.
    pub(crate) went_to: Option<String>,
    /// What. May have line breaks (U+2028).
    pub(crate) text: String,
    /// The whole line, without breaks.
    pub(crate) line: String,
    /// It comes from the history: it is not new.
    pub(crate) is_kept: bool,
}

impl Message {
    /// A message of a line that is safe to show, if that tells a time.
    pub(crate) fn of(parsed: &MessageLine<'_>, line: &str) -> Option<Message> {
        Some(Message {
            time: parsed.time()?,
            number: parsed.number,
            sender: without_breaks(&String::from_utf8_lossy(parsed.sender)),
            room: parsed
                .room
                .map(|room| without_breaks(&String::from_utf8_lossy(room))),
            went_to: parsed.went_to.map(|went_to| match went_to {
                WentTo::Everyone => "*".to_owned(),
                WentTo::Group(names) => {
                    format!("({})", without_breaks(&String::from_utf8_lossy(names)))
                }
            }),
            text: String::from_utf8_lossy(parsed.text).into_owned(),
            line: without_breaks(line),
            is_kept: false,
        })
    }

    /// The line without a number, as it comes at a login.
    pub(crate) fn unnumbered_line(&self) -> String {
        let Message {
            time, sender, text, ..
        } = self;
        let room = self.room.as_deref();
        let room = room.map(|room| format!(" {room}")).unwrap_or_default();
        without_breaks(&format!("[{time}] {sender}{room}: {text}"))
    }

    /// The same as a message of the history.
    pub(crate) fn kept(self) -> Message {
        Message {
            is_kept: true,
            ..self
        }
    }
}

#[cfg(test)]
impl Message {
    pub(crate) fn parse(line: &str) -> Option<Message> {
        Message::of(&MessageLine::parse(line.as_bytes())?, line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_with_and_without_numbers() {
        let plain = Message::parse("[2026-11-22T11:18:31Z] bob: hi:  there").expect("a message");
        assert_eq!(
            (plain.sender.as_str(), plain.text.as_str()),
            ("bob", "hi:  there")
        );
        assert_eq!(plain.number, None);
        let numbered = Message::parse("[2026-11-22T11:18:31Z] #7 bob: hi").expect("a message");
        assert_eq!(
            (numbered.number, numbered.sender.as_str()),
            (Some(7), "bob")
        );
        // An older account file may hold such a name.
        let odd = Message::parse("[2026-11-22T11:18:31Z] #7: hi").expect("a message");
        assert_eq!((odd.number, odd.sender.as_str()), (None, "#7"));
    }

    #[test]
    fn anything_else_is_no_message() {
        for line in [
            "",
            "[",
            "[x] bob: hi",
            "[2026-11-22T11:18:31Z] bob",
            "[2026-11-22T11:18:31Z] bob hi there",
        ] {
            assert_eq!(Message::parse(line), None, "{line}");
        }
    }
}
