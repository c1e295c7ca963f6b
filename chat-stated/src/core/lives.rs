//! Workers coming, coming back, and going.

use std::collections::BTreeSet;

use chat_rpc::{
    FrameWriter, Greeting, Hello, HelloError, LifeCredential, LifeId, Refusal, ResumedConnection,
    ToWorker, VERSION,
};

use super::link::{Client, Link, LinkId, Stage};
use super::{Action, Core};
use crate::entry::{ConnectionId, Entry};
use crate::state::State;

/// How long a worker may take to say hello.
const HELLO_MS: u64 = 5_000;

/// Lives that were there at the start and whose workers have not come back.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    lives: BTreeSet<LifeId>,
    /// How long they are waited for; `None` while no worker can come back yet.
    until_ms: Option<u64>,
    /// Ended in the journal's eyes soon; must not attach any more.
    ending: Vec<LifeId>,
}

impl Orphans {
    pub(super) fn of(state: &State) -> Self {
        Self {
            lives: state.lives().map(|(life, _)| life).collect(),
            ..Self::default()
        }
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        self.until_ms.filter(|_| !self.lives.is_empty())
    }

    /// Drops what the state no longer has: it cannot attach in any case.
    pub(super) fn forget_ended(&mut self, state: &State) {
        self.ending.retain(|life| state.life(*life).is_some());
    }
}

impl Core {
    /// A worker connected; `pid` is its process as the kernel says.
    pub fn link_opened(&mut self, link: LinkId, pid: u32) {
        let opened = Link::new(pid, self.stamp.boot_ms + HELLO_MS);
        self.links.insert(link, opened);
        if self.links.len() > self.settings.max_links {
            self.refuse_link(link, Refusal::TooManyWorkers);
        }
    }

    /// A worker's connection is gone, and so, to us, is the worker.
    pub fn link_closed(&mut self, link: LinkId) {
        let Some(closed) = self.links.remove(&link) else {
            return;
        };
        self.logins.forget_link(link, &mut self.actions);
        self.sources.close_link(link);
        self.lists.forget_link(link);
        if let Some(life) = closed.life() {
            log::info!("worker {} (life {}) is gone", closed.pid, life.0);
            self.attached.remove(&life);
            self.end_life(life);
        }
    }

    /// What waits to be written to a worker.
    pub fn output(&mut self, link: LinkId) -> Option<&mut FrameWriter> {
        Some(&mut self.links.get_mut(&link)?.output)
    }

    /// Whether a worker does not take what it was sent. It is not to be read then: what it asks for would add to that.
    pub fn is_behind(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(Link::is_behind)
    }

    /// Workers that have something waiting to be written.
    pub fn links_with_output(&self) -> Vec<LinkId> {
        self.links
            .iter()
            .filter(|(_, link)| link.output.pending_bytes() > 0)
            .map(|(id, _)| *id)
            .collect()
    }

    /// The processes of the workers that have not come back since the start.
    pub fn orphans(&self) -> Vec<(LifeId, u32)> {
        self.orphans
            .lives
            .iter()
            .filter_map(|life| Some((*life, self.state.life(*life)?.pid)))
            .collect()
    }

    /// A worker that has not come back is known to be dead.
    pub fn orphan_died(&mut self, life: LifeId) {
        if self.orphans.lives.remove(&life) {
            log::info!(
                "the worker of life {} did not outlive the state daemon",
                life.0
            );
            self.end_life(life);
        }
    }

    /// Workers can come back from now on: those that have not done so within the grace are given up.
    pub fn serving_began(&mut self) {
        self.orphans.until_ms = Some(self.stamp.boot_ms + self.settings.orphan_grace_ms);
    }

    pub(super) fn end_overdue_orphans(&mut self) {
        let is_overdue = self
            .orphans
            .until_ms
            .is_some_and(|until_ms| until_ms <= self.stamp.boot_ms);
        if !is_overdue {
            return;
        }
        for life in std::mem::take(&mut self.orphans.lives) {
            log::warn!("the worker of life {} did not come back in time", life.0);
            self.end_life(life);
        }
    }

    fn end_life(&mut self, life: LifeId) {
        self.orphans.ending.push(life);
        self.batches.push(Entry::EndLife { life });
    }

    pub(super) fn close_silent_links(&mut self) {
        let now_ms = self.stamp.boot_ms;
        let silent: Vec<LinkId> = self
            .links
            .iter()
            .filter(
                |(_, link)| matches!(link.stage, Stage::Silent { until_ms } if until_ms <= now_ms),
            )
            .map(|(id, _)| *id)
            .collect();
        for link in silent {
            self.close_link(link, "it said no hello");
        }
    }

    pub(super) fn next_silent_link_ms(&self) -> Option<u64> {
        self.links
            .values()
            .filter_map(|link| match link.stage {
                Stage::Silent { until_ms } => Some(until_ms),
                _ => None,
            })
            .min()
    }

    /// The first frame of a worker. `secret` is random; it is used if the worker gets a new life.
    pub fn hello(&mut self, link: LinkId, payload: &[u8], secret: [u8; 16]) {
        if self.answer_operator(link, payload) {
            return;
        }
        match Hello::decode(payload) {
            Ok(Hello { resume: None }) => self.begin_life(link, secret),
            Ok(Hello {
                resume: Some(credential),
            }) => self.resume_life(link, credential),
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
            .get(&link)
            .is_some_and(|link| matches!(link.stage, Stage::Silent { .. }))
    }

    fn begin_life(&mut self, link: LinkId, secret: [u8; 16]) {
        if let Some(begun) = self.links.get_mut(&link) {
            begun.stage = Stage::Beginning { secret };
            let pid = begun.pid;
            self.batches.push(Entry::BeginLife { secret, pid });
        }
    }

    pub(super) fn tell_lives_begun(&mut self) {
        for (life, secret) in std::mem::take(&mut self.effects.lives_begun) {
            let begun = self
                .links
                .iter()
                .find(|(_, link)| link.stage == Stage::Beginning { secret })
                .map(|(id, _)| *id);
            match begun {
                Some(link) => self.attach(link, LifeCredential { life, secret }),
                None => self.end_life(life),
            }
        }
    }

    fn attach(&mut self, link: LinkId, credential: LifeCredential) {
        if let Some(found) = self.links.get_mut(&link) {
            found.stage = Stage::Attached(credential.life);
            self.attached.insert(credential.life, link);
            log::info!("worker {} attached (life {})", found.pid, credential.life.0);
            self.greet(link, &Greeting::Attached(credential));
        }
    }

    fn resume_life(&mut self, link: LinkId, credential: LifeCredential) {
        let is_right = self
            .state
            .life(credential.life)
            .is_some_and(|life| life.secret == credential.secret);
        let is_free = !self.attached.contains_key(&credential.life)
            && !self.orphans.ending.contains(&credential.life);
        if is_right && is_free {
            self.orphans.lives.remove(&credential.life);
            self.attach(link, credential);
        } else {
            self.refuse_link(link, Refusal::LifeEnded);
        }
    }

    /// The connections a worker still has: the others of its life have ended.
    pub(super) fn resume_connections(&mut self, link: LinkId, connections: &[ResumedConnection]) {
        let newest = self.newest();
        let Some(found) = self.links.get_mut(&link) else {
            return;
        };
        let Some(life) = found.life() else {
            return;
        };
        for resumed in connections {
            let client = Client::resumed(resumed.progress, resumed.taken.min(newest));
            *found.client(resumed.connection) = client;
            if resumed.push {
                found.pushed.insert(resumed.connection);
            }
        }
        let ended: Vec<ConnectionId> = self
            .state
            .connections(life)
            .filter(|id| !found.clients.contains(id.serial))
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
    }

    pub(super) fn tell_cut_off(&mut self) {
        for connection in std::mem::take(&mut self.effects.cut_off) {
            let Some(link) = self.attached.get(&connection.life).copied() else {
                continue;
            };
            self.send(
                link,
                &ToWorker::End {
                    connection: connection.serial,
                },
            );
        }
    }

    fn greet(&mut self, link: LinkId, greeting: &Greeting) {
        match (greeting.encode(), self.links.get_mut(&link)) {
            (Ok(payload), Some(link)) => link.output.push_frame(&payload),
            (Err(error), _) => log::error!("cannot encode a greeting: {error}"),
            (Ok(_), None) => {}
        }
    }

    fn refuse_link(&mut self, link: LinkId, refusal: Refusal) {
        self.greet(link, &Greeting::Refused(refusal));
        self.close_link(link, &refusal.to_string());
    }

    pub(super) fn close_link(&mut self, link: LinkId, why: &str) {
        if let Some(closing) = self.links.get_mut(&link)
            && closing.stage != Stage::Closing
        {
            log::warn!("closing the connection of process {}: {why}", closing.pid);
            if let Some(life) = closing.life() {
                self.attached.remove(&life);
                self.orphans.ending.push(life);
                self.batches.push(Entry::EndLife { life });
            }
            closing.stage = Stage::Closing;
            self.actions.push(Action::CloseLink(link));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Effects;

    #[test]
    fn a_life_that_is_ending_is_kept_in_mind_until_the_state_has_ended_it() {
        let mut state = State::default();
        let (secret, pid) = ([0; 16], 1);
        let mut effects = Effects::default();
        state.apply(Entry::BeginLife { secret, pid }, 0, &mut effects);
        let (life, _) = effects.lives_begun[0];
        let mut orphans = Orphans {
            ending: vec![life],
            ..Orphans::default()
        };
        orphans.forget_ended(&state);
        assert_eq!(orphans.ending, [life]);
        state.apply(Entry::EndLife { life }, 0, &mut effects);
        orphans.forget_ended(&state);
        assert_eq!(orphans.ending, []);
    }
}
