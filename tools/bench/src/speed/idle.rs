//! `chat-bench idle`: what clients that do nothing take of memory.

use clap::builder::RangedU64ValueParser;

use super::gathering::{Presence, gather};
use super::measurement::Measurement;
use super::setup::{Setup, Stage};
use crate::crowd::Crowd;
use crate::installation::{Accounts, Plan};
use crate::process_tree::{Memory, memory};

/// Clients that are logged in and silent: how much memory of the server's processes does each take?
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// What is the same in all measurements.
    #[command(flatten)]
    pub setup: Setup,

    /// Clients; each time these are measured
    #[arg(
        long,
        value_name = "COUNT,...",
        value_delimiter = ',',
        default_value = "10000",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=19_000)
    )]
    pub clients: Vec<usize>,
}

/// Measures it.
pub fn run(options: &Options) -> anyhow::Result<Vec<Measurement>> {
    let stage = Stage::new(&options.setup)?;
    let one = |clients: &usize| of_clients(&stage, &options.setup, *clients);
    options.clients.iter().map(one).collect()
}

fn of_clients(stage: &Stage<'_>, setup: &Setup, clients: usize) -> anyhow::Result<Measurement> {
    let parameters = [
        ("clients", clients as u64),
        ("workers", setup.workers as u64),
    ];
    stage.measure("idle", &parameters, |_| {
        let accounts = Accounts {
            prefix: "idle".into(),
            count: clients,
        };
        let target = stage.start(setup, &accounts, Plan::default())?;
        // What the first client makes the server prepare is not the price of a client.
        let names = accounts.names();
        let mut crowd = Crowd::from_many_addresses(target.address, names.len())?;
        gather(&mut crowd, &target, &names, 0..1, Presence::LoggedIn)?;
        let before = memory(&target.processes());
        gather(&mut crowd, &target, &names, 1..clients, Presence::LoggedIn)?;
        let all = memory(&target.processes());
        target.end()?;
        Ok(figures(before, all, clients))
    })
}

fn figures(before: Memory, all: Memory, clients: usize) -> Vec<(&'static str, f64)> {
    const KIB: f64 = 1024.0;
    let more = |of: fn(Memory) -> u64| of(all) as f64 - of(before) as f64;
    let clients = clients as f64;
    vec![
        (
            "KiB a client (PSS)",
            more(|memory| memory.proportional_bytes) / KIB / clients,
        ),
        (
            "KiB a client (anonymous)",
            more(|memory| memory.anonymous_bytes) / KIB / clients,
        ),
        ("KiB for all (PSS)", all.proportional_bytes as f64 / KIB),
    ]
}
