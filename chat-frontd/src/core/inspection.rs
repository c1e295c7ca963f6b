//! What may be seen of the clients by operators, and by those who ask for metrics.

use std::net::IpAddr;

use chat_model::ConnectionSerial;

use super::session::SessionCounts;
use super::{ClientKey, Core};

/// What an operator may see of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The connection.
    pub serial: ConnectionSerial,
    /// Where it comes from; nothing if that is trusted.
    pub source: Option<IpAddr>,
    /// Since when nothing has come from it and nothing is under way.
    pub idle_since_ms: u64,
}

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// Not logged in.
    Login,
    /// Something is under way.
    Active,
    /// Logged in and silent.
    Parked,
}

impl Core {
    /// What an operator may see of a client.
    pub fn inspect(&self, key: ClientKey) -> Option<Inspected> {
        let (serial, idle_since_ms) = match (self.clients.active(key), self.clients.parked(key)) {
            (Some(client), _) => {
                let session = &client.session;
                (session.serial(), session.idle_since_ms())
            }
            (_, Some(parked)) => (parked.serial(), Some(parked.idle_since_ms())),
            (None, None) => return None,
        };
        Some(Inspected {
            serial,
            source: self.clients.untrusted_source(key),
            idle_since_ms: idle_since_ms.unwrap_or(self.now_ms),
        })
    }

    /// Whether a client is parked, or how far it is.
    pub fn client_state(&self, key: ClientKey) -> Option<ClientState> {
        if self.clients.parked(key).is_some() {
            return Some(ClientState::Parked);
        }
        let client = self.clients.active(key)?;
        Some(match client.session.is_past_login() {
            true => ClientState::Active,
            false => ClientState::Login,
        })
    }

    /// What all sessions have counted.
    pub fn counts(&self) -> &SessionCounts {
        &self.shared.counts
    }

    /// What is held for all clients, in bytes, and how much that may be.
    pub fn held_bytes(&self) -> (usize, usize) {
        let held_bytes = self.held_bytes + self.held_lists.bytes();
        (held_bytes, self.settings.max_held_bytes)
    }
}
