//! The state as the protocol tells it, in the plainest data there is: a queue is a list of whole messages, a
//! broadcast a copy in every list. No cursors, no shared storage, nothing clever.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use chat_shared::protocol::name::may_be_registered;
use chat_shared::rpc::{ConnectionSerial, LifeId, Progress};
use chat_stated::entry::{
    AccountChange, AccountId, Action, ConnectionId, Entry, Limits, RequestName, Stamp,
};
use chat_stated::state::{Decision, Filed, Named};

const MS_PER_MINUTE: u64 = 60_000;

#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) wall_s: i64,
    pub(super) sender: usize,
    pub(super) text: String,
    pub(super) broadcast: bool,
    /// The reader's TCP has it.
    received: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) secret: String,
    pub(super) version: u32,
    pub(super) password_version: u32,
    pub(super) filed: Filed,
    pub(super) disabled: bool,
    pub(super) session: Option<ConnectionId>,
    pub(super) queue: Vec<Waiting>,
    last_seen_ms: Option<u64>,
    /// Sixty-thousandths of broadcasts left, and when that was so.
    allowance: Option<(u64, u64)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    pub(super) account: Option<usize>,
    /// By offset; `None` for an answer that the worker said it has.
    pub(super) decided: BTreeMap<u64, Option<Decision>>,
}

/// What an entry must lead to outside.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) decided: Vec<(RequestName, Decision)>,
    /// Name, version and secret of the line that has to be filed before the decision is told.
    pub(super) file_line: Option<(String, u32, String)>,
    pub(super) lives_begun: Vec<u64>,
    pub(super) reached: BTreeSet<u32>,
    pub(super) broadcast: bool,
    pub(super) cut_off: Vec<ConnectionId>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) limits: Limits,
    pub(super) accounts: Vec<Account>,
    pub(super) lives: BTreeMap<u64, BTreeMap<u64, Connection>>,
    pub(super) last_message: u64,
    pub(super) now_ms: u64,
    last_life: u64,
    last_stamp: Option<Stamp>,
    failures_ms: BTreeMap<(usize, IpAddr), Vec<u64>>,
    blocked_until_ms: BTreeMap<(usize, IpAddr), u64>,
}

impl Model {
    pub(super) fn advance(&mut self, stamp: &Stamp) {
        self.now_ms = self.time_at(stamp);
        self.last_stamp = Some(*stamp);
    }

    pub(super) fn time_at(&self, stamp: &Stamp) -> u64 {
        let Some(last) = &self.last_stamp else {
            return self.now_ms;
        };
        let passed_ms = if last.boot_id == stamp.boot_id {
            i128::from(stamp.boot_ms) - i128::from(last.boot_ms)
        } else {
            i128::from(stamp.wall_ms) - i128::from(last.wall_ms)
        };
        self.now_ms + passed_ms.max(0) as u64
    }

    pub(super) fn id_of(&self, name: &str) -> Option<usize> {
        self.accounts
            .iter()
            .position(|account| account.name == name)
    }

    pub(super) fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.lives.get(&id.life.0)?.get(&id.serial.0)
    }

    fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.lives.get_mut(&id.life.0)?.get_mut(&id.serial.0)
    }

    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        let mut all = Vec::new();
        for (life, connections) in &self.lives {
            for serial in connections.keys() {
                all.push(ConnectionId {
                    life: LifeId(*life),
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
            .flat_map(|account| account.queue.iter().map(|message| message.number))
            .collect();
        numbers.len()
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

    pub(super) fn look_up(&self, name: &str, address: IpAddr, stamp: &Stamp) -> Named {
        let Some(id) = self.id_of(name) else {
            return match may_be_registered(name) {
                true => Named::Register,
                false => Named::Username,
            };
        };
        let account = &self.accounts[id];
        match self.block_seconds_left(id, address, self.time_at(stamp)) {
            Some(seconds_left) => Named::Blocked { seconds_left },
            None if account.disabled => Named::Username,
            None if account.session.is_some() => Named::Connected,
            None => Named::Password,
        }
    }

    /// Names of those online and, with minutes given, of those who were within so many.
    pub(super) fn online(&self, within: Option<(u64, &Stamp)>) -> String {
        let mut names: Vec<&str> = self
            .accounts
            .iter()
            .filter(|account| {
                let seen = within.is_some_and(|(minutes, stamp)| {
                    account.last_seen_ms.is_some_and(|seen_ms| {
                        u128::from(self.time_at(stamp) - seen_ms) <= u128::from(minutes) * 60_000
                    })
                });
                account.session.is_some() || seen
            })
            .map(|account| account.name.as_str())
            .collect();
        names.sort_unstable();
        names.join(" ")
    }

    pub(super) fn apply(&mut self, entry: &Entry, wall_s: i64) -> Outcome {
        let mut outcome = Outcome::default();
        match entry {
            Entry::Configure(limits) => self.limits = *limits,
            Entry::BeginLife { .. } => {
                self.last_life += 1;
                self.lives.insert(self.last_life, BTreeMap::new());
                outcome.lives_begun.push(self.last_life);
            }
            Entry::EndLife { life } => {
                for connection in self.connections() {
                    if connection.life == *life {
                        self.log_out(connection);
                    }
                }
                self.lives.remove(&life.0);
            }
            Entry::ChangeAccounts(changes) => {
                for change in changes {
                    self.change_account(change, &mut outcome);
                }
            }
            Entry::Filed(secrets) => {
                for secret in secrets {
                    if let Some(account) = self.accounts.get_mut(secret.account.0 as usize)
                        && account.version == secret.secret_version
                    {
                        account.filed = Filed::Yes;
                    }
                }
            }
            Entry::Request {
                name,
                answered,
                progress,
                action,
            } => self.request(*name, answered.0, progress, action, wall_s, &mut outcome),
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
                if let Some(connections) = self.lives.get_mut(&connection.life.0) {
                    connections.remove(&connection.serial.0);
                }
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
        wall_s: i64,
        outcome: &mut Outcome,
    ) {
        let Some(connections) = self.lives.get_mut(&name.connection.life.0) else {
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
            let decision = self.decide(name.connection, action, wall_s, outcome);
            if let Some(connection) = self.connection_mut(name.connection) {
                connection
                    .decided
                    .insert(name.offset.0, Some(decision.clone()));
            }
            decision
        } else {
            let first = connection.decided.get(&name.offset.0).cloned().flatten();
            first.unwrap_or(Decision::Refused)
        };
        outcome.decided.push((name, decision));
    }

    fn decide(
        &mut self,
        connection: ConnectionId,
        action: &Action,
        wall_s: i64,
        outcome: &mut Outcome,
    ) -> Decision {
        let logged_in = self
            .connection(connection)
            .and_then(|connection| connection.account);
        match (action, logged_in) {
            (Action::Register { name, secret }, None) => self.register(name, secret, outcome),
            (
                Action::LogIn {
                    account,
                    address,
                    password_version,
                    new_secret,
                },
                None,
            ) => self.log_in(
                connection,
                (*account, *address),
                *password_version,
                new_secret.as_ref(),
                outcome,
            ),
            (Action::FailedLogIn { account, address }, None) => {
                self.failed_log_in(*account, *address)
            }
            (Action::Send { recipients, text }, Some(sender)) => {
                self.send(sender, recipients, text, wall_s, outcome)
            }
            (Action::Broadcast { text }, Some(sender)) => {
                self.broadcast(sender, text, wall_s, outcome)
            }
            (Action::LogOut, Some(_)) => {
                self.log_out(connection);
                Decision::LoggedOut
            }
            _ => Decision::Refused,
        }
    }

    fn add_account(&mut self, name: &str, secret: &str, filed: Filed) {
        self.accounts.push(Account {
            name: name.to_owned(),
            secret: secret.to_owned(),
            version: 0,
            password_version: 0,
            filed,
            disabled: false,
            session: None,
            queue: Vec::new(),
            last_seen_ms: None,
            allowance: None,
        });
    }

    fn register(&mut self, name: &str, secret: &str, outcome: &mut Outcome) -> Decision {
        if self.id_of(name).is_some() || self.accounts.len() >= self.limits.accounts as usize {
            return Decision::Username;
        }
        self.add_account(name, secret, Filed::No { previous: None });
        outcome.file_line = Some((name.to_owned(), 0, secret.to_owned()));
        Decision::Registered
    }

    fn log_in(
        &mut self,
        connection: ConnectionId,
        (account, address): (AccountId, IpAddr),
        password_version: u32,
        new_secret: Option<&String>,
        outcome: &mut Outcome,
    ) -> Decision {
        let id = account.0 as usize;
        if id >= self.accounts.len() {
            return Decision::Refused;
        }
        if let Some(seconds_left) = self.block_seconds_left(id, address, self.now_ms) {
            return Decision::Locked { seconds_left };
        }
        let account = &mut self.accounts[id];
        let is_right = account.password_version == password_version && !account.disabled;
        if is_right {
            self.failures_ms.remove(&(id, address));
        }
        if account.session.is_some() {
            return Decision::Connected;
        }
        if !is_right {
            return Decision::Password;
        }
        account.session = Some(connection);
        if let Some(secret) = new_secret {
            if account.filed == Filed::Yes {
                account.filed = Filed::No {
                    previous: Some(account.secret.as_str().into()),
                };
            }
            account.secret.clone_from(secret);
            account.version += 1;
            outcome.file_line = Some((account.name.clone(), account.version, secret.clone()));
        }
        if let Some(connection) = self.connection_mut(connection) {
            connection.account = Some(id);
        }
        Decision::Welcome
    }

    fn failed_log_in(&mut self, account: AccountId, address: IpAddr) -> Decision {
        let source = (account.0 as usize, address);
        if source.0 >= self.accounts.len() {
            return Decision::Refused;
        }
        if let Some(seconds_left) = self.block_seconds_left(source.0, address, self.now_ms) {
            return Decision::Locked { seconds_left };
        }
        let block_time_ms = self.limits.block_time_ms;
        let now_ms = self.now_ms;
        let failures_ms = self.failures_ms.entry(source).or_default();
        failures_ms.retain(|failure_ms| now_ms - failure_ms < block_time_ms);
        failures_ms.push(now_ms);
        if failures_ms.len() < 3 {
            return Decision::Password;
        }
        failures_ms.clear();
        self.blocked_until_ms.insert(source, now_ms + block_time_ms);
        Decision::Locked {
            seconds_left: block_time_ms.div_ceil(1_000),
        }
    }

    fn has_room(&self, reader: usize, sender: usize, text_bytes: u64) -> bool {
        let counting: Vec<&Waiting> = self.accounts[reader]
            .queue
            .iter()
            .filter(|message| !message.broadcast && !message.received)
            .collect();
        let bytes_of = |messages: &[&Waiting]| -> u64 {
            messages
                .iter()
                .map(|message| message.text.len() as u64)
                .sum()
        };
        let of_sender: Vec<&Waiting> = counting
            .iter()
            .copied()
            .filter(|message| message.sender == sender)
            .collect();
        let limits = &self.limits;
        let percent = u64::from(limits.sender_share_percent);
        let share_messages = (u64::from(limits.queue_messages) * percent / 100).max(1);
        let share_bytes = limits.queue_bytes * percent / 100;
        (counting.len() as u64) < u64::from(limits.queue_messages)
            && bytes_of(&counting) + text_bytes <= limits.queue_bytes
            && (of_sender.len() as u64) < share_messages
            && bytes_of(&of_sender) + text_bytes <= share_bytes
    }

    fn send(
        &mut self,
        sender: usize,
        recipients: &str,
        text: &str,
        wall_s: i64,
        outcome: &mut Outcome,
    ) -> Decision {
        let mut unknown: Vec<String> = Vec::new();
        let mut readers = BTreeSet::new();
        for name in recipients.split(' ') {
            match self.id_of(name) {
                Some(id) => {
                    readers.insert(id);
                }
                None if !unknown.iter().any(|other| other == name) => unknown.push(name.to_owned()),
                None => {}
            }
        }
        let text_bytes = text.len() as u64;
        if readers
            .iter()
            .any(|reader| !self.has_room(*reader, sender, text_bytes))
        {
            return Decision::Quota;
        }
        if !readers.is_empty() {
            self.last_message += 1;
        }
        for reader in readers {
            self.put(reader, sender, text, wall_s, false);
            outcome.reached.insert(reader as u32);
        }
        Decision::Sent { unknown }
    }

    fn put(&mut self, reader: usize, sender: usize, text: &str, wall_s: i64, broadcast: bool) {
        self.accounts[reader].queue.push(Waiting {
            number: self.last_message,
            wall_s,
            sender,
            text: text.to_owned(),
            broadcast,
            received: false,
        });
    }

    fn broadcast(
        &mut self,
        sender: usize,
        text: &str,
        wall_s: i64,
        outcome: &mut Outcome,
    ) -> Decision {
        let waiting: BTreeMap<u64, usize> = self
            .accounts
            .iter()
            .flat_map(|account| &account.queue)
            .filter(|message| message.broadcast)
            .map(|message| (message.number, message.text.len()))
            .collect();
        let bytes = waiting.values().sum::<usize>() + text.len();
        if waiting.len() >= self.limits.broadcast_messages as usize
            || bytes as u64 > self.limits.broadcast_bytes
            || !self.may_broadcast(sender)
        {
            return Decision::Quota;
        }
        self.last_message += 1;
        for reader in (0..self.accounts.len()).filter(|reader| *reader != sender) {
            self.put(reader, sender, text, wall_s, true);
            outcome.broadcast = true;
        }
        Decision::Sent {
            unknown: Vec::new(),
        }
    }

    /// So many broadcasts at once, then evenly over a minute.
    fn may_broadcast(&mut self, sender: usize) -> bool {
        let per_minute = u64::from(self.limits.broadcasts_per_minute);
        let full = per_minute * MS_PER_MINUTE;
        let left = match self.accounts[sender].allowance {
            None => full,
            Some((left, at_ms)) => full.min(left + (self.now_ms - at_ms) * per_minute),
        };
        if left < MS_PER_MINUTE {
            return false;
        }
        self.accounts[sender].allowance = Some((left - MS_PER_MINUTE, self.now_ms));
        true
    }

    fn progress(&mut self, connection: ConnectionId, progress: &Progress) {
        let Some(id) = self
            .connection(connection)
            .and_then(|connection| connection.account)
        else {
            return;
        };
        let queue = &mut self.accounts[id].queue;
        queue.retain(|message| message.number > progress.had.0);
        for message in queue {
            message.received |= message.number <= progress.received.0;
        }
    }

    fn log_out(&mut self, connection: ConnectionId) {
        let now_ms = self.now_ms;
        let Some(id) = self
            .connection_mut(connection)
            .and_then(|connection| connection.account.take())
        else {
            return;
        };
        let account = &mut self.accounts[id];
        account.session = None;
        account.last_seen_ms = Some(now_ms);
        for message in &mut account.queue {
            message.received = false;
        }
    }

    fn change_account(&mut self, change: &AccountChange, outcome: &mut Outcome) {
        match change {
            AccountChange::Set { name, secret } => match self.id_of(name) {
                None if self.accounts.len() < self.limits.accounts as usize => {
                    self.add_account(name, secret, Filed::Yes);
                }
                None => {}
                Some(id) => {
                    let account = &mut self.accounts[id];
                    if account.secret != *secret {
                        account.secret.clone_from(secret);
                        account.version += 1;
                        account.password_version += 1;
                    }
                    account.filed = Filed::Yes;
                    account.disabled = false;
                }
            },
            AccountChange::Disable { name } => {
                let Some(id) = self.id_of(name) else { return };
                self.accounts[id].disabled = true;
                if let Some(session) = self.accounts[id].session {
                    self.log_out(session);
                    outcome.cut_off.push(session);
                }
            }
        }
    }
}
