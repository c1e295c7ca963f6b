//! Random numbers that a seed brings back.

use std::time::Duration;

/// SplitMix64: small, fast, and good enough to choose what is done next.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number, any of 64 bits.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// A place in a list of so many, which must not be empty.
    pub fn index(&mut self, length: usize) -> usize {
        // What is below a usize fits into one.
        self.below(length as u64) as usize
    }

    /// From 0 up to, not including, 1.
    pub fn fraction(&mut self) -> f64 {
        // 53 bits are what a f64 holds exactly.
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A wait between events that come at random, so many apart in the mean; at most ten times that.
    pub fn interval(&mut self, mean: Duration) -> Duration {
        mean.mul_f64((-(1.0 - self.fraction()).ln()).min(10.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_brings_its_sequence_back() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [random.number(), random.number(), random.number()]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn intervals_have_their_mean() {
        let mut random = Random::new(7);
        let mean = Duration::from_millis(100);
        let sum: Duration = (0..20_000).map(|_| random.interval(mean)).sum();
        let measured = sum.as_secs_f64() / 20_000.0;
        assert!((0.095..0.105).contains(&measured), "{measured}");
    }
}
