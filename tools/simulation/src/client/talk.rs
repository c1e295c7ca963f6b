//! A connection of a client, from its side: what it says in the chat, and how it reads the answers.

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;

use super::Step;
use crate::oracle::{
    Fate, HistoryAnswer, HistoryQuestion, MessageId, Oracle, Seat, User, message_of, sender_of,
};
use crate::worker::TcpId;

/// A line in the chat that is not wholly answered.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) what: What,
    /// Where its line ends in the client's stream.
    end: u64,
    is_answered: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
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
    /// The answer is a list of sessions, or says that none is given up.
    Sessions,
    /// The answer must begin with this user's name or another's.
    Users,
    Join(User),
    History(HistoryQuestion),
    LogOut,
}

/// A connection of a client, from its side.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) tcp: TcpId,
    /// The client's number.
    client: usize,
    is_send_only: bool,
    pub(super) step: Step,
    pub(super) asked: VecDeque<Asked>,
    pub(super) is_waiting_for_first_done: bool,
    pub(super) input: Vec<u8>,
    /// To be sent, in pieces.
    pub(crate) output: Vec<u8>,
    /// Length of the client's stream, sent or not.
    said: u64,
    is_push_on: bool,
    /// Of the history, as far as it was read.
    answer: Option<HistoryAnswer>,
    pub(super) sent_password_at_ms: u64,
    last_number: Option<u64>,
    /// The last message of each sequence.
    last_of: BTreeMap<u64, MessageId>,
    pub(crate) wants_fin: bool,
    pub(super) has_said_goodbye: bool,
    /// Its message by `once` was answered, for good.
    pub(super) is_once_answered: bool,
}

impl Talk {
    pub(super) fn new(client: usize, tcp: TcpId, is_send_only: bool) -> Self {
        Self {
            tcp,
            client,
            is_send_only,
            step: Step::Idle,
            asked: VecDeque::new(),
            is_waiting_for_first_done: false,
            input: Vec::new(),
            output: Vec::new(),
            said: 0,
            is_push_on: false,
            answer: None,
            sent_password_at_ms: 0,
            last_number: None,
            last_of: BTreeMap::new(),
            wants_fin: false,
            has_said_goodbye: false,
            is_once_answered: false,
        }
    }

    pub(super) fn line(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.push(b'\n');
        self.said += line.len() as u64 + 1;
    }

    pub(super) fn ask(&mut self, line: &str, what: What, oracle: &mut Oracle) {
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

    /// Messages that this connection sends keep their order among themselves. A client sends on one connection after
    /// the other; only to a client that only sends may the older one be of use still.
    fn sequence(&self) -> u64 {
        const CONNECTIONS: u64 = 1 << 32;
        match self.is_send_only {
            true => CONNECTIONS + self.tcp,
            false => self.client as u64,
        }
    }

    pub(super) fn drop_session(
        &mut self,
        user: User,
        oracle: &mut Oracle,
        now_ms: u64,
        rng: &mut Rng,
    ) {
        let name = ["phone", "desk"][rng.usize(..2)];
        oracle.may_be_dropped(user, name, now_ms);
        self.ask(&format!("sessions drop {name}"), What::Sessions, oracle);
    }

    pub(super) fn send_once(
        &mut self,
        id: MessageId,
        line: String,
        is_repeat: bool,
        oracle: &mut Oracle,
    ) {
        oracle.repeated_sends += usize::from(is_repeat);
        let what = What::SendOnce {
            id,
            line: line.clone(),
            is_repeat,
        };
        self.ask(&line, what, oracle);
    }

    pub(super) fn awaits_once(&self) -> bool {
        self.sent_once().is_some()
    }

    /// The message by `once` that is not wholly answered.
    pub(super) fn sent_once(&self) -> Option<(MessageId, String)> {
        let last = self.asked.back()?;
        match &last.what {
            What::SendOnce { id, line, .. } => Some((*id, line.clone())),
            _ => None,
        }
    }

    pub(super) fn say_something(
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
                let id = oracle.new_room_message((user, self.sequence()), named);
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
                let id = oracle.new_message((user, self.sequence()), readers, false);
                let line = format!("send {names} m{id}");
                match rng.u8(..16) {
                    0 => self.send_once(id, format!("once id{id} {line}"), false, oracle),
                    _ => self.ask(&line, What::Send(id), oracle),
                }
            }
            60..66 => {
                let readers = (0..users.len()).filter(|reader| *reader != user && users[*reader].1);
                let sender = (user, self.sequence());
                let id = oracle.new_message(sender, readers.collect(), true);
                self.ask(&format!("broadcast m{id}"), What::Send(id), oracle);
            }
            66..78 => self.ask("fetch", What::Exactly("fetching"), oracle),
            78..80 => {
                let question = oracle.new_question(user, rng);
                let line = question.line(oracle.names());
                self.ask(&line, What::History(question), oracle);
            }
            80..82 => self.ask("who", What::Users, oracle),
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

    pub(super) fn take_chat_line(
        &mut self,
        line: &str,
        seat: Seat,
        oracle: &mut Oracle,
    ) -> Result<(), String> {
        if let Some(answer) = &mut self.answer {
            answer.take(line, oracle)?;
            return self.check_answer(oracle);
        }
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
            let sequence = oracle.sequence_of(id).unwrap_or_default();
            if self
                .last_of
                .insert(sequence, id)
                .is_some_and(|last| last >= id)
            {
                return Err("a message again, or behind a later one".to_owned());
            }
            return oracle.read_message(seat, sender, id);
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
            What::Users if !line.is_empty() || self.is_send_only => {}
            What::Sessions
                if line.starts_with("sessions:")
                    || ["error:denied:sessions", "error:args:sessions"].contains(&line)
                    || is_busy
                    || line.starts_with("error:full:") => {}
            What::Join(user) if line == "join:#room" => {
                oracle.joined(*user);
                oracle.line_is_on_disk(self.tcp, end);
            }
            What::Join(_) if is_refused => {}
            What::History(question) => {
                self.answer = question.clone().answered(line)?;
                self.check_answer(oracle)?;
            }
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

    /// Checks an answer of the history once it is whole.
    fn check_answer(&mut self, oracle: &mut Oracle) -> Result<(), String> {
        let is_whole = |answer: &mut HistoryAnswer| answer.missing_lines == 0;
        match self.answer.take_if(is_whole) {
            Some(answer) => answer.check(oracle),
            None => Ok(()),
        }
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
