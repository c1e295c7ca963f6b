//! From `welcome` to `goodbye`.

use std::collections::VecDeque;
use std::time::Duration;

use chat_line_protocol::words;

use super::command::{Command, HELP, QUIT, split_word};
use super::message::Message;
use super::{Conversation, Question, Stage, parse_error};
use crate::exit_status::ExitStatus;
use crate::report::Report;
use crate::safe_text::safe;

/// A message that came by itself is confirmed this long after it was shown, together with those that came since.
const CONFIRM_AFTER: Duration = Duration::from_secs(1);
/// While messages come by themselves to a person, the client speaks at least this often, so that the server does not
/// take the person for one who has left.
const KEEP_ALIVE: Duration = Duration::from_secs(300);

/// Who wanted a command, and so whether its answer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Person,
    /// The client asks for messages as they come.
    PushOn,
    /// The client says that it has shown what came, or that it is still there.
    Confirmation,
    /// The client asks for no more messages, before it logs out.
    PushOff,
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
    /// Messages come by themselves: what was shown has to be confirmed by a command.
    pushes: bool,
    /// When the client is to send a command of its own.
    fetch_due: Option<Duration>,
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
            pushes: false,
            fetch_due: None,
            maybe_timeout: false,
        }
    }

    pub(super) fn question(&self) -> Option<Question> {
        let awaits_own = self
            .in_flight
            .iter()
            .any(|command| command.origin != Origin::Confirmation);
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

    pub(super) fn fetch_due(&self) -> Option<Duration> {
        let is_possible = self.in_flight.is_empty() && !self.leaving;
        self.fetch_due.filter(|_| is_possible)
    }

    /// The line that was typed and not sent.
    pub(super) fn take_waiting(&mut self) -> Option<Vec<u8>> {
        self.waiting.take()
    }

    fn fetch_at(&mut self, due: Duration) {
        self.fetch_due = Some(self.fetch_due.map_or(due, |earlier| earlier.min(due)));
    }
}

impl Conversation {
    /// A line typed in the chat.
    pub(super) fn chat_command(&mut self, line: &[u8]) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        if !chat.leaving {
            self.perform(line);
        }
    }

    fn perform(&mut self, line: &[u8]) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        let text = String::from_utf8_lossy(line);
        match split_word(&text) {
            (HELP, _) => self.show(Report::Help),
            (QUIT | words::LOGOUT, "") => self.leave_chat(),
            (QUIT, _) => {
                self.something_refused = true;
                self.show(Report::Refused {
                    kind: "args".to_owned(),
                    command: QUIT.to_owned(),
                });
            }
            _ if !chat.in_flight.is_empty() => chat.waiting = Some(line.to_vec()),
            ("", _) => self.request(words::FETCH.as_bytes(), Origin::Person),
            // With `push on`, the server takes what arrived for read even if it could not be shown.
            (words::PUSH, words::ON) => self.request(&push_line(words::ACK), Origin::Person),
            _ => self.request(line, Origin::Person),
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
        // From here on, answers are awaited for a shorter time.
        self.answer_due = None;
        self.leave_if_idle();
    }

    /// Logs out once everything that the server owes was shown: `logout` confirms all that comes before `goodbye`, so
    /// nothing may come then.
    fn leave_if_idle(&mut self) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        if !chat.leaving || chat.awaits_an_answer() {
            return;
        }
        if std::mem::take(&mut chat.pushes) {
            self.request(&push_line(words::OFF), Origin::PushOff);
        } else {
            self.request(words::LOGOUT.as_bytes(), Origin::Person);
        }
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
        // Any command confirms what was shown.
        chat.fetch_due = None;
        self.send(line);
    }

    pub(super) fn fetch_if_due(&mut self) {
        let now = self.now;
        if let Stage::Chat(chat) = &self.stage
            && chat.fetch_due().is_some_and(|due| due <= now)
        {
            self.request(words::FETCH.as_bytes(), Origin::Confirmation);
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
            if chat.pushes {
                chat.fetch_at(now + CONFIRM_AFTER);
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
                    self.request(&push_line(words::ACK), Origin::PushOn);
                }
                self.leave_if_idle();
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
        let is_idle = chat.in_flight.is_empty();
        if is_idle && chat.pushes && self.options.interactive {
            chat.fetch_at(self.now + KEEP_ALIVE);
        }
        let waiting = chat.waiting.take_if(|_| is_idle);
        if finished.command == Command::Fetch
            && finished.origin == Origin::Person
            && finished.messages == 0
            && self.options.interactive
        {
            self.show(Report::NoNewMessages);
        }
        if let Some(line) = waiting {
            self.perform(&line);
        }
        self.leave_if_idle();
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
        if let (Command::Push(_), Some(mode)) = (&command, switched(line, words::PUSH)) {
            chat.pushes = mode != words::OFF;
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
            Command::Push(_) => match switched(line, words::PUSH) {
                Some(_) if origin != Origin::Person => return,
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
            // The line itself has confirmed what was shown.
            Origin::Confirmation | Origin::PushOff => return,
            Origin::Person => {}
        }
        self.something_refused = true;
        self.show(error);
        let is_leaving = matches!(&self.stage, Stage::Chat(chat) if chat.leaving);
        if *command == Command::Logout && is_leaving {
            // The line has confirmed what was shown, and the end of a connection is a logout too.
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

fn push_line(mode: &str) -> Vec<u8> {
    format!("{} {mode}", words::PUSH).into_bytes()
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
