//! All clients of the storm, and what each does next.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chat_line_protocol::client::{Command, Step};

use super::cast::{Audience, Cast};
use super::counts::{Counts, MAX_FINDINGS};
use super::ledger::Origin;
use super::measured::Measured;
use super::person::{Drain, Excuse, Link, Mode, Person, Role, Sending};
use super::reader_process::Launcher;
use super::visit::Kept;
use crate::crowd::Crowd;
use crate::installation::Accounts;
use crate::payload::{Label, Payload};
use crate::random::Random;
use crate::socket_owner::socket_owners;

/// After a connection that failed, or a login that was refused.
pub(super) const RETRY: Duration = Duration::from_millis(20);
/// How often a reader fetches, in the mean.
pub(super) const FETCH_INTERVAL: Duration = Duration::from_millis(40);
/// How often a reader leaves in good order and comes back, in the mean.
pub(super) const LEAVE_INTERVAL: Duration = Duration::from_secs(4);
/// What the clients do beside answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// They log in and read.
    Quiet,
    /// They send as much as the budget allows.
    Sending,
    /// Readers empty their queues and leave.
    Draining,
}

pub(super) struct People {
    pub(super) persons: Vec<Person>,
    pub(super) audiences: Vec<Audience>,
    /// The next stream of messages.
    next_stream: u32,
    pub(super) payload: Payload,
    pub(super) launcher: Launcher,
    pub(super) random: Random,
    window: usize,
    pub(super) phase: Phase,
    /// Messages that may be sent by now.
    pub(super) budget: u64,
    pub(super) asked: u64,
    pub(super) acknowledged: u64,
    pub(super) measured: Measured,
    /// New connections may close: they may have been taken by a process that is about to end.
    pub(super) is_excusing: bool,
    has_just_sent: bool,
    /// When something last went forward.
    pub(super) progress_at: Instant,
    pub(super) findings: Vec<String>,
}

impl People {
    pub(super) fn new(
        cast: Cast,
        window: usize,
        launcher: Launcher,
        random: Random,
        now: Instant,
    ) -> Self {
        Self {
            // Each client has at most one stream to begin with.
            next_stream: cast.persons.len() as u32,
            persons: cast.persons,
            audiences: cast.audiences,
            payload: Payload::new(launcher.seed, launcher.text_bytes),
            launcher,
            random,
            window,
            phase: Phase::Quiet,
            budget: 0,
            asked: 0,
            acknowledged: 0,
            measured: Measured::default(),
            is_excusing: false,
            has_just_sent: false,
            progress_at: now,
            findings: Vec::new(),
        }
    }

    /// The rooms that there are to be, with their members.
    pub(super) fn rooms(&self) -> Vec<(String, BTreeSet<String>)> {
        let audiences = self.audiences.iter().enumerate();
        let rooms = audiences.filter(|(_, audience)| audience.room().is_some());
        let members = |room: usize| {
            let persons = self.persons.iter();
            let persons = persons.filter(move |person| person.seat.audience == room);
            persons.map(|person| person.account.clone()).collect()
        };
        rooms
            .map(|(number, room)| (room.name.clone(), members(number)))
            .collect()
    }

    /// Has everybody do what is due.
    pub(super) fn tend(&mut self, crowd: &mut Crowd, now: Instant) -> anyhow::Result<()> {
        // Beginning anywhere, so that nobody is always the first to get a share of the budget.
        let begin = self.random.index(self.persons.len());
        for step in 0..self.persons.len() {
            let client = (begin + step) % self.persons.len();
            let is_process = matches!(self.persons[client].role, Role::Process(_));
            match self.persons[client].link {
                Link::Away { retry_at } if retry_at <= now && is_process => {
                    self.start_process(client)?;
                }
                Link::Away { retry_at } if retry_at <= now => self.connect(client, crowd, now),
                _ if is_process => self.tend_process(client, now)?,
                Link::Refused { retry_at } if retry_at <= now => self.try_again(client, crowd),
                Link::Open if self.persons[client].dialogue.is_chatting() => {
                    self.act(client, crowd, now);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether something was sent since this was asked last.
    pub(super) fn take_has_just_sent(&mut self) -> bool {
        std::mem::take(&mut self.has_just_sent)
    }

    /// Messages on their way.
    pub(super) fn unanswered(&self) -> usize {
        self.persons.iter().map(Person::unanswered).sum()
    }

    pub(super) fn is_everybody_idle(&self) -> bool {
        self.persons.iter().all(Person::is_idle)
    }

    pub(super) fn has_everybody_settled(&self) -> bool {
        self.persons.iter().all(Person::has_settled)
    }

    pub(super) fn has_everybody_drained(&self) -> bool {
        self.persons.iter().all(Person::has_drained)
    }

    /// Begins to empty the queues.
    pub(super) fn begin_to_drain(&mut self) {
        self.phase = Phase::Draining;
        for person in &mut self.persons {
            match &mut person.role {
                Role::Reader { drain, .. } => *drain = Drain::Fetch,
                Role::Process(reader) => reader.begin_to_drain(),
                Role::Sender { .. } => {}
            }
        }
    }

    /// Notes which of these workers has which connection, where that is not known.
    pub(super) fn learn_workers(&mut self, crowd: &Crowd, workers: &[i32]) {
        let plain = self.launcher.plain.port();
        let owners = Some(socket_owners(plain, workers));
        let tls = self.launcher.tls.as_ref().map(|tls| tls.address.port());
        let tls_owners = tls.map(|port| socket_owners(port, workers));
        for (client, person) in self.persons.iter_mut().enumerate() {
            if person.worker.is_some() || !person.has_connection() {
                continue;
            }
            let (port, owners) = match &person.role {
                Role::Process(reader) if reader.manner.speaks_tls => (reader.port, &tls_owners),
                Role::Process(reader) => (reader.port, &owners),
                _ => (crowd.local_port(client), &owners),
            };
            person.worker = port.and_then(|port| owners.as_ref()?.get(&port).copied());
        }
    }

    /// Whether there is a connection whose worker is not known.
    pub(super) fn has_unknown_workers(&self) -> bool {
        let is_unknown = |person: &Person| person.has_connection() && person.worker.is_none();
        self.persons.iter().any(is_unknown)
    }

    /// A worker is about to be killed: its connections may close, and those of which it is not known.
    pub(super) fn excuse_worker(&mut self, pid: i32) {
        for person in &mut self.persons {
            match person.worker {
                Some(worker) if worker == pid => person.excuse = Some(Excuse::Killed),
                None if person.has_connection() => {
                    person.excuse.get_or_insert(Excuse::Perhaps);
                }
                _ => {}
            }
            if let Role::Process(reader) = &mut person.role {
                reader.doubt_death(Some(pid));
            }
        }
    }

    /// All workers are about to end.
    pub(super) fn excuse_everybody(&mut self) {
        for person in &mut self.persons {
            person.excuse = Some(Excuse::Killed);
            if let Role::Process(reader) = &mut person.role {
                reader.doubt_death(None);
            }
        }
        self.is_excusing = true;
    }

    /// Takes what the history has of an audience. It has everything once.
    pub(super) fn read_history(&mut self, audience: usize, messages: Vec<Kept>) {
        let audience = &mut self.audiences[audience];
        let reader = audience.ledger.add_reader();
        self.measured.kept += messages.len() as u64;
        for message in messages {
            let label = self
                .payload
                .recognise(message.text.as_bytes(), audience.key);
            let sender = |label: &Label| self.persons.get(label.sender as usize);
            let is_right = |label: &Label| {
                sender(label).is_some_and(|sender| sender.account == message.sender)
            };
            let ledger = &mut audience.ledger;
            match label.filter(is_right) {
                Some(label) => ledger.receive(reader, label.sequence, Some(message.number)),
                None => ledger.receive_foreign(&message.text),
            }
        }
    }

    /// Sums up; the findings in words.
    pub(super) fn close(self) -> (Counts, Measured, Vec<String>) {
        let mut counts = Counts::default();
        let mut findings = self.findings;
        let mut numbers = Vec::new();
        for audience in self.audiences {
            let closed = audience.ledger.close();
            counts.add(&closed.counts);
            numbers.extend(closed.numbers);
            let found = closed.findings.into_iter();
            findings.extend(found.map(|finding| format!("{}: {finding}", audience.name)));
        }
        numbers.sort_unstable();
        for pair in numbers.windows(2).filter(|pair| pair[0] == pair[1]) {
            counts.doubled += 1;
            findings.push(format!("number {} belongs to two messages", pair[0]));
        }
        findings.truncate(MAX_FINDINGS);
        (counts, self.measured, findings)
    }

    /// How many audiences have readers that miss acknowledged messages.
    pub(super) fn incomplete_audiences(&self) -> usize {
        let audiences = self.audiences.iter();
        audiences
            .filter(|audience| !audience.ledger.is_complete())
            .count()
    }

    fn connect(&mut self, client: usize, crowd: &mut Crowd, now: Instant) {
        if self.persons[client].has_drained()
            && matches!(self.persons[client].role, Role::Reader { .. })
        {
            return;
        }
        let excuse = self.is_excusing.then_some(Excuse::Perhaps);
        match crowd.connect(client) {
            Ok(()) => {
                self.persons[client].begin_connection(excuse);
                self.begin_stream(client);
            }
            Err(_) => self.persons[client].end_connection(now, RETRY),
        }
    }

    /// Sends the refused line of the login again.
    fn try_again(&mut self, client: usize, crowd: &mut Crowd) {
        let person = &mut self.persons[client];
        person.link = Link::Open;
        if let Some(output) = crowd.output(client) {
            match person.dialogue.step() {
                Step::Password => {
                    let password = Accounts::PASSWORD.as_bytes();
                    person.dialogue.give_password(password, output);
                }
                _ => {
                    person.dialogue.give_name(person.login.as_bytes(), output);
                }
            }
        }
    }

    /// What somebody who is logged in does unasked.
    fn act(&mut self, client: usize, crowd: &mut Crowd, now: Instant) {
        if matches!(self.persons[client].role, Role::Sender { .. }) {
            self.send_burst(client, crowd, now);
        } else {
            self.read(client, crowd, now);
        }
    }

    /// What a session sends whose predecessor may not have ended yet, may overtake what that one sent.
    fn begin_stream(&mut self, client: usize) {
        if let Role::Sender {
            manner: Sending::AtOnce,
            stream,
            ..
        } = &mut self.persons[client].role
        {
            *stream = self.next_stream;
            self.next_stream += 1;
        }
    }

    fn send_burst(&mut self, client: usize, crowd: &mut Crowd, now: Instant) {
        let person = &mut self.persons[client];
        let Role::Sender {
            next_burst, stream, ..
        } = &mut person.role
        else {
            return;
        };
        let (burst, stream) = (*next_burst, *stream);
        let is_allowed = self.phase == Phase::Sending
            && self.asked + burst as u64 <= self.budget
            && person.dialogue.asked() + burst <= self.window;
        if !is_allowed {
            return;
        }
        *next_burst = 1 + self.random.index(self.window.div_ceil(2));
        let Some(output) = crowd.output(client) else {
            return;
        };
        // The number of accounts is bounded by the options.
        let account = person.seat.place as u32;
        let audience = person.seat.audience;
        for _ in 0..burst {
            let sequence = self.audiences[audience]
                .ledger
                .ask(Origin { account, stream });
            if let Role::Sender { unanswered, .. } = &mut self.persons[client].role {
                unanswered.push_back(sequence);
            }
            self.write_message(client, sequence, output, now);
        }
        self.asked += burst as u64;
        self.has_just_sent = true;
    }

    /// Sends again what was not answered before the connection broke.
    pub(super) fn send_again(&mut self, client: usize, output: &mut Vec<u8>, now: Instant) {
        let person = &self.persons[client];
        let Role::Sender { unanswered, .. } = &person.role else {
            return;
        };
        let (audience, unanswered) = (person.seat.audience, unanswered.clone());
        for sequence in unanswered {
            self.audiences[audience].ledger.ask_again(sequence);
            self.write_message(client, sequence, output, now);
        }
    }

    fn write_message(&mut self, client: usize, sequence: u32, output: &mut Vec<u8>, now: Instant) {
        let person = &mut self.persons[client];
        let audience = &self.audiences[person.seat.audience];
        let is_once = matches!(
            person.role,
            Role::Sender {
                manner: Sending::Once,
                ..
            }
        );
        if is_once {
            output.extend_from_slice(format!("once {sequence} ").as_bytes());
        }
        output.extend_from_slice(b"send ");
        output.extend_from_slice(audience.name.as_bytes());
        output.push(b' ');
        let label = Label {
            // Their number is bounded by the options.
            sender: client as u32,
            reader: audience.key,
            sequence,
        };
        self.payload.append(output, label);
        output.push(b'\n');
        person.dialogue.asked_for(match is_once {
            true => Command::Once,
            false => Command::Send,
        });
        person.asked_at.push_back(now);
    }

    fn read(&mut self, client: usize, crowd: &mut Crowd, now: Instant) {
        let person = &mut self.persons[client];
        let is_idle = person.is_idle();
        let Role::Reader {
            mode,
            fetch_at,
            has_news,
            leave_at,
            drain,
            ..
        } = &mut person.role
        else {
            return;
        };
        let wants_fetch = match mode {
            Mode::Fetch => true,
            Mode::PushOn => false,
            Mode::PushAck => *has_news,
        };
        let command = match *drain {
            Drain::No if *leave_at <= now && is_idle => {
                *leave_at = now + self.random.interval(LEAVE_INTERVAL);
                Command::LogOut
            }
            Drain::No if wants_fetch && *fetch_at <= now && is_idle => {
                *fetch_at = now + self.random.interval(FETCH_INTERVAL);
                *has_news = false;
                Command::Fetch
            }
            Drain::Fetch if is_idle => Command::Fetch,
            Drain::LogOut | Drain::Leave if is_idle => Command::LogOut,
            _ => return,
        };
        let Some(output) = crowd.output(client) else {
            return;
        };
        person.ask(command.word(), output, now);
    }
}
