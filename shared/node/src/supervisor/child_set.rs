//! The decisions of a supervisor: what to do when a child becomes ready or ends, and on stop and reload. Pure: no
//! clocks, no processes.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::backoff::Backoff;
use crate::control::status_file::{ChildStatus, Phase, ProcessEnd};
use crate::process::identity::ProcessIdentity;
use crate::supervisor::child_reports::{BETWEEN_SIGNS_OF_LIFE_MS, ChildWarning};

/// How often in a row a child may fail before all children have been ready once. After that the whole start has failed.
const MAX_FIRST_STARTS: u32 = 3;

/// How long children may take to end after SIGTERM.
const STOP_WAIT_MS: u64 = 8_000;

/// How long a serving child may give no sign of life. It gives one every
/// [`BETWEEN_SIGNS_OF_LIFE_MS`].
const SILENCE_MS: u64 = 4 * BETWEEN_SIGNS_OF_LIFE_MS;

/// The current time, on two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a monotonic clock, for decisions.
    pub clock_ms: u64,
    /// The time of day, for people.
    pub wall: Timestamp,
}

/// An action for the supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the child of this index.
    Start(usize),
    /// Tell the child to end (SIGTERM).
    Terminate(ProcessIdentity),
    /// Kill the child (SIGKILL).
    Kill(ProcessIdentity),
    /// Tell the child to re-read its files (SIGHUP).
    Reload(ProcessIdentity),
    /// Log that all children have become ready.
    AnnounceReady,
    /// Log that the signs of life of the child of this index are overdue.
    AnnounceSilence(usize),
}

#[derive(Debug, Default)]
struct Slot {
    status: ChildStatus,
    backoff: Backoff,
    start_at_ms: Option<u64>,
    /// When its next sign of life is overdue.
    silent_at_ms: Option<u64>,
    /// A reload was requested before it was ready. A signal that early would kill it.
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
    /// `count` children, all due to be started now.
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

    /// Returns the next action.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Adds the actions that are due at `now`.
    pub fn at(&mut self, now: Now) {
        if self.kill_at_ms.is_some_and(|at| at <= now.clock_ms) {
            self.kill_at_ms = None;
            self.signal_all(Action::Kill);
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

    /// When [`Self::at`] is due next, on the clock of [`Now::clock_ms`].
    pub fn next_due_ms(&self) -> Option<u64> {
        let starts = self.slots.iter().filter_map(|slot| slot.start_at_ms);
        let silences = self.slots.iter().filter_map(|slot| slot.silent_at_ms);
        starts.chain(silences).chain(self.kill_at_ms).min()
    }

    /// The child of this index was started.
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

    /// The child of this index has reported that it serves.
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

    /// The child of this index gave a sign of life. Returns whether that was overdue.
    pub(super) fn heard(&mut self, index: usize, now: Now) -> bool {
        let slot = &mut self.slots[index];
        if slot.status.phase != Phase::Serving {
            return false;
        }
        slot.silent_at_ms = Some(now.clock_ms + SILENCE_MS);
        slot.status.silent_since.take().is_some()
    }

    /// The child of this index reported its sandbox.
    pub(super) fn sandbox_reported(&mut self, index: usize, summary: String) {
        self.slots[index].status.sandbox = summary;
    }

    /// The child of this index reported its current warning.
    pub(super) fn warned(&mut self, index: usize, warning: ChildWarning) {
        self.slots[index].status.warning = warning;
    }

    /// The process of the child of this index has ended, or could not be started.
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
        if !self.was_ready && slot.backoff.failed_starts() >= MAX_FIRST_STARTS {
            self.failure.get_or_insert_with(|| reason.clone());
        }
        slot.status.last_end = Some(ProcessEnd {
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

    /// The daemon is told to end.
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
        self.signal_all(Action::Terminate);
    }

    /// Makes all children re-read their files.
    pub fn reload(&mut self) {
        for slot in &mut self.slots {
            match (slot.status.phase, slot.status.process) {
                (Phase::Serving, Some(process)) => {
                    self.actions.push_back(Action::Reload(process));
                }
                // A starting child may have read them already. One that is not started yet is told later, so that it
                // reports a result.
                _ => slot.reload_when_ready = true,
            }
        }
    }

    fn signal_all(&mut self, action: impl Fn(ProcessIdentity) -> Action) {
        let living = self.slots.iter().filter_map(|slot| slot.status.process);
        self.actions.extend(living.map(action));
    }

    fn is_serving(&self) -> bool {
        let mut phases = self.slots.iter().map(|slot| slot.status.phase);
        phases.all(|phase| phase == Phase::Serving)
    }

    /// Whether the supervisor can end: it was told to, or the start failed, and no child is left.
    pub fn is_finished(&self) -> bool {
        let mut living = self.slots.iter().filter_map(|slot| slot.status.process);
        self.is_stopping && living.next().is_none()
    }

    /// The reason why the whole start failed, if it did.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The index of the child whose process has this number.
    pub fn index_of(&self, pid: i32) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.status.process.is_some_and(|p| p.pid == pid))
    }

    /// The phase of all children together.
    pub fn phase(&self) -> Phase {
        match (self.is_stopping, self.was_ready) {
            (true, _) => Phase::Stopping,
            (false, true) => Phase::Serving,
            (false, false) => Phase::Starting,
        }
    }

    /// The state of each child, by index.
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
