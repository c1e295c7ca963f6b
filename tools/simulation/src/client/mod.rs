//! A client: says random things, and holds every answer against the protocol.

mod talk;

use std::net::IpAddr;

use chat_model::UserSession;
use fastrand::Rng;

use self::talk::{Talk, What};
use crate::oracle::{MessageId, Oracle, Seat, User};
use crate::worker::TcpId;

/// Where in the dialogue a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing is owed: a user is to be named.
    Idle,
    Named,
    /// `register` was answered with `y`.
    Offered,
    /// The two lines of a new password are wanted.
    Registering,
    /// Both passwords were sent.
    Registered,
    PasswordWanted,
    PasswordSent,
    Chat,
    Over,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) user: User,
    pub(crate) seat: Seat,
    session: UserSession,
    /// What it types at the login.
    pub(crate) name: String,
    /// It does not connect before.
    pub(crate) rests_until_ms: u64,
    password: String,
    pub(crate) address: IpAddr,
    pub(crate) talk: Option<Talk>,
    /// Only reads what waits, and leaves.
    pub(crate) is_draining: bool,
    /// Drained, and left in good order.
    pub(crate) is_drained: bool,
    pub(crate) has_account: bool,
    /// A message by `once` of which it is not known whether it was stored. It is sent again.
    unanswered: Option<(MessageId, String)>,
}

/// What a client has learnt that the world must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    LoggedIn,
    Registered,
}

impl Client {
    pub(crate) fn new(
        (user, name): (User, &str),
        (seat, session): (Seat, UserSession),
        has_account: bool,
    ) -> Self {
        Self {
            user,
            seat,
            session,
            password: format!("password of {name}"),
            name: session.full_name(name),
            rests_until_ms: 0,
            address: IpAddr::from([10, 0, 0, user as u8]),
            talk: None,
            is_draining: false,
            is_drained: false,
            has_account,
            unanswered: None,
        }
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.session == UserSession::Plain
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    pub(crate) fn connected(&mut self, client: usize, tcp: TcpId) {
        let is_send_only = self.session == UserSession::SendOnly;
        self.talk = Some(Talk::new(client, tcp, is_send_only));
    }

    /// Whether it said goodbye in good order, having read all that waited.
    pub(crate) fn has_left(&self) -> bool {
        self.talk.as_ref().is_some_and(|talk| talk.has_said_goodbye)
    }

    /// So much time may have passed that the server has forgotten its messages by `once`: it gives them up.
    pub(crate) fn give_up_unanswered(&mut self) {
        self.unanswered = None;
    }

    /// Says something, if it is its turn to.
    pub(crate) fn say(
        &mut self,
        oracle: &mut Oracle,
        users: &[(String, bool)],
        now_ms: u64,
        rng: &mut Rng,
    ) {
        let (name, password) = (self.name.clone(), self.password.clone());
        let (user, seat) = (self.user, self.seat);
        let is_plain = self.is_plain();
        let is_draining = self.is_draining;
        let Some(talk) = &mut self.talk else {
            return;
        };
        if talk.wants_fin {
            return;
        }
        match talk.step {
            Step::Idle => {
                talk.line(&name);
                talk.step = Step::Named;
            }
            Step::PasswordWanted => {
                let is_wrong = !is_draining && rng.u8(..8) == 0;
                talk.line(if is_wrong { "not it" } else { &password });
                talk.sent_password_at_ms = now_ms;
                oracle.asks_to_log_in(talk.tcp, seat);
                talk.step = Step::PasswordSent;
            }
            Step::Registering => {
                talk.line(&password);
                talk.line(&password);
                talk.step = Step::Registered;
            }
            Step::Chat if is_draining => {
                if talk.asked.is_empty() && !talk.is_waiting_for_first_done {
                    talk.ask("logout", What::LogOut, oracle);
                }
            }
            Step::Chat => {
                let is_leaving = talk.asked.iter().any(|asked| asked.what == What::LogOut);
                // Nothing is sent behind a message by `once`: it would overtake the one that is sent again.
                if talk.asked.len() < 4 && !is_leaving && !talk.awaits_once() {
                    if is_plain && rng.u8(..30) == 0 {
                        talk.drop_session(user, oracle, now_ms, rng);
                        return;
                    }
                    match self.unanswered.clone() {
                        Some((id, line)) => talk.send_once(id, line, true, oracle),
                        None => talk.say_something(user, oracle, users, rng),
                    }
                    self.unanswered = talk.sent_once().or(self.unanswered.take());
                }
            }
            Step::Named | Step::Offered | Step::Registered | Step::PasswordSent | Step::Over => {}
        }
    }

    /// Takes what the client read from its connection. An error is a promise that was broken.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        oracle: &mut Oracle,
        now_ms: u64,
        block_time_ms: u64,
    ) -> Result<Vec<News>, String> {
        let Some(talk) = &mut self.talk else {
            return Ok(Vec::new());
        };
        talk.input.extend_from_slice(bytes);
        let mut news = Vec::new();
        while let Some(end) = self
            .talk
            .as_ref()
            .and_then(|talk| talk.input.iter().position(|byte| *byte == b'\n'))
        {
            let Some(talk) = &mut self.talk else {
                break;
            };
            let line: Vec<u8> = talk.input.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]).into_owned();
            news.extend(
                self.take_line(&line, oracle, now_ms, block_time_ms)
                    .map_err(|error| format!("{} read {line:?}: {error}", self.name))?,
            );
        }
        Ok(news)
    }

    fn take_line(
        &mut self,
        line: &str,
        oracle: &mut Oracle,
        now_ms: u64,
        block_time_ms: u64,
    ) -> Result<Option<News>, String> {
        let (user, address) = (self.user, self.address);
        let (seat, session) = (self.seat, self.session);
        let Some(talk) = &mut self.talk else {
            return Ok(None);
        };
        if line == "timeout" && talk.asked.is_empty() {
            talk.step = Step::Over;
            return Ok(None);
        }
        let is_in = matches!(talk.step, Step::Chat | Step::PasswordSent);
        if is_in && line == "replaced" && matches!(session, UserSession::Named(_)) {
            oracle.told_replaced(talk.tcp, seat, talk.sent_password_at_ms)?;
            talk.asked.clear();
            talk.step = Step::Over;
            return Ok(None);
        }
        if talk.step == Step::Chat {
            talk.take_chat_line(line, seat, oracle)?;
            if std::mem::take(&mut talk.is_once_answered) {
                self.unanswered = None;
            }
            return Ok(None);
        }
        let (step, news) = match (talk.step, line) {
            (Step::Named, "password") | (Step::PasswordSent, "password") => {
                (Step::PasswordWanted, None)
            }
            (Step::Named, "register") if !self.has_account => {
                talk.line("y");
                (Step::Offered, None)
            }
            (Step::Offered, "password") => (Step::Registering, None),
            (Step::Named | Step::PasswordSent, "connected") => (Step::Idle, None),
            (Step::Named, "username") if !self.has_account => (Step::Idle, None),
            (Step::Registered, "username") => (Step::Idle, None),
            (Step::Registered, "registered") => (Step::Idle, Some(News::Registered)),
            (Step::Named | Step::Registered, "error:busy:" | "error:full:") => (Step::Idle, None),
            (Step::PasswordSent, "error:busy:" | "error:full:") => (Step::PasswordWanted, None),
            (Step::Named, blocked) if blocked.starts_with("blocked:") => (Step::Over, None),
            (Step::PasswordSent, seconds) if seconds.parse::<u64>().is_ok() => {
                let until_ms = talk.sent_password_at_ms + block_time_ms;
                if now_ms < until_ms {
                    oracle.blocked(user, address, until_ms);
                }
                (Step::Over, None)
            }
            (Step::PasswordSent, "welcome") => {
                if oracle.is_blocked(user, address, now_ms) {
                    return Err("the block has not ended".to_owned());
                }
                talk.is_waiting_for_first_done = true;
                oracle.logged_in(talk.tcp, now_ms);
                (Step::Chat, Some(News::LoggedIn))
            }
            _ => return Err(format!("not an answer in {:?}", talk.step)),
        };
        talk.step = step;
        Ok(news)
    }
}
