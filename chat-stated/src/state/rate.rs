//! How often somebody may do something.

use super::clock::StateMs;

const MS_PER_MINUTE: u64 = 60_000;

/// A token bucket: so many at once, refilled evenly over a minute. Counted in sixty-thousandths, so that
/// every millisecond refills a whole number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowance(pub(crate) Option<UsedAllowance>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsedAllowance {
    /// In sixty-thousandths.
    pub(crate) left: u64,
    pub(crate) at: StateMs,
}

impl Allowance {
    /// Whether one is left.
    pub(super) fn is_left(mut self, now: StateMs, per_minute: u32) -> bool {
        self.take(now, per_minute)
    }

    /// Takes one, if one is left.
    pub(super) fn take(&mut self, now: StateMs, per_minute: u32) -> bool {
        let full = u64::from(per_minute) * MS_PER_MINUTE;
        let left = self.0.map_or(full, |used| {
            let refilled = now.since(used.at).saturating_mul(u64::from(per_minute));
            used.left.saturating_add(refilled).min(full)
        });
        match left.checked_sub(MS_PER_MINUTE) {
            Some(left) => {
                self.0 = Some(UsedAllowance { left, at: now });
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_then_evenly() {
        let mut allowance = Allowance::default();
        for _ in 0..3 {
            assert!(allowance.take(StateMs(0), 3));
        }
        assert!(!allowance.take(StateMs(19_999), 3));
        assert!(allowance.take(StateMs(20_000), 3));
        assert!(!allowance.take(StateMs(20_000), 3));
        assert!(allowance.take(StateMs(10_000_000), 3));
        assert!(!Allowance::default().take(StateMs(0), 0));
    }
}
