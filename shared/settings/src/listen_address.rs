//! Addresses to listen on, in the notation of settings.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A host and a port. The host may be a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port; 0 lets the system choose one.
    pub port: u16,
}

/// Why a text is not a valid address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// There is no colon before a port.
    #[error("the port is missing; write HOST:PORT or [IPV6]:PORT")]
    NoPort,
    /// The port is not a number up to 65535.
    #[error("the port is not a number from 0 to 65535")]
    BadPort,
    /// The host before the port is missing.
    #[error("the host is missing; write 0.0.0.0:PORT or [::]:PORT to listen on all addresses")]
    NoHost,
    /// A colon in the host, but no brackets.
    #[error("an IPv6 address needs brackets: [IPV6]:PORT")]
    NoBrackets,
}

/// A value of the setting for addresses without TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlainListen {
    /// The word `none`.
    Nowhere,
    /// An address.
    At(ListenAddress),
}

impl FromStr for PlainListen {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.trim() {
            "none" => Ok(Self::Nowhere),
            text => text.parse().map(Self::At),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.trim().rsplit_once(':').ok_or(AddressError::NoPort)?;
        if port.ends_with(']') {
            return Err(AddressError::NoPort);
        }
        let in_brackets = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        if in_brackets.is_none() && host.contains([':', '[', ']']) {
            return Err(AddressError::NoBrackets);
        }
        let host = in_brackets.unwrap_or(host);
        if host.is_empty() {
            return Err(AddressError::NoHost);
        }
        Ok(Self {
            host: host.to_owned(),
            port: port.parse().map_err(|_| AddressError::BadPort)?,
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in ["127.0.0.1:4119", "chat.example.org:0", "[::]:65535"] {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        let address: ListenAddress = "[fe80::1%eth0]:7".parse().unwrap();
        assert_eq!((address.host.as_str(), address.port), ("fe80::1%eth0", 7));
    }

    #[test]
    fn errors_name_what_is_wrong() {
        let error = |text: &str| ListenAddress::from_str(text).unwrap_err();
        assert_eq!(error(""), AddressError::NoPort);
        assert_eq!(error("localhost"), AddressError::NoPort);
        assert_eq!(error("[::1]"), AddressError::NoPort);
        assert_eq!(error("::1:4119"), AddressError::NoBrackets);
        assert_eq!(error(":4119"), AddressError::NoHost);
        assert_eq!(error("a:"), AddressError::BadPort);
        assert_eq!(error("a:65536"), AddressError::BadPort);
        assert_eq!(error("a:-1"), AddressError::BadPort);
    }
}
