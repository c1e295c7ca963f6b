//! `chat-bench logins`: many clients that log in at about the same time.

use std::time::Instant;

use clap::builder::RangedU64ValueParser;

use super::asking::ask_all;
use super::dialect::Dialect;
use super::gathering::{Presence, gather, gather_by};
use super::measurement::Measurement;
use super::progress::Progress;
use super::setup::{Setup, Stage};
use super::target::Target;
use super::traffic::Stopwatch;
use crate::crowd::Crowd;
use crate::installation::{Accounts, Hashing, Plan};

/// Clients that log in, with passwords: how many in a second, warm (again since the start) and cold (for the first
/// time)?
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// What is the same in all measurements.
    #[command(flatten)]
    pub setup: Setup,

    /// Clients that log in
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 10_000,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=19_000)
    )]
    pub clients: usize,

    /// Clients that log in for the first time, with passwords that were hashed as the server does it
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 200,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=19_000)
    )]
    pub cold_clients: usize,

    /// Log them in with tokens, too: warm, and after all processes were killed with -9 and started again
    #[arg(long)]
    pub tokens: bool,
}

/// Measures it.
pub fn run(options: &Options) -> anyhow::Result<Vec<Measurement>> {
    let stage = Stage::new(&options.setup)?;
    let parameters = [
        ("clients", options.clients as u64),
        ("cold_clients", options.cold_clients as u64),
        ("workers", options.setup.workers as u64),
    ];
    let measurement = stage.measure("logins", &parameters, |progress| {
        let mut figures = warm(&stage, options, progress)?;
        if options.setup.server.dialect() == Dialect::Chatserv {
            figures.push(cold(&stage, &options.setup, options.cold_clients)?);
        }
        Ok(figures)
    })?;
    Ok(vec![measurement])
}

fn warm(
    stage: &Stage<'_>,
    options: &Options,
    progress: &mut Progress,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let accounts = accounts(options.clients);
    let target = stage.start(&options.setup, &accounts, Plan::default())?;
    let names = accounts.names();
    // The first time the hash is computed, and remembered.
    let password = |_| Accounts::PASSWORD;
    log_in_all(&target, &names, &password, "first logins/s")?;
    progress.show(Instant::now(), 0.3);
    let (mut figures, mut crowd) = log_in_all(&target, &names, &password, "warm logins/s")?;
    if options.tokens {
        let new_token = |_| "token new bench\n".to_owned();
        let answers = ask_all(&mut crowd, 0..names.len(), 1, new_token)?;
        drop(crowd);
        progress.show(Instant::now(), 0.6);
        let token = |client: usize| answers[client].trim_start_matches("token:");
        let warm = log_in_all(&target, &names, &token, "warm token logins/s")?.0;
        stage.kill_and_start(&target)?;
        let killed = log_in_all(&target, &names, &token, "token logins/s after kill -9")?.0;
        figures.extend([warm[0], killed[0]]);
    }
    target.end()?;
    Ok(figures)
}

/// Logs all in, once those of before have left.
fn log_in_all<'a>(
    target: &Target,
    names: &'a [String],
    password: &'a dyn Fn(usize) -> &'a str,
    rate: &'static str,
) -> anyhow::Result<(Vec<(&'static str, f64)>, Crowd)> {
    // They left in this order: what the server does for those who leave is not the price of a login.
    for name in names.first().into_iter().chain(names.last()) {
        target.wait_until_left(name)?;
    }
    let mut crowd = Crowd::from_many_addresses(target.address, names.len())?;
    let stopwatch = Stopwatch::start(target.processes(), 0);
    let all = 0..names.len();
    gather_by(
        &mut crowd,
        target,
        (names, password),
        all,
        Presence::LoggedIn,
    )?;
    Ok((stopwatch.figures(rate, names.len() as u64), crowd))
}

fn cold(stage: &Stage<'_>, setup: &Setup, clients: usize) -> anyhow::Result<(&'static str, f64)> {
    let accounts = accounts(clients);
    let plan = Plan {
        hashing: Hashing::Standard,
        ..Plan::default()
    };
    let target = stage.start(setup, &accounts, plan)?;
    let mut crowd = Crowd::from_many_addresses(target.address, clients)?;
    let stopwatch = Stopwatch::start(target.processes(), 0);
    gather(
        &mut crowd,
        &target,
        &accounts.names(),
        0..clients,
        Presence::LoggedIn,
    )?;
    let figures = stopwatch.figures("cold logins/s", clients as u64);
    target.end()?;
    Ok(figures[0])
}

fn accounts(count: usize) -> Accounts {
    Accounts {
        prefix: "log".into(),
        count,
    }
}
