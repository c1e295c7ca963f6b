//! All clients of a worker: active ones, of which something is under way, and parked ones.

use std::net::{IpAddr, Ipv4Addr};

use chat_model::ConnectionSerial;
use chat_node::limits::token_bucket::Rate;
use slab::Slab;

use super::addresses::Addresses;
use super::client::{Client, Parked, Spoken};
use super::session::{Pace, Session, SessionLimits};
use super::timers::ClientKey;

/// A serial holds the key of its client in so many low bits, and above them a count that is never used twice.
pub(super) const KEY_BITS: u32 = 20;
/// No client has this key.
const NO_KEY: u64 = (1 << KEY_BITS) - 1;
/// Clients in memory that wait to become others; more are given back.
const MAX_SPARE: usize = 32;
/// Where most trusted clients come from.
const USUAL_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A client as it is kept.
#[derive(Debug)]
enum Kept {
    Parked(Parked),
    Active(Box<Client>),
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
    /// Where those come from that are not trusted.
    untrusted: Addresses,
    /// Where trusted ones come from, unless from [`USUAL_ADDRESS`]: parked ones do not know it.
    elsewhere: Addresses,
    /// How fast lines of untrusted ones are taken.
    lines: Rate,
    opened: u64,
}

impl Clients {
    pub(super) fn new(limits: SessionLimits, lines: Rate) -> Self {
        Self {
            kept: Slab::new(),
            spare: Vec::new(),
            limits,
            untrusted: Addresses::default(),
            elsewhere: Addresses::default(),
            lines,
            opened: 0,
        }
    }

    /// How fast lines of untrusted clients are taken that come from now on.
    pub(super) fn change_pace(&mut self, lines: Rate) {
        self.lines = lines;
    }

    /// How long clients may be silent from now on.
    pub(super) fn change_time_out(&mut self, time_out_ms: u64) {
        self.limits.time_out_ms = time_out_ms;
        for (_, kept) in &mut self.kept {
            if let Kept::Active(client) = kept {
                client.session.change_time_out(time_out_ms);
            }
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

    /// Adds a client. `session` makes its session for the serial that it gets. The address of an untrusted one is kept.
    pub(super) fn open(
        &mut self,
        untrusted: Option<IpAddr>,
        session: impl FnOnce(ConnectionSerial) -> Session<Spoken>,
    ) -> ClientKey {
        self.opened += 1;
        let entry = self.kept.vacant_entry();
        let key = entry.key();
        assert!((key as u64) < NO_KEY, "the settings allow no more clients");
        let serial = ConnectionSerial(self.opened << KEY_BITS | key as u64);
        let mut session = session(serial);
        if let Some(address) = untrusted {
            self.untrusted.insert(key, address);
            session.become_untrusted(address, Pace::new(self.lines));
        } else if session.address() != USUAL_ADDRESS {
            self.elsewhere.insert(key, session.address());
        }
        entry.insert(Kept::Active(Box::new(Client::new(session))));
        key
    }

    /// A client of whom something is under way.
    pub(super) fn active(&self, key: ClientKey) -> Option<&Client> {
        match self.kept.get(key)? {
            Kept::Active(client) => Some(client),
            Kept::Parked(_) => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn active_mut(&mut self, key: ClientKey) -> Option<&mut Client> {
        match self.kept.get_mut(key)? {
            Kept::Active(client) => Some(client),
            Kept::Parked(_) => None,
        }
    }

    pub(super) fn parked(&self, key: ClientKey) -> Option<&Parked> {
        match self.kept.get(key)? {
            Kept::Active(_) => None,
            Kept::Parked(parked) => Some(parked),
        }
    }

    /// Where a client comes from that is not trusted.
    pub(super) fn untrusted_source(&self, key: ClientKey) -> Option<IpAddr> {
        self.untrusted.get(key)
    }

    /// A client of whom something will be under way now.
    pub(super) fn restore(&mut self, key: ClientKey, is_daemon_lost: bool) -> Option<&mut Client> {
        let kept = self.kept.get_mut(key)?;
        if let Kept::Parked(parked) = kept {
            let mut client = self.spare.pop().unwrap_or_else(|| {
                let session = Session::unnamed(self.limits);
                Box::new(Client::new(session))
            });
            client.restore(parked, self.limits, is_daemon_lost);
            if let Some(address) = self.untrusted.get(key) {
                let pace = Pace::new(self.lines);
                client.session.become_untrusted(address, pace);
            } else {
                let address = self.elsewhere.get(key);
                client.session.comes_from(address.unwrap_or(USUAL_ADDRESS));
            }
            *kept = Kept::Active(client);
        }
        match kept {
            Kept::Active(client) => Some(client),
            Kept::Parked(_) => None,
        }
    }

    /// The client of a serial, if it has not left meanwhile.
    pub(super) fn restore_by_serial(
        &mut self,
        serial: ConnectionSerial,
    ) -> Option<(ClientKey, &mut Client)> {
        let key = (serial.0 & ((1 << KEY_BITS) - 1)) as ClientKey;
        let found = match self.kept.get(key)? {
            Kept::Active(client) => client.session.serial(),
            Kept::Parked(parked) => parked.serial(),
        };
        // The daemon is not lost: it speaks.
        (found == serial).then_some((key, self.restore(key, false)?))
    }

    /// Parks a client, if nothing is under way. Returns whether it is parked now and was not before.
    pub(super) fn park(&mut self, key: ClientKey) -> bool {
        if let Some(kept @ Kept::Active(_)) = self.kept.get_mut(key)
            && let Kept::Active(client) = kept
            && let Some(parked) = client.park()
            && let Kept::Active(client) = std::mem::replace(kept, Kept::Parked(parked))
        {
            if self.spare.len() < MAX_SPARE {
                self.spare.push(client);
            }
            return true;
        }
        false
    }

    /// Takes a client out.
    pub(super) fn remove(&mut self, key: ClientKey) -> Option<Removed> {
        self.untrusted.remove(key);
        self.elsewhere.remove(key);
        Some(match self.kept.try_remove(key)? {
            Kept::Parked(parked) => Removed {
                serial: parked.serial(),
                progress: parked.progress(),
                is_registered: true,
                held_bytes: 0,
            },
            Kept::Active(client) => Removed {
                serial: client.session.serial(),
                progress: client.session.progress(),
                is_registered: client.is_registered,
                held_bytes: client.held_bytes,
            },
        })
    }

    /// What a daemon that is there now has to know: each client, where it comes from, and whether a daemon knew it
    /// before.
    pub(super) fn register(&mut self) -> Vec<(ConnectionSerial, IpAddr, bool)> {
        let Self {
            kept, untrusted, ..
        } = self;
        let clients = kept.iter_mut().map(|(key, kept)| match kept {
            Kept::Parked(parked) => {
                let trusted = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
                let address = untrusted.get(key).unwrap_or(trusted);
                (parked.serial(), address, true)
            }
            Kept::Active(client) => {
                let is_known = std::mem::replace(&mut client.is_registered, true);
                (client.session.serial(), client.session.address(), is_known)
            }
        });
        clients.collect()
    }

    pub(super) fn keys(&self) -> Vec<ClientKey> {
        self.kept.iter().map(|(key, _)| key).collect()
    }

    pub(super) fn iter_active(&self) -> impl Iterator<Item = (ClientKey, &Client)> {
        self.kept.iter().filter_map(|(key, kept)| match kept {
            Kept::Active(client) => Some((key, &**client)),
            Kept::Parked(_) => None,
        })
    }

    pub(super) fn iter_active_mut(&mut self) -> impl Iterator<Item = (ClientKey, &mut Client)> {
        self.kept.iter_mut().filter_map(|(key, kept)| match kept {
            Kept::Active(client) => Some((key, &mut **client)),
            Kept::Parked(_) => None,
        })
    }

    pub(super) fn iter_parked(&self) -> impl Iterator<Item = &Parked> {
        self.kept.iter().filter_map(|(_, kept)| match kept {
            Kept::Active(_) => None,
            Kept::Parked(parked) => Some(parked),
        })
    }
}

/// What the daemon has to know of a client that has left.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) serial: ConnectionSerial,
    pub(super) progress: chat_model::Progress,
    /// The daemon knows of it.
    pub(super) is_registered: bool,
    /// What the core took into account of what was held for it.
    pub(super) held_bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parked_client_is_small() {
        assert!(size_of::<Slab<Kept>>() > 0);
        assert!(size_of::<Kept>() <= 64, "{}", size_of::<Kept>());
    }
}
