//! `chat-bench latency`: how long messages take while they are sent at a rate that does not wait for the server.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use chat_node::metrics::histogram::Histogram;
use clap::builder::RangedU64ValueParser;

use super::deliveries::{Answers, Deliveries};
use super::dialect::Dialect;
use super::gathering::{Presence, gather};
use super::hearing::{self, Hearing};
use super::measurement::Measurement;
use super::progress::Progress;
use super::relay;
use super::setup::{Flow, Setup, Stage};
use super::target::Target;
use crate::crowd::Crowd;
use crate::installation::{Accounts, Plan};

/// How long messages that are late may still take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Messages flow for so long before any is timed.
const WARM_UP: Duration = Duration::from_secs(1);

/// Messages at a fixed rate: how long from the moment each should be sent until it is acknowledged, and until it is
/// delivered? A server that stands still makes all those late that should have been sent meanwhile.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// What is the same in all measurements.
    #[command(flatten)]
    pub setup: Setup,

    /// Pairs of a sender and a reader
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 500,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=5_000)
    )]
    pub pairs: usize,

    /// Messages a second [default: a share of what a relay of these pairs with one undelivered each reaches, measured
    /// before]
    #[arg(long, value_name = "RATE", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub rate: Option<u64>,

    /// That share
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share)]
    pub rate_share: f64,

    /// How long are messages, and how long do they flow.
    #[command(flatten)]
    pub flow: Flow,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text
        .parse()
        .map_err(|_| "a number is expected".to_owned())?;
    if share > 0.0 && share <= 2.0 {
        Ok(share)
    } else {
        Err("a share is more than 0, and at most 2".to_owned())
    }
}

/// Measures it.
pub fn run(options: &Options) -> anyhow::Result<Vec<Measurement>> {
    let stage = Stage::new(&options.setup)?;
    let rate = match options.rate {
        Some(rate) => rate,
        None => (peak(options)? * options.rate_share) as u64,
    };
    let parameters = [
        ("pairs", options.pairs as u64),
        ("rate", rate),
        ("text_bytes", options.flow.text_bytes as u64),
        ("workers", options.setup.workers as u64),
    ];
    let mut all = Times::default();
    let mut measurement = stage.measure("latency", &parameters, |progress| {
        let accounts = Accounts {
            prefix: "late".into(),
            count: 2 * options.pairs,
        };
        let target = stage.start(&options.setup, &accounts, Plan::default())?;
        let times = at_rate(options, rate, &target, &accounts, progress)?;
        let commits = target.end_with_commits()?;
        all.answered.merge(&times.answered);
        all.delivered.merge(&times.delivered);
        let mut figures = figures(&times);
        if let Some(commits) = commits {
            figures.push(("commit p50 us", commits.median_us as f64));
            figures.push(("commit p99 us", commits.p99_us as f64));
        }
        Ok(figures)
    })?;
    measurement.distributions = distributions(&all);
    Ok(vec![measurement])
}

/// What a relay reaches whose messages come one by one, as they do here, in messages a second.
fn peak(options: &Options) -> anyhow::Result<f64> {
    let relay = relay::Options {
        setup: options.setup.clone(),
        pairs: options.pairs,
        window: 1,
        acknowledged: false,
        flow: Flow {
            seconds: 3,
            ..options.flow
        },
        warm_up_seconds: 1,
    };
    let measurements = relay::run(&relay)?;
    let rate = measurements
        .first()
        .and_then(|relay| relay.median("msgs/s"));
    rate.context("a relay has a rate")
}

/// How long messages took.
#[derive(Clone, Debug, Default)]
struct Times {
    answered: Histogram,
    delivered: Histogram,
    /// By how much the load itself was late to send. That is part of the other times.
    load_late: Histogram,
}

const PERCENTILES: [f64; 3] = [50.0, 99.0, 99.9];

fn figures(times: &Times) -> Vec<(&'static str, f64)> {
    let us = |took: Duration| took.as_secs_f64() * 1e6;
    let names = [
        ["answer p50 us", "answer p99 us", "answer p99.9 us"],
        ["delivery p50 us", "delivery p99 us", "delivery p99.9 us"],
    ];
    let mut figures = Vec::new();
    for (histogram, names) in [&times.answered, &times.delivered].into_iter().zip(names) {
        if histogram.total() > 0 {
            let values = PERCENTILES.map(|percent| us(histogram.percentile(percent)));
            figures.extend(names.into_iter().zip(values));
        }
    }
    figures.push(("delivery longest us", us(times.delivered.longest())));
    figures.push(("load late p99 us", us(times.load_late.percentile(99.0))));
    figures
}

fn distributions(times: &Times) -> BTreeMap<String, Vec<(f64, u64)>> {
    let points = [
        0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.995, 99.999,
    ];
    [("answer", &times.answered), ("delivery", &times.delivered)]
        .into_iter()
        .filter(|(_, histogram)| histogram.total() > 0)
        .map(|(name, histogram)| {
            let point = |percent: f64| (percent, histogram.percentile(percent).as_micros() as u64);
            (name.to_owned(), points.into_iter().map(point).collect())
        })
        .collect()
}

fn at_rate(
    options: &Options,
    rate: u64,
    target: &Target,
    accounts: &Accounts,
    progress: &mut Progress,
) -> anyhow::Result<Times> {
    let names = accounts.names();
    let mut crowd = Crowd::new(target.address, names.len())?;
    gather(
        &mut crowd,
        target,
        &names,
        0..names.len(),
        Presence::Listening,
    )?;
    let span = WARM_UP + Duration::from_secs(options.flow.seconds);
    let mut schedule = Schedule::new(options, target.dialect, &names, rate);
    loop {
        let now = schedule.began_at.elapsed();
        schedule.now = now;
        progress.show(Instant::now(), now.div_duration_f64(span));
        if now < span {
            schedule.send_due(&mut crowd);
        } else if schedule.is_whole() {
            return Ok(schedule.times);
        } else if now > span + PATIENCE {
            bail!("{} messages never came", schedule.sent - schedule.delivered);
        }
        // The load has a core of its own: looking again at once is how nothing is sent late.
        hearing::turn(&mut crowd, Duration::ZERO, &mut schedule)?;
    }
}

/// Message `n` is due at `n / rate` seconds, and goes to pair `n` modulo their number.
struct Schedule {
    rate: u64,
    began_at: Instant,
    now: Duration,
    pairs: Vec<Pair>,
    is_confirmed: bool,
    sent: u64,
    delivered: u64,
    answered: u64,
    times: Times,
}

/// Client `2 n` sends to client `2 n + 1`.
struct Pair {
    line: Vec<u8>,
    deliveries: Deliveries,
    answers: Answers,
    /// When those were due that are not delivered, or not answered.
    undelivered: VecDeque<Duration>,
    unanswered: VecDeque<Duration>,
}

impl Schedule {
    fn new(options: &Options, dialect: Dialect, names: &[String], rate: u64) -> Self {
        let text = "x".repeat(options.flow.text_bytes);
        let pair = |reader: &String| Pair {
            line: dialect.send(reader, &text),
            deliveries: Deliveries::new(dialect),
            answers: Answers::new(dialect),
            undelivered: VecDeque::new(),
            unanswered: VecDeque::new(),
        };
        Self {
            rate,
            began_at: Instant::now(),
            now: Duration::ZERO,
            pairs: names.iter().skip(1).step_by(2).map(pair).collect(),
            is_confirmed: !dialect.taken().is_empty(),
            sent: 0,
            delivered: 0,
            answered: 0,
            times: Times::default(),
        }
    }

    fn is_whole(&self) -> bool {
        self.delivered == self.sent && (self.answered == self.sent || !self.is_confirmed)
    }

    fn send_due(&mut self, crowd: &mut Crowd) {
        let due = (self.now.as_secs_f64() * self.rate as f64) as u64;
        while self.sent <= due {
            let due_at = Duration::from_secs_f64(self.sent as f64 / self.rate as f64);
            let due_at = due_at.min(self.now);
            let number = self.sent as usize % self.pairs.len();
            let pair = &mut self.pairs[number];
            if let Some(output) = crowd.output(2 * number) {
                output.extend_from_slice(&pair.line);
                pair.undelivered.push_back(due_at);
                if self.is_confirmed {
                    pair.unanswered.push_back(due_at);
                }
            }
            if due_at >= WARM_UP {
                self.times.load_late.add(self.now - due_at);
            }
            self.sent += 1;
        }
    }
}

impl Hearing for Schedule {
    fn lines(&mut self, client: usize, lines: &[u8], output: &mut Vec<u8>) -> anyhow::Result<()> {
        // The time at which it is heard, not that at which the turn began.
        let now = self.began_at.elapsed();
        let pair = &mut self.pairs[client / 2];
        let is_answer = client.is_multiple_of(2);
        let (count, waiting, total, histogram) = if is_answer {
            let count = pair.answers.count(lines, output)?;
            let times = &mut self.times.answered;
            (count, &mut pair.unanswered, &mut self.answered, times)
        } else {
            let count = pair.deliveries.count(lines, output)?;
            let times = &mut self.times.delivered;
            (count, &mut pair.undelivered, &mut self.delivered, times)
        };
        ensure!(count <= waiting.len() as u64, "more came than was sent");
        *total += count;
        for due_at in waiting.drain(..count as usize) {
            if due_at >= WARM_UP {
                histogram.add(now - due_at);
            }
        }
        Ok(())
    }
}
