//! What of the messages is kept in the history, which is no part of the state, and who may read it.

use chat_model::{AccountId, MessageNumber, RoomId};
use smallvec::SmallVec;

use super::State;
use super::clock::StateMs;
use super::membership::Membership;
use super::message::{Readers, StoredMessage, Text};
use super::retained::{Kept, Retained, stored_bytes};
use super::room::Room;
use crate::entry::{HistoryLimits, HistoryRules};

/// A message that is to be kept, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMessage {
    /// Its place among all messages.
    pub number: MessageNumber,
    /// When the server took it, in milliseconds since 1970-01-01T00:00:00Z.
    pub time_ms: i64,
    /// Who sent it, or did what the room tells.
    pub sender: AccountId,
    /// A room tells it.
    pub is_notice: bool,
    /// Rooms that got it, in the order in which they were named, each once.
    pub rooms: SmallVec<[RoomId; 1]>,
    /// Accounts that got it beside them and for whom it is kept, each once.
    pub readers: SmallVec<[AccountId; 2]>,
    /// 1 byte to 1 MiB.
    pub text: Box<str>,
}

impl KeptMessage {
    /// What it takes in memory until it is on disk, roughly.
    pub fn bytes(&self) -> usize {
        const FIXED: usize = 80;
        let names = self.readers.len() + self.rooms.len();
        FIXED + names * size_of::<AccountId>() + self.text.len()
    }
}

/// Which messages are kept from here on, and the last that was to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Decided by these.
    pub rules: HistoryRules,
    /// How much of them stays.
    pub limits: HistoryLimits,
    /// What the history has of messages to people.
    pub(crate) direct: Retained,
    /// The last message that was to be kept.
    pub last: MessageNumber,
}

impl Keeping {
    /// The message to some rooms and accounts, if it is to be kept. What goes to rooms always is.
    pub(super) fn keep(
        &mut self,
        message: &StoredMessage,
        rooms: &[RoomId],
        readers: &[AccountId],
        now: StateMs,
    ) -> Option<KeptMessage> {
        let Text::Resident(text) = &message.text else {
            return None;
        };
        let is_notice =
            matches!(&message.readers, Readers::Rooms(readers) if readers.notice_of.is_some());
        let readers = match self.rules.keeps_direct && !is_notice {
            true => readers,
            false => &[],
        };
        if rooms.is_empty() && readers.is_empty() {
            return None;
        }
        let mut readers: SmallVec<[AccountId; 2]> = SmallVec::from_slice(readers);
        readers.sort_unstable();
        self.last = message.number;
        if !readers.is_empty() {
            let in_history = Kept {
                number: message.number,
                at: now,
                bytes: stored_bytes(text.len(), readers.len()),
            };
            self.direct.add(in_history, self.limits.of_direct());
        }
        Some(KeptMessage {
            number: message.number,
            time_ms: message.time_ms,
            sender: message.sender,
            is_notice,
            rooms: SmallVec::from_slice(rooms),
            readers,
            text: text.clone(),
        })
    }
}

/// What somebody may read of a room's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptRoom {
    /// Which room.
    pub room: RoomId,
    /// Messages after this one.
    pub after: MessageNumber,
}

impl Room {
    /// What a member may read, or somebody else. Of a private room that is what came since the member joined.
    fn kept_for(&self, room: RoomId, membership: Option<&Membership>) -> KeptRoom {
        let joined_after = membership.map_or(MessageNumber(0), |it| it.joined_after);
        let gone = self.record.retained.gone;
        KeptRoom {
            room,
            after: match self.record.is_private {
                true => joined_after.max(gone),
                false => gone,
            },
        }
    }
}

impl State {
    /// What an account may read of a room's history; nothing if it may not. What is public is for everybody who is not
    /// banned.
    pub fn kept_room(&self, account: AccountId, name: &str) -> Option<KeptRoom> {
        let id = self.rooms.id_of(name)?;
        let room = self.rooms.get(id)?;
        let membership = self.record(account)?.memberships.get(id);
        let is_banned = room.record.banned.binary_search(&account).is_ok();
        let may_read = membership.is_some() || !room.record.is_private && !is_banned;
        may_read.then(|| room.kept_for(id, membership))
    }

    /// The same of all rooms of which it is a member.
    pub fn kept_rooms_of(&self, account: AccountId) -> impl Iterator<Item = KeptRoom> {
        let memberships = self.record(account).map(|record| &record.memberships);
        let memberships = memberships.into_iter().flat_map(|it| it.as_slice());
        memberships.filter_map(|membership| {
            let room = self.rooms.get(membership.room)?;
            Some(room.kept_for(membership.room, Some(membership)))
        })
    }

    /// What is kept of all rooms, by rising number.
    pub fn kept_rooms(&self) -> impl Iterator<Item = KeptRoom> {
        let rooms = self.rooms.rooms.iter();
        rooms.map(|(id, room)| room.kept_for(*id, None))
    }

    /// Behind which message the history has messages to people.
    pub fn direct_kept_after(&self) -> MessageNumber {
        self.keeping.direct.gone
    }

    /// The last room that was ever made.
    pub fn last_room(&self) -> RoomId {
        self.rooms.last
    }

    /// The name of a room.
    pub fn room_name(&self, room: RoomId) -> Option<&str> {
        self.rooms.get(room).map(|room| &*room.record.name)
    }
}
