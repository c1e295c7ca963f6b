//! `chat-bench outage`: how long clients wait for an answer when the state process is killed while very many messages
//! wait.

mod asking;
pub mod report;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chat_node::process::identity::ProcessIdentity;
use clap::builder::RangedU64ValueParser;
use nix::sys::signal::Signal;

use self::asking::Asking;
use self::report::{Outcome, Report};
use crate::crowd::Crowd;
use crate::installation::{Accounts, Daemon, Installation};
use crate::machine::load;
use crate::payload::Payload;
use crate::run_options::RunOptions;
use crate::startup::{self, Filling, Work};

/// How long the state process may take to be named after a kill.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Queues messages, kills the state process again and again, and tells how long clients then wait for an answer
///
/// Clients who are logged in send messages to themselves all the time, the next one when the last is answered. Of each
/// client and kill the longest of its waits is taken. The kills are so far apart that the supervisor starts the next
/// process at once. Exit status: 0 every client was answered and no connection closed, 1 not.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Messages that wait
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 100_000,
        value_parser = clap::value_parser!(u64).range(1..=40_000_000)
    )]
    pub queued: u64,

    /// Users they wait for
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1_000,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000)
    )]
    pub users: usize,

    /// Clients who go on sending
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 50,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000)
    )]
    pub clients: usize,

    /// Times that the state process is killed
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub kills: u32,

    /// From one kill to the next
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(100..=3_600_000)
    )]
    pub every_ms: u64,

    /// Fail if half of the waits are longer than that
    #[arg(long, value_name = "MS")]
    pub within_ms: Option<u64>,

    /// What it shares with other runs.
    #[command(flatten)]
    pub run: RunOptions,
}

impl Options {
    /// How the messages come to wait.
    fn filling(&self) -> startup::Options {
        startup::Options {
            queued: self.queued,
            users: self.users,
            window: 1_000,
            within_ms: None,
            run: RunOptions {
                report: None,
                ..self.run.clone()
            },
        }
    }

    /// The account of the first client who goes on sending.
    fn first_client(&self) -> usize {
        self.users + startup::SENDERS
    }
}

/// Queues, kills, and tells how long the clients waited. An error means that a connection closed, an answer was not
/// what it should be, or that nothing went on.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    chat_node::limits::descriptor_limit::raise().context("cannot raise the descriptor limit")?;
    let programs = options.run.programs_dir()?;
    let accounts = Accounts {
        prefix: "outage-".into(),
        count: options.first_client() + options.clients,
    };
    let installation = Installation::create(&programs, options.run.workers, &accounts)?;
    let outcome = measure(options, &installation, &accounts);
    let kept = installation.end(outcome.is_err())?;
    let outcome = outcome.with_context(|| match kept {
        Some(dir) => format!("the measurement broke off; see {}", dir.display()),
        None => "the measurement broke off".to_owned(),
    })?;
    Ok(Report::new(options, outcome))
}

fn measure(
    options: &Options,
    installation: &Installation,
    accounts: &Accounts,
) -> anyhow::Result<Outcome> {
    let load_before = load();
    let payload = Payload::new(0, options.run.text_bytes);
    let mut crowd = Crowd::new(installation.address(), accounts.count)?;
    let filling = options.filling();
    Filling::new(&filling, accounts, payload).run(&mut crowd)?;

    let mut asking = Asking::new(options, accounts, payload);
    asking.log_in(&mut crowd)?;
    // How long they wait when nothing happens.
    asking.go_on_for(Duration::from_millis(options.every_ms), &mut crowd)?;
    let quiet = asking.take_waits();
    let mut outcome = Outcome::new(load_before);
    outcome.quiet.add_all(&quiet);
    for _ in 0..options.kills {
        let state = state_process(installation)?;
        let killed_at = Instant::now();
        state
            .signal(Signal::SIGKILL)
            .context("cannot kill the state process")?;
        asking.until_all_are_answered(&mut crowd)?;
        let pauses = asking.take_waits();
        outcome.add_kill(&pauses);
        let rest = Duration::from_millis(options.every_ms).saturating_sub(killed_at.elapsed());
        asking.go_on_for(rest, &mut crowd)?;
        asking.take_waits();
    }
    asking.log_out(&mut crowd)?;
    outcome.answers = asking.answers();
    outcome.load_after = load();
    Ok(outcome)
}

fn state_process(installation: &Installation) -> anyhow::Result<ProcessIdentity> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(state) = installation.processes(Daemon::State).children.first() {
            return Ok(*state);
        }
        ensure!(Instant::now() < deadline, "there is no state process");
        thread::sleep(LOOK_AGAIN);
    }
}
