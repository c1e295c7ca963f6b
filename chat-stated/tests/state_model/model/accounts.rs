//! Accounts and logins.

use super::*;
use chat_model::Outcome;

impl Model {
    pub(super) fn add_account(&mut self, name: &str, secret: &str, filed: FileStatus) {
        self.accounts.push(Account {
            name: name.to_owned(),
            secret: secret.to_owned(),
            version: 0,
            password_version: 0,
            filed,
            disabled: false,
            gets_broadcasts: true,
            places: vec![Place::new(0)],
            tokens: BTreeMap::new(),
            allowance: None,
        });
    }

    pub(super) fn register(
        &mut self,
        name: &str,
        secret: &str,
        outcome: &mut Applied,
    ) -> Outcome<'static> {
        if self.id_of(name).is_some() || self.accounts.len() >= self.limits.accounts as usize {
            return Outcome::NameUnavailable;
        }
        self.add_account(name, secret, FileStatus::No { previous: None });
        outcome.file_line = Some((name.to_owned(), 0, secret.to_owned()));
        Outcome::Registered
    }

    pub(super) fn log_in(
        &mut self,
        connection: ConnectionId,
        (account, address): (AccountId, IpAddr),
        (session, asked_ms): (UserSession, u64),
        password_version: u32,
        new_secret: Option<&String>,
        outcome: &mut Applied,
    ) -> Outcome<'static> {
        let id = account.0 as usize;
        if id >= self.accounts.len() {
            return Outcome::Refused;
        }
        if let Some(seconds_left) = self.block_seconds_left(id, address, self.now_ms) {
            return Outcome::Locked { seconds_left };
        }
        let account = &mut self.accounts[id];
        let is_right = account.password_version == password_version && !account.disabled;
        if is_right {
            self.failures_ms.remove(&(id, address));
        }
        if account.is_connected(session) {
            return Outcome::AlreadyLoggedIn;
        }
        if !is_right {
            return Outcome::PasswordNeeded;
        }
        if account.is_overtaken(session, asked_ms) {
            if let Some(connection) = self.connection_mut(connection) {
                connection.was_replaced = true;
            }
            return Outcome::Refused;
        }
        if let Some(secret) = new_secret {
            if account.filed == FileStatus::Yes {
                account.filed = FileStatus::No {
                    previous: Some(account.secret.as_str().into()),
                };
            }
            account.secret.clone_from(secret);
            account.version += 1;
            outcome.file_line = Some((account.name.clone(), account.version, secret.clone()));
        }
        self.begin_session(id, (session, asked_ms), connection, outcome);
        Outcome::LoggedIn
    }

    pub(super) fn change_password(
        &mut self,
        (connection, id): (ConnectionId, usize),
        address: IpAddr,
        password_version: u32,
        secret: &str,
        outcome: &mut Applied,
    ) -> Outcome<'static> {
        if let Some(seconds_left) = self.block_seconds_left(id, address, self.now_ms) {
            self.log_out(connection);
            return Outcome::Locked { seconds_left };
        }
        if self.accounts[id].password_version != password_version {
            return Outcome::PasswordNeeded;
        }
        self.failures_ms.remove(&(id, address));
        self.cut_off_but(id, Some(connection), outcome);
        self.give_password(id, secret);
        let account = &mut self.accounts[id];
        outcome.file_line = Some((account.name.clone(), account.version, secret.to_owned()));
        Outcome::Stored {
            unknown: NameList::new(),
        }
    }

    pub(super) fn give_password(&mut self, id: usize, secret: &str) {
        let account = &mut self.accounts[id];
        if account.filed == FileStatus::Yes {
            let previous = Some(account.secret.as_str().into());
            account.filed = FileStatus::No { previous };
        }
        account.secret = secret.to_owned();
        account.version += 1;
        account.password_version += 1;
        account.tokens.clear();
    }

    pub(super) fn failed_log_in(
        &mut self,
        account: AccountId,
        address: IpAddr,
    ) -> Outcome<'static> {
        let source = (account.0 as usize, address);
        if source.0 >= self.accounts.len() {
            return Outcome::Refused;
        }
        if let Some(seconds_left) = self.block_seconds_left(source.0, address, self.now_ms) {
            return Outcome::Locked { seconds_left };
        }
        let block_time_ms = self.limits.block_time_ms;
        let now_ms = self.now_ms;
        let failures_ms = self.failures_ms.entry(source).or_default();
        failures_ms.retain(|failure_ms| now_ms - failure_ms < block_time_ms);
        failures_ms.push(now_ms);
        if failures_ms.len() < 3 {
            return Outcome::PasswordNeeded;
        }
        failures_ms.clear();
        self.blocked_until_ms.insert(source, now_ms + block_time_ms);
        Outcome::Locked {
            seconds_left: block_time_ms.div_ceil(1_000),
        }
    }

    pub(super) fn change_account(&mut self, change: &AccountChange, outcome: &mut Applied) {
        match change {
            AccountChange::Set { name, secret } => match self.id_of(name) {
                None if self.accounts.len() < self.limits.accounts as usize => {
                    self.add_account(name, secret, FileStatus::Yes);
                }
                None => {}
                Some(id) => {
                    let account = &mut self.accounts[id];
                    if account.secret != *secret {
                        account.secret.clone_from(secret);
                        account.version += 1;
                        account.password_version += 1;
                    }
                    account.filed = FileStatus::Yes;
                    account.disabled = false;
                    account.gets_broadcasts = true;
                }
            },
            AccountChange::Disable { name } => {
                let Some(id) = self.id_of(name) else { return };
                self.accounts[id].disabled = true;
                self.accounts[id].tokens.clear();
                self.cut_off(id, outcome);
            }
        }
    }
}
