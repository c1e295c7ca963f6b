//! The server that is measured: ours, or a peer that was installed from a package.

use std::net::SocketAddr;
use std::path::Path;

use clap::ValueEnum;

use super::dialect::Dialect;
use crate::installation::{Accounts, Daemon, Installation, Plan};
use crate::process_tree::descendants;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServerKind {
    /// Ours, durable
    Chatserv,
}

impl ServerKind {
    /// As flags and results call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chatserv => "chatserv",
        }
    }
}

/// A server that runs.
#[derive(Debug)]
pub struct Target {
    /// What its clients speak.
    pub dialect: Dialect,
    /// Where they connect.
    pub address: SocketAddr,
    served_by: ServedBy,
}

#[derive(Debug)]
enum ServedBy {
    Ours(Installation),
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
        match kind {
            ServerKind::Chatserv => {
                let installation = Installation::create_as(plan, programs, workers, accounts)?;
                Ok(Self {
                    dialect: Dialect::Chatserv,
                    address: installation.address(),
                    served_by: ServedBy::Ours(installation),
                })
            }
        }
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
        }
    }

    /// Stops it and removes what it left.
    pub fn end(self) -> anyhow::Result<()> {
        match self.served_by {
            ServedBy::Ours(installation) => installation.end(false).map(drop),
        }
    }
}
