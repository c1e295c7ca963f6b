//! Questions about the state that change nothing.

use std::collections::BTreeSet;
use std::net::IpAddr;

use chat_model::name;
use chat_model::{AccountId, Message, MessageNumber, Outcome};

use super::State;
use super::message::Text;
use super::places::{Placement, Reader};
use super::room_reading::{Item, merge};
use super::text_place::{TextPlace, Texts};
use crate::entry::Timestamp;

/// Where no texts were read from the checkpoint.
static NO_TEXTS: Texts = Texts::new();

/// After all messages.
const NEVER: MessageNumber = MessageNumber(u64::MAX);

/// How a queue is read: how much of it at once, and how.
#[derive(Clone, Copy, Debug)]
pub struct SliceLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes of text, and of names of groups; one message may go beyond.
    pub text_bytes: usize,
    /// Messages to a group come with the names that it went to.
    pub names_groups: bool,
}

/// A part of a queue.
#[derive(Debug)]
pub struct QueueSlice<'a> {
    /// Oldest first.
    pub messages: Vec<Message<'a>>,
    /// The part that was asked for has more.
    pub more: bool,
}

impl State {
    /// Looks a user name up. A block comes before everything else that is said of an account.
    pub fn look_up(&self, user: &str, address: IpAddr, timestamp: &Timestamp) -> Outcome<'static> {
        let found = self.find_session(user);
        let found = found.and_then(|(id, session)| Some((id, session, self.record(id)?)));
        let Some((id, session, record)) = found else {
            return if name::may_be_registered(user) {
                Outcome::NameFree
            } else {
                Outcome::NameUnavailable
            };
        };
        if let Some(seconds_left) = self.block_seconds_left(id, address, timestamp) {
            Outcome::Blocked { seconds_left }
        } else if record.disabled {
            Outcome::NameUnavailable
        } else if record.places.is_connected(&session) {
            Outcome::AlreadyLoggedIn
        } else if record.places.placement(&session) == Placement::TooMany {
            Outcome::NameUnavailable
        } else {
            Outcome::PasswordNeeded
        }
    }

    /// Seconds of the block of this account from this address, rounded up.
    pub fn block_seconds_left(
        &self,
        account: AccountId,
        address: IpAddr,
        timestamp: &Timestamp,
    ) -> Option<u64> {
        self.failures.block_seconds_left(
            &Self::source(account, address),
            self.clock.time_at(timestamp),
        )
    }

    /// What of a queue comes after `after` and not after `through`, oldest first, as far as the limits go, or up to a
    /// text that is not in memory.
    pub fn read_queue(
        &self,
        reader: Reader,
        after: MessageNumber,
        through: MessageNumber,
        limits: SliceLimits,
    ) -> QueueSlice<'_> {
        self.read_queue_with(reader, after, through, limits, &NO_TEXTS)
    }

    /// The same with texts that were read from the checkpoint.
    pub fn read_queue_with<'a>(
        &'a self,
        reader: Reader,
        after: MessageNumber,
        through: MessageNumber,
        limits: SliceLimits,
        texts: &'a Texts,
    ) -> QueueSlice<'a> {
        let mut slice = QueueSlice {
            messages: Vec::new(),
            more: false,
        };
        let mut text_bytes = 0;
        for item in self.queue_part(reader, after, through) {
            let is_full =
                slice.messages.len() >= limits.messages || text_bytes >= limits.text_bytes;
            let text = match item.message().map(|message| (message, &message.text)) {
                Some((_, Text::Resident(text))) => Some(&**text),
                Some((message, Text::OnPage { .. })) => texts.get(&message.number).map(|it| &**it),
                None => Some(""),
            };
            let Some(text) = text.filter(|_| !is_full) else {
                slice.more = true;
                break;
            };
            let shown = self.shown(reader.account, item, text, limits.names_groups);
            text_bytes += text.len() + shown.sent_to.bytes();
            slice.messages.push(shown);
        }
        slice
    }

    /// Where the texts are that this part of a queue lacks, as far as the limits and so many pages go.
    pub fn missing_texts(
        &self,
        reader: Reader,
        after: MessageNumber,
        through: MessageNumber,
        limits: SliceLimits,
        max_pages: usize,
    ) -> Vec<TextPlace> {
        let (mut places, mut pages) = (Vec::new(), BTreeSet::new());
        let mut text_bytes = 0;
        let part = self.queue_part(reader, after, through);
        for item in part.take(limits.messages) {
            let Some(message) = item.message() else {
                continue;
            };
            if text_bytes >= limits.text_bytes {
                break;
            }
            text_bytes += message.text.len();
            if let Some(place) = self.messages.text_place(message) {
                if pages.len() >= max_pages && !pages.contains(&place.page) {
                    break;
                }
                pages.insert(place.page);
                places.push(place);
            }
        }
        places
    }

    /// Nothing, if the place is not there.
    fn queue_part(
        &self,
        reader: Reader,
        after: MessageNumber,
        through: MessageNumber,
    ) -> impl Iterator<Item = Item<'_>> {
        let found = self.accounts.get(reader.account).and_then(|account| {
            let place = account.record.places.get(reader.place)?;
            Some((account, place))
        });
        let part = found.map(move |(account, place)| {
            let after = after.max(place.cursor());
            let broadcasts_after = account.record.broadcast_cursor_of(place);
            let first = account.queue.place_after(after, &self.messages);
            let direct = account.queue.messages_from(first);
            let direct = direct.map(|key| self.messages.get(key));
            let broadcasts_after = broadcasts_after.map_or(NEVER, |it| it.max(after));
            let broadcasts = &self.messages.broadcasts;
            let broadcast = self.messages.of_feed_after(broadcasts, broadcasts_after);
            let broadcast = broadcast.filter(move |message| message.sender != reader.account);
            let people = merge(direct.map(Item::Message), broadcast.map(Item::Message));
            merge(
                people,
                self.rooms_part(reader.account, &account.record, after),
            )
        });
        let part = part.into_iter().flatten();
        part.take_while(move |item| item.number() <= through)
    }
}
