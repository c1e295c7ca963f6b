//! Workers coming, coming back, and going.

use std::collections::BTreeSet;

use chat_model::WorkerSessionId;
use chat_rpc::{
    FrameWriter, Greeting, Hello, HelloError, Refusal, ResumeToken, ResumedConnection, ToWorker,
    VERSION,
};

use super::link::{Client, Link, LinkId, Stage};
use super::{Action, Core};
use crate::entry::{Entry, HostId};
use crate::state::State;
use chat_model::ConnectionId;

/// How long a worker may take to say hello.
const HELLO_MS: u64 = 5_000;

/// Worker sessions that were there at the start and whose workers have not come back.
#[derive(Debug, Default)]
pub(super) struct DeadWorkerSessions {
    worker_sessions: BTreeSet<WorkerSessionId>,
    /// How long they are waited for; `None` while no worker can come back yet.
    until_ms: Option<u64>,
    /// Ended in the journal's eyes soon; must not attach any more.
    ending: Vec<WorkerSessionId>,
}

impl DeadWorkerSessions {
    /// Those of this host: no other host's workers ever came here.
    pub(super) fn of(state: &State, host: Option<HostId>) -> Self {
        Self {
            worker_sessions: state
                .worker_sessions()
                .filter(|(_, worker_session)| worker_session.host == host)
                .map(|(worker_session, _)| worker_session)
                .collect(),
            ..Self::default()
        }
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        self.until_ms.filter(|_| !self.worker_sessions.is_empty())
    }

    /// Drops what the state no longer has: it cannot attach in any case.
    pub(super) fn forget_ended(&mut self, state: &State) {
        self.ending
            .retain(|worker_session| state.worker_session(*worker_session).is_some());
    }
}

impl Core {
    /// A worker connected; `pid` is its process as the kernel says.
    pub fn link_opened(&mut self, link: LinkId, pid: u32) {
        let opened = Link::new(pid, self.timestamp.boot_ms + HELLO_MS);
        if self.links.open(link, opened) > self.settings.max_links {
            self.refuse_link(link, Refusal::TooManyWorkers);
        }
    }

    /// A worker has ended; what it said before that is still to come.
    pub fn link_hung_up(&mut self, link: LinkId) {
        if let Some(link) = self.links.get_mut(link) {
            link.has_hung_up = true;
        }
    }

    /// A worker's connection is gone, and so, to us, is the worker.
    pub fn link_closed(&mut self, link: LinkId) {
        let Some(closed) = self.links.remove(link) else {
            return;
        };
        self.logins.forget_link(link, &mut self.actions);
        self.sources.close_link(link);
        self.lists.forget_link(link);
        if let Some(worker_session) = closed.worker_session() {
            log::info!(
                "worker {} (worker session {}) is gone",
                closed.pid(),
                worker_session.0
            );
            self.end_worker_session(worker_session);
        }
    }

    /// What waits to be written to a worker.
    pub fn output(&mut self, link: LinkId) -> Option<&mut FrameWriter> {
        Some(self.links.get_mut(link)?.output())
    }

    /// Whether a worker does not take what it was sent. It is not to be read then: what it asks for would add to that.
    pub fn is_behind(&self, link: LinkId) -> bool {
        self.links.get(link).is_some_and(Link::is_behind)
    }

    /// Workers that have something waiting to be written.
    pub fn links_with_output(&self) -> Vec<LinkId> {
        self.links
            .iter()
            .filter(|(_, link)| link.has_output())
            .map(|(id, _)| id)
            .collect()
    }

    /// The processes of the workers that have not come back since the start.
    pub fn dead_worker_sessions(&self) -> Vec<(WorkerSessionId, u32)> {
        self.dead_worker_sessions
            .worker_sessions
            .iter()
            .filter_map(|worker_session| {
                Some((
                    *worker_session,
                    self.state.worker_session(*worker_session)?.pid,
                ))
            })
            .collect()
    }

    /// A worker that has not come back is known to be dead.
    pub fn dead_worker_reaped(&mut self, worker_session: WorkerSessionId) {
        if self
            .dead_worker_sessions
            .worker_sessions
            .remove(&worker_session)
        {
            log::info!(
                "the worker of worker session {} did not outlive the state daemon",
                worker_session.0
            );
            self.end_worker_session(worker_session);
        }
    }

    /// Workers can come back from now on: those that have not done so within the grace are given up.
    pub fn serving_began(&mut self) {
        self.dead_worker_sessions.until_ms =
            Some(self.timestamp.boot_ms + self.settings.dead_worker_grace_ms);
    }

    pub(super) fn end_overdue_worker_sessions(&mut self) {
        let is_overdue = self
            .dead_worker_sessions
            .until_ms
            .is_some_and(|until_ms| until_ms <= self.timestamp.boot_ms);
        if !is_overdue {
            return;
        }
        for worker_session in std::mem::take(&mut self.dead_worker_sessions.worker_sessions) {
            log::warn!(
                "the worker of worker session {} did not come back in time",
                worker_session.0
            );
            self.end_worker_session(worker_session);
        }
    }

    fn end_worker_session(&mut self, worker_session: WorkerSessionId) {
        self.dead_worker_sessions.ending.push(worker_session);
        self.batches
            .push(Entry::EndWorkerSession { worker_session });
    }

    pub(super) fn close_silent_links(&mut self) {
        let now_ms = self.timestamp.boot_ms;
        let silent: Vec<LinkId> = self
            .links
            .iter()
            .filter(
                |(_, link)| matches!(link.stage(), Stage::Silent { until_ms } if until_ms <= now_ms),
            )
            .map(|(id, _)| id)
            .collect();
        for link in silent {
            self.close_link(link, "it said no hello");
        }
    }

    pub(super) fn next_silent_link_ms(&self) -> Option<u64> {
        self.links
            .iter()
            .filter_map(|(_, link)| match link.stage() {
                Stage::Silent { until_ms } => Some(until_ms),
                _ => None,
            })
            .min()
    }

    /// The first frame of a worker. `secret` is random; it is used if the worker gets a new worker session.
    pub fn hello(&mut self, link: LinkId, payload: &[u8], secret: [u8; 16]) {
        match Hello::decode(payload) {
            Ok(Hello { resume: None }) => self.begin_worker_session(link, secret),
            Ok(Hello {
                resume: Some(credential),
            }) => self.resume_worker_session(link, credential),
            Err(HelloError::Version(version)) => {
                log::error!(
                    "a worker speaks RPC version {version}, this daemon {VERSION}; refused"
                );
                self.refuse_link(
                    link,
                    Refusal::Version {
                        daemon_version: VERSION,
                    },
                );
            }
            Err(error) => self.close_link(link, &error.to_string()),
        }
    }

    /// Whether the next frame of this link is its hello.
    pub fn expects_hello(&self, link: LinkId) -> bool {
        self.links
            .get(link)
            .is_some_and(|link| matches!(link.stage(), Stage::Silent { .. }))
    }

    fn begin_worker_session(&mut self, link: LinkId, secret: [u8; 16]) {
        if let Some(begun) = self.links.begin(link, secret) {
            let pid = begun.pid();
            self.batches.push(Entry::BeginWorkerSession {
                secret,
                pid,
                host: self.settings.host,
            });
        }
    }

    pub(super) fn tell_worker_sessions_begun(&mut self) {
        for (worker_session, secret) in std::mem::take(&mut self.effects.worker_sessions_begun) {
            let begun = self
                .links
                .iter()
                .find(|(_, link)| link.stage() == Stage::Beginning { secret })
                .map(|(id, _)| id);
            match begun {
                Some(link) => self.attach(
                    link,
                    ResumeToken {
                        worker_session,
                        secret,
                    },
                ),
                None if self.is_of_this_host(worker_session) => {
                    self.end_worker_session(worker_session);
                }
                None => {}
            }
        }
    }

    fn is_of_this_host(&self, worker_session: WorkerSessionId) -> bool {
        let found = self.state.worker_session(worker_session);
        found.is_some_and(|found| found.host == self.settings.host)
    }

    /// A host that goes on alone ends the others, and itself among them as what it was.
    pub(super) fn end_hosts_left(&mut self) {
        if self.settings.host.is_some() {
            return;
        }
        for (host, name) in self.state.hosts().iter() {
            log::warn!("host {name} takes part no more: this one goes on alone");
            self.batches.push(Entry::EndHost { host });
        }
    }

    fn attach(&mut self, link: LinkId, credential: ResumeToken) {
        if let Some(found) = self.links.attach(link, credential.worker_session) {
            log::info!(
                "worker {} attached (worker session {})",
                found.pid(),
                credential.worker_session.0
            );
            self.greet(link, &Greeting::Attached(credential));
        }
    }

    fn resume_worker_session(&mut self, link: LinkId, credential: ResumeToken) {
        let is_right = self
            .state
            .worker_session(credential.worker_session)
            .is_some_and(|worker_session| worker_session.secret == credential.secret)
            && self.is_of_this_host(credential.worker_session);
        let is_free = self.links.of(credential.worker_session).is_none()
            && !self
                .dead_worker_sessions
                .ending
                .contains(&credential.worker_session);
        if is_right && is_free {
            self.dead_worker_sessions
                .worker_sessions
                .remove(&credential.worker_session);
            self.attach(link, credential);
        } else {
            self.refuse_link(link, Refusal::WorkerSessionEnded);
        }
    }

    /// The connections a worker still has: the others of its worker session have ended.
    pub(super) fn resume_connections(&mut self, link: LinkId, connections: &[ResumedConnection]) {
        let newest = self.newest();
        let Some(found) = self.links.get_mut(link) else {
            return;
        };
        let Some(worker_session) = found.worker_session() else {
            return;
        };
        for resumed in connections {
            let client = Client::resumed(resumed.progress, resumed.taken.min(newest));
            *found.client(resumed.connection) = client;
            if resumed.push {
                found.set_pushed(resumed.connection, true);
            }
            if resumed.names_groups {
                found.name_groups(resumed.connection);
            }
        }
        let ended: Vec<ConnectionId> = self
            .state
            .connections(worker_session)
            .filter(|id| found.known(id.serial).is_none())
            .collect();
        for connection in ended {
            self.batches.push(Entry::Close {
                connection,
                progress: Default::default(),
            });
        }
        for resumed in connections.iter().filter(|resumed| resumed.push) {
            self.push_to(link, resumed.connection);
        }
        self.tell_replaced_again(link, worker_session);
    }

    /// Who was replaced may not have been told before the daemon died.
    fn tell_replaced_again(&mut self, link: LinkId, worker_session: WorkerSessionId) {
        let connections = self.state.connections(worker_session);
        let replaced = connections.filter(|connection| self.state.was_replaced(*connection));
        let replaced: Vec<ConnectionId> = replaced.collect();
        for ConnectionId { serial, .. } in replaced {
            let connection = serial;
            self.send(link, &ToWorker::Replaced { connection });
        }
    }

    pub(super) fn tell_cut_off(&mut self) {
        for connection in std::mem::take(&mut self.effects.cut_off) {
            let Some(link) = self.links.of(connection.worker_session) else {
                continue;
            };
            self.send(
                link,
                &ToWorker::Kick {
                    connection: connection.serial,
                },
            );
        }
        for replaced in std::mem::take(&mut self.effects.replaced) {
            if let Some(link) = self.links.of(replaced.worker_session) {
                let connection = replaced.serial;
                self.send(link, &ToWorker::Replaced { connection });
            }
        }
    }

    fn greet(&mut self, link: LinkId, greeting: &Greeting) {
        match (greeting.encode(), self.links.get_mut(link)) {
            (Ok(payload), Some(link)) => link.send_frame(&payload),
            (Err(error), _) => log::error!("cannot encode a greeting: {error}"),
            (Ok(_), None) => {}
        }
    }

    fn refuse_link(&mut self, link: LinkId, refusal: Refusal) {
        self.greet(link, &Greeting::Refused(refusal));
        self.close_link(link, &refusal.to_string());
    }

    pub(super) fn close_link(&mut self, link: LinkId, why: &str) {
        if let Some((closing, worker_session)) = self.links.begin_closing(link) {
            log::warn!("closing the connection of process {}: {why}", closing.pid());
            if let Some(worker_session) = worker_session {
                self.dead_worker_sessions.ending.push(worker_session);
                self.batches
                    .push(Entry::EndWorkerSession { worker_session });
            }
            self.actions.push(Action::CloseLink(link));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Effects;

    #[test]
    fn ending_worker_session_is_remembered() {
        let mut state = State::default();
        let (secret, pid) = ([0; 16], 1);
        let mut effects = Effects::default();
        state.apply(
            Entry::BeginWorkerSession {
                secret,
                pid,
                host: None,
            },
            0,
            &mut effects,
        );
        let (worker_session, _) = effects.worker_sessions_begun[0];
        let mut dead_worker_sessions = DeadWorkerSessions {
            ending: vec![worker_session],
            ..DeadWorkerSessions::default()
        };
        dead_worker_sessions.forget_ended(&state);
        assert_eq!(dead_worker_sessions.ending, [worker_session]);
        state.apply(Entry::EndWorkerSession { worker_session }, 0, &mut effects);
        dead_worker_sessions.forget_ended(&state);
        assert_eq!(dead_worker_sessions.ending, []);
    }
}
