//! Texts that were found damaged on the disk, whom they hold up, and what operators are told of them.

use std::collections::{BTreeMap, BTreeSet};

use chat_model::MessageNumber;

use super::Core;
use crate::state::{Reader, SliceLimits, State};
use crate::text_page::TextPlace;

/// The next message of a queue.
const NEXT: SliceLimits = SliceLimits {
    messages: 1,
    text_bytes: 1,
    names_groups: false,
};
/// Users that a warning names.
const NAMED: usize = 10;

/// The damage that is known. The next process looks for itself.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// Messages whose texts were found damaged, and on which page. They, and what waits behind them, stay in their
    /// queues and are given to nobody.
    messages: BTreeMap<MessageNumber, u64>,
    /// The damage that was named in the log: one text for each page.
    named: BTreeSet<String>,
    /// Whose queues are known to be held up by one of them.
    held_up: BTreeSet<Reader>,
}

impl Damage {
    pub(super) fn contains(&self, number: MessageNumber) -> bool {
        self.messages.contains_key(&number)
    }

    pub(super) fn count(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn add(&mut self, place: &TextPlace) {
        self.messages.insert(place.number, place.page);
    }

    pub(super) fn log(&mut self, error: &str) {
        if self.named.insert(error.to_owned()) {
            log::error!(
                "{error}. Until then its messages, and what waits behind them in the same queues, are given to nobody; \
                 those who are next to get one are answered error:busy: when they log in. All others are served"
            );
        }
    }

    /// The message that is next for somebody, if it is damaged.
    fn next_of(&self, state: &State, reader: Reader) -> Option<MessageNumber> {
        let through = MessageNumber(u64::MAX);
        let next = state.missing_texts(reader, MessageNumber::default(), through, NEXT, 1);
        let damaged = next.iter().find(|place| self.contains(place.number));
        damaged.map(|place| place.number)
    }

    /// A checkpoint became current: forgets damage on pages that it no longer has.
    pub(super) fn checkpoint_is_current(&mut self, state: &State) {
        if self.messages.is_empty() {
            return;
        }
        self.messages.retain(|_, page| state.has_page(*page));
        let mut held_up = std::mem::take(&mut self.held_up);
        held_up.retain(|reader| self.next_of(state, *reader).is_some());
        self.held_up = held_up;
    }

    /// For people, while there is damage.
    pub(super) fn warning(&self, state: &State) -> Option<String> {
        if self.messages.is_empty() {
            return None;
        }
        let records = self.held_up.iter().map(|it| state.record(it.account));
        let names = records.flatten().map(|record| &*record.name);
        let mut names: Vec<&str> = names.collect();
        names.dedup();
        let more = match names.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} others"),
        };
        let concerned = match names.is_empty() {
            true => String::new(),
            false => {
                let names = names[..names.len().min(NAMED)].join(", ");
                format!(": {names}{more} cannot get their messages")
            }
        };
        let count = self.count();
        Some(format!(
            "{count} texts of messages are damaged{concerned} (see the runbook, Damage)"
        ))
    }
}

impl Core {
    /// Whether the next message for somebody is damaged.
    pub(super) fn is_held_up(&mut self, reader: Reader) -> bool {
        if self.damage.messages.is_empty() {
            return false;
        }
        let next = self.damage.next_of(&self.state, reader);
        if let Some(number) = next {
            self.note_held_up(reader, number);
        }
        next.is_some()
    }

    /// Says once whom damage concerns.
    pub(super) fn note_held_up(&mut self, reader: Reader, number: MessageNumber) {
        if self.damage.held_up.insert(reader)
            && let Some(record) = self.state.record(reader.account)
        {
            log::error!(
                "{} cannot get message {}, whose text is damaged (see above): {0} is logged out, and answered \
                 error:busy: at the login",
                record.name,
                number.0
            );
        }
    }
}
