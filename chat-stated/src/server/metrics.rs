//! What the loop measures of commits.

use std::time::Duration;

use chat_node::metrics::catalogue::{BATCH_ENTRIES, COMMIT_DURATION, JOURNAL_BYTES};
use chat_node::metrics::fixed_histogram::FixedHistogram;
use chat_node::metrics::samples::Samples;

/// In microseconds.
const DURATIONS: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];
const ENTRIES: &[u64] = &[
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192,
];

/// The commits since the process began.
#[derive(Debug)]
pub(super) struct Commits {
    durations: FixedHistogram,
    entries: FixedHistogram,
    bytes: u64,
}

impl Default for Commits {
    fn default() -> Self {
        Self {
            durations: FixedHistogram::new(DURATIONS),
            entries: FixedHistogram::new(ENTRIES),
            bytes: 0,
        }
    }
}

impl Commits {
    /// A batch of so many entries and bytes is durable.
    pub(super) fn add(&mut self, took: Duration, entries: usize, bytes: usize) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.durations.add(micros);
        self.entries.add(entries as u64);
        self.bytes += bytes as u64;
    }

    pub(super) fn add_to(&self, samples: &mut Samples) {
        samples.add_histogram(&COMMIT_DURATION, &[], &self.durations);
        samples.add_histogram(&BATCH_ENTRIES, &[], &self.entries);
        samples.add(&JOURNAL_BYTES, &[], self.bytes);
    }
}
