//! What was measured: figures of several runs, as one JSON line and one line for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context;
use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};

use crate::machine::machine;

/// One measurement, with all that is needed to know what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The kind of work.
    pub bench: String,
    /// What did it: `chatserv`, the name of a peer, or `floor`.
    pub server: String,
    /// Where the server's state was: `disk`, `memory`, or `none`.
    pub storage: String,
    /// What the work was made of.
    pub parameters: BTreeMap<String, u64>,
    /// What came of it, in the order in which it is told.
    pub figures: Vec<Figure>,
    /// Distributions, if there are any: percentiles and microseconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub distributions: BTreeMap<String, Vec<(f64, u64)>>,
    /// When it ended, UTC.
    pub when: String,
    /// Where.
    pub machine: String,
    /// Which cores were whose.
    pub placement: String,
}

/// One figure, from every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is, with its unit.
    pub name: String,
    /// The middle one of the runs.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
    /// All, as they came.
    pub runs: Vec<f64>,
}

impl Figure {
    /// From the values of all runs, of which there must be one.
    pub fn new(name: &str, runs: Vec<f64>) -> Self {
        let mut sorted = runs.clone();
        sorted.sort_by(f64::total_cmp);
        let (middle, is_odd) = (sorted.len() / 2, sorted.len() % 2 == 1);
        let median = if is_odd {
            sorted[middle]
        } else {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        };
        Self {
            name: name.to_owned(),
            median,
            least: sorted[0],
            most: sorted[sorted.len() - 1],
            runs,
        }
    }
}

/// What is the same in all measurements of a run of the program.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// What did the work.
    pub server: String,
    /// Where the server's state was.
    pub storage: String,
    /// Which cores were whose.
    pub placement: String,
}

impl Measurement {
    /// Puts the runs together: each gave the same figures, in the same order.
    pub fn new(
        bench: &str,
        circumstances: &Circumstances,
        parameters: &[(&str, u64)],
        runs: &[Vec<(&str, f64)>],
    ) -> Self {
        let names = runs.first().into_iter().flatten().enumerate();
        let figure = |(place, (name, _)): (usize, &(&str, f64))| {
            Figure::new(name, runs.iter().map(|run| run[place].1).collect())
        };
        let when = Timestamp::now().round(Unit::Second).unwrap_or_default();
        Self {
            bench: bench.to_owned(),
            server: circumstances.server.clone(),
            storage: circumstances.storage.clone(),
            parameters: parameters
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
            figures: names.map(figure).collect(),
            distributions: BTreeMap::new(),
            when: when.to_string(),
            machine: machine(),
            placement: circumstances.placement.clone(),
        }
    }

    /// One figure's median.
    pub fn median(&self, figure: &str) -> Option<f64> {
        let figure = self.figures.iter().find(|known| known.name == figure)?;
        Some(figure.median)
    }

    /// On one line.
    pub fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// For people, on one line.
    pub fn text(&self) -> String {
        let mut text = format!("{} {}", self.bench, self.server);
        if self.storage == "memory" {
            text.push_str(" (state in memory)");
        }
        for (name, value) in &self.parameters {
            // Writing to a string cannot fail.
            let _ = write!(text, " {name}={value}");
        }
        let mut separator = ':';
        for figure in &self.figures {
            let Figure {
                name,
                median,
                least,
                most,
                ..
            } = figure;
            let _ = write!(text, "{separator} {name} {}", short(*median));
            if figure.runs.len() > 1 {
                let _ = write!(text, " ({} to {})", short(*least), short(*most));
            }
            separator = ',';
        }
        text
    }
}

/// A number as people read it: three digits that count.
pub fn short(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size >= 1e9 => format!("{:.2} G", value / 1e9),
        _ if size >= 1e6 => format!("{:.2} M", value / 1e6),
        _ if size >= 1e5 => format!("{:.0} k", value / 1e3),
        _ if size >= 1e4 => format!("{:.1} k", value / 1e3),
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Adds measurements to a file of results, a line each.
pub fn append(path: &Path, measurements: &[Measurement]) -> anyhow::Result<()> {
    let context = || format!("cannot write results to {}", path.display());
    let lines: anyhow::Result<Vec<_>> = measurements.iter().map(Measurement::json).collect();
    let text: String = lines?.iter().map(|line| format!("{line}\n")).collect();
    let file = File::options().append(true).create(true).open(path);
    file.with_context(context)?
        .write_all(text.as_bytes())
        .with_context(context)
}

/// All measurements of a file of results.
pub fn read(path: &Path) -> anyhow::Result<Vec<Measurement>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read results from {}", path.display()))?;
    let line = |(number, line): (usize, &str)| {
        serde_json::from_str(line)
            .with_context(|| format!("{}, line {}, is no result", path.display(), number + 1))
    };
    text.lines().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Measurement {
        let circumstances = Circumstances {
            server: "chatserv".into(),
            storage: "disk".into(),
            placement: "cores not fixed".into(),
        };
        let runs = [1e5, 3e5, 2e5].map(|rate| vec![("msgs/s", rate), ("CPU s/M", 1.5)]);
        Measurement::new("relay", &circumstances, &[("pairs", 50)], &runs)
    }

    #[test]
    fn medians_and_ranges_fit_one_line() {
        assert_eq!(
            sample().text(),
            "relay chatserv pairs=50: msgs/s 200 k (100 k to 300 k), CPU s/M 1.50 (1.50 to 1.50)"
        );
        assert_eq!(Figure::new("x", vec![4.0, 1.0]).median, 2.5);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.json");
        append(&path, &[sample()]).unwrap();
        append(&path, &[sample()]).unwrap();
        let read = read(&path).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].figures, sample().figures);
        assert_eq!(read[0].median("msgs/s"), Some(2e5));
    }
}
