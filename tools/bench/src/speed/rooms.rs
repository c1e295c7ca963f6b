//! `chat-bench rooms`: messages to many rooms at a rate that does not wait for the server, and the history behind them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use chat_node::metrics::catalogue::{HISTORY_BYTES, HISTORY_MESSAGES, HISTORY_PENDING_BYTES};
use chat_node::metrics::histogram::Histogram;
use clap::builder::RangedU64ValueParser;

use super::asking::ask_all;
use super::gathering::{Presence, gather};
use super::hearing::{self, Hearing};
use super::measurement::Measurement;
use super::progress::Progress;
use super::setup::{Flow, Setup, Stage};
use super::target::Target;
use super::traffic::Stopwatch;
use crate::crowd::Crowd;
use crate::installation::{Accounts, Plan};

/// How long messages that are late may still take, on their way to readers and to the history.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked how much waits for the history.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Messages to rooms at a fixed rate: does each reach each member once and in order, how long until the sender has its
/// answer, and does the history keep up?
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// What is the same in all measurements.
    #[command(flatten)]
    pub setup: Setup,

    /// Rooms
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 50,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=5_000)
    )]
    pub rooms: usize,

    /// Members of each
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 5,
        value_parser = RangedU64ValueParser::<usize>::new().range(2..=1_000)
    )]
    pub members: usize,

    /// Those of them who send, in turn
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 3,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000)
    )]
    pub senders: usize,

    /// Messages a second, to all rooms together
    #[arg(
        long,
        value_name = "RATE",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u64).range(1..=10_000_000)
    )]
    pub rate: u64,

    /// How long are messages, and how long do they flow.
    #[command(flatten)]
    pub flow: Flow,
}

/// Measures it.
pub fn run(options: &Options) -> anyhow::Result<Vec<Measurement>> {
    ensure!(
        options.senders <= options.members,
        "a room has {} members, so {} cannot send",
        options.members,
        options.senders
    );
    let stage = Stage::new(&options.setup)?;
    let parameters = [
        ("rooms", options.rooms as u64),
        ("members", options.members as u64),
        ("senders", options.senders as u64),
        ("rate", options.rate),
        ("text_bytes", options.flow.text_bytes as u64),
        ("workers", options.setup.workers as u64),
    ];
    let measurement = stage.measure("rooms", &parameters, |progress| {
        let accounts = Accounts {
            prefix: "member".into(),
            count: options.rooms * options.members,
        };
        let plan = Plan {
            state_flags: vec![format!("--room-messages-per-minute={}", u32::MAX)],
            ..Plan::default()
        };
        let target = stage.start(&options.setup, &accounts, plan)?;
        let figures = at_rate(options, &target, &accounts, progress)?;
        target.end()?;
        Ok(figures)
    })?;
    Ok(vec![measurement])
}

fn at_rate(
    options: &Options,
    target: &Target,
    accounts: &Accounts,
    progress: &mut Progress,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let names = accounts.names();
    let mut crowd = Crowd::new(target.address, names.len())?;
    let all = 0..names.len();
    gather(&mut crowd, target, &names, all.clone(), Presence::Listening)?;
    ask_all(&mut crowd, all, 1, |client| {
        format!("join #room{}\n", client / options.members)
    })?;
    let mut flow = RoomFlow::new(options);
    let mut pending = Pending::default();
    let span = Duration::from_secs(options.flow.seconds);
    let stopwatch = Stopwatch::start(target.processes(), 0);
    let began_at = Instant::now();
    loop {
        let now = began_at.elapsed();
        flow.now = now;
        progress.show(Instant::now(), now.div_duration_f64(span));
        if now < span {
            flow.send_due(&mut crowd)?;
        } else if flow.is_whole() {
            break;
        } else if now > span + PATIENCE {
            bail!("{} messages never came", flow.due() - flow.delivered);
        }
        // The load has a core of its own: looking again at once is how nothing is sent late.
        hearing::turn(&mut crowd, Duration::ZERO, &mut flow)?;
        pending.look(target, now)?;
    }
    let mut figures = stopwatch.figures("msgs/s", flow.sent);
    let us = |percent| flow.answered.percentile(percent).as_secs_f64() * 1e6;
    figures.push(("answer p50 us", us(50.0)));
    figures.push(("answer p99 us", us(99.0)));
    figures.extend(pending.settle(target, flow.sent)?);
    Ok(figures)
}

/// What waits for the history.
#[derive(Debug, Default)]
struct Pending {
    look_at: Duration,
    most_bytes: u64,
}

impl Pending {
    fn look(&mut self, target: &Target, now: Duration) -> anyhow::Result<()> {
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            let [bytes] = target.state_metrics([&HISTORY_PENDING_BYTES])?;
            self.most_bytes = self.most_bytes.max(bytes);
        }
        Ok(())
    }

    /// Waits until the history has all messages, each of which it must have.
    fn settle(self, target: &Target, sent: u64) -> anyhow::Result<[(&'static str, f64); 3]> {
        let ended_at = Instant::now();
        let (messages, bytes) = loop {
            let metrics = [&HISTORY_PENDING_BYTES, &HISTORY_MESSAGES, &HISTORY_BYTES];
            let [pending, messages, bytes] = target.state_metrics(metrics)?;
            if pending == 0 {
                break (messages, bytes);
            }
            ensure!(
                ended_at.elapsed() < PATIENCE,
                "{pending} bytes still wait for the history"
            );
            std::thread::sleep(Duration::from_millis(10));
        };
        ensure!(
            messages == sent,
            "of {sent} messages the history has {messages}"
        );
        Ok([
            (
                "history behind at most, KiB",
                self.most_bytes as f64 / 1024.0,
            ),
            (
                "history whole after, ms",
                ended_at.elapsed().as_secs_f64() * 1e3,
            ),
            ("history bytes a message", bytes as f64 / sent as f64),
        ])
    }
}

/// Message `n` is due at `n / rate` seconds. It goes to room `n` modulo their number, from its senders in turn. The
/// members of a room are neighbours; the first of them send.
struct RoomFlow {
    options: Options,
    now: Duration,
    members: Vec<Member>,
    sent: u64,
    answered: Histogram,
    taken: u64,
    delivered: u64,
}

#[derive(Clone, Debug, Default)]
struct Member {
    /// How many it has sent.
    sent: u64,
    /// When those were due that are not answered.
    unanswered: VecDeque<Duration>,
    /// Of each sender of its room, how many have come.
    received: Vec<u64>,
}

impl RoomFlow {
    fn new(options: &Options) -> Self {
        let member = Member {
            received: vec![0; options.senders],
            ..Member::default()
        };
        Self {
            options: options.clone(),
            now: Duration::ZERO,
            members: vec![member; options.rooms * options.members],
            sent: 0,
            answered: Histogram::default(),
            taken: 0,
            delivered: 0,
        }
    }

    /// Deliveries that there are to be of what was sent.
    fn due(&self) -> u64 {
        self.sent * (self.options.members as u64 - 1)
    }

    fn is_whole(&self) -> bool {
        self.delivered == self.due() && self.taken == self.sent
    }

    fn send_due(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        let options = &self.options;
        let due = (self.now.as_secs_f64() * options.rate as f64) as u64;
        while self.sent < due {
            let room = self.sent as usize % options.rooms;
            let sender = self.sent as usize / options.rooms % options.senders;
            let client = room * options.members + sender;
            let member = &mut self.members[client];
            let text = format!("{sender} {} ", member.sent);
            let output = crowd.output(client).context("a sender is gone")?;
            let line = format!("send #room{room} {text:x<0$}\n", options.flow.text_bytes);
            output.extend_from_slice(line.as_bytes());
            member.sent += 1;
            let due_at = self.sent as f64 / options.rate as f64;
            member.unanswered.push_back(Duration::from_secs_f64(due_at));
            self.sent += 1;
        }
        Ok(())
    }

    fn receive(&mut self, client: usize, line: &[u8]) -> anyhow::Result<()> {
        let text = memchr::memmem::find(line, b": ").map(|at| &line[at + 2..]);
        let text = text.and_then(|text| str::from_utf8(text).ok());
        let mut numbers = text.into_iter().flat_map(|text| text.split(' '));
        let mut number = || numbers.next()?.parse::<u64>().ok();
        let (Some(sender), Some(number)) = (number(), number()) else {
            bail!("a member got {:?}", String::from_utf8_lossy(line));
        };
        let received = self.members[client].received.get_mut(sender as usize);
        let received = received.context("a message is of nobody who sends")?;
        ensure!(
            number == *received,
            "client {client} got message {number} of sender {sender} instead of {received}"
        );
        *received += 1;
        self.delivered += 1;
        Ok(())
    }
}

impl Hearing for RoomFlow {
    fn line(&mut self, client: usize, line: &[u8], _: &mut Vec<u8>) -> anyhow::Result<()> {
        match line {
            b"DONE" => {}
            b"sent:" => {
                let due_at = self.members[client].unanswered.pop_front();
                let due_at = due_at.context("an answer belongs to no message")?;
                self.answered.add(self.now.saturating_sub(due_at));
                self.taken += 1;
            }
            _ if line.starts_with(b"[") => self.receive(client, line)?,
            _ => bail!(
                "client {client} was told {:?}",
                String::from_utf8_lossy(line)
            ),
        }
        Ok(())
    }
}
