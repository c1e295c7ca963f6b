//! Starts again what cannot come back by itself: a daemon whose parent was killed.

use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::installation::{Daemon, Installation};

/// How long it may take until both daemons serve again.
const PATIENCE: Duration = Duration::from_secs(60);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What there is to be started, the state daemon first.
#[derive(Debug, Default)]
pub(super) struct Mender {
    broken: Vec<Daemon>,
    starting: Option<Child>,
    try_at: Option<Instant>,
    deadline: Option<Instant>,
}

impl Mender {
    /// The parent of a daemon was killed.
    pub(super) fn add(&mut self, daemon: Daemon, now: Instant) {
        match daemon {
            Daemon::State => self.broken.insert(0, daemon),
            Daemon::Front => self.broken.push(daemon),
        }
        self.deadline = Some(now + PATIENCE);
    }

    /// Whether nothing is left to be started.
    pub(super) fn is_done(&self) -> bool {
        self.broken.is_empty()
    }

    /// Goes on with it, without waiting.
    pub(super) fn tend(&mut self, installation: &Installation, now: Instant) -> anyhow::Result<()> {
        let Some(daemon) = self.broken.first().copied() else {
            return Ok(());
        };
        if self.deadline.is_some_and(|deadline| now > deadline) {
            bail!(
                "{} could not be started again within {} s; what it said: {}",
                daemon.program(),
                PATIENCE.as_secs(),
                installation.start_log().display()
            );
        }
        match &mut self.starting {
            Some(child) => match child.try_wait()? {
                None => return Ok(()),
                Some(status) if status.success() => {
                    self.broken.remove(0);
                    self.starting = None;
                    self.try_at = None;
                }
                Some(_) => {
                    self.starting = None;
                    self.try_at = Some(now + TRY_AGAIN_AFTER);
                }
            },
            None if self.try_at.is_none_or(|at| at <= now) => {
                self.starting = Some(installation.begin_start(daemon)?);
            }
            None => {}
        }
        Ok(())
    }
}
