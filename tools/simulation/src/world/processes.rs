//! The processes of the server: how they begin, take their turns and end, and what must hold of them.

use std::collections::BTreeSet;

use super::{SERVICE_WITHIN_MS, WORKERS, World};
use crate::daemon::Daemon;
use crate::parent::{Order, Parent, Pid};
use crate::pipe::Pipe;
use crate::worker::Worker;

impl World {
    pub(super) fn supervisor_turns(&mut self) -> Result<(), String> {
        let is_childless = self.state_pid.is_none();
        for order in self.parent_turns(|world| &mut world.supervisor, is_childless)? {
            match order {
                Order::Begin(_, pid) => self.state_pid = Some(pid),
                Order::End(pid) if self.state_pid == Some(pid) => self.daemon_dies()?,
                Order::Reload(pid) if self.state_pid == Some(pid) => {
                    if let Some(daemon) = &mut self.daemon {
                        daemon.core.read_account_file();
                    }
                }
                Order::End(_) | Order::Reload(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn master_turns(&mut self) -> Result<(), String> {
        let is_childless = self.workers.iter().all(Option::is_none);
        for order in self.parent_turns(|world| &mut world.master, is_childless)? {
            match order {
                Order::Begin(index, pid) => {
                    self.workers[index] = Some(Worker::start(pid, self.now_ms));
                }
                Order::End(pid) => {
                    if let Some(index) = self.index_of_worker(pid) {
                        self.end_worker(index);
                    }
                }
                Order::Reload(_) => {}
            }
        }
        Ok(())
    }

    fn parent_turns(
        &mut self,
        parent: impl Fn(&mut Self) -> &mut Parent,
        is_childless: bool,
    ) -> Result<Vec<Order>, String> {
        let (now_ms, wall_ms) = (self.now_ms, self.timestamp().wall_ms);
        let mut next_pid = self.next_pid;
        let parent = parent(self);
        if parent.is_to_be_started(now_ms) && is_childless {
            parent.start(now_ms, wall_ms);
        }
        let orders = parent.turn(now_ms, wall_ms, &mut next_pid)?;
        self.next_pid = next_pid;
        Ok(orders)
    }

    fn index_of_worker(&self, pid: Pid) -> Option<usize> {
        let has_pid = |worker: &Option<Worker>| worker.as_ref().is_some_and(|w| w.pid == pid);
        self.workers.iter().position(has_pid)
    }

    pub(super) fn worker_turns(&mut self, index: usize) {
        let Some(worker) = &mut self.workers[index] else {
            return;
        };
        if self.now_ms >= self.workers_die_at_ms[index] {
            return self.end_worker(index);
        }
        // Something else may have been what woke it.
        let sees_its_parent_gone = !self.master.is_alive() && self.rng.u8(..4) > 0;
        if sees_its_parent_gone {
            return self.end_worker(index);
        }
        let result = worker.turn(
            self.now_ms,
            self.daemon.as_mut(),
            &mut self.next_link,
            &mut self.tcps,
            &mut self.rng,
        );
        for (id, tcp) in &mut self.tcps {
            if let Some(seen) = tcp.seen_acknowledged.take() {
                self.oracle.worker_saw(*id, seen);
            }
        }
        let (is_ready, pid) = (worker.is_ready(), worker.pid);
        if is_ready {
            self.master.child_is_ready(pid);
        }
        if result.is_err() || self.strikes(self.storms.of_workers_until_ms) {
            self.end_worker(index);
        }
    }

    pub(super) fn daemon_turns(&mut self) -> Result<(), String> {
        let Some(pid) = self.state_pid else {
            return Ok(());
        };
        let sees_its_parent_gone = !self.supervisor.is_alive() && self.rng.u8(..4) > 0;
        if sees_its_parent_gone || self.strikes(self.storms.of_daemon_until_ms) {
            return self.daemon_dies();
        }
        let timestamp = self.timestamp();
        let Some(daemon) = &mut self.daemon else {
            self.daemon = Some(Daemon::start(&self.disk, timestamp)?);
            return Ok(());
        };
        let workers = self.workers.iter().flatten();
        let alive: BTreeSet<Pid> = workers.map(|worker| worker.pid).collect();
        for (worker_session, pid) in daemon.core.dead_worker_sessions() {
            if !alive.contains(&pid) {
                daemon.core.dead_worker_reaped(worker_session);
            }
        }
        daemon.turn(timestamp, &mut self.disk, &mut self.rng);
        if daemon.is_ready() {
            self.supervisor.child_is_ready(pid);
            self.oracle
                .check(daemon.core.state(), &self.disk, self.now_ms)?;
        }
        self.check_sessions()
    }

    /// No session is in the chat twice, as the state sees it.
    fn check_sessions(&self) -> Result<(), String> {
        let Some(daemon) = &self.daemon else {
            return Ok(());
        };
        let state = daemon.core.state();
        for (worker_session, _) in state.worker_sessions() {
            let mut users = BTreeSet::new();
            for connection in state.connections(worker_session) {
                let Some(reader) = state.reader_on(connection) else {
                    continue;
                };
                let record = state.record(reader.account);
                let place = record.and_then(|record| record.places.get(reader.place));
                let session = place.and_then(|place| place.session());
                if session != Some(connection) || !users.insert(reader) {
                    let account = reader.account.0;
                    return Err(format!("a session of account {account} is logged in twice"));
                }
            }
        }
        Ok(())
    }

    /// When nothing has died for a while, clients are served.
    pub(super) fn check_service(&mut self) -> Result<(), String> {
        let storms_until_ms = self
            .storms
            .of_daemon_until_ms
            .max(self.storms.of_workers_until_ms);
        self.calm_since_ms = self.calm_since_ms.max(storms_until_ms.min(self.now_ms));
        let is_daemon_ready = self.daemon.as_mut().is_some_and(Daemon::is_ready);
        let mut workers = self.workers.iter().flatten();
        let attached = workers.by_ref().filter(|w| w.core.is_attached()).count();
        let was_served =
            std::mem::replace(&mut self.is_served, is_daemon_ready && attached == WORKERS);
        let outage_ms = self.now_ms - self.calm_since_ms;
        if self.is_served && was_served {
            return Ok(());
        }
        self.report.longest_outage_ms = self.report.longest_outage_ms.max(outage_ms);
        if outage_ms > SERVICE_WITHIN_MS {
            return Err(format!(
                "no service {outage_ms} ms after the last death: daemon {is_daemon_ready}, workers {attached}"
            ));
        }
        Ok(())
    }

    pub(super) fn work_finishes(&mut self) -> Result<(), String> {
        if let Some(daemon) = &mut self.daemon
            && daemon.has_work()
        {
            daemon.finish_work(&mut self.disk, &mut self.rng, self.is_draining)?;
        }
        Ok(())
    }

    pub(super) fn daemon_dies(&mut self) -> Result<(), String> {
        let Some(pid) = self.state_pid.take() else {
            return Ok(());
        };
        self.daemon_stands_until_ms = 0;
        self.supervisor.child_has_ended(pid);
        self.report.daemon_deaths += 1;
        self.calm_since_ms = self.now_ms;
        let Some(mut daemon) = self.daemon.take() else {
            return Ok(());
        };
        let mut links = std::mem::take(&mut daemon.links);
        self.report.texts_read += daemon.texts_read;
        daemon.die(&mut self.disk, &mut self.rng)?;
        for worker in self.workers.iter_mut().flatten() {
            let last_words = worker.link().and_then(|id| links.remove(&id));
            let mut arrives = Pipe::default();
            if let Some(mut link) = last_words {
                let count = self.rng.usize(..=link.to_worker.len());
                arrives.write(&link.to_worker.read(count));
            }
            worker.daemon_died(arrives);
        }
        Ok(())
    }

    pub(super) fn end_worker(&mut self, index: usize) {
        let Some(worker) = self.workers[index].take() else {
            return;
        };
        self.workers_stand_until_ms[index] = 0;
        self.workers_die_at_ms[index] = u64::MAX;
        self.master.child_has_ended(worker.pid);
        self.report.worker_deaths += 1;
        self.calm_since_ms = self.now_ms;
        for id in worker.tcps() {
            if let Some(tcp) = self.tcps.get_mut(&id) {
                tcp.is_let_go_by_worker = true;
                tcp.is_reset = true;
                self.oracle.ended(id, self.now_ms);
                self.oracle.worker_died(id, self.now_ms);
            }
        }
        if let (Some(daemon), Some(link)) = (&mut self.daemon, worker.link())
            && let Some(link) = daemon.links.get_mut(&link)
        {
            link.is_closed = true;
        }
    }
}
