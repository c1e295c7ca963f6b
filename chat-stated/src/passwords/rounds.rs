//! Whose turn it is: by turns who waits longest, and who came last of those that had none yet.

use std::collections::{BTreeMap, BTreeSet};

/// A place in a round.
pub(super) type Order = u64;

/// Those who wait for their turns. Each has one place; whoever had a turn and waits for another has a new one.
pub(super) struct Round<Key> {
    last: Order,
    places: BTreeMap<Order, Key>,
    /// Places of those who had no turn yet.
    new: BTreeSet<Order>,
    is_turn_of_newest: bool,
}

impl<Key> Default for Round<Key> {
    fn default() -> Self {
        Self {
            last: 0,
            places: BTreeMap::new(),
            new: BTreeSet::new(),
            is_turn_of_newest: false,
        }
    }
}

impl<Key> Round<Key> {
    /// Somebody comes.
    pub(super) fn add(&mut self, key: Key) -> Order {
        let order = self.add_again(key);
        self.new.insert(order);
        order
    }

    /// Somebody who had a turn waits for another.
    pub(super) fn add_again(&mut self, key: Key) -> Order {
        self.last += 1;
        self.places.insert(self.last, key);
        self.last
    }

    /// Takes out whose turn it is.
    pub(super) fn take_turn(&mut self) -> Option<Key> {
        let newest = self.new.last().copied().filter(|_| self.is_turn_of_newest);
        self.is_turn_of_newest = !self.is_turn_of_newest;
        let order = newest.or_else(|| self.places.keys().next().copied())?;
        self.remove(order)
    }

    /// Takes out who has this place.
    pub(super) fn remove(&mut self, order: Order) -> Option<Key> {
        self.new.remove(&order);
        self.places.remove(&order)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.new.is_empty()
    }
}
