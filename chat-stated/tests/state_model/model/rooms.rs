//! Rooms: a message to one is a copy in the list of each member.

use chat_model::{NameList, RoomAct, Treatment};
use chat_stated::state::{MESSAGE_BYTES, READER_BYTES};

use super::*;

#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) name: String,
    pub(super) owner: usize,
    /// In the order in which they became.
    operators: Vec<usize>,
    /// In the order in which they joined.
    pub(super) members: Vec<usize>,
    /// By member: the last message when it joined.
    joined_after: BTreeMap<usize, u64>,
    is_private: bool,
    invited: BTreeSet<usize>,
    banned: BTreeSet<usize>,
    pub(crate) topic: String,
    /// For how many days an operator of the server has its history kept.
    pub(super) retention_days: Option<u32>,
}

/// To whom a message goes beside those who get it by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToRooms {
    /// Numbers of the rooms, in the order in which they were named.
    rooms: Vec<usize>,
    /// The same with those who get it by name between.
    order: Vec<Named>,
    notice_of: Option<String>,
}

/// Why nothing is done.
type NotDone = Outcome<'static>;

impl Model {
    /// The number of a room. One that has ended keeps its number and loses its members.
    fn room_of_name(&self, name: &str) -> Option<usize> {
        let is_it = |room: &Room| room.name == name && !room.members.is_empty();
        self.rooms.iter().position(is_it)
    }

    /// Names of rooms that an account is in, sorted.
    pub(crate) fn rooms_of(&self, account: usize) -> Vec<&str> {
        let rooms = self.rooms.iter();
        let rooms = rooms.filter(|room| room.members.contains(&account));
        let mut names: Vec<&str> = rooms.map(|room| room.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Behind which message an account may read the history of a room; nothing if it may not.
    pub(crate) fn reads_room_after(&self, account: usize, room: &str) -> Option<u64> {
        let room = &self.rooms[self.room_of_name(room)?];
        match room.joined_after.get(&account) {
            Some(joined_after) if room.is_private => Some(*joined_after),
            Some(_) => Some(0),
            None => (!room.is_private && !room.banned.contains(&account)).then_some(0),
        }
    }

    /// The members as they are listed for an account, if it may know them.
    pub(crate) fn members_of(&self, account: usize, room: &str) -> Option<Vec<String>> {
        let room = &self.rooms[self.room_of_name(room)?];
        if room.is_private && !room.members.contains(&account) {
            return None;
        }
        let name = |member: &usize| &self.accounts[*member].name;
        let mut members = room.members.clone();
        members.sort_unstable_by_key(name);
        let mark = |member: &usize| match member {
            member if *member == room.owner => "~",
            member if room.operators.contains(member) => "@",
            _ => "",
        };
        let listed = members.iter();
        Some(
            listed
                .map(|it| format!("{}{}", mark(it), name(it)))
                .collect(),
        )
    }

    /// What a reader sees of where a message was sent, and whether it is a list of names.
    pub(crate) fn label(&self, message: &Waiting, names_groups: bool) -> (String, bool) {
        let place = self.room_or_notice(message);
        if !place.is_empty() {
            return (place, false);
        }
        if message.broadcast {
            return ("everyone".to_owned(), false);
        }
        let names_room = message.named.iter().any(|it| matches!(it, Named::Room(_)));
        if !names_groups || message.named.len() < 2 && !names_room {
            return (String::new(), false);
        }
        let names = message.named.iter().filter_map(|named| match named {
            Named::Account(id) => Some(self.accounts[*id].name.as_str()),
            Named::Room(id) if self.rooms[*id].members.is_empty() => None,
            Named::Room(id) => Some(self.rooms[*id].name.as_str()),
        });
        (names.collect::<Vec<_>>().join(" "), true)
    }

    fn room_or_notice(&self, message: &Waiting) -> String {
        if let Some(room) = &message.to_rooms.notice_of {
            return format!("notice of {room}");
        }
        let mut rooms = message.to_rooms.rooms.iter();
        let room = rooms.find(|room| message.in_rooms.contains(room));
        room.map_or(String::new(), |room| self.rooms[*room].name.clone())
    }

    pub(super) fn send_mixed(
        &mut self,
        sender: usize,
        recipients: &NameList<'_>,
        text: &str,
        wall_ms: i64,
        outcome: &mut Applied,
    ) -> Outcome<'static> {
        let (mut rooms, mut unknown) = (Vec::new(), Vec::new());
        let mut named = BTreeSet::new();
        let mut order = Vec::new();
        for name in recipients.iter() {
            let room = self.room_of_name(name);
            let room = room.filter(|room| self.rooms[*room].members.contains(&sender));
            match (room, self.id_of(name)) {
                (Some(room), _) if !rooms.contains(&room) => {
                    rooms.push(room);
                    order.push(Named::Room(room));
                }
                (None, Some(id)) if named.insert(id) => order.push(Named::Account(id)),
                (None, None) if !unknown.contains(&name) => unknown.push(name),
                _ => {}
            }
        }
        if rooms.is_empty() {
            return self.send(sender, recipients, text, wall_ms, outcome);
        }
        let to = ToRooms {
            rooms,
            order,
            notice_of: None,
        };
        if let Err(refusal) = self.put_in_rooms(sender, to, named, text, wall_ms, outcome) {
            return refusal;
        }
        Outcome::Stored {
            unknown: unknown.into_iter().collect::<NameList<'_>>().into_owned(),
        }
    }

    fn put_in_rooms(
        &mut self,
        sender: usize,
        to: ToRooms,
        named: BTreeSet<usize>,
        text: &str,
        wall_ms: i64,
        outcome: &mut Applied,
    ) -> Result<(), NotDone> {
        let text_bytes = text.len() as u64;
        let readers = to.rooms.len() + named.len();
        let bytes = MESSAGE_BYTES + text_bytes + READER_BYTES * readers as u64;
        let counts_sender = |reader: &&usize| self.counted_senders(**reader).contains(&sender);
        let new_shares = named.len() - named.iter().filter(counts_sender).count();
        if let Some(refusal) = self.waiting_refusal(sender, bytes, 0) {
            return Err(refusal);
        }
        let has_room = |reader: &usize| self.has_room(*reader, sender, text_bytes);
        if !named.iter().all(has_room) {
            return Err(Outcome::QueueFull);
        }
        if let Some(refusal) = self.waiting_refusal(sender, bytes, new_shares) {
            return Err(refusal);
        }
        self.count_message(wall_ms);
        for reader in 0..self.accounts.len() {
            let is_in = |room: &usize| self.rooms[*room].members.contains(&reader);
            let in_rooms: BTreeSet<usize> = to.rooms.iter().copied().filter(is_in).collect();
            let by_rooms = match reader == sender {
                true => BTreeSet::new(),
                false => in_rooms.clone(),
            };
            let is_named = named.contains(&reader);
            if by_rooms.is_empty() && !is_named {
                continue;
            }
            self.put((reader, readers), sender, text, false);
            for place in &mut self.accounts[reader].places {
                let message = place.queue.last_mut().expect("it was put");
                message.is_named = is_named;
                message.by_rooms = by_rooms.clone();
                message.in_rooms = in_rooms.clone();
                message.to_rooms = to.clone();
                message.named.clone_from(&to.order);
            }
        }
        outcome.reached.extend(named.iter().map(|id| *id as u32));
        Ok(())
    }

    pub(super) fn change_room(
        &mut self,
        account: usize,
        room: &str,
        act: &RoomAct<'_>,
        wall_ms: i64,
        outcome: &mut Applied,
    ) -> Outcome<'static> {
        let found = self.room_of_name(room);
        let done = match (act, found) {
            (RoomAct::Join, found) => self.join(account, room, found),
            (act, Some(id)) if self.rooms[id].members.contains(&account) => {
                self.change_known_room(account, id, act, wall_ms, outcome)
            }
            _ => Err(Outcome::Denied),
        };
        done.err().unwrap_or(Outcome::Done)
    }

    fn join(&mut self, account: usize, name: &str, found: Option<usize>) -> Result<(), NotDone> {
        let Some(id) = found else {
            self.rooms.push(Room {
                name: name.to_owned(),
                owner: account,
                operators: Vec::new(),
                members: vec![account],
                joined_after: [(account, self.last_message)].into(),
                is_private: false,
                invited: BTreeSet::new(),
                banned: BTreeSet::new(),
                topic: String::new(),
                retention_days: None,
            });
            return Ok(());
        };
        let room = &mut self.rooms[id];
        if room.members.contains(&account) {
            return Ok(());
        }
        if room.banned.contains(&account) || room.is_private && !room.invited.contains(&account) {
            return Err(Outcome::Denied);
        }
        room.invited.remove(&account);
        room.members.push(account);
        room.joined_after.insert(account, self.last_message);
        Ok(())
    }

    fn change_known_room(
        &mut self,
        account: usize,
        id: usize,
        act: &RoomAct<'_>,
        wall_ms: i64,
        outcome: &mut Applied,
    ) -> Result<(), NotDone> {
        let by = self.accounts[account].name.clone();
        let room = &self.rooms[id];
        let is_owner = room.owner == account;
        let is_operator = is_owner || room.operators.contains(&account);
        let mut tell = |model: &mut Self, users: &[usize], text: String| {
            model.tell(account, (id, true), users, &text, wall_ms, outcome)
        };
        match act {
            RoomAct::Leave => self.leave(account, id),
            RoomAct::SetTopic(topic) if is_operator => {
                tell(self, &[], format!("{by} set the topic: {topic}"))?;
                self.rooms[id].topic = topic.to_string();
            }
            RoomAct::SetPrivate(is_private) if is_owner => {
                let kind = if *is_private { "private" } else { "public" };
                if room.is_private != *is_private {
                    tell(self, &[], format!("{by} made the room {kind}"))?;
                    self.rooms[id].is_private = *is_private;
                }
            }
            RoomAct::SetRetention { days } if is_owner => {
                tell(self, &[], format!("{by} set the retention to {days} days"))?;
            }
            RoomAct::Drop if is_owner => {
                for member in room.members.clone() {
                    self.leave(member, id);
                }
            }
            RoomAct::Treat { treatment, user } if is_operator => {
                let user = self.id_of(user).ok_or(Outcome::NotFound)?;
                return self.treat((account, id), *treatment, user, wall_ms, outcome);
            }
            _ => return Err(Outcome::Denied),
        }
        Ok(())
    }

    fn treat(
        &mut self,
        (account, id): (usize, usize),
        treatment: Treatment,
        user: usize,
        wall_ms: i64,
        outcome: &mut Applied,
    ) -> Result<(), NotDone> {
        let (by, name) = (
            self.accounts[account].name.clone(),
            self.accounts[user].name.clone(),
        );
        let room = &self.rooms[id];
        let is_owner = room.owner == user;
        let is_member = room.members.contains(&user);
        let is_operator = room.operators.contains(&user);
        let (is_invited, is_banned) = (room.invited.contains(&user), room.banned.contains(&user));
        let mut tell = |model: &mut Self, users: &[usize], what: &str| {
            let text = format!("{by} {what} {name}");
            model.tell(account, (id, true), users, &text, wall_ms, outcome)
        };
        match treatment {
            Treatment::Invite if is_banned => return Err(Outcome::Denied),
            Treatment::Invite if is_member || is_invited => {}
            Treatment::Invite => {
                let text = format!("{by} invited you");
                self.tell(account, (id, false), &[user], &text, wall_ms, outcome)?;
                self.rooms[id].invited.insert(user);
            }
            Treatment::Kick | Treatment::Ban | Treatment::Deop if is_owner => {
                return Err(Outcome::Denied);
            }
            Treatment::Kick | Treatment::Op | Treatment::Deop if !is_member => {
                return Err(Outcome::NotFound);
            }
            Treatment::Kick => {
                tell(self, &[user], "removed")?;
                self.leave(user, id);
            }
            Treatment::Ban if is_banned => {}
            Treatment::Ban => {
                tell(self, &[user], "banned")?;
                self.leave(user, id);
                self.rooms[id].banned.insert(user);
                self.rooms[id].invited.remove(&user);
            }
            Treatment::Unban if !is_banned => {}
            Treatment::Unban => {
                tell(self, &[user], "lifted the ban of")?;
                self.rooms[id].banned.remove(&user);
            }
            Treatment::Op if is_owner || is_operator => {}
            Treatment::Op => {
                tell(self, &[], "made an operator of")?;
                self.rooms[id].operators.push(user);
            }
            Treatment::Deop if !is_operator => {}
            Treatment::Deop => {
                tell(self, &[], "took operator rights from")?;
                self.rooms[id]
                    .operators
                    .retain(|operator| *operator != user);
            }
        }
        Ok(())
    }

    /// A line of a room for its members, or not for them, and for users. Of those who are told beside the members, a
    /// full queue is no obstacle.
    pub(super) fn tell(
        &mut self,
        sender: usize,
        (id, is_for_members): (usize, bool),
        users: &[usize],
        text: &str,
        wall_ms: i64,
        outcome: &mut Applied,
    ) -> Result<(), NotDone> {
        let has_room =
            |user: &usize| !is_for_members || self.has_room(*user, sender, text.len() as u64);
        let named = users.iter().copied().filter(has_room).collect();
        let to = ToRooms {
            rooms: if is_for_members { vec![id] } else { Vec::new() },
            order: Vec::new(),
            notice_of: Some(self.rooms[id].name.clone()),
        };
        self.put_in_rooms(sender, to, named, text, wall_ms, outcome)
    }

    pub(super) fn drop_room_of_owner(
        &mut self,
        account: usize,
        room: &str,
        wall_ms: i64,
        outcome: &mut Applied,
    ) -> Outcome<'static> {
        let mut rooms = self.rooms.iter();
        let is_own =
            |it: &Room| it.name == room && it.owner == account && it.members.contains(&account);
        let Some(id) = rooms.position(is_own) else {
            return Outcome::Denied;
        };
        let by = self.accounts[account].name.clone();
        self.drop_room_of((account, id), (&by, Some(account)), wall_ms, outcome);
        Outcome::Done
    }

    /// Its members are told whose queues have room, but for one of them.
    pub(super) fn drop_room_of(
        &mut self,
        (sender, id): (usize, usize),
        (by, but): (&str, Option<usize>),
        wall_ms: i64,
        outcome: &mut Applied,
    ) {
        let text = format!("{by} dropped the room");
        let members = self.rooms[id].members.clone();
        let is_told =
            |user: &usize| Some(*user) != but && self.has_room(*user, sender, text.len() as u64);
        let told: Vec<usize> = members.iter().copied().filter(is_told).collect();
        if !told.is_empty() {
            let _ = self.tell(sender, (id, false), &told, &text, wall_ms, outcome);
        }
        for member in members {
            self.leave(member, id);
        }
    }

    fn leave(&mut self, account: usize, id: usize) {
        let room = &mut self.rooms[id];
        room.members.retain(|member| *member != account);
        room.joined_after.remove(&account);
        room.operators.retain(|operator| *operator != account);
        let oldest = room.operators.first().or(room.members.first()).copied();
        if room.owner == account
            && let Some(owner) = oldest
        {
            room.owner = owner;
            room.operators.retain(|operator| *operator != owner);
        }
        for place in &mut self.accounts[account].places {
            for message in &mut place.queue {
                message.by_rooms.remove(&id);
                message.in_rooms.remove(&id);
            }
        }
        let waits = |it: &Waiting| it.broadcast || it.is_named || !it.by_rooms.is_empty();
        self.accounts[account].retain(waits);
    }

    pub(super) fn leave_all_rooms(&mut self, account: usize) {
        for id in 0..self.rooms.len() {
            if self.rooms[id].members.contains(&account) {
                self.leave(account, id);
            }
        }
    }
}
