//! The state as records of a checkpoint, and back.

use chat_shared::rpc::MessageNumber;
use serde::{Deserialize, Serialize};

use super::State;
use super::accounts::AccountRecord;
use super::clock::Clock;
use super::failures::{Failures, SavedFailures};
use super::lives::Lives;
use super::messages::{PageNumber, Readers, StoredMessage};
use crate::entry::Limits;

/// Everything that is small and changes all the time, in one record with key 0.
const HEADER_TABLE: u8 = 0;
/// One record an account, by its number.
const ACCOUNT_TABLE: u8 = 1;
/// One record a page of messages, by its number.
const PAGE_TABLE: u8 = 2;

const ENCODING: bincode::config::Configuration = bincode::config::standard();

/// A record of a checkpoint; `None` takes it out.
pub type Record = crate::checkpoint::Change;

/// Why a checkpoint cannot be made into a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A record cannot be read though its checksum is right.
    #[error("record {key} of table {table} cannot be read")]
    Unreadable {
        /// Which table.
        table: u8,
        /// Which record.
        key: u64,
    },
    /// The records contradict each other.
    #[error("the records contradict each other: {0}")]
    Contradiction(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Header {
    limits: Limits,
    clock: Clock,
    failures: SavedFailures,
    lives: Lives,
    last_message: MessageNumber,
}

impl State {
    /// What differs from the checkpoint that was taken before. The caller must see to it that these records
    /// get into the next checkpoint, even if the first try fails.
    pub fn take_changes(&mut self) -> Vec<Record> {
        let header = Header {
            limits: self.limits,
            clock: self.clock.clone(),
            failures: self.failures.save(),
            lives: self.lives.clone(),
            last_message: self.last_message,
        };
        let mut records = vec![record(HEADER_TABLE, 0, &header)];
        for id in self.accounts.take_changed() {
            if let Some(found) = self.record(id) {
                records.push(record(ACCOUNT_TABLE, u64::from(id.0), found));
            }
        }
        let mut removed = Vec::new();
        let written = self.messages.take_pages(
            |page, messages| {
                records.push(record(PAGE_TABLE, page, &messages));
                Ok::<(), std::convert::Infallible>(())
            },
            |page| removed.push(page),
        );
        match written {
            Ok(()) => {}
        }
        records.extend(removed.into_iter().map(|page| Record {
            table: PAGE_TABLE,
            key: page,
            value: None,
        }));
        records
    }

    /// The state that a checkpoint's records stand for.
    pub fn restore(
        records: impl IntoIterator<Item = (u8, u64, Vec<u8>)>,
    ) -> Result<Self, RestoreError> {
        let mut restoration = Restoration::default();
        for (table, key, bytes) in records {
            restoration.add(table, key, &bytes)?;
        }
        restoration.finish()
    }

    fn restore_messages(
        &mut self,
        pages: &[RestoredPage],
        mut messages: Vec<(PageIndex, StoredMessage)>,
    ) -> Result<(), RestoreError> {
        messages.sort_unstable_by_key(|(_, message)| message.number);
        let cursors = self.sorted_cursors();
        let mut keys_by_page: Vec<Vec<_>> = pages
            .iter()
            .map(|page| Vec::with_capacity(page.written))
            .collect();
        self.messages.reserve(messages.len());
        for (page, message) in messages {
            if let Some(stored) = self.restore_message(message, &cursors)? {
                keys_by_page[page].push(stored);
            }
        }
        self.messages.forget_new();
        for (page, keys) in pages.iter().zip(keys_by_page) {
            self.messages.add_page(page.number, keys, page.written);
        }
        self.accounts.restore_received();
        Ok(())
    }

    /// Puts a message back into the queues of those who have not had it.
    fn restore_message(
        &mut self,
        message: StoredMessage,
        cursors: &[MessageNumber],
    ) -> Result<Option<(MessageNumber, usize)>, RestoreError> {
        let number = message.number;
        if number > self.last_message {
            return Err(RestoreError::Contradiction(
                "a message is newer than the newest",
            ));
        }
        let sender = message.sender;
        let text_bytes = message.text.len();
        let waits_for = |reader| {
            self.record(reader)
                .map(|record| record.cursor < number)
                .ok_or(RestoreError::Contradiction("a message for no account"))
        };
        let readers = match &message.readers {
            Readers::AllButSender => {
                let behind = cursors.partition_point(|cursor| *cursor < number);
                let unread = behind - usize::from(waits_for(sender)?);
                return Ok(
                    (unread > 0).then(|| (number, self.messages.store(message, unread as u32)))
                );
            }
            // By far the most: nothing is allocated for them.
            Readers::One(reader) => {
                let reader = *reader;
                if !waits_for(reader)? {
                    return Ok(None);
                }
                let key = self.messages.store(message, 1);
                self.accounts
                    .queue_mut(reader)
                    .push(number, key, sender, text_bytes);
                return Ok(Some((number, key)));
            }
            Readers::Some(readers) => readers.to_vec(),
        };
        let mut waiting = Vec::with_capacity(readers.len());
        for reader in readers {
            if waits_for(reader)? {
                waiting.push(reader);
            }
        }
        if waiting.is_empty() {
            return Ok(None);
        }
        let key = self.messages.store(message, waiting.len() as u32);
        for reader in waiting {
            self.accounts
                .queue_mut(reader)
                .push(number, key, sender, text_bytes);
        }
        Ok(Some((number, key)))
    }

    fn sorted_cursors(&self) -> Vec<MessageNumber> {
        let mut cursors: Vec<MessageNumber> =
            self.records().map(|(_, record)| record.cursor).collect();
        cursors.sort_unstable();
        cursors
    }
}

/// A state in the making, from the records of a checkpoint in any order.
#[derive(Debug, Default)]
pub struct Restoration {
    state: State,
    has_header: bool,
    accounts: Vec<(u64, AccountRecord)>,
    pages: Vec<RestoredPage>,
    messages: Vec<(PageIndex, StoredMessage)>,
}

/// Where a page stands among those of a [`Restoration`].
type PageIndex = usize;

#[derive(Debug)]
struct RestoredPage {
    number: PageNumber,
    /// How many messages were on it.
    written: usize,
}

impl Restoration {
    /// Takes one record.
    pub fn add(&mut self, table: u8, key: u64, bytes: &[u8]) -> Result<(), RestoreError> {
        let unreadable = RestoreError::Unreadable { table, key };
        match table {
            HEADER_TABLE => {
                let header: Header = decode(bytes).ok_or(unreadable)?;
                self.state.limits = header.limits;
                self.state.clock = header.clock;
                self.state.failures = Failures::restore(header.failures);
                self.state.lives = header.lives;
                self.state.last_message = header.last_message;
                self.has_header = true;
            }
            ACCOUNT_TABLE => self.accounts.push((key, decode(bytes).ok_or(unreadable)?)),
            PAGE_TABLE => {
                let on_page: Vec<StoredMessage> = decode(bytes).ok_or(unreadable)?;
                let index = self.pages.len();
                self.pages.push(RestoredPage {
                    number: key,
                    written: on_page.len(),
                });
                self.messages
                    .extend(on_page.into_iter().map(|message| (index, message)));
            }
            _ => return Err(unreadable),
        }
        Ok(())
    }

    /// The state, once every record was taken.
    pub fn finish(mut self) -> Result<State, RestoreError> {
        let is_new = self.accounts.is_empty() && self.pages.is_empty();
        if !self.has_header && !is_new {
            return Err(RestoreError::Contradiction("the header is missing"));
        }
        self.accounts.sort_unstable_by_key(|(id, _)| *id);
        for (expected, (id, account)) in (0..).zip(self.accounts) {
            if id != expected {
                return Err(RestoreError::Contradiction("an account is missing"));
            }
            self.state.accounts.add(account);
        }
        self.state.restore_messages(&self.pages, self.messages)?;
        Ok(self.state)
    }
}

fn record<T: Serialize>(table: u8, key: u64, value: &T) -> Record {
    let bytes = bincode::serde::encode_to_vec(value, ENCODING)
        .expect("the state's types can always be encoded into memory");
    Record {
        table,
        key,
        value: Some(bytes),
    }
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (value, consumed) = bincode::serde::decode_from_slice(bytes, ENCODING).ok()?;
    (consumed == bytes.len()).then_some(value)
}
