//! A room.

use std::sync::Arc;

use chat_model::{AccountId, MessageNumber};

use super::account_record::AccountRecord;
use super::feed::Feed;
use super::membership::Membership;
use super::rate::Allowance;
use super::retained::Retained;

/// What a member is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// There is one.
    Owner,
    /// May do nearly all that the owner may.
    Operator,
    /// Anybody else who is in it.
    Member,
}

/// The newest message that left a room's feed though somebody had not read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastDropped {
    pub(crate) number: MessageNumber,
    pub(crate) time_ms: i64,
    /// How many messages the room had before it.
    pub(crate) sequence: u64,
}

/// What of a room goes into a checkpoint as it is. Its members stand at the accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomRecord {
    /// Unique; begins with `#`.
    pub(crate) name: Arc<str>,
    /// A member.
    pub(crate) owner: AccountId,
    /// Members, in the order in which they became operators.
    pub(crate) operators: Vec<AccountId>,
    pub(crate) is_private: bool,
    /// Accounts that may join while it is private; sorted.
    pub(crate) invited: Vec<AccountId>,
    /// Accounts that may not join; sorted.
    pub(crate) banned: Vec<AccountId>,
    /// Empty if nobody has said what the room is about.
    pub(crate) topic: Box<str>,
    /// For how many days its history is kept, if its owner has said.
    pub(crate) retention_days: Option<u32>,
    /// What the history has of it.
    pub(crate) retained: Retained,
    /// How many messages it ever had.
    pub(crate) messages: u64,
    /// How many members it ever had.
    pub(crate) members: u32,
    pub(crate) dropped: Option<LastDropped>,
    /// How many messages it may get at once.
    pub(crate) sends: Allowance,
}

/// A room with what follows from its record, the memberships and the messages.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) record: RoomRecord,
    /// Sorted by name.
    pub(super) members: Vec<AccountId>,
    /// Those members of whom somebody is logged in; sorted by number.
    pub(super) online: Vec<AccountId>,
    pub(super) feed: Feed,
    /// It is among those whose feed may hold messages on no page.
    pub(super) has_unpaged: bool,
}

impl Room {
    pub(super) fn new(record: RoomRecord) -> Self {
        Self {
            record,
            members: Vec::new(),
            online: Vec::new(),
            feed: Feed::default(),
            has_unpaged: false,
        }
    }

    pub(super) fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Members of whom somebody is logged in.
    pub(super) fn online(&self) -> &[AccountId] {
        &self.online
    }

    /// What a member is here.
    pub(super) fn role_of(&self, member: AccountId) -> Role {
        match member {
            member if member == self.record.owner => Role::Owner,
            member if self.record.operators.contains(&member) => Role::Operator,
            _ => Role::Member,
        }
    }

    /// Messages that wait for a member. Costs the same whatever their number.
    pub(super) fn unread_by(&self, record: &AccountRecord, membership: &Membership) -> u64 {
        let cursor = membership.joined_after.max(record.places.cursor());
        let not_confirmed = self.record.messages.saturating_sub(membership.counted);
        not_confirmed.min(self.feed.count_after(cursor) as u64)
    }

    /// Whether an account may do what operators do; it is a member.
    pub(super) fn is_operated_by(&self, account: AccountId) -> bool {
        self.record.owner == account || self.record.operators.contains(&account)
    }
}

impl RoomRecord {
    /// A room that an account has made.
    pub(super) fn made_by(owner: AccountId, name: Arc<str>) -> Self {
        Self {
            name,
            owner,
            operators: Vec::new(),
            is_private: false,
            invited: Vec::new(),
            banned: Vec::new(),
            topic: "".into(),
            retention_days: None,
            retained: Retained::default(),
            messages: 0,
            members: 0,
            dropped: None,
            sends: Allowance::default(),
        }
    }
}

/// Adds an account to a sorted list, once.
pub(super) fn insert(list: &mut Vec<AccountId>, account: AccountId) {
    if let Err(index) = list.binary_search(&account) {
        insert_at(list, index, account);
    }
}

/// Removes an account from a sorted list. Says whether it was there.
pub(super) fn remove(list: &mut Vec<AccountId>, account: AccountId) -> bool {
    let found = list.binary_search(&account);
    if let Ok(index) = found {
        remove_at(list, index);
    }
    found.is_ok()
}

/// Adds an account to a list that grows little by little: lists of members are most of the memory of rooms.
pub(super) fn insert_at(list: &mut Vec<AccountId>, index: usize, account: AccountId) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(4));
    }
    list.insert(index, account);
}

/// Removes an account from a list. Gives back room that is not needed any more.
pub(super) fn remove_at(list: &mut Vec<AccountId>, index: usize) {
    list.remove(index);
    if list.len() * 4 <= list.capacity() {
        list.shrink_to(list.len() * 2);
    }
}
