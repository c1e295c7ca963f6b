//! What many readers get alike: news of everyone's feed and of one room. It is read once for all of them.

use chat_model::{AccountId, MessageNumber, RoomId};
use smallvec::SmallVec;

use super::State;
use super::places::Reader;

/// What comes after a message for readers whose own queues have nothing. Two readers with the same part get the same
/// messages, unless one of them has sent some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommonPart {
    /// Where the messages to everyone begin, if there are any.
    broadcasts_after: Option<MessageNumber>,
    /// The room that has news, and where they begin.
    room: Option<(RoomId, MessageNumber)>,
}

impl State {
    /// What comes after a message for a reader. Nothing, if it is not of the kind that others may have in common: if
    /// the reader's own queue has news, or several rooms, or a line tells of messages that are in the history only.
    pub fn common_part(&self, reader: Reader, after: MessageNumber) -> Option<CommonPart> {
        let account = self.accounts.get(reader.account)?;
        let place = account.record.places.get(reader.place)?;
        let after = after.max(place.cursor());
        let newest = account.queue.last().map(|key| self.messages.get(key));
        if newest.is_some_and(|newest| newest.number > after) {
            return None;
        }
        let broadcasts = &self.messages.broadcasts;
        let broadcasts_after = account.record.broadcast_cursor_of(place);
        let broadcasts_after = broadcasts_after.map(|of_place| of_place.max(after));
        let broadcasts_after = broadcasts_after.filter(|after| !broadcasts.is_past(*after));
        let mut news_of = None;
        for membership in account.record.memberships.as_slice() {
            let room = self.rooms.get(membership.room)?;
            let after = membership.joined_after.max(after);
            let dropped = room.record.dropped;
            if dropped.is_some_and(|dropped| dropped.number > after) {
                return None;
            }
            if !room.feed.is_past(after) && news_of.replace((membership.room, after)).is_some() {
                return None;
            }
        }
        Some(CommonPart {
            broadcasts_after,
            room: news_of,
        })
    }

    /// Who has sent messages of a part up to one of them, each once.
    pub fn senders_of(&self, part: CommonPart, through: MessageNumber) -> SmallVec<[AccountId; 4]> {
        let broadcasts = part.broadcasts_after.map(|after| {
            let feed = &self.messages.broadcasts;
            self.messages.of_feed_after(feed, after)
        });
        let of_room = part.room.and_then(|(room, after)| {
            let feed = &self.rooms.get(room)?.feed;
            Some(self.messages.of_feed_after(feed, after))
        });
        let mut senders = SmallVec::new();
        let messages = broadcasts.into_iter().flatten();
        let messages = messages.chain(of_room.into_iter().flatten());
        for message in messages.filter(|message| message.number <= through) {
            if !senders.contains(&message.sender) {
                senders.push(message.sender);
            }
        }
        senders
    }
}
