//! How long commits take. A request that changes something waits for one of them, or for two.

use std::fmt;
use std::time::{Duration, Instant};

use chat_node::metrics::histogram::Histogram;

/// A commit that takes longer is told of in the log.
const SLOW: Duration = Duration::from_secs(1);
/// The least time between two such lines.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

const BEGIN: &str = "journal: ";
const COMMITS: &str = " commits; half within ";
const MEDIAN_END: &str = " us, 99 % within ";
const P99_END: &str = " us, the longest ";
const END: &str = " us";

/// The times of all commits since the process began.
#[derive(Debug, Default)]
pub(super) struct CommitTimes {
    times: Histogram,
    warned_at: Option<Instant>,
}

impl CommitTimes {
    /// Counts a commit that began then, and warns of a slow one.
    pub(super) fn add(&mut self, took: Duration, began_at: Instant) {
        self.times.add(took);
        if took >= SLOW && self.may_warn(began_at) {
            log::warn!(
                "a commit took {:.1} s, and everybody who asked for a change waited for it (is the disk slow, or busy \
                 with something else?)",
                took.as_secs_f64()
            );
        }
    }

    fn may_warn(&mut self, now: Instant) -> bool {
        let is_early = |warned_at: Instant| now.duration_since(warned_at) < BETWEEN_WARNINGS;
        if self.warned_at.is_some_and(is_early) {
            return false;
        }
        self.warned_at = Some(now);
        true
    }

    /// What there is to tell of them; nothing if there were none.
    pub(super) fn summary(&self) -> Option<CommitSummary> {
        let us = |took: Duration| took.as_micros() as u64;
        (self.times.total() > 0).then(|| CommitSummary {
            commits: self.times.total(),
            median_us: us(self.times.percentile(50.0)),
            p99_us: us(self.times.percentile(99.0)),
            longest_us: us(self.times.longest()),
        })
    }
}

/// What the log says of a process's commits when it ends in good order: from the first byte written to all of them on
/// disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitSummary {
    /// How many there were.
    pub commits: u64,
    /// What half of them did not exceed, in microseconds, to about 2 %.
    pub median_us: u64,
    /// What 99 of 100 did not exceed, in microseconds, to about 2 %.
    pub p99_us: u64,
    /// The longest, in microseconds.
    pub longest_us: u64,
}

impl fmt::Display for CommitSummary {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            commits,
            median_us,
            p99_us,
            longest_us,
        } = self;
        write!(
            to,
            "{BEGIN}{commits}{COMMITS}{median_us}{MEDIAN_END}{p99_us}{P99_END}{longest_us}{END}"
        )
    }
}

impl CommitSummary {
    /// The last one in a log.
    pub fn last_in(log: &str) -> Option<Self> {
        log.lines().rev().find_map(Self::in_line)
    }

    fn in_line(line: &str) -> Option<Self> {
        let (_, said) = line.split_once(BEGIN)?;
        let (commits, said) = said.split_once(COMMITS)?;
        let (median, said) = said.split_once(MEDIAN_END)?;
        let (p99, said) = said.split_once(P99_END)?;
        Some(Self {
            commits: commits.parse().ok()?,
            median_us: median.parse().ok()?,
            p99_us: p99.parse().ok()?,
            longest_us: said.strip_suffix(END)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_is_found_in_its_log() {
        let now = Instant::now();
        let mut times = CommitTimes::default();
        assert_eq!(times.summary(), None);
        for us in 1..=100 {
            times.add(Duration::from_micros(us), now);
        }
        let summary = times.summary().unwrap();
        assert_eq!((summary.commits, summary.longest_us), (100, 100));
        assert!((49..=51).contains(&summary.median_us), "{summary}");
        let log = format!("INFO {summary}\nINFO stopped\n");
        assert_eq!(CommitSummary::last_in(&log), Some(summary));
        assert_eq!(CommitSummary::last_in("INFO journal: fine\n"), None);
    }

    #[test]
    fn slow_commits_are_warned_of_once_minute() {
        let now = Instant::now();
        let mut times = CommitTimes::default();
        let said = [0, 59, 60, 61].map(|s| times.may_warn(now + Duration::from_secs(s)));
        assert_eq!(said, [true, false, true, false]);
    }
}
