//! Histograms of durations. Each class spans a 64th of its power of two.

use std::time::Duration;

const BITS: u32 = 6;
const STEPS: u64 = 1 << BITS;

/// Counts of durations in microseconds. Percentiles are accurate to about 2 %; the longest duration is exact.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Histogram {
    /// Adds a duration.
    pub fn add(&mut self, took: Duration) {
        let class = class_of(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if class >= self.counts.len() {
            self.counts.resize(class + 1, 0);
        }
        self.counts[class] += 1;
        self.total += 1;
        self.longest = self.longest.max(took);
    }

    /// Adds all durations of another histogram.
    pub fn merge(&mut self, other: &Self) {
        let classes = self.counts.len().max(other.counts.len());
        self.counts.resize(classes, 0);
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// Adds several durations.
    pub fn add_all(&mut self, took: &[Duration]) {
        for took in took {
            self.add(*took);
        }
    }

    /// The number of durations.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The longest duration.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// The duration that `percent` of all did not exceed; 0 if there are none.
    pub fn percentile(&self, percent: f64) -> Duration {
        let wanted = (self.total as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                return Duration::from_micros(end_of(class)).min(self.longest);
            }
        }
        Duration::ZERO
    }
}

fn class_of(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let shift = micros.ilog2() - BITS;
    let step = (micros >> shift) - STEPS;
    (u64::from(shift + 1) * STEPS + step) as usize
}

/// The largest value of a class, in microseconds.
fn end_of(class: usize) -> u64 {
    let class = class as u64;
    if class < STEPS {
        return class;
    }
    let (shift, step) = (class / STEPS - 1, class % STEPS);
    ((STEPS + step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_no_gaps() {
        for micros in (0..5_000).chain([1 << 20, (1 << 40) - 1]) {
            let class = class_of(micros);
            assert!(micros <= end_of(class), "{micros}");
            assert!(class == 0 || micros > end_of(class - 1), "{micros}");
        }
    }

    #[test]
    fn percentiles_are_close() {
        let mut histogram = Histogram::default();
        for micros in 1..=10_000 {
            histogram.add(Duration::from_micros(micros));
        }
        let median = histogram.percentile(50.0).as_micros();
        assert!((5_000..5_320).contains(&median), "{median}");
        assert_eq!(histogram.longest(), Duration::from_micros(10_000));
        assert_eq!(histogram.percentile(100.0), Duration::from_micros(10_000));
        let mut slow = Histogram::default();
        slow.add(Duration::from_secs(1));
        histogram.merge(&slow);
        assert_eq!(histogram.total(), 10_001);
        assert_eq!(histogram.percentile(100.0), Duration::from_secs(1));
    }
}
