//! What rooms there are, and who is in them.

use std::borrow::Cow;

use chat_model::{AccountId, NameList, Outcome, RoomId};

use super::State;
use super::room::Room;

impl State {
    /// The number of a room.
    pub fn room_id(&self, name: &str) -> Option<RoomId> {
        self.rooms.id_of(name)
    }

    /// Members of a room of whom somebody is logged in, by rising number.
    pub fn online_members(&self, room: RoomId) -> &[AccountId] {
        self.rooms.get(room).map_or(&[], Room::online)
    }

    /// How many rooms there are.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// The rooms of which an account is a member, sorted by name.
    pub fn rooms_of(&self, account: AccountId) -> NameList<'static> {
        let memberships = self.record(account).map(|record| &record.memberships);
        let memberships = memberships.into_iter().flat_map(|it| it.as_slice());
        let rooms = memberships.filter_map(|membership| self.rooms.get(membership.room));
        let mut names: Vec<&str> = rooms.map(|room| &*room.record.name).collect();
        names.sort_unstable();
        names.into_iter().collect()
    }

    /// All rooms that are not private, sorted by name.
    pub fn public_rooms(&self) -> NameList<'static> {
        let rooms = self.rooms.by_name.values();
        let rooms = rooms.filter_map(|id| self.rooms.get(*id));
        let public = rooms.filter(|room| !room.record.is_private);
        public.map(|room| &*room.record.name).collect()
    }

    /// The members of a room, sorted by name, `~` before the owner's and `@` before operators'. Nothing, if the account
    /// may not know.
    pub fn members_of(&self, account: AccountId, room: &str) -> Option<NameList<'static>> {
        let room = self.room_seen_by(account, room)?;
        let mut names = NameList::with_capacity(room.members.len() * 8);
        let mut marked = String::new();
        let mut operators = room.record.operators.clone();
        operators.sort_unstable();
        for member in &room.members {
            let name = self.record(*member).map_or("", |record| &record.name);
            let mark = match member {
                member if *member == room.record.owner => "~",
                member if operators.binary_search(member).is_ok() => "@",
                _ => "",
            };
            marked.clear();
            marked.push_str(mark);
            marked.push_str(name);
            names.push(&marked);
        }
        Some(names)
    }

    /// What a room is about: `Topic` or `Denied`.
    pub fn topic_of(&self, account: AccountId, room: &str) -> Outcome<'static> {
        let room = self.room_seen_by(account, room);
        room.map_or(Outcome::Denied, |room| {
            Outcome::Topic(Cow::Owned(room.record.topic.to_string()))
        })
    }

    /// A room that is public, or of which the account is a member.
    fn room_seen_by(&self, account: AccountId, room: &str) -> Option<&Room> {
        let id = self.rooms.id_of(room)?;
        let room = self.rooms.get(id)?;
        let is_member = self.record(account)?.memberships.get(id).is_some();
        (is_member || !room.record.is_private).then_some(room)
    }
}
