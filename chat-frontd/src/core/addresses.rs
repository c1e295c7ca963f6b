//! Where clients come from: in little room, because there are as many as clients.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::timers::ClientKey;

/// More keys than are asked for that room is made for.
const LEAST_SPARE: usize = 255;

/// Addresses of clients. Keys are counted from 0 and used again, so a list by key has few gaps.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// By key. [`Ipv4Addr::UNSPECIFIED`] where there is none, or another one.
    v4: Vec<Ipv4Addr>,
    /// Those that `v4` does not hold. Keys are our own, no peer can choose them to collide.
    others: HashMap<ClientKey, IpAddr, foldhash::fast::RandomState>,
}

impl Addresses {
    /// A client comes from there; its key had no address.
    pub(super) fn insert(&mut self, key: ClientKey, address: IpAddr) {
        match address {
            IpAddr::V4(address) if !address.is_unspecified() => {
                self.make_room(key + 1);
                self.v4[key] = address;
            }
            address => drop(self.others.insert(key, address)),
        }
    }

    /// Makes room for so many keys. Doubling it would leave up to half of it free.
    fn make_room(&mut self, keys: usize) {
        let lacking = keys.saturating_sub(self.v4.len());
        if lacking > 0 {
            if keys > self.v4.capacity() {
                let spare = LEAST_SPARE.max(keys / 8);
                self.v4.reserve_exact(lacking + spare);
            }
            self.v4.resize(keys, Ipv4Addr::UNSPECIFIED);
        }
    }

    pub(super) fn get(&self, key: ClientKey) -> Option<IpAddr> {
        match self.v4.get(key) {
            Some(address) if !address.is_unspecified() => Some(IpAddr::V4(*address)),
            _ => self.others.get(&key).copied(),
        }
    }

    pub(super) fn remove(&mut self, key: ClientKey) {
        match self.v4.get_mut(key) {
            Some(address) if !address.is_unspecified() => *address = Ipv4Addr::UNSPECIFIED,
            _ => drop(self.others.remove(&key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_of_all_kinds_are_found() {
        let mut addresses = Addresses::default();
        let all = ["192.0.2.1", "2001:db8::1", "0.0.0.0", "::"].map(address);
        for (key, address) in all.into_iter().enumerate() {
            assert_eq!(addresses.get(key * 3), None);
            addresses.insert(key * 3, address);
        }
        for (key, address) in all.into_iter().enumerate() {
            assert_eq!(addresses.get(key * 3), Some(address));
            assert_eq!(addresses.get(key * 3 + 1), None);
            addresses.remove(key * 3);
            assert_eq!(addresses.get(key * 3), None);
        }
        addresses.remove(1_000);
        addresses.insert(0, address("2001:db8::2"));
        assert_eq!(addresses.get(0), Some(address("2001:db8::2")));
    }

    #[test]
    fn ipv4_address_takes_about_four_bytes() {
        let mut addresses = Addresses::default();
        for key in 0..10_000 {
            addresses.insert(key, address("192.0.2.1"));
        }
        let bytes = addresses.v4.capacity() * size_of::<Ipv4Addr>();
        assert!(bytes <= 46_000, "{bytes}");
        assert_eq!(addresses.others.capacity(), 0);
    }
}
