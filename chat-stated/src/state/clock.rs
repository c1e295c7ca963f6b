//! The state's own time: it follows the stamps of the entries, and never runs back.

use std::collections::BTreeMap;

use crate::entry::{HostId, Timestamp};

/// Milliseconds of the state's own time. Only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateMs(pub u64);

impl StateMs {
    /// So much later.
    pub fn plus(self, duration_ms: u64) -> Self {
        Self(self.0.saturating_add(duration_ms))
    }

    /// How long after `earlier`; 0 if before it.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What says that it was asked later than this after the last stamp was asked by a wrong clock.
const MAX_AHEAD_MS: u64 = 10_000;

/// Turns stamps into the state's time. Within a boot it follows the boot clock, which no one can set;
/// across boots the wall clock, as far as that went forward.
///
/// With several hosts each boot clock is followed on its own, and the furthest one is the time. A boot that begins
/// while another host is alive begins now: how far the wall clocks of hosts are apart never counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    /// The last stamp; none before the first.
    pub(crate) last: Option<Timestamp>,
    pub(crate) now: StateMs,
    /// By host; none while there is but one.
    pub(crate) hosts: BTreeMap<HostId, HostClock>,
}

/// How far a host's boot clock has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostClock {
    /// Which boot it is.
    pub(crate) boot_id: [u8; 16],
    /// As in the furthest stamp of the host.
    pub(crate) boot_ms: u64,
    /// The state's time by this clock alone.
    pub(crate) at: StateMs,
}

impl HostClock {
    fn time_of(&self, boot_ms: u64) -> StateMs {
        let ahead_ms = boot_ms.saturating_sub(self.boot_ms);
        let behind_ms = self.boot_ms.saturating_sub(boot_ms);
        StateMs(self.at.plus(ahead_ms).0.saturating_sub(behind_ms))
    }
}

impl Clock {
    pub(super) fn now(&self) -> StateMs {
        self.now
    }

    /// What the time is at a stamp, without going there.
    pub(super) fn time_at(&self, timestamp: &Timestamp) -> StateMs {
        self.by_boot_clock(timestamp).max(self.now)
    }

    /// The same by the clock of the stamp's host alone.
    fn by_boot_clock(&self, timestamp: &Timestamp) -> StateMs {
        if let Some(clock) = self.of_boot(timestamp.boot_id) {
            return clock.time_of(timestamp.boot_ms);
        }
        let elapsed_ms = match &self.last {
            Some(last) if self.hosts.len() <= 1 => timestamp.wall_ms.saturating_sub(last.wall_ms),
            _ => 0,
        };
        self.now.plus(elapsed_ms.max(0) as u64)
    }

    /// How far the clock of this boot has come. While there is but one host, the last stamp tells.
    fn of_boot(&self, boot_id: [u8; 16]) -> Option<HostClock> {
        let mut clocks = self.hosts.values().copied();
        clocks.find(|clock| clock.boot_id == boot_id).or_else(|| {
            let last = self.last.filter(|last| last.boot_id == boot_id)?;
            Some(HostClock {
                boot_id,
                boot_ms: last.boot_ms,
                at: self.now,
            })
        })
    }

    /// What the time was at a moment of the last stamp's boot. The stamp is as old as the turn of the loop: what
    /// somebody asked for since then is a little ahead of it.
    pub(super) fn time_of(&self, boot_ms: u64) -> StateMs {
        let clock = self.last.and_then(|last| self.of_boot(last.boot_id));
        clock.map_or(self.now, |clock| {
            clock.time_of(boot_ms.min(clock.boot_ms.saturating_add(MAX_AHEAD_MS)))
        })
    }

    /// Goes to a stamp, of this host if there are several.
    pub(super) fn advance(&mut self, timestamp: &Timestamp, host: Option<HostId>) {
        let at = match host {
            None => self.time_at(timestamp),
            Some(host) => self.advance_host(timestamp, host),
        };
        self.now = self.now.max(at);
        let boot_ms = match &self.last {
            // A stamp older than the last one must not let the time between them pass twice.
            Some(last) if last.boot_id == timestamp.boot_id => last.boot_ms.max(timestamp.boot_ms),
            _ => timestamp.boot_ms,
        };
        self.last = Some(Timestamp {
            boot_ms,
            ..*timestamp
        });
    }

    fn advance_host(&mut self, timestamp: &Timestamp, host: HostId) -> StateMs {
        let is_known = self.of_boot(timestamp.boot_id).is_some();
        let is_alone = self.hosts.keys().all(|other| *other == host);
        let at = match is_known || is_alone {
            true => self.by_boot_clock(timestamp),
            false => self.now,
        };
        let next = HostClock {
            boot_id: timestamp.boot_id,
            boot_ms: timestamp.boot_ms,
            at,
        };
        let clock = self.hosts.entry(host).or_insert(next);
        if clock.boot_id != next.boot_id || clock.boot_ms < next.boot_ms {
            *clock = next;
        }
        at
    }

    /// A host takes part no more.
    pub(super) fn end_host(&mut self, host: HostId) {
        self.hosts.remove(&host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamp(boot: u8, boot_ms: u64, wall_ms: i64) -> Timestamp {
        Timestamp {
            wall_ms,
            boot_ms,
            boot_id: [boot; 16],
        }
    }

    #[test]
    fn within_boot_wall_clock_does_not_matter() {
        let mut clock = Clock::default();
        clock.advance(&timestamp(1, 1_000, 50_000), None);
        clock.advance(&timestamp(1, 1_500, -999_999), None);
        clock.advance(&timestamp(1, 1_400, i64::MAX), None);
        clock.advance(&timestamp(1, 2_000, 0), None);
        assert_eq!(clock.now(), StateMs(1_000));
    }

    #[test]
    fn request_is_little_ahead_at_most() {
        let mut clock = Clock::default();
        assert_eq!(clock.time_of(5), StateMs(0));
        clock.advance(&timestamp(1, 1_000, 0), None);
        clock.advance(&timestamp(1, 3_000, 0), None);
        for (boot_ms, time_ms) in [
            (0, 0),
            (2_999, 1_999),
            (3_000, 2_000),
            (3_001, 2_001),
            (13_000, 12_000),
            (u64::MAX, 12_000),
        ] {
            assert_eq!(clock.time_of(boot_ms), StateMs(time_ms), "{boot_ms}");
        }
    }

    #[test]
    fn clock_at_its_end_harms_nothing() {
        for host in [None, Some(HostId(1))] {
            let mut clock = Clock::default();
            clock.advance(&timestamp(1, u64::MAX, 0), host);
            assert_eq!(clock.time_of(u64::MAX), StateMs(0));
        }
    }

    #[test]
    fn time_across_boots_never_runs_back() {
        let mut clock = Clock::default();
        clock.advance(&timestamp(1, 1_000_000, 50_000), None);
        clock.advance(&timestamp(2, 10, 53_000), None);
        assert_eq!(clock.now(), StateMs(3_000));
        clock.advance(&timestamp(3, 10, 1_000), None);
        assert_eq!(clock.now(), StateMs(3_000));
        clock.advance(&timestamp(4, 10, i64::MIN), None);
        assert_eq!(clock.now(), StateMs(3_000));
        clock.advance(&timestamp(5, 10, i64::MAX), None);
        assert!(clock.now() > StateMs(3_000));
    }

    /// Three hosts write in turn every 5 ms for a minute, and their wall clocks differ: the time that passed.
    fn minute_of_three_hosts(skew_ms: i64) -> u64 {
        let mut clock = Clock::default();
        let stamp = |host: u64, at_ms: u64| {
            let wall_ms = at_ms as i64 + (host as i64 - 1) * skew_ms;
            timestamp(host as u8, host * 1_000_000 + at_ms, wall_ms)
        };
        for host in 0..3 {
            clock.advance(&stamp(host, 0), Some(HostId(host)));
        }
        let began = clock.now();
        for turn in 1..=12_000 {
            let host = turn % 3;
            clock.advance(&stamp(host, turn * 5), Some(HostId(host)));
        }
        clock.now().since(began)
    }

    #[test]
    fn skew_between_hosts_does_not_count() {
        const TEN_YEARS_MS: i64 = 315_576_000_000;
        for skew_ms in [0, 50, 1_000, TEN_YEARS_MS, -TEN_YEARS_MS] {
            let passed_ms = minute_of_three_hosts(skew_ms);
            assert!(passed_ms.abs_diff(60_000) < 600, "{skew_ms}: {passed_ms}");
        }
    }

    #[test]
    fn boot_beside_living_host_begins_now() {
        let mut clock = Clock::default();
        clock.advance(&timestamp(1, 1_000, 0), Some(HostId(1)));
        clock.advance(&timestamp(2, 7, 999_999), Some(HostId(2)));
        assert_eq!(clock.now(), StateMs(0));
        clock.advance(&timestamp(3, 5, 5_000_000), Some(HostId(1)));
        clock.advance(&timestamp(3, 25, 0), Some(HostId(1)));
        assert_eq!(clock.now(), StateMs(20));
        clock.advance(&timestamp(2, 17, 0), Some(HostId(2)));
        assert_eq!(clock.now(), StateMs(20), "time runs back");
    }

    #[test]
    fn boot_of_only_host_follows_wall_clock() {
        let mut clock = Clock::default();
        clock.advance(&timestamp(1, 1_000, 0), Some(HostId(1)));
        clock.advance(&timestamp(2, 7, 5_000), Some(HostId(2)));
        clock.end_host(HostId(2));
        clock.advance(&timestamp(3, 5, 65_000), Some(HostId(1)));
        assert_eq!(clock.now(), StateMs(60_000));
        clock.end_host(HostId(1));
        clock.advance(&timestamp(3, 15, 0), None);
        assert_eq!(clock.now(), StateMs(60_010));
    }
}
