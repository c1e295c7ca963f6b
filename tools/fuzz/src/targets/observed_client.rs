//! A worker's clients as the kernel shows them, driven by choices.

use std::net::{IpAddr, Ipv4Addr};

use chat_frontd::core::{
    Action, ClientKey, Core, CoreSettings, Observation, SessionLimits, UnauthenticatedLimits,
};
use chat_node::limits::network::Networks;
use chat_node::limits::token_bucket::Rate;

use crate::choices::Choices;

/// Clients there may be at once.
const MAX_CLIENTS: usize = 3;
pub(super) const MAX_LINE_BYTES: usize = 64;
pub(super) const MAX_UNREAD_BYTES: usize = 500;
/// What may wait for a client, with the answers to the lines it may have under way, and the messages that come
/// meanwhile.
const MAX_PENDING_BYTES: usize = 256 * 1024;
const TIME_OUT_MS: u64 = 30_000;

/// How often a client says the same at once, at most.
const MAX_REPEATS: usize = 48;

/// A client's connection.
#[derive(Debug)]
pub(super) struct Client {
    /// `None` once it is closed.
    key: Option<ClientKey>,
    /// What it sent and the worker has not read.
    unread: Vec<u8>,
    /// What it sent and the worker has read.
    pub(super) sent: Vec<u8>,
    /// What it received.
    pub(super) received: Vec<u8>,
    /// How much of that its TCP has not acknowledged.
    unacknowledged: usize,
    /// How much it takes before it is slow.
    room: usize,
    has_ended: bool,
    is_shut: bool,
}

impl Client {
    /// Takes so much from now on. Gives its key if its socket can be written to again, of which the kernel tells.
    fn takes(&mut self, room: usize) -> Option<ClientKey> {
        let was_full = std::mem::replace(&mut self.room, room) == 0;
        self.key.filter(|_| was_full && room > 0)
    }
}

/// A worker's core with its clients.
pub(super) struct Worker {
    pub(super) core: Core,
    pub(super) now_ms: u64,
    pub(super) clients: Vec<Client>,
}

impl Worker {
    pub(super) fn new() -> Self {
        let settings = CoreSettings {
            limits: SessionLimits {
                max_line_bytes: MAX_LINE_BYTES,
                max_unread_bytes: MAX_UNREAD_BYTES,
                max_recipients: 3,
                time_out_ms: TIME_OUT_MS,
            },
            unauthenticated: UnauthenticatedLimits {
                trusted: Networks::LOOPBACK.parse().unwrap_or_default(),
                login_ms: 5_000,
                // Slow enough that lines wait.
                lines: Rate::new(100_000, 1_000, 5),
            },
            max_held_bytes: 32 * 1024,
            secret_seed: [7; 32],
        };
        Self {
            core: Core::new(settings, 0),
            now_ms: 0,
            clients: Vec::new(),
        }
    }

    /// Somebody connects, if there is room.
    pub(super) fn connect(&mut self) {
        let open = self.clients.iter().filter(|client| client.key.is_some());
        if open.count() < MAX_CLIENTS {
            // Every other one is an untrusted client.
            let address = match self.clients.len() % 2 {
                0 => Ipv4Addr::LOCALHOST,
                _ => Ipv4Addr::new(192, 0, 2, 1),
            };
            let key = self.core.open(IpAddr::V4(address));
            self.clients.push(Client {
                key: Some(key),
                unread: Vec::new(),
                sent: Vec::new(),
                received: Vec::new(),
                unacknowledged: 0,
                room: usize::MAX,
                has_ended: false,
                is_shut: false,
            });
        }
    }

    /// One of the clients that are not closed.
    fn some_client(&mut self, choices: &mut Choices<'_>) -> Option<&mut Client> {
        let open: Vec<usize> = (0..self.clients.len())
            .filter(|at| self.clients[*at].key.is_some())
            .collect();
        match open.is_empty() {
            true => None,
            false => Some(&mut self.clients[open[choices.below(open.len())]]),
        }
    }

    /// A client says something.
    pub(super) fn say(&mut self, choices: &mut Choices<'_>) {
        if let Some(client) = self.some_client(choices)
            && !client.has_ended
        {
            let said = choices.some();
            client
                .unread
                .extend(said.repeat(1 + choices.below(MAX_REPEATS)));
        }
    }

    /// A client reads so much and no more.
    pub(super) fn read(&mut self, choices: &mut Choices<'_>) {
        if let Some(client) = self.some_client(choices) {
            let room = match choices.byte() {
                0xff => usize::MAX,
                room => usize::from(room) * 4,
            };
            let key = client.takes(room);
            self.list(key);
        }
    }

    /// A client's TCP acknowledges.
    pub(super) fn acknowledge(&mut self, choices: &mut Choices<'_>) {
        if let Some(client) = self.some_client(choices) {
            client.unacknowledged = client.unacknowledged.min(usize::from(choices.byte()));
        }
    }

    /// A client ends its side; or it is gone.
    pub(super) fn end(&mut self, choices: &mut Choices<'_>) {
        let is_gone = choices.below(3) == 0;
        let Some(client) = self.some_client(choices) else {
            return;
        };
        let Some(key) = client.key.filter(|_| !client.has_ended) else {
            return;
        };
        if is_gone {
            client.key = None;
            self.core.broke(key);
        } else if client.unread.is_empty() {
            // What was sent is read before the end is.
            client.has_ended = true;
            self.core.ended(key);
        }
    }

    /// One turn of the loop.
    pub(super) fn turn(&mut self) {
        self.core.begin_turn(self.now_ms, self.now_ms);
        self.perform_actions();
        for key in self.core.take_wanted_observations() {
            self.observe(key);
        }
        for at in 0..self.clients.len() {
            self.read_client(at);
        }
        while let Some(key) = self.core.next_listed() {
            for _ in 0..2 {
                self.core.serve(key);
                self.write_client(key);
                if self.core.wants_observation_now(key) {
                    self.observe(key);
                }
            }
            self.perform_actions();
        }
    }

    fn at(&mut self, key: ClientKey) -> Option<&mut Client> {
        self.clients
            .iter_mut()
            .find(|client| client.key == Some(key))
    }

    fn observe(&mut self, key: ClientKey) {
        if let Some(client) = self.at(key) {
            let seen = Observation {
                unacknowledged_bytes: client.unacknowledged as u64,
                unread_bytes: client.unread.len() as u64,
                has_fin: client.has_ended,
            };
            self.core.observed(key, seen);
        }
    }

    fn read_client(&mut self, at: usize) {
        let Some(key) = self.clients[at].key else {
            return;
        };
        if self.clients[at].unread.is_empty() || !self.core.wants_input(key) {
            return;
        }
        if self.core.wants_observation(key) {
            self.observe(key);
        }
        let client = &mut self.clients[at];
        let bytes = std::mem::take(&mut client.unread);
        client.sent.extend_from_slice(&bytes);
        self.core.received(key, &bytes);
    }

    fn write_client(&mut self, key: ClientKey) {
        let room = self.at(key).map_or(0, |client| client.room);
        let Some(output) = self.core.output(key) else {
            return;
        };
        assert!(output.pending().len() <= MAX_PENDING_BYTES);
        let taken = output.pending()[..room.min(output.pending().len())].to_vec();
        if taken.is_empty() {
            return;
        }
        output.advance(taken.len());
        self.core.wrote(key);
        if let Some(client) = self.at(key) {
            assert!(!client.is_shut, "something was said after the end");
            client.room -= taken.len();
            client.unacknowledged += taken.len();
            client.received.extend_from_slice(&taken);
        }
    }

    fn perform_actions(&mut self) {
        for action in self.core.take_actions() {
            match action {
                Action::Shut(key) => {
                    let is_silent = self
                        .core
                        .output(key)
                        .is_none_or(|output| output.pending().is_empty());
                    assert!(is_silent, "closed before all was written");
                    if let Some(client) = self.at(key) {
                        client.is_shut = true;
                    }
                }
                Action::Close(key) => {
                    if let Some(client) = self.at(key) {
                        client.key = None;
                    }
                }
                // Without TLS and balancers everybody is a client at once.
                Action::HangUp(_) => {}
            }
        }
    }

    /// Everybody reads, and everything is acknowledged.
    pub(super) fn everybody_reads(&mut self) {
        for at in 0..self.clients.len() {
            self.clients[at].unacknowledged = 0;
            let key = self.clients[at].takes(usize::MAX);
            self.list(key);
        }
    }

    fn list(&mut self, key: Option<ClientKey>) {
        if let Some(key) = key {
            self.core.list(key);
        }
    }

    /// Who is connected, may speak and is not listened to.
    pub(super) fn stuck(&self) -> Vec<&Client> {
        let is_stuck = |client: &&Client| {
            client
                .key
                .is_some_and(|key| !client.has_ended && !self.core.wants_input(key))
        };
        self.clients.iter().filter(is_stuck).collect()
    }
}
