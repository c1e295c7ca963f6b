//! A worker's process: its real core, with the kernel's side of its sockets simulated.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chat_frontd::core::{
    Action, ClientKey, Core, CoreSettings, SessionLimits, UnauthenticatedLimits,
};
use chat_node::limits::network::Networks;
use chat_node::limits::token_bucket::Rate;
use chat_stated::core::LinkId;
use fastrand::Rng;

use crate::daemon::{Daemon, Link};
use crate::pipe::Pipe;
use crate::tcp::{Fin, Tcp};

/// How long a client may be silent in the simulation.
pub(crate) const TIME_OUT_MS: u64 = 30_000;

/// Names a client's connection in the world.
pub(crate) type TcpId = u64;

pub(crate) struct Worker {
    pub(crate) core: Core,
    pub(crate) pid: u32,
    link: Option<LinkId>,
    /// What a daemon that died had sent and that still arrives.
    last_words: Option<Pipe>,
    sockets: BTreeMap<ClientKey, TcpId>,
    to_accept: Vec<(TcpId, IpAddr)>,
    is_ready: bool,
}

impl Worker {
    pub(crate) fn start(pid: u32, now_ms: u64) -> Self {
        let settings = CoreSettings {
            limits: SessionLimits {
                max_line_bytes: 256,
                max_unread_bytes: 1_000,
                max_recipients: 100,
                time_out_ms: TIME_OUT_MS,
            },
            unauthenticated: UnauthenticatedLimits {
                trusted: Networks::default(),
                login_ms: 1 << 40,
                // Slow enough that lines wait.
                lines: Rate::new(50, 1_000, 5),
            },
            max_held_bytes: usize::MAX,
            secret_seed: [7; 32],
        };
        Self {
            core: Core::new(settings, now_ms),
            pid,
            link: None,
            last_words: None,
            sockets: BTreeMap::new(),
            to_accept: Vec::new(),
            is_ready: false,
        }
    }

    pub(crate) fn connect(&mut self, tcp: TcpId, address: IpAddr) {
        self.to_accept.push((tcp, address));
    }

    /// Whether it has begun to accept clients.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready
    }

    pub(crate) fn link(&self) -> Option<LinkId> {
        self.link
    }

    /// The daemon died: of what it had sent, this much still arrives.
    pub(crate) fn daemon_died(&mut self, last_words: Pipe) {
        if self.link.take().is_some() {
            self.last_words = Some(last_words);
        }
    }

    /// Connections that die with this process.
    pub(crate) fn tcps(&self) -> Vec<TcpId> {
        let accepted = self.sockets.values().copied();
        accepted
            .chain(self.to_accept.iter().map(|(tcp, _)| *tcp))
            .collect()
    }

    /// One turn of its loop. An error is the end of the process.
    pub(crate) fn turn(
        &mut self,
        now_ms: u64,
        daemon: Option<&mut Daemon>,
        new_link: &mut LinkId,
        tcps: &mut BTreeMap<TcpId, Tcp>,
        rng: &mut Rng,
    ) -> Result<(), String> {
        self.core.begin_turn(now_ms, now_ms);
        let mut daemon = daemon;
        self.read_daemon(daemon.as_deref_mut(), new_link, rng)
            .map_err(|error| format!("{error:#}"))?;
        self.is_ready |= self.core.is_attached();
        // As the real loop does: a client that is gone leaves its key to the next one.
        self.perform_actions(tcps);
        if self.is_ready {
            for (tcp, address) in std::mem::take(&mut self.to_accept) {
                let key = self.core.open(address);
                let before = self.sockets.insert(key, tcp);
                assert_eq!(before, None, "a connection that was not closed");
            }
        }
        for key in self.core.take_wanted_observations() {
            self.observe(key, tcps);
        }
        let keys: Vec<ClientKey> = self.sockets.keys().copied().collect();
        for key in keys {
            if rng.bool() {
                self.read_client(key, tcps, rng);
            }
        }
        while let Some(key) = self.core.next_listed() {
            self.serve(key, tcps, rng);
        }
        self.perform_actions(tcps);
        if let (Some(daemon), Some(link)) = (daemon, self.link)
            && let Some(link) = daemon.links.get_mut(&link)
        {
            let output = self.core.link_output();
            let pending = output.pending().to_vec();
            let count = rng.usize(..=pending.len());
            output.advance(count);
            link.to_daemon.write(&pending[..count]);
        }
        Ok(())
    }

    fn read_daemon(
        &mut self,
        daemon: Option<&mut Daemon>,
        new_link: &mut LinkId,
        rng: &mut Rng,
    ) -> Result<(), String> {
        let told = |error| format!("{error:#}");
        if let Some(last_words) = &mut self.last_words {
            let bytes = last_words.read(rng.usize(..400));
            if last_words.len() == 0 {
                self.last_words = None;
            }
            self.core.daemon_received(&bytes).map_err(told)?;
            if self.last_words.is_none() {
                self.core.daemon_lost();
            }
            return Ok(());
        }
        let Some(daemon) = daemon else {
            return Ok(());
        };
        match self.link.map(|id| (id, daemon.links.get_mut(&id))) {
            None => {
                *new_link += 1;
                daemon.links.insert(*new_link, Link::new(self.pid));
                self.link = Some(*new_link);
                self.core.daemon_connected().map_err(told)
            }
            Some((_, Some(link))) => {
                let bytes = link.to_worker.read(rng.usize(..600));
                self.core.daemon_received(&bytes).map_err(told)?;
                if link.is_closed && link.to_worker.len() == 0 {
                    self.link = None;
                    self.core.daemon_lost();
                }
                Ok(())
            }
            Some((_, None)) => {
                self.link = None;
                self.core.daemon_lost();
                Ok(())
            }
        }
    }

    fn observe(&mut self, key: ClientKey, tcps: &mut BTreeMap<TcpId, Tcp>) {
        if let Some(tcp) = self.sockets.get(&key).and_then(|tcp| tcps.get_mut(tcp))
            && !tcp.is_reset
        {
            self.core.observed(key, tcp.observe());
        }
    }

    fn read_client(&mut self, key: ClientKey, tcps: &mut BTreeMap<TcpId, Tcp>, rng: &mut Rng) {
        let Some(tcp) = self.sockets.get(&key).and_then(|tcp| tcps.get_mut(tcp)) else {
            return;
        };
        self.core.list(key);
        if tcp.is_reset {
            tcp.is_let_go_by_worker = true;
            self.sockets.remove(&key);
            return self.core.broke(key);
        }
        if !self.core.wants_input(key) {
            return;
        }
        if self.core.wants_observation(key) {
            self.core.observed(key, tcp.observe());
        }
        let bytes = tcp.at_worker.read(1 + rng.usize(..100));
        if !bytes.is_empty() {
            self.core.received(key, &bytes);
        } else if tcp.client_fin == Fin::Sent && tcp.has_client_fin_arrived() {
            tcp.client_fin = Fin::Read;
            self.core.ended(key);
        }
    }

    fn serve(&mut self, key: ClientKey, tcps: &mut BTreeMap<TcpId, Tcp>, rng: &mut Rng) {
        self.core.serve(key);
        self.write_client(key, tcps, rng);
        if self.core.wants_observation_now(key) {
            self.observe(key, tcps);
        }
        self.core.serve(key);
        self.write_client(key, tcps, rng);
        self.perform_actions(tcps);
    }

    fn perform_actions(&mut self, tcps: &mut BTreeMap<TcpId, Tcp>) {
        for action in self.core.take_actions() {
            match action {
                Action::Shut(key) => {
                    if let Some(tcp) = self.sockets.get(&key).and_then(|tcp| tcps.get_mut(tcp)) {
                        tcp.worker_fin = Fin::Sent;
                    }
                }
                Action::Close(key) => {
                    if let Some(tcp) = self.sockets.remove(&key)
                        && let Some(tcp) = tcps.get_mut(&tcp)
                    {
                        // A kernel that is left with unread bytes, or with a stream that was not ended, resets.
                        let is_clean = tcp.client_fin == Fin::Read && tcp.worker_fin != Fin::Open;
                        tcp.is_reset |= !is_clean;
                        tcp.is_let_go_by_worker = true;
                    }
                }
                // Without TLS and balancers everybody is a client at once.
                Action::HangUp(_) => {}
            }
        }
    }

    fn write_client(&mut self, key: ClientKey, tcps: &mut BTreeMap<TcpId, Tcp>, rng: &mut Rng) {
        let Some(tcp) = self.sockets.get(&key).and_then(|tcp| tcps.get_mut(tcp)) else {
            return;
        };
        let Some(output) = self.core.output(key) else {
            return;
        };
        let most = output.pending().len().min(tcp.room_to_client());
        if most > 0 {
            let count = 1 + rng.usize(..most);
            tcp.to_client.write(&output.pending()[..count]);
            output.advance(count);
            self.core.wrote(key);
        }
    }
}
