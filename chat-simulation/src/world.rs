//! The world: hosts, processes, clients, and what happens to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chat_stated::core::LinkId;
use chat_stated::entry::Stamp;
use fastrand::Rng;

use crate::account_file::secret;
use crate::client::{Client, News};
use crate::daemon::{BLOCK_TIME_MS, Daemon};
use crate::disk::Disk;
use crate::oracle::Oracle;
use crate::pipe::Pipe;
use crate::tcp::{Fin, Tcp};
use crate::worker::{TcpId, Worker};

const WORKERS: usize = 2;
const CLIENTS: usize = 6;
/// Users that stand in the account file from the beginning; the others register.
const FIRST_ACCOUNTS: usize = 4;
/// After the last step the world is kept whole, and everybody reads what waits, within so many steps.
const MAX_DRAIN_STEPS: usize = 100_000;
const DAY_MS: i64 = 86_400_000;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages that were answered with `sent:` or its like.
    pub acknowledged: usize,
    /// Messages read, each reader counted.
    pub read: usize,
    /// Deaths of the daemon.
    pub daemon_deaths: usize,
    /// Deaths of workers.
    pub worker_deaths: usize,
    /// Logins.
    pub logins: usize,
    /// Texts that the daemon read from its checkpoint.
    pub texts_read: usize,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The run that shows it.
    pub seed: u64,
    /// After how many of its steps.
    pub step: usize,
    /// What was broken.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "seed {}, step {}: {}",
            self.seed, self.step, self.what
        )
    }
}

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
    daemon: Option<Daemon>,
    workers: Vec<Option<Worker>>,
    next_pid: u32,
    next_link: LinkId,
    next_tcp: TcpId,
    tcps: BTreeMap<TcpId, Tcp>,
    clients: Vec<Client>,
    /// Accounts that surely exist.
    registered: BTreeSet<usize>,
    oracle: Oracle,
    report: Report,
    is_draining: bool,
    /// How often something bad happens; each seed has its own.
    trouble_per_mille: u16,
}

impl World {
    fn new(seed: u64) -> Self {
        let names: Vec<String> = (0..CLIENTS).map(|user| format!("user{user}")).collect();
        let clients: Vec<Client> = names
            .iter()
            .enumerate()
            .map(|(user, name)| Client::new(user, name.clone(), user < FIRST_ACCOUNTS))
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
            daemon: None,
            workers: (0..WORKERS).map(|_| None).collect(),
            next_pid: 100,
            next_link: 0,
            next_tcp: 0,
            tcps: BTreeMap::new(),
            clients,
            registered: (0..FIRST_ACCOUNTS).collect(),
            oracle: Oracle::new(names),
            report: Report::default(),
            is_draining: false,
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            wall_ms: self.wall_offset_ms.saturating_add(self.now_ms as i64),
            boot_ms: self.now_ms,
            boot_id: [self.boot; 16],
        }
    }

    /// A little happens everywhere, and now and then something bad somewhere.
    fn step(&mut self) -> Result<(), String> {
        self.life_goes_on()?;
        if self.rng.u16(..1_000) >= self.trouble_per_mille {
            return Ok(());
        }
        match self.rng.u8(..20) {
            0..5 => self.client_aborts(),
            5..10 => self.daemon_dies()?,
            10..15 => self.worker_dies(),
            15 => self.wall_clock_jumps(),
            16 => self.everything_dies()?,
            17 => self.host_boots()?,
            _ => self.account_file_is_read_again(),
        }
        Ok(())
    }

    fn life_goes_on(&mut self) -> Result<(), String> {
        for index in 0..self.clients.len() {
            if self.rng.bool() {
                self.client_speaks(index);
            }
            if self.rng.bool() {
                self.client_reads(index)?;
            }
        }
        self.network_delivers();
        for index in 0..WORKERS {
            if self.rng.bool() {
                self.worker_turns(index);
            }
        }
        if self.rng.bool() {
            self.daemon_turns()?;
        }
        if self.rng.bool() {
            self.work_finishes()?;
        }
        self.time_passes();
        Ok(())
    }

    /// No more deaths: everybody logs in, reads, and logs out.
    fn drain(&mut self, step: &mut usize) -> Result<(), String> {
        self.is_draining = true;
        for client in &mut self.clients {
            client.is_draining = true;
        }
        for _ in 0..MAX_DRAIN_STEPS {
            *step += 1;
            self.life_goes_on()?;
            if self
                .clients
                .iter()
                .all(|client| client.is_drained || !client.has_account)
            {
                let behind = self.oracle.unread_by();
                if behind.is_empty() {
                    return Ok(());
                }
                // What was on its way when they left: they come again.
                for user in behind {
                    self.clients[user].is_drained = false;
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

    fn client_speaks(&mut self, index: usize) {
        let users: Vec<(String, bool)> = self
            .clients
            .iter()
            .map(|client| (client.name.clone(), self.registered.contains(&client.user)))
            .collect();
        let client = &mut self.clients[index];
        if client.talk.is_none() {
            let is_over = client.is_drained || (self.is_draining && !client.has_account);
            let worker = self.rng.usize(..WORKERS);
            if let (false, Some(worker)) = (is_over, &mut self.workers[worker]) {
                self.next_tcp += 1;
                self.tcps.insert(self.next_tcp, Tcp::new());
                worker.connect(self.next_tcp, client.address);
                client.connected(self.next_tcp);
                self.oracle.opened(self.next_tcp, client.user);
            }
            return;
        }
        client.say(&mut self.oracle, &users, self.now_ms, &mut self.rng);
        let Some(talk) = &mut client.talk else {
            return;
        };
        let Some(tcp) = self.tcps.get_mut(&talk.tcp) else {
            return;
        };
        if tcp.client_fin != Fin::Open {
            return;
        }
        let count = self.rng.usize(..=talk.output.len());
        let bytes: Vec<u8> = talk.output.drain(..count).collect();
        tcp.to_worker.write(&bytes);
        self.oracle.client_sent(talk.tcp, count);
        if talk.wants_fin && talk.output.is_empty() {
            tcp.client_fin = Fin::Sent;
        }
    }

    fn client_reads(&mut self, index: usize) -> Result<(), String> {
        let Some(id) = self.clients[index].talk.as_ref().map(|talk| talk.tcp) else {
            return Ok(());
        };
        let Some(tcp) = self.tcps.get_mut(&id) else {
            return Ok(());
        };
        if tcp.is_reset {
            self.hang_up(index, id);
            return Ok(());
        }
        let bytes = tcp.at_client.read(self.rng.usize(..200));
        let is_at_end =
            tcp.worker_fin == Fin::Sent && tcp.to_client.len() == 0 && tcp.at_client.len() == 0;
        let client = &mut self.clients[index];
        let news = client.read(&bytes, &mut self.oracle, self.now_ms, BLOCK_TIME_MS)?;
        for news in news {
            self.take_news(index, news)?;
        }
        if is_at_end {
            self.hang_up(index, id);
        }
        Ok(())
    }

    fn take_news(&mut self, index: usize, news: News) -> Result<(), String> {
        let user = self.clients[index].user;
        match news {
            News::Registered => {
                self.registered.insert(user);
                self.clients[index].has_account = true;
            }
            News::LoggedIn => {
                self.report.logins += 1;
                // A login shows that the account exists, even if its registration's answer was cut off.
                self.clients[index].has_account = true;
                self.registered.insert(user);
            }
        }
        Ok(())
    }

    /// A client's connection is over for it; it closes its side.
    fn hang_up(&mut self, index: usize, id: TcpId) {
        self.oracle.closed(id, self.now_ms);
        let client = &mut self.clients[index];
        client.is_drained |= client.is_draining && client.has_left();
        client.talk = None;
        if let Some(tcp) = self.tcps.get_mut(&id) {
            tcp.is_let_go_by_client = true;
            if tcp.client_fin == Fin::Open {
                tcp.client_fin = Fin::Sent;
            }
        }
    }

    fn client_aborts(&mut self) {
        let index = self.rng.usize(..self.clients.len());
        if let Some(talk) = self.clients[index].talk.take() {
            self.oracle.closed(talk.tcp, self.now_ms);
            if let Some(tcp) = self.tcps.get_mut(&talk.tcp) {
                tcp.is_let_go_by_client = true;
                tcp.is_reset = true;
            }
        }
    }

    fn network_delivers(&mut self) {
        for (id, tcp) in &mut self.tcps {
            if tcp.is_reset || self.rng.bool() {
                continue;
            }
            let bytes = tcp.to_worker.read(self.rng.usize(..150));
            tcp.at_worker.write(&bytes);
            let bytes = tcp.to_client.read(self.rng.usize(..300));
            tcp.at_client.write(&bytes);
            // An acknowledgement does not overtake what its side had sent before it.
            if tcp.to_worker.len() == 0 {
                tcp.acknowledgements -= self.rng.u64(..=tcp.acknowledgements);
            }
            tcp.acknowledgements += bytes.len() as u64;
            self.oracle.arrived(*id, &bytes, self.now_ms);
        }
        self.tcps.retain(|_, tcp| !tcp.is_dead());
    }

    fn worker_turns(&mut self, index: usize) {
        let Some(worker) = &mut self.workers[index] else {
            self.next_pid += 1;
            self.workers[index] = Some(Worker::start(self.next_pid, self.now_ms));
            return;
        };
        let result = worker.turn(
            self.now_ms,
            self.daemon.as_mut(),
            &mut self.next_link,
            &mut self.tcps,
            &mut self.rng,
        );
        if result.is_err() {
            self.end_worker(index);
        }
    }

    fn daemon_turns(&mut self) -> Result<(), String> {
        let stamp = self.stamp();
        let Some(daemon) = &mut self.daemon else {
            self.daemon = Some(Daemon::start(&self.disk, stamp)?);
            return Ok(());
        };
        let alive: BTreeSet<u32> = self
            .workers
            .iter()
            .flatten()
            .map(|worker| worker.pid)
            .collect();
        for (life, pid) in daemon.core.orphans() {
            if !alive.contains(&pid) {
                daemon.core.orphan_died(life);
            }
        }
        daemon.turn(stamp, &mut self.disk, &mut self.rng);
        if daemon.is_ready() {
            self.oracle
                .check(daemon.core.state(), &self.disk, self.now_ms)?;
        }
        self.check_sessions()
    }

    /// Nobody is in the chat twice, as the state sees it.
    fn check_sessions(&self) -> Result<(), String> {
        let Some(daemon) = &self.daemon else {
            return Ok(());
        };
        let state = daemon.core.state();
        for (life, _) in state.lives() {
            let mut users = BTreeSet::new();
            for connection in state.connections(life) {
                if let Some(account) = state.account_on(connection) {
                    let session = state.record(account).and_then(|record| record.session);
                    if session != Some(connection) || !users.insert(account) {
                        return Err(format!("account {} is logged in twice", account.0));
                    }
                }
            }
        }
        Ok(())
    }

    fn work_finishes(&mut self) -> Result<(), String> {
        if let Some(daemon) = &mut self.daemon
            && daemon.has_work()
        {
            daemon.finish_work(&mut self.disk, &mut self.rng, self.is_draining)?;
        }
        Ok(())
    }

    fn time_passes(&mut self) {
        self.now_ms += match self.rng.u8(..100) {
            0 => self.rng.u64(..3_000),
            1..4 => self.rng.u64(..300),
            _ => self.rng.u64(..10),
        };
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

    fn daemon_dies(&mut self) -> Result<(), String> {
        let Some(mut daemon) = self.daemon.take() else {
            return Ok(());
        };
        self.report.daemon_deaths += 1;
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

    fn worker_dies(&mut self) {
        let index = self.rng.usize(..WORKERS);
        self.end_worker(index);
    }

    fn end_worker(&mut self, index: usize) {
        let Some(worker) = self.workers[index].take() else {
            return;
        };
        self.report.worker_deaths += 1;
        for id in worker.tcps() {
            if let Some(tcp) = self.tcps.get_mut(&id) {
                tcp.is_let_go_by_worker = true;
                tcp.is_reset = true;
            }
        }
        if let (Some(daemon), Some(link)) = (&mut self.daemon, worker.link())
            && let Some(link) = daemon.links.get_mut(&link)
        {
            link.is_closed = true;
        }
    }

    fn everything_dies(&mut self) -> Result<(), String> {
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
        // Clients follow real time; only what the daemon's host calls boot time begins anew.
        self.oracle.forget_blocks();
        Ok(())
    }

    fn account_file_is_read_again(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            daemon.core.read_account_file();
        }
    }
}
