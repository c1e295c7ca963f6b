//! Rooms, by number and by name. A message to a room stands in its feed once, whatever the number of its members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chat_model::{AccountId, MessageNumber, RoomId};

use super::accounts::Accounts;
use super::budget::Budget;
use super::clock::StateMs;
use super::message::MessageKey;
use super::room::{self, Room, RoomRecord};
use super::snapshot_sink::SnapshotSink;
use crate::entry::RoomLimits;

/// The last message of each member that does not wait for it, sorted, by room.
#[derive(Debug, Default)]
pub(super) struct MemberCursors(pub(super) BTreeMap<RoomId, Vec<MessageNumber>>);

/// What is remembered of all rooms beside each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoomsHeader {
    /// The last room that was ever made; 0 before the first.
    pub(crate) last: u32,
    pub(crate) limits: RoomLimits,
}

/// All rooms.
#[derive(Debug)]
pub(super) struct Rooms {
    /// In boxes, because the nodes of the tree are half empty.
    pub(super) rooms: BTreeMap<RoomId, Box<Room>>,
    pub(super) by_name: BTreeMap<Arc<str>, RoomId>,
    pub(super) limits: RoomLimits,
    pub(super) last: RoomId,
    /// When to look whether some of a room's history has to go; each room of which there is some.
    pub(super) to_look_at: BTreeSet<(StateMs, RoomId)>,
    /// Changed, or gone, since the last snapshot began.
    changed: BTreeSet<RoomId>,
    /// The same of the snapshot under way, and not put yet.
    awaited: BTreeSet<RoomId>,
    /// Such rooms, as they were when it began, because they were changed again since.
    written_early: Vec<(RoomId, Option<RoomRecord>)>,
    /// Rooms whose feeds messages came into since the last snapshot began.
    unpaged: Vec<RoomId>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            rooms: BTreeMap::new(),
            by_name: BTreeMap::new(),
            limits: RoomLimits::INITIAL,
            last: RoomId(0),
            to_look_at: BTreeSet::new(),
            changed: BTreeSet::new(),
            awaited: BTreeSet::new(),
            written_early: Vec::new(),
            unpaged: Vec::new(),
        }
    }
}

impl Rooms {
    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(super) fn id_of(&self, name: &str) -> Option<RoomId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn get(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(&id).map(Box::as_ref)
    }

    /// The room, for what no checkpoint has as it is.
    pub(super) fn get_mut(&mut self, id: RoomId) -> Option<&mut Room> {
        self.rooms.get_mut(&id).map(Box::as_mut)
    }

    /// The room, to be changed.
    pub(super) fn change(&mut self, id: RoomId) -> Option<&mut Room> {
        self.will_change(id);
        self.get_mut(id)
    }

    fn will_change(&mut self, id: RoomId) {
        if self.awaited.remove(&id) {
            let record = self.rooms.get(&id).map(|room| room.record.clone());
            self.written_early.push((id, record));
        }
        self.changed.insert(id);
    }

    /// Makes a room without members. The name is not taken.
    pub(super) fn add(&mut self, owner: AccountId, name: &str) -> Option<RoomId> {
        self.last = RoomId(self.last.0.checked_add(1)?);
        let (id, name) = (self.last, Arc::<str>::from(name));
        self.will_change(id);
        self.by_name.insert(name.clone(), id);
        self.rooms
            .insert(id, Box::new(Room::new(RoomRecord::made_by(owner, name))));
        Some(id)
    }

    /// Removes a room that has no members, and so no messages.
    pub(super) fn remove(&mut self, id: RoomId) {
        self.will_change(id);
        if let Some(room) = self.rooms.remove(&id) {
            self.by_name.remove(&room.record.name);
            let look_at = room.record.retained.look_at;
            self.to_look_at.remove(&(look_at, id));
        }
    }

    /// A message came into a room's feed, for so many readers; more than 0.
    pub(super) fn push(
        &mut self,
        id: RoomId,
        (number, key): (MessageNumber, MessageKey),
        unread: u32,
        text_bytes: usize,
    ) {
        let Some(room) = self.rooms.get_mut(&id) else {
            return;
        };
        room.feed.push(number, key, unread, text_bytes);
        if !room.has_unpaged {
            room.has_unpaged = true;
            self.unpaged.push(id);
        }
    }

    /// What is remembered of all rooms; nothing, if it is as at the beginning.
    pub(super) fn header(&self) -> Option<RoomsHeader> {
        let header = RoomsHeader {
            last: self.last.0,
            limits: self.limits,
        };
        (header != RoomsHeader::default()).then_some(header)
    }

    /// A snapshot begins: it has all rooms as they are now. The one before has come to its end. Gives those whose feeds
    /// may hold messages on no page.
    pub(super) fn begin_snapshot(&mut self) -> Vec<RoomId> {
        self.awaited = std::mem::take(&mut self.changed);
        std::mem::take(&mut self.unpaged)
    }

    /// Puts rooms as they were when the snapshot began. Says whether that is done.
    pub(super) fn put_awaited(
        &mut self,
        sink: &mut impl SnapshotSink,
        budget: &mut Budget,
    ) -> bool {
        for (id, record) in self.written_early.drain(..) {
            put(sink, id, record.as_ref());
        }
        while !budget.is_spent() {
            let Some(id) = self.awaited.pop_first() else {
                return true;
            };
            let record = self.rooms.get(&id).map(|room| &room.record);
            let listed = record.map_or(0, |it| it.invited.len() + it.banned.len());
            budget.spend(1 + listed / ACCOUNTS_A_STEP);
            put(sink, id, record);
        }
        false
    }

    /// A feed's messages up to this one are on pages now.
    pub(super) fn feed_was_paged(&mut self, id: RoomId, through: MessageNumber) {
        if let Some(room) = self.rooms.get_mut(&id) {
            room.has_unpaged = room.feed.count_after(through) > 0;
            if room.has_unpaged {
                self.unpaged.push(id);
            }
        }
    }

    /// Somebody is logged in as a member, or nobody any more.
    pub(super) fn set_online(&mut self, accounts: &Accounts, id: AccountId) {
        let Some(record) = accounts.get(id).map(|account| &account.record) else {
            return;
        };
        let is_online = record.places.is_online();
        for membership in record.memberships.as_slice() {
            if let Some(room) = self.rooms.get_mut(&membership.room) {
                match is_online {
                    true => room::insert(&mut room.online, id),
                    false => drop(room::remove(&mut room.online, id)),
                }
            }
        }
    }
}

/// Accounts on the lists of a room that take about as long to write down as an account does.
const ACCOUNTS_A_STEP: usize = 16;

fn put(sink: &mut impl SnapshotSink, id: RoomId, record: Option<&RoomRecord>) {
    match record {
        Some(record) => sink.put_room(id, record),
        None => sink.remove_room(id),
    }
}
