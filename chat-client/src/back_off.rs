//! How long to wait before the next attempt.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Growing pauses, each with a random part: many clients of one server shall not come back at once.
#[derive(Clone, Debug)]
pub(crate) struct BackOff {
    first: Duration,
    longest: Duration,
    /// The next pause, without its random part.
    pause: Duration,
    spread: RangeInclusive<f64>,
}

impl BackOff {
    /// Doubles from the first pause to the longest. A pause is multiplied by a number within the spread.
    pub(crate) fn new(first: Duration, longest: Duration, spread: RangeInclusive<f64>) -> Self {
        let first = first.min(longest);
        Self {
            first,
            longest,
            pause: first,
            spread,
        }
    }

    /// The next pause. `share` is from 0 to 1, and chooses within the spread.
    pub(crate) fn next(&mut self, share: f64) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(self.longest);
        let (least, most) = (self.spread.start(), self.spread.end());
        pause.mul_f64(least + share * (most - least))
    }

    /// The attempt was good: the next pause is the first one again.
    pub(crate) fn restart(&mut self) {
        self.pause = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back_off(first_ms: u64, longest_ms: u64, spread: RangeInclusive<f64>) -> BackOff {
        let duration = Duration::from_millis;
        BackOff::new(duration(first_ms), duration(longest_ms), spread)
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let mut back_off = back_off(200, 1_000, 0.75..=1.25);
        let pauses: Vec<_> = (0..5).map(|_| back_off.next(0.5).as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1000, 1000]);
        assert_eq!(back_off.next(0.0).as_millis(), 750);
    }

    #[test]
    fn pauses_grow_within_bounds() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut back_off = back_off(500, 30_000, 0.5..=1.0);
        let mut longest_ms = 500;
        for _ in 0..20 {
            let pause = back_off.next(random.f64());
            let pause_ms = u64::try_from(pause.as_millis()).expect("small");
            assert!((longest_ms / 2..=longest_ms).contains(&pause_ms));
            longest_ms = (longest_ms * 2).min(30_000);
        }
        back_off.restart();
        assert!(back_off.next(random.f64()) <= Duration::from_millis(500));
    }

    #[test]
    fn clients_spread() {
        let first = |seed| {
            let share = fastrand::Rng::with_seed(seed).f64();
            back_off(500, 30_000, 0.5..=1.0).next(share).as_millis()
        };
        let pauses: std::collections::BTreeSet<_> =
            (1..100).map(|seed| first(seed * 977)).collect();
        assert!(pauses.len() > 50, "{}", pauses.len());
    }
}
