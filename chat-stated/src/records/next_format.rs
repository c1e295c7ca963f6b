//! How a format 8 is added, shown in a test: a field of an entry and of a stored message that format 7 has not.

use chat_model::{AccountId, MessageNumber};
use serde::{Deserialize, Serialize};

use super::batch::{BatchHead, EntryFormats, KnownFormats, decode_batch, encode_batch};
use super::encoding::{decode_first, encode_behind};
use super::{begin_record, decode_page, encode_page, split_record, v4, v7};
use crate::entry::{AccountChange, Entry, Timestamp};
use crate::state::parts::{MessageParts, Readers};

const MAX_BYTES: usize = 1_000_000;

/// An entry as it would be in memory: with the number of the message that it answers.
#[derive(Clone, Debug, PartialEq)]
struct NewEntry {
    entry: Entry,
    answers: Option<u64>,
}

/// A stored message as it would be in memory.
#[derive(Clone, Debug, PartialEq)]
struct NewMessage {
    message: MessageParts,
    answers: Option<u64>,
}

/// The module of the new format: only what differs.
mod v8 {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Entry<'a> {
        #[serde(borrow)]
        pub(super) entry: v7::Entry<'a>,
        pub(super) answers: Option<u64>,
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Message<G> {
        pub(super) message: v4::state::Message<G>,
        pub(super) answers: Option<u64>,
    }
}

struct NewFormats;

impl EntryFormats for NewFormats {
    type Entry = NewEntry;

    fn lowest(new: &NewEntry) -> u8 {
        match new.answers {
            Some(_) => 8,
            None => KnownFormats::lowest(&new.entry),
        }
    }

    fn encode_behind(bytes: &mut Vec<u8>, format: u8, new: &NewEntry) {
        match format {
            8 => {
                let record = v8::Entry {
                    entry: v7::Entry::from(&new.entry),
                    answers: new.answers,
                };
                encode_behind(bytes, &record);
            }
            older => KnownFormats::encode_behind(bytes, older, &new.entry),
        }
    }

    fn decode_first(rest: &mut &[u8], format: u8) -> Option<NewEntry> {
        if format < 8 {
            let entry = KnownFormats::decode_first(rest, format)?;
            let answers = None;
            return Some(NewEntry { entry, answers });
        }
        let record: v8::Entry<'_> = decode_first(rest)?;
        Some(NewEntry {
            entry: record.entry.read()?,
            answers: record.answers,
        })
    }
}

fn encode_new_page(page: &[NewMessage]) -> Vec<u8> {
    let messages = page.iter().map(|new| new.message.as_ref());
    if page.iter().all(|new| new.answers.is_none()) {
        return encode_page(messages);
    }
    let mut record = begin_record(8, 0);
    encode_behind(&mut record, &(page.len() as u64));
    let mut writer = v4::state::PageWriter::default();
    for (new, message) in page.iter().zip(messages) {
        let message = v8::Message {
            message: writer.record(message),
            answers: new.answers,
        };
        encode_behind(&mut record, &message);
    }
    record
}

fn decode_new_page(record: &[u8]) -> Option<Vec<NewMessage>> {
    let (8, mut rest) = split_record(record) else {
        let page = decode_page(record)?.into_iter().map(|message| {
            let answers = None;
            NewMessage { message, answers }
        });
        return Some(page.collect());
    };
    let count: u64 = decode_first(&mut rest)?;
    let mut reader = v4::state::PageReader::default();
    let page = (0..count).map(|_| {
        let new: v8::Message<Vec<u32>> = decode_first(&mut rest)?;
        Some(NewMessage {
            message: reader.read(new.message)?,
            answers: new.answers,
        })
    });
    page.collect()
}

fn entries(answers: [Option<u64>; 2]) -> Vec<NewEntry> {
    let texts = ["one", "two"].into_iter().zip(answers);
    let entries = texts.map(|(name, answers)| NewEntry {
        entry: Entry::ChangeAccounts(vec![AccountChange::Disable { name: name.into() }]),
        answers,
    });
    entries.collect()
}

fn page(answers: [Option<u64>; 2]) -> Vec<NewMessage> {
    let readers = Readers::Some([AccountId(1), AccountId(2)].as_slice().into());
    let messages = (1..).zip(answers).map(|(number, answers)| NewMessage {
        message: MessageParts {
            number: MessageNumber(number),
            sender: AccountId(3),
            time_ms: 1_795_000_000_000 + number as i64,
            text_bytes: 4,
            readers: readers.clone(),
        },
        answers,
    });
    messages.collect()
}

const HEAD: BatchHead = BatchHead {
    timestamp: Timestamp {
        wall_ms: 1_795_000_000_000,
        boot_ms: 1,
        boot_id: [7; 16],
    },
    origin: None,
};

#[test]
fn new_field_of_entry_is_kept() {
    for (answers, format) in [([None, Some(9)], 8), ([None, None], 4)] {
        let mut body = Vec::new();
        let entries = entries(answers);
        assert!(encode_batch::<NewFormats>(
            &mut body, HEAD, &entries, MAX_BYTES
        ));
        assert_eq!(body[0], format);
        let read = decode_batch::<NewFormats>(body[0], &body[1..]);
        assert_eq!(read, Some((HEAD, entries)));
    }
}

#[test]
fn batch_without_field_is_as_before() {
    let new = entries([None, None]);
    let old: Vec<Entry> = new.iter().map(|new| new.entry.clone()).collect();
    let (mut with, mut without) = (Vec::new(), Vec::new());
    encode_batch::<NewFormats>(&mut with, HEAD, &new, MAX_BYTES);
    encode_batch::<KnownFormats>(&mut without, HEAD, &old, MAX_BYTES);
    assert_eq!(with, without);
}

#[test]
fn batch_of_format_3_is_read() {
    let timestamp = [&[1, 252, 0x40, 0x42, 0x0f, 0][..], &[7; 16]].concat();
    let disable = [&[1, 3, 1, 1, 3][..], b"eve"].concat();
    let read = decode_batch::<NewFormats>(3, &[timestamp, disable].concat());
    let (head, entries) = read.expect("it is well formed");
    let timestamp = head.timestamp;
    assert_eq!((timestamp.wall_ms, timestamp.boot_ms), (-1, 1_000_000));
    let name = "eve".into();
    let entry = Entry::ChangeAccounts(vec![AccountChange::Disable { name }]);
    let answers = None;
    assert_eq!(entries, [NewEntry { entry, answers }]);
}

#[test]
fn new_field_of_message_is_kept() {
    for (answers, format) in [([None, Some(9)], 8), ([None, None], 4)] {
        let page = page(answers);
        let record = encode_new_page(&page);
        assert_eq!(split_record(&record).0, format);
        assert_eq!(decode_new_page(&record), Some(page));
    }
}

#[test]
fn page_without_field_is_as_before() {
    let new = page([None, None]);
    let old = new.iter().map(|new| new.message.as_ref());
    assert_eq!(encode_new_page(&new), encode_page(old));
}

#[test]
fn page_of_format_3_is_read() {
    let page = decode_new_page(&[1, 9, 7, 4, 2, 0, 3]);
    let message = MessageParts {
        number: MessageNumber(9),
        sender: AccountId(7),
        time_ms: 2_000,
        text_bytes: 2,
        readers: Readers::One(AccountId(3)),
    };
    let answers = None;
    assert_eq!(page, Some(vec![NewMessage { message, answers }]));
}
