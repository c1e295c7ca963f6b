//! Passwords that users change themselves: the current one is checked, the new one hashed, and then it is journalled.

use std::net::IpAddr;

use chat_model::{AccountId, Outcome, Password};

use super::Core;
use super::logins::{MAX_PASSWORD_BYTES, What};
use super::requests::Asked;
use crate::entry::Action as Attempt;
use crate::passwords::pool::{PasswordJob, PasswordResult};

/// A change whose current password is checked, or whose new one is hashed.
#[derive(Debug)]
pub(super) struct PasswordChange {
    account: AccountId,
    /// Which of the account's passwords the current one is.
    password_version: u32,
    address: IpAddr,
    /// `None` once the current password was right.
    passwords: Option<Passwords>,
}

#[derive(Debug)]
struct Passwords {
    current: Password<'static>,
    new: Password<'static>,
}

impl Core {
    pub(super) fn take_password_change(
        &mut self,
        asked: Asked,
        (current, new): (&[u8], &[u8]),
        address: IpAddr,
    ) {
        self.logins.note_secret();
        if self.answer_again(asked) {
            return;
        }
        let connection = self.connection(asked.link, asked.serial);
        let account = connection.and_then(|connection| self.state.account_on(connection));
        let found = account.and_then(|account| Some((account, self.state.record(account)?)));
        let is_possible = !new.is_empty() && current.len().max(new.len()) <= MAX_PASSWORD_BYTES;
        let Some((account, record)) = found.filter(|_| is_possible) else {
            return self.answer(asked.link, asked.serial, asked.offset, Outcome::Refused);
        };
        let (password_version, secret) = (record.password_version, record.secret.to_string());
        let name = record.name.to_string();
        if !self.lets_log_in(asked, &name, address) {
            return;
        }
        let change = PasswordChange {
            account,
            password_version,
            address,
            passwords: None,
        };
        if self
            .logins
            .is_remembered(account, password_version, current)
        {
            return self.hash_new_password(asked, change, new.into());
        }
        let job = PasswordJob::Verify {
            secret,
            password: current.into(),
        };
        let passwords = Some(Passwords {
            current: current.into(),
            new: new.into(),
        });
        let change = PasswordChange {
            passwords,
            ..change
        };
        self.hash(asked, What::ChangePassword(change), address, job);
    }

    fn hash_new_password(&mut self, asked: Asked, change: PasswordChange, new: Password<'static>) {
        let address = change.address;
        let job = PasswordJob::Hash { password: new };
        self.hash(asked, What::ChangePassword(change), address, job);
    }

    /// The current password was compared, or the new one was hashed.
    pub(super) fn password_change_done(
        &mut self,
        asked: Asked,
        mut change: PasswordChange,
        result: PasswordResult,
    ) {
        let PasswordChange {
            account,
            password_version,
            address,
            ..
        } = change;
        match (change.passwords.take(), result) {
            (Some(_), PasswordResult::Verified { right: false, .. }) => {
                self.attempt(asked, Attempt::FailPasswordChange { address });
            }
            (Some(Passwords { current, new }), PasswordResult::Verified { .. }) => {
                self.logins.remember(account, password_version, &current);
                self.hash_new_password(asked, change, new);
            }
            (None, PasswordResult::Hashed(secret)) => {
                let attempt = Attempt::ChangePassword {
                    address,
                    password_version,
                    secret,
                };
                self.attempt(asked, attempt);
            }
            (_, result) => unreachable!("a password job was answered with {result:?}"),
        }
    }
}
