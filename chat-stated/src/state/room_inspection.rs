//! What operators look at: rooms and their members, in pages, and all of one account.

use std::sync::Arc;

use chat_model::{AccountId, NameList, RoomId};

use super::State;
use super::account_record::AccountRecord;
use super::inspection::{AccountRow, Page};
use super::room::{Role, Room};
use super::room_messages::place_of;

/// Most rooms, or members, of a page.
const MAX_ROWS: usize = 100;
/// A page of rooms has no further one once its topics have so many bytes.
const MAX_TOPICS_BYTES: usize = 16 * 1024;

/// A room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRow {
    /// Its name, with its mark.
    pub name: Arc<str>,
    /// The name of its owner.
    pub owner: Arc<str>,
    /// How many members it has.
    pub members: u64,
    /// Members of whom somebody is logged in.
    pub online: u64,
    /// Only who is invited joins.
    pub is_private: bool,
    /// How many messages it ever had.
    pub messages: u64,
    /// Messages that some member has not confirmed.
    pub unread: u64,
    /// Bytes of their texts.
    pub unread_bytes: u64,
    /// Bytes that the history has of it, roughly as in the file.
    pub history_bytes: u64,
    /// For how many days its history is kept, if somebody has said.
    pub retention_days: Option<u32>,
    /// What it is about; empty if nobody has said.
    pub topic: Box<str>,
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    /// The account.
    pub name: Arc<str>,
    /// What it is there.
    pub role: Role,
    /// Somebody is logged in.
    pub is_online: bool,
    /// Messages of the room that it has not confirmed.
    pub unread: u64,
}

/// All that operators are shown of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountDetails {
    /// As in the list.
    pub row: AccountRow,
    /// Full names of its sessions that have a place, and whether they are logged in.
    pub sessions: Vec<(String, bool)>,
    /// Names of its tokens, sorted.
    pub tokens: NameList<'static>,
    /// Its rooms by name, and what it is there.
    pub rooms: Vec<(Arc<str>, Role)>,
}

impl State {
    /// Rooms by number, from this one on.
    pub fn rooms_page(&self, from: u32) -> Page<RoomRow, u32> {
        let (mut rows, mut topics_bytes) = (Vec::new(), 0);
        for (id, room) in self.rooms.rooms.range(RoomId(from)..) {
            if rows.len() == MAX_ROWS || topics_bytes >= MAX_TOPICS_BYTES {
                let next = Some(id.0);
                return Page { rows, next };
            }
            topics_bytes += room.record.topic.len();
            rows.push(self.room_row(room));
        }
        Page { rows, next: None }
    }

    /// The room of this name.
    pub fn room_named(&self, name: &str) -> Option<RoomRow> {
        let room = self.rooms.get(self.rooms.id_of(name)?)?;
        Some(self.room_row(room))
    }

    fn room_row(&self, room: &Room) -> RoomRow {
        let record = &room.record;
        let owner = self.record(record.owner);
        RoomRow {
            name: record.name.clone(),
            owner: owner.map_or_else(|| "".into(), |owner| owner.name.clone()),
            members: room.member_count() as u64,
            online: room.online().len() as u64,
            is_private: record.is_private,
            messages: record.messages,
            unread: room.feed.waiting().into(),
            unread_bytes: room.feed.bytes(),
            history_bytes: record.retained.bytes(),
            retention_days: record.retention_days,
            topic: record.topic.clone(),
        }
    }

    /// Members of a room by name, after this one; nothing if there is no such room.
    pub fn members_page(&self, room: &str, after: Option<&str>) -> Option<Page<MemberRow, String>> {
        let id = self.rooms.id_of(room)?;
        let room = self.rooms.get(id)?;
        let begin = after.map_or(0, |after| {
            match place_of(&room.members, &self.accounts, after) {
                Ok(place) => place + 1,
                Err(place) => place,
            }
        });
        let members = room.members.iter().skip(begin).take(MAX_ROWS);
        let rows: Vec<MemberRow> = members
            .filter_map(|member| self.member_row(id, room, *member))
            .collect();
        let is_last = begin + MAX_ROWS >= room.members.len();
        let last = rows.last().filter(|_| !is_last);
        let next = last.map(|row| row.name.to_string());
        Some(Page { rows, next })
    }

    fn member_row(&self, id: RoomId, room: &Room, member: AccountId) -> Option<MemberRow> {
        let record = self.record(member)?;
        let membership = record.memberships.get(id)?;
        Some(MemberRow {
            name: record.name.clone(),
            role: room.role_of(member),
            is_online: record.places.is_online(),
            unread: room.unread_by(record, membership),
        })
    }

    /// All of an account.
    pub fn account_details(&self, id: AccountId) -> Option<AccountDetails> {
        let account = self.accounts.get(id)?;
        let record = &account.record;
        let sessions = record.places.iter().filter_map(|place| {
            let session = place.user_session()?;
            Some((session.full_name(&record.name), place.session().is_some()))
        });
        let rooms = record.memberships.as_slice().iter().filter_map(|it| {
            let room = self.rooms.get(it.room)?;
            Some((room.record.name.clone(), room.role_of(id)))
        });
        let mut rooms: Vec<(Arc<str>, Role)> = rooms.collect();
        rooms.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        Some(AccountDetails {
            row: self.account_row(account),
            sessions: sessions.collect(),
            tokens: self.token_names(id),
            rooms,
        })
    }

    /// Messages of its rooms that an account has not confirmed, and when the oldest of them was sent.
    pub(super) fn unread_in_rooms(&self, record: &AccountRecord) -> (u64, Option<i64>) {
        let (mut unread, mut oldest_ms) = (0, None);
        for membership in record.memberships.as_slice() {
            let Some(room) = self.rooms.get(membership.room) else {
                continue;
            };
            let messages = room.unread_by(record, membership);
            if messages > 0 {
                unread += messages;
                let after = membership.joined_after.max(record.places.cursor());
                let oldest = room.feed.at(room.feed.place_after(after));
                let key = oldest.and_then(|(_, key)| key);
                let sent_ms = key.map(|key| self.messages.get(key).time_ms);
                oldest_ms = oldest_ms.into_iter().chain(sent_ms).min();
            }
        }
        (unread, oldest_ms)
    }
}
