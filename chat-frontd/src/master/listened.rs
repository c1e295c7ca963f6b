//! An address that the front end listens on, in the notation of the status file.

use std::fmt;
use std::net::{AddrParseError, SocketAddr};
use std::str::FromStr;

/// Follows the address of a socket for TLS.
const TLS_MARK: &str = " tls";

/// An address that the front end listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listened {
    /// The address that the system reports.
    pub address: SocketAddr,
    /// Whether clients use TLS there.
    pub is_tls: bool,
}

impl Listened {
    /// A warning if passwords could be read on the network.
    pub fn warning(&self) -> Option<String> {
        let Self { address, is_tls } = self;
        let is_harmless = *is_tls || address.ip().to_canonical().is_loopback();
        (!is_harmless).then(|| {
            format!(
                "{address} is open to other hosts without TLS: passwords and messages are not encrypted \
                 (see CHAT_LISTEN_TLS in docs/settings.md)"
            )
        })
    }
}

impl FromStr for Listened {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        let without_mark = text.strip_suffix(TLS_MARK);
        Ok(Self {
            address: without_mark.unwrap_or(text).parse()?,
            is_tls: without_mark.is_some(),
        })
    }
}

impl fmt::Display for Listened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_tls { TLS_MARK } else { "" };
        write!(f, "{}{mark}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_plain_address_has_warning() {
        for (text, is_warned_of) in [
            ("127.0.0.1:4119", false),
            ("[::1]:4119", false),
            ("[::ffff:127.0.0.1]:4119", false),
            ("0.0.0.0:4119", true),
            ("[::]:4119", true),
            ("192.0.2.1:4119", true),
            ("0.0.0.0:4120 tls", false),
            ("[::]:4120 tls", false),
        ] {
            let listened: Listened = text.parse().unwrap();
            assert_eq!(listened.to_string(), text);
            assert_eq!(listened.warning().is_some(), is_warned_of, "{text}");
        }
        assert!("x:1 tls".parse::<Listened>().is_err());
    }
}
