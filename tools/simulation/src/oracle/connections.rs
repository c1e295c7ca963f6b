//! The connections of clients: what surely came to whom, and was confirmed.

use super::{MessageId, Oracle, Seat, message_of};
use crate::tcp::SeenAcknowledged;
use crate::worker::TcpId;

/// What a client's host has of a message.
#[derive(Clone, Copy, Debug)]
struct AtClient {
    message: MessageId,
    since_ms: u64,
    /// How many bytes the client had sent by then.
    client_sent: u64,
    /// Where its line ends in the worker's stream.
    end: u64,
    /// How much of the client's stream the worker's host had when the worker saw that it is acknowledged.
    seen_at: Option<u64>,
}

/// What is known of a client's connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) seat: Seat,
    at_client: Vec<AtClient>,
    /// The end of a line of which the client's host has only the beginning.
    partial_line: Vec<u8>,
    /// How much came to the client's host.
    arrived: u64,
    client_sent: u64,
    /// The beginning of a line that the client has not sent in whole.
    partial_client_line: Vec<u8>,
    /// Where the client's last whole line ends in its stream.
    last_line_end: u64,
    /// The client said `logout`: what its host has may leave the queue.
    has_logged_out: bool,
    is_push_on: bool,
    /// When the client's FIN or a reset came to the worker's host: from then on silence says nothing.
    ended_at_ms: Option<u64>,
}

impl Oracle {
    /// A client connected, to log in to this session.
    pub(crate) fn opened(&mut self, tcp: TcpId, seat: Seat) {
        self.connections.insert(
            tcp,
            Connection {
                seat,
                at_client: Vec::new(),
                partial_line: Vec::new(),
                arrived: 0,
                client_sent: 0,
                partial_client_line: Vec::new(),
                last_line_end: 0,
                has_logged_out: false,
                is_push_on: false,
                ended_at_ms: None,
            },
        );
    }

    /// A client's host took this to be sent.
    pub(crate) fn client_sent(&mut self, tcp: TcpId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&tcp) else {
            return;
        };
        for byte in bytes {
            connection.client_sent += 1;
            if *byte != b'\n' {
                connection.partial_client_line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut connection.partial_client_line);
            connection.has_logged_out |= line == b"logout";
            connection.last_line_end = connection.client_sent;
        }
    }

    /// A client's FIN or a reset is at the worker's host.
    pub(crate) fn ended(&mut self, tcp: TcpId, now_ms: u64) {
        self.nobody_is_logged_in(tcp, now_ms);
        if let Some(connection) = self.connections.get_mut(&tcp) {
            connection.ended_at_ms.get_or_insert(now_ms);
        }
    }

    /// The worker saw that all it had written was acknowledged.
    pub(crate) fn worker_saw(&mut self, tcp: TcpId, seen: SeenAcknowledged) {
        let Some(connection) = self.connections.get_mut(&tcp) else {
            return;
        };
        let at_client = connection.at_client.iter_mut();
        for message in at_client.filter(|message| message.end <= seen.to_client) {
            message.seen_at.get_or_insert(seen.to_worker);
        }
    }

    /// What a client's line changed is on disk, and with it what the line confirms. It ends there in the client's
    /// stream.
    pub(crate) fn line_is_on_disk(&mut self, tcp: TcpId, end: u64) {
        let Some(connection) = self.connections.get(&tcp) else {
            return;
        };
        let is_confirmed =
            |message: &&AtClient| message.seen_at.is_some_and(|seen_at| seen_at < end);
        for message in connection.at_client.iter().filter(is_confirmed) {
            let is_new = self.left.insert((connection.seat, message.message));
            self.confirmed += usize::from(is_new);
            if let Some(must_wait) = self.must_wait.get_mut(&connection.seat) {
                must_wait.remove(&message.message);
            }
        }
    }

    pub(crate) fn push_may_be_on(&mut self, tcp: TcpId) {
        if let Some(connection) = self.connections.get_mut(&tcp) {
            connection.is_push_on = true;
        }
    }

    /// Bytes came to a client's host, which acknowledges them.
    pub(crate) fn arrived(&mut self, tcp: TcpId, bytes: &[u8], now_ms: u64) {
        let Some(connection) = self.connections.get_mut(&tcp) else {
            return;
        };
        for byte in bytes {
            connection.arrived += 1;
            if *byte != b'\n' {
                connection.partial_line.push(*byte);
                continue;
            }
            let line = String::from_utf8_lossy(&connection.partial_line).into_owned();
            connection.partial_line.clear();
            if let Some(message) = message_of(&line) {
                connection.at_client.push(AtClient {
                    message,
                    since_ms: now_ms,
                    client_sent: connection.client_sent,
                    end: connection.arrived,
                    seen_at: None,
                });
            }
        }
    }

    /// Nothing of a connection is left at either side.
    pub(crate) fn closed(&mut self, tcp: TcpId, now_ms: u64) {
        self.nobody_is_logged_in(tcp, now_ms);
        self.logins.closed(tcp, now_ms);
        if let Some(connection) = self.connections.remove(&tcp) {
            let gone = connection.may_have_left(now_ms);
            let seat = connection.seat;
            self.may_have_left
                .extend(gone.map(|message| (seat, message)));
        }
    }
}

impl Connection {
    /// Messages that may leave the queue by the second promise.
    pub(super) fn may_have_left(&self, now_ms: u64) -> impl Iterator<Item = MessageId> {
        self.at_client
            .iter()
            .filter(move |at_client| {
                let silent_until_ms = self.ended_at_ms.unwrap_or(now_ms);
                self.has_logged_out
                    || self.last_line_end > at_client.client_sent
                    || (self.is_push_on && at_client.since_ms + 1_000 <= silent_until_ms)
            })
            .map(|at_client| at_client.message)
    }
}
