//! How much work one password hash is.

use argon2::Params;
use chat_settings::state::{MAX_ARGON2_ITERATIONS, MAX_ARGON2_LANES, MAX_ARGON2_MEMORY_KIB};
use thiserror::Error;

/// Most memory that one hash may fill, all passes together, in KiB: 4 GiB, some four seconds.
pub const MAX_FILLED_KIB: u64 = 4 * 1024 * 1024;

/// The cost of an argon2id hash, within what this server is willing to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashingCost {
    memory_kib: u32,
    iterations: u32,
    lanes: u32,
}

/// Why a cost is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HashingCostError {
    /// Outside what argon2 can do with so many lanes, or above [`MAX_ARGON2_MEMORY_KIB`].
    #[error(
        "memory of {memory_kib} KiB: must be {least} to {MAX_ARGON2_MEMORY_KIB} with {lanes} lanes"
    )]
    Memory {
        /// What was asked.
        memory_kib: u32,
        /// The lanes it was asked with.
        lanes: u32,
        /// The least that so many lanes need, in KiB.
        least: u32,
    },
    /// None, or above [`MAX_ARGON2_ITERATIONS`].
    #[error("{0} iterations: must be 1 to {MAX_ARGON2_ITERATIONS}")]
    Iterations(u32),
    /// None, or above [`MAX_ARGON2_LANES`].
    #[error("{0} lanes: must be 1 to {MAX_ARGON2_LANES}")]
    Lanes(u32),
    /// Each is allowed, together they take too long.
    #[error("memory times iterations is {0} KiB: must be {MAX_FILLED_KIB} or less")]
    Filled(u64),
}

impl HashingCost {
    /// A cost with `memory_kib` KiB, gone over `iterations` times, in `lanes` lanes.
    pub fn new(memory_kib: u32, iterations: u32, lanes: u32) -> Result<Self, HashingCostError> {
        if !(1..=MAX_ARGON2_LANES).contains(&lanes) {
            return Err(HashingCostError::Lanes(lanes));
        }
        let least = Params::MIN_M_COST * lanes;
        if !(least..=MAX_ARGON2_MEMORY_KIB).contains(&memory_kib) {
            return Err(HashingCostError::Memory {
                memory_kib,
                lanes,
                least,
            });
        }
        if !(1..=MAX_ARGON2_ITERATIONS).contains(&iterations) {
            return Err(HashingCostError::Iterations(iterations));
        }
        let cost = Self {
            memory_kib,
            iterations,
            lanes,
        };
        if cost.filled_kib() > MAX_FILLED_KIB {
            return Err(HashingCostError::Filled(cost.filled_kib()));
        }
        Ok(cost)
    }

    /// Memory that one hash takes, in KiB.
    pub fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// What one hash fills, all passes together, in KiB: the measure by which costs are compared, since
    /// memory and iterations can be traded for each other.
    pub fn filled_kib(self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.iterations)
    }

    pub(super) fn params(self, output_bytes: usize) -> Result<Params, argon2::Error> {
        Params::new(
            self.memory_kib,
            self.iterations,
            self.lanes,
            Some(output_bytes),
        )
    }
}

impl Default for HashingCost {
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            iterations: 2,
            lanes: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_that_would_hurt_are_refused() {
        let default = HashingCost::default();
        assert_eq!(HashingCost::new(19 * 1024, 2, 1), Ok(default));
        assert!(HashingCost::new(MAX_ARGON2_MEMORY_KIB, 4, MAX_ARGON2_LANES).is_ok());
        assert!(HashingCost::new(8, MAX_ARGON2_ITERATIONS, 1).is_ok());
        for (memory_kib, iterations, lanes) in [
            (MAX_ARGON2_MEMORY_KIB + 1, 1, 1),
            (7, 1, 1),
            (15, 1, 2),
            (8, 0, 1),
            (8, MAX_ARGON2_ITERATIONS + 1, 1),
            (8, 1, 0),
            (1024, 1, MAX_ARGON2_LANES + 1),
            (u32::MAX, u32::MAX, u32::MAX),
            (MAX_ARGON2_MEMORY_KIB, 5, 1),
        ] {
            assert!(HashingCost::new(memory_kib, iterations, lanes).is_err());
        }
    }
}
