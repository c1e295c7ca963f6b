//! What is known of an account for as long as it exists.

use std::sync::Arc;

use chat_model::{ConnectionId, MessageNumber};

use super::clock::StateMs;
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
    /// When its last session ended.
    pub(crate) last_seen: Option<StateMs>,
    /// The last message its reader surely has, or that was there before the account.
    pub(crate) cursor: MessageNumber,
    /// It gets broadcasts after this one; none at all if it was disabled since format 5.
    pub broadcasts_after: Option<MessageNumber>,
    /// The last message its reader's TCP has acknowledged, while it is logged in.
    pub(crate) received: MessageNumber,
    /// How many broadcasts it may make at once.
    pub(crate) broadcasts: Allowance,
    /// The connection it is logged in on.
    pub session: Option<ConnectionId>,
}

impl AccountRecord {
    /// The last broadcast that does not wait for it; nothing if none does.
    pub(super) fn broadcast_cursor(&self) -> Option<MessageNumber> {
        self.broadcasts_after.map(|after| after.max(self.cursor))
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
