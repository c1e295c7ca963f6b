//! What is known of an account for as long as it exists.

use std::sync::Arc;

use chat_model::MessageNumber;

use super::membership::Memberships;
use super::places::{Place, Places};
use super::rate::Allowance;

/// Whether the account file has an account's newest secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileStatus {
    /// It has.
    Yes,
    /// Not as far as is known.
    No {
        /// The secret it had before; `None` if it had no line for the account.
        previous: Option<Arc<str>>,
    },
}

/// From where on an account gets broadcasts: in eight bytes, because there are as many as accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcastsAfter(MessageNumber);

impl BroadcastsAfter {
    /// No message is this far.
    const NONE: MessageNumber = MessageNumber(u64::MAX);

    /// It gets broadcasts after this one, or none at all.
    pub fn of(after: Option<MessageNumber>) -> Self {
        Self(after.unwrap_or(Self::NONE))
    }

    /// The message after which it gets broadcasts; nothing if it gets none.
    pub fn get(self) -> Option<MessageNumber> {
        Some(self.0).filter(|after| *after != Self::NONE)
    }
}

/// What of an account goes into a checkpoint as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// Unique.
    pub name: Arc<str>,
    /// A PHC string or 40 hex digits of SHA-1.
    pub secret: Arc<str>,
    /// Counts the changes of the secret.
    pub secret_version: u32,
    /// Counts the changes of the password; a stronger secret for the same one is none.
    pub password_version: u32,
    /// Whether the account file has the secret.
    pub filed: FileStatus,
    /// Nobody can log in: the account file has no line of it, or is to lose it. In the latter case `filed` names the
    /// secret that is to go.
    pub disabled: bool,
    /// Which broadcasts it gets; none at all if it was disabled since format 5.
    pub broadcasts_after: BroadcastsAfter,
    /// How many broadcasts it may make at once.
    pub(crate) broadcasts: Allowance,
    /// What its sessions have in its queue.
    pub places: Places,
    /// What it has in rooms. A checkpoint has it apart from the rest.
    pub memberships: Memberships,
}

impl AccountRecord {
    /// The last broadcast that does not wait for it; nothing if none does.
    pub(super) fn broadcast_cursor(&self) -> Option<MessageNumber> {
        self.broadcasts_from(self.places.cursor())
    }

    /// The same for one of its places.
    pub(super) fn broadcast_cursor_of(&self, place: &Place) -> Option<MessageNumber> {
        self.broadcasts_from(place.cursor())
    }

    fn broadcasts_from(&self, cursor: MessageNumber) -> Option<MessageNumber> {
        self.broadcasts_after.get().map(|after| after.max(cursor))
    }

    /// Whether this secret of a disabled account may still stand in the account file, and is to go from there.
    pub fn is_to_leave_file(&self) -> bool {
        self.disabled
            && match &self.filed {
                FileStatus::No {
                    previous: Some(secret),
                } => *secret == self.secret || self.is_forgotten(),
                _ => false,
            }
    }

    /// Its secret is gone for good: only another password brings it back.
    pub fn is_forgotten(&self) -> bool {
        self.disabled && self.secret.is_empty()
    }
}
