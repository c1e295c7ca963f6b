//! When a child that ended is started again.

/// Wait after the first of several lives in a row that never became ready; doubled after each further one.
const FIRST_WAIT_MS: u64 = 50;
/// The longest wait, and so the longest that a child which could serve again is kept from it.
pub const LONGEST_WAIT_MS: u64 = 5_000;

/// Lives that served begin again at once, but only so many in quick succession, and after that one in each interval: a
/// child that dies as soon as it serves must not take the processor from the others.
const QUICK_RESTARTS: u64 = 20;
const RESTART_INTERVAL_MS: u64 = 50;

/// How the lives of one child ended so far, as far as it matters for the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failed_lives: u32,
    /// The time up to which the restarts already made have used up their intervals.
    used_until_ms: u64,
}

impl Backoff {
    /// Takes in that a life ended at `now_ms`, and whether it had become ready, and says when the next may begin.
    pub(super) fn next_start_ms(&mut self, was_ready: bool, now_ms: u64) -> u64 {
        if !was_ready {
            let wait_ms = FIRST_WAIT_MS << self.failed_lives.min(16);
            self.failed_lives = self.failed_lives.saturating_add(1);
            return now_ms + wait_ms.min(LONGEST_WAIT_MS);
        }
        self.failed_lives = 0;
        self.used_until_ms = self.used_until_ms.max(now_ms) + RESTART_INTERVAL_MS;
        let allowance_ms = QUICK_RESTARTS * RESTART_INTERVAL_MS;
        now_ms.max(self.used_until_ms.saturating_sub(allowance_ms))
    }

    /// Lives in a row, up to the last one, that never became ready.
    pub(super) fn failed_lives(&self) -> u32 {
        self.failed_lives
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_that_never_became_ready_wait_longer_and_longer() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..100)
            .map(|_| backoff.next_start_ms(false, 1000) - 1000)
            .collect();
        assert_eq!(waits[..9], [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(waits[99], 5000);
        assert_eq!(backoff.failed_lives(), 100);
    }

    #[test]
    fn a_life_that_served_is_followed_at_once_and_forgives() {
        let mut backoff = Backoff::default();
        backoff.next_start_ms(false, 0);
        backoff.next_start_ms(false, 0);
        assert_eq!(backoff.next_start_ms(true, 7), 7);
        assert_eq!(backoff.next_start_ms(false, 7), 57);
    }

    #[test]
    fn a_child_that_dies_as_soon_as_it_serves_is_slowed_to_its_interval() {
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
