//! What all measurements of speed are told: which server, how often, on which cores.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;

use super::measurement::{Circumstances, Measurement};
use super::placement::Placement;
use super::progress::Progress;
use super::target::{ServerKind, Target};
use crate::installation::{Accounts, Plan, programs_beside_this};

/// Where files are in memory, on any Linux.
const MEMORY_DIR: &str = "/dev/shm";

/// How often something is measured, where, and what becomes of the results.
#[derive(clap::Args, Clone, Debug)]
pub struct Repetition {
    /// How often it is measured; medians and ranges are told
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 3,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=100)
    )]
    pub runs: usize,

    /// Leave it to the kernel who runs on which core [default: server and load on one each, if there are two]
    #[arg(long)]
    pub unpinned: bool,

    /// Adds the JSON line to this file, too
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
}

/// Flags of every measurement of a server.
#[derive(clap::Args, Clone, Debug)]
pub struct Setup {
    /// How often, where, and what becomes of it.
    #[command(flatten)]
    pub repetition: Repetition,

    /// What is measured
    #[arg(long, value_enum, default_value_t = ServerKind::Chatserv)]
    pub server: ServerKind,

    /// Directory of chat-stated and chat-frontd [default: where this program is]
    #[arg(long, value_name = "DIR", env = "CHAT_BIN_DIR")]
    pub programs: Option<PathBuf>,

    /// Workers
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=64)
    )]
    pub workers: usize,

    /// Keep the state in memory, where a power cut loses it: what durability costs is the difference
    #[arg(long)]
    pub state_in_memory: bool,
}

/// Flags of every measurement in which messages flow for some time.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Flow {
    /// Length of a message
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 64,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=400)
    )]
    pub text_bytes: usize,

    /// How long is measured
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=3_600)
    )]
    pub seconds: u64,
}

/// Where all the runs of a measurement take place.
#[derive(Debug)]
pub struct Stage<'a> {
    /// Who runs where.
    pub placement: Placement,
    repetition: &'a Repetition,
    circumstances: Circumstances,
}

impl<'a> Stage<'a> {
    /// To measure a server on.
    pub fn new(setup: &'a Setup) -> anyhow::Result<Self> {
        let storage = match setup.server {
            ServerKind::Chatserv if setup.state_in_memory => "memory",
            ServerKind::Chatserv => "disk",
            ServerKind::Ngircd | ServerKind::Inspircd => "none",
        };
        Self::prepare(&setup.repetition, setup.server.name(), storage)
    }

    /// To measure the machine itself on.
    pub fn of_floors(repetition: &'a Repetition) -> anyhow::Result<Self> {
        Self::prepare(repetition, "floor", "none")
    }

    fn prepare(repetition: &'a Repetition, server: &str, storage: &str) -> anyhow::Result<Self> {
        chat_node::limits::descriptor_limit::raise()?;
        let placement = Placement::choose(repetition.unpinned)?;
        Ok(Self {
            placement,
            repetition,
            circumstances: Circumstances {
                server: server.to_owned(),
                storage: storage.to_owned(),
                placement: placement.describe(),
            },
        })
    }

    /// A fresh server with these accounts and flags of its state daemon, on its core.
    pub fn start(&self, setup: &Setup, accounts: &Accounts, plan: Plan) -> anyhow::Result<Target> {
        let programs = match &setup.programs {
            Some(programs) => programs.clone(),
            None => programs_beside_this()?,
        };
        let memory = setup.state_in_memory.then(|| PathBuf::from(MEMORY_DIR));
        let plan = Plan {
            parent_dir: plan.parent_dir.or(memory),
            ..plan
        };
        self.placement.on_server_core(|| {
            Target::start(setup.server, &programs, setup.workers, accounts, plan)
        })?
    }

    /// Starts a server again, on its core; how long that took.
    pub fn restart(&self, target: &Target) -> anyhow::Result<Duration> {
        self.placement.on_server_core(|| target.restart())?
    }

    /// Kills all processes of a server of ours with -9, and starts it, on its core.
    pub fn kill_and_start(&self, target: &Target) -> anyhow::Result<()> {
        self.placement.on_server_core(|| target.kill_and_start())?
    }

    /// Does all runs: `run` is given the bar to show its way, and returns its figures.
    pub fn measure<'f>(
        &self,
        bench: &str,
        parameters: &[(&str, u64)],
        mut run: impl FnMut(&mut Progress) -> anyhow::Result<Vec<(&'f str, f64)>>,
    ) -> anyhow::Result<Measurement> {
        let mut runs = Vec::new();
        for number in 1..=self.repetition.runs {
            let title = format!("{bench}, run {number} of {}", self.repetition.runs);
            runs.push(run(&mut Progress::new(title))?);
        }
        let circumstances = &self.circumstances;
        Ok(Measurement::new(bench, circumstances, parameters, &runs))
    }
}
