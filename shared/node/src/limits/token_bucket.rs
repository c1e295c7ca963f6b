//! Token buckets: a burst at once, and then a steady rate. Pure: the time is given.

/// A rate and a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    interval_us: u64,
    burst_us: u64,
}

impl Rate {
    /// `count` per `period_ms`, and up to `burst` at once. Zeros count as ones.
    pub fn new(count: u32, period_ms: u64, burst: u32) -> Self {
        let period_us = period_ms.max(1).saturating_mul(1_000);
        let interval_us = (period_us / u64::from(count.max(1))).max(1);
        Self {
            interval_us,
            burst_us: interval_us.saturating_mul(u64::from(burst.max(1))),
        }
    }
}

/// A token bucket. A new one is full. It is only one number, because there may be one for each client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenBucket {
    full_at_us: u64,
}

impl TokenBucket {
    /// Takes a token. If there is none, the error is the time in milliseconds at which there will be one.
    pub fn take(&mut self, rate: Rate, now_ms: u64) -> Result<(), u64> {
        match self.ready_at_ms(rate, now_ms) {
            Some(ready_at_ms) => Err(ready_at_ms),
            None => {
                let now_us = now_ms.saturating_mul(1_000);
                self.full_at_us = self.full_at_us.max(now_us).saturating_add(rate.interval_us);
                Ok(())
            }
        }
    }

    /// Takes `count` tokens for events that have already happened. If there are too few, later takers wait longer.
    pub fn spend(&mut self, rate: Rate, count: u64, now_ms: u64) {
        let now_us = now_ms.saturating_mul(1_000);
        let spent_us = rate.interval_us.saturating_mul(count);
        self.full_at_us = self.full_at_us.max(now_us).saturating_add(spent_us);
    }

    /// Returns a token.
    pub fn give_back(&mut self, rate: Rate) {
        self.full_at_us = self.full_at_us.saturating_sub(rate.interval_us);
    }

    /// When there will be a token; `None` if there is one now.
    pub fn ready_at_ms(&self, rate: Rate, now_ms: u64) -> Option<u64> {
        let after_us = self.full_at_us.saturating_add(rate.interval_us);
        let ready_at_ms = after_us.saturating_sub(rate.burst_us).div_ceil(1_000);
        (ready_at_ms > now_ms).then_some(ready_at_ms)
    }

    /// Whether more tokens were spent than there were.
    pub fn is_in_debt(&self, rate: Rate, now_ms: u64) -> bool {
        self.full_at_us.saturating_sub(rate.burst_us) > now_ms.saturating_mul(1_000)
    }

    /// When the bucket will be full, if no more tokens are taken.
    pub fn full_at_ms(&self) -> u64 {
        self.full_at_us.div_ceil(1_000)
    }

    /// Whether the bucket is full, and so equals a new one.
    pub fn is_full(&self, now_ms: u64) -> bool {
        self.full_at_us <= now_ms.saturating_mul(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_and_then_rate() {
        let rate = Rate::new(10, 1_000, 3);
        let mut bucket = TokenBucket::default();
        let start = 5_000;
        for _ in 0..3 {
            assert_eq!(bucket.take(rate, start), Ok(()));
        }
        assert_eq!(bucket.take(rate, start), Err(start + 100));
        assert_eq!(bucket.take(rate, start + 99), Err(start + 100));
        assert_eq!(bucket.take(rate, start + 100), Ok(()));
        assert_eq!(bucket.take(rate, start + 100), Err(start + 200));
        assert!(!bucket.is_full(start + 399));
        assert!(bucket.is_full(start + 400));
    }

    #[test]
    fn burst_and_rate_are_never_exceeded() {
        let rate = Rate::new(7, 1_000, 20);
        let mut bucket = TokenBucket::default();
        let taken = (0..60_000).filter(|ms| bucket.take(rate, *ms).is_ok());
        let taken = taken.count();
        assert!((420 + 19..=420 + 20).contains(&taken), "{taken}");
    }

    #[test]
    fn returned_token_can_be_taken() {
        let rate = Rate::new(1, 60_000, 1);
        let mut bucket = TokenBucket::default();
        assert_eq!(bucket.take(rate, 0), Ok(()));
        bucket.give_back(rate);
        assert_eq!(bucket.take(rate, 0), Ok(()));
        assert_eq!(bucket.take(rate, 1), Err(60_000));
    }

    #[test]
    fn debt_delays_next_token() {
        let rate = Rate::new(10, 1_000, 3);
        let mut bucket = TokenBucket::default();
        bucket.spend(rate, 2, 5_000);
        assert_eq!(bucket.ready_at_ms(rate, 5_000), None);
        bucket.spend(rate, 5, 5_000);
        assert_eq!(bucket.ready_at_ms(rate, 5_000), Some(5_500));
        assert_eq!(bucket.ready_at_ms(rate, 5_500), None);
        assert_eq!(bucket.full_at_ms(), 5_700);
    }

    #[test]
    fn extreme_rates_and_clocks_are_harmless() {
        let rate = Rate::new(0, u64::MAX, 0);
        let mut bucket = TokenBucket::default();
        assert_eq!(bucket.take(rate, u64::MAX), Ok(()));
        let rate = Rate::new(u32::MAX, 1, u32::MAX);
        let mut bucket = TokenBucket::default();
        assert_eq!(bucket.take(rate, 0), Ok(()));
    }
}
