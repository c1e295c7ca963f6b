//! Clients that log in again after each lost connection.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::{Connection, Received};
use crate::processes::PATIENCE;
use crate::server::Server;

/// The room of Alice, Bob and Carol.
pub(crate) const ROOM: &str = "#room";

/// A message line as a reader saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The number of the reader's connection, from 1.
    pub(crate) connection: usize,
    /// The message number, with `ids on`.
    pub(crate) number: Option<u64>,
    pub(crate) text: String,
}

/// The result of a command.
struct Finished {
    answer: Option<String>,
    /// Whether `DONE` arrived.
    is_whole: bool,
}

pub(crate) struct Client {
    name: &'static str,
    address: SocketAddr,
    /// The commands after every login.
    commands: &'static [&'static str],
    connection: Connection,
    /// The number of logins.
    pub(crate) connections: usize,
    pub(crate) seen: Vec<Seen>,
    /// Texts of the history, as the answers showed them.
    pub(crate) kept: Vec<String>,
}

impl Client {
    /// Logs in and sends these commands, now and after each further login.
    pub(crate) fn log_in(
        server: &Server,
        name: &'static str,
        commands: &'static [&'static str],
    ) -> Self {
        let mut client = Self {
            name,
            address: server.address,
            commands,
            connection: Connection::open(server.address, None).unwrap(),
            connections: 0,
            seen: Vec::new(),
            kept: Vec::new(),
        };
        client.log_in_again();
        client
    }

    fn log_in_again(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.try_to_log_in() {
            assert!(Instant::now() < deadline, "{} cannot log in", self.name);
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Fails while the server is down, or while it considers this user online.
    fn try_to_log_in(&mut self) -> bool {
        let Ok(connection) = Connection::open(self.address, None) else {
            return false;
        };
        self.connection = connection;
        self.begin(&format!("{}\nsecret", self.name));
        for expected in ["password", "welcome"] {
            match self.connection.receive() {
                Received::Line(line) if line == expected.as_bytes() => {}
                Received::Line(line) if line == b"connected" => return false,
                Received::Closed(_) | Received::Broken(_) => return false,
                other => panic!("{} cannot log in: {other}", self.name),
            }
        }
        self.connections += 1;
        let waiting = self.finish();
        assert_eq!(waiting.answer, None);
        waiting.is_whole
            && self.commands.iter().all(|command| {
                self.begin(command);
                let finished = self.finish();
                let answer = Some(command.replace(' ', ":"));
                assert!(!finished.is_whole || finished.answer == answer);
                finished.is_whole
            })
    }

    /// Sends a command. If the connection is lost, [`Self::finish`] notices it.
    pub(crate) fn begin(&mut self, command: &str) {
        let _ = self.connection.send(format!("{command}\n").as_bytes());
    }

    /// Reads up to `DONE`, or to the end of the connection.
    fn finish(&mut self) -> Finished {
        let mut answer = None;
        loop {
            match self.connection.receive() {
                Received::Line(line) if line == b"DONE" => {
                    return Finished {
                        answer,
                        is_whole: true,
                    };
                }
                Received::Line(line) if line.starts_with(b"[") => self.see(&line),
                Received::Line(line) if line.starts_with(b"<") => {
                    let line = std::str::from_utf8(&line).unwrap();
                    let (_, text) = line.rsplit_once(": ").unwrap();
                    self.kept.push(text.to_owned());
                }
                Received::Line(line) => {
                    assert_eq!(answer, None, "answered twice");
                    answer = Some(String::from_utf8(line).unwrap());
                }
                Received::Closed(_) | Received::Broken(_) => {
                    return Finished {
                        answer,
                        is_whole: false,
                    };
                }
                nothing @ Received::Nothing(_) => panic!("{}: {nothing}", self.name),
            }
        }
    }

    fn see(&mut self, line: &[u8]) {
        let line = std::str::from_utf8(line).unwrap();
        let (_, after_time) = line.split_once("] ").unwrap();
        let (head, text) = after_time.split_once(": ").unwrap();
        let number = head.strip_prefix('#').map(|rest| {
            let (number, _) = rest.split_once(' ').unwrap();
            number.parse().unwrap()
        });
        self.seen.push(Seen {
            connection: self.connections,
            number,
            text: text.to_owned(),
        });
    }

    /// Fetches all waiting messages.
    pub(crate) fn fetch(&mut self) {
        self.begin("fetch");
        self.finish_fetch();
    }

    pub(crate) fn finish_fetch(&mut self) {
        let finished = self.finish();
        if finished.is_whole {
            assert_eq!(finished.answer.as_deref(), Some("fetching"));
        } else {
            // Waiting messages arrive with the login.
            self.log_in_again();
        }
    }

    /// Waits until it has seen `count` messages, without sending anything.
    pub(crate) fn await_messages(&mut self, count: usize) {
        while self.seen.len() < count {
            match self.connection.receive() {
                Received::Line(line) => self.see(&line),
                other => panic!("{}: {other}", self.name),
            }
        }
    }

    /// Sends a command, and expects this answer.
    pub(crate) fn ask(&mut self, command: &str, answer: &str) {
        self.begin(command);
        let finished = self.finish();
        assert_eq!(finished.answer.as_deref(), Some(answer));
        assert!(finished.is_whole, "no DONE after {answer}");
    }

    pub(crate) fn log_out(&mut self) {
        self.begin("logout");
        let finished = self.finish();
        assert_eq!(finished.answer.as_deref(), Some("goodbye"));
        assert!(!finished.is_whole, "DONE after goodbye");
    }
}

/// A text that was sent, perhaps again after a missing answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) text: String,
    pub(crate) is_acknowledged: bool,
}

/// How messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// To Bob and Carol.
    Group,
    /// To the room in which they are.
    Room,
    /// The same by `once`. What was not answered is sent again as it was.
    Once,
}

/// Sends `m1.1`, `m2.1`, ..., and `m2.2` after a lost connection: the number of the message and of the attempt.
pub(crate) struct Sender {
    pub(crate) client: Client,
    sending: Sending,
    message: usize,
    attempt: usize,
    /// In the order in which they were sent.
    pub(crate) attempts: Vec<Attempt>,
}

impl Sender {
    pub(crate) fn new(client: Client, sending: Sending) -> Self {
        Self {
            client,
            sending,
            message: 0,
            attempt: 0,
            attempts: Vec::new(),
        }
    }

    /// Sends the next message.
    pub(crate) fn begin_send(&mut self) {
        self.message += 1;
        self.attempt = 1;
        self.try_to_send();
    }

    fn try_to_send(&mut self) {
        let text = format!("m{}.{}", self.message, self.attempt);
        self.client.begin(&match self.sending {
            Sending::Group => format!("send (bob carol) {text}"),
            Sending::Room => format!("send {ROOM} {text}"),
            Sending::Once => format!("once {} send {ROOM} {text}", self.message),
        });
        self.attempts.push(Attempt {
            text,
            is_acknowledged: false,
        });
    }

    /// Waits until it is acknowledged. Sends it again after each lost connection.
    pub(crate) fn finish_send(&mut self) {
        loop {
            let finished = self.client.finish();
            if let Some(answer) = &finished.answer {
                assert_eq!(answer, "sent:");
                self.attempts.last_mut().unwrap().is_acknowledged = true;
            }
            if !finished.is_whole {
                self.client.log_in_again();
            }
            if finished.answer.is_some() {
                return;
            }
            assert!(!finished.is_whole, "DONE without an answer");
            if self.sending != Sending::Once {
                self.attempt += 1;
            }
            self.try_to_send();
        }
    }
}
