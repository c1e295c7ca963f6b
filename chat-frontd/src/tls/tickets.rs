//! Session tickets, with which a returning client skips most of the handshake at any worker.
//!
//! A ticket contains the session's secrets, encrypted with a key that all workers share. The master creates and
//! replaces this key. An attacker who learns it can decrypt TLS 1.2 sessions that were resumed with its tickets, but
//! not TLS 1.3 sessions, where each handshake adds a secret of its own.

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;
use zeroize::Zeroize;

/// How long a key encrypts tickets. It decrypts them for the same time after that.
pub const KEY_LIFETIME_S: u32 = 6 * 60 * 60;

const KEY_BYTES: usize = 32;

/// A key for tickets.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKey(pub [u8; KEY_BYTES]);

impl TicketKey {
    /// Creates a random key.
    pub fn random() -> Result<Self, Unspecified> {
        let mut key = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut key)?;
        Ok(Self(key))
    }
}

impl Drop for TicketKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(secret)")
    }
}

/// Encrypts tickets with the first key, and decrypts tickets of any key.
pub struct Tickets {
    keys: Vec<LessSafeKey>,
    random: SystemRandom,
}

impl Tickets {
    /// Uses `keys`, the newest first.
    pub fn new(keys: &[TicketKey]) -> Result<Self, Unspecified> {
        let keys = keys
            .iter()
            .map(|key| UnboundKey::new(&CHACHA20_POLY1305, &key.0).map(LessSafeKey::new))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            keys,
            random: SystemRandom::new(),
        })
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        !self.keys.is_empty()
    }

    fn lifetime(&self) -> u32 {
        KEY_LIFETIME_S
    }

    /// Returns a random nonce and the encrypted bytes.
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let key = self.keys.first()?;
        // Workers cannot share a counter. Random nonces collide after about 2^48 tickets of one key.
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(unique, Aad::empty(), &mut sealed)
            .ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = ticket.split_first_chunk::<NONCE_LEN>()?;
        self.keys.iter().find_map(|key| {
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let mut bytes = sealed.to_vec();
            let plain = key.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?;
            Some(plain.to_vec())
        })
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tickets({} keys)", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(keys: &[&TicketKey]) -> Tickets {
        let keys: Vec<TicketKey> = keys.iter().map(|key| (*key).clone()).collect();
        Tickets::new(&keys).unwrap()
    }

    #[test]
    fn ticket_is_valid_until_second_rotation() {
        let [first, second, third] = [(); 3].map(|()| TicketKey::random().unwrap());
        let ticket = tickets(&[&first]).encrypt(b"a session").unwrap();
        assert!(!ticket.windows(9).any(|window| window == b"a session"));
        for keys in [&[&first][..], &[&second, &first]] {
            assert_eq!(tickets(keys).decrypt(&ticket).unwrap(), b"a session");
        }
        assert_eq!(tickets(&[&third, &second]).decrypt(&ticket), None);
    }

    #[test]
    fn what_is_no_ticket_is_refused() {
        let tickets = tickets(&[&TicketKey::random().unwrap()]);
        let ticket = tickets.encrypt(b"a session").unwrap();
        for end in 0..ticket.len() {
            assert_eq!(tickets.decrypt(&ticket[..end]), None, "{end} bytes");
        }
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(tickets.decrypt(&changed), None, "byte {at}");
        }
    }
}
