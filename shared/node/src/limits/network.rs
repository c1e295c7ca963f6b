//! Networks in the notation of operators, and the sources that limits are counted by.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Maximum number of networks in a list.
const MAX_NETWORKS: usize = 1_024;

/// All addresses with the same prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// Whether the network contains `address`. A mapped IPv4 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.prefix_bits) == Some(self.address)
    }
}

/// Clears all bits of an address after the prefix; `None` if the prefix is too long.
fn masked(address: IpAddr, prefix_bits: u8) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => {
            let shift = 32_u32.checked_sub(u32::from(prefix_bits))?;
            let mask = u32::MAX.checked_shl(shift).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let shift = 128_u32.checked_sub(u32::from(prefix_bits))?;
            let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    })
}

/// Why a text is not a valid network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The text is neither an address nor a network.
    #[error("{0:?} is not an address or a network; write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32")]
    Malformed(String),
    /// Bits are set after the prefix, which is probably a mistake.
    #[error("{0} has bits set after the first {1}; write {2}/{1}")]
    HostBits(String, u8, IpAddr),
    /// The list is too long.
    #[error("more than {MAX_NETWORKS} networks")]
    TooMany,
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let malformed = || NetworkError::Malformed(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        let all_bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            None => all_bits,
            Some(bits) => bits.parse().map_err(|_| malformed())?,
        };
        let first = masked(address, prefix_bits).ok_or_else(malformed)?;
        if first != address {
            return Err(NetworkError::HostBits(text.to_owned(), prefix_bits, first));
        }
        // The kernel reports IPv4 peers of an IPv6 socket as mapped addresses; they are compared as IPv4.
        let canonical = address.to_canonical();
        match (canonical == address, prefix_bits) {
            (true, prefix_bits) => Ok(Self {
                address,
                prefix_bits,
            }),
            (false, 96..) => Ok(Self {
                address: canonical,
                prefix_bits: prefix_bits - 96,
            }),
            (false, _) => Err(malformed()),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// A list of networks, separated by commas. An empty text or `none` is an empty list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// The loopback networks.
    pub const LOOPBACK: &'static str = "127.0.0.0/8,::1";

    /// Whether one of the networks contains the address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl FromStr for Networks {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let text = text.trim();
        if text.is_empty() || text == "none" {
            return Ok(Self::default());
        }
        let networks = text.split(',').map(|network| network.trim().parse());
        let networks: Vec<Network> = networks.collect::<Result<_, _>>()?;
        match networks.len() {
            0..=MAX_NETWORKS => Ok(Self(networks)),
            _ => Err(NetworkError::TooMany),
        }
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (network, index) in self.0.iter().zip(0..) {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{network}")?;
        }
        Ok(())
    }
}

/// The source of an address: the IPv4 address itself, or the IPv6 /64, which usually belongs to one party.
pub fn source_of(address: IpAddr) -> IpAddr {
    let address = address.to_canonical();
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(_) => masked(address, 64).unwrap_or(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> Networks {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_and_networks_of_both_kinds() {
        let list = networks("127.0.0.0/8, 192.0.2.7,::1,2001:db8:1::/48");
        for inside in [
            "127.0.0.1",
            "127.255.255.255",
            "192.0.2.7",
            "::1",
            "2001:db8:1:ffff::9",
            "::ffff:127.0.0.9",
        ] {
            assert!(list.contains(ip(inside)), "{inside}");
        }
        for outside in ["128.0.0.1", "192.0.2.8", "::2", "2001:db8:2::", "::"] {
            assert!(!list.contains(ip(outside)), "{outside}");
        }
        let shown = "127.0.0.0/8,192.0.2.7/32,::1/128,2001:db8:1::/48";
        assert_eq!(list.to_string(), shown);
    }

    #[test]
    fn all_of_kind_and_mapped_networks() {
        let list = networks("0.0.0.0/0");
        assert!(list.contains(ip("203.0.113.1")) && !list.contains(ip("2001:db8::1")));
        assert!(networks("::/0").contains(ip("2001:db8::1")));
        assert!(networks("::ffff:10.0.0.0/104").contains(ip("10.1.2.3")));
    }

    #[test]
    fn nothing_and_none_are_nobody() {
        for text in ["", " ", "none"] {
            assert_eq!(networks(text), Networks::default());
            assert!(!networks(text).contains(ip("127.0.0.1")));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in [
            "x",
            "1.2.3.4/33",
            "::/129",
            "1.2.3.0/",
            "/8",
            "1.2.3.4,,",
            "1.2.3.4/-1",
        ] {
            assert!(text.parse::<Networks>().is_err(), "{text}");
        }
        let error = "10.1.0.0/8".parse::<Networks>().unwrap_err().to_string();
        assert!(error.ends_with("write 10.0.0.0/8"), "{error}");
        let many = vec!["10.0.0.1"; MAX_NETWORKS + 1].join(",");
        assert_eq!(many.parse::<Networks>(), Err(NetworkError::TooMany));
    }

    #[test]
    fn source_is_address_or_64() {
        assert_eq!(source_of(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
        assert_eq!(source_of(ip("192.0.2.1")), ip("192.0.2.1"));
        assert_eq!(source_of(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
    }
}
