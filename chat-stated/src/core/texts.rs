//! Texts that are not in memory: pages of queues that wait for them, and when texts are dropped.

use std::collections::{BTreeMap, VecDeque};

use chat_model::{ConnectionSerial, MessageNumber, Progress, StreamOffset};
use chat_rpc::ToWorker;

use super::batches::{Read, WaitingRead};
use super::delivery::SLICE;
use super::link::LinkId;
use super::{Action, Core};
use crate::entry::Entry;
use crate::text_page::{ReadTexts, TextPlace, Texts};

/// Readings of the checkpoint under way at once. What each brings is bounded by a slice of a queue.
const MAX_READS: usize = 16;
/// Pages of texts that one reading goes through.
const MAX_PAGES: usize = 256;
/// Texts are dropped until this part of what may be in memory is left, so that it is not done for every message.
const KEPT_NUMERATOR: u64 = 3;
const KEPT_DENOMINATOR: u64 = 4;
/// Messages looked at in one turn when texts are dropped: well below a millisecond.
const DROPPED_IN_ONE_TURN: usize = 4_096;
/// So much text, or as much again as may be in memory, may wait for the checkpoint that is being written before workers
/// are not read.
const MIN_UNWRITTEN_BYTES: u64 = 16 * 1024 * 1024;
/// Pages that may wait for clients that are gone before they are cleared away.
const TIDY_SLACK: usize = 1_024;

/// No text was read from the checkpoint.
static NO_TEXTS: Texts = Texts::new();

/// A part of a queue that a worker has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AskedPage {
    pub(super) link: LinkId,
    pub(super) serial: ConnectionSerial,
    pub(super) after: MessageNumber,
    pub(super) through: MessageNumber,
}

/// Pages that wait for texts. Whether one still waits, says [`super::link::Client::is_parked`]: tickets are never
/// given again.
#[derive(Debug, Default)]
pub(super) struct TextReads {
    last_ticket: u64,
    under_way: BTreeMap<u64, (AskedPage, Vec<TextPlace>)>,
    waiting: VecDeque<(u64, AskedPage)>,
    /// How many of those waited when it was last looked.
    waiting_clients: usize,
    is_dropping: bool,
}

impl TextReads {
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.waiting.is_empty()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_dropping(&self) -> bool {
        self.is_dropping
    }
}

/// A page of texts that must be in the checkpoint is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("page {page} of texts is missing, and a message that waits is on it")]
pub struct MissingTexts {
    /// Which.
    pub page: u64,
}

impl Core {
    /// Keeps a page until its texts were read. Another one of the same client that waits still is answered with
    /// nothing: its worker asks for one after the other.
    pub(super) fn park_page(&mut self, page: AskedPage) {
        self.text_reads.last_ticket += 1;
        let ticket = self.text_reads.last_ticket;
        let client = self
            .links
            .get_mut(page.link)
            .and_then(|link| link.known_mut(page.serial));
        let Some(client) = client else {
            return;
        };
        if client.park_page(ticket).is_some() {
            let nothing = ToWorker::Page {
                connection: page.serial,
                messages: Vec::new(),
                more: true,
            };
            self.send(page.link, &nothing);
        }
        self.text_reads.waiting.push_back((ticket, page));
        if self.text_reads.waiting.len() >= 2 * self.text_reads.waiting_clients + TIDY_SLACK {
            self.forget_who_waits_no_longer();
        }
        self.begin_text_reads();
    }

    /// Pages of clients that are gone are passed over in any case; here they are cleared away.
    fn forget_who_waits_no_longer(&mut self) {
        let links = &self.links;
        self.text_reads.waiting.retain(|(ticket, page)| {
            links
                .get(page.link)
                .and_then(|link| link.known(page.serial))
                .is_some_and(|client| client.is_parked(*ticket))
        });
        self.text_reads.waiting_clients = self.text_reads.waiting.len();
    }

    /// Whether the client is there and waits for this page still; if so, it waits no longer.
    fn unpark_page(&mut self, ticket: u64, page: &AskedPage) -> bool {
        self.links
            .get_mut(page.link)
            .and_then(|link| link.known_mut(page.serial))
            .is_some_and(|client| client.unpark_page(ticket))
    }

    fn begin_text_reads(&mut self) {
        while self.text_reads.under_way.len() < MAX_READS
            && let Some((ticket, page)) = self.text_reads.waiting.pop_front()
        {
            if self.unpark_page(ticket, &page) {
                self.send_or_read_page(page, &NO_TEXTS);
            }
        }
    }

    /// Sends a page as far as its texts are there, or has them read.
    fn send_or_read_page(&mut self, page: AskedPage, texts: &Texts) {
        if self.send_page_with(page, texts) {
            return;
        }
        let mut places = self.missing_texts(page);
        let is_damaged = |place: &TextPlace| self.damage.contains(place.number);
        match places.iter().position(is_damaged) {
            Some(0) => return self.end_held_up(page, places[0].number),
            Some(first) => places.truncate(first),
            None => {}
        }
        self.text_reads.last_ticket += 1;
        let ticket = self.text_reads.last_ticket;
        if let Some(link) = self.links.get_mut(page.link)
            && let Some(client) = link.known_mut(page.serial)
        {
            client.park_page(ticket);
        }
        self.actions.push(Action::ReadTexts {
            ticket,
            places: places.clone(),
        });
        self.text_reads.under_way.insert(ticket, (page, places));
    }

    fn missing_texts(&self, page: AskedPage) -> Vec<TextPlace> {
        let reader = self
            .connection(page.link, page.serial)
            .and_then(|connection| self.state.reader_on(connection));
        reader.map_or_else(Vec::new, |reader| {
            self.state
                .missing_texts(reader, page.after, page.through, SLICE, MAX_PAGES)
        })
    }

    /// Ends a session that can be given nothing more: the next message for it is damaged. To go on behind that would
    /// take it out of the queue unread. The worker is told once the session has ended: its client may log in at once
    /// then.
    fn end_held_up(&mut self, page: AskedPage, number: MessageNumber) {
        let Some(connection) = self.connection(page.link, page.serial) else {
            return;
        };
        if let Some(reader) = self.state.reader_on(connection) {
            self.note_held_up(reader, number);
        }
        let entry = Entry::Close {
            connection,
            progress: Progress::default(),
        };
        self.push_entry_of(page.link, page.serial, entry);
        self.batches.push_read(WaitingRead {
            link: page.link,
            serial: page.serial,
            offset: StreamOffset::default(),
            read: Read::End {
                worker_session: connection.worker_session,
            },
        });
    }

    /// Texts were read. Those that are damaged, and what waits behind them, are held back from now on. An error means
    /// that the checkpoint lacks one that must be there; it is held back as well.
    ///
    /// Messages may have been read meanwhile, by whoever, and pages may have made way for others: what is still wanted
    /// and was not found is looked for where it is now.
    pub fn texts_read(&mut self, ticket: u64, read: &ReadTexts) -> Result<(), MissingTexts> {
        let Some((page, places)) = self.text_reads.under_way.remove(&ticket) else {
            return Ok(());
        };
        for damage in &read.damaged {
            let is_damaged = |place: &&TextPlace| damage.numbers.contains(&place.number);
            for place in places.iter().filter(is_damaged) {
                self.damage.add(place);
            }
            self.damage.log(&damage.error);
        }
        let mut result = Ok(());
        if self.unpark_page(ticket, &page) {
            let damage = &self.damage;
            let is_unknown = |place: &&TextPlace| {
                !read.texts.contains_key(&place.number) && !damage.contains(place.number)
            };
            let unknown: Vec<_> = places.iter().filter(is_unknown).collect();
            let wanted = match unknown.is_empty() {
                true => Vec::new(),
                false => self.missing_texts(page),
            };
            for place in unknown.into_iter().filter(|place| wanted.contains(place)) {
                self.damage.add(place);
                result = Err(MissingTexts { page: place.page });
            }
            self.send_or_read_page(page, &read.texts);
        }
        self.begin_text_reads();
        result
    }

    /// A checkpoint became current: texts that it has may be dropped, if there are too many.
    pub(super) fn begin_dropping_texts(&mut self) {
        self.state.checkpoint_is_current();
        self.damage.checkpoint_is_current(&self.state);
        self.text_reads.is_dropping = self.has_texts_to_drop();
    }

    /// Whether more texts are in memory than should be.
    pub(super) fn has_texts_to_drop(&self) -> bool {
        self.state.resident_text_bytes() > self.settings.resident_text_bytes
    }

    /// Whether texts come in faster than the checkpoint can take them.
    pub(super) fn has_too_many_texts(&self) -> bool {
        let budget_bytes = self.settings.resident_text_bytes;
        let max_bytes = budget_bytes.saturating_add(budget_bytes.max(MIN_UNWRITTEN_BYTES));
        self.checkpoints.is_in_progress() && self.state.resident_text_bytes() > max_bytes
    }

    pub(super) fn drop_texts(&mut self) {
        if self.text_reads.is_dropping {
            let kept_bytes = self.settings.resident_text_bytes / KEPT_DENOMINATOR * KEPT_NUMERATOR;
            self.text_reads.is_dropping = self.state.drop_texts(kept_bytes, DROPPED_IN_ONE_TURN);
        }
    }
}
