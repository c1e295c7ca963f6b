//! A client: says random things, and holds every answer against the protocol.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use fastrand::Rng;

use crate::oracle::{Fate, MessageId, Oracle, User, message_of, sender_of};
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

/// A line in the chat that is not wholly answered.
#[derive(Clone, Debug)]
struct Asked {
    what: What,
    /// Where its line ends in the client's stream.
    end: u64,
    is_answered: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Send(MessageId),
    /// A message by `once`: the line, and whether it was sent before over another connection.
    SendOnce {
        id: MessageId,
        line: String,
        is_repeat: bool,
    },
    Push(bool),
    /// The answer must be exactly this.
    Exactly(&'static str),
    /// The answer must begin with this user's name or another's.
    Users,
    Join(User),
    LogOut,
}

/// A connection of a client, from its side.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) tcp: TcpId,
    step: Step,
    asked: VecDeque<Asked>,
    is_waiting_for_first_done: bool,
    input: Vec<u8>,
    /// To be sent, in pieces.
    pub(crate) output: Vec<u8>,
    /// Length of the client's stream, sent or not.
    said: u64,
    is_push_on: bool,
    sent_password_at_ms: u64,
    last_number: Option<u64>,
    /// The last message of each sender.
    last_of: BTreeMap<String, MessageId>,
    pub(crate) wants_fin: bool,
    has_said_goodbye: bool,
    /// Its message by `once` was answered, for good.
    is_once_answered: bool,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) user: User,
    pub(crate) name: String,
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
    pub(crate) fn new(user: User, name: String, has_account: bool) -> Self {
        Self {
            user,
            password: format!("password of {name}"),
            name,
            address: IpAddr::from([10, 0, 0, user as u8]),
            talk: None,
            is_draining: false,
            is_drained: false,
            has_account,
            unanswered: None,
        }
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    pub(crate) fn connected(&mut self, tcp: TcpId) {
        self.talk = Some(Talk {
            tcp,
            step: Step::Idle,
            asked: VecDeque::new(),
            is_waiting_for_first_done: false,
            input: Vec::new(),
            output: Vec::new(),
            said: 0,
            is_push_on: false,
            sent_password_at_ms: 0,
            last_number: None,
            last_of: BTreeMap::new(),
            wants_fin: false,
            has_said_goodbye: false,
            is_once_answered: false,
        });
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
        let (name, password, user) = (self.name.clone(), self.password.clone(), self.user);
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
        let Some(talk) = &mut self.talk else {
            return Ok(None);
        };
        if line == "timeout" && talk.asked.is_empty() {
            talk.step = Step::Over;
            return Ok(None);
        }
        if talk.step == Step::Chat {
            talk.take_chat_line(line, user, oracle)?;
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
                (Step::Chat, Some(News::LoggedIn))
            }
            _ => return Err(format!("not an answer in {:?}", talk.step)),
        };
        talk.step = step;
        Ok(news)
    }
}

impl Talk {
    fn line(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.push(b'\n');
        self.said += line.len() as u64 + 1;
    }

    fn ask(&mut self, line: &str, what: What, oracle: &mut Oracle) {
        self.line(line);
        if what == What::Push(true) {
            oracle.push_may_be_on(self.tcp);
        }
        self.asked.push_back(Asked {
            what,
            end: self.said,
            is_answered: false,
        });
    }

    fn send_once(&mut self, id: MessageId, line: String, is_repeat: bool, oracle: &mut Oracle) {
        oracle.repeated_sends += usize::from(is_repeat);
        let what = What::SendOnce {
            id,
            line: line.clone(),
            is_repeat,
        };
        self.ask(&line, what, oracle);
    }

    fn awaits_once(&self) -> bool {
        self.sent_once().is_some()
    }

    /// The message by `once` that is not wholly answered.
    fn sent_once(&self) -> Option<(MessageId, String)> {
        let last = self.asked.back()?;
        match &last.what {
            What::SendOnce { id, line, .. } => Some((*id, line.clone())),
            _ => None,
        }
    }

    fn say_something(
        &mut self,
        user: User,
        oracle: &mut Oracle,
        users: &[(String, bool)],
        rng: &mut Rng,
    ) {
        match rng.u8(..100) {
            0..10 if oracle.is_member(user) => {
                let named = rng.usize(..users.len());
                let (names, named) = match users[named].1 && rng.bool() {
                    true => (format!("(#room {})", users[named].0), vec![named]),
                    false => ("#room".to_owned(), Vec::new()),
                };
                let id = oracle.new_room_message(user, named);
                self.ask(&format!("send {names} m{id}"), What::Send(id), oracle);
            }
            0..10 => {
                oracle.may_join(user);
                self.ask("join #room", What::Join(user), oracle);
            }
            10..60 => {
                let count = if rng.u8(..4) == 0 { rng.usize(2..4) } else { 1 };
                let mut readers: Vec<User> = (0..count).map(|_| rng.usize(..users.len())).collect();
                readers.retain(|reader| users[*reader].1);
                if readers.is_empty() {
                    return;
                }
                let names: Vec<&str> = readers
                    .iter()
                    .map(|reader| users[*reader].0.as_str())
                    .collect();
                let names = match names.as_slice() {
                    [name] => (*name).to_owned(),
                    several => format!("({} nobody)", several.join(" ")),
                };
                let id = oracle.new_message(user, readers, false);
                let line = format!("send {names} m{id}");
                match rng.u8(..16) {
                    0 => self.send_once(id, format!("once id{id} {line}"), false, oracle),
                    _ => self.ask(&line, What::Send(id), oracle),
                }
            }
            60..66 => {
                let readers = (0..users.len()).filter(|reader| *reader != user && users[*reader].1);
                let id = oracle.new_message(user, readers.collect(), true);
                self.ask(&format!("broadcast m{id}"), What::Send(id), oracle);
            }
            66..78 => self.ask("fetch", What::Exactly("fetching"), oracle),
            78..82 => self.ask("who", What::Users, oracle),
            82..84 => self.ask("last 5", What::Users, oracle),
            84..88 => self.ask("push on", What::Push(true), oracle),
            88..90 => self.ask("push ack", What::Push(true), oracle),
            90..92 => self.ask("push off", What::Push(false), oracle),
            92..94 => self.ask("ids on", What::Exactly("ids:on"), oracle),
            94..95 => self.ask("dance", What::Exactly("error:command:dance"), oracle),
            95..96 => {
                let long = "x".repeat(300);
                self.ask(
                    &format!("send {long}"),
                    What::Exactly("error:length:send"),
                    oracle,
                );
            }
            96..98 => self.ask("logout", What::LogOut, oracle),
            _ => self.wants_fin = true,
        }
    }

    fn take_chat_line(
        &mut self,
        line: &str,
        user: User,
        oracle: &mut Oracle,
    ) -> Result<(), String> {
        if line.starts_with('[') {
            let id = message_of(line).ok_or("a message that nobody sent")?;
            let is_due = self.is_waiting_for_first_done
                || self.is_push_on
                || self.asked.front().is_some_and(|asked| asked.is_answered);
            if !is_due {
                return Err("a message that was not asked for".to_owned());
            }
            self.check_number(line)?;
            let sender = sender_of(line).unwrap_or_default();
            if self
                .last_of
                .insert(sender.to_owned(), id)
                .is_some_and(|last| last >= id)
            {
                return Err("a message again, or behind a later one".to_owned());
            }
            return oracle.read_message(user, sender, id);
        }
        if line == "DONE" {
            if std::mem::take(&mut self.is_waiting_for_first_done) {
                return Ok(());
            }
            return match self.asked.pop_front() {
                Some(asked) if asked.is_answered => Ok(()),
                _ => Err("DONE behind nothing".to_owned()),
            };
        }
        if self.is_waiting_for_first_done {
            return Err("an answer before the first DONE".to_owned());
        }
        let Some(asked) = self.asked.front_mut() else {
            return Err("an answer to nothing".to_owned());
        };
        if std::mem::replace(&mut asked.is_answered, true) {
            return Err("a second answer".to_owned());
        }
        let (what, end) = (asked.what.clone(), asked.end);
        self.take_answer(line, &what, end, oracle)
    }

    fn take_answer(
        &mut self,
        line: &str,
        what: &What,
        end: u64,
        oracle: &mut Oracle,
    ) -> Result<(), String> {
        let is_busy = line.starts_with("error:busy:");
        let is_refused =
            is_busy || line.starts_with("error:quota:") || line.starts_with("error:full:");
        match what {
            What::Send(id) | What::SendOnce { id, .. }
                if line == "sent:" || line == "send:nobody" =>
            {
                oracle.told(*id, Fate::Acknowledged);
                oracle.line_is_on_disk(self.tcp, end);
                self.is_once_answered = matches!(what, What::SendOnce { .. });
            }
            // Refused unseen, but it may have been stored before. What a queue has no room for was not.
            What::SendOnce {
                is_repeat: true, ..
            } if is_refused && !line.starts_with("error:quota:") => {}
            What::Send(id) | What::SendOnce { id, .. } if is_refused => {
                oracle.told(*id, Fate::Refused);
                self.is_once_answered = matches!(what, What::SendOnce { .. });
            }
            What::Push(on) if line.starts_with("push:") => self.is_push_on = *on,
            What::Exactly(answer) if line == *answer => {}
            What::Join(user) if line == "join:#room" => {
                oracle.joined(*user);
                oracle.line_is_on_disk(self.tcp, end);
            }
            What::Join(_) if is_refused => {}
            What::Users if !line.is_empty() => {}
            What::LogOut if line == "goodbye" => {
                self.asked.clear();
                self.has_said_goodbye = true;
                self.step = Step::Over;
            }
            What::Push(_) | What::Exactly(_) if is_busy => {}
            _ => return Err(format!("not an answer to {what:?}")),
        }
        Ok(())
    }

    /// Numbers grow within a connection.
    fn check_number(&mut self, line: &str) -> Result<(), String> {
        let number = line
            .split(' ')
            .nth(1)
            .and_then(|word| word.strip_prefix('#')?.parse().ok());
        if number.is_some() && self.last_number >= number {
            return Err("numbers do not grow".to_owned());
        }
        self.last_number = number.or(self.last_number);
        Ok(())
    }
}
