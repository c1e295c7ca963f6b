//! A map by connection that takes little room for each: almost all of a daemon's memory for clients that are silent.

use chat_model::ConnectionSerial;

/// Entries of one run. Made full where serials come in order, as they mostly do.
const MAX_RUN: usize = 256;

/// A sorted map: runs of entries without gaps, each with the least serial that it may hold.
///
/// Serials come in rising order, about, and go in any: a tree of small nodes would be half empty, a hash table between
/// half and full.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionMap<V> {
    /// By rising `from`; none is empty.
    runs: Vec<Run<V>>,
    count: usize,
}

#[derive(Clone, Debug)]
struct Run<V> {
    from: ConnectionSerial,
    entries: Vec<(ConnectionSerial, V)>,
}

impl<V> Default for ConnectionMap<V> {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            count: 0,
        }
    }
}

impl<V> Run<V> {
    fn find(&self, serial: ConnectionSerial) -> Result<usize, usize> {
        match self.entries.last() {
            // Whoever is new comes last, nearly always.
            Some((last, _)) if *last < serial => Err(self.entries.len()),
            _ => self.entries.binary_search_by_key(&serial, |(at, _)| *at),
        }
    }
}

impl<V> ConnectionMap<V> {
    /// The run that holds a serial, if any does.
    fn run_of(&self, serial: ConnectionSerial) -> Option<usize> {
        match self.runs.last() {
            Some(last) if last.from <= serial => Some(self.runs.len() - 1),
            _ => {
                let after = self.runs.partition_point(|run| run.from <= serial);
                after.checked_sub(1)
            }
        }
    }

    pub(crate) fn get(&self, serial: ConnectionSerial) -> Option<&V> {
        let run = &self.runs[self.run_of(serial)?];
        Some(&run.entries[run.find(serial).ok()?].1)
    }

    pub(crate) fn get_mut(&mut self, serial: ConnectionSerial) -> Option<&mut V> {
        let run = self.run_of(serial)?;
        let run = &mut self.runs[run];
        let at = run.find(serial).ok()?;
        Some(&mut run.entries[at].1)
    }

    pub(crate) fn contains(&self, serial: ConnectionSerial) -> bool {
        self.get(serial).is_some()
    }

    /// What stands there; made by `make` if nothing does.
    pub(crate) fn get_or_insert_with(
        &mut self,
        serial: ConnectionSerial,
        make: impl FnOnce() -> V,
    ) -> &mut V {
        let mut run = self
            .run_of(serial)
            .unwrap_or_else(|| self.extend_down(serial));
        let at = match self.runs[run].find(serial) {
            Ok(at) => at,
            Err(mut at) => {
                if self.runs[run].entries.len() >= MAX_RUN {
                    (run, at) = self.split(run, at, serial);
                }
                self.runs[run].entries.insert(at, (serial, make()));
                self.count += 1;
                at
            }
        };
        &mut self.runs[run].entries[at].1
    }

    /// Lets the first run begin at a serial that is before all.
    fn extend_down(&mut self, serial: ConnectionSerial) -> usize {
        match self.runs.first_mut() {
            Some(run) => run.from = serial,
            None => self.runs.push(Run {
                from: serial,
                entries: Vec::new(),
            }),
        }
        0
    }

    /// Makes two runs of one that is full; where `serial`, which was to stand at `at`, is to stand now: not before its
    /// run.
    fn split(&mut self, run: usize, at: usize, serial: ConnectionSerial) -> (usize, usize) {
        let full = &mut self.runs[run].entries;
        if at == full.len() {
            // Serials that rise leave full runs behind.
            let entries = Vec::new();
            let from = serial;
            self.runs.insert(run + 1, Run { from, entries });
            return (run + 1, 0);
        }
        let half = full.len() / 2;
        let entries = full.split_off(half);
        full.shrink_to_fit();
        let from = entries[0].0;
        self.runs.insert(run + 1, Run { from, entries });
        if at <= half {
            (run, at)
        } else {
            (run + 1, at - half)
        }
    }

    pub(crate) fn remove(&mut self, serial: ConnectionSerial) -> Option<V> {
        let index = self.run_of(serial)?;
        let run = &mut self.runs[index];
        let at = run.find(serial).ok()?;
        let (_, value) = run.entries.remove(at);
        self.count -= 1;
        if run.entries.is_empty() {
            self.runs.remove(index);
        } else if run.entries.len() * 4 <= run.entries.capacity() {
            self.join_with_next(index);
        }
        Some(value)
    }

    /// Gives back room that is not needed any more; two runs that are small become one.
    fn join_with_next(&mut self, index: usize) {
        let fits = self
            .runs
            .get(index + 1)
            .is_some_and(|next| next.entries.len() + self.runs[index].entries.len() <= MAX_RUN / 2);
        if fits {
            let next = self.runs.remove(index + 1);
            self.runs[index].entries.extend(next.entries);
        }
        let entries = &mut self.runs[index].entries;
        entries.shrink_to(entries.len() * 2);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// All, by rising serial.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConnectionSerial, &V)> {
        let entries = self.runs.iter().flat_map(|run| &run.entries);
        entries.map(|(serial, value)| (*serial, value))
    }
}

/// Whatever the runs it came to.
impl<V: PartialEq> PartialEq for ConnectionMap<V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<V: Eq> Eq for ConnectionMap<V> {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn assert_same(map: &ConnectionMap<u32>, model: &BTreeMap<u64, u32>) {
        let entries: Vec<(u64, u32)> = map.iter().map(|(at, value)| (at.0, *value)).collect();
        let expected: Vec<(u64, u32)> = model.iter().map(|(at, value)| (*at, *value)).collect();
        assert_eq!(entries, expected);
        assert_eq!(map.len(), model.len());
        assert!(map.runs.is_sorted_by_key(|run| run.from));
        for run in &map.runs {
            assert!((1..=MAX_RUN).contains(&run.entries.len()));
            assert!(run.entries[0].0 >= run.from);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_holds_what_tree_holds(
            begins in vec(0..3_000_u64, 0..1_500),
            steps in vec((0..3_000_u64, any::<bool>()), 0..3_000),
        ) {
            let mut map = ConnectionMap::default();
            let mut model = BTreeMap::new();
            let begins = begins.into_iter().map(|serial| (serial, true));
            for (step, (at, is_added)) in (0..).zip(begins.chain(steps)) {
                let serial = ConnectionSerial(at);
                prop_assert_eq!(map.get(serial), model.get(&at));
                prop_assert_eq!(map.get_mut(serial), model.get_mut(&at));
                if is_added {
                    let added = *map.get_or_insert_with(serial, || step);
                    prop_assert_eq!(added, *model.entry(at).or_insert(step));
                } else {
                    prop_assert_eq!(map.remove(serial), model.remove(&at));
                }
            }
            assert_same(&map, &model);
        }
    }

    #[test]
    fn map_memory_follows_its_serials() {
        let mut map = ConnectionMap::default();
        let serial = |at: u64| ConnectionSerial(at << 20);
        for at in 0..10_000 {
            map.get_or_insert_with(serial(at), || at);
        }
        let room = |map: &ConnectionMap<u64>| {
            let rooms = map.runs.iter().map(|run| run.entries.capacity());
            rooms.sum::<usize>()
        };
        assert!(room(&map) < 10_000 + MAX_RUN, "{}", room(&map));
        for at in (0..10_000).filter(|at| at % 100 != 0) {
            assert_eq!(map.remove(serial(at)), Some(at));
        }
        assert!(room(&map) <= 1_000, "{}", room(&map));
    }
}
