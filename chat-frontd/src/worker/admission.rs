//! How fast untrusted clients' connections are taken, so that those who are served already notice little of many who
//! come.
//!
//! Where a connection comes from is known only once it is taken: while untrusted clients come too fast, the kernel
//! keeps all that come at that listener, and those of trusted sources wait with them.

use chat_node::limits::token_bucket::{Rate, TokenBucket};

/// Most that are taken from a listener in a turn; then the clients have theirs.
const MOST_IN_A_TURN: usize = 8;
/// Who is not served counts as so many in a turn. What is done for those who are is cheaper together; for the others,
/// what the state daemon has answered meanwhile would only wait longer.
const UNSERVED_AS: usize = 4;
/// So many that are refused as soon as they come cost as much time as one that is served.
const REFUSED_AS_ONE: u32 = 4;

/// Why no more is taken from a listener now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until the next turn.
    Turn,
    /// Until then.
    UntilMs(u64),
}

/// The pace of each listener: who floods one does not close another.
#[derive(Debug)]
pub(super) struct Admission {
    rate: Rate,
    listeners: Vec<TokenBucket>,
    refused: u32,
}

impl Admission {
    pub(super) fn new(connections_per_second: u32, burst: u32, listeners: usize) -> Self {
        Self {
            rate: Rate::new(connections_per_second, 1_000, burst),
            listeners: vec![TokenBucket::default(); listeners],
            refused: 0,
        }
    }

    /// Changes the pace.
    pub(super) fn change_rate(&mut self, connections_per_second: u32, burst: u32) {
        self.rate = Rate::new(connections_per_second, 1_000, burst);
    }

    /// What a connection counts in a turn. Not served are those that were broken off or refused before anything else.
    pub(super) fn weight(is_served: bool) -> usize {
        if is_served { 1 } else { UNSERVED_AS }
    }

    /// Whether another may be taken from a listener, of which so many were in this turn, by their weights.
    pub(super) fn may_take(&self, listener: usize, taken: usize, now_ms: u64) -> Result<(), Wait> {
        if let Some(at_ms) = self.listeners[listener].ready_at_ms(self.rate, now_ms) {
            return Err(Wait::UntilMs(at_ms));
        }
        if taken >= MOST_IN_A_TURN {
            return Err(Wait::Turn);
        }
        Ok(())
    }

    /// An untrusted client's connection came by a listener.
    pub(super) fn took_untrusted(&mut self, listener: usize, now_ms: u64) {
        self.listeners[listener].spend(self.rate, 1, now_ms);
    }

    /// An untrusted client's connection that came by a listener was refused at once.
    pub(super) fn refused_untrusted(&mut self, listener: usize, now_ms: u64) {
        self.refused = (self.refused + 1) % REFUSED_AS_ONE;
        if self.refused == 0 {
            self.took_untrusted(listener, now_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_connections_have_burst_and_rate() {
        let mut admission = Admission::new(100, 20, 2);
        assert_eq!(admission.may_take(0, 0, 0), Ok(()));
        assert_eq!(admission.may_take(0, MOST_IN_A_TURN, 0), Err(Wait::Turn));
        for _ in 0..20 {
            assert_eq!(admission.may_take(0, 0, 0), Ok(()));
            admission.took_untrusted(0, 0);
        }
        assert_eq!(admission.may_take(0, 0, 0), Err(Wait::UntilMs(10)));
        assert_eq!(admission.may_take(1, 0, 0), Ok(()));
        assert_eq!(admission.may_take(0, 0, 10), Ok(()));
    }

    #[test]
    fn turn_accepts_eight_or_two() {
        let admission = Admission::new(100, 20, 1);
        for (is_served, expected) in [(true, 8), (false, 2)] {
            let mut taken = 0;
            let mut count = 0;
            while admission.may_take(0, taken, 0).is_ok() {
                taken += Admission::weight(is_served);
                count += 1;
            }
            assert_eq!(count, expected);
        }
    }

    #[test]
    fn refused_connections_cost_little() {
        let mut admission = Admission::new(100, 5, 1);
        for _ in 0..5 * REFUSED_AS_ONE {
            assert_eq!(admission.may_take(0, 0, 0), Ok(()));
            admission.refused_untrusted(0, 0);
        }
        assert_eq!(admission.may_take(0, 0, 0), Err(Wait::UntilMs(10)));
    }

    #[test]
    fn trusted_sources_have_no_rate() {
        let admission = Admission::new(1, 1, 1);
        for turn in 0..100_000 {
            assert_eq!(admission.may_take(0, turn % MOST_IN_A_TURN, 0), Ok(()));
        }
    }
}
