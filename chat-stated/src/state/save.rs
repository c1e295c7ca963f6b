//! The state as records of a checkpoint.

use std::borrow::Borrow;

use chat_model::MessageNumber;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::accounts::AccountRecord;
use super::clock::Clock;
use super::failures::SavedFailures;
use super::groups::Group;
use super::messages::{Readers, StoredMessage, Text};
use super::paging::PageNumber;
use super::worker_sessions::WorkerSessions;
use crate::backup::format::MAX_CONTENT_BYTES;
use crate::entry::{Limits, WaitingLimits};
use crate::text_page::{self, Content, GatheredText, Gathering, TEXT_TABLE, TextPlace};
use chat_model::AccountId;

/// Everything that is small and changes all the time, in one record with key [`HEADER_KEY`]; and how much may wait.
pub(super) const HEADER_TABLE: u8 = 0;
pub(super) const HEADER_KEY: u64 = 0;
/// [`WaitingLimits`]. Since format 3; where it is missing, there were none.
pub(super) const WAITING_LIMITS_KEY: u64 = 1;
/// One record an account, by its number.
pub(super) const ACCOUNT_TABLE: u8 = 1;
/// One record a page of messages, by its number; their texts are the record of the same number in [`TEXT_TABLE`].
pub(super) const PAGE_TABLE: u8 = 2;
/// One record a page of messages that waited when the snapshot began and were read while it was taken, by its number. Their texts
/// are nowhere: the journal behind the checkpoint has their reading.
pub(super) const READ_MEANWHILE_TABLE: u8 = 4;

/// Bytes that a message's entry in a page takes, but for many readers.
const LISTED_BYTES: usize = 32;
/// Bytes that an account's record takes beside name and secret, in most cases.
const ACCOUNT_BYTES: usize = 48;

const ENCODING: bincode::config::Configuration = bincode::config::standard();

/// A record of a checkpoint; `None` takes it out.
pub type Record = crate::checkpoint::Change;

#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    pub(super) failures: SavedFailures,
    pub(super) worker_sessions: WorkerSessions,
    pub(super) last_message: MessageNumber,
}

/// [`Header`], of what need not be copied.
#[derive(Serialize)]
pub(super) struct HeaderRef<'a> {
    pub(super) limits: &'a Limits,
    pub(super) clock: &'a Clock,
    pub(super) failures: SavedFailures,
    pub(super) worker_sessions: &'a WorkerSessions,
    pub(super) last_message: MessageNumber,
}

/// Records of a checkpoint that is being put together.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<Record>);

impl Records {
    pub(super) fn put_header(&mut self, header: &HeaderRef<'_>) {
        self.put(HEADER_TABLE, HEADER_KEY, encoded(header, Vec::new()));
    }

    pub(super) fn put_waiting_limits(&mut self, limits: &WaitingLimits) {
        let record = encoded(limits, Vec::new());
        self.put(HEADER_TABLE, WAITING_LIMITS_KEY, record);
    }

    pub(super) fn put_account(&mut self, id: AccountId, account: &AccountRecord) {
        let room = Vec::with_capacity(ACCOUNT_BYTES + account.name.len() + account.secret.len());
        self.put(ACCOUNT_TABLE, u64::from(id.0), encoded(account, room));
    }

    /// A page of messages and that of their texts.
    pub(super) fn put_page<'a>(
        &mut self,
        page: PageNumber,
        messages: impl ExactSizeIterator<Item = &'a StoredMessage> + Clone,
    ) {
        self.put(PAGE_TABLE, page, encode_page(messages.clone().map(list)));
        self.0.push(Record {
            table: TEXT_TABLE,
            key: page,
            value: Some(texts_of(messages)),
        });
    }

    pub(super) fn remove_page(&mut self, page: PageNumber) {
        self.0.extend([PAGE_TABLE, TEXT_TABLE].map(|table| Record {
            table,
            key: page,
            value: None,
        }));
    }

    /// A page of messages that were read meanwhile: so many, encoded by [`list_behind`].
    pub(super) fn put_read_page(&mut self, page: PageNumber, count: usize, listed: &[u8]) {
        const COUNT_BYTES: usize = 9;
        let mut content = Vec::with_capacity(COUNT_BYTES + listed.len());
        encode_behind(&mut content, &(count as u64));
        content.extend_from_slice(listed);
        self.put(READ_MEANWHILE_TABLE, page, content);
    }

    pub(super) fn remove_read_page(&mut self, page: PageNumber) {
        self.0.push(Record {
            table: READ_MEANWHILE_TABLE,
            key: page,
            value: None,
        });
    }

    pub(super) fn append(&mut self, others: &mut Self) {
        self.0.append(&mut others.0);
    }

    pub(super) fn into_vec(self) -> Vec<Record> {
        self.0
    }

    fn put(&mut self, table: u8, key: u64, bytes: Vec<u8>) {
        self.0.push(Record {
            table,
            key,
            value: Some(bytes.into()),
        });
    }
}

/// A page of messages, as it is stored.
pub(super) fn encode_page<R: Borrow<Readers>>(
    messages: impl ExactSizeIterator<Item = Listed<R>>,
) -> Vec<u8> {
    let mut listed = Vec::with_capacity(messages.len() * LISTED_BYTES);
    encode_behind(&mut listed, &(messages.len() as u64));
    let mut last_group = None;
    for message in messages {
        encode_listed_behind(&mut listed, &message, &mut last_group);
    }
    listed
}

/// A message behind others of a page, as it is stored; `last_group` is the last list of readers on that page.
pub(super) fn list_behind(
    listed: &mut Vec<u8>,
    message: &StoredMessage,
    last_group: &mut Option<Group>,
) {
    encode_listed_behind(listed, &list(message), last_group);
}

fn encode_listed_behind<R: Borrow<Readers>>(
    listed: &mut Vec<u8>,
    message: &Listed<R>,
    last_group: &mut Option<Group>,
) {
    let readers = match message.readers.borrow() {
        Readers::One(reader) => ListedReaders::One(*reader),
        Readers::AllButSender => ListedReaders::AllButSender,
        Readers::Some(group) if last_group.as_ref() == Some(group) => ListedReaders::AsBefore,
        Readers::Some(group) => {
            *last_group = Some(group.clone());
            ListedReaders::Some(&**group)
        }
    };
    let message = Listed {
        number: message.number,
        sender: message.sender,
        wall_s: message.wall_s,
        text_bytes: message.text_bytes,
        readers,
    };
    encode_behind(listed, &message);
}

/// A page of messages as it was stored; nothing if it cannot be read.
pub(super) fn decode_page(bytes: &[u8]) -> Option<Vec<Listed<Readers>>> {
    let page: Vec<Listed<ListedReaders<Group>>> = decode(bytes)?;
    let mut last_group = None;
    let messages = page.into_iter().map(|message| {
        let readers = match message.readers {
            ListedReaders::One(reader) => Readers::One(reader),
            ListedReaders::AllButSender => Readers::AllButSender,
            ListedReaders::AsBefore => Readers::Some(last_group.clone()?),
            ListedReaders::Some(group) => {
                last_group = Some(group.clone());
                Readers::Some(group)
            }
        };
        Some(Listed {
            number: message.number,
            sender: message.sender,
            wall_s: message.wall_s,
            text_bytes: message.text_bytes,
            readers,
        })
    });
    messages.collect()
}

/// What is in `bytes`, and a value behind that.
fn encoded<T: Serialize>(value: &T, mut bytes: Vec<u8>) -> Vec<u8> {
    encode_behind(&mut bytes, value);
    bytes
}

fn encode_behind<T: Serialize>(bytes: &mut Vec<u8>, value: &T) {
    bincode::serde::encode_into_std_write(value, bytes, ENCODING)
        .expect("the state's types can always be encoded into memory");
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

/// Who a message of a page is for, as it is stored. Variants are only added behind.
#[derive(Serialize, Deserialize)]
enum ListedReaders<G> {
    One(AccountId),
    Some(G),
    /// Every account there was, but the sender.
    AllButSender,
    /// The last list of readers before, on the same page. Since format 3.
    AsBefore,
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
fn texts_of<'a>(messages: impl ExactSizeIterator<Item = &'a StoredMessage> + Clone) -> Content {
    let is_resident = |message: &StoredMessage| matches!(message.text, Text::Resident(_));
    if messages.clone().all(is_resident) {
        let texts = messages.map(|message| match &message.text {
            Text::Resident(text) => (message.number, text.as_ref()),
            Text::OnPage { .. } => (message.number, ""),
        });
        return Content::Bytes(text_page::encode(texts));
    }
    let texts = messages.map(|message| match message.text {
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

    #[test]
    fn a_page_names_equal_readers_once() {
        let readers: Group = (0..1_000).map(AccountId).collect();
        let message = |number| Listed {
            number: MessageNumber(number),
            sender: AccountId(7),
            wall_s: 1,
            text_bytes: 2,
            readers: match number % 4 {
                0 => Readers::AllButSender,
                1 => Readers::One(AccountId(3)),
                _ => Readers::Some(readers.clone()),
            },
        };
        let page: Vec<_> = (0..100).map(message).collect();
        let bytes = encode_page(page.iter().cloned());
        assert!(bytes.len() < 4_000, "{} bytes", bytes.len());
        assert_eq!(decode_page(&bytes), Some(page));
        let as_before_nothing = [&[1, 1, 7, 1, 2], &[3][..]].concat();
        assert_eq!(decode_page(&as_before_nothing), None);
    }

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
