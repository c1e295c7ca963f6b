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
/// Nearly all accounts have none. An account that has none any more keeps an empty list, so that a checkpoint removes
/// what the one before has.
#[derive(Clone, Debug, Default)]
pub struct Memberships(Option<Box<[Membership]>>);

impl Memberships {
    /// As a checkpoint has them.
    pub(crate) fn of(memberships: Vec<Membership>) -> Self {
        Self(Some(memberships.into()))
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Membership] {
        self.0.as_deref().unwrap_or_default()
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
            let mut all = self.0.take().unwrap_or_default().into_vec();
            all.reserve_exact(1);
            all.insert(index, membership);
            self.0 = Some(all.into());
        }
    }

    pub(super) fn remove(&mut self, room: RoomId) -> Option<Membership> {
        let index = self.index(room).ok()?;
        let mut all = self.0.take()?.into_vec();
        let removed = all.remove(index);
        self.0 = Some(all.into());
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
        assert_eq!(size_of::<Memberships>(), 16);
    }
}
