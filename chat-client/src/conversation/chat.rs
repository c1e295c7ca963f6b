//! From `welcome` to `goodbye`.

use std::collections::VecDeque;
use std::time::Duration;

use chat_line_protocol::client::{Answer, Command, Event, Refusal, split_word};
use chat_line_protocol::words;
use chat_model::PushMode;

use super::command::{HELP, QUIT, recipients};
use super::kept_login::Errand;
use super::message::Message;
use super::{Conversation, Prompt, Stage, refused};
use crate::exit_status::ExitStatus;
use crate::report::Report;
use crate::safe_text::{safe, without_breaks};

/// A message that came by itself is confirmed this long after it was shown, together with those that came since.
const CONFIRM_AFTER: Duration = Duration::from_secs(1);
/// With push at a terminal, the client sends a command at least this often, so that the server does not time out the
/// user.
const KEEP_ALIVE: Duration = Duration::from_secs(300);

/// The origin of a command, which decides whether its answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    User,
    /// The client asks for messages as they come.
    PushOn,
    /// The client says that it has shown what came, or that it is still there.
    Confirmation,
    /// The client asks for no more messages, before it logs out.
    PushOff,
    /// The client asks for a token to keep.
    MakeToken,
    /// The client drops the token that it could not keep.
    TakeBackToken,
    /// The client drops the token that it kept.
    ForgetToken,
}

struct InFlight {
    /// As sent, safe to show.
    line: String,
    origin: Origin,
    messages: usize,
}

/// The state of a chat.
#[derive(Default)]
pub(super) struct Chat {
    /// Whose it is.
    pub(super) account: String,
    /// To be done once the waiting messages were shown.
    pub(super) errand: Option<Errand>,
    in_flight: VecDeque<InFlight>,
    /// The line that the user entered while the client's own command was in flight.
    waiting: Option<Vec<u8>>,
    leaving: bool,
    /// Lines of `passwd` that are still to be typed.
    passwords_wanted: u8,
    /// Messages come by themselves: what was shown has to be confirmed by a command.
    pushes: bool,
    /// When the client is to send a command of its own.
    fetch_due: Option<Duration>,
    /// `timeout` came where it may also be the only name online.
    maybe_timeout: bool,
}

impl Chat {
    pub(super) fn new(account: String, errand: Option<Errand>) -> Self {
        Self {
            account,
            errand,
            ..Self::default()
        }
    }

    pub(super) fn prompt(&self) -> Option<Prompt> {
        match self.passwords_wanted {
            0 => {}
            1 => return Some(Prompt::RepeatPassword),
            2 => return Some(Prompt::ChangedPassword),
            _ => return Some(Prompt::CurrentPassword),
        }
        let awaits_own = self
            .in_flight
            .iter()
            .any(|command| command.origin != Origin::Confirmation);
        let is_ready = !self.leaving && !awaits_own && self.waiting.is_none();
        is_ready.then_some(Prompt::Command)
    }

    /// Whether the server waits for a password.
    pub(super) fn awaits_password(&self) -> bool {
        self.passwords_wanted > 0
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
    pub(super) fn awaits_an_answer(&self) -> bool {
        !self.dialogue.is_chatting() || self.dialogue.asked() > 0
    }

    /// A line typed in the chat.
    pub(super) fn chat_command(&mut self, line: &[u8]) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        if chat.awaits_password() {
            self.give_changed_password(line);
        } else if !chat.leaving {
            self.perform(line);
        }
    }

    /// One of the lines of `passwd`.
    fn give_changed_password(&mut self, password: &[u8]) {
        if let Stage::Chat(chat) = &mut self.stage {
            chat.passwords_wanted -= 1;
        }
        self.send(|dialogue, output| dialogue.give_changed_password(password, output));
    }

    /// The user does not want to change the password any more: the server takes an empty one for a wrong repetition.
    fn give_up_password_change(&mut self) {
        while matches!(&self.stage, Stage::Chat(chat) if chat.awaits_password()) {
            self.give_changed_password(b"");
        }
    }

    fn perform(&mut self, line: &[u8]) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        let (word, rest) = split_word(line);
        let (word, rest) = (String::from_utf8_lossy(word), String::from_utf8_lossy(rest));
        match (&*word, &*rest) {
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
            ("", _) => self.request(words::FETCH.as_bytes(), Origin::User),
            // With `push on`, the server takes what arrived for read even if it could not be shown.
            (words::PUSH, words::ON) => self.request_push(words::ACK, Origin::User),
            _ => self.request(line, Origin::User),
        }
    }

    pub(super) fn leave_chat(&mut self) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        if chat.leaving {
            // Requested a second time: the user does not want to wait.
            self.show(Report::Lost(None));
            return self.end(ExitStatus::Lost);
        }
        chat.leaving = true;
        self.give_up_password_change();
        // From here on, answers are awaited for a shorter time.
        self.answer_due = None;
        self.leave_if_idle();
    }

    /// Logs out once everything that the server owes was shown: `logout` confirms all that comes before `goodbye`, so
    /// nothing may come then.
    fn leave_if_idle(&mut self) {
        let is_idle = !self.awaits_an_answer();
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        if !chat.leaving || !is_idle {
            return;
        }
        if std::mem::take(&mut chat.pushes) {
            self.request_push(words::OFF, Origin::PushOff);
        } else {
            self.request(words::LOGOUT.as_bytes(), Origin::User);
        }
    }

    pub(super) fn request(&mut self, line: &[u8], origin: Origin) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        chat.in_flight.push_back(InFlight {
            line: safe(line),
            origin,
            messages: 0,
        });
        // Any command confirms what was shown.
        chat.fetch_due = None;
        self.send(|dialogue, output| dialogue.ask(line, output));
    }

    fn request_push(&mut self, mode: &str, origin: Origin) {
        let line = format!("{} {mode}", words::PUSH);
        self.request(line.as_bytes(), origin);
    }

    pub(super) fn fetch_if_due(&mut self) {
        let now = self.now;
        if let Stage::Chat(chat) = &self.stage
            && chat.fetch_due().is_some_and(|due| due <= now)
        {
            self.request(words::FETCH.as_bytes(), Origin::Confirmation);
        }
    }

    /// What the server said after `welcome`.
    pub(super) fn chat_event(&mut self, event: Event<'_>, line: &str) {
        match event {
            Event::Message(message) => match Message::of(&message, line) {
                Some(message) => self.message(message),
                None => self.show(Report::Unexpected(without_breaks(line))),
            },
            Event::CaughtUp => self.caught_up(),
            Event::Answer(command, answer) => self.answer(command, answer, line),
            Event::Done(command) => self.done(command),
            Event::PasswordsWanted => self.passwords_wanted(),
            Event::Locked { seconds } => self.blocked(seconds, true),
            Event::Goodbye => self.goodbye(),
            Event::TimedOut => self.time_out(),
            Event::Replaced => self.replaced(),
            Event::Kept(message) => match Message::of(&message, line) {
                Some(message) => self.show(Report::Message(message.kept())),
                None => self.show(Report::Unexpected(without_breaks(line))),
            },
            _ => self.show(Report::Unexpected(without_breaks(line))),
        }
    }

    fn passwords_wanted(&mut self) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        chat.passwords_wanted = 3;
        if chat.leaving {
            self.give_up_password_change();
        }
    }

    fn message(&mut self, message: Message) {
        let now = self.now;
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        if let Some(current) = chat.in_flight.front_mut() {
            current.messages += 1;
        }
        if chat.pushes {
            chat.fetch_at(now + CONFIRM_AFTER);
        }
        self.show(Report::Message(message));
    }

    /// What waited at the login was shown.
    fn caught_up(&mut self) {
        self.run_errand();
        // While a token is made, the rest waits.
        if !self.awaits_an_answer() {
            self.begin_push();
        }
        self.leave_if_idle();
    }

    fn begin_push(&mut self) {
        if let Stage::Chat(chat) = &self.stage
            && self.options.push
            && !chat.leaving
        {
            self.request_push(words::ACK, Origin::PushOn);
        }
    }

    fn done(&mut self, command: Command) {
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
        if command == Command::Fetch
            && finished.origin == Origin::User
            && finished.messages == 0
            && self.options.interactive
        {
            self.show(Report::NoNewMessages);
        }
        if let Some(line) = waiting {
            self.perform(&line);
        }
        if finished.origin == Origin::MakeToken {
            self.begin_push();
        }
        self.leave_if_idle();
    }

    /// The answer to the first command in flight.
    fn answer(&mut self, command: Command, answer: Answer<'_>, line: &str) {
        let Stage::Chat(chat) = &mut self.stage else {
            return;
        };
        let Some(current) = chat.in_flight.front() else {
            return;
        };
        let (requested, origin) = (current.line.clone(), current.origin);
        // A user of an older account file may be called like that.
        chat.maybe_timeout = line == words::TIMEOUT;
        if let Answer::Push(mode) = answer {
            chat.pushes = mode.is_on();
        }
        self.remember_names(command, answer);
        match origin {
            Origin::MakeToken => return self.token_made(answer),
            Origin::ForgetToken => return self.token_dropped(answer),
            Origin::TakeBackToken => return,
            Origin::User | Origin::PushOn | Origin::Confirmation | Origin::PushOff => {}
        }
        if let Answer::Passwd(result) = answer {
            self.something_refused |= !result.is_empty();
        }
        let report = match answer {
            Answer::Refused(refusal) => return self.refused(&refusal, command, origin),
            Answer::Fetching => return,
            Answer::Push(_) if origin != Origin::User => return,
            Answer::Sent => Report::Sent {
                to_everyone: command == Command::Broadcast,
            },
            Answer::SentExcept(names) => self.sent_except(names, &requested),
            Answer::Push(mode) => Report::Switched {
                word: words::PUSH,
                mode: match mode {
                    PushMode::On => words::ON,
                    PushMode::Ack => words::ACK,
                    PushMode::Off => words::OFF,
                }
                .to_owned(),
            },
            Answer::Ids(is_on) => switched(words::IDS, is_on),
            Answer::To(is_on) => switched(words::TO, is_on),
            Answer::Other(_) if command != Command::Other => Report::Unexpected(line.to_owned()),
            // A script reads the line as it is, a person what it means.
            _ => Report::Answer {
                requested,
                line: line.to_owned(),
            },
        };
        self.show(report);
    }

    /// For completion.
    fn remember_names(&mut self, command: Command, answer: Answer<'_>) {
        let names = match (command, answer) {
            (_, Answer::Users(names)) => names,
            (Command::Rooms | Command::Join | Command::Members, Answer::OfRooms(names)) => names,
            _ => return,
        };
        for name in String::from_utf8_lossy(names).split_whitespace() {
            // The marks of owners and operators.
            self.remember_name(name.trim_start_matches(['~', '@']));
        }
    }

    fn sent_except(&mut self, names: &[u8], line: &str) -> Report {
        self.something_refused = true;
        let names = String::from_utf8_lossy(names);
        let unknown: Vec<String> = names.split(',').map(str::to_owned).collect();
        Report::NotDelivered {
            others: recipients(line).len().saturating_sub(unknown.len()),
            unknown,
        }
    }

    fn refused(&mut self, refusal: &Refusal<'_>, command: Command, origin: Origin) {
        match origin {
            Origin::PushOn => return self.show(Report::NoPush),
            // The line itself has confirmed what was shown.
            Origin::Confirmation | Origin::PushOff => return,
            _ => {}
        }
        self.something_refused = true;
        self.show(refused(refusal));
        let is_leaving = matches!(&self.stage, Stage::Chat(chat) if chat.leaving);
        if command == Command::LogOut && is_leaving {
            // The line has confirmed what was shown, and the end of a connection is a logout too.
            self.goodbye();
        }
    }

    pub(super) fn replaced(&mut self) {
        self.show(Report::Replaced);
        self.end(ExitStatus::Lost);
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

fn switched(word: &'static str, is_on: bool) -> Report {
    let mode = if is_on { words::ON } else { words::OFF };
    Report::Switched {
        word,
        mode: mode.to_owned(),
    }
}
