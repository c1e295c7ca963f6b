//! Connections from the moment they are made: whose word the daemon gets at once, and what holds for untrusted clients.

use std::collections::HashMap;
use std::net::IpAddr;

use chat_model::{ConnectionSerial, Progress};
use chat_node::limits::network::Networks;
use chat_node::limits::token_bucket::Rate;
use chat_node::logs::security_log::{ConnectionNumber, Details, Event};
use chat_node::metrics::refusals::Refusals;
use chat_rpc::FromWorker;

use super::Action;
use super::Core;
use super::session::{Ending, Session};
use super::timers::{ClientKey, Reason};

/// What holds for sources that are not trusted.
#[derive(Clone, Debug)]
pub struct UnauthenticatedLimits {
    /// Who is spared these.
    pub trusted: Networks,
    /// How long the login may take in all.
    pub login_ms: u64,
    /// How fast lines are taken.
    pub lines: Rate,
}

/// Connections that are no clients yet: what comes before the dialogue is under way.
#[derive(Debug, Default)]
pub(super) struct UnauthenticatedConnections(HashMap<ConnectionSerial, UnauthenticatedConnection>);

#[derive(Clone, Copy, Debug)]
struct UnauthenticatedConnection {
    address: IpAddr,
    /// The daemon knows of it.
    is_registered: bool,
}

impl Core {
    /// Somebody connected, and something comes before the dialogue. Ends with [`Self::open_unauthenticated`], with
    /// [`Self::unauthenticated_failed`], or with [`Action::HangUp`].
    pub fn arrive(&mut self, address: IpAddr) -> ConnectionSerial {
        let connection = self.clients.serial_without_key();
        let is_registered = self.register(connection, address, false);
        let unauthenticated = UnauthenticatedConnection {
            address,
            is_registered,
        };
        self.unauthenticated.0.insert(connection, unauthenticated);
        connection
    }

    /// The session of an unauthenticated connection begins; `None` if the core has closed it meanwhile. The daemon sees
    /// one leave and another come, in one frame: nobody takes its place between.
    pub fn open_unauthenticated(&mut self, connection: ConnectionSerial) -> Option<ClientKey> {
        let address = self.forget_unauthenticated(connection)?;
        Some(self.open(address))
    }

    /// A client connected.
    pub fn open(&mut self, address: IpAddr) -> ClientKey {
        let rules = &self.settings.unauthenticated;
        let untrusted = (!rules.trusted.contains(address)).then_some(address);
        let login_by_ms = self.now_ms.saturating_add(rules.login_ms);
        let key = self.clients.open(untrusted, |serial| {
            let mut session = Session::new(serial, address, self.settings.limits, self.now_ms);
            if self.link.is_loss_announced() {
                session.daemon_is_lost(&mut self.shared.counts, self.now_ms);
            }
            session
        });
        if let Some(client) = self.clients.active(key) {
            let is_registered = self.register(client.session.serial(), address, false);
            if let Some(client) = self.clients.active_mut(key) {
                client.is_registered = is_registered;
            }
        }
        self.timers
            .watch_idle(key, self.now_ms + self.settings.limits.time_out_ms);
        if untrusted.is_some() {
            self.timers.set(key, Reason::Login, login_by_ms);
        }
        self.list(key);
        key
    }

    /// An unauthenticated connection did not become a client, and is closed.
    pub fn unauthenticated_failed(&mut self, connection: ConnectionSerial, event: Event) {
        if let Some(address) = self.forget_unauthenticated(connection) {
            self.note(event, Some(address), Some(connection));
        }
    }

    /// The daemon does not want a connection.
    pub(super) fn reject(&mut self, connection: ConnectionSerial) {
        if self.forget_unauthenticated(connection).is_some() {
            self.actions.push(Action::HangUp(connection));
        } else if let Some((key, client)) = self.clients.restore_by_serial(connection) {
            client.session.reject();
            self.list(key);
        }
    }

    fn forget_unauthenticated(&mut self, connection: ConnectionSerial) -> Option<IpAddr> {
        let unauthenticated = self.unauthenticated.0.remove(&connection)?;
        if unauthenticated.is_registered && self.link.is_attached() {
            self.link.push(&FromWorker::ClientClosed {
                connection,
                progress: Progress::default(),
            });
        }
        Some(unauthenticated.address)
    }

    /// Announces a connection to the daemon. Returns whether the daemon is there to take it.
    fn register(&mut self, connection: ConnectionSerial, address: IpAddr, is_known: bool) -> bool {
        let is_attached = self.link.is_attached();
        if is_attached {
            self.link.push(&FromWorker::ClientConnected {
                connection,
                address,
                is_known,
            });
        }
        is_attached
    }

    /// Tells a daemon that is there, for the first time or again, of everybody.
    pub(super) fn register_all(&mut self) {
        let unauthenticated = self.unauthenticated.0.iter_mut();
        let unauthenticated = unauthenticated.map(|(connection, unauthenticated)| {
            let is_known = std::mem::replace(&mut unauthenticated.is_registered, true);
            (*connection, unauthenticated.address, is_known)
        });
        let all: Vec<_> = unauthenticated.chain(self.clients.register()).collect();
        for (connection, address, is_known) in all {
            self.register(connection, address, is_known);
        }
    }

    /// The time within which a login was to be done is over.
    pub(super) fn check_login(&mut self, key: ClientKey) {
        let Some(client) = self.clients.active_mut(key) else {
            return;
        };
        if client.session.is_past_login() || client.session.is_ending() {
            return;
        }
        client.session.begin_ending(Ending::TimeOut);
        let (address, serial) = (client.session.address(), client.session.serial());
        self.note(Event::LoginTimeOut, Some(address), Some(serial));
        self.list(key);
    }

    /// Takes into account what is held for a client now.
    pub(super) fn measure(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.active_mut(key) {
            let held_bytes = client.session.memory_bytes();
            self.held_bytes = self.held_bytes - client.held_bytes + held_bytes;
            client.held_bytes = held_bytes;
        }
    }

    /// Lets go of who holds the most, until what is held is within the limit.
    pub(super) fn relieve_memory(&mut self) {
        while self.held_bytes + self.held_lists.bytes() > self.settings.max_held_bytes {
            let most = self.clients.iter_active().max_by_key(|(_, client)| {
                client.held_bytes + client.session.output.list_share_bytes()
            });
            let Some((key, client)) = most else {
                return;
            };
            let (address, serial) = (client.session.address(), client.session.serial());
            self.note(Event::Memory, Some(address), Some(serial));
            self.close(key);
        }
    }

    /// Counts that a client was not read for a while, because it sends too much, and has it in the security log.
    pub fn note_delay(&mut self, key: ClientKey) {
        let client = self.clients.active(key);
        let address = client.map(|client| client.session.address());
        let serial = client.map(|client| client.session.serial());
        self.note(Event::LinesDelayed, address, serial);
    }

    /// Counts something that was refused, and has it in the security log.
    pub fn note(&mut self, event: Event, source: Option<IpAddr>, serial: Option<ConnectionSerial>) {
        // Of a trusted client that has rested nobody knows any more where it comes from.
        let source = source.filter(|address| !address.is_unspecified());
        let number = |serial: ConnectionSerial| ConnectionNumber {
            worker_session: self.link.worker_session(),
            serial: serial.0,
        };
        let details = Details {
            source,
            connection: serial.map(number),
            ..Details::default()
        };
        self.security.record(self.now_ms, event, details);
    }

    /// How often what was refused since this worker began.
    pub fn refusals(&self) -> &Refusals {
        self.security.refusals()
    }
}
