//! How many connections each address and each source has.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chat_node::limits::network::source_of;

/// Connections, of them those on which nobody is logged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) connections: u32,
    pub(super) unauthenticated: u32,
}

/// What an address has, and its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tallied {
    /// Connections of this very address.
    pub(super) of_address: u32,
    /// Those of its source: an IPv4 address is its own, of IPv6 it is the /64.
    pub(super) of_source: Counts,
}

/// Counts by address and by source, both as they are in canonical form. Where nothing is, nothing is kept.
#[derive(Debug, Default)]
pub(super) struct Tally {
    v4: HashMap<Ipv4Addr, Counts>,
    v6_addresses: HashMap<Ipv6Addr, u32>,
    v6_sources: HashMap<IpAddr, Counts>,
}

impl Tally {
    pub(super) fn of(&self, address: IpAddr) -> Tallied {
        match address {
            IpAddr::V4(ip) => {
                let counts = self.v4.get(&ip).copied().unwrap_or_default();
                Tallied {
                    of_address: counts.connections,
                    of_source: counts,
                }
            }
            IpAddr::V6(ip) => {
                let of_source = self.v6_sources.get(&source_of(address));
                Tallied {
                    of_address: self.v6_addresses.get(&ip).copied().unwrap_or_default(),
                    of_source: of_source.copied().unwrap_or_default(),
                }
            }
        }
    }

    /// One more connection.
    pub(super) fn add(&mut self, address: IpAddr, is_authenticated: bool) {
        let counts = match address {
            IpAddr::V4(ip) => self.v4.entry(ip).or_default(),
            IpAddr::V6(ip) => {
                *self.v6_addresses.entry(ip).or_default() += 1;
                self.v6_sources.entry(source_of(address)).or_default()
            }
        };
        counts.connections += 1;
        counts.unauthenticated += u32::from(!is_authenticated);
    }

    /// One less, of those that were added.
    pub(super) fn remove(&mut self, address: IpAddr, is_authenticated: bool) {
        let leave = |counts: &mut Counts| {
            counts.connections -= 1;
            counts.unauthenticated -= u32::from(!is_authenticated);
            counts.connections == 0
        };
        match address {
            IpAddr::V4(ip) => lessen(&mut self.v4, ip, leave),
            IpAddr::V6(ip) => {
                lessen(&mut self.v6_addresses, ip, |connections| {
                    *connections -= 1;
                    *connections == 0
                });
                lessen(&mut self.v6_sources, source_of(address), leave);
            }
        }
    }

    /// Somebody logged in on a connection that was added as one on which nobody was.
    pub(super) fn authenticated(&mut self, address: IpAddr) {
        let counts = match address {
            IpAddr::V4(ip) => self.v4.get_mut(&ip),
            IpAddr::V6(_) => self.v6_sources.get_mut(&source_of(address)),
        };
        if let Some(counts) = counts {
            counts.unauthenticated -= 1;
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6_addresses.is_empty() && self.v6_sources.is_empty()
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.v4.capacity() + self.v6_addresses.capacity() + self.v6_sources.capacity()
    }
}

/// Takes one from what a key has; without anything left it goes, and room that many had is given back.
fn lessen<K: Eq + Hash, V>(counts: &mut HashMap<K, V>, key: K, leave: impl FnOnce(&mut V) -> bool) {
    if let Some(value) = counts.get_mut(&key)
        && leave(value)
    {
        counts.remove(&key);
        if counts.len() * 8 < counts.capacity() {
            counts.shrink_to(counts.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn tallied(of_address: u32, connections: u32, unauthenticated: u32) -> Tallied {
        Tallied {
            of_address,
            of_source: Counts {
                connections,
                unauthenticated,
            },
        }
    }

    #[test]
    fn source_is_ipv4_address_or_ipv6_64() {
        let mut tally = Tally::default();
        let (ann, bob, other) = (ip("2001:db8::1"), ip("2001:db8::2"), ip("192.0.2.1"));
        tally.add(ann, false);
        tally.add(ann, true);
        tally.add(bob, false);
        tally.add(other, false);
        assert_eq!(tally.of(ann), tallied(2, 3, 2));
        assert_eq!(tally.of(bob), tallied(1, 3, 2));
        assert_eq!(tally.of(ip("2001:db8::")), tallied(0, 3, 2));
        assert_eq!(tally.of(ip("2001:db8:0:1::")), Tallied::default());
        assert_eq!(tally.of(other), tallied(1, 1, 1));
        assert_eq!(tally.of(ip("192.0.2.2")), Tallied::default());
        tally.authenticated(bob);
        tally.authenticated(other);
        assert_eq!(tally.of(ann), tallied(2, 3, 1));
        assert_eq!(tally.of(other), tallied(1, 1, 0));
        tally.remove(ann, true);
        assert_eq!(tally.of(ann), tallied(1, 2, 1));
        tally.remove(ann, false);
        tally.remove(bob, true);
        tally.remove(other, true);
        assert!(tally.is_empty());
    }

    #[test]
    fn many_that_leave_give_their_room_back() {
        let mut tally = Tally::default();
        let address = |number: u32| match number % 2 {
            0 => IpAddr::from(number.to_be_bytes()),
            _ => IpAddr::from((u128::from(number) << 64).to_be_bytes()),
        };
        for number in 0..10_000 {
            tally.add(address(number), false);
        }
        assert!(tally.room() >= 15_000);
        for number in 0..10_000 {
            tally.remove(address(number), false);
        }
        assert!(tally.is_empty());
        assert!(tally.room() <= 100, "{}", tally.room());
    }
}
