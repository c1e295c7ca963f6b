//! Rooms from what a checkpoint has of them.

use std::sync::Arc;

use chat_model::{AccountId, RoomId};

use super::State;
use super::message::MessageKey;
use super::restore_error::RestoreError;
use super::room::{Room, RoomRecord};
use super::rooms::{MemberCursors, Rooms, RoomsHeader};

impl Rooms {
    pub(super) fn restore_header(&mut self, header: RoomsHeader) {
        self.last = RoomId(header.last);
        self.limits = header.limits;
    }

    pub(super) fn restore(&mut self, id: RoomId, record: RoomRecord) {
        self.by_name.insert(record.name.clone(), id);
        self.plan_look(id, record.retained.look_at);
        self.rooms.insert(id, Box::new(Room::new(record)));
    }
}

impl State {
    /// Once all accounts and rooms are there: puts members into their rooms.
    pub(super) fn restore_members(&mut self) -> Result<MemberCursors, RestoreError> {
        let mut cursors = MemberCursors::default();
        for (id, account) in self.accounts.iter() {
            for membership in account.record.memberships.as_slice() {
                let room = self.rooms.rooms.get_mut(&membership.room);
                let room = room.ok_or(RestoreError::Contradiction("a member of no room"))?;
                room.members.push(id);
                if account.record.places.is_online() {
                    room.online.push(id);
                }
                let cursor = membership.joined_after.max(account.record.places.cursor());
                let of_room = cursors.0.entry(membership.room).or_default();
                of_room.push(cursor);
            }
        }
        for of_room in cursors.0.values_mut() {
            of_room.sort_unstable();
        }
        for (id, room) in &mut self.rooms.rooms {
            let name = |member: &AccountId| -> Arc<str> {
                let account = self.accounts.get(*member);
                account.map_or("".into(), |account| account.record.name.clone())
            };
            room.members.sort_by_cached_key(name);
            room.members.shrink_to_fit();
            if !room.members.contains(&room.record.owner) || id.0 > self.rooms.last.0 {
                return Err(RestoreError::Contradiction("a room without its owner"));
            }
        }
        if self.rooms.by_name.len() != self.rooms.rooms.len() {
            return Err(RestoreError::Contradiction("two rooms of one name"));
        }
        Ok(cursors)
    }

    /// Puts a message back into the feed of a room, if a member has not confirmed it. Says whether it was put there.
    pub(super) fn restore_room_message(
        &mut self,
        (id, sequence): (RoomId, u64),
        key: MessageKey,
        cursors: &MemberCursors,
    ) -> bool {
        let message = self.messages.get(key);
        let (number, sender, text_bytes) = (message.number, message.sender, message.text.len());
        let sender_is_behind = self.record(sender).is_some_and(|record| {
            let membership = record.memberships.get(id);
            membership.is_some_and(|it| it.joined_after.max(record.places.cursor()) < number)
        });
        let (Some(room), Some(of_room)) = (self.rooms.get_mut(id), cursors.0.get(&id)) else {
            return false;
        };
        let dropped = room.record.dropped;
        if dropped.is_some_and(|dropped| sequence <= dropped.sequence) {
            return false;
        }
        let behind = of_room.partition_point(|cursor| *cursor < number);
        let unread = behind - usize::from(sender_is_behind);
        if unread > 0 {
            room.feed.push(number, key, unread as u32, text_bytes);
        }
        unread > 0
    }
}
