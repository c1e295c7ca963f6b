//! `chat-bench logins`: many clients that log in at about the same time.

use std::time::Instant;

use clap::builder::RangedU64ValueParser;

use super::dialect::Dialect;
use super::gathering::{Presence, gather};
use super::measurement::Measurement;
use super::progress::Progress;
use super::setup::{Setup, Stage};
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
        let mut figures = warm(&stage, &options.setup, options.clients, progress)?;
        if options.setup.server.dialect() == Dialect::Chatserv {
            figures.push(cold(&stage, &options.setup, options.cold_clients)?);
        }
        Ok(figures)
    })?;
    Ok(vec![measurement])
}

fn warm(
    stage: &Stage<'_>,
    setup: &Setup,
    clients: usize,
    progress: &mut Progress,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let accounts = accounts(clients);
    let target = stage.start(setup, &accounts, Plan::default())?;
    let names = accounts.names();
    // The first time the hash is computed, and remembered.
    let mut crowd = Crowd::from_many_addresses(target.address, clients)?;
    progress.show(Instant::now(), 0.1);
    gather(
        &mut crowd,
        &target,
        &names,
        0..names.len(),
        Presence::LoggedIn,
    )?;
    drop(crowd);
    progress.show(Instant::now(), 0.5);
    // They left in this order: what the server does for those who leave is not the price of a login.
    for name in names.first().into_iter().chain(names.last()) {
        target.wait_until_left(name)?;
    }
    let mut crowd = Crowd::from_many_addresses(target.address, clients)?;
    let stopwatch = Stopwatch::start(target.processes(), 0);
    gather(
        &mut crowd,
        &target,
        &names,
        0..names.len(),
        Presence::LoggedIn,
    )?;
    let figures = stopwatch.figures("warm logins/s", clients as u64);
    target.end()?;
    Ok(figures)
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
