//! `chat-bench offline`: messages for users who are not there, and then these users come.

use std::ops::Range;
use std::time::Instant;

use anyhow::{bail, ensure};
use clap::builder::RangedU64ValueParser;

use super::deliveries::Answers;
use super::dialect::Dialect;
use super::gathering::{Presence, gather};
use super::hearing::Hearing;
use super::measurement::Measurement;
use super::progress::Progress;
use super::setup::{Setup, Stage};
use super::target::Target;
use super::traffic::{Stopwatch, Traffic, flow_until};
use crate::crowd::{Closed, Crowd};
use crate::installation::{Accounts, Plan};

/// Clients that send.
const SENDERS: usize = 8;
/// Messages of one sender that may be unanswered.
const WINDOW: u64 = 1_000;

/// Messages for users who are offline: how many are accepted in a second, and how many do they get when they log in?
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// What is the same in all measurements.
    #[command(flatten)]
    pub setup: Setup,

    /// Messages
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 100_000,
        value_parser = clap::value_parser!(u64).range(1..=40_000_000)
    )]
    pub messages: u64,

    /// Users they wait for
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1_000,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000)
    )]
    pub users: usize,

    /// Users who are logging in or reading at the same time
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 200,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000)
    )]
    pub at_once: usize,

    /// Length of a message
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 64,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=400)
    )]
    pub text_bytes: usize,
}

/// Measures it.
pub fn run(options: &Options) -> anyhow::Result<Vec<Measurement>> {
    let stage = Stage::new(&options.setup)?;
    let parameters = [
        ("messages", options.messages),
        ("users", options.users as u64),
        ("text_bytes", options.text_bytes as u64),
        ("workers", options.setup.workers as u64),
    ];
    let measurement = stage.measure("offline", &parameters, |progress| {
        let accounts = Accounts {
            prefix: "off".into(),
            count: SENDERS + options.users,
        };
        let target = stage.start(&options.setup, &accounts, Plan::default())?;
        ensure!(
            target.dialect == Dialect::Chatserv,
            "this server keeps no messages for who is offline"
        );
        let figures = offline(options, &target, &accounts, progress)?;
        target.end()?;
        Ok(figures)
    })?;
    Ok(vec![measurement])
}

fn offline(
    options: &Options,
    target: &Target,
    accounts: &Accounts,
    progress: &mut Progress,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let names = accounts.names();
    let mut crowd = Crowd::new(target.address, names.len())?;
    gather(&mut crowd, target, &names, 0..SENDERS, Presence::LoggedIn)?;
    let mut senders = Senders::new(options, &names[SENDERS..]);
    let stopwatch = Stopwatch::start(target.processes(), 0);
    flow_until(&mut senders, &mut crowd, |senders| {
        progress.show(
            Instant::now(),
            0.5 * senders.taken as f64 / options.messages as f64,
        );
        senders.taken == options.messages
    })?;
    let accepted = stopwatch.figures("accepted/s", senders.taken);

    let mut readers = Readers::new(SENDERS..names.len(), &names, options.at_once);
    let stopwatch = Stopwatch::start(target.processes(), 0);
    flow_until(&mut readers, &mut crowd, |readers| {
        let share = readers.received as f64 / options.messages as f64;
        progress.show(Instant::now(), 0.5 + 0.5 * share);
        readers.gone == options.users
    })?;
    let drained = stopwatch.figures("drained/s", readers.received);
    ensure!(
        readers.received == options.messages,
        "of {} messages {} came",
        options.messages,
        readers.received
    );
    let (rate, cpu) = (0, 1);
    Ok(vec![
        accepted[rate],
        ("server CPU s/M accepted", accepted[cpu].1),
        drained[rate],
        ("server CPU s/M drained", drained[cpu].1),
    ])
}

struct Senders<'a> {
    /// The line for each user.
    lines: Vec<Vec<u8>>,
    options: &'a Options,
    senders: Vec<Sender>,
    sent: u64,
    taken: u64,
}

struct Sender {
    answers: Answers,
    asked: u64,
}

impl<'a> Senders<'a> {
    fn new(options: &'a Options, users: &[String]) -> Self {
        let text = "x".repeat(options.text_bytes);
        let sender = |_| Sender {
            answers: Answers::new(Dialect::Chatserv),
            asked: 0,
        };
        Self {
            lines: users
                .iter()
                .map(|user| Dialect::Chatserv.send(user, &text))
                .collect(),
            options,
            senders: (0..SENDERS).map(sender).collect(),
            sent: 0,
            taken: 0,
        }
    }
}

impl Traffic for Senders<'_> {
    fn begin_more(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        for (number, sender) in self.senders.iter_mut().enumerate() {
            if sender.asked > WINDOW / 2 {
                continue;
            }
            let Some(output) = crowd.output(number) else {
                continue;
            };
            while sender.asked < WINDOW && self.sent < self.options.messages {
                let user = self.sent as usize % self.lines.len();
                output.extend_from_slice(&self.lines[user]);
                sender.asked += 1;
                self.sent += 1;
            }
        }
        Ok(())
    }

    fn done(&self) -> u64 {
        self.taken
    }
}

impl Hearing for Senders<'_> {
    fn lines(&mut self, client: usize, lines: &[u8], output: &mut Vec<u8>) -> anyhow::Result<()> {
        let sender = &mut self.senders[client];
        let taken = sender.answers.count(lines, output)?;
        sender.asked -= taken;
        self.taken += taken;
        Ok(())
    }

    fn closed(&mut self, _: usize, how: Closed) -> anyhow::Result<()> {
        bail!("a sender was cut off: {how:?}")
    }
}

/// Users who log in, get what waits, and log out.
struct Readers<'a> {
    clients: Range<usize>,
    names: &'a [String],
    at_once: usize,
    next: usize,
    gone: usize,
    received: u64,
}

impl<'a> Readers<'a> {
    fn new(clients: Range<usize>, names: &'a [String], at_once: usize) -> Self {
        Self {
            next: clients.start,
            clients,
            names,
            at_once,
            gone: 0,
            received: 0,
        }
    }
}

impl Traffic for Readers<'_> {
    fn begin_more(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        while self.next < self.clients.end
            && self.next - self.clients.start < self.gone + self.at_once
        {
            crowd.connect(self.next)?;
            self.next += 1;
        }
        Ok(())
    }

    fn done(&self) -> u64 {
        self.received + self.gone as u64
    }
}

impl Hearing for Readers<'_> {
    fn opened(&mut self, client: usize, output: &mut Vec<u8>) {
        let credentials = (self.names[client].as_str(), Accounts::PASSWORD);
        output.extend_from_slice(&Dialect::Chatserv.enter(credentials, Presence::LoggedIn));
        output.extend_from_slice(b"logout\n");
    }

    fn line(&mut self, client: usize, line: &[u8], _: &mut Vec<u8>) -> anyhow::Result<()> {
        match line {
            _ if Dialect::Chatserv.is_delivery(line) => self.received += 1,
            b"password" | b"welcome" | b"DONE" | b"goodbye" => {}
            _ => {
                let (name, line) = (&self.names[client], String::from_utf8_lossy(line));
                bail!("{name} got {line:?}");
            }
        }
        Ok(())
    }

    fn closed(&mut self, client: usize, how: Closed) -> anyhow::Result<()> {
        self.gone += 1;
        let name = &self.names[client];
        ensure!(how == Closed::End, "{name} was cut off: {how:?}");
        Ok(())
    }
}
