//! `chat-bench attack`: what those who are logged in notice of an attack.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use clap::builder::RangedU64ValueParser;

use super::attackers::{Attack, Attackers};
use super::gathering::{Presence, gather};
use super::hearing::{self, Hearing};
use super::measurement::Measurement;
use super::progress::Progress;
use super::setup::{Setup, Stage};
use super::target::ServerKind;
use crate::crowd::Crowd;
use crate::histogram::Histogram;
use crate::installation::{Accounts, Hashing, Plan};

/// What becomes of an attack before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(30);
const TURN_TIMEOUT: Duration = Duration::from_millis(1);
/// Of this server, nobody is trusted: attackers come from addresses of the loopback network.
const FLAGS: [&str; 2] = ["--trusted", "none"];

/// Clients that `fetch` at a steady pace: how long do the answers take in quiet, and under an attack?
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// What is the same in all measurements.
    #[command(flatten)]
    pub setup: Setup,

    /// The attacks; each is measured on a server of its own, against that server in quiet
    #[arg(long, value_enum, value_name = "ATTACK,...", value_delimiter = ',', default_values_t = Attack::ALL)]
    pub attacks: Vec<Attack>,

    /// Clients that fetch
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 20,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=30)
    )]
    pub clients: usize,

    /// How often they fetch, all together, in a second
    #[arg(long, value_name = "COUNT", default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub rate: u64,

    /// How long is measured, each time
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
}

/// Measures it.
pub fn run(options: &Options) -> anyhow::Result<Vec<Measurement>> {
    ensure!(
        options.setup.server == ServerKind::Chatserv,
        "only our own server is attacked"
    );
    let stage = Stage::new(&options.setup)?;
    let one = |attack: &Attack| under(*attack, &stage, options);
    options.attacks.iter().map(one).collect()
}

fn under(attack: Attack, stage: &Stage<'_>, options: &Options) -> anyhow::Result<Measurement> {
    let parameters = [
        ("clients", options.clients as u64),
        ("rate", options.rate),
        ("workers", options.setup.workers as u64),
    ];
    let bench = format!("attack {}", attack.name());
    stage.measure(&bench, &parameters, |progress| {
        let accounts = Accounts {
            prefix: "att".into(),
            count: options.clients + Attack::ACCOUNTS,
        };
        let plan = Plan {
            state_flags: FLAGS.map(str::to_owned).to_vec(),
            front_flags: FLAGS.map(str::to_owned).to_vec(),
            // Passwords cost what they cost.
            hashing: Hashing::Standard,
            ..Plan::default()
        };
        let target = stage.start(&options.setup, &accounts, plan)?;
        let names = accounts.names();
        let mut crowd = Crowd::new(target.address, names.len())?;
        let clients = 0..options.clients;
        gather(&mut crowd, &target, &names, clients, Presence::LoggedIn)?;
        let quiet = Fetches::new(options).go_on(&mut crowd, progress)?;
        let attackers = Attackers::begin(attack, target.address, &names[options.clients..])?;
        let attacked = Fetches::new(options).go_on(&mut crowd, progress)?;
        let done = attackers.end();
        target.end()?;
        Ok(figures(&quiet, &attacked, done))
    })
}

fn figures(quiet: &Histogram, attacked: &Histogram, done: f64) -> Vec<(&'static str, f64)> {
    let us = |times: &Histogram, percent| times.percentile(percent).as_secs_f64() * 1e6;
    let [before, under] = [quiet, attacked].map(|times| us(times, 99.0));
    vec![
        ("quiet p50 us", us(quiet, 50.0)),
        ("quiet p99 us", before),
        ("attacked p50 us", us(attacked, 50.0)),
        ("attacked p99 us", under),
        ("p99 ratio", under / before.max(1.0)),
        ("attackers' deeds/s", done),
    ]
}

/// Fetch `n` is due at `n / rate` seconds, by client `n` modulo their number, whatever became of those before.
struct Fetches {
    rate: u64,
    clients: usize,
    span: Duration,
    began_at: Instant,
    sent: u64,
    answered: u64,
    /// When those were sent that are not answered, by client.
    unanswered: Vec<VecDeque<Instant>>,
    times: Histogram,
}

impl Fetches {
    fn new(options: &Options) -> Self {
        Self {
            rate: options.rate,
            clients: options.clients,
            span: WARM_UP + Duration::from_secs(options.seconds),
            began_at: Instant::now(),
            sent: 0,
            answered: 0,
            unanswered: vec![VecDeque::new(); options.clients],
            times: Histogram::default(),
        }
    }

    /// How long each took, but those of the warm-up.
    fn go_on(mut self, crowd: &mut Crowd, progress: &mut Progress) -> anyhow::Result<Histogram> {
        loop {
            let now = self.began_at.elapsed();
            progress.show(Instant::now(), now.div_duration_f64(self.span));
            if now < self.span {
                self.send_due(now, crowd);
            } else if self.answered == self.sent {
                return Ok(self.times);
            }
            ensure!(now < self.span + PATIENCE, "fetches are not answered");
            hearing::turn(crowd, TURN_TIMEOUT, &mut self)?;
        }
    }

    fn send_due(&mut self, now: Duration, crowd: &mut Crowd) {
        let due = (now.as_secs_f64() * self.rate as f64) as u64;
        while self.sent <= due {
            let client = self.sent as usize % self.clients;
            if let Some(output) = crowd.output(client) {
                output.extend_from_slice(b"fetch\n");
                self.unanswered[client].push_back(Instant::now());
            }
            self.sent += 1;
        }
    }
}

impl Hearing for Fetches {
    fn line(&mut self, client: usize, line: &[u8], _: &mut Vec<u8>) -> anyhow::Result<()> {
        if line != b"DONE" {
            return Ok(());
        }
        let Some(sent_at) = self.unanswered[client].pop_front() else {
            bail!("client {client} was answered what it did not ask");
        };
        self.answered += 1;
        if sent_at >= self.began_at + WARM_UP {
            self.times.add(sent_at.elapsed());
        }
        Ok(())
    }
}
