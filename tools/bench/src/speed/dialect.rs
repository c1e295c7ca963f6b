//! What clients and servers say to each other: ours, or IRC.

/// A line protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Ours, with `push on`.
    Chatserv,
    /// RFC 1459, as far as a relay needs it. Nothing acknowledges a message.
    Irc,
    /// The same. A `PING` follows each message, and its `PONG` acknowledges the message.
    AcknowledgedIrc,
}

/// The channel that clients of IRC meet in, and a room of ours.
pub const CHANNEL: &str = "#bench";

/// What our server answers to each message that it took.
const TAKEN: &[u8] = b"sent:\nDONE\n";

/// What follows each message that is to be acknowledged, and what a peer answers to that.
const PING: &str = "PING t\r\n";
const PONG: &[u8] = b":bench.example.net PONG bench.example.net :t\r\n";

/// How far a client comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is known.
    LoggedIn,
    /// Messages come to it at once.
    Listening,
    /// The same, and it has entered the channel, where there are any.
    Meeting,
}

/// What a line means to who enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Nothing yet.
    Going,
    /// The client is known and may enter the channel.
    Known,
    /// The client is in and may be sent to.
    In,
    /// The server asks whether the client lives.
    Ping,
    /// The server does not let the client in.
    Refused,
}

impl Dialect {
    /// The same dialect, in which the server acknowledges each message to its sender.
    pub fn acknowledged(self) -> Self {
        match self {
            Self::Chatserv => Self::Chatserv,
            Self::Irc | Self::AcknowledgedIrc => Self::AcknowledgedIrc,
        }
    }

    /// All that a client says to get in, in one piece; in IRC, the channel comes later.
    pub fn enter(self, (name, password): (&str, &str), presence: Presence) -> Vec<u8> {
        match self {
            Self::Chatserv if presence == Presence::LoggedIn => format!("{name}\n{password}\n"),
            Self::Chatserv => format!("{name}\n{password}\npush on\n"),
            Self::Irc | Self::AcknowledgedIrc => {
                format!("NICK {name}\r\nUSER {name} 0 * :{name}\r\n")
            }
        }
        .into_bytes()
    }

    /// What a line means to a client that enters, which has heard `push:on` if `was_switched`.
    pub fn hear_entry(self, line: &[u8], presence: Presence, was_switched: &mut bool) -> Entry {
        let meets = presence == Presence::Meeting;
        match self {
            Self::Chatserv => match line {
                b"push:on" => {
                    *was_switched = true;
                    Entry::Going
                }
                b"DONE" if *was_switched || presence == Presence::LoggedIn => Entry::In,
                b"password" | b"welcome" | b"DONE" => Entry::Going,
                _ if line.first() == Some(&b'[') => Entry::Going,
                _ => Entry::Refused,
            },
            _ if line.starts_with(b"PING ") => Entry::Ping,
            _ if line.starts_with(b"ERROR ") => Entry::Refused,
            Self::Irc | Self::AcknowledgedIrc => {
                let number = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
                match number {
                    b"366" if meets => Entry::In,
                    // The end of the message of the day, or that there is none.
                    b"376" | b"422" if meets => Entry::Known,
                    b"376" | b"422" => Entry::In,
                    // The name is in use or wrong, or the channel is closed or full.
                    b"432" | b"433" | b"471" | b"473" | b"474" | b"475" => Entry::Refused,
                    _ => Entry::Going,
                }
            }
        }
    }

    /// The line that enters the channel, where there is one.
    pub fn join(self) -> Vec<u8> {
        match self {
            Self::Chatserv => Vec::new(),
            Self::Irc | Self::AcknowledgedIrc => format!("JOIN {CHANNEL}\r\n").into_bytes(),
        }
    }

    /// The line that sends a text to a client.
    pub fn send(self, reader: &str, text: &str) -> Vec<u8> {
        match self {
            Self::Chatserv => format!("send {reader} {text}\n"),
            Self::Irc => format!("PRIVMSG {reader} :{text}\r\n"),
            Self::AcknowledgedIrc => format!("PRIVMSG {reader} :{text}\r\n{PING}"),
        }
        .into_bytes()
    }

    /// The line that sends a text to all who are there.
    pub fn send_to_all(self, text: &str) -> Vec<u8> {
        match self {
            Self::Chatserv => format!("broadcast {text}\n").into_bytes(),
            Self::Irc | Self::AcknowledgedIrc => self.send(CHANNEL, text),
        }
    }

    /// What the server answers to a message that it took; nothing where it does not answer.
    pub fn taken(self) -> &'static [u8] {
        match self {
            Self::Chatserv => TAKEN,
            Self::Irc => b"",
            Self::AcknowledgedIrc => PONG,
        }
    }

    /// Whether a line brings a message.
    pub fn is_delivery(self, line: &[u8]) -> bool {
        match self {
            Self::Chatserv => line.first() == Some(&b'['),
            Self::Irc | Self::AcknowledgedIrc => {
                line.first() == Some(&b':') && memchr::memmem::find(line, b" PRIVMSG ").is_some()
            }
        }
    }

    /// Whether a line that is neither a message nor an answer may come: our server says nothing unasked.
    pub fn may_say(self, line: &[u8]) -> bool {
        self != Self::Chatserv && !line.starts_with(b"ERROR ")
    }

    /// The answer to a line that asks whether the client lives.
    pub fn pong(self, line: &[u8]) -> Option<Vec<u8>> {
        let token = line.strip_prefix(b"PING ")?;
        let token = token.strip_suffix(b"\r").unwrap_or(token);
        (self != Self::Chatserv).then(|| [b"PONG ", token, b"\r\n"].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(dialect: Dialect, presence: Presence, lines: &[&str]) -> Vec<Entry> {
        let mut was_switched = false;
        lines
            .iter()
            .map(|line| dialect.hear_entry(line.as_bytes(), presence, &mut was_switched))
            .collect()
    }

    #[test]
    fn who_is_in_can_be_sent_to() {
        use Entry::{Going, In, Known, Ping, Refused};
        let lines = ["password", "welcome", "DONE", "push:on", "DONE"];
        let entries = enter(Dialect::Chatserv, Presence::Listening, &lines);
        assert_eq!(entries, [Going, Going, Going, Going, In]);
        let entries = enter(Dialect::Chatserv, Presence::LoggedIn, &lines[..3]);
        assert_eq!(entries, [Going, Going, In]);
        assert_eq!(
            enter(Dialect::Chatserv, Presence::Listening, &["connected"]),
            [Refused]
        );
        let lines = [
            "PING :1",
            ":s 001 a :hi\r",
            ":s 422 a :no",
            ":s 366 a #bench :",
        ];
        assert_eq!(
            enter(Dialect::Irc, Presence::Listening, &lines)[..3],
            [Ping, Going, In]
        );
        assert_eq!(
            enter(Dialect::Irc, Presence::Meeting, &lines),
            [Ping, Going, Known, In]
        );
        assert_eq!(
            enter(Dialect::Irc, Presence::Meeting, &[":s 433 * a :in use"]),
            [Refused]
        );
    }

    #[test]
    fn acknowledged_irc_asks_behind_each_message() {
        let line = Dialect::Irc.acknowledged().send("bob", "hi");
        assert_eq!(line, b"PRIVMSG bob :hi\r\nPING t\r\n");
        assert_eq!(Dialect::Chatserv.acknowledged(), Dialect::Chatserv);
    }

    #[test]
    fn ping_is_answered_with_its_own_token() {
        assert_eq!(
            Dialect::Irc.pong(b"PING :x\r"),
            Some(b"PONG :x\r\n".to_vec())
        );
        assert_eq!(Dialect::Irc.pong(b":a PRIVMSG b :PING :x\r"), None);
    }
}
