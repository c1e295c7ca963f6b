//! What an account has in each room of which it is a member.

use chat_model::{MessageNumber, RoomId};

/// What an account has in a room. There are as many in memory as members of all rooms: it is kept small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Which room.
    pub room: RoomId,
    /// How many members the room ever had before.
    pub(crate) order: u32,
    /// It gets messages after this one.
    pub joined_after: MessageNumber,
    /// How many messages the room had before the first one that the account has not confirmed.
    pub(crate) counted: u64,
}

/// The memberships of an account, by rising number of the room.
///
/// Nearly all accounts have none, and take 8 bytes. An account that has none any more keeps an empty list, so that a
/// checkpoint removes what the one before has.
#[expect(
    clippy::box_collection,
    reason = "most accounts have none, and 24 bytes each count"
)]
#[derive(Clone, Debug, Default)]
pub struct Memberships(Option<Box<Vec<Membership>>>);

impl Memberships {
    /// As a checkpoint has them.
    pub(crate) fn of(mut memberships: Vec<Membership>) -> Self {
        memberships.shrink_to_fit();
        Self(Some(Box::new(memberships)))
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Membership] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Whether it is worth a record of a checkpoint, perhaps an empty one.
    pub(crate) fn were_any(&self) -> bool {
        self.0.is_some()
    }

    /// What the account has in a room.
    pub fn get(&self, room: RoomId) -> Option<&Membership> {
        let index = self.index(room).ok()?;
        self.as_slice().get(index)
    }

    pub(super) fn get_mut(&mut self, room: RoomId) -> Option<&mut Membership> {
        let index = self.index(room).ok()?;
        self.0.as_mut()?.get_mut(index)
    }

    pub(super) fn add(&mut self, membership: Membership) {
        if let Err(index) = self.index(membership.room) {
            let all = self.0.get_or_insert_default();
            all.reserve_exact(1);
            all.insert(index, membership);
        }
    }

    pub(super) fn remove(&mut self, room: RoomId) -> Option<Membership> {
        let index = self.index(room).ok()?;
        let all = self.0.as_mut()?;
        let removed = all.remove(index);
        all.shrink_to_fit();
        Some(removed)
    }

    fn index(&self, room: RoomId) -> Result<usize, usize> {
        self.as_slice()
            .binary_search_by_key(&room, |membership| membership.room)
    }
}

impl PartialEq for Memberships {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Memberships {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memberships_are_small() {
        assert_eq!(size_of::<Membership>(), 24);
        assert_eq!(size_of::<Memberships>(), 8);
    }
}
