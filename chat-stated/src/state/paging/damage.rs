//! Pages of texts that are damaged on the disk: they stay where they are, and what was to become of their texts is undone.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use chat_model::MessageNumber;

use super::{Page, PageNumber, Paging};
use crate::records::v3::state::decode_page;
use crate::state::State;
use crate::state::messages::Messages;
use crate::state::parts::MessageParts;
use crate::state::save::{PAGE_TABLE, Record, encode_page};
use crate::text_page::{Content, TEXT_TABLE};

impl State {
    /// A checkpoint could not be written, because texts were to move from a page that is damaged. Gives what the next
    /// one has to begin with instead: these messages stay on that page.
    pub fn keep_damaged_page(&mut self, page: u64, mut records: Vec<Record>) -> Vec<Record> {
        let kept = take_out(page, &mut records);
        let is_removal = |record: &Record| {
            record.key == page
                && matches!(record.table, PAGE_TABLE | TEXT_TABLE)
                && record.value.is_none()
        };
        records.retain(|record| !is_removal(record));
        records.push(Record {
            table: PAGE_TABLE,
            key: page,
            value: Some(encode_page(kept.values().cloned()).into()),
        });
        self.messages.keep_page(page, kept.into_keys());
        records
    }
}

/// Takes the messages out whose texts were to come from a page, from all new pages.
fn take_out(page: u64, records: &mut [Record]) -> BTreeMap<MessageNumber, MessageParts> {
    let mut numbers_by_page = BTreeMap::new();
    for record in records.iter_mut() {
        if let (TEXT_TABLE, Some(Content::Texts(gathering))) = (record.table, &mut record.value) {
            let numbers: BTreeSet<MessageNumber> = gathering.take_placed_on(page).collect();
            if !numbers.is_empty() {
                numbers_by_page.insert(record.key, numbers);
            }
        }
    }
    let mut taken = BTreeMap::new();
    for record in records
        .iter_mut()
        .filter(|record| record.table == PAGE_TABLE)
    {
        let (Some(numbers), Some(Content::Bytes(bytes))) =
            (numbers_by_page.get(&record.key), &mut record.value)
        else {
            continue;
        };
        let listed = decode_page(bytes).expect("what was encoded just now can be decoded");
        let (leaving, staying): (Vec<_>, Vec<_>) = listed
            .into_iter()
            .partition(|listed| numbers.contains(&listed.number));
        *bytes = encode_page(staying.into_iter());
        taken.extend(leaving.into_iter().map(|listed| (listed.number, listed)));
    }
    taken
}

impl Messages {
    /// A page that was to be removed stays, because its texts cannot be moved: those of these messages.
    fn keep_page(
        &mut self,
        page_number: PageNumber,
        numbers: impl ExactSizeIterator<Item = MessageNumber>,
    ) {
        let written = numbers.len();
        let mut keys = Vec::new();
        for number in numbers {
            let Some((_, key)) = self.paging.moving.remove(&number) else {
                continue;
            };
            let Some(slot) = self.find_mut(number, key) else {
                continue;
            };
            let new_page = std::mem::replace(&mut slot.page, NonZeroU64::new(page_number));
            keys.push((number, key));
            if let Some(new_page) = new_page {
                self.paging.take_from_new_page(number, new_page.get());
            }
        }
        let page = Page {
            waiting: keys.len(),
            keys,
            written,
            is_damaged: true,
            ..Page::default()
        };
        self.paging.pages.insert(page_number, page);
        self.paging.give_up_if_worthless(page_number);
    }
}

impl Paging {
    /// A message that was to be on a new page stays where it was.
    fn take_from_new_page(&mut self, number: MessageNumber, page_number: PageNumber) {
        let Some(page) = self.pages.get_mut(&page_number) else {
            return;
        };
        page.keys.retain(|(on_page, _)| *on_page != number);
        page.waiting -= 1;
        page.written -= 1;
        self.give_up_if_worthless(page_number);
    }
}
