//! All clients of a worker: those of whom something is under way in whole, the others as what is left of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use chat_node::token_bucket::Rate;
use chat_rpc::ConnectionSerial;
use slab::Slab;

use super::client::Client;
use super::session::{Pace, RestingSession, Session, SessionLimits};
use super::timers::ClientKey;

/// A serial holds the key of its client in so many low bits, and above them a count that is never used twice.
pub(super) const KEY_BITS: u32 = 20;
/// No client has this key.
const NO_KEY: u64 = (1 << KEY_BITS) - 1;
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
    /// Where those come from that are not trusted. Keys are our own, no peer can choose them to collide.
    strangers: HashMap<ClientKey, IpAddr, foldhash::fast::RandomState>,
    /// How fast lines of those are taken.
    lines: Rate,
    opened: u64,
}

impl Clients {
    pub(super) fn new(limits: SessionLimits, lines: Rate) -> Self {
        Self {
            kept: Slab::new(),
            spare: Vec::new(),
            limits,
            strangers: HashMap::default(),
            lines,
            opened: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// A serial for somebody who is no client yet, and has no key.
    pub(super) fn serial_without_key(&mut self) -> ConnectionSerial {
        self.opened += 1;
        ConnectionSerial(self.opened << KEY_BITS | NO_KEY)
    }

    /// Adds a client, whose session is made for the serial it gets. Of one that is not trusted it is kept where it comes
    /// from.
    pub(super) fn open(
        &mut self,
        stranger: Option<IpAddr>,
        session: impl FnOnce(ConnectionSerial) -> Session,
    ) -> ClientKey {
        self.opened += 1;
        let entry = self.kept.vacant_entry();
        let key = entry.key();
        assert!((key as u64) < NO_KEY, "the settings allow no more clients");
        let serial = ConnectionSerial(self.opened << KEY_BITS | key as u64);
        let mut session = session(serial);
        if let Some(address) = stranger {
            self.strangers.insert(key, address);
            session.become_strangers(address, Pace::new(self.lines));
        }
        entry.insert(Kept::Awake(Box::new(Client::new(session))));
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
            if let Some(address) = self.strangers.get(&key) {
                let pace = Pace::new(self.lines);
                client.session.become_strangers(*address, pace);
            }
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

    /// Lets a client rest, if nothing is under way; whether it does now and did not before.
    pub(super) fn rest(&mut self, key: ClientKey) -> bool {
        if let Some(kept @ Kept::Awake(_)) = self.kept.get_mut(key)
            && let Kept::Awake(client) = kept
            && let Some(resting) = client.rest()
            && let Kept::Awake(client) = std::mem::replace(kept, Kept::Resting(resting))
        {
            if self.spare.len() < MAX_SPARE {
                self.spare.push(client);
            }
            return true;
        }
        false
    }

    /// Takes a client out; as it would be awake.
    pub(super) fn remove(&mut self, key: ClientKey) -> Option<Removed> {
        self.strangers.remove(&key);
        Some(match self.kept.try_remove(key)? {
            Kept::Resting(resting) => Removed {
                serial: resting.serial(),
                progress: resting.progress(),
                is_told: true,
                held_bytes: 0,
            },
            Kept::Awake(client) => Removed {
                serial: client.session.serial(),
                progress: client.session.progress(),
                is_told: client.is_told,
                held_bytes: client.held_bytes,
            },
        })
    }

    /// What a daemon that is there now is told of: who it is, from where, and whether one was told before.
    pub(super) fn tell(&mut self) -> Vec<(ConnectionSerial, IpAddr, bool)> {
        let Self {
            kept, strangers, ..
        } = self;
        let told = kept.iter_mut().map(|(key, kept)| match kept {
            Kept::Resting(resting) => {
                let trusted = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
                let address = strangers.get(&key).copied().unwrap_or(trusted);
                (resting.serial(), address, true)
            }
            Kept::Awake(client) => {
                let is_known = std::mem::replace(&mut client.is_told, true);
                (client.session.serial(), client.session.address(), is_known)
            }
        });
        told.collect()
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
    pub(super) progress: chat_rpc::Progress,
    /// The daemon knows of it.
    pub(super) is_told: bool,
    /// What the core took into account of what was held for it.
    pub(super) held_bytes: usize,
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
