//! What members do to rooms, and who may.

use std::sync::Arc;

use chat_model::{AccountId, MessageNumber, Outcome, RoomAct, RoomId, Treatment};

use super::State;
use super::audience::AddressedRooms;
use super::effects::{Effects, Forgotten};
use super::membership::Membership;
use super::quota::{QuotaLimit, Refusal};
use super::room::{self, RoomRecord};
use super::room_messages::place_of;
use super::send::Draft;

/// Why an act changes nothing.
pub(super) enum NotDone {
    /// The user may not.
    Denied,
    /// It names somebody whom it cannot concern.
    Invalid,
    /// A limit is reached.
    Refused(Refusal),
}

impl From<QuotaLimit> for NotDone {
    fn from(limit: QuotaLimit) -> Self {
        Self::Refused(limit.into())
    }
}

pub(super) type Done = Result<(), NotDone>;

/// Who does something to a room, and when.
pub(super) struct Actor<'a> {
    /// Is charged with what members are told.
    pub(super) account: AccountId,
    /// As members are told.
    pub(super) name: Arc<str>,
    pub(super) wall_ms: i64,
    pub(super) effects: &'a mut Effects,
}

impl State {
    /// Decides what comes of an act.
    pub(super) fn change_room(
        &mut self,
        account: AccountId,
        room: &str,
        act: &RoomAct<'_>,
        wall_ms: i64,
        effects: &mut Effects,
    ) -> Outcome<'static> {
        let Some(record) = self.record(account) else {
            return Outcome::Refused;
        };
        let mut actor = Actor {
            account,
            name: record.name.clone(),
            wall_ms,
            effects,
        };
        let done = match act {
            RoomAct::Join => self.join(&actor, room),
            act => self.change_known_room(&mut actor, room, act),
        };
        match done {
            Ok(()) => Outcome::Done,
            Err(NotDone::Denied) => Outcome::Denied,
            Err(NotDone::Invalid) => Outcome::NotFound,
            Err(NotDone::Refused(refusal)) => {
                actor.effects.exceeded = refusal.exceeded();
                refusal.outcome()
            }
        }
    }

    fn change_known_room(&mut self, actor: &mut Actor<'_>, room: &str, act: &RoomAct<'_>) -> Done {
        let id = self.room_of(actor.account, room).ok_or(NotDone::Denied)?;
        let found = self.rooms.get(id).ok_or(NotDone::Denied)?;
        let is_owner = found.record.owner == actor.account;
        let is_operator = found.is_operated_by(actor.account);
        match act {
            RoomAct::Join => Ok(()),
            RoomAct::Leave => {
                self.leave(actor.account, id, actor.effects);
                Ok(())
            }
            RoomAct::SetTopic(topic) if is_operator => self.set_topic(actor, id, topic),
            RoomAct::Treat { treatment, user } if is_operator => {
                let user = self.accounts.id_of(user).ok_or(NotDone::Invalid)?;
                self.treat(actor, id, *treatment, user)
            }
            RoomAct::SetPrivate(is_private) if is_owner => {
                if found.record.is_private == *is_private {
                    return Ok(());
                }
                let kind = if *is_private { "private" } else { "public" };
                self.tell(
                    actor,
                    id,
                    &[],
                    format!("{} made the room {kind}", actor.name),
                )?;
                self.change_record(id, |record| record.is_private = *is_private);
                Ok(())
            }
            RoomAct::SetRetention { days } if is_owner => {
                let name = &actor.name;
                let text = format!("{name} set the retention to {days} days");
                self.tell(actor, id, &[], text)?;
                self.keep_for(id, *days);
                Ok(())
            }
            // As journals of before `Action::DropRoom` have it.
            RoomAct::Drop if is_owner => {
                self.drop_room(id, actor.effects);
                Ok(())
            }
            _ => Err(NotDone::Denied),
        }
    }

    /// The room of this name, if the account is a member.
    fn room_of(&self, account: AccountId, name: &str) -> Option<RoomId> {
        let id = self.rooms.id_of(name)?;
        self.record(account)?.memberships.get(id).map(|_| id)
    }

    fn change_record(&mut self, id: RoomId, change: impl FnOnce(&mut RoomRecord)) {
        if let Some(room) = self.rooms.change(id) {
            change(&mut room.record);
        }
    }

    /// The history of a room is kept for so many days.
    pub(super) fn keep_for(&mut self, id: RoomId, days: u32) {
        self.change_record(id, |record| record.retention_days = Some(days));
        self.rooms.look_soon(id, self.clock.now());
    }

    fn join(&mut self, actor: &Actor<'_>, name: &str) -> Done {
        let account = actor.account;
        if self.room_of(account, name).is_some() {
            return Ok(());
        }
        let limits = self.rooms.limits;
        let of_account = self
            .record(account)
            .map_or(0, |it| it.memberships.as_slice().len());
        let has_too_many = of_account >= limits.rooms_of_user as usize;
        let Some(id) = self.rooms.id_of(name) else {
            if self.rooms.len() >= limits.rooms as usize {
                return Err(QuotaLimit::Rooms.into());
            }
            if has_too_many {
                return Err(QuotaLimit::RoomsOfUser.into());
            }
            let id = self.rooms.add(account, name).ok_or(QuotaLimit::Rooms)?;
            self.begin_membership(actor, id);
            return Ok(());
        };
        let room = self.rooms.get(id).ok_or(NotDone::Denied)?;
        let is_invited = room.record.invited.binary_search(&account).is_ok();
        let is_banned = room.record.banned.binary_search(&account).is_ok();
        if is_banned || room.record.is_private && !is_invited {
            return Err(NotDone::Denied);
        }
        if has_too_many {
            return Err(QuotaLimit::RoomsOfUser.into());
        }
        if room.member_count() >= limits.members as usize {
            return Err(QuotaLimit::RoomMembers.into());
        }
        self.begin_membership(actor, id);
        Ok(())
    }

    /// What comes from now on is for the account.
    fn begin_membership(&mut self, actor: &Actor<'_>, id: RoomId) {
        let Some(room) = self.rooms.change(id) else {
            return;
        };
        let membership = Membership {
            room: id,
            order: room.record.members,
            joined_after: self.last_message.number,
            counted: room.record.messages,
        };
        room.record.members = room.record.members.saturating_add(1);
        room::remove(&mut room.record.invited, actor.account);
        if let Err(index) = place_of(&room.members, &self.accounts, &actor.name) {
            room::insert_at(&mut room.members, index, actor.account);
        }
        let record = &mut self.accounts.change(actor.account).record;
        record.memberships.add(membership);
        self.rooms.set_online(&self.accounts, actor.account);
    }

    /// Ends a membership. The owner is followed by the oldest operator, or else by the oldest member. A room without
    /// members ends.
    fn leave(&mut self, account: AccountId, id: RoomId, effects: &mut Effects) {
        self.end_membership(account, id);
        let Some(room) = self.rooms.get(id) else {
            return;
        };
        if room.members.is_empty() {
            return self.end_room(id, effects);
        }
        if room.record.owner != account {
            return;
        }
        let order = |member: &AccountId| {
            let memberships = &self.record(*member)?.memberships;
            memberships.get(id).map(|membership| membership.order)
        };
        let oldest_operator = room.record.operators.first();
        let oldest = oldest_operator.or(room.members.iter().min_by_key(|member| order(member)));
        let Some(owner) = oldest.copied() else {
            return;
        };
        self.change_record(id, |record| {
            record.owner = owner;
            record.operators.retain(|operator| *operator != owner);
        });
    }

    /// The owner ends a room. Its other members are told.
    pub(super) fn drop_room_of_owner(
        &mut self,
        owner: AccountId,
        room: &str,
        wall_ms: i64,
        effects: &mut Effects,
    ) -> Outcome<'static> {
        let found = self.room_of(owner, room);
        let is_owner = |id: &RoomId| {
            self.rooms
                .get(*id)
                .is_some_and(|it| it.record.owner == owner)
        };
        let (Some(id), Some(record)) = (found.filter(is_owner), self.record(owner)) else {
            return Outcome::Denied;
        };
        let text = format!("{} dropped the room", record.name);
        let mut actor = Actor {
            account: owner,
            name: record.name.clone(),
            wall_ms,
            effects,
        };
        self.tell_each_but(Some(owner), &mut actor, id, text);
        self.drop_room(id, actor.effects);
        Outcome::Done
    }

    /// Tells members of a room by name: what they get stays when the room ends. A full queue is no obstacle.
    pub(super) fn tell_each_but(
        &mut self,
        but: Option<AccountId>,
        actor: &mut Actor<'_>,
        id: RoomId,
        text: String,
    ) {
        let members = self.rooms.get(id).map_or(&[][..], |room| &room.members);
        let told = members.iter().filter(|member| Some(**member) != but);
        let told = told.filter(|member| self.can_be_told(**member, actor, &text));
        let to = AddressedRooms {
            rooms: [].into_iter().collect(),
            accounts: told.copied().collect(),
            accounts_before: [].into_iter().collect(),
        };
        if !to.accounts.is_empty() {
            let _ = self.send_notice(actor, id, to, text);
        }
    }

    pub(super) fn drop_room(&mut self, id: RoomId, effects: &mut Effects) {
        let Some(room) = self.rooms.get_mut(id) else {
            return;
        };
        while let Some((_, key)) = room.feed.first() {
            room.feed.remove_first(self.messages.get(key).text.len());
            self.messages.leave_holder(key);
        }
        let members = room.members.clone();
        // From the end: each leaves a sorted list.
        for member in members.into_iter().rev() {
            self.end_membership(member, id);
        }
        self.end_room(id, effects);
    }

    /// Ends a room without members. Its history goes with it.
    fn end_room(&mut self, id: RoomId, effects: &mut Effects) {
        self.rooms.remove(id);
        effects.forgotten.push(Forgotten {
            room: Some(id),
            after: MessageNumber(0),
            through: MessageNumber(u64::MAX),
        });
    }

    /// An account leaves all its rooms.
    pub(super) fn leave_all_rooms(&mut self, account: AccountId, effects: &mut Effects) {
        let memberships = self.record(account).map(|record| &record.memberships);
        let memberships = memberships.into_iter().flat_map(|it| it.as_slice());
        let rooms: Vec<RoomId> = memberships.map(|membership| membership.room).collect();
        for room in rooms {
            self.leave(account, room, effects);
        }
    }

    fn set_topic(&mut self, actor: &mut Actor<'_>, id: RoomId, topic: &str) -> Done {
        let text = format!("{} set the topic: {topic}", actor.name);
        self.tell(actor, id, &[], text)?;
        self.change_record(id, |record| record.topic = topic.into());
        Ok(())
    }

    fn treat(
        &mut self,
        actor: &mut Actor<'_>,
        id: RoomId,
        treatment: Treatment,
        user: AccountId,
    ) -> Done {
        let room = self.rooms.get(id).ok_or(NotDone::Denied)?;
        let (record, limits) = (&room.record, self.rooms.limits);
        let is_owner = record.owner == user;
        let is_member = self
            .record(user)
            .is_some_and(|it| it.memberships.get(id).is_some());
        let is_operator = record.operators.contains(&user);
        let is_invited = record.invited.binary_search(&user).is_ok();
        let is_banned = record.banned.binary_search(&user).is_ok();
        let lists = limits.listed as usize;
        match treatment {
            Treatment::Invite if is_banned => Err(NotDone::Denied),
            Treatment::Invite if is_member || is_invited => Ok(()),
            Treatment::Invite if record.invited.len() >= lists => {
                Err(QuotaLimit::RoomListed.into())
            }
            Treatment::Invite => {
                self.tell_user(actor, id, user, format!("{} invited you", actor.name))?;
                self.change_record(id, |record| room::insert(&mut record.invited, user));
                Ok(())
            }
            Treatment::Kick | Treatment::Ban | Treatment::Deop if is_owner => Err(NotDone::Denied),
            Treatment::Kick if !is_member => Err(NotDone::Invalid),
            Treatment::Kick => self.remove_member(actor, id, user, "removed"),
            Treatment::Ban if is_banned => Ok(()),
            Treatment::Ban if record.banned.len() >= lists => Err(QuotaLimit::RoomListed.into()),
            Treatment::Ban => {
                self.remove_member(actor, id, user, "banned")?;
                self.change_record(id, |record| {
                    room::insert(&mut record.banned, user);
                    room::remove(&mut record.invited, user);
                });
                Ok(())
            }
            Treatment::Unban if !is_banned => Ok(()),
            Treatment::Unban => {
                let text = self.about(actor, user, "lifted the ban of");
                self.tell(actor, id, &[user], text)?;
                self.change_record(id, |record| {
                    room::remove(&mut record.banned, user);
                });
                Ok(())
            }
            Treatment::Op | Treatment::Deop if !is_member => Err(NotDone::Invalid),
            Treatment::Op if is_owner || is_operator => Ok(()),
            Treatment::Op if record.operators.len() >= lists => Err(QuotaLimit::RoomListed.into()),
            Treatment::Op => {
                let text = self.about(actor, user, "made an operator of");
                self.tell(actor, id, &[], text)?;
                self.change_record(id, |record| record.operators.push(user));
                Ok(())
            }
            Treatment::Deop if !is_operator => Ok(()),
            Treatment::Deop => {
                let text = self.about(actor, user, "took operator rights from");
                self.tell(actor, id, &[], text)?;
                self.change_record(id, |record| record.operators.retain(|it| *it != user));
                Ok(())
            }
        }
    }

    fn about(&self, actor: &Actor<'_>, user: AccountId, what: &str) -> String {
        let user = self.record(user).map_or("", |record| &record.name);
        format!("{} {what} {user}", actor.name)
    }

    /// Tells members and the user, who then is a member no longer.
    fn remove_member(
        &mut self,
        actor: &mut Actor<'_>,
        id: RoomId,
        user: AccountId,
        what: &str,
    ) -> Done {
        let text = self.about(actor, user, what);
        self.tell(actor, id, &[user], text)?;
        self.leave(user, id, actor.effects);
        Ok(())
    }

    /// Tells the members of a room, and these users, by a line of the room.
    ///
    /// A user whose queue is full is told nothing: that must not keep operators from acting.
    pub(super) fn tell(
        &mut self,
        actor: &mut Actor<'_>,
        id: RoomId,
        users: &[AccountId],
        text: String,
    ) -> Done {
        let told = users.iter().copied();
        let told = told.filter(|user| self.can_be_told(*user, actor, &text));
        let to = AddressedRooms {
            rooms: [id].into_iter().collect(),
            accounts: told.collect(),
            accounts_before: [].into_iter().collect(),
        };
        self.send_notice(actor, id, to, text)
    }

    fn can_be_told(&self, user: AccountId, actor: &Actor<'_>, text: &str) -> bool {
        let queue = self.accounts.get(user).map(|account| &account.queue);
        let room = queue.map(|it| it.room_for(actor.account, text.len(), &self.limits));
        room.is_some_and(|room| room.is_ok())
    }

    /// Tells one user by a line of a room.
    fn tell_user(
        &mut self,
        actor: &mut Actor<'_>,
        id: RoomId,
        user: AccountId,
        text: String,
    ) -> Done {
        let to = AddressedRooms {
            rooms: [].into_iter().collect(),
            accounts: [user].into_iter().collect(),
            accounts_before: [].into_iter().collect(),
        };
        self.send_notice(actor, id, to, text)
    }

    fn send_notice(
        &mut self,
        actor: &mut Actor<'_>,
        id: RoomId,
        to: AddressedRooms,
        text: String,
    ) -> Done {
        let room = self.rooms.get(id).map(|room| room.record.name.clone());
        let draft = Draft {
            sender: actor.account,
            text: text.into(),
            wall_ms: actor.wall_ms,
        };
        self.notify(to, room, draft, actor.effects)
            .map_err(NotDone::Refused)
    }
}
