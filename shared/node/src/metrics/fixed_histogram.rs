//! Histograms with buckets that are fixed when the program is built: to add a value allocates nothing.

use super::samples::Value;

/// Most buckets of a histogram.
const MAX_BUCKETS: usize = 24;

/// How many values fell into each bucket.
#[derive(Clone, Debug)]
pub struct FixedHistogram {
    /// The largest value of each bucket, rising.
    bounds: &'static [u64],
    counts: [u64; MAX_BUCKETS],
    beyond: u64,
    sum: u64,
}

impl FixedHistogram {
    /// Without values. `bounds` are the largest values of the buckets: rising, and no more than 24.
    pub const fn new(bounds: &'static [u64]) -> Self {
        assert!(bounds.len() <= MAX_BUCKETS);
        Self {
            bounds,
            counts: [0; MAX_BUCKETS],
            beyond: 0,
            sum: 0,
        }
    }

    /// Adds a value.
    pub fn add(&mut self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        match bucket < self.bounds.len() {
            true => self.counts[bucket] += 1,
            false => self.beyond += 1,
        }
        self.sum = self.sum.saturating_add(value);
    }

    pub(super) fn value(&self) -> Value {
        Value::Histogram {
            sum: self.sum,
            beyond: self.beyond,
            buckets: self.bounds.iter().copied().zip(self.counts).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_has_its_bound() {
        let mut histogram = FixedHistogram::new(&[10, 20]);
        for value in [0, 10, 11, 20, 21, u64::MAX] {
            histogram.add(value);
        }
        let expected = Value::Histogram {
            sum: u64::MAX,
            beyond: 2,
            buckets: vec![(10, 2), (20, 2)],
        };
        assert_eq!(histogram.value(), expected);
    }
}
