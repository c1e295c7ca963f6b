//! A session from `welcome` to its end.

use std::collections::VecDeque;
use std::time::Duration;

use chat_line_protocol::client::{Answer, Command, Dialogue, Event, number};
use chat_line_protocol::words;
use chat_model::Password;

use super::link::{Lasting, LinkAction, News, Verdict};
use super::request::{Delivery, Purpose, Request};
use crate::conversation::message::Message;
use crate::conversation::{KeptLogin, Prompt};
use crate::exit_status::ExitStatus;
use crate::report::Report;
use crate::safe_text::{safe, safe_with_breaks, without_breaks};
use crate::wording::text_of;

/// A message is confirmed this long after it was shown, together with those that came since.
const CONFIRM_AFTER: Duration = Duration::from_secs(1);
/// The longest silence, where the server allows as much.
const KEEP_ALIVE: Duration = Duration::from_secs(300);
/// How long to wait for the answer to `logout`.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(10);

struct UnderWay {
    request: Request,
    since: Duration,
    /// The answer, with what follows it.
    reply: Reply,
}

/// What came for the line under way.
#[derive(Default)]
struct Reply {
    /// Safe to show.
    line: String,
    kept: Vec<Message>,
    has_more: bool,
    is_busy: bool,
    refused: Option<String>,
}

/// A session of the user.
pub(super) struct Online {
    dialogue: Dialogue,
    account: String,
    queue: VecDeque<Request>,
    under_way: Option<UnderWay>,
    /// When something is to be said, if nothing else is.
    fetch_due: Option<Duration>,
    keep_alive: Duration,
    /// Lines of `passwd` that are still to be typed, and the last one.
    passwords_wanted: u8,
    typed_password: Option<Password<'static>>,
    new_password: Option<Password<'static>>,
    /// Since when the client leaves.
    leaving: Option<Duration>,
    pushes: bool,
}

impl Online {
    /// A session that has just begun. With a name, a token is made and kept.
    pub(super) fn new(dialogue: Dialogue, account: String, token_name: Option<String>) -> Self {
        let ask = |line: String, purpose| Request { line, purpose };
        let mut queue = VecDeque::from([
            ask(words::FEATURES.to_owned(), Purpose::SetUp),
            ask(format!("{} {}", words::IDS, words::ON), Purpose::SetUp),
            ask(format!("{} {}", words::PUSH, words::ACK), Purpose::SetUp),
            ask(words::ROOMS.to_owned(), Purpose::Rooms),
            ask(words::WHO.to_owned(), Purpose::Online),
        ]);
        queue.extend(token_name.map(|name| {
            let line = format!("{} new {name}", words::TOKEN);
            ask(line, Purpose::MakeToken(name))
        }));
        Self {
            dialogue,
            account,
            queue,
            under_way: None,
            fetch_due: None,
            keep_alive: KEEP_ALIVE,
            passwords_wanted: 0,
            typed_password: None,
            new_password: None,
            leaving: None,
            pushes: false,
        }
    }

    pub(super) fn queue(&mut self, request: Request) {
        self.queue.push_back(request);
    }

    /// A line of the server.
    pub(super) fn heard(&mut self, line: &[u8], lasting: &mut Lasting) -> Verdict {
        let is_message = matches!(line.first(), Some(b'[' | b'<'));
        let line = &match is_message {
            true => safe_with_breaks(line),
            false => safe(line),
        };
        match self.dialogue.hear(line.as_bytes()) {
            Event::Message(parsed) => {
                if let Some(message) = Message::of(&parsed, line) {
                    self.message(message, lasting);
                }
            }
            Event::Kept(parsed) => {
                if let (Some(under_way), Some(message)) =
                    (&mut self.under_way, Message::of(&parsed, line))
                {
                    under_way.reply.kept.push(message);
                }
            }
            Event::CaughtUp => lasting.repeats.caught_up(),
            Event::Answer(_, answer) => self.answer(answer, line, lasting),
            Event::Done(command) => self.done(command, lasting),
            Event::PasswordsWanted => self.passwords_wanted = 3,
            Event::Goodbye => {
                lasting.repeats.left();
                return Verdict::End(ExitStatus::Good, String::new());
            }
            Event::TimedOut => {
                return Verdict::Part("the server heard nothing for too long".into());
            }
            Event::Replaced => {
                return Verdict::PartForGood("Another client has taken this session over.");
            }
            Event::Locked { seconds } => {
                let report = Report::Blocked { seconds, now: true };
                return Verdict::End(ExitStatus::Blocked, text_of(&report));
            }
            _ => {
                let report = Report::Unexpected(without_breaks(line));
                lasting.news.push(News::Note(text_of(&report)));
            }
        }
        Verdict::GoesOn
    }

    /// Sends the next line, if it is time.
    pub(super) fn go_on(&mut self, lasting: &mut Lasting) -> Verdict {
        let now = lasting.now;
        if let Some(since) = self.under_way.as_ref().map(|under_way| under_way.since)
            && self.passwords_wanted == 0
            && now >= since + self.patience(lasting)
        {
            return Verdict::Part("the server does not answer".to_owned());
        }
        if self.under_way.is_some() || !self.dialogue.is_chatting() {
            return Verdict::GoesOn;
        }
        let next = self.queue.pop_front();
        let next = next.or_else(|| {
            let (id, line) = lasting.outbox.send_next(now)?;
            let purpose = Purpose::Message(id);
            Some(Request { line, purpose })
        });
        let is_free = lasting.outbox.len() == 0;
        let next = next.or_else(|| self.parting_line(is_free));
        let next = next.or_else(|| {
            self.fetch_due.filter(|due| *due <= now)?;
            Some(Request {
                line: words::FETCH.to_owned(),
                purpose: Purpose::Confirmation,
            })
        });
        if let Some(request) = next {
            self.send(request, lasting);
        }
        Verdict::GoesOn
    }

    /// What is said to leave, once everything that was asked is answered.
    fn parting_line(&mut self, is_outbox_empty: bool) -> Option<Request> {
        self.leaving.filter(|_| is_outbox_empty)?;
        let (line, purpose) = match std::mem::take(&mut self.pushes) {
            // So that nothing comes between `logout` and `goodbye`.
            true => (format!("{} {}", words::PUSH, words::OFF), Purpose::PushOff),
            false => (words::LOGOUT.to_owned(), Purpose::LogOut),
        };
        Some(Request { line, purpose })
    }

    fn send(&mut self, request: Request, lasting: &mut Lasting) {
        let mut output = Vec::new();
        self.dialogue.ask(request.line.as_bytes(), &mut output);
        lasting.actions.push(LinkAction::Send(output));
        // Any line confirms what was shown, and keeps the session.
        self.fetch_due = None;
        self.under_way = Some(UnderWay {
            request,
            since: lasting.now,
            reply: Reply::default(),
        });
    }

    fn patience(&self, lasting: &Lasting) -> Duration {
        match self.leaving {
            Some(_) => LOGOUT_TIMEOUT.min(lasting.answer_timeout),
            None => lasting.answer_timeout,
        }
    }

    pub(super) fn deadline(&self, lasting: &Lasting) -> Option<Duration> {
        match &self.under_way {
            _ if !self.dialogue.is_chatting() => None,
            Some(_) if self.passwords_wanted > 0 => None,
            Some(under_way) => Some(under_way.since + self.patience(lasting)),
            None => self.fetch_due.into_iter().chain(lasting.outbox.due()).min(),
        }
    }

    pub(super) fn waits_since(&self) -> Option<Duration> {
        let is_of_user = self.passwords_wanted > 0;
        let under_way = self.under_way.as_ref().filter(|_| !is_of_user);
        under_way.map(|under_way| under_way.since)
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Begins to leave; whether it had not begun before.
    pub(super) fn leave(&mut self, now: Duration) -> bool {
        let is_first = self.leaving.is_none();
        self.leaving.get_or_insert(now);
        is_first
    }

    pub(super) fn prompt(&self) -> Option<Prompt> {
        match self.passwords_wanted {
            0 => None,
            1 => Some(Prompt::RepeatPassword),
            2 => Some(Prompt::ChangedPassword),
            _ => Some(Prompt::CurrentPassword),
        }
    }

    /// One of the lines of `passwd`.
    pub(super) fn give_password(&mut self, password: &[u8], lasting: &mut Lasting) {
        self.passwords_wanted = self.passwords_wanted.saturating_sub(1);
        self.typed_password = Some(password.into());
        let mut output = Vec::new();
        self.dialogue.give_changed_password(password, &mut output);
        lasting.actions.push(LinkAction::Send(output));
        if let Some(under_way) = &mut self.under_way {
            under_way.since = lasting.now;
        }
    }

    /// The password that was changed, for the next login.
    pub(super) fn take_new_password(&mut self) -> Option<Password<'static>> {
        self.new_password.take()
    }

    fn message(&mut self, message: Message, lasting: &mut Lasting) {
        let due = lasting.now + CONFIRM_AFTER;
        self.fetch_due = Some(self.fetch_due.map_or(due, |earlier| earlier.min(due)));
        if lasting.repeats.is_new(&message) {
            lasting.news.push(News::Message(message));
        }
    }

    fn answer(&mut self, answer: Answer<'_>, line: &str, lasting: &mut Lasting) {
        match answer {
            Answer::Push(mode) => self.pushes = mode.is_on(),
            Answer::Features(features) => self.learn(features, lasting),
            Answer::Passwd(b"") => self.new_password = self.typed_password.take(),
            _ => {}
        }
        let Some(under_way) = &mut self.under_way else {
            return;
        };
        under_way.reply.line = line.to_owned();
        match answer {
            Answer::Found { has_more, .. } => under_way.reply.has_more = has_more,
            Answer::Refused(refusal) => {
                under_way.reply.is_busy = refusal.kind == words::BUSY.as_bytes();
                let report = Report::Refused {
                    kind: String::from_utf8_lossy(refusal.kind).into_owned(),
                    command: String::from_utf8_lossy(refusal.command).into_owned(),
                };
                under_way.reply.refused = Some(text_of(&report));
            }
            _ => {}
        }
    }

    /// What the server says of itself.
    fn learn(&mut self, features: &[u8], lasting: &mut Lasting) {
        for feature in features.split(|byte| *byte == b' ') {
            if feature == words::TO.as_bytes() {
                self.queue.push_front(Request {
                    line: format!("{} {}", words::TO, words::ON),
                    purpose: Purpose::SetUp,
                });
            }
            if let Some(seconds) = feature.strip_prefix(b"time_out=").and_then(number) {
                let half = Duration::from_secs(seconds) / 2;
                self.keep_alive = half.clamp(Duration::from_secs(1), KEEP_ALIVE);
            }
            if let Some(bytes) = feature.strip_prefix(b"line=").and_then(number) {
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                lasting.outbox.max_line_bytes = bytes.saturating_sub(1);
            }
        }
    }

    fn done(&mut self, command: Command, lasting: &mut Lasting) {
        let due = lasting.now + self.keep_alive;
        self.fetch_due.get_or_insert(due);
        let Some(UnderWay { request, reply, .. }) = self.under_way.take() else {
            return;
        };
        if !reply.is_busy {
            lasting.repeats.line_was_answered();
        }
        let names = || {
            let (_, names) = reply.line.split_once(':').unwrap_or_default();
            names.split_whitespace().map(str::to_owned).collect()
        };
        let is_refused = reply.refused.is_some();
        let news = match request.purpose {
            Purpose::Message(_) if reply.is_busy => {
                return lasting.outbox.server_was_busy(lasting.now);
            }
            Purpose::Message(id) => {
                lasting.outbox.answered();
                News::Delivered(id, delivery(&reply))
            }
            Purpose::History(target) => News::History(target, (!is_refused).then_some(reply.kept)),
            Purpose::Rooms if !is_refused => News::Rooms(names()),
            Purpose::Online if !is_refused => {
                let names = reply.line.split_whitespace();
                News::Online(names.map(str::to_owned).collect())
            }
            Purpose::Members(room) if !is_refused => News::Members(room, names()),
            Purpose::Topic(room) if !is_refused => {
                let topic = reply.line.split_once(':').unwrap_or_default().1;
                News::Topic(room, topic.to_owned())
            }
            Purpose::Search(words) if !is_refused => News::Found(words, reply.kept, reply.has_more),
            Purpose::MakeToken(name) if !is_refused => {
                return self.keep_token(name, &reply, lasting);
            }
            Purpose::Typed | Purpose::Search(_) | Purpose::MakeToken(_) => {
                return typed_was_answered(command, &request.line, &reply, lasting);
            }
            _ => return,
        };
        lasting.news.push(news);
    }

    fn keep_token(&self, token_name: String, reply: &Reply, lasting: &mut Lasting) {
        let (_, secret) = reply.line.split_once(':').unwrap_or_default();
        let login = KeptLogin {
            token_name,
            secret: secret.as_bytes().into(),
        };
        let account = self.account.clone();
        lasting.actions.push(LinkAction::StoreLogin(account, login));
    }
}

/// What became of a message.
fn delivery(reply: &Reply) -> Delivery {
    if let Some(reason) = &reply.refused {
        return Delivery::Refused(reason.clone());
    }
    match reply.line.split_once(':') {
        Some((_, "")) => Delivery::Stored,
        Some((words::SEND, names)) => {
            Delivery::StoredExcept(names.split(',').map(str::to_owned).collect())
        }
        _ => Delivery::Refused(format!("The server says: {}", reply.line)),
    }
}

fn typed_was_answered(command: Command, line: &str, reply: &Reply, lasting: &mut Lasting) {
    let words = reply.refused.clone().unwrap_or_else(|| {
        text_of(&Report::Answer {
            requested: line.to_owned(),
            line: reply.line.clone(),
        })
    });
    let rest = reply.line.split_once(':').unwrap_or_default().1.to_owned();
    let change = match command {
        _ if reply.refused.is_some() => None,
        Command::Join => Some(News::Joined(rest)),
        Command::Leave => Some(News::Left(rest)),
        _ => None,
    };
    lasting.news.extend(change);
    lasting.news.push(News::Answered(words));
}
