//! Messages that are read while a snapshot is taken, before they came onto a page. The snapshot has them, since it is
//! of a time before their reading, but not their texts: once the checkpoint is current the journal has their reading,
//! and nobody asks for them again.

use super::budget::Budget;
use super::message::{MessageParts, PageNumber, StoredMessage};
use super::snapshot_sink::SnapshotSink;

/// Messages on a page of them.
const PAGE_MESSAGES: usize = 512;

/// Such messages of the snapshot under way.
#[derive(Debug, Default)]
pub(super) struct ReadMeanwhile {
    full: Vec<(PageNumber, Vec<MessageParts>)>,
    open: Vec<MessageParts>,
}

impl ReadMeanwhile {
    /// Adds one; `last_page` is the last page that has a number.
    pub(super) fn add(&mut self, message: &StoredMessage, last_page: &mut PageNumber) {
        self.open.push(message.parts().into_owned());
        if self.open.len() >= PAGE_MESSAGES {
            self.close_page(last_page);
        }
    }

    /// The page that is being filled is full.
    pub(super) fn close_page(&mut self, last_page: &mut PageNumber) {
        if !self.open.is_empty() {
            *last_page += 1;
            let messages = std::mem::take(&mut self.open);
            self.full.push((*last_page, messages));
        }
    }

    /// Gives one full page, if there is one.
    pub(super) fn put_page(
        &mut self,
        sink: &mut impl SnapshotSink,
        budget: &mut Budget,
    ) -> Option<PageNumber> {
        let (page, messages) = self.full.pop()?;
        budget.spend(messages.len());
        sink.put_page_without_texts(page, &messages);
        Some(page)
    }
}
