//! `chat-bench relay`: messages from senders to readers in pairs, a fixed number of each pair's on the way at any time.

use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use clap::builder::RangedU64ValueParser;

use super::deliveries::{Answers, Deliveries};
use super::dialect::Dialect;
use super::gathering::gather;
use super::measurement::Measurement;
use super::progress::Progress;
use super::setup::{Setup, Stage};
use super::target::Target;
use crate::crowd::{Audience, Closed, Crowd};
use crate::installation::{Accounts, Plan};
use crate::process_tree::processor_time;

const TURN_TIMEOUT: Duration = Duration::from_millis(100);
/// How long nothing at all may be delivered.
const STALL_PATIENCE: Duration = Duration::from_secs(20);

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

    /// Length of a message
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 64,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=400)
    )]
    pub text_bytes: usize,

    /// How long is measured
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=3_600)
    )]
    pub seconds: u64,

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
        ("text_bytes", options.text_bytes as u64),
        ("workers", options.setup.workers as u64),
    ];
    let measurement = stage.measure("relay", &parameters, |progress| {
        let accounts = Accounts {
            prefix: "relay".into(),
            count: 2 * options.pairs,
        };
        let target = stage.start(&accounts, Plan::default())?;
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
    let names: Vec<_> = (0..accounts.count)
        .map(|number| accounts.name(number))
        .collect();
    let mut crowd = Crowd::new(target.address, names.len())?;
    gather(&mut crowd, target.dialect, &names, false)?;
    let mut pairs = Pairs::new(options, target.dialect, &names);
    let warm_up = Duration::from_secs(options.warm_up_seconds);
    pairs.flow(&mut crowd, warm_up, |_, _| ())?;
    let processes = target.processes();
    let own = [std::process::id() as i32];
    let (delivered, used) = (pairs.delivered, processor_time(&processes));
    let own_used = processor_time(&own);
    let span = Duration::from_secs(options.seconds);
    let began_at = Instant::now();
    pairs.flow(&mut crowd, span, |now, share| progress.show(now, share))?;
    let took = began_at.elapsed();
    let (delivered, used) = (
        pairs.delivered - delivered,
        processor_time(&processes) - used,
    );
    let own_used = processor_time(&own) - own_used;
    pairs.finish(&mut crowd)?;
    Ok(vec![
        ("msgs/s", delivered as f64 / took.as_secs_f64()),
        (
            "server CPU s/M",
            used.as_secs_f64() * 1e6 / delivered as f64,
        ),
        ("server busy %", used.div_duration_f64(took) * 100.0),
        ("load busy %", own_used.div_duration_f64(took) * 100.0),
    ])
}

/// Client `2 n` sends to client `2 n + 1`.
struct Pairs {
    pairs: Vec<Pair>,
    /// Those that may send.
    with_credit: Vec<usize>,
    window: u64,
    sent: u64,
    taken: u64,
    delivered: u64,
    is_confirmed: bool,
    failure: Option<anyhow::Error>,
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
        let text = "x".repeat(options.text_bytes);
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
            sent: 0,
            taken: 0,
            delivered: 0,
            is_confirmed: !dialect.taken().is_empty(),
            failure: None,
        }
    }

    /// Lets messages flow for some time.
    fn flow(
        &mut self,
        crowd: &mut Crowd,
        span: Duration,
        mut show: impl FnMut(Instant, f64),
    ) -> anyhow::Result<()> {
        let began_at = Instant::now();
        let (mut delivered, mut delivered_at) = (self.delivered, began_at);
        loop {
            self.send(crowd);
            crowd.turn(TURN_TIMEOUT, self)?;
            self.check()?;
            let now = Instant::now();
            show(now, (now - began_at).div_duration_f64(span));
            if self.delivered > delivered {
                (delivered, delivered_at) = (self.delivered, now);
            } else if now > delivered_at + STALL_PATIENCE {
                bail!("{delivered} messages were delivered, then no more");
            }
            if now >= began_at + span {
                return Ok(());
            }
        }
    }

    /// Waits for what is on its way: each message that was sent is to come, and to be answered.
    fn finish(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        let deadline = Instant::now() + STALL_PATIENCE;
        while self.delivered < self.sent || (self.is_confirmed && self.taken < self.sent) {
            crowd.turn(TURN_TIMEOUT, self)?;
            self.check()?;
            if Instant::now() > deadline {
                let Self {
                    sent,
                    taken,
                    delivered,
                    ..
                } = self;
                bail!("of {sent} messages {taken} were acknowledged and {delivered} delivered");
            }
        }
        if self.delivered > self.sent {
            bail!(
                "{} messages came, and {} were sent",
                self.delivered,
                self.sent
            );
        }
        Ok(())
    }

    fn send(&mut self, crowd: &mut Crowd) {
        for number in self.with_credit.drain(..) {
            let pair = &mut self.pairs[number];
            if let Some(output) = crowd.output(2 * number) {
                let bytes = pair.credit as usize * pair.line_bytes;
                output.extend_from_slice(&pair.lines[..bytes]);
                self.sent += pair.credit;
                pair.credit = 0;
            }
        }
    }

    fn check(&mut self) -> anyhow::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn hear(&mut self, client: usize, lines: &[u8], output: &mut Vec<u8>) -> anyhow::Result<()> {
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
        if pair.credit > self.window {
            bail!("more messages came than were sent");
        }
        Ok(())
    }
}

impl Audience for Pairs {
    fn opened(&mut self, _: usize, _: &mut Vec<u8>) {}

    fn line(&mut self, client: usize, line: &[u8], output: &mut Vec<u8>) {
        self.lines(client, line, output);
    }

    fn lines(&mut self, client: usize, lines: &[u8], output: &mut Vec<u8>) {
        if let Err(error) = self.hear(client, lines, output) {
            self.failure.get_or_insert(error);
        }
    }

    fn closed(&mut self, client: usize, how: Closed) {
        self.failure
            .get_or_insert(anyhow!("client {client} was cut off: {how:?}"));
    }
}
