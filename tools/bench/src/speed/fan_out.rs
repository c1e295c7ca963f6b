//! `chat-bench fan-out`: each message goes to everybody who is there.

use std::time::Duration;

use anyhow::ensure;
use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;

use super::asking::ask_all;
use super::deliveries::{Answers, Deliveries};
use super::dialect::{CHANNEL, Dialect};
use super::gathering::{Presence, gather};
use super::hearing::Hearing;
use super::measurement::Measurement;
use super::progress::Progress;
use super::setup::{Flow, Setup, Stage};
use super::target::Target;
use super::traffic::{SERVER_CPU, Stopwatch, Traffic, flow, flow_until};
use crate::crowd::Crowd;
use crate::installation::{Accounts, Plan};

/// One client sends to all who are online (`broadcast`, a group, a room, or a channel of IRC): how many deliveries are
/// there in a second?
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// What is the same in all measurements.
    #[command(flatten)]
    pub setup: Setup,

    /// Clients that get each message
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1_000,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=15_000)
    )]
    pub readers: usize,

    /// Messages that not every reader has got yet
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 64,
        value_parser = clap::value_parser!(u64).range(1..=1_000)
    )]
    pub window: u64,

    /// Whom messages go to, each in turn on a fresh server; IRC knows everyone alone
    #[arg(
        long,
        value_enum,
        value_name = "WHO,...",
        value_delimiter = ',',
        default_value = "everyone"
    )]
    pub to: Vec<To>,

    /// How long are messages, and how long do they flow.
    #[command(flatten)]
    pub flow: Flow,
}

/// Whom messages go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// All who are there: a broadcast, or the channel of IRC
    Everyone,
    /// All who are there, by name
    Group,
    /// A room that all are members of
    Room,
}

impl To {
    /// What its figures are called.
    fn figures(self) -> [&'static str; 2] {
        match self {
            Self::Everyone => ["deliveries/s", SERVER_CPU],
            Self::Group => ["group deliveries/s", "group server CPU s/M"],
            Self::Room => ["room deliveries/s", "room server CPU s/M"],
        }
    }

    /// The line that sends a text.
    fn line(self, dialect: Dialect, readers: &[String], text: &str) -> Vec<u8> {
        match self {
            Self::Everyone => dialect.send_to_all(text),
            Self::Group => dialect.send(&format!("({})", readers.join(" ")), text),
            Self::Room => dialect.send(CHANNEL, text),
        }
    }
}

/// Measures it.
pub fn run(options: &Options) -> anyhow::Result<Vec<Measurement>> {
    let stage = Stage::new(&options.setup)?;
    let is_ours = options.setup.server.dialect() == Dialect::Chatserv;
    ensure!(
        is_ours || options.to == [To::Everyone],
        "this server is measured with everyone alone"
    );
    let parameters = [
        ("readers", options.readers as u64),
        ("window", options.window),
        ("text_bytes", options.flow.text_bytes as u64),
        ("workers", options.setup.workers as u64),
    ];
    let measurement = stage.measure("fan-out", &parameters, |progress| {
        let mut figures = Vec::new();
        for to in &options.to {
            figures.extend(on_fresh_server(&stage, options, *to, progress)?);
        }
        Ok(figures)
    })?;
    Ok(vec![measurement])
}

fn on_fresh_server(
    stage: &Stage<'_>,
    options: &Options,
    to: To,
    progress: &mut Progress,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let accounts = Accounts {
        prefix: "fan".into(),
        count: options.readers + 1,
    };
    // One sender may not speak to so many as often as here, unless it is allowed to.
    let mut state_flags = vec![format!("--broadcasts-per-minute={}", u32::MAX)];
    if to == To::Room {
        state_flags.push(format!("--room-messages-per-minute={}", u32::MAX));
        state_flags.push(format!("--max-room-members={}", accounts.count));
    }
    let plan = Plan {
        state_flags,
        ..Plan::default()
    };
    let target = stage.start(&options.setup, &accounts, plan)?;
    let mut figures = fan_out(options, to, &target, &accounts, progress)?;
    target.end()?;
    for (figure, name) in figures.iter_mut().zip(to.figures()) {
        figure.0 = name;
    }
    if to != To::Everyone {
        figures.truncate(to.figures().len());
    }
    Ok(figures)
}

fn fan_out(
    options: &Options,
    to: To,
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
        Presence::Meeting,
    )?;
    if to == To::Room {
        ask_all(&mut crowd, 0..names.len(), 1, |_| {
            format!("join {CHANNEL}\n")
        })?;
    }
    let text = "x".repeat(options.flow.text_bytes);
    let line = to.line(target.dialect, &names[1..], &text);
    let mut hall = Hall::new(options, target.dialect, line);
    flow(&mut hall, &mut crowd, Duration::from_secs(1), progress)?;
    let stopwatch = Stopwatch::start(target.processes(), hall.done());
    let span = Duration::from_secs(options.flow.seconds);
    flow(&mut hall, &mut crowd, span, progress)?;
    let figures = stopwatch.figures("deliveries/s", hall.done());
    hall.is_ending = true;
    flow_until(&mut hall, &mut crowd, Hall::is_whole)?;
    Ok(figures)
}

/// Client 0 sends to all others.
struct Hall {
    line: Vec<u8>,
    readers: u64,
    window: u64,
    is_ending: bool,
    sent: u64,
    delivered: u64,
    deliveries: Vec<Deliveries>,
    answers: Answers,
}

impl Hall {
    fn new(options: &Options, dialect: Dialect, line: Vec<u8>) -> Self {
        Self {
            line,
            readers: options.readers as u64,
            window: options.window,
            is_ending: false,
            sent: 0,
            delivered: 0,
            deliveries: vec![Deliveries::new(dialect); options.readers],
            answers: Answers::new(dialect),
        }
    }

    fn is_whole(&self) -> bool {
        self.delivered == self.sent * self.readers
    }
}

impl Traffic for Hall {
    fn begin_more(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        // Some readers may be ahead of others: what counts is how much all of them still have to get.
        let is_room = |sent: u64| sent * self.readers < self.delivered + self.window * self.readers;
        while !self.is_ending && is_room(self.sent) {
            let Some(output) = crowd.output(0) else {
                break;
            };
            output.extend_from_slice(&self.line);
            self.sent += 1;
        }
        Ok(())
    }

    fn done(&self) -> u64 {
        self.delivered
    }
}

impl Hearing for Hall {
    fn lines(&mut self, client: usize, lines: &[u8], output: &mut Vec<u8>) -> anyhow::Result<()> {
        let Some(reader) = client.checked_sub(1) else {
            self.answers.count(lines, output)?;
            return Ok(());
        };
        self.delivered += self.deliveries[reader].count(lines, output)?;
        ensure!(
            self.delivered <= self.sent * self.readers,
            "more messages came than were sent"
        );
        Ok(())
    }
}
