//! The decisions of a supervisor: what to do when a child is ready, ends, or is asked to. No clocks, no processes.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::backoff::Backoff;
use crate::control::status_file::{ChildStatus, LifeEnd, Phase};
use crate::process::identity::ProcessIdentity;
use crate::supervisor::child_link::ChildWarning;

/// Lives in a row that a child may fail before all have been ready once; then the start as a whole has failed.
const FIRST_LIVES: u32 = 3;

/// How long children have to end after they were asked to.
const STOP_WAIT_MS: u64 = 8_000;

/// How long a child that serves may give no sign of life. It gives one every
/// [`crate::supervisor::child_link::BETWEEN_SIGNS_OF_LIFE_MS`].
const SILENCE_MS: u64 = 4 * crate::supervisor::child_link::BETWEEN_SIGNS_OF_LIFE_MS;

/// The time of something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For deciding: milliseconds on a clock that never runs back.
    pub clock_ms: u64,
    /// For people.
    pub wall: Timestamp,
}

/// What the supervisor has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin a life of the child of this index.
    Start(usize),
    /// Ask the child to end (SIGTERM).
    Terminate(ProcessIdentity),
    /// End the child (SIGKILL).
    Kill(ProcessIdentity),
    /// Ask the child to read its files again (SIGHUP).
    Reload(ProcessIdentity),
    /// Say that all children have become ready.
    AnnounceReady,
    /// Say that nothing has been heard of the child of this index for too long.
    AnnounceSilence(usize),
}

#[derive(Debug, Default)]
struct Slot {
    status: ChildStatus,
    backoff: Backoff,
    start_at_ms: Option<u64>,
    /// When it has been silent for too long, unless it is heard before.
    silent_at_ms: Option<u64>,
    /// Asked to reload before it was ready: a signal that early would kill it.
    reload_when_ready: bool,
}

/// The children of one supervisor.
#[derive(Debug)]
pub struct ChildSet {
    slots: Vec<Slot>,
    actions: VecDeque<Action>,
    was_ready: bool,
    kill_at_ms: Option<u64>,
    failure: Option<String>,
    is_stopping: bool,
}

impl ChildSet {
    /// `count` children, none of which lives yet; all are to be started now.
    pub fn new(count: usize, now: Now) -> Self {
        let slot = || Slot {
            status: ChildStatus {
                phase: Phase::Waiting,
                since: now.wall,
                ..ChildStatus::default()
            },
            start_at_ms: Some(now.clock_ms),
            ..Slot::default()
        };
        Self {
            slots: (0..count).map(|_| slot()).collect(),
            actions: VecDeque::new(),
            was_ready: false,
            kill_at_ms: None,
            failure: None,
            is_stopping: false,
        }
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Time has come to `now`.
    pub fn at(&mut self, now: Now) {
        if self.kill_at_ms.is_some_and(|at| at <= now.clock_ms) {
            self.kill_at_ms = None;
            self.order_all_living(Action::Kill);
        }
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.silent_at_ms.is_some_and(|at| at <= now.clock_ms) {
                slot.silent_at_ms = None;
                slot.status.silent_since = Some(now.wall);
                self.actions.push_back(Action::AnnounceSilence(index));
            }
            if slot.start_at_ms.is_some_and(|at| at <= now.clock_ms) {
                slot.start_at_ms = None;
                self.actions.push_back(Action::Start(index));
            }
        }
    }

    /// When [`Self::at`] next has something to do, on the clock of [`Now::clock_ms`].
    pub fn next_due_ms(&self) -> Option<u64> {
        let starts = self.slots.iter().filter_map(|slot| slot.start_at_ms);
        let silences = self.slots.iter().filter_map(|slot| slot.silent_at_ms);
        starts.chain(silences).chain(self.kill_at_ms).min()
    }

    /// A life of the child of this index has begun.
    pub fn started(&mut self, index: usize, process: ProcessIdentity, now: Now) {
        let status = &mut self.slots[index].status;
        status.restarts += u64::from(status.last_end.is_some());
        status.process = Some(process);
        status.next_start = None;
        status.sandbox.clear();
        status.warning = ChildWarning::default();
        status.enter(Phase::Starting, now);
        if self.is_stopping {
            self.actions.push_back(Action::Terminate(process));
        }
    }

    /// The child of this index can serve.
    pub fn ready(&mut self, index: usize, now: Now) {
        let slot = &mut self.slots[index];
        let (Phase::Starting, Some(process)) = (slot.status.phase, slot.status.process) else {
            return;
        };
        slot.status.enter(Phase::Serving, now);
        if std::mem::take(&mut slot.reload_when_ready) {
            self.actions.push_back(Action::Reload(process));
        }
        if !self.was_ready && self.is_serving() {
            self.was_ready = true;
            self.actions.push_back(Action::AnnounceReady);
        }
    }

    /// The child of this index has said something; whether it had been silent for too long.
    pub(super) fn heard(&mut self, index: usize, now: Now) -> bool {
        let slot = &mut self.slots[index];
        if slot.status.phase != Phase::Serving {
            return false;
        }
        slot.silent_at_ms = Some(now.clock_ms + SILENCE_MS);
        slot.status.silent_since.take().is_some()
    }

    /// The child of this index says what it has given up.
    pub(super) fn noted(&mut self, index: usize, said: String) {
        self.slots[index].status.sandbox = said;
    }

    /// The child of this index says what it warns of from now on.
    pub(super) fn warned(&mut self, index: usize, warning: ChildWarning) {
        self.slots[index].status.warning = warning;
    }

    /// A life of the child of this index has ended, or could not begin.
    pub fn ended(&mut self, index: usize, reason: String, now: Now) {
        let slot = &mut self.slots[index];
        let served = slot.status.phase == Phase::Serving;
        slot.status.process = None;
        slot.status.silent_since = None;
        slot.silent_at_ms = None;
        slot.status.warning = ChildWarning::default();
        slot.reload_when_ready = false;
        slot.status.enter(Phase::Waiting, now);
        let start_at_ms = slot.backoff.next_start_ms(served, now.clock_ms);
        if !self.was_ready && slot.backoff.failed_lives() >= FIRST_LIVES {
            self.failure.get_or_insert_with(|| reason.clone());
        }
        slot.status.last_end = Some(LifeEnd {
            reason,
            at: now.wall,
        });
        if self.failure.is_some() {
            self.stop(now);
        }
        if !self.is_stopping {
            let slot = &mut self.slots[index];
            let wait_ms = i64::try_from(start_at_ms - now.clock_ms).unwrap_or(i64::MAX);
            let next_start = now.wall.checked_add(SignedDuration::from_millis(wait_ms));
            slot.status.next_start = next_start.ok();
            slot.start_at_ms = Some(start_at_ms);
        }
    }

    /// The supervisor is asked to end.
    pub fn stop(&mut self, now: Now) {
        if self.is_stopping {
            return;
        }
        self.is_stopping = true;
        self.kill_at_ms = Some(now.clock_ms + STOP_WAIT_MS);
        for slot in &mut self.slots {
            slot.start_at_ms = None;
            slot.status.next_start = None;
        }
        self.order_all_living(Action::Terminate);
    }

    /// The supervisor is asked to have its children read their files again.
    pub fn reload(&mut self) {
        for slot in &mut self.slots {
            match (slot.status.phase, slot.status.process) {
                (Phase::Serving, Some(process)) => {
                    self.actions.push_back(Action::Reload(process));
                }
                // One that has begun may have read them already; one that has yet to begin is asked, so that it answers.
                _ => slot.reload_when_ready = true,
            }
        }
    }

    fn order_all_living(&mut self, action: impl Fn(ProcessIdentity) -> Action) {
        let living = self.slots.iter().filter_map(|slot| slot.status.process);
        self.actions.extend(living.map(action));
    }

    fn is_serving(&self) -> bool {
        let mut phases = self.slots.iter().map(|slot| slot.status.phase);
        phases.all(|phase| phase == Phase::Serving)
    }

    /// Whether the supervisor is to end: it was asked to, or the start failed, and no child is left.
    pub fn is_finished(&self) -> bool {
        let mut living = self.slots.iter().filter_map(|slot| slot.status.process);
        self.is_stopping && living.next().is_none()
    }

    /// Why the start as a whole failed, if it did.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The index of the child whose process has this number.
    pub fn index_of(&self, pid: i32) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.status.process.is_some_and(|p| p.pid == pid))
    }

    /// How far all of them are, taken together.
    pub fn phase(&self) -> Phase {
        match (self.is_stopping, self.was_ready) {
            (true, _) => Phase::Stopping,
            (false, true) => Phase::Serving,
            (false, false) => Phase::Starting,
        }
    }

    /// What is to be said of each.
    pub fn children(&self) -> impl Iterator<Item = &ChildStatus> {
        self.slots.iter().map(|slot| &slot.status)
    }
}

impl ChildStatus {
    fn enter(&mut self, phase: Phase, now: Now) {
        self.phase = phase;
        self.since = now.wall;
    }
}

#[cfg(test)]
#[path = "child_set_tests.rs"]
mod tests;
