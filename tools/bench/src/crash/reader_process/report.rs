//! What a reader process reports: a line each.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};

/// Characters of a foreign text that are reported, so that each report is written to the pipe as a whole.
const MAX_TEXT: usize = 200;

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// Nobody listened.
    Refused,
    /// It is connected from this port.
    Port(u16),
    /// It was told `connected`.
    Connected,
    /// It was told that the server is busy.
    Busy,
    /// It is logged in.
    Welcome,
    /// It has handled what waited at the login.
    CaughtUp,
    /// It has handled a message of its sender's.
    Handled {
        /// Counted by the sender.
        sequence: u32,
        /// With `ids on`.
        number: Option<u64>,
    },
    /// It was sent a text that is none of its sender's.
    Foreign(String),
    /// Its lines have confirmed this message and all before it.
    Confirmed(u32),
    /// By this time, of the monotonic clock, it has handled all that had reached it.
    Seen(Duration),
    /// It was told `goodbye`.
    Goodbye,
    /// Something came that has no place in the protocol.
    Unexpected(String),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("refused"),
            Self::Port(port) => write!(f, "port {port}"),
            Self::Connected => f.write_str("connected"),
            Self::Busy => f.write_str("busy"),
            Self::Welcome => f.write_str("welcome"),
            Self::CaughtUp => f.write_str("caught-up"),
            Self::Handled {
                sequence,
                number: None,
            } => write!(f, "handled {sequence}"),
            Self::Handled {
                sequence,
                number: Some(number),
            } => write!(f, "handled {sequence} {number}"),
            Self::Foreign(text) => write!(f, "foreign {}", on_a_line(text)),
            Self::Confirmed(sequence) => write!(f, "confirmed {sequence}"),
            Self::Seen(at) => write!(f, "seen {}", at.as_nanos()),
            Self::Goodbye => f.write_str("goodbye"),
            Self::Unexpected(text) => write!(f, "unexpected {}", on_a_line(text)),
        }
    }
}

fn on_a_line(text: &str) -> String {
    let escaped = text.escape_debug().to_string();
    escaped.chars().take(MAX_TEXT).collect()
}

impl FromStr for Report {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let report = match word {
            "refused" => Self::Refused,
            "port" => Self::Port(rest.parse()?),
            "connected" => Self::Connected,
            "busy" => Self::Busy,
            "welcome" => Self::Welcome,
            "caught-up" => Self::CaughtUp,
            "handled" => {
                let (sequence, number) = match rest.split_once(' ') {
                    Some((sequence, number)) => (sequence, Some(number.parse()?)),
                    None => (rest, None),
                };
                let sequence = sequence.parse()?;
                Self::Handled { sequence, number }
            }
            "foreign" => Self::Foreign(rest.to_owned()),
            "confirmed" => Self::Confirmed(rest.parse()?),
            "seen" => Self::Seen(Duration::from_nanos(rest.parse().context("no time")?)),
            "goodbye" => Self::Goodbye,
            "unexpected" => Self::Unexpected(rest.to_owned()),
            _ => bail!("a reader reported {line:?}"),
        };
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_as_written() {
        for report in [
            Report::Refused,
            Report::Port(65_535),
            Report::Connected,
            Report::Busy,
            Report::Welcome,
            Report::CaughtUp,
            Report::Handled {
                sequence: 7,
                number: None,
            },
            Report::Handled {
                sequence: 7,
                number: Some(8),
            },
            Report::Foreign("two words".to_owned()),
            Report::Confirmed(u32::MAX),
            Report::Seen(Duration::from_nanos(1_000_000_007)),
            Report::Goodbye,
            Report::Unexpected(String::new()),
        ] {
            let line = report.to_string();
            assert_eq!(line.parse::<Report>().unwrap(), report, "{line}");
        }
        assert!("handled x".parse::<Report>().is_err());
    }

    #[test]
    fn report_is_one_short_line() {
        let report = Report::Foreign("a\nb\u{1b}".repeat(10_000)).to_string();
        assert!(!report.contains('\n') && report.len() < 4_096, "{report}");
    }
}
