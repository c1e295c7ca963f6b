//! Pages of texts that are damaged on the disk: they stay where they are, and what was to become of their texts is
//! undone.

use std::num::NonZeroU64;

use chat_model::MessageNumber;

use super::State;
use super::message::PageNumber;
use super::messages::Messages;
use super::paging::{Page, Paging};

impl State {
    /// A page that was to be removed stays, because its texts cannot be moved: those of these messages.
    pub(crate) fn keep_page(
        &mut self,
        page: PageNumber,
        numbers: impl ExactSizeIterator<Item = MessageNumber>,
    ) {
        self.messages.keep_page(page, numbers);
    }
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
