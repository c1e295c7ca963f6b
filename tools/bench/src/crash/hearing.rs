//! What the clients make of what they hear, and of the ends of their connections.

use std::time::{Duration, Instant};

use chat_line_protocol::client::{Answer, Command, Event, MessageLine};
use chat_line_protocol::words;

use super::counts::MAX_FINDINGS;
use super::ledger::MayRepeat;
use super::people::{People, RETRY};
use super::person::{Drain, Excuse, Link, Mode, Role, Seat};
use crate::crowd::{self, Closed};
use crate::installation::Accounts;

impl People {
    /// A line that belongs to the login.
    fn hear_login(&mut self, client: usize, heard: &Event<'_>, output: &mut Vec<u8>, now: Instant) {
        let person = &mut self.persons[client];
        match heard {
            Event::PasswordWanted => {
                if let Some(since) = person.connected_since.take() {
                    let longest = &mut self.measured.longest_connected;
                    *longest = (now - since).max(*longest);
                }
                let password = Accounts::PASSWORD.as_bytes();
                person.dialogue.give_password(password, output);
            }
            Event::AlreadyConnected => {
                self.measured.told_connected += 1;
                person.connected_since.get_or_insert(now);
                person.link = Link::Refused {
                    retry_at: now + RETRY,
                };
            }
            Event::LoginRefused(_) => {
                self.measured.told_busy += 1;
                person.link = Link::Refused {
                    retry_at: now + RETRY,
                };
            }
            Event::Welcome => {
                if let Role::Reader { is_after_break, .. } = person.role {
                    let may_repeat = match is_after_break {
                        true => MayRepeat::Everything,
                        false => MayRepeat::Nothing,
                    };
                    let Seat { audience, place } = person.seat;
                    let ledger = &mut self.audiences[audience].ledger;
                    ledger.begin_session(place, may_repeat);
                }
            }
            _ => self.caught_up(client, output, now),
        }
    }

    fn caught_up(&mut self, client: usize, output: &mut Vec<u8>, now: Instant) {
        self.progress_at = now;
        self.measured.logins += 1;
        let person = &mut self.persons[client];
        if let Some(cut_off_at) = person.cut_off_at.take() {
            self.measured.logged_in_again(cut_off_at, now);
        }
        let Role::Reader { mode, drain, .. } = person.role else {
            return self.send_again(client, output, now);
        };
        let Seat { audience, place } = person.seat;
        self.audiences[audience].ledger.caught_up(place);
        person.ask("ids on", output, now);
        match mode {
            _ if drain != Drain::No => {}
            Mode::Fetch => {}
            Mode::PushOn => person.ask("push on", output, now),
            Mode::PushAck => person.ask("push ack", output, now),
        }
    }

    fn hear_message(&mut self, client: usize, message: MessageLine<'_>, now: Instant) {
        self.progress_at = now;
        let Role::Reader { has_news, .. } = &mut self.persons[client].role else {
            let text = String::from_utf8_lossy(message.text).into_owned();
            return self.find(client, format!("a sender was sent {text:?}"));
        };
        *has_news = true;
        let Seat { audience, place } = self.persons[client].seat;
        let audience = &mut self.audiences[audience];
        let label = self.payload.recognise(message.text, audience.key);
        let label = label.filter(|label| {
            let sender = self.persons.get(label.sender as usize);
            sender.is_some_and(|sender| sender.account.as_bytes() == message.sender)
                && message.room == audience.room()
        });
        let ledger = &mut audience.ledger;
        match label {
            Some(label) => ledger.receive(place, label.sequence, message.number),
            None => ledger.receive_foreign(&String::from_utf8_lossy(message.text)),
        }
    }

    fn hear_answer(&mut self, client: usize, command: Command, answer: Answer<'_>, now: Instant) {
        let person = &mut self.persons[client];
        if let Some(asked_at) = person.asked_at.pop_front() {
            self.measured.answered(asked_at, now);
        }
        let is_right = match (&mut person.role, command) {
            (Role::Sender { unanswered, .. }, Command::Send | Command::Once) => {
                let ledger = &mut self.audiences[person.seat.audience].ledger;
                match (answer, unanswered.pop_front()) {
                    (Answer::Sent, Some(sequence)) => {
                        ledger.acknowledge(sequence);
                        self.acknowledged += 1;
                        self.progress_at = now;
                        true
                    }
                    (Answer::Refused(refusal), Some(sequence))
                        if refusal.is_temporary() || refusal.kind == words::QUOTA.as_bytes() =>
                    {
                        ledger.refuse(sequence, refusal.is_temporary());
                        true
                    }
                    _ => false,
                }
            }
            (_, Command::Fetch) => match answer {
                Answer::Refused(refusal) => refusal.kind == words::BUSY.as_bytes(),
                other => other == Answer::Fetching,
            },
            (_, Command::Ids) => answer == Answer::Ids(true),
            (_, Command::Push) => matches!(answer, Answer::Push(mode) if mode.is_on()),
            _ => false,
        };
        if !is_right {
            self.find(client, format!("{command:?} was answered {answer:?}"));
        }
        if let Role::Reader { drain, .. } = &mut self.persons[client].role
            && (*drain, answer) == (Drain::Fetch, Answer::Fetching)
        {
            *drain = Drain::LogOut;
        }
    }

    fn hear_goodbye(&mut self, client: usize, now: Instant) {
        self.progress_at = now;
        self.measured.logouts += 1;
        let person = &mut self.persons[client];
        person.has_left = true;
        if let Role::Reader {
            is_after_break,
            drain,
            ..
        } = &mut person.role
        {
            *is_after_break = false;
            *drain = drain.after_logout();
        }
    }

    pub(super) fn find(&mut self, client: usize, finding: String) {
        self.measured.surprises += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings
                .push(format!("{}: {finding}", self.persons[client].login));
        }
    }
}

impl crowd::Audience for People {
    fn opened(&mut self, client: usize, output: &mut Vec<u8>) {
        self.persons[client].link = Link::Open;
        let person = &mut self.persons[client];
        person.dialogue.give_name(person.login.as_bytes(), output);
    }

    fn line(&mut self, client: usize, line: &[u8], output: &mut Vec<u8>) {
        let now = Instant::now();
        match self.persons[client].dialogue.hear(line) {
            Event::Message(message) => self.hear_message(client, message, now),
            Event::Answer(command, answer) => self.hear_answer(client, command, answer, now),
            Event::Done(_) => {}
            Event::Goodbye => self.hear_goodbye(client, now),
            heard @ (Event::PasswordWanted
            | Event::AlreadyConnected
            | Event::Welcome
            | Event::CaughtUp) => self.hear_login(client, &heard, output, now),
            heard @ Event::LoginRefused(refusal) if refusal.is_temporary() => {
                self.hear_login(client, &heard, output, now);
            }
            _ => {
                let line = String::from_utf8_lossy(line).into_owned();
                self.find(client, format!("was sent {line:?}"));
            }
        }
    }

    fn closed(&mut self, client: usize, how: Closed) {
        let now = Instant::now();
        let person = &mut self.persons[client];
        if how == Closed::NeverOpened {
            self.measured.connects_refused += 1;
            return person.end_connection(now, RETRY);
        }
        let was_logged_in = person.dialogue.is_logged_in();
        if let Role::Reader { is_after_break, .. } = &mut person.role {
            *is_after_break |= was_logged_in && !person.has_left;
        }
        self.count_end(client, how, now);
    }
}

impl People {
    /// The connection of a client has ended: whether it may have.
    pub(super) fn count_end(&mut self, client: usize, how: Closed, now: Instant) {
        let person = &mut self.persons[client];
        let (has_left, excuse) = (person.has_left, person.excuse);
        if !has_left {
            person.cut_off_at.get_or_insert(now);
        }
        person.end_connection(now, Duration::ZERO);
        match (has_left, excuse) {
            (true, _) => {}
            (false, Some(Excuse::Killed)) => self.measured.closed_by_kill += 1,
            (false, Some(Excuse::Perhaps)) => self.measured.closed_unknown += 1,
            (false, None) => {
                self.measured.closed_unexpectedly += 1;
                self.find(
                    client,
                    format!("the connection ended unexpectedly: {how:?}"),
                );
            }
        }
    }
}
