//! `chat-bench relay`: messages from senders to readers in pairs, a fixed number of each pair's on the way at any time.

use std::time::Duration;

use anyhow::ensure;
use clap::builder::RangedU64ValueParser;

use super::deliveries::{Answers, Deliveries};
use super::dialect::Dialect;
use super::gathering::{Presence, gather};
use super::hearing::Hearing;
use super::measurement::Measurement;
use super::progress::Progress;
use super::setup::{Flow, Setup, Stage};
use super::target::Target;
use super::traffic::{Stopwatch, Traffic, flow, flow_until};
use crate::crowd::Crowd;
use crate::installation::{Accounts, Plan};

/// What the measurement is called.
pub const RELAY: &str = "relay";
/// The same in which every server acknowledges each message to its sender.
pub const ACKNOWLEDGED_RELAY: &str = "acknowledged-relay";

/// Pairs of a sender and a reader, a fixed number of messages undelivered in each: how many are delivered in a second?
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// What is the same in all measurements.
    #[command(flatten)]
    pub setup: Setup,

    /// Pairs of a sender and a reader
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 50,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=5_000)
    )]
    pub pairs: usize,

    /// Messages of each sender that its reader has not got yet
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 64,
        value_parser = RangedU64ValueParser::<u64>::new().range(1..=10_000)
    )]
    pub window: u64,

    /// Ask an IRC server to acknowledge each message to its sender, as ours does: a PING follows each
    #[arg(long)]
    pub acknowledged: bool,

    /// How long are messages, and how long do they flow.
    #[command(flatten)]
    pub flow: Flow,

    /// How long messages flow before that
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    pub warm_up_seconds: u64,
}

/// Measures it.
pub fn run(options: &Options) -> anyhow::Result<Vec<Measurement>> {
    let stage = Stage::new(&options.setup)?;
    let parameters = [
        ("pairs", options.pairs as u64),
        ("window", options.window),
        ("text_bytes", options.flow.text_bytes as u64),
        ("workers", options.setup.workers as u64),
    ];
    let bench = if options.acknowledged {
        ACKNOWLEDGED_RELAY
    } else {
        RELAY
    };
    let measurement = stage.measure(bench, &parameters, |progress| {
        let accounts = Accounts {
            prefix: "relay".into(),
            count: 2 * options.pairs,
        };
        let target = stage.start(&options.setup, &accounts, Plan::default())?;
        let figures = relay(options, &target, &accounts, progress)?;
        target.end()?;
        Ok(figures)
    })?;
    Ok(vec![measurement])
}

fn relay(
    options: &Options,
    target: &Target,
    accounts: &Accounts,
    progress: &mut Progress,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let names = accounts.names();
    let mut crowd = Crowd::new(target.address, names.len())?;
    gather(
        &mut crowd,
        target,
        &names,
        0..names.len(),
        Presence::Listening,
    )?;
    let dialect = if options.acknowledged {
        target.dialect.acknowledged()
    } else {
        target.dialect
    };
    let mut pairs = Pairs::new(options, dialect, &names);
    let warm_up = Duration::from_secs(options.warm_up_seconds);
    flow(&mut pairs, &mut crowd, warm_up, progress)?;
    let stopwatch = Stopwatch::start(target.processes(), pairs.done());
    let span = Duration::from_secs(options.flow.seconds);
    flow(&mut pairs, &mut crowd, span, progress)?;
    let figures = stopwatch.figures("msgs/s", pairs.done());
    // What is on its way still comes, each message once, and is answered.
    pairs.is_ending = true;
    flow_until(&mut pairs, &mut crowd, Pairs::is_whole)?;
    Ok(figures)
}

/// Client `2 n` sends to client `2 n + 1`.
struct Pairs {
    pairs: Vec<Pair>,
    /// Those that may send.
    with_credit: Vec<usize>,
    window: u64,
    is_ending: bool,
    sent: u64,
    taken: u64,
    delivered: u64,
    is_confirmed: bool,
}

struct Pair {
    /// As many lines as may be sent at once.
    lines: Vec<u8>,
    line_bytes: usize,
    credit: u64,
    deliveries: Deliveries,
    answers: Answers,
}

impl Pairs {
    fn new(options: &Options, dialect: Dialect, names: &[String]) -> Self {
        let text = "x".repeat(options.flow.text_bytes);
        let pair = |reader: &String| {
            let line = dialect.send(reader, &text);
            Pair {
                lines: line.repeat(options.window as usize),
                line_bytes: line.len(),
                credit: options.window,
                deliveries: Deliveries::new(dialect),
                answers: Answers::new(dialect),
            }
        };
        Self {
            pairs: names.iter().skip(1).step_by(2).map(pair).collect(),
            with_credit: (0..options.pairs).collect(),
            window: options.window,
            is_ending: false,
            sent: 0,
            taken: 0,
            delivered: 0,
            is_confirmed: !dialect.taken().is_empty(),
        }
    }

    /// Whether all that was sent has come, and is acknowledged where the server does that.
    fn is_whole(&self) -> bool {
        self.delivered == self.sent && (self.taken == self.sent || !self.is_confirmed)
    }
}

impl Traffic for Pairs {
    fn begin_more(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        if self.is_ending {
            return Ok(());
        }
        for number in self.with_credit.drain(..) {
            let pair = &mut self.pairs[number];
            if let Some(output) = crowd.output(2 * number) {
                let bytes = pair.credit as usize * pair.line_bytes;
                output.extend_from_slice(&pair.lines[..bytes]);
                self.sent += pair.credit;
                pair.credit = 0;
            }
        }
        Ok(())
    }

    fn done(&self) -> u64 {
        self.delivered
    }
}

impl Hearing for Pairs {
    fn lines(&mut self, client: usize, lines: &[u8], output: &mut Vec<u8>) -> anyhow::Result<()> {
        let pair = &mut self.pairs[client / 2];
        if client.is_multiple_of(2) {
            self.taken += pair.answers.count(lines, output)?;
            return Ok(());
        }
        let delivered = pair.deliveries.count(lines, output)?;
        if delivered == 0 {
            return Ok(());
        }
        self.delivered += delivered;
        if pair.credit == 0 {
            self.with_credit.push(client / 2);
        }
        pair.credit += delivered;
        ensure!(
            pair.credit <= self.window,
            "more messages came than were sent"
        );
        Ok(())
    }
}
