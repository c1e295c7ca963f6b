//! Deciding what comes of an entry.

use chat_model::{MessageNumber, Outcome, Progress, StreamOffset};

use super::State;
use super::account_record::{AccountRecord, BroadcastsAfter, FileStatus};
use super::effects::{Decided, Effects, FileLine};
use super::failures::Failure;
use super::hosts::Before;
use super::membership::Memberships;
use super::places::Places;
use super::rate::Allowance;
use super::send::Draft;
use super::sessions::Login;
use super::worker_sessions::Repeat;
use crate::entry::{AccountChange, Action, Entry, HostId, SecretInFile, Timestamp};
use chat_model::{AccountId, ConnectionId, RequestName};

impl State {
    /// Lets the time pass up to the stamp of a batch of this host, if there are several. To be called before the
    /// batch's entries are applied.
    pub fn advance_clock(
        &mut self,
        timestamp: &Timestamp,
        host: Option<HostId>,
        effects: &mut Effects,
    ) {
        self.clock.advance(timestamp, host);
        self.forget_old_sends();
        self.give_up_unused_places();
        self.forget_old_history(effects);
    }

    /// Takes in one entry; `wall_ms` is its batch's wall time in milliseconds.
    pub fn apply(&mut self, entry: Entry, wall_ms: i64, effects: &mut Effects) {
        let before = Before::of(effects);
        self.apply_entry(entry, wall_ms, effects);
        self.digest_decisions(before, effects);
    }

    fn apply_entry(&mut self, entry: Entry, wall_ms: i64, effects: &mut Effects) {
        match entry {
            Entry::Configure(limits) => self.limits = limits,
            Entry::BeginWorkerSession { secret, pid, host } => {
                if host.is_some_and(|host| !self.hosts.has(host)) {
                    return;
                }
                let worker_session = self.worker_sessions.begin(secret, pid, host);
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
            Entry::LimitSessions(limits) => self.session_limits = limits,
            Entry::LimitRooms(limits) => self.rooms.limits = limits,
            Entry::KeepHistory(rules) => self.keeping.rules = rules,
            Entry::LimitHistory(limits) => self.limit_history(limits),
            Entry::BeginHost { host, name } => self.begin_host(host, name),
            Entry::EndHost { host } => self.end_host(host),
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
        if let Some(reader) = connection.session().and_then(|it| it.reader()) {
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
                    session,
                    address,
                    password_version,
                    new_secret,
                    asked_boot_ms,
                },
                None,
            ) => {
                let asked_at = asked_boot_ms.map(|boot_ms| self.clock.time_of(boot_ms));
                let login = Login {
                    account,
                    session,
                    address,
                    password_version,
                    new_secret,
                    asked_at: asked_at.unwrap_or(self.clock.now()),
                };
                self.log_in(connection, login, effects)
            }
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
            (Action::DropSession { session }, Some(account)) => {
                (self.drop_session(account, &session), None)
            }
            (Action::ChangeRoom { room, act }, Some(actor)) => {
                let outcome = self.change_room(actor, &room, &act, wall_ms, effects);
                (outcome, None)
            }
            (Action::DropRoom { room }, Some(actor)) => {
                let outcome = self.drop_room_of_owner(actor, &room, wall_ms, effects);
                (outcome, None)
            }
            (Action::NewToken { name, digest }, Some(account)) => {
                (self.new_token(account, &name, digest, effects), None)
            }
            (Action::DropToken { name }, Some(account)) => (self.drop_token(account, &name), None),
            (
                Action::ChangePassword {
                    address,
                    password_version,
                    secret,
                },
                Some(account),
            ) => {
                let who = (connection, account);
                self.change_password(who, address, password_version, &secret, effects)
            }
            (Action::FailPasswordChange { address }, Some(account)) => {
                let who = (connection, account);
                (self.fail_password_change(who, address, effects), None)
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
            broadcasts_after: BroadcastsAfter::of(Some(MessageNumber(0))),
            broadcasts: Allowance::default(),
            places: Places::beginning_after(self.last_message.number),
            memberships: Memberships::default(),
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

    pub(super) fn fail_log_in(
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

    fn change_account(&mut self, change: AccountChange, effects: &mut Effects) {
        match change {
            AccountChange::Set { name, secret } => {
                self.set_account(&name, &secret);
            }
            AccountChange::Disable { name } => {
                if let Some(id) = self.accounts.id_of(&name) {
                    self.accounts.change(id).record.disabled = true;
                    self.drop_tokens_of(id);
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
            self.drop_tokens_of(id);
        }
        let record = &mut self.accounts.change(id).record;
        record.filed = FileStatus::Yes;
        record.disabled = false;
        self.take_broadcasts(id);
        is_changed.then_some(id)
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
