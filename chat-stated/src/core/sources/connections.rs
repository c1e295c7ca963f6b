//! Where each connection comes from: in little room, because there are as many as clients.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chat_model::ConnectionSerial;

use super::Key;
use crate::connection_map::ConnectionMap;
use crate::core::link::LinkId;

/// What is known of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) address: IpAddr,
    /// Counts in the totals only.
    pub(super) is_trusted: bool,
    pub(super) is_authenticated: bool,
}

/// The same, with an address of one kind.
#[derive(Clone, Copy, Debug)]
struct Packed<A> {
    address: A,
    is_trusted: bool,
    is_authenticated: bool,
}

impl<A: Into<IpAddr>> From<Packed<A>> for Connection {
    fn from(packed: Packed<A>) -> Self {
        Self {
            address: packed.address.into(),
            is_trusted: packed.is_trusted,
            is_authenticated: packed.is_authenticated,
        }
    }
}

/// What is known of a worker's connections.
#[derive(Debug, Default)]
struct OfLink {
    v4: ConnectionMap<Packed<Ipv4Addr>>,
    v6: ConnectionMap<Packed<Ipv6Addr>>,
    /// Who tried to log in last, as typed, where nobody has got in since.
    tries: ConnectionMap<Box<str>>,
    rejected: ConnectionMap<()>,
}

impl OfLink {
    fn get(&self, serial: ConnectionSerial) -> Option<Connection> {
        let v4 = self.v4.get(serial).map(|packed| (*packed).into());
        v4.or_else(|| self.v6.get(serial).map(|packed| (*packed).into()))
    }

    fn remove(&mut self, serial: ConnectionSerial) -> Option<Connection> {
        let v4 = self.v4.remove(serial).map(Into::into);
        v4.or_else(|| self.v6.remove(serial).map(Into::into))
    }
}

/// The connections of all workers.
#[derive(Debug, Default)]
pub(super) struct Connections {
    links: BTreeMap<LinkId, OfLink>,
    count: usize,
    rejected: usize,
}

impl Connections {
    /// How many there are, without those rejected.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, key: Key) -> Option<Connection> {
        self.links.get(&key.0)?.get(key.1)
    }

    /// Puts one in; what stood there.
    pub(super) fn insert(&mut self, key: Key, connection: Connection) -> Option<Connection> {
        let before = self.remove(key);
        let Connection {
            address,
            is_trusted,
            is_authenticated,
        } = connection;
        let of_link = self.links.entry(key.0).or_default();
        match address {
            IpAddr::V4(address) => {
                of_link.v4.get_or_insert_with(key.1, || Packed {
                    address,
                    is_trusted,
                    is_authenticated,
                });
            }
            IpAddr::V6(address) => {
                of_link.v6.get_or_insert_with(key.1, || Packed {
                    address,
                    is_trusted,
                    is_authenticated,
                });
            }
        }
        self.count += 1;
        before
    }

    /// Takes one out, and what was kept about it.
    pub(super) fn remove(&mut self, key: Key) -> Option<Connection> {
        let of_link = self.links.get_mut(&key.0)?;
        let removed = of_link.remove(key.1)?;
        of_link.tries.remove(key.1);
        self.count -= 1;
        Some(removed)
    }

    /// Somebody logged in; what was known before.
    pub(super) fn authenticate(&mut self, key: Key) -> Option<Connection> {
        let of_link = self.links.get_mut(&key.0)?;
        let before = of_link.get(key.1)?;
        of_link.tries.remove(key.1);
        if let Some(packed) = of_link.v4.get_mut(key.1) {
            packed.is_authenticated = true;
        } else if let Some(packed) = of_link.v6.get_mut(key.1) {
            packed.is_authenticated = true;
        }
        Some(before)
    }

    /// Somebody tries to log in on a connection, if it is there.
    pub(super) fn set_last_try(&mut self, key: Key, user: &str) {
        if let Some(of_link) = self.links.get_mut(&key.0)
            && of_link.get(key.1).is_some()
        {
            *of_link.tries.get_or_insert_with(key.1, Box::default) = user.into();
        }
    }

    /// Who tried to log in last on a connection.
    pub(super) fn last_try(&self, key: Key) -> Option<&str> {
        let of_link = self.links.get(&key.0)?;
        of_link.tries.get(key.1).map(|user| &**user)
    }

    /// Nothing of this connection is heard any more; not noted if there are so many already.
    pub(super) fn reject(&mut self, key: Key, most: usize) {
        let of_link = self.links.entry(key.0).or_default();
        if self.rejected < most && !of_link.rejected.contains(key.1) {
            of_link.rejected.get_or_insert_with(key.1, || ());
            self.rejected += 1;
        }
    }

    pub(super) fn is_rejected(&self, key: Key) -> bool {
        let of_link = |of_link: &OfLink| of_link.rejected.contains(key.1);
        self.rejected > 0 && self.links.get(&key.0).is_some_and(of_link)
    }

    /// One that was rejected is gone, if it was.
    pub(super) fn forget_rejected(&mut self, key: Key) {
        if self.rejected > 0
            && let Some(of_link) = self.links.get_mut(&key.0)
            && of_link.rejected.remove(key.1).is_some()
        {
            self.rejected -= 1;
        }
    }

    /// Takes out all of a worker's.
    pub(super) fn remove_link(&mut self, link: LinkId) -> Vec<Connection> {
        let of_link = self.links.remove(&link).unwrap_or_default();
        let v4 = of_link.v4.iter().map(|(_, packed)| (*packed).into());
        let v6 = of_link.v6.iter().map(|(_, packed)| (*packed).into());
        let removed: Vec<Connection> = v4.chain(v6).collect();
        self.count -= removed.len();
        self.rejected -= of_link.rejected.iter().count();
        removed
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let counts = (self.count, self.rejected);
        let tries = |of_link: &OfLink| of_link.tries.iter().count();
        counts == (0, 0) && self.links.values().map(tries).sum::<usize>() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Key = (0, ConnectionSerial(1));
    const BOB: Key = (1, ConnectionSerial(1));

    fn connection(address: &str) -> Connection {
        Connection {
            address: address.parse().unwrap(),
            is_trusted: false,
            is_authenticated: false,
        }
    }

    #[test]
    fn connection_takes_16_or_32_bytes() {
        type Entry<A> = (ConnectionSerial, Packed<A>);
        assert_eq!(size_of::<Entry<Ipv4Addr>>(), 16);
        assert_eq!(size_of::<Entry<Ipv6Addr>>(), 32);
    }

    #[test]
    fn connections_are_removed_once() {
        let mut connections = Connections::default();
        for address in ["192.0.2.1", "2001:db8::1"] {
            let connection = connection(address);
            assert_eq!(connections.insert(ANN, connection), None);
            assert_eq!(connections.get(ANN), Some(connection));
            assert_eq!(connections.get(BOB), None);
            assert_eq!(connections.authenticate(ANN), Some(connection));
            let authenticated = Connection {
                is_authenticated: true,
                ..connection
            };
            assert_eq!(connections.get(ANN), Some(authenticated));
            assert_eq!(
                (connections.len(), connections.remove(ANN)),
                (1, Some(authenticated))
            );
            assert_eq!(connections.remove(ANN), None);
        }
        connections.insert(ANN, connection("192.0.2.1"));
        let before = connections.insert(ANN, connection("2001:db8::1"));
        assert_eq!(before, Some(connection("192.0.2.1")));
        assert_eq!(connections.remove_link(ANN.0), [connection("2001:db8::1")]);
        assert!(connections.is_empty());
    }

    #[test]
    fn try_is_known_until_login_or_close() {
        let mut connections = Connections::default();
        connections.set_last_try(ANN, "nobody");
        assert_eq!(connections.last_try(ANN), None, "there is no connection");
        let ends: [fn(&mut Connections); 3] = [
            |connections| _ = connections.authenticate(ANN),
            |connections| _ = connections.remove(ANN),
            |connections| _ = connections.remove_link(ANN.0),
        ];
        for end in ends {
            connections.insert(ANN, connection("192.0.2.1"));
            connections.set_last_try(ANN, "ann");
            connections.set_last_try(ANN, "Ann");
            assert_eq!(connections.last_try(ANN), Some("Ann"));
            end(&mut connections);
            assert_eq!(connections.last_try(ANN), None);
            connections.remove(ANN);
        }
        assert!(connections.is_empty());
    }

    #[test]
    fn rejected_connections_are_forgotten_on_close() {
        let mut connections = Connections::default();
        let key = |serial| (0, ConnectionSerial(serial));
        for serial in [1, 1, 2, 3] {
            connections.reject(key(serial), 2);
        }
        let noted = |connections: &Connections| {
            [1, 2, 3].map(|serial| connections.is_rejected(key(serial)))
        };
        assert_eq!(noted(&connections), [true, true, false]);
        connections.forget_rejected(key(3));
        connections.forget_rejected(key(1));
        assert_eq!(noted(&connections), [false, true, false]);
        connections.reject(key(3), 2);
        assert_eq!(noted(&connections), [false, true, true]);
        connections.remove_link(0);
        assert!(connections.is_empty());
    }
}
