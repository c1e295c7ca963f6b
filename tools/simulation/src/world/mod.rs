//! The world: hosts, processes, clients, and what happens to them.

mod people;
mod processes;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};

use chat_model::{SessionName, UserSession};
use chat_stated::core::LinkId;
use chat_stated::entry::Timestamp;
use fastrand::Rng;

use self::trouble::Storms;
use crate::account_file::secret;
use crate::client::Client;
use crate::daemon::Daemon;
use crate::disk::Disk;
use crate::oracle::Oracle;
use crate::parent::{Parent, Pid};
use crate::report::{Report, Violation};
use crate::tcp::Tcp;
use crate::worker::{TcpId, Worker};

const WORKERS: usize = 2;
const CLIENTS: usize = 6;
/// Users that stand in the account file from the beginning; the others register.
const FIRST_ACCOUNTS: usize = 4;
/// After the last step the world is kept whole, and everybody reads what waits, within so many steps.
const MAX_DRAIN_STEPS: usize = 100_000;
/// Clients are served again so long after the last death. Longer than a child that failed is held back: then it takes
/// its turns, in which time may leap, and an operator may have to come first.
const SERVICE_WITHIN_MS: u64 = 30_000;

/// Runs one seed for so many steps, and then until everybody has read what waits.
pub fn run(seed: u64, steps: usize) -> Result<Report, Violation> {
    let mut world = World::new(seed);
    let mut step = 0;
    let mut result = Ok(());
    while result.is_ok() && step < steps {
        result = world.step();
        step += 1;
    }
    if result.is_ok() {
        result = world.drain(&mut step);
    }
    match result {
        Ok(()) => Ok(Report {
            acknowledged: world.oracle.acknowledged,
            read: world.oracle.read.len(),
            confirmed: world.oracle.confirmed,
            repeats: world.oracle.repeats,
            repeated_sends: world.oracle.repeated_sends,
            of_room: world.oracle.of_room,
            history_lines: world.oracle.history_lines,
            places_lost: world.oracle.places_lost,
            replaced: world.oracle.replaced,
            failed_starts: world.supervisor.failed_starts + world.master.failed_starts,
            ..world.report
        }),
        Err(what) => Err(Violation { seed, step, what }),
    }
}

struct World {
    rng: Rng,
    now_ms: u64,
    wall_offset_ms: i64,
    boot: u8,
    disk: Disk,
    supervisor: Parent,
    /// The state process; it has begun, but not yet loaded its state, while there is no daemon.
    state_pid: Option<Pid>,
    daemon: Option<Daemon>,
    master: Parent,
    workers: Vec<Option<Worker>>,
    next_pid: Pid,
    next_link: LinkId,
    next_tcp: TcpId,
    tcps: BTreeMap<TcpId, Tcp>,
    clients: Vec<Client>,
    /// Accounts that surely exist.
    registered: BTreeSet<usize>,
    /// Users who were logged in.
    were_in: BTreeSet<usize>,
    oracle: Oracle,
    report: Report,
    storms: Storms,
    daemon_stands_until_ms: u64,
    workers_stand_until_ms: [u64; WORKERS],
    workers_die_at_ms: [u64; WORKERS],
    /// When a process died last, or a storm ended.
    calm_since_ms: u64,
    is_served: bool,
    is_draining: bool,
    /// How often something bad happens; each seed has its own.
    trouble_per_mille: u16,
}
impl World {
    fn new(seed: u64) -> Self {
        let names: Vec<String> = (0..CLIENTS).map(|user| format!("user{user}")).collect();
        let named = |name| UserSession::Named(SessionName::parse(name).expect("a name"));
        let mut seats: Vec<(usize, UserSession)> = (0..CLIENTS)
            .map(|user| (user, UserSession::Plain))
            .collect();
        seats.extend([
            (0, named("phone")),
            (1, named("phone")),
            (1, named("desk")),
            (0, UserSession::SendOnly),
        ]);
        // Two clients take the same session over from one another.
        let of_clients = (0..seats.len()).chain([CLIENTS, CLIENTS + 3]);
        let clients: Vec<Client> = of_clients
            .map(|seat| {
                let (user, session) = seats[seat];
                let user = (user, names[user].as_str());
                Client::new(user, (seat, session), user.0 < FIRST_ACCOUNTS)
            })
            .collect();
        let mut disk = Disk::default();
        for client in &clients[..FIRST_ACCOUNTS] {
            let line = format!(
                "{},{}\n",
                client.name,
                secret(7, client.password().as_bytes())
            );
            disk.account_file.extend_from_slice(line.as_bytes());
        }
        let mut rng = Rng::with_seed(seed);
        let trouble_per_mille = [1, 3, 10, 30][rng.usize(..4)];
        Self {
            rng,
            trouble_per_mille,
            now_ms: 1_000,
            wall_offset_ms: 1_795_000_000_000,
            boot: 1,
            disk,
            supervisor: Parent::new(1),
            state_pid: None,
            daemon: None,
            master: Parent::new(WORKERS),
            workers: (0..WORKERS).map(|_| None).collect(),
            next_pid: 100,
            next_link: 0,
            next_tcp: 0,
            tcps: BTreeMap::new(),
            clients,
            registered: (0..FIRST_ACCOUNTS).collect(),
            were_in: BTreeSet::new(),
            oracle: Oracle::new(names, &seats),
            report: Report::default(),
            storms: Storms::default(),
            daemon_stands_until_ms: 0,
            workers_stand_until_ms: [0; WORKERS],
            workers_die_at_ms: [u64::MAX; WORKERS],
            calm_since_ms: 1_000,
            is_served: false,
            is_draining: false,
        }
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp {
            wall_ms: self.wall_offset_ms.saturating_add(self.now_ms as i64),
            boot_ms: self.now_ms,
            boot_id: [self.boot; 16],
        }
    }

    /// A little happens everywhere, and now and then something bad somewhere.
    fn step(&mut self) -> Result<(), String> {
        self.worker_session_goes_on()?;
        if self.rng.u16(..1_000) >= self.trouble_per_mille {
            return Ok(());
        }
        self.trouble()
    }

    fn worker_session_goes_on(&mut self) -> Result<(), String> {
        for index in 0..self.clients.len() {
            if self.rng.bool() {
                self.client_speaks(index);
            }
            if self.rng.bool() {
                self.client_reads(index)?;
            }
        }
        self.network_delivers();
        if self.rng.bool() {
            self.master_turns()?;
        }
        for index in 0..WORKERS {
            if self.rng.bool() && self.now_ms >= self.workers_stand_until_ms[index] {
                self.worker_turns(index);
            }
        }
        if self.rng.bool() {
            self.supervisor_turns()?;
        }
        if self.rng.bool() && self.now_ms >= self.daemon_stands_until_ms {
            self.daemon_turns()?;
        }
        if self.rng.bool() {
            self.work_finishes()?;
        }
        self.time_passes();
        self.check_service()
    }

    /// No more deaths: everybody logs in, reads, and logs out.
    fn drain(&mut self, step: &mut usize) -> Result<(), String> {
        self.is_draining = true;
        self.storms = Storms::default();
        self.workers_die_at_ms = [u64::MAX; WORKERS];
        for client in &mut self.clients {
            client.is_draining = true;
        }
        for _ in 0..MAX_DRAIN_STEPS {
            *step += 1;
            self.worker_session_goes_on()?;
            if self.clients.iter().all(|client| {
                client.is_drained
                    || !client.has_account
                    || (!client.is_plain() && !self.were_in.contains(&client.user))
            }) {
                let behind = self.oracle.unread_by();
                if behind.is_empty() {
                    return Ok(());
                }
                // What was on its way when they left: they come again.
                for client in &mut self.clients {
                    client.is_drained &= !behind.contains(&client.seat);
                }
            }
        }
        let stuck: Vec<String> = self
            .clients
            .iter()
            .filter(|client| !client.is_drained)
            .map(|client| {
                let tcp = client
                    .talk
                    .as_ref()
                    .and_then(|talk| self.tcps.get(&talk.tcp));
                format!("{} {:?} {tcp:?}", client.name, client.talk)
            })
            .collect();
        Err(format!("nothing moves: {}", stuck.join("; ")))
    }

    fn time_passes(&mut self) {
        self.now_ms += match self.rng.u8(..100) {
            0 => self.rng.u64(..3_000),
            1..4 => self.rng.u64(..300),
            _ => self.rng.u64(..10),
        };
    }
}
