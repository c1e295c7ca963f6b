//! Values of metrics, as processes report them.

use serde::{Deserialize, Serialize};

use crate::control::protocol::{Answer, MetricsAnswer};

use super::catalogue::Metric;
use super::fixed_histogram::FixedHistogram;

/// One value of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// As in the [catalogue](super::catalogue).
    pub metric: String,
    /// The values of the metric's labels, in their order. The label `worker` is left out: who asks knows it.
    pub labels: Vec<String>,
    /// Of a metric in seconds: in microseconds.
    pub value: Value,
}

/// What a sample says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Of a counter or a gauge.
    Number(u64),
    /// Of a histogram.
    Histogram {
        /// The sum of all values.
        sum: u64,
        /// How many values there were beyond the last bucket.
        beyond: u64,
        /// The largest value of each bucket, and how many values it has that the one before has not.
        buckets: Vec<(u64, u64)>,
    },
}

/// The values that a process reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples(Vec<Sample>);

impl Samples {
    /// Adds a value of a counter or a gauge. `labels` has a value for each label of the metric but
    /// `worker`.
    pub fn add(&mut self, metric: &Metric, labels: &[&str], value: u64) {
        self.push(metric, labels, Value::Number(value));
    }

    /// The same for what is counted as a size.
    pub fn add_size(&mut self, metric: &Metric, labels: &[&str], value: usize) {
        self.add(metric, labels, value as u64);
    }

    /// Adds the values of a histogram.
    pub fn add_histogram(&mut self, metric: &Metric, labels: &[&str], values: &FixedHistogram) {
        self.push(metric, labels, values.value());
    }

    fn push(&mut self, metric: &Metric, labels: &[&str], value: Value) {
        debug_assert_eq!(metric.own_labels().len(), labels.len(), "{}", metric.name);
        self.0.push(Sample {
            metric: metric.name.to_owned(),
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            value,
        });
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<Sample> {
        self.0
    }

    /// All of them, as a child's answer.
    pub fn into_answer(self) -> Answer {
        let samples = self.0;
        Answer::Metrics(MetricsAnswer { samples })
    }
}
