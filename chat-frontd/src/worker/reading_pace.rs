//! How many bytes of an untrusted client are read. Lines have their pace in the core; a line without end is none, so
//! what is read has one of its own. It slows nobody whose lines are taken: it allows as many, each as long as one may
//! be.

use chat_node::limits::token_bucket::{Rate, TokenBucket};

/// A read counts as so many bytes at least: what comes byte by byte costs as much time.
const UNIT_BYTES: usize = 1_024;

/// What may be read of an untrusted client in a second and at once, in units.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadingRate(Rate);

impl ReadingRate {
    /// Room for so many lines of this length, and for each a unit that is not full.
    pub(super) fn new(lines_per_second: u32, line_burst: u32, max_line_bytes: usize) -> Self {
        let units = u32::try_from(max_line_bytes.div_ceil(UNIT_BYTES) + 1).unwrap_or(u32::MAX);
        Self(Rate::new(
            lines_per_second.saturating_mul(units),
            1_000,
            line_burst.saturating_mul(units),
        ))
    }
}

/// Of one stranger.
#[derive(Debug, Default)]
pub(super) struct ReadingPace {
    units: TokenBucket,
    /// Read, and not taken from `units` yet.
    unsettled: u64,
    /// Nothing is read before.
    until_ms: Option<u64>,
    has_told_delay: bool,
}

impl ReadingPace {
    /// Whether what there is has to wait.
    pub(super) fn holds_back(&self, now_ms: u64) -> bool {
        self.until_ms.is_some_and(|until_ms| until_ms > now_ms)
    }

    /// So much was read at once.
    pub(super) fn read(&mut self, bytes: usize) {
        self.unsettled += bytes.div_ceil(UNIT_BYTES) as u64;
    }

    /// Counts what was read; tells when to go on, if not now.
    pub(super) fn settle(&mut self, rate: ReadingRate, now_ms: u64) -> Option<u64> {
        let units = std::mem::take(&mut self.unsettled);
        if units > 0 {
            self.units.spend(rate.0, units, now_ms);
            self.until_ms = self.units.ready_at_ms(rate.0, now_ms);
        }
        self.until_ms.filter(|until_ms| *until_ms > now_ms)
    }

    /// Whether it is the first time that this stranger is held back.
    pub(super) fn is_first_delay(&mut self) -> bool {
        !std::mem::replace(&mut self.has_told_delay, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_LINE_BYTES: usize = 8_192;

    #[test]
    fn endless_line_obeys_byte_rate() {
        let rate = ReadingRate::new(10, 50, MAX_LINE_BYTES);
        let mut pace = ReadingPace::default();
        let mut read_bytes = 0;
        for now_ms in 0..10_000 {
            while !pace.holds_back(now_ms) {
                read_bytes += 16_384;
                pace.read(16_384);
                pace.settle(rate, now_ms);
            }
        }
        let allowed = (50 + 10 * 10) * (MAX_LINE_BYTES + UNIT_BYTES);
        assert!(
            (allowed..=allowed + 16_384).contains(&read_bytes),
            "{read_bytes}"
        );
    }

    #[test]
    fn accepted_lines_are_never_delayed() {
        let rate = ReadingRate::new(10, 1, MAX_LINE_BYTES);
        let mut pace = ReadingPace::default();
        for now_ms in (0..60_000).step_by(100) {
            assert!(!pace.holds_back(now_ms));
            pace.read(MAX_LINE_BYTES);
            assert_eq!(pace.settle(rate, now_ms), None);
        }
    }

    #[test]
    fn byte_by_byte_counts_as_units() {
        let rate = ReadingRate::new(1, 1, UNIT_BYTES);
        let mut pace = ReadingPace::default();
        pace.read(1);
        assert_eq!(pace.settle(rate, 0), None);
        pace.read(1);
        assert_eq!(pace.settle(rate, 0), Some(500));
        assert!(pace.holds_back(499) && !pace.holds_back(500));
        assert!(pace.is_first_delay() && !pace.is_first_delay());
    }
}
