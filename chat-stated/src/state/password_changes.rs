//! Passwords that users change themselves.

use std::net::IpAddr;

use chat_model::{AccountId, ConnectionId, NameList, Outcome};

use super::State;
use super::effects::{Effects, FileLine};

impl State {
    /// The current password was right. All other sessions of the user end, and all tokens.
    pub(super) fn change_password(
        &mut self,
        (connection, account): (ConnectionId, AccountId),
        address: IpAddr,
        password_version: u32,
        secret: &str,
        effects: &mut Effects,
    ) -> (Outcome<'static>, Option<FileLine>) {
        let source = Self::source(account, address);
        let now = self.clock.now();
        if let Some(seconds_left) = self.failures.block_seconds_left(&source, now) {
            self.end_session(connection);
            return (Outcome::Locked { seconds_left }, None);
        }
        let record = self.record(account);
        if record.is_none_or(|record| record.password_version != password_version) {
            return (Outcome::PasswordNeeded, None);
        }
        self.failures.clear(&source);
        self.cut_off_but(account, Some(connection), effects);
        self.give_password(account, secret);
        let unknown = NameList::new();
        (Outcome::Stored { unknown }, self.file_line(account))
    }

    /// The current password was wrong. A block ends the session.
    pub(super) fn fail_password_change(
        &mut self,
        (connection, account): (ConnectionId, AccountId),
        address: IpAddr,
        effects: &mut Effects,
    ) -> Outcome<'static> {
        let outcome = self.fail_log_in(connection, account, address, effects);
        if matches!(outcome, Outcome::Locked { .. }) {
            self.end_session(connection);
        }
        outcome
    }

    /// An account has another password from now on, which no token stands for.
    pub(super) fn give_password(&mut self, account: AccountId, secret: &str) {
        self.replace_secret(account, secret);
        self.accounts.change(account).record.password_version += 1;
        self.drop_tokens_of(account);
    }
}
