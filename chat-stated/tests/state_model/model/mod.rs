//! The state as the protocol tells it, in the plainest data there is: a queue is a list of whole messages, a
//! broadcast a copy in every list. No cursors, no shared storage, nothing clever.

mod accounts;
mod messages;
mod once;
mod operations;
mod rooms;
mod sessions;

pub(super) use operations::ANY_LIMIT;
pub(super) use sessions::Place;

use once::SentOnce;
use rooms::{Room, ToRooms};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use chat_model::name::may_be_registered;
use chat_model::{AccountId, Audience, ConnectionId, NameList, Outcome, RequestName};
use chat_model::{ConnectionSerial, Progress, UserSession, WorkerSessionId};
use chat_stated::entry::{
    AccountChange, Action, Entry, Limits, SessionLimits, Timestamp, WaitingLimits,
};
use chat_stated::state::{FileStatus, OperatorOutcome};

const MS_PER_MINUTE: u64 = 60_000;

/// Whom a message names, by number.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Named {
    Account(usize),
    Room(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) time_ms: i64,
    pub(super) sender: usize,
    pub(super) text: String,
    pub(super) broadcast: bool,
    /// It stands in the queue because the reader was named.
    pub(super) is_named: bool,
    /// Numbers of the rooms that it stands in the queue for.
    by_rooms: BTreeSet<usize>,
    /// Numbers of the rooms that it was for and that the reader was in, the sender too.
    in_rooms: BTreeSet<usize>,
    to_rooms: ToRooms,
    /// Whom it names, in the order in which they were named, each once; nobody for a broadcast.
    named: Vec<Named>,
    /// How many names it went to.
    readers: usize,
    /// The reader's TCP has it.
    pub(super) received: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) secret: String,
    pub(super) version: u32,
    pub(super) password_version: u32,
    pub(super) filed: FileStatus,
    pub(super) disabled: bool,
    pub(super) gets_broadcasts: bool,
    /// In the order in which they were made.
    pub(super) places: Vec<Place>,
    /// By name.
    pub(super) tokens: BTreeMap<String, [u8; 32]>,
    /// Sixty-thousandths of broadcasts left, and when that was so.
    allowance: Option<(u64, u64)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    pub(super) account: Option<usize>,
    /// None, if its session only sends.
    pub(super) place: Option<u8>,
    pub(super) was_replaced: bool,
    /// By offset; `None` for an answer that the worker said it has.
    pub(super) decided: BTreeMap<u64, Option<Outcome<'static>>>,
}

/// What an entry must lead to outside.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Applied {
    pub(super) decided: Vec<(RequestName, Outcome<'static>)>,
    /// Name, version and secret of the line that has to be filed before the decision is told.
    pub(super) file_line: Option<(String, u32, String)>,
    pub(super) worker_sessions_begun: Vec<u64>,
    pub(super) reached: BTreeSet<u32>,
    pub(super) broadcast: bool,
    pub(super) cut_off: Vec<ConnectionId>,
    pub(super) replaced: Vec<ConnectionId>,
    pub(super) operated: Vec<(u64, OperatorOutcome)>,
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) limits: Limits,
    pub(super) waiting_limits: WaitingLimits,
    pub(super) session_limits: SessionLimits,
    pub(super) accounts: Vec<Account>,
    pub(super) worker_sessions: BTreeMap<u64, BTreeMap<u64, Connection>>,
    pub(super) last_message: u64,
    /// Its time.
    last_message_ms: i64,
    pub(super) now_ms: u64,
    last_worker_session: u64,
    /// Hosts that take part, each with its worker sessions; under 0 those of the time without hosts.
    hosts: BTreeMap<u64, BTreeSet<u64>>,
    pub(super) last_host: u64,
    last_timestamp: Option<Timestamp>,
    failures_ms: BTreeMap<(usize, IpAddr), Vec<u64>>,
    blocked_until_ms: BTreeMap<(usize, IpAddr), u64>,
    sent_once: SentOnce,
    pub(super) rooms: Vec<Room>,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            limits: Limits::INITIAL,
            waiting_limits: WaitingLimits::INITIAL,
            session_limits: SessionLimits::INITIAL,
            accounts: Vec::new(),
            worker_sessions: BTreeMap::new(),
            last_message: 0,
            last_message_ms: 0,
            now_ms: 0,
            last_worker_session: 0,
            hosts: BTreeMap::from([(0, BTreeSet::new())]),
            last_host: 0,
            last_timestamp: None,
            failures_ms: BTreeMap::new(),
            blocked_until_ms: BTreeMap::new(),
            sent_once: SentOnce::default(),
            rooms: Vec::new(),
        }
    }

    pub(super) fn advance(&mut self, timestamp: &Timestamp) {
        self.now_ms = self.time_at(timestamp);
        self.last_timestamp = Some(*timestamp);
        self.sent_once.forget_old(self.now_ms);
        self.give_up_places();
    }

    pub(super) fn time_at(&self, timestamp: &Timestamp) -> u64 {
        let Some(last) = &self.last_timestamp else {
            return self.now_ms;
        };
        let passed_ms = if last.boot_id == timestamp.boot_id {
            i128::from(timestamp.boot_ms) - i128::from(last.boot_ms)
        } else {
            i128::from(timestamp.wall_ms) - i128::from(last.wall_ms)
        };
        self.now_ms + passed_ms.max(0) as u64
    }

    /// What the boot clock showed so long before the last stamp.
    pub(super) fn boot_ms_before(&self, waited_ms: i64) -> Option<u64> {
        let last = self.last_timestamp?;
        Some(last.boot_ms.saturating_add_signed(-waited_ms))
    }

    /// When a client asked, in the time of the state.
    fn asked_ms(&self, boot_ms: Option<u64>) -> u64 {
        let waited_ms = match (self.last_timestamp, boot_ms) {
            (Some(last), Some(boot_ms)) => i128::from(last.boot_ms) - i128::from(boot_ms),
            _ => 0,
        };
        (i128::from(self.now_ms) - waited_ms.max(-10_000)).max(0) as u64
    }

    pub(super) fn id_of(&self, name: &str) -> Option<usize> {
        self.accounts
            .iter()
            .position(|account| account.name == name)
    }

    pub(super) fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.worker_sessions
            .get(&id.worker_session.0)?
            .get(&id.serial.0)
    }

    fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.worker_sessions
            .get_mut(&id.worker_session.0)?
            .get_mut(&id.serial.0)
    }

    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        let mut all = Vec::new();
        for (worker_session, connections) in &self.worker_sessions {
            for serial in connections.keys() {
                all.push(ConnectionId {
                    worker_session: WorkerSessionId(*worker_session),
                    serial: ConnectionSerial(*serial),
                });
            }
        }
        all
    }

    pub(super) fn waiting_messages(&self) -> usize {
        let numbers: BTreeSet<u64> = self
            .accounts
            .iter()
            .flat_map(|account| account.queue().into_iter().map(|message| message.number))
            .collect();
        numbers.len()
    }

    /// Whether a member of a room has not read a message of it.
    pub(super) fn is_unread_in(&self, room: usize, number: u64) -> bool {
        let mut waiting = self.accounts.iter().flat_map(Account::queue);
        waiting.any(|message| message.number == number && message.by_rooms.contains(&room))
    }

    pub(super) fn block_seconds_left(
        &self,
        account: usize,
        address: IpAddr,
        now_ms: u64,
    ) -> Option<u64> {
        let until_ms = *self.blocked_until_ms.get(&(account, address))?;
        (until_ms > now_ms).then(|| (until_ms - now_ms).div_ceil(1_000))
    }

    /// Whom somebody means who typed this.
    pub(super) fn find_session(&self, typed: &str) -> Option<(usize, UserSession)> {
        if let Some(id) = self.id_of(typed) {
            return Some((id, UserSession::Plain));
        }
        let (name, session) = UserSession::split(typed)?;
        Some((self.id_of(name)?, session))
    }

    pub(super) fn look_up(
        &self,
        name: &str,
        address: IpAddr,
        timestamp: &Timestamp,
    ) -> Outcome<'static> {
        let Some((id, session)) = self.find_session(name) else {
            return match may_be_registered(name) {
                true => Outcome::NameFree,
                false => Outcome::NameUnavailable,
            };
        };
        let account = &self.accounts[id];
        match self.block_seconds_left(id, address, self.time_at(timestamp)) {
            Some(seconds_left) => Outcome::Blocked { seconds_left },
            None if account.disabled => Outcome::NameUnavailable,
            None if account.is_connected(session) => Outcome::AlreadyLoggedIn,
            None => Outcome::PasswordNeeded,
        }
    }

    /// Names of those online and, with minutes given, of those who were within so many.
    pub(super) fn online(&self, within: Option<(u64, &Timestamp)>) -> String {
        let mut names: Vec<&str> = self
            .accounts
            .iter()
            .filter(|account| {
                let seen = within.is_some_and(|(minutes, timestamp)| {
                    account.last_seen_ms().is_some_and(|seen_ms| {
                        u128::from(self.time_at(timestamp) - seen_ms)
                            <= u128::from(minutes) * 60_000
                    })
                });
                account.is_online() || seen
            })
            .map(|account| account.name.as_str())
            .collect();
        names.sort_unstable();
        names.join(" ")
    }

    pub(super) fn apply(&mut self, entry: &Entry, wall_ms: i64) -> Applied {
        let versions = |it: &Self| -> Vec<u32> {
            let accounts = it.accounts.iter();
            accounts.map(|account| account.password_version).collect()
        };
        let before = versions(self);
        let outcome = self.apply_entry(entry, wall_ms);
        for (account, before) in self.accounts.iter_mut().zip(before) {
            if account.disabled || account.password_version != before {
                account.tokens.clear();
            }
        }
        outcome
    }

    fn end_worker_session(&mut self, worker_session: u64) {
        for connection in self.connections() {
            if connection.worker_session.0 == worker_session {
                self.log_out(connection);
            }
        }
        self.worker_sessions.remove(&worker_session);
    }

    /// Hosts that take part, and how many worker sessions each has.
    pub(super) fn hosts(&self) -> Vec<(u64, usize)> {
        let hosts = self.hosts.iter().filter(|(host, _)| **host != 0);
        let open = |of_host: &BTreeSet<u64>| {
            let open = of_host.iter();
            open.filter(|it| self.worker_sessions.contains_key(it))
                .count()
        };
        hosts
            .map(|(host, of_host)| (*host, open(of_host)))
            .collect()
    }

    fn apply_entry(&mut self, entry: &Entry, wall_ms: i64) -> Applied {
        let mut outcome = Applied::default();
        match entry {
            Entry::Configure(limits) => self.limits = *limits,
            Entry::LimitWaiting(limits) => self.waiting_limits = *limits,
            Entry::LimitSessions(limits) => self.session_limits = *limits,
            Entry::LimitRooms(_) => unreachable!("no step makes it"),
            // What is kept is no part of the state that is compared here.
            Entry::KeepHistory(_) | Entry::LimitHistory(_) => {}
            Entry::BeginHost { host, .. } => {
                if host.0 > self.last_host {
                    self.last_host = host.0;
                    self.hosts.insert(host.0, BTreeSet::new());
                    for worker_session in std::mem::take(self.hosts.entry(0).or_default()) {
                        self.end_worker_session(worker_session);
                    }
                }
            }
            Entry::EndHost { host } => {
                for worker_session in self.hosts.remove(&host.0).unwrap_or_default() {
                    self.end_worker_session(worker_session);
                }
            }
            Entry::BeginWorkerSession { host, .. } => {
                let host = host.map_or(0, |host| host.0);
                let Some(of_host) = self.hosts.get_mut(&host) else {
                    return outcome;
                };
                self.last_worker_session += 1;
                of_host.insert(self.last_worker_session);
                self.worker_sessions
                    .insert(self.last_worker_session, BTreeMap::new());
                outcome.worker_sessions_begun.push(self.last_worker_session);
            }
            Entry::EndWorkerSession { worker_session } => {
                self.end_worker_session(worker_session.0);
            }
            Entry::ChangeAccounts(changes) => {
                for change in changes {
                    self.change_account(change, &mut outcome);
                }
            }
            Entry::FileStatus(secrets) => {
                for secret in secrets {
                    if let Some(account) = self.accounts.get_mut(secret.account.0 as usize)
                        && account.version == secret.secret_version
                    {
                        account.filed = FileStatus::Yes;
                    }
                }
            }
            Entry::Request {
                name,
                answered,
                progress,
                action,
            } => self.request(*name, answered.0, progress, action, wall_ms, &mut outcome),
            Entry::SendBatch(sends) => {
                for request in sends.requests() {
                    let Entry::Request {
                        name,
                        answered,
                        progress,
                        action,
                    } = request
                    else {
                        unreachable!("a line is a request");
                    };
                    self.request(name, answered.0, &progress, &action, wall_ms, &mut outcome);
                }
            }
            Entry::Progress {
                connection,
                progress,
            } => self.progress(*connection, progress),
            Entry::Close {
                connection,
                progress,
            } => {
                self.progress(*connection, progress);
                self.log_out(*connection);
                if let Some(connections) =
                    self.worker_sessions.get_mut(&connection.worker_session.0)
                {
                    connections.remove(&connection.serial.0);
                }
            }
            Entry::Operate { ticket, act } => {
                let result = self.operate(act, wall_ms, &mut outcome);
                outcome.operated.push((*ticket, result));
            }
        }
        outcome
    }

    fn request(
        &mut self,
        name: RequestName,
        answered: u64,
        progress: &Progress,
        action: &Action,
        wall_ms: i64,
        outcome: &mut Applied,
    ) {
        let Some(connections) = self
            .worker_sessions
            .get_mut(&name.connection.worker_session.0)
        else {
            return;
        };
        let connection = connections.entry(name.connection.serial.0).or_default();
        // What a worker says it has the answers of it will not ask for again.
        for (_, decision) in connection.decided.range_mut(..=answered) {
            *decision = None;
        }
        let last = connection.decided.last_key_value().map(|(last, _)| *last);
        let decision = if last.is_none_or(|last| name.offset.0 > last) {
            self.progress(name.connection, progress);
            let decision = self.decide(name.connection, action, wall_ms, outcome);
            if let Some(connection) = self.connection_mut(name.connection) {
                connection
                    .decided
                    .insert(name.offset.0, Some(decision.clone()));
            }
            decision
        } else {
            let first = connection.decided.get(&name.offset.0).cloned().flatten();
            first.unwrap_or(Outcome::Refused)
        };
        outcome.decided.push((name, decision));
    }

    fn new_token(&mut self, account: usize, name: &str, digest: [u8; 32]) -> Outcome<'static> {
        let tokens = &self.accounts[account].tokens;
        if tokens.contains_key(name) {
            return Outcome::NameUnavailable;
        }
        if tokens.len() == 16 {
            return Outcome::QueueFull;
        }
        if let Some(refusal) = self.waiting_refusal(account, messages::TOKEN_BYTES, 0) {
            return refusal;
        }
        self.accounts[account]
            .tokens
            .insert(name.to_owned(), digest);
        Outcome::Stored {
            unknown: NameList::new(),
        }
    }

    fn send_to(
        &mut self,
        sender: usize,
        audience: &Audience<'_>,
        text: &str,
        wall_ms: i64,
        outcome: &mut Applied,
    ) -> Outcome<'static> {
        match audience {
            Audience::Accounts(names) => self.send(sender, names, text, wall_ms, outcome),
            Audience::Everyone => self.broadcast(sender, text, wall_ms, outcome),
            Audience::Mixed(names) => self.send_mixed(sender, names, text, wall_ms, outcome),
        }
    }

    fn decide(
        &mut self,
        connection: ConnectionId,
        action: &Action,
        wall_ms: i64,
        outcome: &mut Applied,
    ) -> Outcome<'static> {
        let logged_in = self
            .connection(connection)
            .and_then(|connection| connection.account);
        match (action, logged_in) {
            (Action::Register { name, secret }, None) => self.register(name, secret, outcome),
            (
                Action::LogIn {
                    account,
                    session,
                    address,
                    password_version,
                    new_secret,
                    asked_boot_ms,
                },
                None,
            ) => {
                let asked_ms = self.asked_ms(*asked_boot_ms);
                self.log_in(
                    connection,
                    (*account, *address),
                    (*session, asked_ms),
                    *password_version,
                    new_secret.as_ref(),
                    outcome,
                )
            }
            (Action::FailedLogIn { account, address }, None) => {
                self.failed_log_in(*account, *address)
            }
            (Action::Send { audience, text }, Some(sender)) => {
                self.send_to(sender, audience, text, wall_ms, outcome)
            }
            (Action::NewToken { name, digest }, Some(account)) => {
                self.new_token(account, name, digest.0)
            }
            (Action::DropToken { name }, Some(account)) => {
                match self.accounts[account].tokens.remove(name) {
                    Some(_) => Outcome::Stored {
                        unknown: NameList::new(),
                    },
                    None => Outcome::NameUnavailable,
                }
            }
            (
                Action::ChangePassword {
                    address,
                    password_version,
                    secret,
                },
                Some(account),
            ) => {
                let who = (connection, account);
                self.change_password(who, *address, *password_version, secret, outcome)
            }
            (Action::FailPasswordChange { address }, Some(account)) => {
                let outcome = self.failed_log_in(AccountId(account as u32), *address);
                if matches!(outcome, Outcome::Locked { .. }) {
                    self.log_out(connection);
                }
                outcome
            }
            (Action::SendOnce { id, audience, text }, Some(sender)) => {
                self.send_once(sender, id.0, (audience, text), wall_ms, outcome)
            }
            (Action::DropSession { session }, Some(account)) => {
                self.drop_session(account, *session)
            }
            (Action::ChangeRoom { room, act }, Some(account)) => {
                self.change_room(account, room, act, wall_ms, outcome)
            }
            (Action::DropRoom { room }, Some(account)) => {
                self.drop_room_of_owner(account, room, wall_ms, outcome)
            }
            (Action::LogOut, Some(_)) => {
                self.log_out(connection);
                Outcome::LoggedOut
            }
            _ => Outcome::Refused,
        }
    }
}
