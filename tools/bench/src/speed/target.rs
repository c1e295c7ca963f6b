//! The server that is measured: ours, or a peer that was installed from a package.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use chat_node::control::client::ControlClient;
use chat_node::control::protocol::{Answer, MetricsAnswer, Question};
use chat_node::files::run_dir::RunDir;
use chat_node::metrics::catalogue::Metric;
use chat_node::metrics::samples::Value;
use chat_node::process::identity::ProcessIdentity;
use chat_stated::journal::CommitSummary;
use clap::ValueEnum;
use nix::sys::signal::Signal;

use super::dialect::Dialect;
use super::peer::{Peer, PeerKind};
use super::person::Person;
use crate::installation::{Accounts, Daemon, Installation, Plan, Processes, free_address};
use crate::process_tree::descendants;

/// How long a client that has hung up may be thought to be there.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServerKind {
    /// Ours, durable
    Chatserv,
    /// ngIRCd, not durable
    Ngircd,
    /// InspIRCd, not durable
    Inspircd,
}

impl ServerKind {
    /// What its clients speak.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Chatserv => Dialect::Chatserv,
            Self::Ngircd | Self::Inspircd => Dialect::Irc,
        }
    }

    fn arrivals_at_once(self) -> usize {
        match self {
            // Fewer than logins of one address may wait at the state daemon.
            Self::Chatserv => 200,
            // It listens with room for ten, and the eleventh would wait a second.
            Self::Ngircd => 8,
            // It lets those who are there in once a second.
            Self::Inspircd => 1_000,
        }
    }

    /// As flags and results call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chatserv => "chatserv",
            Self::Ngircd => PeerKind::Ngircd.name(),
            Self::Inspircd => PeerKind::Inspircd.name(),
        }
    }

    fn peer(self) -> Option<PeerKind> {
        match self {
            Self::Chatserv => None,
            Self::Ngircd => Some(PeerKind::Ngircd),
            Self::Inspircd => Some(PeerKind::Inspircd),
        }
    }
}

/// A server that runs.
#[derive(Debug)]
pub struct Target {
    /// What its clients speak.
    pub dialect: Dialect,
    /// How many of them may come in at the same time.
    pub arrivals_at_once: usize,
    /// Where they connect.
    pub address: SocketAddr,
    served_by: ServedBy,
}

#[derive(Debug)]
enum ServedBy {
    Ours(Installation),
    Peer(Peer),
}

impl Target {
    /// Starts one. Peers need no accounts.
    pub fn start(
        kind: ServerKind,
        programs: &Path,
        workers: usize,
        accounts: &Accounts,
        plan: Plan,
    ) -> anyhow::Result<Self> {
        let (address, served_by) = match kind.peer() {
            Some(peer) => {
                let address = free_address()?;
                (address, ServedBy::Peer(Peer::start(peer, address)?))
            }
            None => {
                let installation = Installation::create_as(plan, programs, workers, accounts)?;
                (installation.address(), ServedBy::Ours(installation))
            }
        };
        Ok(Self {
            dialect: kind.dialect(),
            arrivals_at_once: kind.arrivals_at_once(),
            address,
            served_by,
        })
    }

    /// All its processes, as they are now.
    pub fn processes(&self) -> Vec<i32> {
        match &self.served_by {
            ServedBy::Ours(installation) => {
                let parents = [Daemon::State, Daemon::Front]
                    .into_iter()
                    .filter_map(|daemon| installation.processes(daemon).parent);
                let roots: Vec<_> = parents.map(|parent| parent.pid).collect();
                descendants(&roots)
            }
            ServedBy::Peer(peer) => descendants(&[peer.pid()]),
        }
    }

    /// Waits until a client of ours that has hung up is no longer online.
    pub fn wait_until_left(&self, name: &str) -> anyhow::Result<()> {
        if self.dialect != Dialect::Chatserv {
            return Ok(());
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(person) = Person::log_in(self.address, name)? {
                return person.log_out();
            }
            ensure!(Instant::now() < deadline, "{name} stays online");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops it and starts it again. How long the start took until it serves.
    pub fn restart(&self) -> anyhow::Result<Duration> {
        let installation = self.ours()?;
        installation.stop()?;
        let began_at = Instant::now();
        installation.start(Daemon::State)?;
        installation.start(Daemon::Front)?;
        Ok(began_at.elapsed())
    }

    /// Kills all its processes with -9, and starts it.
    pub fn kill_and_start(&self) -> anyhow::Result<()> {
        let installation = self.ours()?;
        for daemon in [Daemon::State, Daemon::Front] {
            let Processes { parent, children } = installation.processes(daemon);
            for process in parent.iter().chain(&children) {
                // One of them may end by itself once its parent is gone.
                let _ = process.signal(Signal::SIGKILL);
            }
            let deadline = Instant::now() + PATIENCE;
            while parent
                .iter()
                .chain(&children)
                .any(ProcessIdentity::is_alive)
            {
                ensure!(
                    Instant::now() < deadline,
                    "{} does not die",
                    daemon.program()
                );
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        installation.start(Daemon::State)?;
        installation.start(Daemon::Front)
    }

    /// What the state process counts and measures now: the values of these metrics.
    pub fn state_metrics<const COUNT: usize>(
        &self,
        metrics: [&Metric; COUNT],
    ) -> anyhow::Result<[u64; COUNT]> {
        let run_dir = RunDir::new(self.ours()?.run_dir(), Daemon::State.program());
        let answer = ControlClient::connect(&run_dir)?.ask_child(1, Question::Metrics)?;
        let Answer::Metrics(MetricsAnswer { samples }) = answer else {
            bail!("the state process answers {answer:?}");
        };
        let value = |metric: &Metric| {
            let sample = samples.iter().find(|sample| sample.metric == metric.name);
            match sample.map(|sample| &sample.value) {
                Some(Value::Number(number)) => *number,
                _ => 0,
            }
        };
        Ok(metrics.map(value))
    }

    fn ours(&self) -> anyhow::Result<&Installation> {
        match &self.served_by {
            ServedBy::Ours(installation) => Ok(installation),
            ServedBy::Peer(_) => bail!("only our own server can do that"),
        }
    }

    /// Stops it and removes what it left. What it says of its commits, if it has any.
    pub fn end_with_commits(self) -> anyhow::Result<Option<CommitSummary>> {
        let mut commits = None;
        if let ServedBy::Ours(installation) = &self.served_by {
            installation.stop()?;
            commits = CommitSummary::last_in(&installation.log(Daemon::State)?);
        }
        self.end()?;
        Ok(commits)
    }

    /// Stops it and removes what it left.
    pub fn end(self) -> anyhow::Result<()> {
        match self.served_by {
            ServedBy::Ours(installation) => installation.end(false).map(drop),
            ServedBy::Peer(peer) => peer.end(),
        }
    }
}
