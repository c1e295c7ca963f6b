//! Wrong passwords and the blocks that follow from them, per account and address.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::ops::Bound;

use super::clock::StateMs;
use chat_model::AccountId;

/// The wrong password that starts a block.
const TRIES: usize = 3;

/// Who tried, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Source {
    pub(crate) account: AccountId,
    pub(crate) address: IpAddr,
}

/// What one source did of late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FailureRecord {
    /// Times of wrong passwords, oldest first, fewer than [`TRIES`].
    Failed(Vec<StateMs>),
    /// No password counts before this.
    BlockedUntil(StateMs),
}

/// What came of a wrong password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// More tries are left.
    Counted,
    /// This was the last try.
    Began {
        /// Rounded up, at least 1.
        seconds_left: u64,
    },
    /// A block holds already: the password does not count.
    Blocked {
        /// Rounded up, at least 1.
        seconds_left: u64,
    },
}

/// All that is remembered of wrong passwords. Bounded by what can be tried within a block's time: what is
/// older is forgotten whenever a new one comes in.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    records: HashMap<Source, FailureRecord>,
    /// When each record means nothing any more.
    expiries: BTreeSet<(StateMs, Source)>,
    expiry_of: HashMap<Source, StateMs>,
}

impl Failures {
    /// Seconds of the block that holds for this source, rounded up.
    pub(super) fn block_seconds_left(&self, source: &Source, now: StateMs) -> Option<u64> {
        match self.records.get(source) {
            Some(FailureRecord::BlockedUntil(until)) if *until > now => {
                Some(until.since(now).div_ceil(1_000))
            }
            _ => None,
        }
    }

    /// Takes in a wrong password.
    pub(super) fn record(&mut self, source: Source, now: StateMs, block_time_ms: u64) -> Failure {
        self.forget_expired(now);
        if let Some(seconds_left) = self.block_seconds_left(&source, now) {
            return Failure::Blocked { seconds_left };
        }
        let mut times = match self.records.remove(&source) {
            Some(FailureRecord::Failed(times)) => times,
            _ => Vec::with_capacity(TRIES),
        };
        times.retain(|time| now.since(*time) < block_time_ms);
        times.push(now);
        let expiry = now.plus(block_time_ms);
        if times.len() < TRIES {
            self.set(source, FailureRecord::Failed(times), expiry);
            return Failure::Counted;
        }
        self.set(source, FailureRecord::BlockedUntil(expiry), expiry);
        Failure::Began {
            seconds_left: block_time_ms.div_ceil(1_000).max(1),
        }
    }

    /// A right password clears what came before it.
    pub(super) fn clear(&mut self, source: &Source) {
        if self.records.remove(source).is_some()
            && let Some(expiry) = self.expiry_of.remove(source)
        {
            self.expiries.remove(&(expiry, *source));
        }
    }

    /// Ends the blocks of an account, of an address, or of both. Says how many held.
    pub(super) fn lift(
        &mut self,
        account: Option<AccountId>,
        address: Option<IpAddr>,
        now: StateMs,
    ) -> u64 {
        self.forget_expired(now);
        let is_meant = |source: &Source, record: &FailureRecord| {
            matches!(record, FailureRecord::BlockedUntil(_))
                && account.is_none_or(|account| account == source.account)
                && address.is_none_or(|address| address == source.address)
        };
        let meant = self.records.iter();
        let meant = meant.filter(|(source, record)| is_meant(source, record));
        let meant: Vec<Source> = meant.map(|(source, _)| *source).collect();
        for source in &meant {
            self.clear(source);
        }
        meant.len() as u64
    }

    fn set(&mut self, source: Source, record: FailureRecord, expiry: StateMs) {
        if let Some(old) = self.expiry_of.insert(source, expiry) {
            self.expiries.remove(&(old, source));
        }
        self.expiries.insert((expiry, source));
        self.records.insert(source, record);
    }

    fn forget_expired(&mut self, now: StateMs) {
        while let Some((expiry, source)) = self.expiries.first().copied()
            && expiry <= now
        {
            self.clear(&source);
        }
    }

    /// Whom something is remembered of, by the time it means nothing any more.
    pub(super) fn expiries_after(
        &self,
        after: Bound<(StateMs, Source)>,
    ) -> impl Iterator<Item = &(StateMs, Source)> {
        self.expiries.range((after, Bound::Unbounded))
    }

    /// All that is remembered, by the time it means nothing any more.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = KeptFailure> {
        self.expiries.iter().map(|(expiry, source)| KeptFailure {
            source: *source,
            record: self.records[source].clone(),
            expiry: *expiry,
        })
    }

    /// What [`Failures::iter`] gave.
    pub(super) fn restore(kept: impl IntoIterator<Item = KeptFailure>) -> Self {
        let mut failures = Self::default();
        for kept in kept {
            failures.set(kept.source, kept.record, kept.expiry);
        }
        failures
    }
}

/// What is remembered of one source.
#[derive(Clone, Debug)]
pub(crate) struct KeptFailure {
    pub(crate) source: Source,
    pub(crate) record: FailureRecord,
    /// When it means nothing any more.
    pub(crate) expiry: StateMs,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(host: u8) -> Source {
        Source {
            account: AccountId(7),
            address: IpAddr::from([10, 0, 0, host]),
        }
    }

    #[test]
    fn third_failure_blocks_for_block_time() {
        let mut failures = Failures::default();
        assert_eq!(
            failures.record(source(1), StateMs(0), 4_000),
            Failure::Counted
        );
        assert_eq!(
            failures.record(source(1), StateMs(10), 4_000),
            Failure::Counted
        );
        assert_eq!(
            failures.record(source(2), StateMs(15), 4_000),
            Failure::Counted
        );
        let blocked = Failure::Began { seconds_left: 4 };
        assert_eq!(failures.record(source(1), StateMs(20), 4_000), blocked);
        assert_eq!(
            failures.block_seconds_left(&source(1), StateMs(20)),
            Some(4)
        );
        assert_eq!(
            failures.block_seconds_left(&source(1), StateMs(4_019)),
            Some(1)
        );
        assert_eq!(
            failures.block_seconds_left(&source(1), StateMs(4_020)),
            None
        );
        assert_eq!(failures.block_seconds_left(&source(2), StateMs(20)), None);
    }

    #[test]
    fn tries_during_block_do_not_prolong_it() {
        let mut failures = Failures::default();
        for time in 0..3 {
            failures.record(source(1), StateMs(time), 4_000);
        }
        let again = failures.record(source(1), StateMs(3_000), 4_000);
        assert_eq!(again, Failure::Blocked { seconds_left: 2 });
    }

    #[test]
    fn old_failures_and_ended_blocks_are_forgotten() {
        let mut failures = Failures::default();
        failures.record(source(1), StateMs(0), 4_000);
        failures.record(source(1), StateMs(3_000), 4_000);
        assert_eq!(
            failures.record(source(1), StateMs(4_000), 4_000),
            Failure::Counted
        );
        for time in 4_001..4_010 {
            failures.record(source(1), StateMs(time), 4_000);
        }
        assert_eq!(
            failures.record(source(1), StateMs(9_000), 4_000),
            Failure::Counted
        );
        failures.record(source(2), StateMs(20_000), 4_000);
        assert_eq!(failures.records.len(), 1);
        assert_eq!(failures.expiries.len(), 1);
        assert_eq!(failures.expiry_of.len(), 1);
    }

    #[test]
    fn right_password_clears() {
        let mut failures = Failures::default();
        failures.record(source(1), StateMs(0), 4_000);
        failures.record(source(1), StateMs(1), 4_000);
        failures.clear(&source(1));
        assert_eq!(
            failures.record(source(1), StateMs(2), 4_000),
            Failure::Counted
        );
    }
}
