//! The state as records of a checkpoint.

use super::accounts::AccountRecord;
use super::messages::{StoredMessage, Text};
use super::paging::PageNumber;
use super::parts::{self, MessageParts, Readers};
use crate::entry::WaitingLimits;
use crate::records::encoding::encode_behind;
use crate::records::v3;
use crate::records::v3::state::PageEncoder;
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

/// A record of a checkpoint; `None` takes it out.
pub type Record = crate::checkpoint::Change;

/// Records of a checkpoint that is being put together.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<Record>);

impl Records {
    pub(super) fn put_header(&mut self, header: parts::Header) {
        let mut record = Vec::new();
        encode_behind(&mut record, &v3::state::Header::from(header));
        self.put(HEADER_TABLE, HEADER_KEY, record);
    }

    pub(super) fn put_waiting_limits(&mut self, limits: &WaitingLimits) {
        let mut record = Vec::new();
        encode_behind(&mut record, &v3::WaitingLimits::from(*limits));
        self.put(HEADER_TABLE, WAITING_LIMITS_KEY, record);
    }

    pub(super) fn put_account(&mut self, id: AccountId, account: &AccountRecord) {
        let bytes = ACCOUNT_BYTES + account.name.len() + account.secret.len();
        let mut record = Vec::with_capacity(bytes);
        encode_behind(&mut record, &v3::state::Account::from(account));
        self.put(ACCOUNT_TABLE, u64::from(id.0), record);
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

    /// A page of messages that were read meanwhile: so many, encoded.
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
pub(super) fn encode_page<R: std::borrow::Borrow<Readers>>(
    messages: impl ExactSizeIterator<Item = MessageParts<R>>,
) -> Vec<u8> {
    let mut listed = Vec::with_capacity(messages.len() * LISTED_BYTES);
    encode_behind(&mut listed, &(messages.len() as u64));
    let mut page = PageEncoder::default();
    for message in messages {
        page.encode_behind(&mut listed, &message);
    }
    listed
}

pub(super) fn list(message: &StoredMessage) -> MessageParts<&Readers> {
    MessageParts {
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

#[cfg(test)]
mod tests {
    use chat_model::MessageNumber;

    use super::*;
    use crate::records::v3::state::decode_page;
    use crate::state::groups::Group;

    #[test]
    fn a_page_names_equal_readers_once() {
        let readers: Group = (0..1_000).map(AccountId).collect();
        let message = |number| MessageParts {
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
}
