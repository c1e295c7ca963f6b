//! `chat-bench attack`: what those who are logged in notice of an attack.
//!
//! Quiet and attack take turns on one server, and a fetch is timed from when it was due, not from when it could be
//! sent. The server has a core of its own, with all that it does. The attackers have what the clients leave them of the
//! other, since their work would be done on another machine: they run only while no client wants it. What they disturb
//! there all the same is told by a decoy, where that can be: a turn in which they attack a port on which nobody is
//! served.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use chat_node::metrics::histogram::Histogram;
use clap::builder::RangedU64ValueParser;

use super::attackers::{Attack, Attackers};
use super::gathering::{Presence, gather};
use super::hearing::{self, Hearing};
use super::measurement::{Figure, Measurement};
use super::progress::Progress;
use super::setup::{Setup, Stage};
use super::target::{ServerKind, Target};
use crate::crowd::Crowd;
use crate::installation::{Accounts, Hashing, Plan};
use crate::process_tree::processor_time;

/// In this an attack begins: it is told apart.
const FIRST: Duration = Duration::from_secs(1);
/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(30);
const TURN_TIMEOUT: Duration = Duration::from_millis(1);
/// Of this server, nobody is trusted: attackers come from addresses of the loopback network.
const FLAGS: [&str; 2] = ["--trusted", "none"];

/// Clients that `fetch` at a steady pace: how long do the answers take in quiet, and under an attack?
///
/// Both take turns on the same server, several times in a run; a fetch is timed from when it was due. Attackers run
/// only while no client wants their core (SCHED_IDLE), because in earnest they are other machines, and send no more
/// than a line of --line-mbits carries. What the server does counts in full: it has a core of its own. The first second
/// of each attack, with what the server allows at once, is told on its own and is in no other figure. Attackers who
/// need no answers have a turn against a decoy, too, which is not the server: what the clients wait for then is this
/// machine.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// What is the same in all measurements.
    #[command(flatten)]
    pub setup: Setup,

    /// The attacks; each is measured on servers of its own, against those in quiet
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

    /// How long is measured, each time, after a first second
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,

    /// How often quiet and attack take turns in a run, of which the medians are told
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 3,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=100)
    )]
    pub rounds: usize,

    /// What the attackers' line carries, in megabits a second
    #[arg(
        long,
        value_name = "MBITS",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(1..=1_000_000)
    )]
    pub line_mbits: u64,
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
        ("seconds", options.seconds),
        ("rounds", options.rounds as u64),
        ("line_mbits", options.line_mbits),
    ];
    let bench = format!("attack {}", attack.name());
    stage.measure(&bench, &parameters, |progress| {
        let accounts = Accounts {
            prefix: attack.name_prefix(),
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
        let decoy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let names = accounts.names();
        let mut crowd = Crowd::new(target.address, names.len())?;
        let clients = 0..options.clients;
        gather(&mut crowd, &target, &names, clients, Presence::LoggedIn)?;
        let mut rounds = Vec::new();
        let names = &names[options.clients..];
        for _ in 0..options.rounds {
            let quiet = Fetches::new(options).measure(&mut crowd, &target, progress)?;
            let mut under_attack = |address| {
                let attackers = Attackers::begin(attack, address, names, options.line_mbits)?;
                let times = Fetches::new(options).measure(&mut crowd, &target, progress)?;
                anyhow::Ok((times, attackers.end()))
            };
            let decoyed = match attack.needs_no_answers() {
                true => Some(under_attack(decoy.local_addr()?)?.0),
                false => None,
            };
            let (attacked, done) = under_attack(target.address)?;
            rounds.push(figures(&quiet, decoyed.as_ref(), &attacked, done));
        }
        target.end()?;
        Ok(medians(&rounds))
    })
}

type Figures = Vec<(&'static str, f64)>;

fn figures(quiet: &Times, decoyed: Option<&Times>, attacked: &Times, done: f64) -> Figures {
    let us = |times: &Histogram, percent| times.percentile(percent).as_secs_f64() * 1e6;
    let [before, under] = [quiet, attacked].map(|times| us(&times.steady, 99.0));
    let mut figures = vec![
        ("quiet p50 us", us(&quiet.steady, 50.0)),
        ("quiet p99 us", before),
        ("attacked p50 us", us(&attacked.steady, 50.0)),
        ("attacked p99 us", under),
        ("p99 ratio", under / before.max(1.0)),
        ("first second's p99 us", us(&attacked.first, 99.0)),
        ("quiet server busy %", quiet.busy_percent),
        ("attacked server busy %", attacked.busy_percent),
        ("attackers' deeds/s", done),
    ];
    if let Some(decoyed) = decoyed {
        let beside = us(&decoyed.steady, 99.0);
        figures.push(("decoyed p99 us", beside));
        figures.push(("p99 ratio to decoyed", under / beside.max(1.0)));
    }
    figures
}

/// The middle one of each figure.
fn medians(rounds: &[Figures]) -> Figures {
    let names = rounds.first().into_iter().flatten().enumerate();
    let median = |(place, (name, _)): (usize, &(&'static str, f64))| {
        let of_rounds = rounds.iter().map(|round| round[place].1).collect();
        (*name, Figure::new(name, of_rounds).median)
    };
    names.map(median).collect()
}

/// How long fetches took, and how busy the server was meanwhile, of one core.
#[derive(Default)]
struct Times {
    /// Those that were due in the first second.
    first: Histogram,
    steady: Histogram,
    busy_percent: f64,
}

/// Fetch `n` is due at `n / rate` seconds, by client `n` modulo their number, whatever became of those before.
struct Fetches {
    rate: u64,
    clients: usize,
    span: Duration,
    began_at: Instant,
    sent: u64,
    answered: u64,
    /// When those were due that are not answered, by client.
    unanswered: Vec<VecDeque<Instant>>,
    times: Times,
}

impl Fetches {
    fn new(options: &Options) -> Self {
        Self {
            rate: options.rate,
            clients: options.clients,
            span: FIRST + Duration::from_secs(options.seconds),
            began_at: Instant::now(),
            sent: 0,
            answered: 0,
            unanswered: vec![VecDeque::new(); options.clients],
            times: Times::default(),
        }
    }

    fn measure(
        self,
        crowd: &mut Crowd,
        target: &Target,
        progress: &mut Progress,
    ) -> anyhow::Result<Times> {
        let processes = target.processes();
        let (began_at, used) = (Instant::now(), processor_time(&processes));
        let times = self.go_on(crowd, progress)?;
        let used = processor_time(&processes) - used;
        Ok(Times {
            busy_percent: used.div_duration_f64(began_at.elapsed()) * 100.0,
            ..times
        })
    }

    fn go_on(mut self, crowd: &mut Crowd, progress: &mut Progress) -> anyhow::Result<Times> {
        loop {
            let now = self.began_at.elapsed();
            progress.show(Instant::now(), now.div_duration_f64(self.span));
            if now < self.span {
                self.send_due(now, crowd);
            } else if self.answered == self.sent {
                return Ok(self.times);
            }
            ensure!(now < self.span + PATIENCE, "fetches are not answered");
            if self.answered == self.sent {
                // Sleeping is more exact than waiting for events, of which there will be none.
                let next = self.due_at(self.sent);
                thread::sleep(next.saturating_duration_since(Instant::now()));
            } else {
                hearing::turn(crowd, TURN_TIMEOUT, &mut self)?;
            }
        }
    }

    fn due_at(&self, number: u64) -> Instant {
        self.began_at + Duration::from_secs_f64(number as f64 / self.rate as f64)
    }

    fn send_due(&mut self, now: Duration, crowd: &mut Crowd) {
        loop {
            let due_at = self.due_at(self.sent);
            if due_at > self.began_at + now {
                return;
            }
            let client = self.sent as usize % self.clients;
            if let Some(output) = crowd.output(client) {
                output.extend_from_slice(b"fetch\n");
                self.unanswered[client].push_back(due_at);
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
        let Some(due_at) = self.unanswered[client].pop_front() else {
            bail!("client {client} was answered what it did not ask");
        };
        self.answered += 1;
        let times = match due_at < self.began_at + FIRST {
            true => &mut self.times.first,
            false => &mut self.times.steady,
        };
        times.add(due_at.elapsed());
        Ok(())
    }
}
