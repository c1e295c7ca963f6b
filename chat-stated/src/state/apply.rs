//! Deciding what comes of an entry.

use chat_model::{MessageNumber, Outcome, Progress, StreamOffset, WorkerSessionId};

use super::State;
use super::account_record::{AccountRecord, FileStatus};
use super::effects::{Decided, Effects, FileLine};
use super::failures::Failure;
use super::places::{Places, Reader};
use super::rate::Allowance;
use super::send::Draft;
use super::worker_sessions::Repeat;
use crate::entry::{AccountChange, Action, Entry, SecretInFile, Timestamp};
use chat_model::{AccountId, ConnectionId, RequestName};
use smallvec::SmallVec;

impl State {
    /// Lets the time pass up to a batch's stamp. To be called before the batch's entries are applied.
    pub fn advance_clock(&mut self, timestamp: &Timestamp) {
        self.clock.advance(timestamp);
        self.forget_old_sends();
    }

    /// Takes in one entry; `wall_ms` is its batch's wall time in milliseconds.
    pub fn apply(&mut self, entry: Entry, wall_ms: i64, effects: &mut Effects) {
        match entry {
            Entry::Configure(limits) => self.limits = limits,
            Entry::BeginWorkerSession { secret, pid } => {
                let worker_session = self.worker_sessions.begin(secret, pid);
                effects.worker_sessions_begun.push((worker_session, secret));
            }
            Entry::EndWorkerSession { worker_session } => self.end_worker_session(worker_session),
            Entry::ChangeAccounts(changes) => {
                for change in changes {
                    self.change_account(change, effects);
                }
            }
            Entry::FileStatus(secrets) => self.mark_in_file(&secrets),
            Entry::Request {
                name,
                answered,
                progress,
                action,
            } => self.apply_request(name, answered, progress, action, wall_ms, effects),
            Entry::Progress {
                connection,
                progress,
            } => self.progress_on(connection, progress),
            Entry::Close {
                connection,
                progress,
            } => {
                self.progress_on(connection, progress);
                self.end_session(connection);
                self.worker_sessions.close(connection);
            }
            Entry::SendBatch(sends) => self.apply_send_batch(&sends, wall_ms, effects),
            Entry::LimitWaiting(limits) => self.waiting_limits = limits,
            Entry::Operate { ticket, act } => self.operate(ticket, act, wall_ms, effects),
        }
    }

    fn apply_request(
        &mut self,
        request: RequestName,
        answered: StreamOffset,
        progress: Progress,
        action: Action,
        wall_ms: i64,
        effects: &mut Effects,
    ) {
        let Some(connection) = self.worker_sessions.connection_or_new(request.connection) else {
            return;
        };
        connection.forget_through(answered);
        let repeated = match connection.repeat(request.offset) {
            Repeat::New => None,
            Repeat::Decided(outcome) => Some(outcome),
            Repeat::PassedOver => Some(Outcome::DiskFull),
            Repeat::Unanswerable => Some(Outcome::Refused),
        };
        if let Some(outcome) = repeated {
            effects.decided.push(Decided {
                request,
                through: request.offset,
                outcome,
                after: None,
                exceeded: None,
                is_repeated: true,
            });
            return;
        }
        let logged_in = connection.account();
        if let Some(reader) = connection.reader() {
            self.progress(reader, progress);
        }
        let (outcome, after) = self.decide(request.connection, logged_in, action, wall_ms, effects);
        if let Some(connection) = self.worker_sessions.connection_mut(request.connection) {
            connection.keep(request.offset, &outcome);
        }
        effects.decided.push(Decided {
            request,
            through: request.offset,
            outcome,
            after,
            exceeded: effects.exceeded.take(),
            is_repeated: false,
        });
    }

    fn decide(
        &mut self,
        connection: ConnectionId,
        logged_in: Option<AccountId>,
        action: Action,
        wall_ms: i64,
        effects: &mut Effects,
    ) -> (Outcome<'static>, Option<FileLine>) {
        match (action, logged_in) {
            (Action::Register { name, secret }, None) => self.register(&name, &secret),
            (
                Action::LogIn {
                    account,
                    address,
                    password_version,
                    new_secret,
                },
                None,
            ) => self.log_in(connection, account, address, password_version, new_secret),
            (Action::FailedLogIn { account, address }, None) => (
                self.fail_log_in(connection, account, address, effects),
                None,
            ),
            (Action::Send { audience, text }, Some(sender)) => {
                let draft = Draft {
                    sender,
                    text: text.into(),
                    wall_ms,
                };
                (self.send(&audience, draft, effects), None)
            }
            (Action::SendOnce { id, audience, text }, Some(sender)) => {
                let draft = Draft {
                    sender,
                    text: text.into(),
                    wall_ms,
                };
                (self.send_once(id, &audience, draft, effects), None)
            }
            (Action::LogOut, Some(_)) => {
                self.end_session(connection);
                (Outcome::LoggedOut, None)
            }
            _ => (Outcome::Refused, None),
        }
    }

    fn register(&mut self, name: &str, secret: &str) -> (Outcome<'static>, Option<FileLine>) {
        if self.accounts.id_of(name).is_some()
            || self.accounts.len() >= self.limits.accounts as usize
        {
            return (Outcome::NameUnavailable, None);
        }
        let id = self.add_account(name, secret, FileStatus::No { previous: None });
        (Outcome::Registered, self.file_line(id))
    }

    pub(super) fn add_account(&mut self, name: &str, secret: &str, filed: FileStatus) -> AccountId {
        let id = self.accounts.add(AccountRecord {
            name: name.into(),
            secret: secret.into(),
            secret_version: 0,
            password_version: 0,
            filed,
            disabled: false,
            broadcasts_after: Some(MessageNumber(0)),
            broadcasts: Allowance::default(),
            places: Places::beginning_after(self.last_message.number),
        });
        self.accounts.change(id);
        id
    }

    pub(super) fn file_line(&self, id: AccountId) -> Option<FileLine> {
        let record = self.record(id)?;
        Some(FileLine {
            filed: SecretInFile {
                account: id,
                secret_version: record.secret_version,
            },
            name: record.name.clone(),
            secret: record.secret.clone(),
        })
    }

    fn log_in(
        &mut self,
        connection: ConnectionId,
        id: AccountId,
        address: std::net::IpAddr,
        password_version: u32,
        new_secret: Option<String>,
    ) -> (Outcome<'static>, Option<FileLine>) {
        let now = self.clock.now();
        let source = Self::source(id, address);
        let Some(record) = self.record(id) else {
            return (Outcome::Refused, None);
        };
        if let Some(seconds_left) = self.failures.block_seconds_left(&source, now) {
            return (Outcome::Locked { seconds_left }, None);
        }
        let is_right = !record.disabled && record.password_version == password_version;
        let is_connected = record.places.is_online();
        if is_right {
            self.failures.clear(&source);
        }
        if is_connected {
            return (Outcome::AlreadyLoggedIn, None);
        }
        if !is_right {
            return (Outcome::PasswordNeeded, None);
        }
        let reader = Reader::first(id);
        self.accounts.log_in(reader, connection);
        if let Some(connection) = self.worker_sessions.connection_mut(connection) {
            connection.log_in(reader);
        }
        let line = new_secret.and_then(|secret| {
            self.replace_secret(id, &secret);
            self.file_line(id)
        });
        (Outcome::LoggedIn, line)
    }

    pub(super) fn replace_secret(&mut self, id: AccountId, secret: &str) {
        let record = &mut self.accounts.change(id).record;
        let previous = match std::mem::replace(&mut record.filed, FileStatus::Yes) {
            FileStatus::Yes => Some(record.secret.clone()),
            FileStatus::No { previous } => previous,
        };
        record.filed = FileStatus::No { previous };
        record.secret = secret.into();
        record.secret_version += 1;
    }

    fn fail_log_in(
        &mut self,
        connection: ConnectionId,
        id: AccountId,
        address: std::net::IpAddr,
        effects: &mut Effects,
    ) -> Outcome<'static> {
        if self.record(id).is_none() {
            return Outcome::Refused;
        }
        let source = Self::source(id, address);
        let now = self.clock.now();
        match self.failures.record(source, now, self.limits.block_time_ms) {
            Failure::Counted => Outcome::PasswordNeeded,
            Failure::Began { seconds_left } => {
                effects.block_began = Some(connection);
                Outcome::Locked { seconds_left }
            }
            Failure::Blocked { seconds_left } => Outcome::Locked { seconds_left },
        }
    }

    fn progress_on(&mut self, connection: ConnectionId, progress: Progress) {
        if let Some(reader) = self.reader_on(connection) {
            self.progress(reader, progress);
        }
    }

    pub(super) fn progress(&mut self, reader: Reader, progress: Progress) {
        // A worker that says too much must not make messages vanish that are yet to come.
        let newest = self.last_message.number;
        let received = progress.acknowledged.max(progress.confirmed).min(newest);
        let had = progress.confirmed.min(newest);
        let account = self.accounts.get(reader.account);
        let place = account.and_then(|account| account.record.places.get(reader.place));
        if place.is_none_or(|place| received <= place.received() && had <= place.cursor()) {
            return;
        }
        self.change_places(reader.account, |places| {
            if let Some(place) = places.get_mut(reader.place) {
                place.progress(received, had);
            }
        });
    }

    /// Every place of an account is behind a message.
    pub(super) fn progress_of_all(&mut self, account: AccountId, through: MessageNumber) {
        let progress = Progress {
            sent: through,
            acknowledged: through,
            confirmed: through,
        };
        let readers: SmallVec<[Reader; 1]> = self.readers(account).collect();
        for reader in readers {
            self.progress(reader, progress);
        }
    }

    /// Changes places, none of which goes back. What all are behind then leaves the queue.
    fn change_places(&mut self, id: AccountId, change: impl FnOnce(&mut Places)) {
        let account = self.accounts.change(id);
        let before = account.record.places.cursor();
        let broadcasts_before = account.record.broadcast_cursor();
        change(&mut account.record.places);
        let (cursor, received) = {
            let places = &account.record.places;
            (places.cursor(), places.received())
        };
        let shares_before = account.queue.shares();
        account.queue.receive_through(received, &self.messages);
        if cursor > before {
            while let Some(key) = account.queue.pop_through(cursor, &self.messages) {
                self.messages.read_by_one(key);
            }
        }
        let shares = account.queue.shares();
        self.messages
            .waiting_bytes
            .shares_changed(shares_before, shares);
        if cursor > before
            && let Some(broadcasts_before) = broadcasts_before
        {
            self.messages
                .broadcasts_read_by(id, broadcasts_before, cursor);
        }
    }

    fn end_session(&mut self, connection: ConnectionId) {
        let now = self.clock.now();
        if let Some(ended) = self.worker_sessions.connection_mut(connection)
            && let Some(reader) = ended.log_out()
        {
            self.accounts.log_out(reader, now, &mut self.messages);
        }
    }

    fn end_worker_session(&mut self, worker_session: WorkerSessionId) {
        let now = self.clock.now();
        if let Some(ended) = self.worker_sessions.end(worker_session) {
            for reader in ended
                .connections
                .iter()
                .filter_map(|(_, connection)| connection.reader())
            {
                self.accounts.log_out(reader, now, &mut self.messages);
            }
        }
    }

    fn change_account(&mut self, change: AccountChange, effects: &mut Effects) {
        match change {
            AccountChange::Set { name, secret } => {
                self.set_account(&name, &secret);
            }
            AccountChange::Disable { name } => {
                if let Some(id) = self.accounts.id_of(&name) {
                    self.accounts.change(id).record.disabled = true;
                    self.cut_off(id, effects);
                }
            }
        }
    }

    /// Makes an account as the account file has it, or gives it that secret. Gives the number of an account whose
    /// password that changes.
    pub(super) fn set_account(&mut self, name: &str, secret: &str) -> Option<AccountId> {
        let Some(id) = self.accounts.id_of(name) else {
            if self.accounts.len() < self.limits.accounts as usize {
                self.add_account(name, secret, FileStatus::Yes);
            }
            return None;
        };
        let record = &mut self.accounts.change(id).record;
        let is_changed = *record.secret != *secret;
        if is_changed {
            record.secret = secret.into();
            record.secret_version += 1;
            record.password_version += 1;
        }
        record.filed = FileStatus::Yes;
        record.disabled = false;
        self.take_broadcasts(id);
        is_changed.then_some(id)
    }

    /// Ends all sessions of an account.
    pub(super) fn cut_off(&mut self, id: AccountId, effects: &mut Effects) {
        let record = self.record(id);
        let sessions: SmallVec<[ConnectionId; 1]> = record
            .into_iter()
            .flat_map(|record| record.places.sessions())
            .collect();
        for session in sessions {
            self.end_session(session);
            effects.cut_off.push(session);
        }
    }

    fn mark_in_file(&mut self, secrets: &[SecretInFile]) {
        for secret in secrets {
            let is_newest = self
                .record(secret.account)
                .is_some_and(|record| record.secret_version == secret.secret_version);
            if is_newest {
                self.accounts.change(secret.account).record.filed = FileStatus::Yes;
            }
        }
    }
}
