//! What a worker tells of itself to those who ask for metrics.

use chat_node::metrics::catalogue::{
    ACCEPTED, COMMANDS, CONNECTIONS, HELD_BYTES, MAX_CLIENTS, MAX_HELD_BYTES, WRITTEN,
};
use chat_node::metrics::samples::Samples;

use super::EventLoop;
use crate::core::ClientState;

const PLAIN: &str = "plain";
const TLS: &str = "tls";
const STATES: [(ClientState, &str); 3] = [
    (ClientState::Login, "login"),
    (ClientState::Active, "active"),
    (ClientState::Parked, "parked"),
];

/// Connections that were accepted since the worker began.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    plain: u64,
    tls: u64,
}

impl Accepted {
    pub(super) fn count(&mut self, is_tls: bool) {
        match is_tls {
            true => self.tls += 1,
            false => self.plain += 1,
        }
    }
}

impl EventLoop {
    /// Looks at each client once: some nanoseconds for each of them.
    pub(super) fn samples(&self) -> Samples {
        let mut samples = Samples::default();
        samples.add(&ACCEPTED, &[PLAIN], self.accepted.plain);
        samples.add(&ACCEPTED, &[TLS], self.accepted.tls);
        self.add_connections(&mut samples);
        samples.add_size(&MAX_CLIENTS, &[], self.max_clients);
        let (held_bytes, max_held_bytes) = self.core.held_bytes();
        samples.add_size(&HELD_BYTES, &[], held_bytes);
        samples.add_size(&MAX_HELD_BYTES, &[], max_held_bytes);
        let counts = self.core.counts();
        for (request, outcome, count) in counts.answers() {
            samples.add(&COMMANDS, &[request.name(), outcome.name()], count);
        }
        samples.add(&WRITTEN, &[], counts.messages_written());
        samples
    }

    fn add_connections(&self, samples: &mut Samples) {
        // By transport, then by state.
        let mut counts = [[0; STATES.len()]; 2];
        for (key, socket) in self.sockets.iter().enumerate() {
            if let Some(socket) = socket
                && let Some(state) = self.core.client_state(key)
            {
                counts[usize::from(socket.tls.is_some())][state as usize] += 1;
            }
        }
        for (transport, counts) in [PLAIN, TLS].into_iter().zip(counts) {
            for (state, name) in STATES {
                samples.add(&CONNECTIONS, &[transport, name], counts[state as usize]);
            }
        }
        let (handshakes, proxied) = (self.handshakes.count(), self.proxied.count());
        samples.add_size(&CONNECTIONS, &[TLS, "handshake"], handshakes);
        samples.add_size(&CONNECTIONS, &[PLAIN, "proxy-header"], proxied);
    }
}
