//! The TLS configuration that the master pushes to each worker, and its encoding: see
//! `chat_node::supervisor::child_configuration`.

use zeroize::Zeroizing;

use super::identity::Identity;
use super::tickets::TicketKey;

/// The TLS configuration of a worker.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsConfiguration {
    /// The listening sockets from this index on are for TLS.
    pub first_tls_listener: u32,
    /// Certificate and key; none if no socket is for TLS.
    pub identity: Option<Identity>,
    /// Ticket keys, the newest first.
    pub ticket_keys: Vec<TicketKey>,
}

impl TlsConfiguration {
    /// Encodes the configuration.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let first_tls_listener = self.first_tls_listener.to_le_bytes();
        let keys = self.ticket_keys.iter().map(|key| &key.0[..]);
        let (certificates, key) = match &self.identity {
            Some(identity) => (&identity.certificates_pem[..], &identity.key_pem[..]),
            None => (&[][..], &[][..]),
        };
        let fields: Vec<&[u8]> = [&first_tls_listener[..], certificates, key]
            .into_iter()
            .chain(keys)
            .collect();
        let length = fields.iter().map(|field| 4 + field.len()).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        for field in fields {
            // Far below 4 GiB: `chat_node::supervisor::child_configuration` allows at most 512 KiB.
            bytes.extend_from_slice(&(field.len() as u32).to_le_bytes());
            bytes.extend_from_slice(field);
        }
        bytes
    }

    /// Decodes the output of [`Self::encode`].
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let first_tls_listener = u32::from_le_bytes(field(&mut bytes)?.try_into().ok()?);
        let certificates = field(&mut bytes)?;
        let key = field(&mut bytes)?;
        let identity = (!certificates.is_empty()).then(|| Identity {
            certificates_pem: certificates.to_vec(),
            key_pem: Zeroizing::new(key.to_vec()),
        });
        let mut ticket_keys = Vec::new();
        while !bytes.is_empty() {
            ticket_keys.push(TicketKey(field(&mut bytes)?.try_into().ok()?));
        }
        Some(Self {
            first_tls_listener,
            identity,
            ticket_keys,
        })
    }
}

/// Takes the next field from `bytes`.
fn field<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (field, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::identity::testing::identity;

    #[test]
    fn configuration_round_trip_and_truncation() {
        let configuration = TlsConfiguration {
            first_tls_listener: 3,
            identity: Some(identity("a.example")),
            ticket_keys: vec![TicketKey([1; 32]), TicketKey([2; 32])],
        };
        let bytes = configuration.encode();
        assert!(TlsConfiguration::decode(&bytes).unwrap() == configuration);
        let whole_without_keys = [0, 36, 72].map(|keys_bytes| bytes.len() - keys_bytes);
        for end in 0..bytes.len() {
            let decoded = TlsConfiguration::decode(&bytes[..end]);
            assert_eq!(
                decoded.is_some(),
                whole_without_keys.contains(&end),
                "{end}"
            );
        }
        let plain = TlsConfiguration {
            first_tls_listener: 1,
            identity: None,
            ticket_keys: Vec::new(),
        };
        assert!(TlsConfiguration::decode(&plain.encode()).unwrap() == plain);
    }
}
