//! `chat-bench soak`: sends and reads very many messages, and looks whether memory and disk follow what is queued
//! rather than what was ever sent.

pub mod growth;
mod pairs;
pub mod report;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;

use self::growth::{Growth, Sample};
use self::pairs::Pairs;
use self::report::{Outcome, Report};
use crate::crowd::Crowd;
use crate::footprint::{Footprint, ServerProcesses};
use crate::installation::{Accounts, Installation};
use crate::run_options::RunOptions;

const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// How long nothing at all may come.
const STALL_PATIENCE: Duration = Duration::from_secs(60);
/// How long the server may take to give back disk after the last message was read.
const SETTLE_PATIENCE: Duration = Duration::from_secs(20);
const TURN_TIMEOUT: Duration = Duration::from_millis(100);

/// How readers are pushed their messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Push {
    /// What was written and stayed so for a second is read.
    On,
    /// Read is what the reader has answered to.
    Ack,
}

impl Push {
    fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Ack => "ack",
        }
    }
}

/// Sends and reads very many messages: do memory and disk follow what is queued, not what was ever sent?
///
/// Exit status: 0 all came once, in order, and nothing grew with them, 1 not.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Messages sent and read, by all pairs together
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 10_000_000,
        value_parser = clap::value_parser!(u64).range(1_000..=4_000_000_000)
    )]
    pub messages: u64,

    /// Pairs of a sender and a reader
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 20,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000)
    )]
    pub pairs: usize,

    /// Messages of one sender that may be unanswered
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 512,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000)
    )]
    pub window: usize,

    /// Messages by which a sender may be ahead of its reader
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 5_000,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=40_000)
    )]
    pub lead: usize,

    /// How readers are pushed their messages
    #[arg(long, value_enum, default_value_t = Push::On)]
    pub push: Push,

    /// What it shares with other runs.
    #[command(flatten)]
    pub run: RunOptions,
}

/// Sends and reads, and tells what came of it. An error means that a message did not come as it should, or that it
/// could not go on.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    chat_node::limits::descriptor_limit::raise().context("cannot raise the descriptor limit")?;
    let programs = options.run.programs_dir()?;
    let accounts = Accounts {
        prefix: "soak-".into(),
        count: options.pairs * 2,
    };
    let installation = Installation::create(&programs, options.run.workers, &accounts)?;
    let outcome = Soak::begin(options, &installation, &accounts).and_then(Soak::run);
    let kept = installation.end(outcome.is_err())?;
    let outcome = outcome.with_context(|| match kept {
        Some(dir) => format!("the soak broke off; see {}", dir.display()),
        None => "the soak broke off".to_owned(),
    })?;
    Ok(Report::new(options, outcome))
}

struct Soak {
    crowd: Crowd,
    pairs: Pairs,
    processes: ServerProcesses,
    state_dir: PathBuf,
    growth: Growth,
    began_at: Instant,
    next_sample_at: Instant,
    /// The messages received at which there is a sample whatever the time, so that each tenth has some.
    next_sample_received: u64,
    sample_step: u64,
}

impl Soak {
    fn begin(
        options: &Options,
        installation: &Installation,
        accounts: &Accounts,
    ) -> anyhow::Result<Self> {
        let mut crowd = Crowd::new(installation.address(), options.pairs * 2)?;
        for client in 0..options.pairs * 2 {
            crowd.connect(client)?;
        }
        let now = Instant::now();
        let mut soak = Self {
            crowd,
            pairs: Pairs::new(options, accounts),
            processes: ServerProcesses::of(installation),
            state_dir: installation.run_dir().join("state"),
            growth: Growth::new(options.messages),
            began_at: now,
            next_sample_at: now,
            next_sample_received: 0,
            sample_step: (options.messages / 20).max(1),
        };
        soak.turn_until("the clients are not all logged in", Pairs::are_ready)?;
        soak.began_at = Instant::now();
        soak.sample(soak.began_at);
        Ok(soak)
    }

    fn run(mut self) -> anyhow::Result<Outcome> {
        self.send_and_read()?;
        let took = self.began_at.elapsed();
        self.pairs.log_out(&mut self.crowd);
        self.turn_until("the clients are not all gone", Pairs::are_gone)?;
        let final_footprint = self.settle();
        ensure!(
            self.processes.are_alive(),
            "a server process has died meanwhile"
        );
        Ok(Outcome {
            growth: self.growth,
            final_footprint,
            took,
        })
    }

    fn send_and_read(&mut self) -> anyhow::Result<()> {
        let (mut received, mut received_at) = (0, Instant::now());
        while !self.pairs.are_done() {
            self.pairs.send(&mut self.crowd);
            self.crowd.turn(TURN_TIMEOUT, &mut self.pairs)?;
            self.pairs.check()?;
            let now = Instant::now();
            if self.pairs.received() > received {
                (received, received_at) = (self.pairs.received(), now);
            }
            ensure!(
                now - received_at < STALL_PATIENCE,
                "nothing came for {} s; {received} messages had come",
                STALL_PATIENCE.as_secs()
            );
            if now >= self.next_sample_at || received >= self.next_sample_received {
                self.sample(now);
            }
        }
        self.sample(Instant::now());
        Ok(())
    }

    fn sample(&mut self, now: Instant) {
        let received = self.pairs.received();
        self.growth.add(Sample {
            at: now - self.began_at,
            received,
            footprint: self.footprint(),
        });
        if now >= self.next_sample_at {
            self.next_sample_at = now + SAMPLE_INTERVAL;
        }
        self.next_sample_received = received - received % self.sample_step + self.sample_step;
    }

    fn footprint(&self) -> Footprint {
        Footprint::measure(&self.processes, &self.state_dir)
    }

    /// Waits for the disk to shrink, unless it is small already.
    fn settle(&self) -> Footprint {
        let deadline = Instant::now() + SETTLE_PATIENCE;
        loop {
            let footprint = self.footprint();
            if self.growth.is_settled(&footprint) || Instant::now() >= deadline {
                return footprint;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn turn_until(&mut self, otherwise: &str, is_so: fn(&Pairs) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + STALL_PATIENCE;
        while !is_so(&self.pairs) {
            ensure!(Instant::now() < deadline, "{otherwise}");
            self.crowd.turn(TURN_TIMEOUT, &mut self.pairs)?;
            self.pairs.check()?;
        }
        Ok(())
    }
}
