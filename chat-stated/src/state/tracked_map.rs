//! A map in pieces that a checkpoint writes down one by one, as they were when its snapshot began.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::budget::Budget;

/// Values by their keys, and which of them the next snapshot is to have.
#[derive(Debug)]
pub(super) struct TrackedMap<K, V> {
    values: BTreeMap<K, V>,
    /// Changed, or gone, since the last snapshot began.
    changed: BTreeSet<K>,
    /// The same of the snapshot under way, and not put yet.
    awaited: BTreeSet<K>,
    /// Such values, as they were when it began, because they were changed again since.
    written_early: Vec<(K, Option<V>)>,
}

impl<K, V> Default for TrackedMap<K, V> {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            changed: BTreeSet::new(),
            awaited: BTreeSet::new(),
            written_early: Vec::new(),
        }
    }
}

impl<K: Copy + Ord, V: Clone + Default> TrackedMap<K, V> {
    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.values.get(&key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.values.iter().map(|(key, value)| (*key, value))
    }

    pub(super) fn range(
        &self,
        keys: RangeInclusive<K>,
    ) -> impl DoubleEndedIterator<Item = (K, &V)> {
        self.values.range(keys).map(|(key, value)| (*key, value))
    }

    /// The value, to be changed; made if it is not there.
    pub(super) fn change(&mut self, key: K) -> &mut V {
        self.will_change(key);
        self.values.entry(key).or_default()
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        if !self.values.contains_key(&key) {
            return None;
        }
        self.will_change(key);
        self.values.remove(&key)
    }

    fn will_change(&mut self, key: K) {
        if self.awaited.remove(&key) {
            self.written_early
                .push((key, self.values.get(&key).cloned()));
        }
        self.changed.insert(key);
    }

    /// A snapshot begins: it has all values as they are now. The one before has come to its end.
    pub(super) fn begin_snapshot(&mut self) {
        self.awaited = std::mem::take(&mut self.changed);
    }

    /// Puts values, or that they are gone, as they were when the snapshot began. Each is worth so many steps. Says
    /// whether that is done.
    pub(super) fn put_awaited(
        &mut self,
        budget: &mut Budget,
        steps: usize,
        mut put: impl FnMut(K, Option<&V>),
    ) -> bool {
        for (key, value) in self.written_early.drain(..) {
            put(key, value.as_ref());
        }
        while !budget.is_spent() {
            let Some(key) = self.awaited.pop_first() else {
                return true;
            };
            budget.spend(steps);
            put(key, self.values.get(&key));
        }
        false
    }

    /// In a restore: takes a value as the checkpoint has it.
    pub(super) fn restore(&mut self, key: K, value: V) {
        self.values.insert(key, value);
    }
}
