//! The state's own time: it follows the stamps of the entries, and never runs back.

use crate::entry::Timestamp;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    /// The last stamp; none before the first.
    pub(crate) last: Option<Timestamp>,
    pub(crate) now: StateMs,
}

impl Clock {
    pub(super) fn now(&self) -> StateMs {
        self.now
    }

    /// What the time is at a stamp, without going there.
    pub(super) fn time_at(&self, timestamp: &Timestamp) -> StateMs {
        let elapsed_ms = match &self.last {
            None => 0,
            Some(last) if last.boot_id == timestamp.boot_id => {
                timestamp.boot_ms.saturating_sub(last.boot_ms)
            }
            Some(last) => timestamp.wall_ms.saturating_sub(last.wall_ms).max(0) as u64,
        };
        self.now.plus(elapsed_ms)
    }

    /// What the time was at a moment of the last stamp's boot. The stamp is as old as the turn of the loop: what
    /// somebody asked for since then is a little ahead of it.
    pub(super) fn time_of(&self, boot_ms: u64) -> StateMs {
        let last_ms = self.last.map_or(boot_ms, |last| last.boot_ms);
        let ahead_ms = boot_ms.saturating_sub(last_ms).min(MAX_AHEAD_MS);
        let past_ms = self.now.0.saturating_sub(last_ms.saturating_sub(boot_ms));
        StateMs(past_ms).plus(ahead_ms)
    }

    pub(super) fn advance(&mut self, timestamp: &Timestamp) {
        self.now = self.time_at(timestamp);
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
        clock.advance(&timestamp(1, 1_000, 50_000));
        clock.advance(&timestamp(1, 1_500, -999_999));
        clock.advance(&timestamp(1, 1_400, i64::MAX));
        clock.advance(&timestamp(1, 2_000, 0));
        assert_eq!(clock.now(), StateMs(1_000));
    }

    #[test]
    fn request_is_little_ahead_at_most() {
        let mut clock = Clock::default();
        assert_eq!(clock.time_of(5), StateMs(0));
        clock.advance(&timestamp(1, 1_000, 0));
        clock.advance(&timestamp(1, 3_000, 0));
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
    fn time_across_boots_never_runs_back() {
        let mut clock = Clock::default();
        clock.advance(&timestamp(1, 1_000_000, 50_000));
        clock.advance(&timestamp(2, 10, 53_000));
        assert_eq!(clock.now(), StateMs(3_000));
        clock.advance(&timestamp(3, 10, 1_000));
        assert_eq!(clock.now(), StateMs(3_000));
        clock.advance(&timestamp(4, 10, i64::MIN));
        assert_eq!(clock.now(), StateMs(3_000));
        clock.advance(&timestamp(5, 10, i64::MAX));
        assert!(clock.now() > StateMs(3_000));
    }
}
