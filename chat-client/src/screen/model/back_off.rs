//! Pauses between tries to connect, which grow.

use std::time::Duration;

const FIRST_MS: u64 = 500;
const LONGEST_MS: u64 = 30_000;

/// The next pause.
pub(crate) struct BackOff {
    pause_ms: u64,
    random: u64,
}

impl BackOff {
    /// Begins with the shortest pause. Clients with other seeds do not all come back at the same moment.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            pause_ms: FIRST_MS,
            random: seed | 1,
        }
    }

    /// A pause between half of the longest one for this try and all of it.
    pub(crate) fn next_pause(&mut self) -> Duration {
        // Marsaglia's xorshift: no secret, only a spread.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let half = self.pause_ms / 2;
        let pause_ms = half + self.random % (half + 1);
        self.pause_ms = (self.pause_ms * 2).min(LONGEST_MS);
        Duration::from_millis(pause_ms)
    }

    /// The connection is good: the next pause is the shortest again.
    pub(crate) fn restart(&mut self) {
        self.pause_ms = FIRST_MS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_within_bounds() {
        let mut back_off = BackOff::new(7);
        let mut longest_ms = FIRST_MS;
        for _ in 0..20 {
            let pause_ms = u64::try_from(back_off.next_pause().as_millis()).expect("small");
            assert!((longest_ms / 2..=longest_ms).contains(&pause_ms));
            longest_ms = (longest_ms * 2).min(LONGEST_MS);
        }
        back_off.restart();
        assert!(back_off.next_pause() <= Duration::from_millis(FIRST_MS));
    }

    #[test]
    fn clients_spread() {
        let first = |seed| BackOff::new(seed).next_pause();
        let pauses: std::collections::BTreeSet<_> =
            (1..100).map(|seed| first(seed * 977)).collect();
        assert!(pauses.len() > 50, "{}", pauses.len());
    }
}
