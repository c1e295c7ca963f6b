//! The server's message lines, taken apart.

/// One message as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLine<'a> {
    /// With `ids on`.
    pub number: Option<u64>,
    /// The name of the sender.
    pub sender: &'a [u8],
    /// The text.
    pub text: &'a [u8],
}

impl<'a> MessageLine<'a> {
    /// Takes `[time] sender: text` apart, with or without `#number` before the sender.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"[")?;
        let (_, rest) = split_at(rest, b"] ")?;
        let (number, rest) = match rest.strip_prefix(b"#") {
            Some(rest) => {
                let (digits, rest) = split_at(rest, b" ")?;
                (Some(number(digits)?), rest)
            }
            None => (None, rest),
        };
        let (sender, text) = split_at(rest, b": ")?;
        Some(Self {
            number,
            sender,
            text,
        })
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

fn split_at<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|found| found == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_understood() {
        let parsed = MessageLine::parse(b"[2026-11-22T11:18:31Z] bob: hi: there").unwrap();
        assert_eq!((parsed.number, parsed.sender), (None, &b"bob"[..]));
        assert_eq!(parsed.text, b"hi: there");
        let parsed = MessageLine::parse(b"[2026-11-22T11:18:31Z] #12 bob: hi").unwrap();
        assert_eq!((parsed.number, parsed.sender), (Some(12), &b"bob"[..]));
    }

    #[test]
    fn what_is_no_message_is_none() {
        for line in ["", "[", "DONE", "[x] bob", "[x] # bob: a", "[x] #1x bob: a"] {
            assert_eq!(MessageLine::parse(line.as_bytes()), None, "{line}");
        }
    }
}
