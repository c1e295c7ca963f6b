//! What goes wrong.

use super::{WORKERS, World};
use crate::worker::Worker;

const DAY_MS: i64 = 86_400_000;
/// An operator notices within this that a parent is gone, and starts it again.
const OPERATOR_PAUSE_MS: u64 = 2_000;
/// How long a process may stand still.
const LONGEST_STANDSTILL_MS: u64 = 3_000;
/// How long a storm may last in which processes die as soon as they have begun.
const LONGEST_STORM_MS: u64 = 30_000;

/// Until when, in simulated time, the children of a parent are likely to die at any moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Storms {
    pub(super) of_daemon_until_ms: u64,
    pub(super) of_workers_until_ms: u64,
}

impl World {
    pub(super) fn trouble(&mut self) -> Result<(), String> {
        match self.rng.u8(..54) {
            0..5 => self.client_aborts(),
            5..10 => self.client_dies(),
            10..20 => self.daemon_dies()?,
            20..30 => self.worker_dies(),
            30..32 => self.wall_clock_jumps(),
            32..34 => self.everything_dies()?,
            34..36 => self.host_boots()?,
            36..38 => self.supervisor_dies(),
            38..40 => self.master_dies(),
            40 => self.storm_begins(),
            41..43 => self.daemon_stands_until_ms = self.end_of_standstill(),
            43..45 => {
                let index = self.rng.usize(..WORKERS);
                self.workers_stand_until_ms[index] = self.end_of_standstill();
            }
            45..51 => self.worker_dies_unread(),
            _ => self.supervisor.reload(),
        }
        Ok(())
    }

    /// A process is not run for a while: what is sent to it waits.
    fn end_of_standstill(&mut self) -> u64 {
        self.now_ms + self.rng.u64(..LONGEST_STANDSTILL_MS)
    }

    /// What a worker says lies on its socket for a while, and it dies meanwhile.
    fn worker_dies_unread(&mut self) {
        let index = self.rng.usize(..WORKERS);
        let dies_at_ms = self.now_ms + self.rng.u64(..1_000);
        let unread_until_ms = dies_at_ms + self.rng.u64(..LONGEST_STANDSTILL_MS);
        let link = self.workers[index].as_ref().and_then(Worker::link);
        if let (Some(daemon), Some(link)) = (&mut self.daemon, link)
            && let Some(link) = daemon.links.get_mut(&link)
        {
            link.unread_until_ms = unread_until_ms;
            self.workers_die_at_ms[index] = dies_at_ms;
        }
    }

    fn client_aborts(&mut self) {
        let index = self.rng.usize(..self.clients.len());
        if let Some(talk) = self.clients[index].talk.take() {
            self.oracle.ended(talk.tcp, self.now_ms);
            if let Some(tcp) = self.tcps.get_mut(&talk.tcp) {
                tcp.is_let_go_by_client = true;
                tcp.is_reset = true;
            }
        }
    }

    /// A client's process dies. Its kernel sends a FIN behind what it had taken, or resets the connection if
    /// something is unread. What the program had read and not confirmed must come again.
    fn client_dies(&mut self) {
        let clients = self.clients.iter().enumerate();
        let connected =
            clients.filter_map(|(index, client)| Some((index, client.talk.as_ref()?.tcp)));
        let connected: Vec<_> = connected.collect();
        let Some((index, id)) = self.rng.choice(connected) else {
            return;
        };
        self.report.client_deaths += 1;
        self.hang_up(index, id);
        if let Some(tcp) = self.tcps.get_mut(&id)
            && tcp.at_client.len() > 0
        {
            tcp.is_reset = true;
            self.oracle.ended(id, self.now_ms);
        }
    }

    fn wall_clock_jumps(&mut self) {
        let jump_ms = match self.rng.u8(..4) {
            0 => DAY_MS,
            1 => -DAY_MS,
            2 => 3_653 * DAY_MS,
            _ => -3_653 * DAY_MS,
        };
        self.wall_offset_ms += jump_ms;
    }

    fn worker_dies(&mut self) {
        let index = self.rng.usize(..WORKERS);
        self.end_worker(index);
    }

    /// Its child learns it at its next turn.
    fn supervisor_dies(&mut self) {
        self.report.parent_deaths += usize::from(self.supervisor.is_alive());
        self.calm_since_ms = self.now_ms;
        let start_at_ms = self.when_operator_notices();
        self.supervisor.die(start_at_ms);
    }

    /// Its workers learn it at their next turns.
    fn master_dies(&mut self) {
        self.report.parent_deaths += usize::from(self.master.is_alive());
        self.calm_since_ms = self.now_ms;
        let start_at_ms = self.when_operator_notices();
        self.master.die(start_at_ms);
    }

    fn when_operator_notices(&mut self) -> u64 {
        self.now_ms + self.rng.u64(..OPERATOR_PAUSE_MS)
    }

    fn everything_dies(&mut self) -> Result<(), String> {
        self.supervisor_dies();
        self.master_dies();
        self.daemon_dies()?;
        for index in 0..WORKERS {
            self.end_worker(index);
        }
        Ok(())
    }

    fn host_boots(&mut self) -> Result<(), String> {
        self.everything_dies()?;
        self.boot = self.boot.wrapping_add(1);
        self.wall_offset_ms += self.now_ms as i64;
        // The wall clock may have been set by years, and the state's time follows it across boots.
        for client in &mut self.clients {
            client.give_up_unanswered();
        }
        // Clients follow real time; only what the daemon's host calls boot time begins anew.
        self.oracle.forget_blocks();
        Ok(())
    }

    fn storm_begins(&mut self) {
        self.report.storms += 1;
        let until_ms = self.now_ms + self.rng.u64(..LONGEST_STORM_MS);
        if self.rng.bool() {
            self.storms.of_daemon_until_ms = until_ms;
        } else {
            self.storms.of_workers_until_ms = until_ms;
        }
    }

    /// Whether a process dies now because of a storm that lasts until then.
    pub(super) fn strikes(&mut self, storm_until_ms: u64) -> bool {
        self.now_ms < storm_until_ms && self.rng.u8(..4) == 0
    }
}
