//! The state from records of a checkpoint.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use chat_shared::rpc::MessageNumber;

use super::State;
use super::accounts::AccountRecord;
use super::failures::Failures;
use super::messages::{Readers, StoredMessage, Text};
use super::paging::PageNumber;
use super::save::{
    ACCOUNT_TABLE, HEADER_TABLE, Header, Listed, PAGE_TABLE, READ_MEANWHILE_TABLE, decode,
};
use crate::checkpoint::{Record, RecordSink};
use crate::text_page::{self, TEXT_TABLE};

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
    /// The checkpoint has messages without their texts, because they were read by the time it was written, and the journal
    /// behind it ends before that.
    #[error(
        "it ends before messages were read that the checkpoint takes for read: its end is missing"
    )]
    ReadingMissing,
}

impl State {
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
            .map(|page| Vec::with_capacity(page.messages.len()))
            .collect();
        self.messages.reserve(messages.len());
        for (page, message) in messages {
            if let Some(stored) = self.restore_message(message, &cursors)? {
                keys_by_page[page].push(stored);
            }
        }
        for (page, keys) in pages.iter().zip(keys_by_page) {
            self.messages
                .add_page(page.number, keys, page.messages.len());
            if page.texts == RestoredTexts::Nowhere {
                self.messages.paging.note_read_meanwhile(page.number);
            }
        }
        let resident = pages
            .iter()
            .filter(|page| page.texts == RestoredTexts::Resident);
        self.messages
            .paging
            .pages_restored(self.last_message, resident.map(|page| page.number).min());
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
                    .queue_on_pages_mut(reader)
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
                .queue_on_pages_mut(reader)
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
#[derive(Debug)]
pub struct Restoration {
    state: State,
    has_header: bool,
    accounts: Vec<(u64, AccountRecord)>,
    pages: Vec<RestoredPage>,
    page_indexes: HashMap<PageNumber, PageIndex>,
    messages: Vec<(PageIndex, StoredMessage)>,
    /// Texts whose page has not come yet.
    early_texts: BTreeMap<PageNumber, Vec<u8>>,
    /// How many bytes of text may be in memory.
    resident_text_bytes: u64,
    /// How many are.
    taken_text_bytes: u64,
    /// Of the texts that have not come, how many bytes are not wanted; set once the first is asked for.
    unwanted_text_bytes: Option<u64>,
}

/// Where a page stands among those of a [`Restoration`].
type PageIndex = usize;

#[derive(Debug)]
struct RestoredPage {
    number: PageNumber,
    /// Where its messages are.
    messages: Range<usize>,
    text_bytes: u64,
    texts: RestoredTexts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RestoredTexts {
    Missing,
    /// Its messages were read by the time the checkpoint was written.
    Nowhere,
    OnPage,
    Resident,
}

impl Default for Restoration {
    fn default() -> Self {
        Self::within(u64::MAX)
    }
}

impl Restoration {
    /// One that keeps no more than so many bytes of text in memory.
    pub fn within(resident_text_bytes: u64) -> Self {
        Self {
            state: State::default(),
            has_header: false,
            accounts: Vec::new(),
            pages: Vec::new(),
            page_indexes: HashMap::new(),
            messages: Vec::new(),
            early_texts: BTreeMap::new(),
            resident_text_bytes,
            taken_text_bytes: 0,
            unwanted_text_bytes: None,
        }
    }

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
                let listed = decode(bytes).ok_or(unreadable)?;
                self.add_page(key, listed, RestoredTexts::Missing);
            }
            READ_MEANWHILE_TABLE => {
                let listed = decode(bytes).ok_or(unreadable)?;
                self.add_page(key, listed, RestoredTexts::Nowhere);
            }
            TEXT_TABLE => match self.page_indexes.get(&key) {
                Some(index) => self.add_texts(*index, bytes)?,
                None => {
                    self.early_texts.insert(key, bytes.to_vec());
                }
            },
            _ => return Err(unreadable),
        }
        Ok(())
    }

    fn add_page(&mut self, number: PageNumber, listed: Vec<Listed<Readers>>, texts: RestoredTexts) {
        let (index, start) = (self.pages.len(), self.messages.len());
        let mut text_bytes = 0;
        self.messages.extend(listed.into_iter().map(|listed| {
            text_bytes += u64::from(listed.text_bytes);
            let message = StoredMessage {
                number: listed.number,
                sender: listed.sender,
                wall_s: listed.wall_s,
                text: Text::OnPage {
                    page: number,
                    bytes: listed.text_bytes,
                },
                readers: listed.readers,
            };
            (index, message)
        }));
        self.pages.push(RestoredPage {
            number,
            messages: start..self.messages.len(),
            text_bytes,
            texts,
        });
        self.page_indexes.insert(number, index);
    }

    /// Takes the texts of a page that is there; they are kept if there is room.
    fn add_texts(&mut self, index: PageIndex, bytes: &[u8]) -> Result<(), RestoreError> {
        let page = &mut self.pages[index];
        let unreadable = RestoreError::Unreadable {
            table: TEXT_TABLE,
            key: page.number,
        };
        if page.texts == RestoredTexts::Nowhere {
            return Err(RestoreError::Contradiction(
                "texts of messages that have none",
            ));
        }
        let texts = text_page::decode(bytes).ok_or(unreadable)?;
        let messages = &mut self.messages[page.messages.clone()];
        let texts = texts_of_messages(texts, messages).ok_or(RestoreError::Contradiction(
            "a page of texts is not that of its messages",
        ))?;
        page.texts = RestoredTexts::OnPage;
        if self.taken_text_bytes + page.text_bytes <= self.resident_text_bytes {
            self.taken_text_bytes += page.text_bytes;
            page.texts = RestoredTexts::Resident;
            for (text, (_, message)) in texts.into_iter().zip(messages) {
                message.text = Text::Resident(text.into());
            }
        }
        Ok(())
    }

    /// The state, once every record was taken.
    pub fn finish(mut self) -> Result<State, RestoreError> {
        let is_new = self.accounts.is_empty() && self.pages.is_empty();
        if !self.has_header && !is_new {
            return Err(RestoreError::Contradiction("the header is missing"));
        }
        for (number, bytes) in std::mem::take(&mut self.early_texts) {
            let index = self.page_indexes.get(&number).copied();
            let index = index.ok_or(RestoreError::Contradiction("texts of no messages"))?;
            self.add_texts(index, &bytes)?;
        }
        let is_missing = |page: &RestoredPage| page.texts == RestoredTexts::Missing;
        if self.pages.iter().any(is_missing) {
            return Err(RestoreError::Contradiction("a page of texts is missing"));
        }
        if self.page_indexes.contains_key(&0) || self.page_indexes.len() < self.pages.len() {
            return Err(RestoreError::Contradiction(
                "a page has no number of its own",
            ));
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

/// The texts of a page's messages, one for each; nothing if they are not those. A page that was found damaged once has
/// texts of messages, too, that have left it.
fn texts_of_messages<'a>(
    texts: Vec<(MessageNumber, &'a str)>,
    messages: &[(PageIndex, StoredMessage)],
) -> Option<Vec<&'a str>> {
    let is_of = |(number, text): &(MessageNumber, &str), message: &StoredMessage| {
        *number == message.number && text.len() == message.text.len()
    };
    if texts.len() == messages.len() {
        let pairs = texts.into_iter().zip(messages);
        return pairs
            .map(|(text, (_, message))| is_of(&text, message).then_some(text.1))
            .collect();
    }
    let by_number: HashMap<_, _> = texts.into_iter().collect();
    messages
        .iter()
        .map(|(_, message)| {
            let text = by_number.get(&message.number).copied()?;
            is_of(&(message.number, text), message).then_some(text)
        })
        .collect()
}

/// All that is no text is taken first; of the texts, those of the newest pages that fit into memory.
impl RecordSink for Restoration {
    fn wants_texts(&mut self, page: u64) -> bool {
        let Some(index) = self.page_indexes.get(&page) else {
            // Taken, and found to be texts of nothing.
            return true;
        };
        let with_texts = |page: &&RestoredPage| page.texts != RestoredTexts::Nowhere;
        let all_bytes = self.pages.iter().filter(with_texts);
        let all_bytes = all_bytes.map(|page| page.text_bytes);
        let unwanted = self.unwanted_text_bytes.get_or_insert_with(|| {
            all_bytes
                .sum::<u64>()
                .saturating_sub(self.resident_text_bytes)
        });
        if *unwanted == 0 {
            return true;
        }
        let page = &mut self.pages[*index];
        if page.texts == RestoredTexts::Nowhere {
            // Taken, and found to contradict.
            return true;
        }
        *unwanted = unwanted.saturating_sub(page.text_bytes);
        page.texts = RestoredTexts::OnPage;
        false
    }

    fn does_without_texts(&mut self, page: u64) -> bool {
        let Some(index) = self.page_indexes.get(&page) else {
            return false;
        };
        self.pages[*index].texts = RestoredTexts::OnPage;
        true
    }

    fn take(&mut self, record: Record<'_>) -> Result<(), String> {
        self.add(record.table, record.key, record.value)
            .map_err(|error| error.to_string())
    }
}
