//! The state as records of a checkpoint.

use chat_shared::rpc::MessageNumber;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::State;
use super::clock::Clock;
use super::failures::SavedFailures;
use super::lives::Lives;
use super::messages::{Readers, StoredMessage, Text};
use crate::backup::format::MAX_CONTENT_BYTES;
use crate::entry::{AccountId, Limits};
use crate::text_page::{self, Content, GatheredText, Gathering, TEXT_TABLE, TextPlace};

/// Everything that is small and changes all the time, in one record with key 0.
pub(super) const HEADER_TABLE: u8 = 0;
/// One record an account, by its number.
pub(super) const ACCOUNT_TABLE: u8 = 1;
/// One record a page of messages, by its number; their texts are the record of the same number in [`TEXT_TABLE`].
pub(super) const PAGE_TABLE: u8 = 2;

const ENCODING: bincode::config::Configuration = bincode::config::standard();

/// A record of a checkpoint; `None` takes it out.
pub type Record = crate::checkpoint::Change;

#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    pub(super) failures: SavedFailures,
    pub(super) lives: Lives,
    pub(super) last_message: MessageNumber,
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
        self.messages.take_pages(
            |page, messages| {
                let listed: Vec<_> = messages.iter().map(|message| list(message)).collect();
                records.push(record(PAGE_TABLE, page, &listed));
                records.push(Record {
                    table: TEXT_TABLE,
                    key: page,
                    value: Some(texts_of(messages)),
                });
            },
            |page| removed.push(page),
        );
        for page in removed {
            records.extend([PAGE_TABLE, TEXT_TABLE].map(|table| Record {
                table,
                key: page,
                value: None,
            }));
        }
        records
    }
}

/// What of a message is loaded at the start in any case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed<R> {
    pub(super) number: MessageNumber,
    pub(super) sender: AccountId,
    pub(super) wall_s: i64,
    pub(super) text_bytes: u32,
    pub(super) readers: R,
}

fn list(message: &StoredMessage) -> Listed<&Readers> {
    Listed {
        number: message.number,
        sender: message.sender,
        wall_s: message.wall_s,
        text_bytes: message.text.bytes(),
        readers: &message.readers,
    }
}

/// Those that are not in memory are for the writer to fetch.
fn texts_of(messages: &[&StoredMessage]) -> Content {
    let resident: Option<Vec<(MessageNumber, &str)>> = messages
        .iter()
        .map(|message| match &message.text {
            Text::Resident(text) => Some((message.number, text.as_ref())),
            Text::OnPage { .. } => None,
        })
        .collect();
    if let Some(texts) = resident {
        return Content::Bytes(text_page::encode(&texts));
    }
    let texts = messages.iter().map(|message| match message.text {
        Text::Resident(ref text) => GatheredText::Given(message.number, text.clone()),
        Text::OnPage { page, bytes } => GatheredText::Placed(TextPlace {
            number: message.number,
            text_bytes: bytes,
            page,
            moved_to: None,
        }),
    });
    Content::Texts(Gathering {
        texts: texts.collect(),
    })
}

fn record<T: Serialize>(table: u8, key: u64, value: &T) -> Record {
    let bytes = bincode::serde::encode_to_vec(value, ENCODING)
        .expect("the state's types can always be encoded into memory");
    Record {
        table,
        key,
        value: Some(bytes.into()),
    }
}

/// Nothing is allocated for a length that cannot be: who made a backup may have given it checksums that are right. The
/// encoding counts up to eight bytes for each that there is.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    if bytes.len() <= MEBIBYTE {
        decode_within::<T, { 8 * MEBIBYTE }>(bytes)
    } else if bytes.len() <= MAX_CONTENT_BYTES {
        decode_within::<T, { 8 * MAX_CONTENT_BYTES }>(bytes)
    } else {
        // From no backup.
        decode_within::<T, { usize::MAX }>(bytes)
    }
}

const MEBIBYTE: usize = 1024 * 1024;

fn decode_within<T: DeserializeOwned, const LIMIT: usize>(bytes: &[u8]) -> Option<T> {
    let encoding = ENCODING.with_limit::<LIMIT>();
    let (value, consumed) = bincode::serde::decode_from_slice(bytes, encoding).ok()?;
    (consumed == bytes.len()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by fuzzing: a length of a text in a backup whose checksums were right ended the process for want of memory.
    #[test]
    fn a_length_that_cannot_be_allocates_nothing() {
        for length in [u64::MAX, 1 << 60, 1 << 40] {
            let mut bytes = vec![0xfd];
            bytes.extend_from_slice(&length.to_le_bytes());
            assert_eq!(decode::<String>(&bytes), None, "{length}");
        }
    }

    #[test]
    fn many_small_numbers_are_within_the_limit() {
        let numbers = vec![1_u64; 2 * MEBIBYTE];
        let bytes = bincode::serde::encode_to_vec(&numbers, ENCODING).unwrap();
        assert!(bytes.len() < 3 * MEBIBYTE);
        assert_eq!(decode::<Vec<u64>>(&bytes), Some(numbers));
        let numbers = vec![1_u64; MEBIBYTE - 8];
        let bytes = bincode::serde::encode_to_vec(&numbers, ENCODING).unwrap();
        assert!(bytes.len() <= MEBIBYTE);
        assert_eq!(decode::<Vec<u64>>(&bytes), Some(numbers));
    }
}
