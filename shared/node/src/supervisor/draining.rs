//! A drain: the daemon takes no new connections, and after a time disconnects the clients that are left. A child that
//! starts meanwhile is told too.

use jiff::{SignedDuration, Timestamp};

use super::child_configuration::Drain;
use super::{Now, Supervisor};
use crate::control::status_file::Draining;

/// The longest time until clients are disconnected: a day.
const MAX_WITHIN_S: u64 = 86_400;

/// A drain that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct BegunDrain {
    pub(super) status: Draining,
    /// On the clock of [`Now::clock_ms`].
    until_ms: Option<u64>,
}

impl BegunDrain {
    fn new(since: Timestamp, within_s: Option<u64>, now: Now) -> Self {
        let until = within_s.and_then(|within_s| {
            let within = SignedDuration::from_secs(i64::try_from(within_s).ok()?);
            now.wall.checked_add(within).ok()
        });
        Self {
            status: Draining { since, until },
            until_ms: within_s.map(|within_s| now.clock_ms + within_s * 1_000),
        }
    }

    /// For a child, at this time.
    pub(super) fn for_child(&self, now: Now) -> Drain {
        let until_ms = self.until_ms;
        Drain::Begin {
            within_ms: until_ms.map(|until_ms| until_ms.saturating_sub(now.clock_ms)),
        }
    }
}

impl Supervisor {
    /// Begins a drain, or changes how long clients may stay.
    pub(super) fn begin_drain(&mut self, within_s: Option<u64>, now: Now) -> Result<(), String> {
        self.check_can_drain()?;
        if within_s.is_some_and(|within_s| within_s > MAX_WITHIN_S) {
            return Err(format!("clients may stay for {MAX_WITHIN_S} s at most"));
        }
        let since = self.drain.map_or(now.wall, |drain| drain.status.since);
        let drain = BegunDrain::new(since, within_s, now);
        self.drain = Some(drain);
        // First, so that no child tries to accept from a socket that is shut.
        self.push_drain(drain.for_child(now));
        self.starter.listeners.shut();
        Ok(())
    }

    /// Takes connections again.
    pub(super) fn end_drain(&mut self) -> Result<(), String> {
        self.check_can_drain()?;
        self.starter.listeners.end_shut()?;
        self.drain = None;
        self.push_drain(Drain::End);
        Ok(())
    }

    fn check_can_drain(&self) -> Result<(), String> {
        match self.can_drain {
            true => Ok(()),
            false => Err("it has no clients to be drained of".to_owned()),
        }
    }

    fn push_drain(&mut self, drain: Drain) {
        for link in self.links.iter_mut().flatten() {
            link.push_drain(drain);
            link.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn child_that_starts_later_has_less_time() {
        let now = |clock_ms| Now {
            clock_ms,
            wall: Timestamp::from_second(7).unwrap(),
        };
        let drain = BegunDrain::new(now(0).wall, Some(60), now(1_000));
        assert_eq!(
            drain.status.until,
            Some(Timestamp::from_second(67).unwrap())
        );
        let within = |clock_ms| drain.for_child(now(clock_ms));
        let begin = |within_ms| Drain::Begin { within_ms };
        assert_eq!(within(31_000), begin(Some(30_000)));
        assert_eq!(within(99_000), begin(Some(0)));
        let drain = BegunDrain::new(now(0).wall, None, now(1_000));
        assert_eq!(drain.for_child(now(2_000)), begin(None));
    }
}
