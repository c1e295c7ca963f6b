//! The server's message lines, taken apart.

use jiff::Timestamp;
use memchr::memchr;

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
    /// The text.
    pub text: &'a [u8],
}

impl<'a> MessageLine<'a> {
    /// Takes `[time] sender: text` apart, with or without `#number` before the sender and a room behind it. No answer
    /// is taken for a message, as no name holds a bracket.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let (time, rest) = split_at(line.strip_prefix(b"[")?, b']')?;
        let (first, behind) = split_at(rest.strip_prefix(b" ")?, b' ')?;
        let number = first.strip_prefix(b"#").and_then(number);
        let (sender, text) = match number {
            Some(_) => split_at(behind, b' ')?,
            None => (first, behind),
        };
        if let Some(sender) = sender.strip_suffix(b":") {
            let room = None;
            return Some(Self {
                time,
                number,
                sender,
                room,
                text,
            });
        }
        let (room, text) = split_at(text, b' ')?;
        let room = room.strip_suffix(b":")?;
        room.starts_with(b"#").then_some(Self {
            time,
            number,
            sender,
            room: Some(room),
            text,
        })
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
    fn other_lines_are_no_messages() {
        for line in [
            "",
            "[",
            "DONE",
            "[x] bob",
            "[x] # bob: a",
            "[x] #1x bob: a",
            "[2026-11-22T11:18:31Z] bob hi there",
        ] {
            assert_eq!(MessageLine::parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(MessageLine::parse(b"[x] bob: hi").unwrap().time(), None);
    }
}
