//! What a line from the server must look like.

use std::collections::HashMap;

use super::escape::parse_repeat;

/// A line, with `<...>` for what differs from run to run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
    written: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Literal(String),
    Time,
    Between(u64, u64),
    Number,
    Larger,
    Same(String),
    Rest,
}

/// The numbers one client has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenNumbers {
    last: Option<u64>,
    named: HashMap<String, u64>,
}

impl Pattern {
    /// Every `<...>` that is none of the known ones stands for itself.
    pub(crate) fn parse(written: &str) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = written;
        while let Some(start) = rest.find('<') {
            literal.push_str(&rest[..start]);
            let special = rest[start + 1..]
                .split_once('>')
                .and_then(|(inside, after)| Some((Piece::parse(inside)?, after)));
            match special {
                Some((piece, after)) => {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    pieces.push(piece);
                    rest = after;
                }
                None => {
                    literal.push('<');
                    rest = &rest[start + 1..];
                }
            }
        }
        literal.push_str(rest);
        pieces.push(Piece::Literal(literal));
        Self {
            pieces,
            written: written.to_owned(),
        }
    }

    /// As it stands in the dialogue.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }

    /// Whether the whole line fits. Numbers are remembered only if it does.
    pub(crate) fn matches(&self, line: &[u8], seen: &mut SeenNumbers) -> bool {
        let mut now = seen.clone();
        let mut rest = line;
        for piece in &self.pieces {
            match piece.strip(rest, &mut now) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        if rest.is_empty() {
            *seen = now;
        }
        rest.is_empty()
    }
}

impl Piece {
    fn parse(inside: &str) -> Option<Self> {
        match inside {
            "time" => return Some(Self::Time),
            "number" => return Some(Self::Number),
            "larger" => return Some(Self::Larger),
            "rest" => return Some(Self::Rest),
            _ => {}
        }
        if let Some(name) = inside.strip_prefix("number:") {
            return Some(Self::Same(name.to_owned()));
        }
        if let Some((repeated, count)) = parse_repeat(inside) {
            return Some(Self::Literal(repeated.repeat(count)));
        }
        let (least, most) = inside.split_once('-')?;
        Some(Self::Between(least.parse().ok()?, most.parse().ok()?))
    }

    /// What follows this piece in the line, if the line begins with it.
    fn strip<'a>(&self, line: &'a [u8], seen: &mut SeenNumbers) -> Option<&'a [u8]> {
        match self {
            Self::Literal(text) => line.strip_prefix(text.as_bytes()),
            Self::Rest => (!line.is_empty()).then_some(&line[line.len()..]),
            Self::Time => {
                let (time, rest) = line.split_at_checked(TIME_BYTES)?;
                is_time_of_late(time).then_some(rest)
            }
            Self::Between(..) | Self::Number | Self::Larger | Self::Same(_) => {
                let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let (digits, rest) = line.split_at(digits);
                let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
                self.accepts(number, seen).then_some(rest)
            }
        }
    }

    fn accepts(&self, number: u64, seen: &mut SeenNumbers) -> bool {
        let good = match self {
            Self::Between(least, most) => return (*least..=*most).contains(&number),
            Self::Larger => seen.last.is_some_and(|last| number > last),
            Self::Same(name) => *seen.named.entry(name.clone()).or_insert(number) == number,
            _ => true,
        };
        seen.last = Some(number);
        good
    }
}

const TIME_BYTES: usize = "2026-11-22T11:18:31Z".len();

/// RFC 3339 UTC to the second, and not further than a day from this machine's clock.
fn is_time_of_late(time: &[u8]) -> bool {
    const DAY_S: i64 = 24 * 60 * 60;
    let shape = time.iter().map(|byte| match byte {
        b'0'..=b'9' => b'0',
        other => *other,
    });
    if !shape.eq(*b"0000-00-00T00:00:00Z") {
        return false;
    }
    let Some(time) = std::str::from_utf8(time)
        .ok()
        .and_then(|time| time.parse::<jiff::Timestamp>().ok())
    else {
        return false;
    };
    (time.as_second() - jiff::Timestamp::now().as_second()).abs() < DAY_S
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, line: &str) -> bool {
        Pattern::parse(pattern).matches(line.as_bytes(), &mut SeenNumbers::default())
    }

    #[test]
    fn plain_line_fits_itself_only() {
        assert!(fits("password", "password"));
        assert!(fits("", ""));
        for line in ["", "passwor", "password ", "password\r", "Password"] {
            assert!(!fits("password", line), "{line:?}");
        }
    }

    #[test]
    fn unknown_brackets_are_literal() {
        assert!(fits("<hello> a < b <1-x>", "<hello> a < b <1-x>"));
        assert!(!fits("<hello>", "hello"));
    }

    #[test]
    fn range_takes_whole_numbers_in_it() {
        for line in ["blocked:1", "blocked:4"] {
            assert!(fits("blocked:<1-4>", line), "{line}");
        }
        for line in [
            "blocked:0",
            "blocked:5",
            "blocked:",
            "blocked:1.5",
            "blocked:-1",
        ] {
            assert!(!fits("blocked:<1-4>", line), "{line}");
        }
    }

    #[test]
    fn time_is_recent_utc() {
        let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second())
            .unwrap()
            .to_string();
        assert!(fits("[<time>] a: hi", &format!("[{now}] a: hi")));
        for time in [
            "2001-01-01T00:00:00Z",
            &now.replace('Z', "+00:00"),
            &now.replace('T', " "),
            &now.replace('Z', ".5Z"),
            "now",
            "",
        ] {
            assert!(
                !fits("[<time>] a: hi", &format!("[{time}] a: hi")),
                "{time}"
            );
        }
    }

    #[test]
    fn numbers_are_remembered() {
        let mut seen = SeenNumbers::default();
        let mut next =
            |pattern: &str, line: &str| Pattern::parse(pattern).matches(line.as_bytes(), &mut seen);
        assert!(!next("#<larger>", "#1"), "nothing to be larger than");
        assert!(next("#<number>", "#5"));
        assert!(!next("#<larger>", "#5"));
        assert!(!next("#<larger> a", "#9 b"), "and 9 is not remembered");
        assert!(next("#<larger>", "#6"));
        assert!(next("#<number:first>", "#7"));
        assert!(next("#<number>", "#1"));
        assert!(next("#<number:first>", "#7"));
        assert!(!next("#<number:first>", "#8"));
        assert!(!next("#<number>", "#x"));
    }

    #[test]
    fn long_texts_are_written_short() {
        assert!(fits("a <x*3> b", "a xxx b"));
        assert!(!fits("a <x*3> b", "a xx b"));
        assert!(fits("a,$argon2id$<rest>", "a,$argon2id$v=19"));
        assert!(!fits("a,$argon2id$<rest>", "a,$argon2id$"));
    }
}
