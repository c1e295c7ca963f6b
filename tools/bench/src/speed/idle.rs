//! `chat-bench idle`: what clients that do nothing take of memory.

use std::thread;
use std::time::Duration;

use chat_node::metrics::catalogue::CHECKPOINT_PENDING;
use clap::builder::RangedU64ValueParser;

use super::asking::ask_all;
use super::gathering::{Presence, gather};
use super::measurement::Measurement;
use super::setup::{Setup, Stage};
use super::target::Target;
use crate::crowd::Crowd;
use crate::installation::{Accounts, Plan};
use crate::process_tree::{Memory, memory};

/// What a start journals, at most, in entries.
const ENTRIES_OF_START: u64 = 100;
/// How long the checkpoint of a start may take.
const CHECKPOINT_TIME: Duration = Duration::from_secs(2);

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

    /// Rooms that each client is a member of. Then all are also measured as members, and the memberships
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 0,
        value_parser = RangedU64ValueParser::<usize>::new().range(0..=100)
    )]
    pub rooms: usize,

    /// Members of each room
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 100,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000)
    )]
    pub room_members: usize,
}

/// Measures it.
pub fn run(options: &Options) -> anyhow::Result<Vec<Measurement>> {
    let stage = Stage::new(&options.setup)?;
    let one = |clients: &usize| of_clients(&stage, options, *clients);
    options.clients.iter().map(one).collect()
}

fn of_clients(stage: &Stage<'_>, options: &Options, clients: usize) -> anyhow::Result<Measurement> {
    let mut parameters = vec![
        ("clients", clients as u64),
        ("workers", options.setup.workers as u64),
    ];
    if options.rooms > 0 {
        parameters.push(("rooms", options.rooms as u64));
        parameters.push(("room_members", options.room_members as u64));
    }
    stage.measure("idle", &parameters, |_| {
        let accounts = Accounts {
            prefix: "idle".into(),
            count: clients,
        };
        let rooms = clients.div_ceil(options.room_members) * options.rooms;
        let plan = Plan {
            state_flags: match rooms {
                0 => Vec::new(),
                _ => vec![format!("--max-rooms={rooms}")],
            },
            ..Plan::default()
        };
        let target = stage.start(&options.setup, &accounts, plan)?;
        let names = accounts.names();
        let (before, all) = come_in(&target, &names)?.0;
        let mut figures = figures(before, all, clients).to_vec();
        if options.rooms > 0 {
            figures.extend(as_members(stage, options, &target, &names)?);
        }
        target.end()?;
        Ok(figures)
    })
}

/// What the server takes with one client, and with all. What the first one makes it prepare is not the price of a
/// client.
fn come_in(target: &Target, names: &[String]) -> anyhow::Result<((Memory, Memory), Crowd)> {
    let mut crowd = Crowd::from_many_addresses(target.address, names.len())?;
    gather(&mut crowd, target, names, 0..1, Presence::LoggedIn)?;
    let before = memory(&target.processes());
    gather(
        &mut crowd,
        target,
        names,
        1..names.len(),
        Presence::LoggedIn,
    )?;
    Ok(((before, memory(&target.processes())), crowd))
}

/// Starts a server again until it finds all in its checkpoint but for a short journal. The checkpoint that follows a
/// start with a long one takes memory, which is then kept for later clients.
fn restart_settled(stage: &Stage<'_>, target: &Target) -> anyhow::Result<()> {
    let mut before = u64::MAX;
    loop {
        stage.restart(target)?;
        let [replayed] = target.state_metrics([&CHECKPOINT_PENDING])?;
        if replayed.abs_diff(before) <= ENTRIES_OF_START {
            return Ok(());
        }
        before = replayed;
        thread::sleep(CHECKPOINT_TIME);
    }
}

/// The same of members, and what a room and a membership take. The server starts again before each look: so it has
/// nothing but its state.
fn as_members(
    stage: &Stage<'_>,
    options: &Options,
    target: &Target,
    names: &[String],
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let join = |client: usize| -> String {
        let group = client / options.room_members;
        let join = |room| format!("join #group{group}-{room}\n");
        (0..options.rooms).map(join).collect()
    };
    let makers = || (0..names.len()).step_by(options.room_members);
    restart_settled(stage, target)?;
    let ((without, _), mut crowd) = come_in(target, names)?;
    for maker in makers() {
        ask_all(&mut crowd, maker..maker + 1, options.rooms, join)?;
    }
    drop(crowd);
    restart_settled(stage, target)?;
    let ((with_rooms, _), mut crowd) = come_in(target, names)?;
    ask_all(&mut crowd, 0..names.len(), options.rooms, join)?;
    drop(crowd);
    restart_settled(stage, target)?;
    let ((before, all), _) = come_in(target, names)?;
    let [(_, client_kib), ..] = figures(before, all, names.len());
    let rooms = makers().count() * options.rooms;
    let memberships = names.len() * options.rooms - rooms;
    let bytes_each = |more: Memory, than: Memory, count: usize| {
        let more = more.anonymous_bytes as f64 - than.anonymous_bytes as f64;
        more / count.max(1) as f64
    };
    Ok(vec![
        ("KiB a member (PSS)", client_kib),
        (
            "bytes a room of one member (anonymous)",
            bytes_each(with_rooms, without, rooms),
        ),
        (
            "bytes a membership (anonymous)",
            bytes_each(before, with_rooms, memberships),
        ),
    ])
}

fn figures(before: Memory, all: Memory, clients: usize) -> [(&'static str, f64); 3] {
    const KIB: f64 = 1024.0;
    let more = |of: fn(Memory) -> u64| of(all) as f64 - of(before) as f64;
    let clients = clients as f64;
    [
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
