//! The state from records of a checkpoint.

use super::tables::{
    ACCOUNT_TABLE, HEADER_KEY, HEADER_TABLE, HOSTS_KEY, KEEPING_KEY, MEMBERSHIP_TABLE, ONCE_TABLE,
    PAGE_TABLE, READ_MEANWHILE_TABLE, ROOM_TABLE, ROOMS_KEY, SESSION_LIMITS_KEY, TOKEN_TABLE,
    WAITING_LIMITS_KEY,
};
use super::{Record, RecordSink};
use crate::records;
use crate::state::State;
use crate::state::parts::{OncePageKey, StateBuilder};
use crate::text_page::{self, TEXT_TABLE};
use chat_model::RoomId;

/// Why records of a checkpoint do not make a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A record cannot be read though its checksum is right.
    #[error("record {key} of table {table} cannot be read")]
    Unreadable {
        /// Which kind of record.
        table: u8,
        /// Which of its kind.
        key: u64,
    },
    /// What the records say cannot be.
    #[error(transparent)]
    State(#[from] crate::state::RestoreError),
}

/// A state in the making, from the records of a checkpoint in any order.
///
/// Accounts and messages are put where they are to stay as they come: a start needs no more memory than what ran.
#[derive(Debug, Default)]
pub struct Restoration(StateBuilder);

impl Restoration {
    /// One that keeps no more than so many bytes of text in memory.
    pub fn within(resident_text_bytes: u64) -> Self {
        Self(StateBuilder::within(resident_text_bytes))
    }

    /// The state that these records stand for, with all texts in memory.
    pub fn of_all(
        records: impl IntoIterator<Item = (u8, u64, Vec<u8>)>,
    ) -> Result<State, RestoreError> {
        let mut restoration = Self::default();
        for (table, key, bytes) in records {
            restoration.add(table, key, &bytes)?;
        }
        restoration.finish()
    }

    /// Takes one record.
    pub fn add(&mut self, table: u8, key: u64, bytes: &[u8]) -> Result<(), RestoreError> {
        let unreadable = RestoreError::Unreadable { table, key };
        let builder = &mut self.0;
        match (table, key) {
            (HEADER_TABLE, HEADER_KEY) => {
                builder.take_header(records::decode_header(bytes).ok_or(unreadable)?);
            }
            (HEADER_TABLE, WAITING_LIMITS_KEY) => {
                let limits = records::decode_waiting_limits(bytes).ok_or(unreadable)?;
                builder.take_waiting_limits(limits);
            }
            (HEADER_TABLE, SESSION_LIMITS_KEY) => {
                let limits = records::decode_session_limits(bytes).ok_or(unreadable)?;
                builder.take_session_limits(limits);
            }
            (HEADER_TABLE, ROOMS_KEY) => {
                let header = records::decode_rooms_header(bytes).ok_or(unreadable)?;
                builder.take_rooms_header(header);
            }
            (ROOM_TABLE, _) => {
                let record = records::decode_room(bytes).ok_or(unreadable.clone())?;
                let id = u32::try_from(key).map_err(|_| unreadable)?;
                builder.add_room(RoomId(id), record);
            }
            (MEMBERSHIP_TABLE, _) => {
                let memberships = records::decode_memberships(bytes).ok_or(unreadable)?;
                builder.add_memberships(key, memberships);
            }
            (HEADER_TABLE, KEEPING_KEY) => {
                builder.take_keeping(records::decode_keeping(bytes).ok_or(unreadable)?);
            }
            (HEADER_TABLE, HOSTS_KEY) => {
                builder.take_hosts(records::decode_hosts(bytes).ok_or(unreadable)?);
            }
            (ACCOUNT_TABLE, _) => {
                builder.add_account(key, records::decode_account(bytes).ok_or(unreadable)?);
            }
            (ONCE_TABLE, _) => {
                let page = records::decode_once_page(bytes).ok_or(unreadable)?;
                builder.add_once_page(OncePageKey(key), page)?;
            }
            (TOKEN_TABLE, _) => {
                let tokens = records::decode_tokens(bytes).ok_or(unreadable)?;
                builder.add_tokens(key, tokens)?;
            }
            (PAGE_TABLE, _) => {
                builder.add_page(key, records::decode_page(bytes).ok_or(unreadable)?);
            }
            (READ_MEANWHILE_TABLE, _) => {
                let messages = records::decode_page(bytes).ok_or(unreadable)?;
                builder.add_page_without_texts(key, messages);
            }
            (TEXT_TABLE, _) => {
                builder.add_texts(key, text_page::decode(bytes).ok_or(unreadable)?)?;
            }
            _ => return Err(unreadable),
        }
        Ok(())
    }

    /// The state, once every record was taken.
    pub fn finish(self) -> Result<State, RestoreError> {
        Ok(self.0.finish()?)
    }
}

/// All that is no text is taken first; of the texts, those of the newest pages that fit into memory.
impl RecordSink for Restoration {
    fn wants_texts(&mut self, page: u64) -> bool {
        self.0.wants_texts(page)
    }

    fn does_without_texts(&mut self, page: u64) -> bool {
        self.0.does_without_texts(page)
    }

    fn take(&mut self, record: Record<'_>) -> Result<(), String> {
        self.add(record.table, record.key, record.value)
            .map_err(|error| error.to_string())
    }
}
