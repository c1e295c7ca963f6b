//! All clients of a worker: those of whom something is under way in whole, the others as what is left of them.

use chat_shared::rpc::ConnectionSerial;
use slab::Slab;

use super::client::Client;
use super::session::{RestingSession, Session, SessionLimits};
use super::timers::ClientKey;

/// A serial holds the key of its client in so many low bits, and above them a count that is never used twice.
pub(super) const KEY_BITS: u32 = 20;
/// Clients in memory that wait to become others; more are given back.
const MAX_SPARE: usize = 32;

/// A client as it is kept.
#[derive(Debug)]
enum Kept {
    Resting(RestingSession),
    Awake(Box<Client>),
}

/// Clients by their keys.
#[derive(Debug)]
pub(super) struct Clients {
    kept: Slab<Kept>,
    #[expect(
        clippy::vec_box,
        reason = "they go in and out of `kept` in their boxes"
    )]
    spare: Vec<Box<Client>>,
    limits: SessionLimits,
    opened: u64,
}

impl Clients {
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self {
            kept: Slab::new(),
            spare: Vec::new(),
            limits,
            opened: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Adds a client, whose session is made for the serial it gets.
    pub(super) fn open(&mut self, session: impl FnOnce(ConnectionSerial) -> Session) -> ClientKey {
        self.opened += 1;
        let entry = self.kept.vacant_entry();
        let key = entry.key();
        assert!(key >> KEY_BITS == 0, "the settings allow no more clients");
        let serial = ConnectionSerial(self.opened << KEY_BITS | key as u64);
        entry.insert(Kept::Awake(Box::new(Client::new(session(serial)))));
        key
    }

    /// A client of whom something is under way.
    pub(super) fn awake(&self, key: ClientKey) -> Option<&Client> {
        match self.kept.get(key)? {
            Kept::Awake(client) => Some(client),
            Kept::Resting(_) => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn awake_mut(&mut self, key: ClientKey) -> Option<&mut Client> {
        match self.kept.get_mut(key)? {
            Kept::Awake(client) => Some(client),
            Kept::Resting(_) => None,
        }
    }

    pub(super) fn resting(&self, key: ClientKey) -> Option<&RestingSession> {
        match self.kept.get(key)? {
            Kept::Awake(_) => None,
            Kept::Resting(resting) => Some(resting),
        }
    }

    /// A client of whom something will be under way now.
    pub(super) fn wake(&mut self, key: ClientKey, is_daemon_lost: bool) -> Option<&mut Client> {
        let kept = self.kept.get_mut(key)?;
        if let Kept::Resting(resting) = kept {
            let mut client = self.spare.pop().unwrap_or_else(|| {
                let session = Session::unnamed(self.limits);
                Box::new(Client::new(session))
            });
            client.wake(resting, self.limits, is_daemon_lost);
            *kept = Kept::Awake(client);
        }
        match kept {
            Kept::Awake(client) => Some(client),
            Kept::Resting(_) => None,
        }
    }

    /// The client of a serial, if it has not left meanwhile.
    pub(super) fn wake_by_serial(
        &mut self,
        serial: ConnectionSerial,
    ) -> Option<(ClientKey, &mut Client)> {
        let key = (serial.0 & ((1 << KEY_BITS) - 1)) as ClientKey;
        let found = match self.kept.get(key)? {
            Kept::Awake(client) => client.session.serial(),
            Kept::Resting(resting) => resting.serial(),
        };
        // What is awake and what rests answers alike only while the daemon is there, and it is: it speaks.
        (found == serial).then_some((key, self.wake(key, false)?))
    }

    /// Lets a client rest, if nothing is under way.
    pub(super) fn rest(&mut self, key: ClientKey) {
        if let Some(kept @ Kept::Awake(_)) = self.kept.get_mut(key)
            && let Kept::Awake(client) = kept
            && let Some(resting) = client.rest()
            && let Kept::Awake(client) = std::mem::replace(kept, Kept::Resting(resting))
            && self.spare.len() < MAX_SPARE
        {
            self.spare.push(client);
        }
    }

    /// Takes a client out; as it would be awake.
    pub(super) fn remove(&mut self, key: ClientKey) -> Option<Removed> {
        Some(match self.kept.try_remove(key)? {
            Kept::Resting(resting) => Removed {
                serial: resting.serial(),
                progress: resting.progress(),
                has_asked: true,
            },
            Kept::Awake(client) => Removed {
                serial: client.session.serial(),
                progress: client.session.progress(),
                has_asked: client.session.has_asked(),
            },
        })
    }

    pub(super) fn keys(&self) -> Vec<ClientKey> {
        self.kept.iter().map(|(key, _)| key).collect()
    }

    pub(super) fn iter_awake(&self) -> impl Iterator<Item = (ClientKey, &Client)> {
        self.kept.iter().filter_map(|(key, kept)| match kept {
            Kept::Awake(client) => Some((key, &**client)),
            Kept::Resting(_) => None,
        })
    }

    pub(super) fn iter_awake_mut(&mut self) -> impl Iterator<Item = (ClientKey, &mut Client)> {
        self.kept.iter_mut().filter_map(|(key, kept)| match kept {
            Kept::Awake(client) => Some((key, &mut **client)),
            Kept::Resting(_) => None,
        })
    }

    pub(super) fn iter_resting(&self) -> impl Iterator<Item = &RestingSession> {
        self.kept.iter().filter_map(|(_, kept)| match kept {
            Kept::Awake(_) => None,
            Kept::Resting(resting) => Some(resting),
        })
    }
}

/// What the daemon is told of a client that has left.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) serial: ConnectionSerial,
    pub(super) progress: chat_shared::rpc::Progress,
    pub(super) has_asked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resting_client_is_small() {
        assert!(size_of::<Slab<Kept>>() > 0);
        assert!(size_of::<Kept>() <= 64, "{}", size_of::<Kept>());
    }
}
