//! Whether memory and disk grow with the messages that were sent. Pure.

use std::time::Duration;

use crate::footprint::{Footprint, Role};

/// What a process may have more in the last tenth of the messages than in the first. Ten million messages that left a
/// few bytes each would be more.
const RESIDENT_SLACK_BYTES: u64 = 16 * 1024 * 1024;
/// What the state directory may have more in the last tenth than in the first: the journal grows by 16 MiB and more
/// between two checkpoints.
const DISK_SLACK_BYTES: u64 = 64 * 1024 * 1024;
/// What the state directory may have more once everything is read than before the first message: the journal since the
/// last checkpoint, and its log.
const SETTLED_BYTES: u64 = 64 * 1024 * 1024;

/// One look at the server.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the first message.
    pub at: Duration,
    /// Messages that were read by then.
    pub received: u64,
    /// What the server took.
    pub footprint: Footprint,
}

/// The samples of a run.
#[derive(Clone, Debug)]
pub struct Growth {
    messages: u64,
    samples: Vec<Sample>,
}

impl Growth {
    /// For a run of so many messages.
    pub fn new(messages: u64) -> Self {
        Self {
            messages,
            samples: Vec::new(),
        }
    }

    /// Adds the next sample.
    pub fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// All of them, in order.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Whether the disk has shrunk back to about what the first sample has, from before the first message.
    pub fn is_settled(&self, last: &Footprint) -> bool {
        let empty = self
            .samples
            .first()
            .map_or(0, |sample| sample.footprint.state_dir_bytes);
        last.state_dir_bytes <= empty + SETTLED_BYTES
    }

    /// The most of something while the messages of a tenth, counted from 0, were read.
    pub fn most_in_tenth(&self, tenth: u64, what: impl Fn(&Footprint) -> u64) -> u64 {
        let of_tenth = self
            .samples
            .iter()
            .filter(|sample| (sample.received * 10 / self.messages.max(1)).min(9) == tenth);
        of_tenth
            .map(|sample| what(&sample.footprint))
            .max()
            .unwrap_or(0)
    }

    /// The most of something at any time.
    pub fn most(&self, what: impl Fn(&Footprint) -> u64) -> u64 {
        let all = self.samples.iter().map(|sample| what(&sample.footprint));
        all.max().unwrap_or(0)
    }

    /// Messages a second that were read while a tenth of them was, by the samples.
    pub fn rate_in_tenth(&self, tenth: u64) -> f64 {
        let at_least = |received: u64| {
            let found = self
                .samples
                .iter()
                .find(|sample| sample.received >= received);
            found.or(self.samples.last())
        };
        let (begin, end) = (self.messages * tenth / 10, self.messages * (tenth + 1) / 10);
        let (Some(begin), Some(end)) = (at_least(begin), at_least(end)) else {
            return 0.0;
        };
        let took = end.at.saturating_sub(begin.at).as_secs_f64();
        (end.received - begin.received) as f64 / took.max(1e-6)
    }

    /// What grew that should not, in words, and whether the disk has shrunk back in the end.
    pub fn failures(&self, last: &Footprint) -> Vec<String> {
        let mut failures = Vec::new();
        for role in Role::ALL {
            let of_role = |footprint: &Footprint| footprint.resident(role);
            let what = format!("the memory of the {} process", role.word());
            failures.extend(self.grown(&what, of_role, RESIDENT_SLACK_BYTES));
        }
        let disk = |footprint: &Footprint| footprint.state_dir_bytes;
        failures.extend(self.grown("the state directory", disk, DISK_SLACK_BYTES));
        if !self.is_settled(last) {
            failures.push(format!(
                "the state directory has {} bytes though everything is read: over {SETTLED_BYTES} more than at first",
                last.state_dir_bytes
            ));
        }
        failures
    }

    fn grown(
        &self,
        what: &str,
        of: impl Fn(&Footprint) -> u64 + Copy,
        slack: u64,
    ) -> Option<String> {
        let (first, last) = (self.most_in_tenth(0, of), self.most_in_tenth(9, of));
        if first == 0 || last == 0 {
            return Some(format!("{what} is not known"));
        }
        (last > first + slack).then(|| {
            format!("{what} grew from {first} to {last} bytes between the first tenth of the messages and the last")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn footprint(resident_mib: u64, disk_mib: u64) -> Footprint {
        Footprint {
            resident_bytes: [resident_mib * MIB; Role::ALL.len()],
            state_dir_bytes: disk_mib * MIB,
        }
    }

    fn growth(footprint_at: impl Fn(u64) -> Footprint) -> Growth {
        let mut growth = Growth::new(1_000);
        for second in 0..=20 {
            growth.add(Sample {
                at: Duration::from_secs(second),
                received: second * 50,
                footprint: footprint_at(second),
            });
        }
        growth
    }

    #[test]
    fn oscillation_is_no_growth() {
        let growth = growth(|second| footprint(30 + second % 3, 20 + 10 * (second % 2)));
        assert_eq!(growth.failures(&footprint(30, 20)), Vec::<String>::new());
        assert_eq!(growth.rate_in_tenth(3).round(), 50.0);
        assert_eq!(growth.most(|footprint| footprint.state_dir_bytes), 30 * MIB);
    }

    #[test]
    fn what_grows_with_messages_is_found() {
        let memory = growth(|second| footprint(30 + second, 20));
        assert_eq!(memory.failures(&footprint(50, 20)).len(), Role::ALL.len());
        let disk = growth(|second| footprint(30, 20 + 5 * second));
        assert_eq!(disk.failures(&footprint(30, 20)).len(), 1);
        assert_eq!(disk.failures(&footprint(30, 120)).len(), 2);
    }

    #[test]
    fn process_that_was_never_seen_is_failure() {
        let unseen = growth(|_| footprint(0, 20));
        assert_eq!(unseen.failures(&footprint(0, 20)).len(), Role::ALL.len());
    }
}
