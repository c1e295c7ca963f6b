//! `chat-bench crash`: pairs of clients under load, while the server's processes are killed with -9.
//!
//! It checks promises 1 to 4 of the protocol: what was acknowledged is received once and in order, and only the clients
//! of a worker that was killed are cut off. Some readers are processes that are killed too: what one of them had not
//! handled comes again, and what its own lines had confirmed does not.

mod cast;
pub mod counts;
mod hearing;
pub mod kills;
pub mod ledger;
pub mod measured;
mod mender;
mod people;
mod person;

mod process_readers;
pub mod reader_process;
mod reading;
pub mod report;
mod storm;
mod tls;
mod visit;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::builder::RangedU64ValueParser;
use signal_hook::consts::{SIGINT, SIGTERM};

use self::kills::Weights;
use self::person::Sending;
use self::reader_process::Launcher;
use self::report::Report;
use self::storm::Storm;
use self::tls::TlsSetup;
use crate::installation::{Accounts, Installation, Plan};
use crate::run_options::RunOptions;

/// Messages that wait for the members of a room, at most.
const ROOM_QUEUE_MESSAGES: usize = 100_000;

/// Pairs of clients under load while processes are killed with -9: is anything lost, doubled, out of order?
///
/// Exit status: 0 all promises were kept, 1 not, or there was too little traffic to tell.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// What the random choices begin with [default: from the clock]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// Kills there are to be at least
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub kills: u64,

    /// Messages that are to be acknowledged at least
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    pub messages: u64,

    /// Pairs of a sender and a reader
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 50,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000)
    )]
    pub pairs: usize,

    /// Rooms, instead of pairs: members read and send in them
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 0,
        conflicts_with = "pairs",
        value_parser = RangedU64ValueParser::<usize>::new().range(0..=1_000)
    )]
    pub rooms: usize,

    /// Members of each room
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 20,
        requires = "rooms",
        value_parser = RangedU64ValueParser::<usize>::new().range(3..=100)
    )]
    pub room_members: usize,

    /// Sessions of each member that read, the plain one and named ones
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 2,
        requires = "rooms",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=16)
    )]
    pub sessions: usize,

    /// Senders to rooms that send by `once`, and again after each broken connection until they are answered
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 50,
        requires = "rooms",
        value_parser = clap::value_parser!(u64).range(0..=100)
    )]
    pub once_percent: u64,

    /// Readers that are processes of their own, so that they can be killed; half of them speak TLS
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 12,
        value_parser = RangedU64ValueParser::<usize>::new().range(0..=1_000)
    )]
    pub reader_processes: usize,

    /// What is killed, with shares: worker, state, supervisor, master, all, reader
    #[arg(
        long,
        value_name = "KIND=SHARE,...",
        default_value = "worker=40,state=20,supervisor=3,master=3,all=2,reader=32"
    )]
    pub kill: Weights,

    /// Time between kills, in the mean
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(1..=600_000)
    )]
    pub kill_interval_ms: u64,

    /// Messages of one sender that may be unanswered
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 32,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000)
    )]
    pub window: usize,

    /// Storm over what runs in this directory, started by scripts/start; accounts are added to its account file, and
    /// stay [default: an installation of its own in a temporary directory]
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,

    /// The program of the readers that are processes [default: this program]
    #[arg(long, hide = true, value_name = "FILE")]
    pub reader_program: Option<PathBuf>,

    /// What it shares with other runs.
    #[command(flatten)]
    pub run: RunOptions,
}

impl Options {
    /// How fast messages are sent, so that there are enough when there were enough kills, and not long before.
    pub(crate) fn messages_per_second(&self) -> f64 {
        let seconds = self.kills as f64 * self.kill_interval_ms as f64 / 1_000.0;
        self.messages as f64 / seconds.max(1.0)
    }

    /// A room's queue of its own installation holds whatever a storm leaves unread.
    fn state_flags(&self) -> Vec<String> {
        match self.rooms {
            0 => Vec::new(),
            _ => vec![format!("--room-queue-messages={ROOM_QUEUE_MESSAGES}")],
        }
    }

    /// How a sender to a room sends; neighbours differ.
    fn sending(&self, sender: usize) -> Sending {
        let once = [sender, sender + 1].map(|senders| senders as u64 * self.once_percent / 100);
        match once[0] < once[1] {
            true => Sending::Once,
            false => Sending::AtOnce,
        }
    }
}

/// Has a storm rage, and tells what came of it. An error means that it could not go on; then nothing is proved.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    let seed = options.seed.unwrap_or_else(seed_of_now);
    chat_node::limits::descriptor_limit::raise().context("cannot raise the descriptor limit")?;
    let is_cancelled = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, is_cancelled.clone())?;
    }
    let programs = options.run.programs_dir()?;
    let clients = cast::account_count(options);
    // One more than the clients have, to ask for numbers with.
    let accounts = Accounts {
        prefix: format!("storm-{seed:x}-"),
        count: clients + 1,
    };
    // What runs already may speak TLS or not; its readers do without.
    let (installation, tls) = match &options.run_dir {
        Some(run_dir) => (Installation::adopt(run_dir, &programs, &accounts)?, None),
        None => {
            let tls = TlsSetup::make()?;
            let plan = Plan {
                front_flags: tls.flags(),
                state_flags: options.state_flags(),
                ..Plan::default()
            };
            let workers = options.run.workers;
            let installation = Installation::create_as(plan, &programs, workers, &accounts)?;
            (installation, Some(tls))
        }
    };
    let launcher = Launcher {
        program: match &options.reader_program {
            Some(program) => program.clone(),
            None => std::env::current_exe()?,
        },
        plain: installation.address(),
        tls: tls.as_ref().map(TlsSetup::address),
        seed,
        text_bytes: options.run.text_bytes,
    };
    let prober = accounts.name(clients);
    let outcome = Storm::new(options, launcher, &installation, &accounts, is_cancelled)
        .and_then(|storm| storm.run(&prober))
        .map(|outcome| Report::new(options, seed, outcome));
    let is_failure = !matches!(&outcome, Ok(report) if report.is_success());
    let kept = installation.end(is_failure);
    let mut report = outcome.with_context(|| describe_kept(seed, &kept))?;
    if let Some(dir) = kept? {
        report.kept_dir(&dir);
    }
    Ok(report)
}

fn describe_kept(seed: u64, kept: &anyhow::Result<Option<PathBuf>>) -> String {
    match kept {
        Ok(Some(dir)) => format!("the storm of seed {seed} broke off; see {}", dir.display()),
        Ok(None) => format!("the storm of seed {seed} broke off"),
        Err(error) => format!("the storm of seed {seed} broke off, and {error:#}"),
    }
}

fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    // The last digits are what differs; a few are easier to type again.
    now.map_or(0, |now| {
        u64::from(now.subsec_nanos()) ^ (now.as_secs() % 1_000_000)
    })
}
