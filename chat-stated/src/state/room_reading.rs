//! Reading the feeds of an account's rooms together with its queue.

use std::borrow::Cow;
use std::iter::Peekable;

use chat_model::room::ROOM_SENDER;
use chat_model::{AccountId, Message, MessageNumber, SentTo};
use smallvec::SmallVec;

use super::State;
use super::account_record::AccountRecord;
use super::message::{Readers, RoomReaders, StoredMessage};

/// What a reader gets next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'a> {
    Message(&'a StoredMessage),
    /// So many messages of this room, of which this was the last, are in the history only.
    Gap {
        room: &'a str,
        number: MessageNumber,
        time_ms: i64,
        messages: u64,
    },
}

impl<'a> Item<'a> {
    pub(super) fn number(&self) -> MessageNumber {
        match self {
            Self::Message(message) => message.number,
            Self::Gap { number, .. } => *number,
        }
    }

    /// The message, if it is one.
    pub(super) fn message(&self) -> Option<&'a StoredMessage> {
        match self {
            Self::Message(message) => Some(message),
            Self::Gap { .. } => None,
        }
    }
}

/// Two runs by rising number as one. Of two with the same number the left one counts.
pub(super) fn merge<'a>(
    left: impl Iterator<Item = Item<'a>>,
    right: impl Iterator<Item = Item<'a>>,
) -> impl Iterator<Item = Item<'a>> {
    let mut left = left.peekable();
    let mut right = right.peekable();
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(first), Some(second)) if second.number() < first.number() => right.next(),
        (Some(first), Some(second)) if second.number() == first.number() => {
            right.next();
            left.next()
        }
        (Some(_), _) => left.next(),
        (None, _) => right.next(),
    })
}

/// Many runs by rising number as one; what stands in several comes once.
struct Merged<I: Iterator>(SmallVec<[Peekable<I>; 1]>);

impl<'a, I: Iterator<Item = &'a StoredMessage>> Iterator for Merged<I> {
    type Item = &'a StoredMessage;

    fn next(&mut self) -> Option<&'a StoredMessage> {
        // Mostly one room has news: what reaches a thousand members is read a thousand times.
        if let [run] = self.0.as_mut_slice() {
            return run.next();
        }
        let firsts = self.0.iter_mut().filter_map(|run| run.peek());
        let number = firsts.map(|message| message.number).min()?;
        let mut found = None;
        for run in &mut self.0 {
            found = run.next_if(|message| message.number == number).or(found);
        }
        found
    }
}

impl State {
    /// What waits for an account in its rooms after a message.
    pub(super) fn rooms_part<'a>(
        &'a self,
        reader: AccountId,
        record: &'a AccountRecord,
        after: MessageNumber,
    ) -> impl Iterator<Item = Item<'a>> {
        let memberships = record.memberships.as_slice();
        let feeds = memberships.iter().filter_map(|membership| {
            let room = self.rooms.get(membership.room)?;
            let after = membership.joined_after.max(after);
            if room.feed.is_past(after) {
                return None;
            }
            let messages = self.messages.of_feed_after(&room.feed, after);
            Some(messages.filter(move |it| it.sender != reader).peekable())
        });
        let feeds = Merged(feeds.collect()).map(Item::Message);
        let gaps = memberships.iter().filter_map(|membership| {
            let room = self.rooms.get(membership.room)?;
            let after = membership.joined_after.max(after);
            let dropped = room.record.dropped.filter(|it| it.number > after)?;
            let messages = (dropped.sequence + 1).saturating_sub(membership.counted);
            let messages = messages.min(dropped.number.0 - after.0);
            (messages > 0).then_some(Item::Gap {
                room: &room.record.name,
                number: dropped.number,
                time_ms: dropped.time_ms,
                messages,
            })
        });
        let mut gaps: Vec<Item<'a>> = gaps.collect();
        gaps.sort_by_key(Item::number);
        merge(feeds, gaps.into_iter())
    }

    /// The last message that left the feed of a room of an account before all had it.
    pub fn dropped_through(&self, account: AccountId) -> Option<MessageNumber> {
        let memberships = self.record(account)?.memberships.as_slice();
        let rooms = memberships.iter().filter_map(|it| self.rooms.get(it.room));
        let dropped = rooms.filter_map(|room| room.record.dropped);
        dropped.map(|dropped| dropped.number).max()
    }

    /// What a reader gets, with the text that it has.
    pub(super) fn shown<'a>(
        &'a self,
        reader: AccountId,
        item: Item<'a>,
        text: &'a str,
        names_groups: bool,
    ) -> Message<'a> {
        match item {
            Item::Message(message) => self.readable(reader, message, text, names_groups),
            Item::Gap {
                room,
                number,
                time_ms,
                messages,
            } => Message {
                number,
                time_ms,
                sender: ROOM_SENDER,
                sent_to: SentTo::GapIn(room, messages),
                text,
            },
        }
    }

    fn readable<'a>(
        &'a self,
        reader: AccountId,
        message: &'a StoredMessage,
        text: &'a str,
        names_groups: bool,
    ) -> Message<'a> {
        let sender = self.record(message.sender);
        let sender = sender.map_or("", |record| record.name.as_ref());
        let readers = match &message.readers {
            Readers::One(_) => return message.shown(sender, SentTo::People, text),
            Readers::AllButSender => return message.shown(sender, SentTo::Everyone, text),
            Readers::Some(group) => {
                let names = names_groups.then(|| self.names_of_group(group));
                return message.shown(sender, names.map_or(SentTo::People, SentTo::Group), text);
            }
            Readers::Rooms(readers) => readers,
        };
        if let Some(room) = &readers.notice_of {
            return message.shown(ROOM_SENDER, SentTo::NoticeOf(room), text);
        }
        let memberships = self.record(reader).map(|record| &record.memberships);
        let mut rooms = readers.rooms.iter().filter_map(|(room, _)| {
            let membership = memberships?.get(*room)?;
            let is_for_member = membership.joined_after < message.number;
            is_for_member.then(|| self.rooms.get(*room))?
        });
        let sent_to = match rooms.next() {
            Some(room) => SentTo::Room(&room.record.name),
            None if names_groups => SentTo::Group(self.names_of_mixed(readers)),
            None => SentTo::People,
        };
        message.shown(sender, sent_to, text)
    }

    fn names_of_group(&self, group: &[AccountId]) -> Cow<'static, str> {
        joined(group.iter().map(|account| self.name_of(*account)))
    }

    /// The names of rooms and accounts, in the order in which they were named. A room that is gone has none.
    fn names_of_mixed(&self, readers: &RoomReaders) -> Cow<'static, str> {
        let mut names = Vec::new();
        let mut accounts = readers.accounts.iter().map(|it| self.name_of(*it));
        let mut before = readers.accounts_before.iter();
        let mut named = 0;
        for (room, _) in &readers.rooms {
            let until = before.next().map_or(0, |before| *before as usize);
            names.extend(accounts.by_ref().take(until.saturating_sub(named)));
            named = until;
            names.extend(self.rooms.get(*room).map(|room| &*room.record.name));
        }
        names.extend(accounts);
        joined(names.into_iter())
    }

    fn name_of(&self, account: AccountId) -> &str {
        self.record(account).map_or("", |record| &record.name)
    }
}

/// Names with one space between.
fn joined<'a>(names: impl Iterator<Item = &'a str>) -> Cow<'static, str> {
    let mut joined = String::new();
    for name in names {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(name);
    }
    joined.into()
}
