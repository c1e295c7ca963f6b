//! Hosts that take part, and what their decisions add up to.

use std::collections::BTreeMap;

use chat_model::WorkerSessionId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::State;
use super::clock::HostClock;
use super::effects::Effects;
use super::worker_sessions::digest_outcome;
use crate::entry::HostId;

/// Hosts that take part. None while there is but one, which nobody has to tell from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// What operators call them.
    pub(crate) names: BTreeMap<HostId, Box<str>>,
    /// The last number that a host ever had.
    pub(crate) last: u64,
    /// A digest of everything that was decided since the first host took part: hosts whose digests differ at the same
    /// place of the order have decided differently.
    pub(crate) decisions: u64,
}

impl Hosts {
    /// Whether a host takes part.
    pub fn has(&self, host: HostId) -> bool {
        self.names.contains_key(&host)
    }

    /// Those that take part, and what operators call them.
    pub fn iter(&self) -> impl Iterator<Item = (HostId, &str)> {
        self.names.iter().map(|(host, name)| (*host, &**name))
    }

    /// A digest of everything that was decided since the first host took part; 0 before.
    pub fn decisions(&self) -> u64 {
        self.decisions
    }
}

/// What is written down of hosts.
#[derive(Debug)]
pub(crate) struct HostsParts {
    pub(crate) last: u64,
    pub(crate) decisions: u64,
    pub(crate) hosts: Vec<HostParts>,
    /// Worker sessions, each with its host.
    pub(crate) worker_sessions: Vec<(WorkerSessionId, HostId)>,
}

#[derive(Debug)]
pub(crate) struct HostParts {
    pub(crate) host: HostId,
    pub(crate) name: Box<str>,
    pub(crate) clock: Option<HostClock>,
}

/// How much stood in the effects before an entry was applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    decided: usize,
    reached: usize,
    reached_rooms: usize,
}

impl Before {
    pub(super) fn of(effects: &Effects) -> Self {
        Self {
            decided: effects.decided.len(),
            reached: effects.reached.len(),
            reached_rooms: effects.reached_rooms.len(),
        }
    }
}

impl State {
    /// The hosts that take part.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Takes a host in. Workers of the time when there was but one are gone: whoever had them begins anew as a host.
    pub(super) fn begin_host(&mut self, host: HostId, name: String) {
        if host.0 <= self.hosts.last {
            return;
        }
        self.hosts.last = host.0;
        self.hosts.names.insert(host, name.into());
        self.end_worker_sessions_of(None);
    }

    /// What was written down of hosts, once header and worker sessions are there.
    pub(super) fn restore_hosts(&mut self, parts: HostsParts) {
        for host in parts.hosts {
            self.hosts.names.insert(host.host, host.name);
            if let Some(clock) = host.clock {
                self.clock.hosts.insert(host.host, clock);
            }
        }
        self.hosts.last = parts.last;
        self.hosts.decisions = parts.decisions;
        for (worker_session, host) in parts.worker_sessions {
            self.worker_sessions.set_host(worker_session, host);
        }
    }

    pub(super) fn end_host(&mut self, host: HostId) {
        if self.hosts.names.remove(&host).is_some() {
            self.clock.end_host(host);
            self.end_worker_sessions_of(Some(host));
        }
    }

    fn end_worker_sessions_of(&mut self, host: Option<HostId>) {
        let of_host = self.worker_sessions.iter();
        let of_host = of_host.filter(|(_, worker_session)| worker_session.host == host);
        let ended: Vec<_> = of_host.map(|(id, _)| id).collect();
        for worker_session in ended {
            self.end_worker_session(worker_session);
        }
    }

    /// Adds to the digest what an entry has brought about.
    pub(super) fn digest_decisions(&mut self, before: Before, effects: &Effects) {
        if self.hosts.names.is_empty() {
            return;
        }
        let mut bytes = Vec::with_capacity(64);
        bytes.extend(self.last_message.number.0.to_le_bytes());
        bytes.extend(self.worker_sessions.last().to_le_bytes());
        for decided in &effects.decided[before.decided..] {
            let connection = decided.request.connection;
            bytes.extend(connection.worker_session.0.to_le_bytes());
            bytes.extend(connection.serial.0.to_le_bytes());
            bytes.extend(decided.through.0.to_le_bytes());
            digest_outcome(&decided.outcome, &mut bytes);
        }
        for account in &effects.reached[before.reached..] {
            bytes.extend(account.0.to_le_bytes());
        }
        for room in &effects.reached_rooms[before.reached_rooms..] {
            bytes.extend(room.0.to_le_bytes());
        }
        self.hosts.decisions = xxh3_64_with_seed(&bytes, self.hosts.decisions);
    }
}
