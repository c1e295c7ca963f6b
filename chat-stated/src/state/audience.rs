//! Which accounts an audience stands for. The one place where an audience becomes readers.

use std::collections::HashSet;

use chat_model::{AccountId, Audience, NameList, Names, Outcome, RoomId};
use foldhash::quality::RandomState;
use smallvec::SmallVec;

use super::accounts::Accounts;
use super::rooms::Rooms;

/// So many readers are compared with one another; of more a table is made.
const FEW: usize = 32;

/// The readers of a message that is to be stored.
pub(super) enum Addressed {
    /// In the order in which they were named, each once. None, if no account has a name that was given.
    Accounts(SmallVec<[AccountId; 8]>),
    /// Every account that gets broadcasts, but the sender's.
    Everyone,
    Rooms(AddressedRooms),
}

/// Rooms, and accounts beside them.
pub(super) struct AddressedRooms {
    /// In the order in which they were named, each once; at least one.
    pub(super) rooms: SmallVec<[RoomId; 1]>,
    /// In the order in which they were named, each once.
    pub(super) accounts: SmallVec<[AccountId; 8]>,
    /// How many of the accounts were named before each room; empty, if all were named behind the rooms.
    pub(super) accounts_before: SmallVec<[u32; 1]>,
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
            accounts_before: SmallVec::new(),
        };
        let mut unknown = NameList::new();
        let (mut rooms_seen, mut unknown_seen) = (HashSet::new(), HashSet::new());
        let mut accounts_seen = HashSet::new();
        for name in names.iter() {
            let account = accounts.id_of(name);
            let room = rooms.id_of(name).filter(may_write);
            match (room, account) {
                (Some(room), _) if rooms_seen.insert(room) => {
                    addressed.rooms.push(room);
                    let before = addressed.accounts.len() as u32;
                    addressed.accounts_before.push(before);
                }
                (None, Some(account)) if accounts_seen.insert(account) => {
                    addressed.accounts.push(account);
                }
                (None, None) if unknown_seen.insert(name) => unknown.push(name),
                _ => {}
            }
        }
        if addressed.accounts_before.iter().all(|before| *before == 0) {
            addressed.accounts_before.clear();
        }
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
            keep_first(&mut readers);
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

/// Leaves each account where it stands first.
fn keep_first(readers: &mut SmallVec<[AccountId; 8]>) {
    if readers.len() > FEW {
        let mut seen = HashSet::with_capacity_and_hasher(readers.len(), RandomState::default());
        return readers.retain(|reader| seen.insert(*reader));
    }
    let mut kept = 0;
    for index in 0..readers.len() {
        let reader = readers[index];
        if !readers[..kept].contains(&reader) {
            readers[kept] = reader;
            kept += 1;
        }
    }
    readers.truncate(kept);
}

impl Addressed {
    /// Whether the message has no reader.
    pub(super) fn is_nobody(&self) -> bool {
        matches!(self, Self::Accounts(readers) if readers.is_empty())
    }
}
