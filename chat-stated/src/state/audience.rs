//! Which accounts an audience stands for. The one place where an audience becomes readers.

use std::collections::HashSet;

use chat_model::{AccountId, Audience, NameList, Names, Outcome, RoomId};
use smallvec::SmallVec;

use super::accounts::Accounts;
use super::rooms::Rooms;

/// The readers of a message that is to be stored.
pub(super) enum Addressed {
    /// Sorted, each once. None, if no account has a name that was given.
    Accounts(SmallVec<[AccountId; 8]>),
    /// Every account that gets broadcasts, but the sender's.
    Everyone,
    Rooms(AddressedRooms),
}

/// Rooms, and accounts beside them.
pub(super) struct AddressedRooms {
    /// In the order in which they were named, each once; at least one.
    pub(super) rooms: SmallVec<[RoomId; 1]>,
    /// Sorted, each once.
    pub(super) accounts: SmallVec<[AccountId; 8]>,
}

/// The readers that an audience stands for, and the names that stand for nobody.
pub(super) struct Recipients {
    pub(super) addressed: Addressed,
    /// In the order in which they were given, each once.
    unknown: NameList<'static>,
}

impl Recipients {
    /// The readers now: an account that is made later gets nothing.
    pub(super) fn of(
        audience: &Audience<'_>,
        sender: AccountId,
        accounts: &Accounts,
        rooms: &Rooms,
    ) -> Self {
        match audience {
            Audience::Accounts(names) => Self::of_names(names.names(), accounts),
            Audience::Everyone => Self {
                addressed: Addressed::Everyone,
                unknown: NameList::new(),
            },
            Audience::Mixed(names) => Self::of_rooms(names.names(), sender, accounts, rooms),
        }
    }

    /// Rooms of which the sender is a member, and accounts.
    fn of_rooms(names: Names<'_>, sender: AccountId, accounts: &Accounts, rooms: &Rooms) -> Self {
        let memberships = accounts.get(sender).map(|it| &it.record.memberships);
        let may_write = |room: &RoomId| memberships.is_some_and(|it| it.get(*room).is_some());
        let mut addressed = AddressedRooms {
            rooms: SmallVec::new(),
            accounts: SmallVec::new(),
        };
        let mut unknown = NameList::new();
        let (mut rooms_seen, mut unknown_seen) = (HashSet::new(), HashSet::new());
        for name in names.iter() {
            let account = accounts.id_of(name);
            let room = rooms.id_of(name).filter(may_write);
            match (room, account) {
                (Some(room), _) if rooms_seen.insert(room) => addressed.rooms.push(room),
                (Some(_), _) => {}
                (None, Some(account)) => addressed.accounts.push(account),
                (None, None) if unknown_seen.insert(name) => unknown.push(name),
                (None, None) => {}
            }
        }
        addressed.accounts.sort_unstable();
        addressed.accounts.dedup();
        let addressed = match addressed.rooms.is_empty() {
            true => Addressed::Accounts(addressed.accounts),
            false => Addressed::Rooms(addressed),
        };
        Self { addressed, unknown }
    }

    pub(super) fn of_names(names: Names<'_>, accounts: &Accounts) -> Self {
        let mut readers = SmallVec::new();
        let mut unknown = NameList::new();
        if let Some(name) = names.only() {
            match accounts.id_of(name) {
                Some(id) => readers.push(id),
                None => unknown.push(name),
            }
        } else {
            // A line holds thousands of names: each must cost the same.
            let mut unknown_seen: HashSet<&str> = HashSet::new();
            for name in names.iter() {
                match accounts.id_of(name) {
                    Some(id) => readers.push(id),
                    None if unknown_seen.insert(name) => unknown.push(name),
                    None => {}
                }
            }
            readers.sort_unstable();
            readers.dedup();
        }
        Self {
            addressed: Addressed::Accounts(readers),
            unknown,
        }
    }

    /// What the sender is told once the message is stored.
    pub(super) fn stored(&self) -> Outcome<'static> {
        Outcome::Stored {
            unknown: self.unknown.clone(),
        }
    }
}

impl Addressed {
    /// Whether the message has no reader.
    pub(super) fn is_nobody(&self) -> bool {
        matches!(self, Self::Accounts(readers) if readers.is_empty())
    }
}
