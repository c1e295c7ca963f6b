//! `chat-bench accounts`: what grows with the number of accounts, and what does not.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::builder::RangedU64ValueParser;

use super::gathering::{Presence, gather};
use super::measurement::Measurement;
use super::person::Person;
use super::progress::Progress;
use super::setup::{Setup, Stage};
use super::target::Target;
use super::traffic::{SERVER_CPU, Stopwatch};
use crate::crowd::Crowd;
use crate::installation::{Accounts, Plan};

/// Clients that are online meanwhile.
const ONLINE: usize = 100;
/// How long each thing is done, and how often at least.
const SPAN: Duration = Duration::from_secs(1);
const LEAST_TIMES: u64 = 100;

/// A broadcast, `who`, a login and a start, with few and with many accounts: does it matter how many there are?
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// What is the same in all measurements.
    #[command(flatten)]
    pub setup: Setup,

    /// Numbers of accounts
    #[arg(
        long,
        value_name = "COUNT,...",
        value_delimiter = ',',
        default_value = "1000,10000,100000,1000000",
        value_parser = RangedU64ValueParser::<usize>::new().range(1_000..=10_000_000)
    )]
    pub accounts: Vec<usize>,
}

/// Measures it.
pub fn run(options: &Options) -> anyhow::Result<Vec<Measurement>> {
    let stage = Stage::new(&options.setup)?;
    let one = |count: &usize| {
        let parameters = [("accounts", *count as u64), ("online", ONLINE as u64)];
        stage.measure("accounts", &parameters, |progress| {
            with_accounts(&stage, &options.setup, *count, progress)
        })
    };
    options.accounts.iter().map(one).collect()
}

fn with_accounts(
    stage: &Stage<'_>,
    setup: &Setup,
    count: usize,
    progress: &mut Progress,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let accounts = Accounts {
        prefix: "acc".into(),
        count,
    };
    let plan = Plan {
        state_flags: vec![format!("--broadcasts-per-minute={}", u32::MAX)],
        parent_dir: None::<PathBuf>,
        ..Plan::default()
    };
    progress.show(Instant::now(), 0.0);
    let target = stage.start(setup, &accounts, plan)?;
    progress.show(Instant::now(), 0.3);
    // With the first start the accounts were taken over from the account file.
    let start_took = stage.restart(&target)?;
    progress.show(Instant::now(), 0.5);
    let names: Vec<_> = (0..ONLINE).map(|number| accounts.name(number)).collect();
    let mut crowd = Crowd::new(target.address, ONLINE)?;
    gather(
        &mut crowd,
        &target,
        &names,
        0..names.len(),
        Presence::LoggedIn,
    )?;
    let asker = accounts.name(ONLINE);
    let mut person = Person::log_in(target.address, &asker)?.context("the asker is there")?;
    let [broadcast, broadcast_cpu] = each(&target, || {
        person.ask(b"broadcast to everybody who has an account\n")
    })?;
    let [who, who_cpu] = each(&target, || person.ask(b"who\n"))?;
    // Far apart, so that no login finds the pages of the one before.
    let mut next = (ONLINE + 1..count).step_by((count / 500).max(1)).cycle();
    let [login, login_cpu] = each(&target, || {
        let name = accounts.name(next.next().unwrap_or_default());
        let person = Person::log_in(target.address, &name)?;
        person.context("a user is there already")?.log_out()
    })?;
    target.end()?;
    Ok(vec![
        ("broadcast us", broadcast),
        ("broadcast server CPU us", broadcast_cpu),
        ("who us", who),
        ("who server CPU us", who_cpu),
        ("login us", login),
        ("login server CPU us", login_cpu),
        ("start ms", ms(start_took)),
    ])
}

/// Microseconds that something takes on the clock, and those of the server's processor time.
fn each(target: &Target, mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<[f64; 2]> {
    let stopwatch = Stopwatch::start(target.processes(), 0);
    let (began_at, mut times) = (Instant::now(), 0);
    while began_at.elapsed() < SPAN || times < LEAST_TIMES {
        work()?;
        times += 1;
    }
    let figures = stopwatch.figures("times/s", times);
    let figure = |wanted| figures.iter().find(|(name, _)| *name == wanted);
    let value = |wanted| figure(wanted).map_or(0.0, |(_, value)| *value);
    // Seconds for a million are microseconds for one.
    Ok([1e6 / value("times/s"), value(SERVER_CPU)])
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}
