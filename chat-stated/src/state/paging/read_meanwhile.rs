//! Messages that are read while a snapshot is taken, before they came onto a page. The snapshot has them, since it is of a time
//! before their reading, but not their texts: once the checkpoint is current the journal has their reading, and nobody asks
//! for them again.

use std::collections::BTreeMap;

use chat_model::{MessageNumber, Progress};

use super::{PageNumber, Paging};
use crate::records::v3::state::PageEncoder;
use crate::state::messages::{Readers, StoredMessage};
use crate::state::save::{Records, list};
use crate::state::{RestoreError, State};
use chat_model::AccountId;

/// Bytes after which a page of such messages is full.
const PAGE_BYTES: usize = 16 * 1024;

/// Such messages of the snapshot under way, as they are to be stored.
#[derive(Debug, Default)]
pub(super) struct ReadMeanwhile {
    records: Records,
    pages: Vec<PageNumber>,
    /// Of the page that is being filled.
    listed: Vec<u8>,
    count: usize,
    page: PageEncoder,
}

impl ReadMeanwhile {
    /// Adds one; `last_page` is the last page that has a number.
    pub(super) fn add(&mut self, message: &StoredMessage, last_page: &mut PageNumber) {
        self.page.encode_behind(&mut self.listed, &list(message));
        self.count += 1;
        if self.listed.len() >= PAGE_BYTES {
            self.close_page(last_page);
        }
    }

    fn close_page(&mut self, last_page: &mut PageNumber) {
        if self.count == 0 {
            return;
        }
        *last_page += 1;
        self.records
            .put_read_page(*last_page, self.count, &self.listed);
        self.pages.push(*last_page);
        self.listed.clear();
        self.count = 0;
        self.page = PageEncoder::default();
    }
}

impl Paging {
    /// Ends the snapshot under way with what was read meanwhile, on pages that the next one removes.
    pub(in crate::state) fn end_snapshot(&mut self, records: &mut Records) {
        let Some(mut gathering) = self.gathering.take() else {
            return;
        };
        gathering.read_meanwhile.close_page(&mut self.last_page);
        records.append(&mut gathering.read_meanwhile.records);
        for page_number in gathering.read_meanwhile.pages {
            self.insert(page_number, Vec::new(), 0);
            self.note_read_meanwhile(page_number);
        }
        self.paged_through = gathering.through;
    }

    /// The messages of a page that was added were read while the snapshot was taken.
    pub(in crate::state) fn note_read_meanwhile(&mut self, page_number: PageNumber) {
        if let Some(page) = self.pages.get_mut(&page_number) {
            page.is_read_meanwhile = true;
        }
    }
}

impl State {
    /// Takes all messages that a restored checkpoint has without a text for read by all their readers, as the journal behind it
    /// would say, which is gone. Gives their number.
    pub fn take_missing_as_read(&mut self) -> usize {
        let mut read: BTreeMap<AccountId, MessageNumber> = BTreeMap::new();
        let mut note = |reader: AccountId, number: MessageNumber| {
            let through = read.entry(reader).or_default();
            *through = number.max(*through);
        };
        let pages = self.messages.paging.pages.values();
        let missing = pages.filter(|page| page.is_read_meanwhile);
        let missing = missing.flat_map(|page| &page.keys);
        for (number, key) in missing {
            let Some(message) = self.messages.find(*number, *key) else {
                continue;
            };
            match &message.readers {
                Readers::One(reader) => note(*reader, *number),
                Readers::Some(readers) => readers.iter().for_each(|reader| note(*reader, *number)),
                Readers::AllButSender => {
                    let accounts = self.accounts.iter().map(|(id, _)| id);
                    let readers = accounts.filter(|id| *id != message.sender);
                    readers.for_each(|reader| note(reader, *number));
                }
            }
        }
        let before = self.messages.waiting();
        for (reader, through) in read {
            let had = Progress {
                sent: through,
                acknowledged: through,
                confirmed: through,
            };
            self.progress(reader, had);
        }
        before - self.messages.waiting()
    }

    /// Whether all that a restored checkpoint has without a text was read since, as the journal behind it must say. To be asked
    /// once that was replayed: until then the state is not to be served from.
    pub fn check_replayed(&self) -> Result<(), RestoreError> {
        let mut pages = self.messages.paging.pages.values();
        if pages.any(|page| page.is_read_meanwhile && page.waiting > 0) {
            return Err(RestoreError::ReadingMissing);
        }
        Ok(())
    }
}
