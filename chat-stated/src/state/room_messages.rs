//! Messages of rooms on their way into feeds, and out of them.

use chat_model::{AccountId, MessageNumber, RoomId};
use smallvec::SmallVec;

use super::State;
use super::accounts::Accounts;
use super::messages::Messages;
use super::room::{self, LastDropped};
use super::rooms::Rooms;

impl Rooms {
    /// How many members of a room get a message of this sender.
    pub(super) fn readers(&self, id: RoomId, sender: AccountId, accounts: &Accounts) -> u32 {
        let sender = accounts.get(sender);
        let is_member = sender.is_some_and(|it| it.record.memberships.get(id).is_some());
        let members = self.get(id).map_or(0, |room| room.members.len());
        (members - usize::from(is_member)) as u32
    }

    /// The oldest messages leave a room's feed until it holds no more than it may.
    pub(super) fn drop_old(&mut self, id: RoomId, messages: &mut Messages) {
        let limit = u64::from(self.limits.queue_messages);
        let Some(room) = self.get_mut(id) else {
            return;
        };
        while let Some((number, key)) = room.feed.first() {
            let message = messages.get(key);
            let sequence = message.readers.sequence_in(id).unwrap_or_default();
            if sequence.saturating_add(limit) >= room.record.messages {
                return;
            }
            // The room has changed already: it has a message more.
            room.record.dropped = Some(LastDropped {
                number,
                time_ms: message.time_ms,
                sequence,
            });
            room.feed.remove_first(message.text.len());
            messages.leave_holder(key);
        }
    }
}

impl State {
    /// An account has confirmed what it has of rooms after `before` and up to `through`.
    pub(super) fn rooms_read_by(
        &mut self,
        id: AccountId,
        before: MessageNumber,
        through: MessageNumber,
    ) {
        let rooms = self.accounts.get(id).map(|it| &it.record.memberships);
        let rooms = rooms.into_iter().flat_map(|it| it.as_slice());
        let rooms: SmallVec<[RoomId; 8]> = rooms.map(|membership| membership.room).collect();
        for room_id in rooms {
            let memberships = &mut self.accounts.change(id).record.memberships;
            let membership = memberships.get_mut(room_id);
            let (Some(membership), Some(room)) = (membership, self.rooms.get_mut(room_id)) else {
                continue;
            };
            let after = membership.joined_after.max(before);
            self.messages
                .feed_read_by(&mut room.feed, id, after, through);
            // Of messages that left the feed nobody knows any more which come before this one.
            let dropped = room.record.dropped;
            if dropped.is_none_or(|dropped| dropped.number <= through) {
                let next = room.feed.after(through).next();
                let next = next.map(|(_, key)| &self.messages.get(key).readers);
                let sequence = next.and_then(|readers| readers.sequence_in(room_id));
                membership.counted = sequence.unwrap_or(room.record.messages);
            }
        }
    }

    /// An account is a member of a room no longer: nothing of it waits for the account any more.
    pub(super) fn end_membership(&mut self, id: AccountId, room_id: RoomId) {
        let Some(account) = self.accounts.get(id) else {
            return;
        };
        let (name, cursor) = (account.record.name.clone(), account.record.places.cursor());
        let memberships = &mut self.accounts.change(id).record.memberships;
        let (Some(membership), Some(room)) =
            (memberships.remove(room_id), self.rooms.change(room_id))
        else {
            return;
        };
        let after = membership.joined_after.max(cursor);
        let newest = self.last_message.number;
        self.messages
            .feed_read_by(&mut room.feed, id, after, newest);
        if let Ok(index) = place_of(&room.members, &self.accounts, &name) {
            room::remove_at(&mut room.members, index);
        }
        room::remove(&mut room.online, id);
        room.record.operators.retain(|operator| *operator != id);
    }
}

/// Where a member of this name stands, or would stand.
pub(super) fn place_of(
    members: &[AccountId],
    accounts: &Accounts,
    name: &str,
) -> Result<usize, usize> {
    members.binary_search_by(|member| {
        let member = accounts.get(*member);
        member.map_or("", |member| &member.record.name).cmp(name)
    })
}
