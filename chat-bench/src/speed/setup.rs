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

/// Flags of every measurement of speed.
#[derive(clap::Args, Clone, Debug)]
pub struct Setup {
    /// How often it is measured; medians and ranges are told
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 3,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=100)
    )]
    pub runs: usize,

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

    /// Leave it to the kernel who runs on which core
    #[arg(long)]
    pub unpinned: bool,

    /// Keep the state in memory, where a power cut loses it: what durability costs is the difference
    #[arg(long)]
    pub state_in_memory: bool,

    /// Adds the JSON line to this file, too
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
}

/// One started server per run, one measurement in the end.
#[derive(Debug)]
pub struct Stage<'a> {
    /// What was asked for.
    pub setup: &'a Setup,
    /// Who runs where.
    pub placement: Placement,
}

impl<'a> Stage<'a> {
    /// Looks at this machine.
    pub fn new(setup: &'a Setup) -> anyhow::Result<Self> {
        chat_shared::descriptor_limit::raise()?;
        Ok(Self {
            setup,
            placement: Placement::choose(setup.unpinned)?,
        })
    }

    /// A fresh server with these accounts and flags of its state daemon, on its core.
    pub fn start(&self, accounts: &Accounts, plan: Plan) -> anyhow::Result<Target> {
        let programs = match &self.setup.programs {
            Some(programs) => programs.clone(),
            None => programs_beside_this()?,
        };
        let memory = self
            .setup
            .state_in_memory
            .then(|| PathBuf::from(MEMORY_DIR));
        let plan = Plan {
            parent_dir: plan.parent_dir.or(memory),
            ..plan
        };
        self.placement.on_server_core(|| {
            Target::start(
                self.setup.server,
                &programs,
                self.setup.workers,
                accounts,
                plan,
            )
        })?
    }

    /// Starts a server again, on its core; how long that took.
    pub fn restart(&self, target: &Target) -> anyhow::Result<Duration> {
        self.placement.on_server_core(|| target.restart())?
    }

    /// Does all runs: `run` is given the bar to show its way, and returns its figures.
    pub fn measure<'f>(
        &self,
        bench: &str,
        parameters: &[(&str, u64)],
        mut run: impl FnMut(&mut Progress) -> anyhow::Result<Vec<(&'f str, f64)>>,
    ) -> anyhow::Result<Measurement> {
        let mut runs = Vec::new();
        for number in 1..=self.setup.runs {
            let title = format!("{bench}, run {number} of {}", self.setup.runs);
            runs.push(run(&mut Progress::new(title))?);
        }
        let circumstances = self.circumstances();
        Ok(Measurement::new(bench, &circumstances, parameters, &runs))
    }

    fn circumstances(&self) -> Circumstances {
        let storage = match self.setup.server {
            ServerKind::Chatserv if self.setup.state_in_memory => "memory",
            ServerKind::Chatserv => "disk",
            ServerKind::Ngircd | ServerKind::Inspircd => "none",
        };
        Circumstances {
            server: self.setup.server.name().to_owned(),
            storage: storage.to_owned(),
            placement: self.placement.describe(),
        }
    }
}
