//! Samples as the texts that Prometheus reads: OpenMetrics, and the older text format.

use std::collections::HashMap;
use std::fmt;

use chat_node::metrics::catalogue::{ALL, Kind, Metric};
use chat_node::metrics::samples::{Sample, Value};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

/// As OpenMetrics text.
pub(super) fn open_metrics(samples: Vec<Sample>) -> String {
    let mut written = String::new();
    // Writing to memory does not fail.
    let _ = text::encode(&mut written, &registry(samples));
    written
}

/// In Prometheus's text format 0.0.4.
pub(super) fn prometheus(samples: Vec<Sample>) -> String {
    let mut written = String::new();
    // Writing to memory does not fail.
    let _ = prometheus_text::encode(&mut written, &registry(samples));
    written
}

fn registry(samples: Vec<Sample>) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Gathered(samples)));
    registry
}

#[derive(Debug)]
struct Gathered(Vec<Sample>);

impl Collector for Gathered {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut by_name: HashMap<&str, Vec<&Sample>> = HashMap::new();
        for sample in &self.0 {
            by_name.entry(&sample.metric).or_default().push(sample);
        }
        for metric in ALL {
            let samples = by_name.get(metric.name).map_or(&[][..], Vec::as_slice);
            let fits = |sample: &&&Sample| is_of(metric, sample);
            let mut samples = samples.iter().filter(fits).peekable();
            if samples.peek().is_none() {
                continue;
            }
            // The encoder writes the ending of a counter itself.
            let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
            let kind = kind(metric.kind);
            let mut family = encoder.encode_descriptor(name, metric.help, None, kind)?;
            for sample in samples {
                let labels: Vec<(&str, &str)> = metric
                    .labels
                    .iter()
                    .copied()
                    .zip(sample.labels.iter().map(String::as_str))
                    .collect();
                match labels.is_empty() {
                    true => encode(metric, sample, &mut family)?,
                    false => encode(metric, sample, &mut family.encode_family(&labels)?)?,
                }
            }
        }
        Ok(())
    }
}

/// Whether a sample can be one of this metric: a daemon of another version may report something else.
fn is_of(metric: &Metric, sample: &Sample) -> bool {
    let is_histogram = matches!(sample.value, Value::Histogram { .. });
    sample.labels.len() == metric.labels.len() && is_histogram == (metric.kind == Kind::Histogram)
}

fn kind(kind: Kind) -> MetricType {
    match kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    }
}

fn encode(metric: &Metric, sample: &Sample, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
    let divisor = metric.divisor();
    let scaled = |value: u64| value as f64 / f64::from(divisor);
    match (&sample.value, metric.kind) {
        (Value::Number(value), Kind::Counter) => match divisor {
            1 => encoder.encode_counter(value, NO_EXEMPLAR),
            _ => encoder.encode_counter(&scaled(*value), NO_EXEMPLAR),
        },
        (Value::Number(value), _) => match divisor {
            1 => encoder.encode_gauge(value),
            _ => encoder.encode_gauge(&scaled(*value)),
        },
        (
            Value::Histogram {
                sum,
                beyond,
                buckets,
            },
            _,
        ) => {
            let mut bounds: Vec<(f64, u64)> = buckets
                .iter()
                .map(|(bound, count)| (scaled(*bound), *count))
                .collect();
            bounds.push((f64::MAX, *beyond));
            let count = bounds.iter().map(|(_, count)| count).sum();
            encoder.encode_histogram(scaled(*sum), count, &bounds, NO_EXEMPLARS)
        }
    }
}

type Labels = Vec<(&'static str, &'static str)>;
const NO_EXEMPLAR: Option<&Exemplar<Labels, f64>> = None;
const NO_EXEMPLARS: Option<&HashMap<usize, Exemplar<Labels, f64>>> = None;

#[cfg(test)]
mod tests {
    use chat_node::metrics::catalogue::{BUILD, COMMANDS, STORED};

    use super::*;

    fn sample(metric: &Metric, labels: &[&str], value: Value) -> Sample {
        Sample {
            metric: metric.name.to_owned(),
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            value,
        }
    }

    #[test]
    fn samples_are_grouped_by_metric() {
        let number = Value::Number;
        let samples = vec![
            sample(&COMMANDS, &["1", "send", "stored"], number(7)),
            sample(&STORED, &[], number(9)),
            sample(&COMMANDS, &["2", "fetch", "done"], number(1)),
            sample(&BUILD, &["a\"b\\c\nd", "1"], number(1)),
            sample(&COMMANDS, &["too few"], number(1)),
        ];
        let written = open_metrics(samples.clone());
        for line in [
            "chatserv_commands_total{worker=\"1\",command=\"send\",answer=\"stored\"} 7\n\
             chatserv_commands_total{worker=\"2\",command=\"fetch\",answer=\"done\"} 1\n",
            "# TYPE chatserv_commands counter\n",
            "chatserv_messages_stored_total 9\n",
            "chatserv_build_info{daemon=\"a\\\"b\\\\c\\nd\",version=\"1\"} 1\n",
        ] {
            assert!(written.contains(line), "{line} is not in\n{written}");
        }
        assert!(written.ends_with("# EOF\n"), "{written}");
        let written = prometheus(samples);
        assert!(written.contains("# TYPE chatserv_commands_total counter\n"));
    }
}
