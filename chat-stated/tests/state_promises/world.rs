//! A state with one worker session, driven in the words of the tests.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chat_model::{AccountId, Audience, ConnectionId, NameList, Outcome, RequestName};
use chat_model::{ConnectionSerial, MessageNumber, Progress, StreamOffset, WorkerSessionId};
use chat_stated::checkpoint::{MemoryCheckpoint, Restoration, StateSnapshot};
use chat_stated::entry::{AccountChange, Action, Entry, Limits, Timestamp, WaitingLimits};
use chat_stated::state::{Effects, Reader, SliceLimits, State};
use chat_stated::text_page::{TextPlace, Texts};

pub(super) const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
pub(super) const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
pub(super) const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;
pub(super) const ALL: SliceLimits = SliceLimits {
    messages: usize::MAX,
    text_bytes: usize::MAX,
    names_groups: false,
};
pub(super) const SENT: Outcome<'static> = Outcome::Stored {
    unknown: NameList::new(),
};

/// A state with one worker session, and the clock and offsets that its requests need.
pub(super) struct World {
    pub(super) state: State,
    pub(super) timestamp: Timestamp,
    pub(super) offset: u64,
    pub(super) checkpoint: MemoryCheckpoint,
    pub(super) last_effects: Effects,
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = Self {
            state: State::default(),
            timestamp: Timestamp {
                wall_ms: 1_800_000_000_000,
                boot_ms: 100_000,
                boot_id: [1; 16],
            },
            offset: 0,
            checkpoint: MemoryCheckpoint::default(),
            last_effects: Effects::default(),
        };
        world.pass_ms(0);
        world.begin_worker_session();
        world
    }

    /// With these accounts, each with its name as secret and filed.
    pub(super) fn with_accounts(names: &[&str]) -> Self {
        let mut world = Self::new();
        for name in names {
            world.set_account(name, name);
        }
        world
    }

    /// With these accounts, each logged in on the connection of its place, from 0.
    pub(super) fn with_online(names: &[&str]) -> Self {
        let mut world = Self::with_accounts(names);
        for (serial, name) in (0..).zip(names) {
            assert_eq!(world.log_in(serial, name), Outcome::LoggedIn);
        }
        world
    }

    pub(super) fn apply(&mut self, entry: Entry) {
        self.last_effects = Effects::default();
        let wall_ms = self.timestamp.wall_ms;
        self.state.apply(entry, wall_ms, &mut self.last_effects);
    }

    pub(super) fn begin_worker_session(&mut self) {
        self.apply(Entry::BeginWorkerSession {
            secret: [9; 16],
            pid: 7,
            host: None,
        });
    }

    pub(super) fn configure(&mut self, change: impl FnOnce(&mut Limits)) {
        let mut limits = *self.state.limits();
        change(&mut limits);
        self.apply(Entry::Configure(limits));
    }

    pub(super) fn limit_waiting(&mut self, bytes: u64, sender_percent: u32) {
        self.apply(Entry::LimitWaiting(WaitingLimits {
            bytes,
            sender_percent,
        }));
    }

    pub(super) fn set_account(&mut self, name: &str, secret: &str) {
        self.apply(Entry::ChangeAccounts(vec![AccountChange::Set {
            name: name.into(),
            secret: secret.into(),
        }]));
    }

    pub(super) fn disable(&mut self, name: &str) {
        self.apply(Entry::ChangeAccounts(vec![AccountChange::Disable {
            name: name.into(),
        }]));
    }

    pub(super) fn pass_ms(&mut self, boot_ms: u64) {
        self.timestamp.boot_ms += boot_ms;
        self.timestamp.wall_ms += boot_ms as i64;
        self.last_effects = Effects::default();
        self.state
            .advance_clock(&self.timestamp, None, &mut self.last_effects);
    }

    pub(super) fn jump_wall_ms(&mut self, wall_ms: i64) {
        self.timestamp.wall_ms += wall_ms;
        self.last_effects = Effects::default();
        self.state
            .advance_clock(&self.timestamp, None, &mut self.last_effects);
    }

    pub(super) fn boot_after_wall_ms(&mut self, wall_ms: i64) {
        self.timestamp.boot_id[0] += 1;
        self.timestamp.boot_ms = 1;
        self.jump_wall_ms(wall_ms);
    }

    pub(super) fn id(&self, name: &str) -> AccountId {
        self.state.account(name).expect("the account exists").0
    }

    /// Repeats a request, or makes one; returns the decision, `None` if there is no answer at all.
    pub(super) fn request_at(
        &mut self,
        (worker_session, serial, offset): (u64, u64, u64),
        answered: u64,
        action: Action,
    ) -> Option<Outcome<'static>> {
        self.apply(Entry::Request {
            name: RequestName {
                connection: connection(worker_session, serial),
                offset: StreamOffset(offset),
            },
            answered: StreamOffset(answered),
            progress: Progress::default(),
            action,
        });
        assert!(self.last_effects.decided.len() <= 1);
        let decided = self.last_effects.decided.first()?;
        Some(decided.outcome.clone())
    }

    /// The next request of a worker that has the answers of all before.
    pub(super) fn request(&mut self, serial: u64, action: Action) -> Outcome<'static> {
        let answered = self.offset;
        self.offset += 10;
        self.request_at((1, serial, self.offset), answered, action)
            .expect("the worker session has not ended")
    }

    pub(super) fn log_in_action(&self, name: &str, address: IpAddr) -> Action {
        let found = self.state.find_session(name);
        let (account, session) = found.expect("the account exists");
        let record = self.state.record(account).expect("the account exists");
        Action::LogIn {
            account,
            session,
            address,
            password_version: record.password_version,
            new_secret: None,
            asked_boot_ms: None,
        }
    }

    pub(super) fn log_in(&mut self, serial: u64, name: &str) -> Outcome<'static> {
        let action = self.log_in_action(name, HERE);
        self.request(serial, action)
    }

    pub(super) fn fail(&mut self, serial: u64, name: &str, address: IpAddr) -> Outcome<'static> {
        let account = self.id(name);
        self.request(serial, Action::FailedLogIn { account, address })
    }

    /// Fails three times from here, each on a connection of its own.
    pub(super) fn block(&mut self, name: &str) {
        for serial in 100..103 {
            self.fail(serial, name, HERE);
        }
    }

    pub(super) fn send(
        &mut self,
        serial: u64,
        recipients: &[&str],
        text: &str,
    ) -> Outcome<'static> {
        self.request(serial, send_action(recipients, text))
    }

    pub(super) fn broadcast(&mut self, serial: u64, text: &str) -> Outcome<'static> {
        self.request(
            serial,
            Action::Send {
                audience: Audience::Everyone,
                text: text.into(),
            },
        )
    }

    pub(super) fn log_out(&mut self, serial: u64) {
        assert_eq!(self.request(serial, Action::LogOut), Outcome::LoggedOut);
    }

    pub(super) fn close(&mut self, serial: u64) {
        self.apply(Entry::Close {
            connection: connection(1, serial),
            progress: Progress::default(),
        });
    }

    pub(super) fn progress(&mut self, serial: u64, received: u64, had: u64) {
        self.apply(Entry::Progress {
            connection: connection(1, serial),
            progress: Progress {
                sent: MessageNumber(received.max(had)),
                acknowledged: MessageNumber(received),
                confirmed: MessageNumber(had),
            },
        });
    }

    fn reader(&self, name: &str) -> Reader {
        let found = self.state.find_session(name);
        let (account, session) = found.expect("the account exists");
        let reader = self.state.reader_of(account, &session);
        reader.expect("the session has a place")
    }

    /// A queue, up to the first text that is not in memory.
    pub(super) fn queue(&self, name: &str) -> Vec<&str> {
        static NO_TEXTS: Texts = Texts::new();
        self.queue_with(name, &NO_TEXTS)
    }

    pub(super) fn queue_with<'a>(&'a self, name: &str, texts: &'a Texts) -> Vec<&'a str> {
        let everything = (MessageNumber(0), MessageNumber(u64::MAX));
        self.state
            .read_queue_with(self.reader(name), everything.0, everything.1, ALL, texts)
            .messages
            .iter()
            .map(|message| message.text)
            .collect()
    }

    /// Where the texts of a queue are that are not in memory.
    pub(super) fn missing_texts(&self, name: &str) -> Vec<TextPlace> {
        let (after, through) = (MessageNumber(0), MessageNumber(u64::MAX));
        self.state
            .missing_texts(self.reader(name), after, through, ALL, usize::MAX)
    }

    /// Those texts, from the checkpoint.
    pub(super) fn texts(&self, name: &str) -> Texts {
        let places = self.missing_texts(name);
        let texts = self.checkpoint.read_texts(&places).expect("right pages");
        assert_eq!(texts.len(), places.len());
        texts
    }

    pub(super) fn look_up(&self, name: &str) -> Outcome<'static> {
        self.state.look_up(name, HERE, &self.timestamp)
    }

    /// Names of the users online, with one space between.
    pub(super) fn online(&self) -> String {
        joined(&self.state.online())
    }

    pub(super) fn last_minutes(&self, minutes: u64) -> String {
        joined(&self.state.online_within(minutes, &self.timestamp))
    }

    pub(super) fn checkpoint(&mut self) {
        let changes = StateSnapshot::take_whole(&mut self.state);
        self.checkpoint.write(&changes).expect("texts are there");
        self.state.checkpoint_is_current();
    }

    pub(super) fn restart(&mut self) {
        self.checkpoint();
        self.state = restore(&self.checkpoint.records);
    }

    /// Pages of messages, each with its page of texts.
    pub(super) fn pages(&self) -> usize {
        let records = self.checkpoint.records.len() - 2 - self.state.account_count();
        assert_eq!(records % 2, 0);
        records / 2
    }

    pub(super) fn page_bytes(&self) -> usize {
        self.checkpoint
            .records
            .range((2, 0)..)
            .map(|(_, value)| value.len())
            .sum()
    }
}

pub(super) fn restore(records: &BTreeMap<(u8, u64), Vec<u8>>) -> State {
    let rows = records
        .iter()
        .map(|((table, key), value)| (*table, *key, value.clone()));
    Restoration::of_all(rows).expect("its own records can be read")
}

pub(super) fn connection(worker_session: u64, serial: u64) -> ConnectionId {
    ConnectionId {
        worker_session: WorkerSessionId(worker_session),
        serial: ConnectionSerial(serial),
    }
}

pub(super) fn send_action(recipients: &[&str], text: &str) -> Action {
    Action::Send {
        audience: Audience::Accounts(recipients.iter().copied().collect()),
        text: text.to_owned(),
    }
}

pub(super) fn register_action(name: &str) -> Action {
    Action::Register {
        name: name.into(),
        secret: format!("secret of {name}"),
    }
}

pub(super) fn sent_but_for(unknown: &[&str]) -> Outcome<'static> {
    Outcome::Stored {
        unknown: unknown.iter().copied().collect(),
    }
}

fn joined(names: &NameList<'_>) -> String {
    names.iter().collect::<Vec<_>>().join(" ")
}
