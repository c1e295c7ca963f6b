//! Secrets of tokens, from randomness that the worker is given at its start. Pure.

use std::fmt;

use chat_model::Password;
use chat_model::name::TOKEN_PREFIX;
use ring::hmac::{HMAC_SHA256, Key, sign};
use zeroize::Zeroizing;

/// Makes secrets. Who learns what it is made of now cannot tell the secrets of before.
pub(crate) struct Secrets {
    seed: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secrets")
    }
}

impl Secrets {
    /// From 32 random bytes.
    pub(crate) fn of(seed: [u8; 32]) -> Self {
        Self { seed: seed.into() }
    }

    /// A secret that nobody can guess.
    pub(crate) fn next(&mut self) -> Password<'static> {
        let key = Key::new(HMAC_SHA256, &*self.seed);
        let random = sign(&key, b"secret");
        for (byte, next) in self.seed.iter_mut().zip(sign(&key, b"next").as_ref()) {
            *byte = *next;
        }
        let mut secret = Vec::with_capacity(TOKEN_PREFIX.len() + 64);
        secret.extend_from_slice(TOKEN_PREFIX.as_bytes());
        for byte in random.as_ref() {
            for digit in [byte >> 4, byte & 15] {
                secret.push(b"0123456789abcdef"[usize::from(digit)]);
            }
        }
        secret.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_follow_from_seed() {
        let [mut first, mut second] = [1, 1].map(|byte| Secrets::of([byte; 32]));
        let mut other = Secrets::of([2; 32]);
        let secret = first.next();
        assert_eq!(secret, second.next());
        assert_ne!(secret, first.next());
        assert_ne!(secret, other.next());
        let text = std::str::from_utf8(&secret).unwrap();
        assert!(text.starts_with(TOKEN_PREFIX) && text.len() == TOKEN_PREFIX.len() + 64);
    }
}
