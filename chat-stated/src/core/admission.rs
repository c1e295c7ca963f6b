//! Connections that workers tell of: who is let in, and what the security log gets.

use std::net::IpAddr;

use chat_model::ConnectionSerial;
use chat_model::Outcome;
use chat_node::logs::security_log::{ConnectionNumber, Details, Event};
use chat_node::metrics::refusals::Refusals;
use chat_rpc::ToWorker;

use super::Core;
use super::link::LinkId;
use super::requests::Asked;
use crate::state::ExceededQuota;
use chat_model::{AccountId, ConnectionId, RequestName};

impl Core {
    /// How often what was refused since this daemon began.
    pub fn refusals(&self) -> &Refusals {
        self.security.refusals()
    }

    pub(super) fn open_client(
        &mut self,
        link: LinkId,
        serial: ConnectionSerial,
        address: IpAddr,
        is_known: bool,
    ) {
        let key = (link, serial);
        if is_known && self.sources.is_beyond_belief() {
            return self.close_link(link, "it tells of more connections than there can be");
        }
        if is_known {
            let connection = self.connection(link, serial);
            let account = connection.and_then(|connection| self.state.account_on(connection));
            return self.sources.take_in(key, address, account.is_some());
        }
        if let Err(event) = self.sources.open(key, address) {
            self.note(event, key, address, None);
            self.send(link, &ToWorker::Reject { connection: serial });
        }
    }

    /// Has an event of a client in the security log.
    pub(super) fn note(
        &mut self,
        event: Event,
        (link, serial): (LinkId, ConnectionSerial),
        source: IpAddr,
        user: Option<&str>,
    ) {
        let details = Details {
            source: Some(source),
            user,
            connection: self.connection(link, serial).map(number),
            ..Details::default()
        };
        self.security.record(self.timestamp.boot_ms, event, details);
    }

    /// Has what came of a client's last try to log in in the security log.
    fn note_last_try(
        &mut self,
        event: Event,
        (link, serial): (LinkId, ConnectionSerial),
        limit: Option<&'static str>,
    ) {
        if let Some((address, user)) = self.sources.last_try((link, serial)) {
            let details = Details {
                source: Some(address),
                user: Some(user),
                limit,
                connection: self.connection(link, serial).map(number),
                ..Details::default()
            };
            self.security.record(self.timestamp.boot_ms, event, details);
        }
    }

    /// Somebody is logged in, and is about to be told so.
    pub(super) fn note_login(&mut self, link: LinkId, serial: ConnectionSerial) {
        self.note_last_try(Event::Login, (link, serial), None);
        self.sources.logged_in((link, serial));
    }

    /// Whether a password may be tried from there now; says so, if not.
    pub(super) fn lets_log_in(&mut self, asked: Asked, user: &str, address: IpAddr) -> bool {
        let key = (asked.link, asked.serial);
        let now_ms = self.timestamp.boot_ms;
        if self.sources.may_log_in(key, user, address, now_ms) {
            return true;
        }
        self.note(Event::LoginThrottled, key, address, Some(user));
        self.answer(asked.link, asked.serial, asked.offset, Outcome::Busy);
        false
    }

    /// Whether an account may be asked for from there now; says so, if not.
    pub(super) fn lets_register(&mut self, asked: Asked, user: &str, address: IpAddr) -> bool {
        if self.sources.may_register(address, self.timestamp.boot_ms) {
            return true;
        }
        let key = (asked.link, asked.serial);
        self.note(Event::RegistrationThrottled, key, address, Some(user));
        self.answer(asked.link, asked.serial, asked.offset, Outcome::Busy);
        false
    }

    /// Takes notice of what the state decided about logins and messages.
    pub(super) fn note_decided(
        &mut self,
        request: RequestName,
        outcome: &Outcome<'_>,
        block_began: Option<ConnectionId>,
        exceeded: Option<ExceededQuota>,
    ) {
        let connection = request.connection;
        let event = match outcome {
            Outcome::PasswordNeeded => Event::LoginFailed,
            Outcome::Locked { .. } if block_began == Some(connection) => Event::BlockBegan,
            // It was under way when the block began.
            Outcome::Locked { .. } => Event::Blocked,
            // One named session too many.
            Outcome::NameUnavailable if exceeded.is_some() => Event::Quota,
            Outcome::QueueFull => return self.note_sender(Event::Quota, request, exceeded),
            Outcome::DiskFull => {
                self.waiting_is_full();
                return self.note_sender(Event::Full, request, None);
            }
            _ => return,
        };
        if let Some(link) = self.links.of(connection.worker_session) {
            let limit = exceeded.map(|it| it.limit.name());
            self.note_last_try(event, (link, connection.serial), limit);
        }
    }

    pub(super) fn note_sender(
        &mut self,
        event: Event,
        request: RequestName,
        exceeded: Option<ExceededQuota>,
    ) {
        let name_of = |account: AccountId| self.state.record(account).map(|it| it.name.as_ref());
        let sender = self.state.account_on(request.connection);
        let details = Details {
            user: sender.and_then(name_of),
            queue: exceeded.and_then(|it| it.queue).and_then(name_of),
            limit: exceeded.map(|it| it.limit.name()),
            connection: Some(number(request.connection)),
            ..Details::default()
        };
        self.security.record(self.timestamp.boot_ms, event, details);
    }
}

fn number(connection: ConnectionId) -> ConnectionNumber {
    ConnectionNumber {
        worker_session: connection.worker_session.0,
        serial: connection.serial.0,
    }
}
