//! The header of the PROXY protocol, version 2, with which a balancer names its client.
//!
//! Pure: parses bytes. Version 1 is not supported.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The beginning of every header, which no client would send.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const FIXED_BYTES: usize = 16;
/// Longest accepted header in bytes, including extensions after the addresses.
pub const MAX_HEADER_BYTES: usize = 4_096;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPECIFIED: u8 = 0;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;

/// The result of parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// More bytes are needed.
    Incomplete,
    /// A complete header.
    Complete {
        /// The length of the header; the client's bytes follow.
        length: usize,
        /// The client; `None` if the balancer connects for itself, or names no IP address.
        source: Option<SocketAddr>,
    },
}

/// The header of a balancer that connects for itself.
pub const LOCAL_HEADER: [u8; FIXED_BYTES] = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// Why bytes are no valid header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyHeaderError {
    /// The signature is missing; it may be version 1.
    #[error("it does not begin with a PROXY header of version 2")]
    Signature,
    /// An unknown version, or a command other than LOCAL and PROXY.
    #[error("version and command {0:#04x} of the PROXY header are unknown")]
    Command(u8),
    /// Neither TCP over IP nor a Unix socket.
    #[error("family and transport {0:#04x} of the PROXY header are unknown")]
    Family(u8),
    /// The header exceeds the limit.
    #[error("the PROXY header has {0} bytes, at most {MAX_HEADER_BYTES} are allowed")]
    TooLong(usize),
    /// The header is too short for its addresses.
    #[error("the PROXY header has {0} bytes, too few for its addresses")]
    TooShort(usize),
}

/// Parses the bytes that a balancer has sent so far. Returns an error as soon as they cannot become a header.
pub fn parse(bytes: &[u8]) -> Result<ProxyHeader, ProxyHeaderError> {
    let compared = bytes.len().min(SIGNATURE.len());
    if bytes[..compared] != SIGNATURE[..compared] {
        return Err(ProxyHeaderError::Signature);
    }
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED_BYTES>() else {
        return match bytes.get(12) {
            Some(&command) if command != LOCAL && command != PROXY => {
                Err(ProxyHeaderError::Command(command))
            }
            _ => Ok(ProxyHeader::Incomplete),
        };
    };
    let (command, family) = (fixed[12], fixed[13]);
    let rest_bytes = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let length = FIXED_BYTES + rest_bytes;
    if command != LOCAL && command != PROXY {
        return Err(ProxyHeaderError::Command(command));
    }
    if length > MAX_HEADER_BYTES {
        return Err(ProxyHeaderError::TooLong(length));
    }
    let address_bytes = match (command, family) {
        // The rest must be ignored.
        (LOCAL, _) | (_, UNSPECIFIED) => 0,
        (_, TCP_OVER_IPV4) => 12,
        (_, TCP_OVER_IPV6) => 36,
        (_, UNIX_STREAM) => 216,
        (_, family) => return Err(ProxyHeaderError::Family(family)),
    };
    if rest_bytes < address_bytes {
        return Err(ProxyHeaderError::TooShort(length));
    }
    if rest.len() < rest_bytes {
        return Ok(ProxyHeader::Incomplete);
    }
    let source = match (command, family) {
        (PROXY, TCP_OVER_IPV4) => ipv4_source(rest),
        (PROXY, TCP_OVER_IPV6) => ipv6_source(rest),
        _ => None,
    };
    Ok(ProxyHeader::Complete { length, source })
}

/// Parses source address, destination address, source port and destination port.
fn ipv4_source(addresses: &[u8]) -> Option<SocketAddr> {
    let address: [u8; 4] = addresses.get(..4)?.try_into().ok()?;
    let port = addresses.get(8..10)?.try_into().ok()?;
    let address = IpAddr::V4(Ipv4Addr::from(address));
    Some(SocketAddr::new(address, u16::from_be_bytes(port)))
}

fn ipv6_source(addresses: &[u8]) -> Option<SocketAddr> {
    let address: [u8; 16] = addresses.get(..16)?.try_into().ok()?;
    let port = addresses.get(32..34)?.try_into().ok()?;
    let address = IpAddr::V6(Ipv6Addr::from(address)).to_canonical();
    Some(SocketAddr::new(address, u16::from_be_bytes(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend((rest.len() as u16).to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    fn ipv4() -> Vec<u8> {
        vec![192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80]
    }

    fn ipv6(source: &str) -> Vec<u8> {
        let source: Ipv6Addr = source.parse().unwrap();
        let mut rest = source.octets().to_vec();
        rest.extend([9; 16]);
        rest.extend([0, 99, 0, 80]);
        rest
    }

    fn complete(length: usize, source: &str) -> Result<ProxyHeader, ProxyHeaderError> {
        let source = Some(source.parse().unwrap());
        Ok(ProxyHeader::Complete { length, source })
    }

    #[test]
    fn source_is_ipv4_or_ipv6() {
        let bytes = header(PROXY, TCP_OVER_IPV4, &ipv4());
        assert_eq!(parse(&bytes), complete(28, "192.0.2.7:4660"));
        let bytes = header(PROXY, TCP_OVER_IPV6, &ipv6("2001:db8::7"));
        assert_eq!(parse(&bytes), complete(52, "[2001:db8::7]:99"));
        let bytes = header(PROXY, TCP_OVER_IPV6, &ipv6("::ffff:192.0.2.9"));
        assert_eq!(parse(&bytes), complete(52, "192.0.2.9:99"));
    }

    #[test]
    fn extensions_are_skipped() {
        let mut rest = ipv4();
        rest.extend([4, 0, 3, 1, 2, 3]);
        let mut bytes = header(PROXY, TCP_OVER_IPV4, &rest);
        let length = bytes.len();
        bytes.extend(b"ann\n");
        assert_eq!(parse(&bytes), complete(length, "192.0.2.7:4660"));
    }

    #[test]
    fn header_may_name_no_client() {
        for bytes in [
            LOCAL_HEADER.to_vec(),
            header(LOCAL, UNSPECIFIED, &[]),
            header(LOCAL, TCP_OVER_IPV4, &ipv4()),
            header(LOCAL, 0xff, &[1, 2, 3]),
            header(PROXY, UNSPECIFIED, &[7; 20]),
            header(PROXY, UNIX_STREAM, &[0; 216]),
        ] {
            let length = bytes.len();
            let source = None;
            assert_eq!(parse(&bytes), Ok(ProxyHeader::Complete { length, source }));
        }
    }

    #[test]
    fn every_beginning_is_incomplete() {
        let bytes = header(PROXY, TCP_OVER_IPV6, &ipv6("::1"));
        for length in 0..bytes.len() {
            assert_eq!(
                parse(&bytes[..length]),
                Ok(ProxyHeader::Incomplete),
                "{length}"
            );
        }
    }

    #[test]
    fn garbage_header_is_refused_at_once() {
        for bytes in [&b"PROXY TCP4 1.2.3.4"[..], b"a", b"\r\n\r\n\0\r\nQUIT\r"] {
            assert_eq!(parse(bytes), Err(ProxyHeaderError::Signature));
        }
        for command in [0, 0x11, 0x22, 0x31, 0xff] {
            let bytes = header(command, TCP_OVER_IPV4, &ipv4());
            assert_eq!(parse(&bytes), Err(ProxyHeaderError::Command(command)));
            assert_eq!(parse(&bytes[..13]), Err(ProxyHeaderError::Command(command)));
        }
        for family in [0x12, 0x22, 0x10, 0x32, 0xff] {
            let bytes = header(PROXY, family, &[0; 300]);
            assert_eq!(parse(&bytes), Err(ProxyHeaderError::Family(family)));
        }
        let short = header(PROXY, TCP_OVER_IPV4, &ipv4()[..11]);
        assert_eq!(parse(&short), Err(ProxyHeaderError::TooShort(27)));
        let long = header(PROXY, TCP_OVER_IPV4, &[0; MAX_HEADER_BYTES - 15]);
        assert_eq!(parse(&long[..16]), Err(ProxyHeaderError::TooLong(4_097)));
    }
}
