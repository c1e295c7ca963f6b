//! What of the messages is kept in the history, which is no part of the state.

use chat_model::{AccountId, MessageNumber};
use smallvec::SmallVec;

use super::message::{StoredMessage, Text};
use crate::entry::HistoryRules;

/// A message that is to be kept, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMessage {
    /// Its place among all messages.
    pub number: MessageNumber,
    /// When the server took it, in milliseconds since 1970-01-01T00:00:00Z.
    pub time_ms: i64,
    /// Who sent it.
    pub sender: AccountId,
    /// Who got it, each once.
    pub readers: SmallVec<[AccountId; 2]>,
    /// 1 byte to 1 MiB.
    pub text: Box<str>,
}

impl KeptMessage {
    /// What it takes in memory until it is on disk, roughly.
    pub fn bytes(&self) -> usize {
        const FIXED: usize = 64;
        FIXED + self.readers.len() * size_of::<AccountId>() + self.text.len()
    }
}

/// Which messages are kept from here on, and the last that was to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Decided by these.
    pub rules: HistoryRules,
    /// The last message that was to be kept.
    pub last: MessageNumber,
}

impl Keeping {
    /// The message to some accounts, if it is to be kept.
    pub(super) fn keep(
        &mut self,
        message: &StoredMessage,
        readers: &[AccountId],
    ) -> Option<KeptMessage> {
        let Text::Resident(text) = &message.text else {
            return None;
        };
        if !self.rules.keeps_direct {
            return None;
        }
        self.last = message.number;
        Some(KeptMessage {
            number: message.number,
            time_ms: message.time_ms,
            sender: message.sender,
            readers: SmallVec::from_slice(readers),
            text: text.clone(),
        })
    }
}
