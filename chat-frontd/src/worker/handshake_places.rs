//! Whose handshake keeps its place when there are too many: pure, and fair by source.
//!
//! A connection that has sent nothing has a place among the silent ones only, so that it never takes one that somebody
//! who speaks needs. Where places are short, the oldest of the source that has the most goes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;

use chat_node::limits::network::source_of;

/// Silent ones for each place of one that speaks.
const SILENT_FOR_EACH_PLACE: usize = 4;
/// The only one of its source keeps its place for so long.
const MIN_HANDSHAKE_MS: u64 = 1_000;

/// Connections of one kind.
#[derive(Debug, Default)]
struct Pool {
    /// By their serials, so the oldest first: from where, and since when.
    all: BTreeMap<u64, (IpAddr, u64)>,
    by_source: HashMap<IpAddr, BTreeSet<u64>>,
}

impl Pool {
    fn add(&mut self, serial: u64, source: IpAddr, began_ms: u64) {
        self.all.insert(serial, (source, began_ms));
        self.by_source.entry(source).or_default().insert(serial);
    }

    fn remove(&mut self, serial: u64) -> Option<(IpAddr, u64)> {
        let (source, began_ms) = self.all.remove(&serial)?;
        if let Some(serials) = self.by_source.get_mut(&source) {
            serials.remove(&serial);
            if serials.is_empty() {
                self.by_source.remove(&source);
            }
        }
        Some((source, began_ms))
    }

    /// Who has to go for another; if nobody now, from when on somebody may have to.
    fn next_to_go(&self, now_ms: u64) -> Result<u64, u64> {
        let crowd = self.by_source.values().max_by_key(|serials| serials.len());
        if let Some(serials) = crowd.filter(|serials| serials.len() > 1)
            && let Some(oldest) = serials.first()
        {
            return Ok(*oldest);
        }
        match self.all.first_key_value() {
            Some((serial, (_, began_ms))) if began_ms + MIN_HANDSHAKE_MS <= now_ms => Ok(*serial),
            Some((_, (_, began_ms))) => Err(began_ms + MIN_HANDSHAKE_MS),
            None => Err(now_ms),
        }
    }
}

/// All places, by the serials of those who have them.
#[derive(Debug)]
pub(super) struct Places {
    count: usize,
    silent: Pool,
    speaking: Pool,
}

impl Places {
    /// So many for those who speak.
    pub(super) fn new(count: usize) -> Self {
        Self {
            count,
            silent: Pool::default(),
            speaking: Pool::default(),
        }
    }

    /// Somebody connected, with a serial above all before.
    pub(super) fn add(&mut self, serial: u64, address: IpAddr, now_ms: u64) {
        self.silent.add(serial, source_of(address), now_ms);
    }

    /// Somebody sent something.
    pub(super) fn spoke(&mut self, serial: u64) {
        if let Some((source, began_ms)) = self.silent.remove(serial) {
            self.speaking.add(serial, source, began_ms);
        }
    }

    pub(super) fn remove(&mut self, serial: u64) {
        self.silent.remove(serial);
        self.speaking.remove(serial);
    }

    /// Who has to go so that another may come; `None` if nobody has to. If nobody can go now, when somebody may have
    /// to.
    pub(super) fn next_to_go(&self, now_ms: u64) -> Result<Option<u64>, u64> {
        if self.speaking.all.len() >= self.count {
            return self.speaking.next_to_go(now_ms).map(Some);
        }
        if self.silent.all.len() >= self.count * SILENT_FOR_EACH_PLACE {
            return self.silent.next_to_go(now_ms).map(Some);
        }
        Ok(None)
    }
}

/// Those that something may be done for: of each source one, then the next one of each.
#[derive(Debug, Default)]
pub(super) struct Turns {
    lines: HashMap<IpAddr, VecDeque<usize>>,
    round: VecDeque<IpAddr>,
    len: usize,
}

impl Turns {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, address: IpAddr, index: usize) {
        let source = source_of(address);
        let line = self.lines.entry(source).or_default();
        if line.is_empty() {
            self.round.push_back(source);
        }
        line.push_back(index);
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<usize> {
        let source = self.round.pop_front()?;
        let line = self.lines.get_mut(&source)?;
        let index = line.pop_front()?;
        self.len -= 1;
        if line.is_empty() {
            self.lines.remove(&source);
        } else {
            self.round.push_back(source);
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn silent_handshakes_take_no_places() {
        let mut places = Places::new(2);
        for serial in 0..8 {
            assert_eq!(places.next_to_go(0), Ok(None), "{serial}");
            places.add(serial, source(1), 0);
        }
        assert_eq!(places.next_to_go(0), Ok(Some(0)), "the oldest silent one");
        places.remove(0);
        places.add(8, source(2), 0);
        places.spoke(8);
        places.spoke(7);
        assert_eq!(
            places.next_to_go(0),
            Err(MIN_HANDSHAKE_MS),
            "each its source's only one"
        );
        assert_eq!(places.next_to_go(MIN_HANDSHAKE_MS), Ok(Some(7)));
        places.remove(7);
        assert_eq!(places.next_to_go(0), Ok(None));
    }

    #[test]
    fn source_with_most_makes_room() {
        let mut places = Places::new(1);
        places.add(0, source(1), 0);
        for serial in 1..4 {
            places.add(serial, source(2), 0);
        }
        // From a /64 all are of one source.
        assert_eq!(places.next_to_go(0), Ok(Some(1)));
        places.remove(1);
        places.add(4, source(1), 0);
        places.remove(2);
        places.add(5, "2001:db8::1".parse().unwrap(), 0);
        assert_eq!(places.next_to_go(0), Ok(Some(0)));
    }

    #[test]
    fn flood_of_silent_ones_costs_newcomer_nothing() {
        let mut places = Places::new(16);
        let mut dropped = Vec::new();
        let mut unauthenticated = Vec::new();
        for serial in 0..10_000_u64 {
            while let Some(serial) = places.next_to_go(0).unwrap() {
                places.remove(serial);
                dropped.push(serial);
            }
            let is_unauthenticated = serial % 1_000 == 500;
            let last = if is_unauthenticated {
                100 + (serial / 1_000) as u8
            } else {
                (serial % 20) as u8
            };
            places.add(serial, source(last), 0);
            if is_unauthenticated {
                unauthenticated.push(serial);
            }
        }
        assert_eq!(unauthenticated.len(), 10);
        assert!(
            unauthenticated
                .iter()
                .all(|serial| !dropped.contains(serial))
        );
    }

    #[test]
    fn each_source_has_its_turn() {
        let mut turns = Turns::default();
        for index in 0..5 {
            turns.push(source(1), index);
        }
        turns.push(source(2), 5);
        turns.push(source(3), 6);
        assert_eq!(turns.len(), 7);
        let order: Vec<usize> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order, [0, 5, 6, 1, 2, 3, 4]);
        assert_eq!(turns.len(), 0);
        assert!(turns.lines.is_empty() && turns.round.is_empty());
    }
}
