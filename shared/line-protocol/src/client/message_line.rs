//! The server's message lines, taken apart.

use jiff::Timestamp;
use memchr::memchr;

/// Whom a message went to, where the line says that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WentTo<'a> {
    /// With `to on`: every account.
    Everyone,
    /// With `to on`: names of users and rooms, one space between.
    Group(&'a [u8]),
}

/// One message as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLine<'a> {
    time: &'a [u8],
    /// With `ids on`.
    pub number: Option<u64>,
    /// The name of the sender; `*` if the room itself tells something.
    pub sender: &'a [u8],
    /// The room it was sent to.
    pub room: Option<&'a [u8]>,
    /// With `to on`: whom it was sent to, where that was neither a room nor the reader alone.
    pub went_to: Option<WentTo<'a>>,
    /// The text.
    pub text: &'a [u8],
}

impl<'a> MessageLine<'a> {
    /// Takes `[time] sender: text` apart, with or without `#number` before the sender, and behind it a room, `*` or
    /// a group. No answer is taken for a message, as no name holds a bracket.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        Self::between(b'[', line, b']')
    }

    /// The same for a message of the history, `<time> #number sender: text`.
    pub fn parse_kept(line: &'a [u8]) -> Option<Self> {
        Self::between(b'<', line, b'>')
    }

    /// A message whose time stands between these marks.
    fn between(open: u8, line: &'a [u8], close: u8) -> Option<Self> {
        let (time, rest) = split_at(line.strip_prefix(&[open])?, close)?;
        let (first, behind) = split_at(rest.strip_prefix(b" ")?, b' ')?;
        let number = first.strip_prefix(b"#").and_then(number);
        let (sender, text) = match number {
            Some(_) => split_at(behind, b' ')?,
            None => (first, behind),
        };
        let mut message = Self {
            time,
            number,
            sender,
            room: None,
            went_to: None,
            text,
        };
        if let Some(sender) = sender.strip_suffix(b":") {
            message.sender = sender;
            return Some(message);
        }
        if let Some(group) = text.strip_prefix(b"(") {
            let (names, behind) = split_at(group, b')')?;
            message.went_to = Some(WentTo::Group(names));
            message.text = behind.strip_prefix(b": ")?;
            return Some(message);
        }
        let (word, text) = split_at(text, b' ')?;
        match word.strip_suffix(b":")? {
            b"*" => message.went_to = Some(WentTo::Everyone),
            room if room.starts_with(b"#") => message.room = Some(room),
            _ => return None,
        }
        message.text = text;
        Some(message)
    }

    /// When the server took it, unless the line says something that is no time.
    pub fn time(&self) -> Option<Timestamp> {
        std::str::from_utf8(self.time).ok()?.parse().ok()
    }
}

/// Reads decimal digits.
pub fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        let value = char::from(*digit).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(u64::from(value))
    })
}

fn split_at(bytes: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr(mark, bytes)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "[2026-11-22T11:18:31Z]";

    #[test]
    fn numbers_are_optional() {
        let line = format!("{TIME} bob: hi:  there");
        let parsed = MessageLine::parse(line.as_bytes()).unwrap();
        assert_eq!((parsed.number, parsed.sender), (None, &b"bob"[..]));
        assert_eq!(parsed.text, b"hi:  there");
        assert_eq!(parsed.time().unwrap().as_second(), 1_795_346_311);
        let line = format!("{TIME} #12 bob: hi");
        let parsed = MessageLine::parse(line.as_bytes()).unwrap();
        assert_eq!((parsed.number, parsed.sender), (Some(12), &b"bob"[..]));
        // An older account file may hold such a name.
        let line = format!("{TIME} #7: hi");
        let parsed = MessageLine::parse(line.as_bytes()).unwrap();
        assert_eq!((parsed.number, parsed.sender), (None, &b"#7"[..]));
    }

    #[test]
    fn rooms_stand_behind_sender() {
        for (head, number) in [("", None), ("#4 ", Some(4))] {
            let line = format!("{TIME} {head}ann #a: hi: x");
            let parsed = MessageLine::parse(line.as_bytes()).unwrap();
            assert_eq!((parsed.number, parsed.sender), (number, &b"ann"[..]));
            assert_eq!(
                (parsed.room, parsed.text),
                (Some(&b"#a"[..]), &b"hi: x"[..])
            );
        }
    }

    #[test]
    fn line_may_say_whom_it_went_to() {
        for (went_to, expected) in [
            (" *", WentTo::Everyone),
            (" (ann #a)", WentTo::Group(b"ann #a")),
        ] {
            for (head, number) in [("", None), ("#4 ", Some(4))] {
                let line = format!("{TIME} {head}bob{went_to}: (a): b");
                let parsed = MessageLine::parse(line.as_bytes()).unwrap();
                assert_eq!((parsed.number, parsed.sender), (number, &b"bob"[..]));
                assert_eq!(parsed.went_to, Some(expected));
                assert_eq!(parsed.text, b"(a): b");
            }
        }
    }

    #[test]
    fn kept_messages_have_marks_of_their_own() {
        let line = b"<2026-11-22T11:18:31Z> #4 ann #a: hi";
        let parsed = MessageLine::parse_kept(line).unwrap();
        assert_eq!((parsed.number, parsed.sender), (Some(4), &b"ann"[..]));
        assert_eq!((parsed.room, parsed.text), (Some(&b"#a"[..]), &b"hi"[..]));
        assert_eq!(MessageLine::parse(line), None);
        assert_eq!(MessageLine::parse_kept(b"[x] bob: hi"), None);
    }

    #[test]
    fn other_lines_are_no_messages() {
        for line in [
            "",
            "[",
            "DONE",
            "[x] bob",
            "[x] # bob: a",
            "[x] #1x bob: a",
            "[x] bob (ann: a",
            "[x] bob (ann) a",
            "[x] bob all: a",
            "[2026-11-22T11:18:31Z] bob hi there",
        ] {
            assert_eq!(MessageLine::parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(MessageLine::parse(b"[x] bob: hi").unwrap().time(), None);
    }
}
