//! A parent of processes: the real [`ChildSet`] decides when its children begin; its turns and its own life are
//! simulated.

use chat_node::process::identity::ProcessIdentity;
use chat_node::supervisor::{Action, ChildSet, LONGEST_WAIT_MS, Now};
use jiff::Timestamp;

/// The number of a process. No two in a world have the same.
pub(crate) type Pid = u32;

/// What a parent wants to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The child of this index begins, as this process.
    Begin(usize, Pid),
    End(Pid),
    Reload(Pid),
}

/// A process, as its parent sees it at the next look.
#[derive(Clone, Copy, Debug)]
struct Child {
    pid: Pid,
    is_ready: bool,
    has_ended: bool,
}

#[derive(Debug)]
struct Life {
    child_set: ChildSet,
    began_ms: u64,
    has_served: bool,
    /// By index.
    children: Vec<Option<Child>>,
}

#[derive(Debug)]
pub(crate) struct Parent {
    child_count: usize,
    life: Option<Life>,
    /// When an operator starts it again, if it does not live.
    start_at_ms: u64,
    /// Lives that ended because the children did not come to serve.
    pub(crate) failed_starts: usize,
}

impl Parent {
    pub(crate) fn new(child_count: usize) -> Self {
        Self {
            child_count,
            life: None,
            start_at_ms: 0,
            failed_starts: 0,
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.life.is_some()
    }

    /// Dies; an operator will notice at `start_at_ms`.
    pub(crate) fn die(&mut self, start_at_ms: u64) {
        if self.life.take().is_some() {
            self.start_at_ms = start_at_ms;
        }
    }

    /// Whether an operator starts it now. A start waits until the children of the life before are gone.
    pub(crate) fn is_to_be_started(&self, now_ms: u64) -> bool {
        self.life.is_none() && self.start_at_ms <= now_ms
    }

    pub(crate) fn start(&mut self, now_ms: u64, wall_ms: i64) {
        self.life = Some(Life {
            child_set: ChildSet::new(self.child_count, now(0, wall_ms)),
            began_ms: now_ms,
            has_served: false,
            children: vec![None; self.child_count],
        });
    }

    /// A child has written that it can serve.
    pub(crate) fn child_is_ready(&mut self, pid: Pid) {
        if let Some(child) = self.child(pid) {
            child.is_ready = true;
        }
    }

    pub(crate) fn child_has_ended(&mut self, pid: Pid) {
        if let Some(child) = self.child(pid) {
            child.has_ended = true;
        }
    }

    fn child(&mut self, pid: Pid) -> Option<&mut Child> {
        let children = self.life.as_mut()?.children.iter_mut();
        children.flatten().find(|child| child.pid == pid)
    }

    /// It is asked to have its children read their files again.
    pub(crate) fn reload(&mut self) {
        if let Some(life) = &mut self.life {
            life.child_set.reload();
        }
    }

    /// One turn of its loop. An error is a promise of the child set's that was broken.
    pub(crate) fn turn(
        &mut self,
        now_ms: u64,
        wall_ms: i64,
        next_pid: &mut Pid,
    ) -> Result<Vec<Order>, String> {
        let Some(life) = &mut self.life else {
            return Ok(Vec::new());
        };
        let orders = life.turn(now_ms, wall_ms, next_pid)?;
        if life.child_set.is_finished() {
            self.life = None;
            self.failed_starts += 1;
            self.start_at_ms = now_ms;
        }
        Ok(orders)
    }
}

impl Life {
    fn turn(
        &mut self,
        now_ms: u64,
        wall_ms: i64,
        next_pid: &mut Pid,
    ) -> Result<Vec<Order>, String> {
        let now = now(now_ms - self.began_ms, wall_ms);
        for index in 0..self.children.len() {
            self.look_at(index, now);
        }
        self.child_set.at(now);
        let mut orders = Vec::new();
        while let Some(action) = self.child_set.next_action() {
            orders.extend(self.order(action, now, next_pid)?);
        }
        self.check(now)?;
        Ok(orders)
    }

    /// As the real loop does: what a child wrote before it ended is read before its end is taken in.
    fn look_at(&mut self, index: usize, now: Now) {
        let Some(child) = self.children[index] else {
            return;
        };
        if child.is_ready {
            self.child_set.ready(index, now);
        }
        if child.has_ended && self.child_set.index_of(identity(child.pid).pid) == Some(index) {
            self.children[index] = None;
            self.child_set.ended(index, "died".to_owned(), now);
        }
    }

    fn order(
        &mut self,
        action: Action,
        now: Now,
        next_pid: &mut Pid,
    ) -> Result<Option<Order>, String> {
        Ok(match action {
            Action::Start(index) => {
                if let Some(child) = self.children[index] {
                    return Err(format!("child {index} begins beside process {}", child.pid));
                }
                *next_pid += 1;
                self.children[index] = Some(Child {
                    pid: *next_pid,
                    is_ready: false,
                    has_ended: false,
                });
                self.child_set.started(index, identity(*next_pid), now);
                Some(Order::Begin(index, *next_pid))
            }
            Action::Terminate(process) | Action::Kill(process) => {
                Some(Order::End(process.pid.unsigned_abs()))
            }
            Action::Reload(process) => Some(Order::Reload(process.pid.unsigned_abs())),
            Action::AnnounceReady => {
                self.has_served = true;
                None
            }
            Action::AnnounceSilence(_) => None,
        })
    }

    fn check(&self, now: Now) -> Result<(), String> {
        if self.has_served
            && let Some(reason) = self.child_set.failure()
        {
            return Err(format!("a fleet that had served gave up: {reason}"));
        }
        let is_complete = self.children.iter().all(Option::is_some);
        let gives_up = self.child_set.failure().is_some();
        let due_ms = self.child_set.next_due_ms();
        if !is_complete
            && !gives_up
            && due_ms.is_none_or(|due| due > now.clock_ms + LONGEST_WAIT_MS)
        {
            return Err(format!("a child is missing, and is to begin at {due_ms:?}"));
        }
        Ok(())
    }
}

fn identity(pid: Pid) -> ProcessIdentity {
    ProcessIdentity {
        pid: pid.cast_signed(),
        start_ticks: 1,
    }
}

fn now(clock_ms: u64, wall_ms: i64) -> Now {
    Now {
        clock_ms,
        // The wall clock is for people only; one that stands beyond what can be written is no reason to end.
        wall: Timestamp::from_millisecond(wall_ms).unwrap_or_default(),
    }
}
