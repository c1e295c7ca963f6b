//! The dialogue with the server, without I/O: lines of the server and of the user go in, reports to show and lines to
//! send come out. Times are given.
//!
//! One command is in flight at a time. It is sent only after everything that arrived before was shown: a line confirms
//! earlier messages to the server, and a message must not leave the queue before its reader has seen it.

mod chat;
pub(crate) mod command;
mod kept_login;
mod login;
pub(crate) mod message;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use chat_line_protocol::client::{Dialogue, Refusal, Step};
use chat_line_protocol::{Command, DEFAULT_MAX_LINE_BYTES};
use chat_model::Password;

use self::chat::Chat;
use self::kept_login::Errand;
pub(crate) use self::kept_login::{Keeping, KeptLogin};
use self::login::Login;
use crate::exit_status::ExitStatus;
use crate::report::Report;
use crate::safe_text::{safe, safe_with_breaks};

/// Longest line that may be sent in bytes, without the line end.
pub(crate) const MAX_LINE_BYTES: usize = DEFAULT_MAX_LINE_BYTES - 1;
/// How long to wait for the answer to `logout`.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(10);
/// The beginning of a TLS alert, which a TLS server sends to a client without TLS.
const TLS_ALERT: &[u8] = b"\x15\x03";
/// Maximum number of names for completion.
const MAX_KNOWN_NAMES: usize = 1000;

/// Options of a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The user answers prompts, so a refused login is repeated. In a pipe, a refused login is the end, because the
    /// following lines are commands.
    pub(crate) interactive: bool,
    /// Let the server push messages after the login.
    pub(crate) push: bool,
    /// The connection uses TLS.
    pub(crate) tls: bool,
    /// How long to wait for an answer of the server.
    pub(crate) answer_timeout: Duration,
    /// The name to use once, without a prompt.
    pub(crate) user: Option<String>,
    /// The password to use once, without a prompt.
    pub(crate) password: Option<Password<'static>>,
    /// What to do with the login that is kept for the user.
    pub(crate) keeping: Keeping,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// The connection was made.
    Start,
    /// The server sent a line.
    ServerLine(&'a [u8]),
    /// The connection ended, with the reason unless the server closed it.
    ServerClosed(Option<String>),
    /// The user entered a line at the prompt.
    Line(&'a [u8]),
    /// The user entered a line that is too long; its length in bytes.
    LineTooLong(usize),
    /// The user leaves, or the input has ended.
    Leave,
    /// Whether a login is kept; after [`Effect::FindLogin`].
    LoginFound(Result<Option<KeptLogin>, String>),
    /// Whether the login could be kept; after [`Effect::StoreLogin`].
    LoginStored(Result<(), String>),
    /// Whether the kept login could be removed; after [`Effect::RemoveLogin`].
    LoginRemoved(Result<(), String>),
    /// Time has passed.
    Tick,
}

/// An effect to carry out, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Show a report.
    Show(Report),
    /// Send a line with its line end, after everything that arrived before was shown.
    Send(Vec<u8>),
    /// Find the kept login of this account. [`Input::LoginFound`] answers it at once.
    FindLogin(String),
    /// Keep this login of an account. [`Input::LoginStored`] answers it at once.
    StoreLogin(String, KeptLogin),
    /// Remove the kept login of this account. [`Input::LoginRemoved`] answers it at once.
    RemoveLogin(String),
    /// The conversation is over.
    End(ExitStatus),
}

/// A prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// A user name.
    Name,
    /// Whether to make an account.
    MakeAccount,
    /// The password of an account.
    Password,
    /// The password of a new account.
    NewPassword,
    /// The password of a new account again.
    RepeatPassword,
    /// The password that is to be changed.
    CurrentPassword,
    /// The password instead of it.
    ChangedPassword,
    /// A command of the chat.
    Command,
}

impl Prompt {
    /// Whether the answer must not be shown.
    pub(crate) fn is_secret(self) -> bool {
        matches!(
            self,
            Prompt::Password
                | Prompt::NewPassword
                | Prompt::RepeatPassword
                | Prompt::CurrentPassword
                | Prompt::ChangedPassword
        )
    }
}

enum Stage {
    Login(Login),
    Chat(Chat),
    Over,
}

/// The state of a dialogue.
pub(crate) struct Conversation {
    options: Options,
    dialogue: Dialogue,
    stage: Stage,
    effects: Vec<Effect>,
    now: Duration,
    /// When a missing answer is a time-out.
    answer_due: Option<Duration>,
    /// Names of users and rooms that were seen.
    known_names: BTreeSet<String>,
    /// A command of a script failed.
    something_refused: bool,
    /// A line has come from the server.
    server_was_heard: bool,
}

impl Conversation {
    /// Begins with the prompt for a name, unless [`Input::Start`] gives one. Times are counted from here.
    pub(crate) fn new(options: Options) -> Conversation {
        Conversation {
            options,
            dialogue: Dialogue::default(),
            stage: Stage::Login(Login::default()),
            effects: Vec::new(),
            now: Duration::ZERO,
            answer_due: None,
            known_names: BTreeSet::new(),
            something_refused: false,
            server_was_heard: false,
        }
    }

    /// Handles an input at this time since the beginning, and returns its effects.
    pub(crate) fn handle(&mut self, input: Input<'_>, now: Duration) -> Vec<Effect> {
        self.now = now;
        match input {
            Input::Start => self.give_first_name(),
            // The code of an alert may equal a line end.
            Input::ServerLine(line) if self.may_need_tls() && line.starts_with(TLS_ALERT) => {
                self.server_closed(None);
            }
            Input::ServerLine(line) => {
                self.server_was_heard = true;
                self.answer_due = None;
                self.server_line(line);
            }
            Input::ServerClosed(reason) => self.server_closed(reason),
            Input::Line(line) if line.len() > MAX_LINE_BYTES => self.line_too_long(line.len()),
            Input::Line(line) => self.user_line(line),
            Input::LineTooLong(bytes) => self.line_too_long(bytes),
            Input::Leave => self.leave(),
            Input::LoginFound(found) => self.login_found(found),
            Input::LoginStored(stored) => self.login_stored(stored),
            Input::LoginRemoved(removed) => self.login_removed(removed),
            Input::Tick => self.tick(),
        }
        self.watch_the_answer();
        std::mem::take(&mut self.effects)
    }

    /// The current prompt; none while an answer is awaited.
    pub(crate) fn prompt(&self) -> Option<Prompt> {
        match &self.stage {
            Stage::Login(login) => login.prompt(self.dialogue.step()),
            Stage::Chat(chat) if self.dialogue.is_chatting() => chat.prompt(),
            Stage::Chat(_) | Stage::Over => None,
        }
    }

    /// Whether the user is logged in.
    pub(crate) fn is_welcome(&self) -> bool {
        matches!(self.stage, Stage::Chat(_))
    }

    /// Whether the server has said anything.
    pub(crate) fn has_heard_server(&self) -> bool {
        self.server_was_heard
    }

    /// What the chat goes on with, for the full screen: the dialogue, the account, and the name of a token that is to
    /// be made and kept.
    pub(crate) fn into_chat(self) -> (Dialogue, String, Option<String>) {
        let (account, errand) = match self.stage {
            Stage::Chat(chat) => (chat.account, chat.errand),
            _ => (String::new(), None),
        };
        let token_name = match errand {
            Some(Errand::Make(name)) => Some(name),
            _ => None,
        };
        (self.dialogue, account, token_name)
    }

    /// When the next [`Input::Tick`] is due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let fetch_due = match &self.stage {
            Stage::Chat(chat) => chat.fetch_due(),
            _ => None,
        };
        self.answer_due.into_iter().chain(fetch_due).min()
    }

    /// Completions at the cursor: commands first, then names.
    pub(crate) fn completions(&self, before_cursor: &str) -> Vec<String> {
        let start = before_cursor
            .rfind([' ', '\t', '('])
            .map_or(0, |position| position + 1);
        let (earlier, word) = before_cursor.split_at(start);
        if self.prompt() != Some(Prompt::Command) {
            return Vec::new();
        }
        let command = Command::of(earlier.as_bytes());
        let mut candidates: Vec<String> = Vec::new();
        if earlier.is_empty() {
            // A command that can be written in several ways is one candidate.
            for usage in command::usages() {
                if !candidates.iter().any(|known| known == usage.word) {
                    candidates.push(usage.word.to_owned());
                }
            }
        } else if command.takes_user() || command.is_of_rooms() {
            candidates.extend(self.known_names.iter().cloned());
        }
        candidates.retain(|candidate| candidate.starts_with(word));
        candidates
    }

    fn server_line(&mut self, line: &[u8]) {
        let step = self.dialogue.step();
        match &self.stage {
            Stage::Login(_) => {
                let line = &safe(line);
                let event = self.dialogue.hear(line.as_bytes());
                self.login_event(event, step, line);
            }
            Stage::Chat(_) => {
                let is_message = matches!(line.first(), Some(b'[' | b'<'));
                let line = &match is_message {
                    true => safe_with_breaks(line),
                    false => safe(line),
                };
                let event = self.dialogue.hear(line.as_bytes());
                self.chat_event(event, line);
            }
            Stage::Over => {}
        }
    }

    fn user_line(&mut self, line: &[u8]) {
        match &self.stage {
            Stage::Login(_) => self.login_answer(line),
            Stage::Chat(_) => self.chat_command(line),
            Stage::Over => {}
        }
    }

    fn line_too_long(&mut self, bytes: usize) {
        self.show(Report::TooLong {
            bytes,
            max_bytes: MAX_LINE_BYTES,
        });
        self.something_refused = true;
        if matches!(self.stage, Stage::Login(_)) && !self.options.interactive {
            self.end(ExitStatus::NotLoggedIn);
        }
    }

    fn leave(&mut self) {
        match &self.stage {
            Stage::Login(login) => {
                let step = self.dialogue.step();
                let status = if login.has_just_registered(step) {
                    ExitStatus::Good
                } else {
                    // No account has this name, and nobody has said yet what to do.
                    let is_missing = step == Step::Offer && !self.options.interactive;
                    self.show(match is_missing {
                        true => Report::NoSuchAccount(self.login_name()),
                        false => Report::InputEnded,
                    });
                    ExitStatus::NotLoggedIn
                };
                self.end(status);
            }
            Stage::Chat(_) => self.leave_chat(),
            Stage::Over => {}
        }
    }

    fn server_closed(&mut self, reason: Option<String>) {
        match &self.stage {
            Stage::Over => {}
            Stage::Chat(chat) if chat.timeout_was_announced() => self.time_out(),
            _ => {
                self.show(match self.may_need_tls() {
                    true => Report::LostUnheard(reason),
                    false => Report::Lost(reason),
                });
                self.end(ExitStatus::Lost);
            }
        }
    }

    /// Whether the server may be waiting for a TLS handshake.
    fn may_need_tls(&self) -> bool {
        !self.options.tls && !self.server_was_heard
    }

    fn tick(&mut self) {
        if self.answer_due.is_some_and(|due| due <= self.now) {
            let timeout = self.timeout();
            self.show(Report::NoAnswer {
                seconds: timeout.as_secs(),
            });
            self.end(ExitStatus::Lost);
        }
        self.fetch_if_due();
    }

    fn watch_the_answer(&mut self) {
        let owes = match &self.stage {
            Stage::Login(login) => login.prompt(self.dialogue.step()).is_none(),
            Stage::Chat(chat) => self.awaits_an_answer() && !chat.awaits_password(),
            Stage::Over => false,
        };
        if !owes {
            self.answer_due = None;
        } else if self.answer_due.is_none() {
            self.answer_due = Some(self.now + self.timeout());
        }
    }

    fn timeout(&self) -> Duration {
        match &self.stage {
            Stage::Chat(chat) if chat.is_leaving() => {
                LOGOUT_TIMEOUT.min(self.options.answer_timeout)
            }
            _ => self.options.answer_timeout,
        }
    }

    fn time_out(&mut self) {
        self.show(Report::TimedOut);
        self.end(ExitStatus::TimedOut);
    }

    fn show(&mut self, report: Report) {
        if let Report::Message(message) = &report {
            self.remember_name(&message.sender.clone());
            if let Some(room) = message.room.clone() {
                self.remember_name(&room);
            }
        }
        self.effects.push(Effect::Show(report));
    }

    fn remember_name(&mut self, name: &str) {
        if self.known_names.len() < MAX_KNOWN_NAMES {
            self.known_names.insert(name.to_owned());
        }
    }

    /// Sends the lines that the dialogue writes.
    fn send(&mut self, write: impl FnOnce(&mut Dialogue, &mut Vec<u8>)) {
        let mut output = Vec::new();
        write(&mut self.dialogue, &mut output);
        let lines = output.split_inclusive(|byte| *byte == b'\n');
        let effects = lines.map(|line| Effect::Send(line.to_vec()));
        self.effects.extend(effects);
        self.answer_due = None;
    }

    fn end(&mut self, status: ExitStatus) {
        if let Stage::Chat(chat) = &mut self.stage
            && let Some(line) = chat.take_waiting()
        {
            self.show(Report::NotSent(safe(&line)));
        }
        self.stage = Stage::Over;
        self.effects.push(Effect::End(status));
    }
}

fn refused(refusal: &Refusal<'_>) -> Report {
    Report::Refused {
        kind: String::from_utf8_lossy(refusal.kind).into_owned(),
        command: String::from_utf8_lossy(refusal.command).into_owned(),
    }
}
