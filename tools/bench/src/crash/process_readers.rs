//! The readers that are processes of their own: what they report, how they end, and which of them is killed.

use std::time::{Duration, Instant};

use super::ledger::MayRepeat;
use super::people::{People, RETRY};
use super::person::{Drain, Excuse, Link, Person, Role, Seat};
use super::reader_process::{Manner, ReaderProcess, Report};
use crate::crowd::Closed;

/// One of them, over all of its processes.
#[derive(Debug)]
pub(super) struct ProcessReader {
    pub(super) manner: Manner,
    pub(super) drain: Drain,
    /// The port of its own end of the connection.
    pub(super) port: Option<u16>,
    running: Option<ReaderProcess>,
    is_logged_in: bool,
    last_end: LastEnd,
}

/// How its last session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastEnd {
    /// It left by `logout`, or it never came.
    LoggedOut,
    /// It was killed, and its worker lives, if that is known.
    Died { worker: Option<i32> },
    /// Its worker died, or both did.
    Broken,
}

impl LastEnd {
    fn may_repeat(self) -> MayRepeat {
        match self {
            Self::LoggedOut => MayRepeat::Nothing,
            Self::Died { .. } => MayRepeat::Unconfirmed,
            Self::Broken => MayRepeat::Everything,
        }
    }
}

impl ProcessReader {
    pub(super) fn new(manner: Manner) -> Self {
        Self {
            manner,
            drain: Drain::No,
            port: None,
            running: None,
            is_logged_in: false,
            last_end: LastEnd::LoggedOut,
        }
    }

    /// It is to empty its queue, and to leave twice: the second time nothing may be left.
    pub(super) fn begin_to_drain(&mut self) {
        self.drain = Drain::LogOut;
        if let Some(process) = &mut self.running {
            process.tell_to_leave();
        }
    }

    /// This worker, or any, is about to be killed: what a reader that died said last may die with it.
    pub(super) fn doubt_death(&mut self, killed: Option<i32>) {
        if let LastEnd::Died { worker } = self.last_end
            && !self.is_logged_in
            && (worker.is_none() || killed.is_none() || worker == killed)
        {
            self.last_end = LastEnd::Broken;
        }
    }
}

impl People {
    /// Starts the process of a reader, unless it is done.
    pub(super) fn start_process(&mut self, client: usize) -> anyhow::Result<()> {
        let excuse = self.is_excusing.then_some(Excuse::Perhaps);
        let person = &mut self.persons[client];
        let Role::Process(reader) = &mut person.role else {
            return Ok(());
        };
        if reader.drain == Drain::Done {
            return Ok(());
        }
        let (key, seed) = (
            self.audiences[person.seat.audience].key,
            self.random.number(),
        );
        let login = &person.login;
        let mut process = self.launcher.start(reader.manner, login, key, seed)?;
        if reader.drain != Drain::No {
            process.tell_to_leave();
        }
        reader.running = Some(process);
        reader.port = None;
        person.begin_connection(excuse);
        Ok(())
    }

    /// Takes what a reader has reported, and its end.
    pub(super) fn tend_process(&mut self, client: usize, now: Instant) -> anyhow::Result<()> {
        let Some(process) = running(&mut self.persons[client]) else {
            return Ok(());
        };
        let (reports, has_ended) = process.take_reports()?;
        for report in reports {
            self.hear_report(client, report, now);
        }
        if has_ended {
            self.process_ended(client, now);
        }
        Ok(())
    }

    fn hear_report(&mut self, client: usize, report: Report, now: Instant) {
        let person = &mut self.persons[client];
        let Role::Process(reader) = &mut person.role else {
            return;
        };
        let Seat { audience, place } = person.seat;
        let ledger = &mut self.audiences[audience].ledger;
        match report {
            Report::Seen(_) => return,
            Report::Refused => {}
            Report::Port(port) => reader.port = Some(port),
            Report::Connected => {
                self.measured.told_connected += 1;
                person.connected_since.get_or_insert(now);
                return;
            }
            Report::Busy => {
                self.measured.told_busy += 1;
                return;
            }
            Report::Welcome => {
                if let Some(since) = person.connected_since.take() {
                    let longest = &mut self.measured.longest_connected;
                    *longest = (now - since).max(*longest);
                }
                ledger.begin_session(place, reader.last_end.may_repeat());
                reader.is_logged_in = true;
            }
            Report::CaughtUp => {
                ledger.caught_up(place);
                person.link = Link::Open;
                self.measured.logins += 1;
                if let Some(cut_off_at) = person.cut_off_at.take() {
                    self.measured.logged_in_again(cut_off_at, now);
                }
            }
            Report::Handled { sequence, number } => ledger.receive(place, sequence, number),
            Report::Foreign(text) => ledger.receive_foreign(&text),
            Report::Confirmed(sequence) => ledger.confirm(place, sequence),
            Report::Goodbye => {
                person.has_left = true;
                reader.drain = reader.drain.after_logout();
                self.measured.logouts += 1;
            }
            Report::Unexpected(line) => self.find(client, format!("was sent {line:?}")),
        }
        self.progress_at = now;
    }

    /// A reader's process has ended by itself.
    fn process_ended(&mut self, client: usize, now: Instant) {
        let person = &mut self.persons[client];
        let has_left = person.has_left;
        let Role::Process(reader) = &mut person.role else {
            return;
        };
        reader.running = None;
        if has_left {
            reader.last_end = LastEnd::LoggedOut;
        } else if reader.is_logged_in {
            reader.last_end = LastEnd::Broken;
        }
        reader.is_logged_in = false;
        if reader.port.is_none() {
            self.measured.connects_refused += 1;
            return person.end_connection(now, RETRY);
        }
        self.count_end(client, Closed::End, now);
    }

    /// Who is to be killed: mostly somebody to whom a message is on its way.
    pub(super) fn choose_reader(&mut self) -> Option<usize> {
        let is_connected = |person: &Person| match &person.role {
            Role::Process(reader) => reader.running.is_some() && reader.port.is_some(),
            _ => false,
        };
        let all = (0..self.persons.len()).filter(|client| is_connected(&self.persons[*client]));
        let all: Vec<usize> = all.collect();
        let is_awaiting = |client: &usize| {
            let Seat { audience, place } = self.persons[*client].seat;
            self.audiences[audience].ledger.is_last_awaited(place)
        };
        let awaiting: Vec<usize> = all.iter().copied().filter(is_awaiting).collect();
        let is_any_good = awaiting.is_empty() || self.random.below(4) == 0;
        let from = if is_any_good { all } else { awaiting };
        (!from.is_empty()).then(|| from[self.random.index(from.len())])
    }

    /// kill -9 of a reader; whether it was alive, and its death leaves no doubt about what it has confirmed.
    pub(super) fn kill_reader(&mut self, client: usize) -> anyhow::Result<bool> {
        let now = Instant::now();
        self.tend_process(client, now)?;
        let Role::Process(reader) = &mut self.persons[client].role else {
            return Ok(false);
        };
        let Some(process) = reader.running.take_if(|process| process.may_die()) else {
            return Ok(false);
        };
        for report in process.kill()? {
            self.hear_report(client, report, now);
        }
        let person = &mut self.persons[client];
        if person.has_left {
            self.process_ended(client, now);
            return Ok(false);
        }
        let (worker, excuse) = (person.worker, person.excuse);
        if let Role::Process(reader) = &mut person.role {
            if reader.is_logged_in {
                reader.last_end = match excuse {
                    None => LastEnd::Died { worker },
                    Some(_) => LastEnd::Broken,
                };
            }
            reader.is_logged_in = false;
        }
        person.end_connection(now, Duration::ZERO);
        Ok(true)
    }
}

fn running(person: &mut Person) -> Option<&mut ReaderProcess> {
    match &mut person.role {
        Role::Process(reader) => reader.running.as_mut(),
        _ => None,
    }
}
