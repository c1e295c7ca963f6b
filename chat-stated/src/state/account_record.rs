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
    /// The account file lost its lines: nobody can log in.
    pub disabled: bool,
    /// When its last session ended.
    pub(crate) last_seen: Option<StateMs>,
    /// The last message its reader surely has, or that was there before the account.
    pub(crate) cursor: MessageNumber,
    /// The last message its reader's TCP has acknowledged, while it is logged in.
    pub(crate) received: MessageNumber,
    /// How many broadcasts it may make at once.
    pub(crate) broadcasts: Allowance,
    /// The connection it is logged in on.
    pub session: Option<ConnectionId>,
}
