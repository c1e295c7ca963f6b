//! Passwords that were right once, so that a storm of users who come back costs microseconds each. Kept in
//! memory only, as keyed hashes under a key made at start.

use std::io;

use blake2::Blake2bMac;
use blake2::digest::consts::U16;
use blake2::digest::{KeyInit, Mac};
use zeroize::Zeroizing;

use chat_model::AccountId;

/// Entries kept where nothing else is configured; 24 bytes each.
pub const DEFAULT_MAX_ENTRIES: usize = 1_000_000;

type KeyedHash = Blake2bMac<U16>;
type Tag = [u8; 16];

/// What is kept of right passwords: a keyed hash over account, version of the secret, and password.
pub struct RememberedPasswords {
    key: Zeroizing<[u8; 32]>,
    /// Account numbers count up from 0, so an account's place is its number, modulo the limit: who comes
    /// to a taken place, drops who was there. Grows with the highest account that logged in.
    places: Vec<Option<(AccountId, Tag)>>,
    max_entries: usize,
}

impl RememberedPasswords {
    /// Remembers nothing yet, and at most `max_entries` at any time. Fails where the system gives no
    /// random numbers.
    pub fn new(max_entries: usize) -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(io::Error::other)?;
        Ok(Self {
            key,
            places: Vec::new(),
            max_entries,
        })
    }

    /// Notes that this password is right for this version of the account's secret.
    pub fn remember(&mut self, account: AccountId, password_version: u32, password: &[u8]) {
        let Some(place) = self.place(account) else {
            return;
        };
        if place >= self.places.len() {
            self.places.resize(place + 1, None);
        }
        let keyed_hash = self.keyed_hash(account, password_version, password);
        self.places[place] = Some((account, keyed_hash.finalize().into_bytes().into()));
    }

    /// Whether this password is known to be right. `false` says nothing about the password.
    pub fn matches(&self, account: AccountId, password_version: u32, password: &[u8]) -> bool {
        match self.place(account).and_then(|place| self.places.get(place)) {
            Some(Some((owner, tag))) if *owner == account => self
                .keyed_hash(account, password_version, password)
                .verify(tag.into())
                .is_ok(),
            _ => false,
        }
    }

    /// Drops what is known of an account.
    pub fn forget(&mut self, account: AccountId) {
        let place = self.place(account);
        if let Some(entry) = place.and_then(|place| self.places.get_mut(place))
            && entry.is_some_and(|(owner, _)| owner == account)
        {
            *entry = None;
        }
    }

    fn place(&self, account: AccountId) -> Option<usize> {
        usize::try_from(account.0)
            .ok()?
            .checked_rem(self.max_entries)
    }

    /// The password stands last, so that no two inputs run together to the same bytes.
    fn keyed_hash(&self, account: AccountId, password_version: u32, password: &[u8]) -> KeyedHash {
        let keyed_hash =
            KeyedHash::new_from_slice(self.key.as_ref()).expect("a key of 32 bytes is allowed");
        keyed_hash
            .chain_update(account.0.to_le_bytes())
            .chain_update(password_version.to_le_bytes())
            .chain_update(password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembering(max_entries: usize) -> RememberedPasswords {
        RememberedPasswords::new(max_entries).unwrap()
    }

    #[test]
    fn knows_exactly_what_it_was_told() {
        let mut passwords = remembering(10);
        let bob = AccountId(3);
        assert!(!passwords.matches(bob, 1, b"donation"));
        passwords.remember(bob, 1, b"donation");
        assert!(passwords.matches(bob, 1, b"donation"));
        assert!(!passwords.matches(bob, 1, b"donatioN"));
        assert!(!passwords.matches(bob, 1, b""));
        assert!(!passwords.matches(bob, 2, b"donation"));
        assert!(!passwords.matches(AccountId(13), 1, b"donation"));
        assert!(!passwords.matches(AccountId(4), 1, b"donation"));
    }

    #[test]
    fn new_password_takes_place_of_old() {
        let mut passwords = remembering(10);
        passwords.remember(AccountId(0), 1, b"old");
        passwords.remember(AccountId(0), 2, b"new");
        assert!(passwords.matches(AccountId(0), 2, b"new"));
        assert!(!passwords.matches(AccountId(0), 1, b"old"));
    }

    #[test]
    fn forgets_one_account_only() {
        let mut passwords = remembering(10);
        passwords.remember(AccountId(1), 1, b"one");
        passwords.remember(AccountId(2), 1, b"two");
        passwords.forget(AccountId(1));
        passwords.forget(AccountId(12));
        passwords.forget(AccountId(900));
        assert!(!passwords.matches(AccountId(1), 1, b"one"));
        assert!(passwords.matches(AccountId(2), 1, b"two"));
    }

    #[test]
    fn is_bounded_whatever_accounts() {
        let mut passwords = remembering(4);
        let accounts = [0, 1, 2, 3, 4, 5, 1_000_001, u32::MAX];
        for account in accounts {
            passwords.remember(AccountId(account), 1, b"same");
            assert!(passwords.matches(AccountId(account), 1, b"same"));
            assert!(passwords.places.len() <= 4);
        }
        let kept = accounts
            .into_iter()
            .filter(|account| passwords.matches(AccountId(*account), 1, b"same"));
        assert_eq!(kept.count(), 4);
    }

    #[test]
    fn room_for_nothing_remembers_nothing() {
        let mut passwords = remembering(0);
        passwords.remember(AccountId(0), 1, b"one");
        assert!(!passwords.matches(AccountId(0), 1, b"one"));
    }

    #[test]
    fn every_start_has_key_of_its_own() {
        let (mut first, mut second) = (remembering(1), remembering(1));
        first.remember(AccountId(0), 1, b"one");
        second.remember(AccountId(0), 1, b"one");
        assert_ne!(first.places, second.places);
    }
}
