//! Bringing clients in, before something is measured.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::bail;

pub use super::dialect::Presence;
use super::dialect::{Dialect, Entry};
use super::hearing::{self, Hearing};
use super::target::Target;
use crate::crowd::{Closed, Crowd};
use crate::installation::Accounts;

/// How long nobody at all may come in.
const STALL_PATIENCE: Duration = Duration::from_secs(60);
const TURN_TIMEOUT: Duration = Duration::from_millis(100);

/// Clients that come in.
struct Gathering<'a> {
    dialect: Dialect,
    presence: Presence,
    names: &'a [String],
    password: &'a dyn Fn(usize) -> &'a str,
    was_switched: Vec<bool>,
    is_in: Vec<bool>,
    arrived: usize,
}

/// Has the clients of this range come in, which have the names of their numbers.
pub fn gather(
    crowd: &mut Crowd,
    target: &Target,
    names: &[String],
    clients: Range<usize>,
    presence: Presence,
) -> anyhow::Result<()> {
    let password = |_| Accounts::PASSWORD;
    gather_by(crowd, target, (names, &password), clients, presence)
}

/// The same, with a password or a token of each.
pub fn gather_by<'a>(
    crowd: &mut Crowd,
    target: &Target,
    (names, password): (&'a [String], &'a dyn Fn(usize) -> &'a str),
    clients: Range<usize>,
    presence: Presence,
) -> anyhow::Result<()> {
    let mut gathering = Gathering {
        dialect: target.dialect,
        presence,
        names,
        password,
        was_switched: vec![false; names.len()],
        is_in: vec![false; names.len()],
        arrived: 0,
    };
    let (mut next, mut arrived) = (clients.start, 0);
    let mut arrived_at = Instant::now();
    while gathering.arrived < clients.len() {
        let may_come = clients.start + gathering.arrived + target.arrivals_at_once;
        while next < clients.end.min(may_come) {
            crowd.connect(next)?;
            next += 1;
        }
        hearing::turn(crowd, TURN_TIMEOUT, &mut gathering)?;
        if gathering.arrived > arrived {
            (arrived, arrived_at) = (gathering.arrived, Instant::now());
        } else if arrived_at.elapsed() > STALL_PATIENCE {
            bail!(
                "{arrived} of {} clients came in, then nobody",
                clients.len()
            );
        }
    }
    Ok(())
}

impl Hearing for Gathering<'_> {
    fn opened(&mut self, client: usize, output: &mut Vec<u8>) {
        let credentials = (self.names[client].as_str(), (self.password)(client));
        output.extend_from_slice(&self.dialect.enter(credentials, self.presence));
    }

    fn line(&mut self, client: usize, line: &[u8], output: &mut Vec<u8>) -> anyhow::Result<()> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(pong) = self.dialect.pong(line) {
            output.extend_from_slice(&pong);
            return Ok(());
        }
        if self.is_in[client] {
            return Ok(());
        }
        let switched = &mut self.was_switched[client];
        match self.dialect.hear_entry(line, self.presence, switched) {
            Entry::Going | Entry::Ping => {}
            Entry::Known => output.extend_from_slice(&self.dialect.join()),
            Entry::In => {
                self.is_in[client] = true;
                self.arrived += 1;
            }
            Entry::Refused => {
                let (name, line) = (&self.names[client], String::from_utf8_lossy(line));
                bail!("{name} does not get in: the server says {line:?}");
            }
        }
        Ok(())
    }

    fn closed(&mut self, client: usize, how: Closed) -> anyhow::Result<()> {
        let name = &self.names[client];
        bail!("{name} does not get in: {how:?}")
    }
}
