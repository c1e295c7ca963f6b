//! Passwords: proving them before anything is journalled.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chat_model::name;
use chat_model::{AccountId, ConnectionSerial, Outcome, Password, RequestName, UserSession};
use chat_node::logs::security_log::Event;

use super::link::LinkId;
use super::password_changes::PasswordChange;
use super::requests::Asked;
use super::tokens::digest_of;
use super::{Action, Core};
use crate::account_file::read::ReadError;
use crate::account_file::writer::FileRequest;
use crate::entry::Action as Attempt;
use crate::passwords::pool::{PasswordJob, PasswordResult};
use crate::passwords::remembered::RememberedPasswords;
use crate::state::Reader;

/// Longest password; as long as a line of a client may be. Thousands may wait to be hashed.
pub(super) const MAX_PASSWORD_BYTES: usize = 64 * 1024;

/// Passwords that are being hashed, and what is remembered of right ones.
pub(super) struct Logins {
    remembered: RememberedPasswords,
    last_ticket: u64,
    /// A password came since this was last asked.
    saw_password: bool,
    pub(super) waiting: BTreeMap<u64, Waiting>,
    /// Registrations whose names are looked for in the account file.
    looked_for: BTreeMap<u64, Registration>,
}

#[derive(Debug)]
struct Registration {
    asked: Asked,
    name: String,
    password: Password<'static>,
    address: IpAddr,
}

#[derive(Debug)]
pub(super) struct Waiting {
    asked: Asked,
    what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Register {
        name: String,
    },
    LogIn {
        account: AccountId,
        session: UserSession,
        password_version: u32,
        address: IpAddr,
        password: Password<'static>,
        asked_boot_ms: Option<u64>,
    },
    ChangePassword(PasswordChange),
}

impl Logins {
    pub(super) fn new(remembered: RememberedPasswords) -> Self {
        Self {
            remembered,
            last_ticket: 0,
            saw_password: false,
            waiting: BTreeMap::new(),
            looked_for: BTreeMap::new(),
        }
    }

    /// Whether this was found to be a right password of an account.
    pub(super) fn is_remembered(&self, account: AccountId, version: u32, password: &[u8]) -> bool {
        self.remembered.matches(account, version, password)
    }

    /// This is a right password of an account.
    pub(super) fn remember(&mut self, account: AccountId, version: u32, password: &[u8]) {
        self.remembered.remember(account, version, password);
    }

    /// A password came, or what stands for one.
    pub(super) fn note_secret(&mut self) {
        self.saw_password = true;
    }

    /// Passwords that are hashed or wait for that.
    pub(super) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// A ticket for a password or a name.
    pub(super) fn next_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.looked_for.is_empty()
    }

    pub(super) fn forget_link(&mut self, link: LinkId, actions: &mut Vec<Action>) {
        self.forget(|asked| asked.link == link, actions);
    }

    pub(super) fn forget_client(
        &mut self,
        link: LinkId,
        serial: ConnectionSerial,
        actions: &mut Vec<Action>,
    ) {
        self.forget(
            |asked| asked.link == link && asked.serial == serial,
            actions,
        );
    }

    fn forget(&mut self, is_meant: impl Fn(&Asked) -> bool, actions: &mut Vec<Action>) {
        self.looked_for.retain(|_, it| !is_meant(&it.asked));
        self.waiting.retain(|ticket, waiting| {
            let is_forgotten = is_meant(&waiting.asked);
            if is_forgotten {
                actions.push(Action::CancelHash { ticket: *ticket });
            }
            !is_forgotten
        });
    }
}

impl Core {
    /// Whether a password was in what came since this was last asked.
    pub fn take_saw_password(&mut self) -> bool {
        std::mem::take(&mut self.logins.saw_password)
    }

    pub(super) fn take_registration(
        &mut self,
        asked: Asked,
        name: &str,
        password: &[u8],
        address: IpAddr,
    ) {
        self.logins.saw_password = true;
        if self.answer_again(asked) {
            return;
        }
        if password.is_empty() || password.len() > MAX_PASSWORD_BYTES {
            return self.answer(asked.link, asked.serial, asked.offset, Outcome::Refused);
        }
        let is_free = name::may_be_registered(name) && self.state.account(name).is_none();
        if !is_free || !self.sources.is_registration_open() {
            return self.answer(
                asked.link,
                asked.serial,
                asked.offset,
                Outcome::NameUnavailable,
            );
        }
        if !self.lets_register(asked, name, address) {
            return;
        }
        self.look_for(Registration {
            asked,
            name: name.to_owned(),
            password: password.into(),
            address,
        });
    }

    /// An operator may have added a line of this name, and not yet said so: who has a line is not to be registered
    /// over.
    fn look_for(&mut self, registration: Registration) {
        let ticket = self.logins.next_ticket();
        self.actions.push(Action::File(FileRequest::Look {
            ticket,
            name: registration.name.clone(),
            was_taken_in: self.appends.was_taken_in(),
        }));
        self.logins.looked_for.insert(ticket, registration);
    }

    /// Whether the account file has a line of a name that was looked for. Where that cannot be told, the file cannot be
    /// added to either, and the registration finds that out.
    pub fn name_looked_for(&mut self, ticket: u64, stands: Result<bool, ReadError>) {
        let Some(registration) = self.logins.looked_for.remove(&ticket) else {
            return self.operator_name_looked_for(ticket, stands);
        };
        let (asked, name) = (registration.asked, registration.name);
        match stands {
            Ok(true) => {
                log::info!(
                    "{name} cannot be registered: the account file has a line of it, which scripts/reload takes in"
                );
                return self.answer(
                    asked.link,
                    asked.serial,
                    asked.offset,
                    Outcome::NameUnavailable,
                );
            }
            Ok(false) => {}
            Err(error) => log::warn!("{error}"),
        }
        let what = What::Register { name };
        let job = PasswordJob::Hash {
            password: registration.password,
        };
        self.hash(asked, what, registration.address, job);
    }

    pub(super) fn take_password(
        &mut self,
        asked: Asked,
        name: &str,
        password: &[u8],
        address: IpAddr,
        asked_boot_ms: u64,
    ) {
        self.logins.saw_password = true;
        // Its client is gone. It would hold a session, or make a place again that was given up meanwhile.
        if self
            .links
            .get(asked.link)
            .is_none_or(|link| link.has_hung_up)
        {
            return;
        }
        if self.answer_again(asked) {
            return;
        }
        if password.len() > MAX_PASSWORD_BYTES {
            return self.answer(asked.link, asked.serial, asked.offset, Outcome::Refused);
        }
        let found = self.state.find_session(name);
        let found = found.and_then(|(id, session)| Some((id, session, self.state.record(id)?)));
        let Some((account, session, record)) = found else {
            return self.answer(
                asked.link,
                asked.serial,
                asked.offset,
                Outcome::NameUnavailable,
            );
        };
        if record.is_forgotten() {
            let outcome = Outcome::NameUnavailable;
            return self.answer(asked.link, asked.serial, asked.offset, outcome);
        }
        if let Some(seconds_left) = self
            .state
            .block_seconds_left(account, address, &self.timestamp)
        {
            let key = (asked.link, asked.serial);
            self.note(Event::Blocked, key, address, Some(name));
            let locked = Outcome::Locked { seconds_left };
            return self.answer(asked.link, asked.serial, asked.offset, locked);
        }
        let (password_version, secret) = (record.password_version, record.secret.to_string());
        if !self.lets_log_in(asked, name, address) {
            return;
        }
        // Nothing else is decided by it: what is plain is journalled as before there were named sessions.
        let takes_over = matches!(session, UserSession::Named(_));
        let asked_boot_ms = takes_over.then_some(asked_boot_ms);
        let has_token =
            digest_of(password).is_some_and(|digest| self.state.has_token(account, &digest));
        if has_token
            || self
                .logins
                .is_remembered(account, password_version, password)
        {
            return self.log_in(
                self.state.reader_of(account, &session),
                asked,
                Attempt::LogIn {
                    account,
                    session,
                    address,
                    password_version,
                    new_secret: None,
                    asked_boot_ms,
                },
            );
        }
        let job = PasswordJob::Verify {
            secret,
            password: password.into(),
        };
        let what = What::LogIn {
            account,
            session,
            password_version,
            address,
            password: password.into(),
            asked_boot_ms,
        };
        self.hash(asked, what, address, job);
    }

    /// Journals a login with the right password, unless there would be nothing to give its user but an end.
    fn log_in(&mut self, reader: Option<Reader>, asked: Asked, attempt: Attempt) {
        match reader.is_some_and(|reader| self.is_held_up(reader)) {
            true => self.answer(asked.link, asked.serial, asked.offset, Outcome::Busy),
            false => self.attempt(asked, attempt),
        }
    }

    /// Answers a request that was decided before its worker lost us.
    pub(super) fn answer_again(&mut self, asked: Asked) -> bool {
        let name = self
            .connection(asked.link, asked.serial)
            .map(|connection| RequestName {
                connection,
                offset: asked.offset,
            });
        let Some(outcome) = name.and_then(|name| self.state.outcome(&name)) else {
            return false;
        };
        self.answer(asked.link, asked.serial, asked.offset, outcome);
        true
    }

    pub(super) fn hash(&mut self, asked: Asked, what: What, source: IpAddr, job: PasswordJob) {
        let ticket = self.logins.next_ticket();
        self.logins.waiting.insert(ticket, Waiting { asked, what });
        self.actions.push(Action::Hash {
            ticket,
            source,
            job,
        });
    }

    /// Too many passwords wait already.
    pub fn password_refused(&mut self, ticket: u64) {
        match self.logins.waiting.remove(&ticket) {
            Some(Waiting { asked, .. }) => {
                self.answer(asked.link, asked.serial, asked.offset, Outcome::Busy);
            }
            None => self.operator_password_refused(ticket),
        }
    }

    /// A password was hashed or compared.
    pub fn password_done(&mut self, ticket: u64, result: PasswordResult) {
        let Some(Waiting { asked, what }) = self.logins.waiting.remove(&ticket) else {
            return self.operator_password_done(ticket, result);
        };
        match (what, result) {
            (What::Register { name }, PasswordResult::Hashed(secret)) => {
                self.attempt(asked, Attempt::Register { name, secret });
            }
            (
                What::LogIn {
                    account,
                    session,
                    password_version,
                    address,
                    password,
                    asked_boot_ms,
                },
                PasswordResult::Verified { right, new_secret },
            ) => {
                if !right {
                    self.attempt(asked, Attempt::FailedLogIn { account, address });
                    return;
                }
                self.logins.remember(account, password_version, &password);
                self.log_in(
                    self.state.reader_of(account, &session),
                    asked,
                    Attempt::LogIn {
                        account,
                        session,
                        address,
                        password_version,
                        new_secret,
                        asked_boot_ms,
                    },
                );
            }
            (_, PasswordResult::Failed(error)) => {
                log::error!("cannot check a password: {error}");
                self.answer(asked.link, asked.serial, asked.offset, Outcome::Busy);
            }
            (What::ChangePassword(change), result) => {
                self.password_change_done(asked, change, result);
            }
            (_, result) => unreachable!("a password job was answered with {result:?}"),
        }
    }
}
