//! The link to the server, without I/O: logs in, comes back when the connection is lost, and loses nothing meanwhile.
//!
//! One line is under way at a time. So a line that was not answered is known, and a message among them is sent again
//! by the same `once`.

use std::ops::RangeInclusive;
use std::time::Duration;

use chat_model::Password;

use super::online::Online;
use super::outbox::Outbox;
use super::repeats::Repeats;
use super::request::{Delivery, Request};
use super::target::Target;
use crate::back_off::BackOff;
use crate::conversation::message::Message;
use crate::conversation::{Conversation, Effect, Input, Keeping, KeptLogin, Options, Prompt};
use crate::exit_status::ExitStatus;
use crate::report::Report;
use crate::wording::text_of;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Of what a pause is without its random part.
const SPREAD: RangeInclusive<f64> = 0.5..=1.0;

/// What the link is to do outside, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LinkAction {
    /// Connect. [`Link::connected`] or [`Link::lost`] tell what came of it.
    Connect,
    /// Break the connection off.
    Close,
    /// Send a line, with its end, after all that arrived was shown.
    Send(Vec<u8>),
    /// Find the kept login of this account, and call [`Link::login_input`].
    FindLogin(String),
    /// Keep this login of an account.
    StoreLogin(String, KeptLogin),
    /// The program is over.
    End(ExitStatus, String),
}

/// What the link has to tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Words of the login.
    OfLogin(String),
    /// Words about the connection or of the server.
    Note(String),
    /// Logged in as this account; `again` after a lost connection.
    LoggedIn { account: String, again: bool },
    /// A message that is new.
    Message(Message),
    /// What became of the message with this id.
    Delivered(u64, Delivery),
    /// The user's rooms.
    Rooms(Vec<String>),
    /// Who is online.
    Online(Vec<String>),
    /// The members of a room, with their marks.
    Members(String, Vec<String>),
    /// What a room is about.
    Topic(String, String),
    /// Messages of the history, oldest first; none where it is not to be seen.
    History(Target, Option<Vec<Message>>),
    /// What was found for these words, and whether there is more.
    Found(String, Vec<Message>, bool),
    /// The user is a member of this room from now on.
    Joined(String),
    /// The user is no member of this room any more.
    Left(String),
    /// An answer to what was typed, in words.
    Answered(String),
}

/// Where the link is.
enum Stage {
    Connecting,
    Login(Box<Conversation>),
    Online(Box<Online>),
    /// Until the next try, and why.
    Pause(Duration, String),
    /// Until the user wants it, and why.
    Parted(String),
    Over,
}

/// How the user logs in, first and again.
pub(crate) struct Credentials {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Password<'static>>,
    pub(crate) keeping: Keeping,
    pub(crate) tls: bool,
    pub(crate) answer_timeout: Duration,
}

/// What outlives a connection.
pub(crate) struct Lasting {
    pub(super) outbox: Outbox,
    pub(super) repeats: Repeats,
    pub(super) now: Duration,
    pub(super) answer_timeout: Duration,
    pub(super) actions: Vec<LinkAction>,
    pub(super) news: Vec<News>,
}

/// What a connection has come to.
pub(super) enum Verdict {
    /// It goes on.
    GoesOn,
    /// It is of no more use; another one is.
    Part(String),
    /// It has ended, and only the user can want another one.
    PartForGood(&'static str),
    /// The program is over.
    End(ExitStatus, String),
}

/// The link to the server.
pub(crate) struct Link {
    credentials: Credentials,
    stage: Stage,
    lasting: Lasting,
    back_off: BackOff,
    random: fastrand::Rng,
    was_online: bool,
}

impl Link {
    /// A link whose connection is made already. `unique` begins the IDs of this run's messages, `seed` spreads its
    /// pauses.
    pub(crate) fn new(credentials: Credentials, unique: &str, seed: u64) -> Self {
        let answer_timeout = credentials.answer_timeout;
        Self {
            credentials,
            stage: Stage::Connecting,
            lasting: Lasting {
                outbox: Outbox::new(unique),
                repeats: Repeats::default(),
                now: Duration::ZERO,
                answer_timeout,
                actions: Vec::new(),
                news: Vec::new(),
            },
            back_off: BackOff::new(FIRST_PAUSE, LONGEST_PAUSE, SPREAD),
            random: fastrand::Rng::with_seed(seed),
            was_online: false,
        }
    }

    /// The connection is made.
    pub(crate) fn connected(&mut self, now: Duration) {
        self.lasting.now = now;
        let credentials = &self.credentials;
        let conversation = Conversation::new(Options {
            interactive: true,
            push: false,
            tls: credentials.tls,
            answer_timeout: credentials.answer_timeout,
            user: credentials.user.clone(),
            password: credentials.password.clone(),
            keeping: credentials.keeping.clone(),
        });
        self.stage = Stage::Login(Box::new(conversation));
        self.login_input(Input::Start, now);
    }

    /// A line of the server, without its end.
    pub(crate) fn heard(&mut self, line: &[u8], now: Duration) {
        self.lasting.now = now;
        match &mut self.stage {
            Stage::Login(_) => self.login_input(Input::ServerLine(line), now),
            Stage::Online(online) => {
                let verdict = online.heard(line, &mut self.lasting);
                self.follow(verdict);
                self.go_on();
            }
            _ => {}
        }
    }

    /// The connection has ended, or could not be made.
    pub(crate) fn lost(&mut self, reason: Option<String>, now: Duration) {
        self.lasting.now = now;
        if let Stage::Login(conversation) = &self.stage
            && !self.was_online
            && !conversation.has_heard_server()
        {
            return self.login_input(Input::ServerClosed(reason), now);
        }
        let reason = reason.unwrap_or_else(|| "the server closed it".to_owned());
        self.part(reason);
    }

    /// Something for the login, as the line that was typed.
    pub(crate) fn login_input(&mut self, input: Input<'_>, now: Duration) {
        self.lasting.now = now;
        let Stage::Login(conversation) = &mut self.stage else {
            return;
        };
        let effects = conversation.handle(input, now);
        for effect in effects {
            self.login_effect(effect);
        }
        self.begin_if_welcome();
    }

    /// A line typed at a prompt.
    pub(crate) fn answer_prompt(&mut self, line: &str, now: Duration) {
        self.lasting.now = now;
        let prompt = self.prompt();
        match (&mut self.stage, prompt) {
            (Stage::Login(_), Some(prompt)) => {
                match prompt {
                    Prompt::Name => self.credentials.user = Some(line.to_owned()),
                    prompt if prompt.is_secret() => {
                        self.credentials.password = Some(line.as_bytes().into());
                    }
                    _ => {}
                }
                self.login_input(Input::Line(line.as_bytes()), now);
            }
            (Stage::Online(online), Some(_)) => {
                online.give_password(line.as_bytes(), &mut self.lasting);
            }
            _ => {}
        }
    }

    /// The name that the login gave last.
    pub(super) fn user(&self) -> Option<&str> {
        self.credentials.user.as_deref()
    }

    /// What the user is asked, if anything.
    pub(crate) fn prompt(&self) -> Option<Prompt> {
        match &self.stage {
            Stage::Login(conversation) => conversation.prompt(),
            Stage::Online(online) => online.prompt(),
            _ => None,
        }
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Duration) {
        self.lasting.now = now;
        match &self.stage {
            Stage::Login(_) => self.login_input(Input::Tick, now),
            Stage::Pause(until, _) if *until <= now => {
                self.stage = Stage::Connecting;
                self.lasting.actions.push(LinkAction::Connect);
            }
            Stage::Online(_) => self.go_on(),
            _ => {}
        }
    }

    /// When [`Link::tick`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match &self.stage {
            Stage::Login(conversation) => conversation.deadline(),
            Stage::Pause(until, _) => Some(*until),
            Stage::Online(online) => online.deadline(&self.lasting),
            _ => None,
        }
    }

    /// Puts a message into the outbox. It is sent once, whatever happens to connections; gives its id.
    pub(crate) fn post(&mut self, line: String, now: Duration) -> u64 {
        self.lasting.now = now;
        let id = self.lasting.outbox.add(line);
        self.go_on();
        id
    }

    /// Asks something. Without a connection, it is dropped.
    pub(crate) fn ask(&mut self, request: Request, now: Duration) -> bool {
        self.lasting.now = now;
        let Stage::Online(online) = &mut self.stage else {
            return false;
        };
        online.queue(request);
        self.go_on();
        true
    }

    /// Logs out, or ends at once when there is nothing to log out from or the user asks again.
    pub(crate) fn leave(&mut self, now: Duration) {
        self.lasting.now = now;
        let is_left = match &mut self.stage {
            Stage::Online(online) => online.leave(now),
            _ => false,
        };
        if !is_left {
            let status = match self.was_online {
                true => ExitStatus::Lost,
                false => ExitStatus::NotLoggedIn,
            };
            return self.end(status, String::new());
        }
        self.go_on();
    }

    /// Tries to connect now instead of later.
    pub(crate) fn connect_now(&mut self, now: Duration) {
        self.lasting.now = now;
        if matches!(self.stage, Stage::Pause(..) | Stage::Parted(_)) {
            self.stage = Stage::Connecting;
            self.lasting.actions.push(LinkAction::Connect);
        }
    }

    /// Whether the user is logged in now.
    pub(crate) fn is_online(&self) -> bool {
        matches!(self.stage, Stage::Online(_))
    }

    /// Whether the user was logged in once.
    pub(crate) fn was_online(&self) -> bool {
        self.was_online
    }

    /// Whether the client waits for the user before it connects again.
    pub(crate) fn waits_for_user(&self) -> bool {
        matches!(self.stage, Stage::Parted(_))
    }

    /// Why there is no connection, and when the next try is.
    pub(crate) fn parted(&self) -> Option<(&str, Option<Duration>)> {
        match &self.stage {
            Stage::Connecting => Some(("connecting", None)),
            Stage::Pause(until, reason) => Some((reason, Some(*until))),
            Stage::Parted(reason) => Some((reason, None)),
            _ => None,
        }
    }

    /// Since when the server owes an answer.
    pub(crate) fn waits_since(&self) -> Option<Duration> {
        match &self.stage {
            Stage::Online(online) => online.waits_since(),
            _ => None,
        }
    }

    /// Longest line that sends a message.
    pub(crate) fn max_message_line_bytes(&self) -> usize {
        let outbox = &self.lasting.outbox;
        outbox.max_line_bytes.saturating_sub(outbox.added_bytes())
    }

    /// The lines of messages that the server may not have.
    pub(crate) fn unsent_lines(&self) -> Vec<String> {
        let lines = self.lasting.outbox.lines();
        lines.map(str::to_owned).collect()
    }

    /// What the link is to do, and what it tells.
    pub(crate) fn take(&mut self) -> (Vec<LinkAction>, Vec<News>) {
        (
            std::mem::take(&mut self.lasting.actions),
            std::mem::take(&mut self.lasting.news),
        )
    }

    /// The connection is of no more use: comes back after a pause.
    fn part(&mut self, reason: String) {
        match &self.stage {
            Stage::Over | Stage::Parted(_) | Stage::Pause(..) => return,
            Stage::Online(online) if online.is_leaving() => {
                let reason = format!("The connection was lost while you logged out: {reason}.");
                return self.end(ExitStatus::Lost, reason);
            }
            Stage::Online(_) => self
                .lasting
                .news
                .push(News::Note(format!("Connection lost: {reason}."))),
            _ => {}
        }
        self.lasting.outbox.connection_ended();
        let until = self.lasting.now + self.back_off.next(self.random.f64());
        self.stage = Stage::Pause(until, reason);
        self.lasting.actions.push(LinkAction::Close);
    }

    /// The connection ends, and only the user can want another one.
    fn part_for_good(&mut self, reason: &str) {
        self.lasting.outbox.connection_ended();
        self.lasting.news.push(News::Note(reason.to_owned()));
        self.stage = Stage::Parted(reason.to_owned());
        self.lasting.actions.push(LinkAction::Close);
    }

    fn end(&mut self, status: ExitStatus, words: String) {
        self.stage = Stage::Over;
        self.lasting.actions.push(LinkAction::End(status, words));
    }

    fn login_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Show(Report::Welcome(_)) => {}
            Effect::Show(Report::AlreadyConnected(_)) if self.was_online => {
                // The server has not noticed yet that the old connection has ended.
                self.part("the server still holds the old connection".to_owned());
            }
            Effect::Show(Report::WrongPassword) => {
                self.credentials.password = None;
                self.lasting
                    .news
                    .push(News::OfLogin(text_of(&Report::WrongPassword)));
            }
            Effect::Show(report) => self.lasting.news.push(News::OfLogin(text_of(&report))),
            Effect::Send(line) => self.lasting.actions.push(LinkAction::Send(line)),
            Effect::FindLogin(account) => self.lasting.actions.push(LinkAction::FindLogin(account)),
            Effect::StoreLogin(account, login) => {
                self.lasting
                    .actions
                    .push(LinkAction::StoreLogin(account, login));
            }
            Effect::RemoveLogin(_) => {}
            Effect::End(status) => {
                let words = self.lasting.news.iter().rev().find_map(|news| match news {
                    News::OfLogin(words) => Some(words.clone()),
                    _ => None,
                });
                self.end(status, words.unwrap_or_default());
            }
        }
    }

    /// Takes over from the login once the user is logged in.
    fn begin_if_welcome(&mut self) {
        if !matches!(&self.stage, Stage::Login(conversation) if conversation.is_welcome()) {
            return;
        }
        let Stage::Login(conversation) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return;
        };
        let (dialogue, account, token_name) = conversation.into_chat();
        self.lasting.repeats.session_began();
        self.back_off.restart();
        let again = std::mem::replace(&mut self.was_online, true);
        self.stage = Stage::Online(Box::new(Online::new(dialogue, account.clone(), token_name)));
        self.lasting.news.push(News::LoggedIn { account, again });
    }

    /// Sends what is to be sent next.
    fn go_on(&mut self) {
        if let Stage::Online(online) = &mut self.stage {
            let verdict = online.go_on(&mut self.lasting);
            self.follow(verdict);
        }
    }

    fn follow(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::GoesOn => {
                if let Stage::Online(online) = &mut self.stage
                    && let Some(password) = online.take_new_password()
                {
                    self.credentials.password = Some(password);
                }
            }
            Verdict::Part(reason) => self.part(reason),
            Verdict::PartForGood(reason) => self.part_for_good(reason),
            Verdict::End(status, words) => self.end(status, words),
        }
    }
}
