//! Which accounts an audience stands for. The one place where an audience becomes readers.

use std::collections::HashSet;

use chat_model::{AccountId, Audience, NameList, Names, Outcome};
use smallvec::SmallVec;

use super::accounts::Accounts;

/// The readers of a message that is to be stored.
pub(super) enum Addressed {
    /// Sorted, each once. None, if no account has a name that was given.
    Accounts(SmallVec<[AccountId; 8]>),
    /// Every account that gets broadcasts, but the sender's.
    Everyone,
}

/// The readers that an audience stands for, and the names that stand for nobody.
pub(super) struct Recipients {
    pub(super) addressed: Addressed,
    /// In the order in which they were given, each once.
    unknown: NameList<'static>,
}

impl Recipients {
    /// The readers now: an account that is made later gets nothing.
    pub(super) fn of(audience: &Audience<'_>, accounts: &Accounts) -> Self {
        match audience {
            Audience::Accounts(names) => Self::of_names(names.names(), accounts),
            Audience::Everyone => Self {
                addressed: Addressed::Everyone,
                unknown: NameList::new(),
            },
        }
    }

    pub(super) fn of_names(names: Names<'_>, accounts: &Accounts) -> Self {
        let mut readers = SmallVec::new();
        let mut unknown = NameList::new();
        if let Some(name) = names.only() {
            match accounts.id_of(name) {
                Some(id) => readers.push(id),
                None => unknown.push(name),
            }
        } else {
            // A line holds thousands of names: each must cost the same.
            let mut unknown_seen: HashSet<&str> = HashSet::new();
            for name in names.iter() {
                match accounts.id_of(name) {
                    Some(id) => readers.push(id),
                    None if unknown_seen.insert(name) => unknown.push(name),
                    None => {}
                }
            }
            readers.sort_unstable();
            readers.dedup();
        }
        Self {
            addressed: Addressed::Accounts(readers),
            unknown,
        }
    }

    /// What the sender is told once the message is stored.
    pub(super) fn stored(&self) -> Outcome<'static> {
        Outcome::Stored {
            unknown: self.unknown.clone(),
        }
    }
}

impl Addressed {
    /// Whether the message has no reader.
    pub(super) fn is_nobody(&self) -> bool {
        matches!(self, Self::Accounts(readers) if readers.is_empty())
    }
}
