//! Connections from the moment they are made: whose word the daemon gets at once, and what holds for strangers.

use std::collections::HashMap;
use std::net::IpAddr;

use chat_shared::network::Networks;
use chat_shared::refusals::Refusals;
use chat_shared::rpc::{ConnectionSerial, FromWorker, Progress};
use chat_shared::security_log::Event;
use chat_shared::token_bucket::Rate;

use super::Action;
use super::Core;
use super::client::Client;
use super::session::{Ending, Pace, Session};
use super::timers::{ClientKey, Reason};

/// What holds for sources that are not trusted.
#[derive(Clone, Debug)]
pub struct NewcomerRules {
    /// Who is spared these.
    pub trusted: Networks,
    /// How long the login may take in all.
    pub login_ms: u64,
    /// How fast lines are taken.
    pub lines: Rate,
}

/// Connections that are no clients yet: what comes before the dialogue is under way.
#[derive(Debug, Default)]
pub(super) struct Newcomers(HashMap<ConnectionSerial, Newcomer>);

#[derive(Clone, Copy, Debug)]
struct Newcomer {
    address: IpAddr,
    /// The daemon was told of it.
    is_told: bool,
}

impl Core {
    /// Somebody connected, and something comes before the dialogue. Ends with [`Self::open_newcomer`], with
    /// [`Self::newcomer_failed`], or with [`Action::HangUp`].
    pub fn arrive(&mut self, address: IpAddr) -> ConnectionSerial {
        self.last_serial += 1;
        let connection = ConnectionSerial(self.last_serial);
        let is_told = self.tell_of(connection, address, false);
        let newcomer = Newcomer { address, is_told };
        self.newcomers.0.insert(connection, newcomer);
        connection
    }

    /// A newcomer's dialogue begins; `None` if the core wanted it hung up on meanwhile.
    pub fn open_newcomer(&mut self, connection: ConnectionSerial) -> Option<ClientKey> {
        let Newcomer { address, is_told } = self.newcomers.0.remove(&connection)?;
        Some(self.open_as(connection, address, is_told))
    }

    /// A client connected.
    pub fn open(&mut self, address: IpAddr) -> ClientKey {
        self.last_serial += 1;
        let connection = ConnectionSerial(self.last_serial);
        let is_told = self.tell_of(connection, address, false);
        self.open_as(connection, address, is_told)
    }

    fn open_as(&mut self, serial: ConnectionSerial, address: IpAddr, is_told: bool) -> ClientKey {
        let mut session = Session::new(serial, address, self.settings.limits, self.now_ms);
        let rules = &self.settings.newcomers;
        let is_trusted = rules.trusted.contains(address);
        if !is_trusted {
            session = session.at_pace(Pace::new(rules.lines));
        }
        let login_by_ms = self.now_ms.saturating_add(rules.login_ms);
        if self.link.is_told_lost() {
            session.daemon_is_lost(self.now_ms);
        }
        let mut client = Client::new(serial, session);
        client.is_told = is_told;
        let key = self.clients.insert(client);
        self.keys.insert(serial, key);
        self.timers
            .set(key, Reason::Idle, self.now_ms + self.settings.time_out_ms);
        if !is_trusted {
            self.timers.set(key, Reason::Login, login_by_ms);
        }
        self.list(key);
        key
    }

    /// A newcomer did not become a client, and its connection is closed.
    pub fn newcomer_failed(&mut self, connection: ConnectionSerial, event: Event) {
        if let Some(address) = self.forget_newcomer(connection) {
            self.note(event, Some(address));
        }
    }

    /// The daemon does not want a newcomer.
    pub(super) fn turn_newcomer_away(&mut self, connection: ConnectionSerial) {
        if self.forget_newcomer(connection).is_some() {
            self.actions.push(Action::HangUp(connection));
        }
    }

    fn forget_newcomer(&mut self, connection: ConnectionSerial) -> Option<IpAddr> {
        let newcomer = self.newcomers.0.remove(&connection)?;
        if newcomer.is_told && self.link.is_attached() {
            self.link.push(&FromWorker::Close {
                connection,
                progress: Progress::default(),
            });
        }
        Some(newcomer.address)
    }

    /// Tells the daemon of a connection, if it is there; whether it was told.
    fn tell_of(&mut self, connection: ConnectionSerial, address: IpAddr, is_known: bool) -> bool {
        let is_attached = self.link.is_attached();
        if is_attached {
            self.link.push(&FromWorker::Opened {
                connection,
                address,
                is_known,
            });
        }
        is_attached
    }

    /// Tells a daemon that is there, for the first time or again, of everybody.
    pub(super) fn tell_of_all(&mut self) {
        let newcomers = self.newcomers.0.iter_mut();
        let newcomers = newcomers.map(|(connection, newcomer)| {
            let is_known = std::mem::replace(&mut newcomer.is_told, true);
            (*connection, newcomer.address, is_known)
        });
        let clients = self.clients.iter_mut().map(|(_, client)| {
            let is_known = std::mem::replace(&mut client.is_told, true);
            (client.serial, client.session.address(), is_known)
        });
        let all: Vec<_> = newcomers.chain(clients).collect();
        for (connection, address, is_known) in all {
            self.tell_of(connection, address, is_known);
        }
    }

    /// The time within which a login was to be done is over.
    pub(super) fn check_login(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        if client.session.is_past_login() || client.session.is_ending() {
            return;
        }
        client.session.begin_ending(Ending::TimeOut);
        let address = client.session.address();
        self.note(Event::LoginTimeOut, Some(address));
        self.list(key);
    }

    /// Takes into account what is held for a client now.
    pub(super) fn measure(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key) {
            let held_bytes = client.session.held_bytes();
            self.held_bytes = self.held_bytes - client.held_bytes + held_bytes;
            client.held_bytes = held_bytes;
        }
    }

    /// Lets go of who holds the most, until what is held is within the limit.
    pub(super) fn relieve_memory(&mut self) {
        while self.held_bytes > self.settings.max_held_bytes {
            let most = self
                .clients
                .iter()
                .max_by_key(|(_, client)| client.held_bytes);
            let Some((key, client)) = most else {
                return;
            };
            let address = client.session.address();
            self.note(Event::Memory, Some(address));
            self.close(key);
        }
    }

    /// Counts something that was refused, and has it in the security log.
    pub fn note(&mut self, event: Event, source: Option<IpAddr>) {
        self.security.note(self.now_ms, event, source, None);
    }

    /// How often what was refused since this worker began.
    pub fn refusals(&self) -> &Refusals {
        self.security.refusals()
    }
}
