//! From `welcome` to `goodbye`.

use std::collections::VecDeque;
use std::time::Duration;

use chat_shared::protocol::words;

use super::command::{Command, HELP, QUIT};
use super::message::Message;
use super::{Conversation, Question, Stage, parse_error};
use crate::exit_status::ExitStatus;
use crate::report::Report;
use crate::safe_text::safe;

/// A message that came by itself is acknowledged this long after it was shown, together with those that came since.
const ACKNOWLEDGE_AFTER: Duration = Duration::from_secs(1);

/// Who wanted a command, and so whether its answer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Person,
    /// The client asks for messages as they come.
    PushOn,
    /// The client says that it has shown what came.
    Acknowledgement,
}

struct InFlight {
    command: Command,
    origin: Origin,
    answered: bool,
    messages: usize,
}

/// The state of a chat.
pub(super) struct Chat {
    /// Between `welcome` and its `DONE`.
    welcoming: bool,
    in_flight: VecDeque<InFlight>,
    /// What the person typed while the client's own command was in flight.
    waiting: Option<Vec<u8>>,
    leaving: bool,
    /// `push ack` holds: what is shown must be acknowledged by a command.
    push_needs_ack: bool,
    acknowledge_due: Option<Duration>,
    /// `timeout` came where it may also be the only name online.
    maybe_timeout: bool,
}

impl Chat {
    pub(super) fn welcomed() -> Chat {
        Chat {
            welcoming: true,
            in_flight: VecDeque::new(),
            waiting: None,
            leaving: false,
            push_needs_ack: false,
            acknowledge_due: None,
            maybe_timeout: false,
        }
    }

    pub(super) fn question(&self) -> Option<Question> {
        let awaits_own = self
            .in_flight
            .iter()
            .any(|command| command.origin != Origin::Acknowledgement);
        let asked = !self.welcoming && !self.leaving && !awaits_own && self.waiting.is_none();
        asked.then_some(Question::Command)
    }

    pub(super) fn awaits_an_answer(&self) -> bool {
        self.welcoming || !self.in_flight.is_empty()
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    pub(super) fn timeout_was_announced(&self) -> bool {
        self.maybe_timeout
    }

    pub(super) fn acknowledge_due(&self) -> Option<Duration> {
        self.acknowledge_due.filter(|_| self.in_flight.is_empty())
    }
}

impl Conversation {
    /// A line typed in the chat.
    pub(super) fn chat_command(&mut self, line: &[u8]) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        if chat.leaving {
            return;
        }
        let text = String::from_utf8_lossy(line);
        match text.trim().split_once(' ').unwrap_or((text.trim(), "")) {
            (HELP, _) => return self.show(Report::Help),
            (QUIT | words::LOGOUT, "") => return self.leave_chat(),
            (QUIT, _) => {
                self.something_refused = true;
                return self.show(Report::Refused {
                    kind: "args".to_owned(),
                    command: QUIT.to_owned(),
                });
            }
            _ => {}
        }
        if !chat.in_flight.is_empty() {
            chat.waiting = Some(line.to_vec());
        } else if text.trim().is_empty() {
            self.request(words::FETCH.as_bytes(), Origin::Person);
        } else {
            self.request(line, Origin::Person);
        }
    }

    pub(super) fn leave_chat(&mut self) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        if chat.leaving {
            // Asked for a second time: the person does not want to wait.
            self.show(Report::Lost(None));
            return self.end(ExitStatus::Lost);
        }
        chat.leaving = true;
        chat.waiting = None;
        self.request(words::LOGOUT.as_bytes(), Origin::Person);
    }

    fn request(&mut self, line: &[u8], origin: Origin) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        chat.in_flight.push_back(InFlight {
            command: Command::parse(&safe(line)),
            origin,
            answered: false,
            messages: 0,
        });
        // Any command tells the server that what was shown has been read.
        chat.acknowledge_due = None;
        self.send(line);
    }

    pub(super) fn acknowledge_if_due(&mut self) {
        let now = self.now;
        if let Stage::Chat(chat) = &self.stage
            && chat.acknowledge_due().is_some_and(|due| due <= now)
        {
            self.request(words::FETCH.as_bytes(), Origin::Acknowledgement);
        }
    }

    /// A line of the server after `welcome`.
    pub(super) fn chat_line(&mut self, line: &str) {
        let now = self.now;
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        if let Some(message) = Message::parse(line) {
            if let Some(current) = chat.in_flight.front_mut() {
                current.messages += 1;
            }
            if chat.push_needs_ack && chat.acknowledge_due.is_none() {
                chat.acknowledge_due = Some(now + ACKNOWLEDGE_AFTER);
            }
            return self.show(Report::Message(message));
        }
        if chat.welcoming {
            return self.welcoming_line(line);
        }
        match chat.in_flight.front_mut() {
            Some(current) if !current.answered => {
                let is_names = matches!(current.command, Command::Who | Command::Last(_));
                if line == words::TIMEOUT && !is_names {
                    return self.time_out();
                }
                // A user of an older account file may be called like that.
                chat.maybe_timeout = line == words::TIMEOUT;
                current.answered = true;
                if line == words::DONE && !is_names {
                    return self.done();
                }
                self.answer(line);
            }
            Some(_) if line == words::DONE => self.done(),
            _ if line == words::TIMEOUT => self.time_out(),
            _ => self.show(Report::Unexpected(line.to_owned())),
        }
    }

    /// A line between `welcome` and its `DONE` that is no message.
    fn welcoming_line(&mut self, line: &str) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        match line {
            words::TIMEOUT => self.time_out(),
            words::DONE => {
                chat.welcoming = false;
                if self.options.push && !chat.leaving {
                    let line = format!("{} {}", words::PUSH, words::ACK);
                    self.request(line.as_bytes(), Origin::PushOn);
                }
            }
            _ => self.show(Report::Unexpected(line.to_owned())),
        }
    }

    fn done(&mut self) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        chat.maybe_timeout = false;
        let Some(finished) = chat.in_flight.pop_front() else {
            return;
        };
        let waiting = match chat.in_flight.is_empty() {
            true => chat.waiting.take(),
            false => None,
        };
        if finished.command == Command::Fetch
            && finished.origin == Origin::Person
            && finished.messages == 0
            && self.options.interactive
        {
            self.show(Report::NoNewMessages);
        }
        if let Some(line) = waiting {
            self.chat_command(&line);
        }
    }

    /// The answer to the first command in flight.
    fn answer(&mut self, line: &str) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        let Some(current) = chat.in_flight.front() else {
            return;
        };
        let (command, origin) = (current.command.clone(), current.origin);
        if let Some(mode) = switched(line, words::PUSH) {
            chat.push_needs_ack = mode == words::ACK;
        }
        if let Some(error) = parse_error(line) {
            return self.refused(error, &command, origin);
        }
        let report = match &command {
            Command::Logout if line == words::GOODBYE => return self.goodbye(),
            Command::Fetch if line == words::FETCHING => return,
            Command::Who => online(line, None),
            Command::Last(minutes) => online(line, Some(minutes.clone())),
            Command::Broadcast if line == format!("{}:", words::SENT) => {
                Report::Sent { to_everyone: true }
            }
            Command::Send(recipients) => self.sent_answer(line, recipients),
            Command::Push => match switched(line, words::PUSH) {
                Some(_) if origin == Origin::PushOn => return,
                Some(mode) => switched_report(words::PUSH, mode),
                None => Report::Unexpected(line.to_owned()),
            },
            Command::Ids => match switched(line, words::IDS) {
                Some(mode) => switched_report(words::IDS, mode),
                None => Report::Unexpected(line.to_owned()),
            },
            Command::Other => Report::Answer(line.to_owned()),
            _ => Report::Unexpected(line.to_owned()),
        };
        self.show(report);
    }

    fn sent_answer(&mut self, line: &str, recipients: &[String]) -> Report {
        if line == format!("{}:", words::SENT) {
            return Report::Sent { to_everyone: false };
        }
        let unknown = [words::SEND, words::SENT]
            .iter()
            .find_map(|word| line.strip_prefix(word)?.strip_prefix(':'));
        let Some(unknown) = unknown else {
            return Report::Unexpected(line.to_owned());
        };
        self.something_refused = true;
        let unknown: Vec<String> = unknown.split(',').map(str::to_owned).collect();
        Report::NotDelivered {
            others: recipients.len().saturating_sub(unknown.len()),
            unknown,
        }
    }

    fn refused(&mut self, error: Report, command: &Command, origin: Origin) {
        match origin {
            Origin::PushOn => return self.show(Report::NoPush),
            // Nothing is lost by it: what was shown stays queued until the next command.
            Origin::Acknowledgement => return,
            Origin::Person => {}
        }
        self.something_refused = true;
        self.show(error);
        let is_leaving = matches!(&self.stage, Stage::Chat(chat) if chat.leaving);
        if *command == Command::Logout && is_leaving {
            // Closing in order is a logout too.
            self.goodbye();
        }
    }

    fn goodbye(&mut self) {
        self.show(Report::Goodbye);
        let refused = self.something_refused && !self.options.interactive;
        self.end(if refused {
            ExitStatus::Refused
        } else {
            ExitStatus::Good
        });
    }
}

fn online(line: &str, minutes: Option<String>) -> Report {
    Report::Online {
        names: line.split_whitespace().map(str::to_owned).collect(),
        minutes,
    }
}

fn switched<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix(word)?.strip_prefix(':')
}

fn switched_report(word: &'static str, mode: &str) -> Report {
    Report::Switched {
        word,
        mode: mode.to_owned(),
    }
}
