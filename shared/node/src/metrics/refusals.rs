//! Counts of refusals by kind. Children count them, the parent adds them up, and the status shows them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A bound for the kinds that a child may report.
const MAX_KINDS: usize = 64;
/// Longest name of a kind, in bytes.
const MAX_NAME_BYTES: usize = 40;

/// The counts by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, u64>", into = "BTreeMap<String, u64>")]
pub struct Refusals {
    counts: BTreeMap<String, u64>,
    total: u64,
}

impl From<BTreeMap<String, u64>> for Refusals {
    fn from(counts: BTreeMap<String, u64>) -> Self {
        let mut refusals = Self::default();
        for (kind, count) in counts {
            refusals.add_to(&kind, count);
        }
        refusals
    }
}

impl From<Refusals> for BTreeMap<String, u64> {
    fn from(refusals: Refusals) -> Self {
        refusals.counts
    }
}

impl Refusals {
    /// Adds one to a kind.
    pub fn count(&mut self, kind: &str) {
        self.add_to(kind, 1);
    }

    fn add_to(&mut self, kind: &str, more: u64) {
        if let Some(count) = self.counts.get_mut(kind) {
            *count = count.saturating_add(more);
        } else if self.counts.len() < MAX_KINDS && is_name(kind) {
            self.counts.insert(kind.to_owned(), more);
        } else {
            return;
        }
        self.total = self.total.saturating_add(more);
    }

    /// Adds the counts of `others`.
    pub fn add(&mut self, others: &Self) {
        for (kind, count) in &others.counts {
            self.add_to(kind, *count);
        }
    }

    /// Whether nothing was refused.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The sum of all kinds.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Kinds and counts, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts
            .iter()
            .map(|(kind, count)| (kind.as_str(), *count))
    }

    /// Renders the counts as lines of `kind=count`.
    pub fn render(&self) -> String {
        self.iter()
            .map(|(kind, n)| format!("{kind}={n}\n"))
            .collect()
    }

    /// Parses the output of [`Self::render`]. Other lines are ignored.
    pub fn parse(text: &str) -> Self {
        let mut refusals = Self::default();
        for line in text.lines() {
            if let Some((kind, count)) = line.split_once('=')
                && let Ok(count) = count.parse()
            {
                refusals.add_to(kind, count);
            }
        }
        refusals
    }
}

fn is_name(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_round_trip_and_add_up() {
        let mut refusals = Refusals::default();
        refusals.count("login-failed");
        refusals.count("login-failed");
        refusals.count("quota");
        let text = refusals.render();
        assert_eq!(text, "login-failed=2\nquota=1\n");
        let mut sum = Refusals::parse(&text);
        assert_eq!(sum, refusals);
        sum.add(&refusals);
        assert_eq!(sum.render(), "login-failed=4\nquota=2\n");
    }

    #[test]
    fn bad_report_adds_few_names() {
        let mut text = "A=1\n=2\nx=y\nx\npid=1=2\nlong".to_owned() + &"g".repeat(40) + "=1\n";
        assert!(Refusals::parse(&text).is_empty());
        for number in 0..1_000 {
            text += &format!("k{number}=18446744073709551615\n");
        }
        let mut refusals = Refusals::parse(&text);
        assert_eq!(refusals.iter().count(), MAX_KINDS);
        refusals.count("k0");
        assert_eq!(refusals.iter().next(), Some(("k0", u64::MAX)));
    }
}
