//! When a child that has ended is started again.

/// The wait after the first failed start in a row; it doubles with each further one.
const FIRST_WAIT_MS: u64 = 50;
/// The longest wait between two starts.
pub const LONGEST_WAIT_MS: u64 = 5_000;

/// Children that have served are started again at once, but only so many in quick succession, then one in each
/// interval: a child that dies as soon as it serves must not use up the processor.
const QUICK_RESTARTS: u64 = 20;
const RESTART_INTERVAL_MS: u64 = 50;

/// The history of one child, as far as it decides the next start.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failed_starts: u32,
    /// The time up to which the restarts already made have used up their intervals.
    used_until_ms: u64,
}

impl Backoff {
    /// The child ended at `now_ms`; `was_ready` if it had become ready. Returns when it may be started again.
    pub(super) fn next_start_ms(&mut self, was_ready: bool, now_ms: u64) -> u64 {
        if !was_ready {
            let wait_ms = FIRST_WAIT_MS << self.failed_starts.min(16);
            self.failed_starts = self.failed_starts.saturating_add(1);
            return now_ms + wait_ms.min(LONGEST_WAIT_MS);
        }
        self.failed_starts = 0;
        self.used_until_ms = self.used_until_ms.max(now_ms) + RESTART_INTERVAL_MS;
        let allowance_ms = QUICK_RESTARTS * RESTART_INTERVAL_MS;
        now_ms.max(self.used_until_ms.saturating_sub(allowance_ms))
    }

    /// Starts in a row, up to the last one, after which the child never became ready.
    pub(super) fn failed_starts(&self) -> u32 {
        self.failed_starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_starts_wait_ever_longer() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..100)
            .map(|_| backoff.next_start_ms(false, 1000) - 1000)
            .collect();
        assert_eq!(waits[..9], [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(waits[99], 5000);
        assert_eq!(backoff.failed_starts(), 100);
    }

    #[test]
    fn service_resets_wait() {
        let mut backoff = Backoff::default();
        backoff.next_start_ms(false, 0);
        backoff.next_start_ms(false, 0);
        assert_eq!(backoff.next_start_ms(true, 7), 7);
        assert_eq!(backoff.next_start_ms(false, 7), 57);
    }

    #[test]
    fn quick_deaths_are_slowed_down() {
        let mut backoff = Backoff::default();
        let mut now_ms = 0;
        for _ in 0..1000 {
            now_ms = backoff.next_start_ms(true, now_ms);
        }
        assert_eq!(now_ms, (1000 - QUICK_RESTARTS) * RESTART_INTERVAL_MS);
        // After a quiet second the whole allowance is there again.
        now_ms += QUICK_RESTARTS * RESTART_INTERVAL_MS;
        for _ in 0..QUICK_RESTARTS {
            assert_eq!(backoff.next_start_ms(true, now_ms), now_ms);
        }
        assert!(backoff.next_start_ms(true, now_ms) > now_ms);
    }
}
