//! TLS connections that are not clients yet: those whose handshake is under way.
//!
//! Nothing of a dialogue exists for them. How many there are, how long they may take, how much they may send and
//! how much of a turn they may use is limited, so that untrusted clients who begin handshakes cost the clients little.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_model::ConnectionSerial;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::server::ServerConfig;
use slab::Slab;
use zeroize::Zeroize;

use super::handshake_failures::HandshakeFailures;
use super::handshake_places::{Places, Turns};
use super::tls_layer::TlsLayer;

/// Most bytes of a client before its handshake is done; it takes a tenth of that.
const MAX_BYTES: usize = 32 * 1024;
/// After so much of a turn the other handshakes wait for the next one. A signature takes a fraction of it, with RSA
/// four times as long.
const TURN: Duration = Duration::from_micros(250);

/// The limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandshakeLimits {
    pub(super) count: usize,
    pub(super) time_out_ms: u64,
}

/// A connection whose handshake is done.
pub(super) struct Established {
    pub(super) connection: ConnectionSerial,
    pub(super) peer: SocketAddr,
    pub(super) stream: TcpStream,
    pub(super) tls: Box<TlsLayer>,
    /// What the client has said already.
    pub(super) plain: Vec<u8>,
}

struct Handshake {
    serial: u64,
    connection: ConnectionSerial,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Box<TlsLayer>,
    received_bytes: usize,
    is_listed: bool,
}

/// What came of doing for a handshake what could be done.
enum Outcome {
    /// Bytes came; there may be more.
    GoesOn,
    /// Nothing came.
    Waits,
    Done(Vec<u8>),
    Failed(String),
}

/// All handshakes of a worker.
pub(super) struct Handshakes {
    limits: HandshakeLimits,
    first_token: usize,
    under_way: Slab<Handshake>,
    last_serial: u64,
    places: Places,
    /// Those that something may be done for.
    listed: Turns,
    /// When each began; the oldest first. Some are over already.
    began: VecDeque<(u64, usize, u64)>,
    failures: HandshakeFailures,
    failed: Vec<ConnectionSerial>,
}

impl Handshakes {
    /// Their tokens are `first_token` and those after it.
    pub(super) fn new(limits: HandshakeLimits, first_token: usize) -> Self {
        Self {
            limits,
            first_token,
            under_way: Slab::new(),
            last_serial: 0,
            places: Places::new(limits.count),
            listed: Turns::default(),
            began: VecDeque::new(),
            failures: HandshakeFailures::default(),
            failed: Vec::new(),
        }
    }

    /// Changes how long a handshake may take.
    pub(super) fn change_time_out(&mut self, time_out_ms: u64) {
        self.limits.time_out_ms = time_out_ms;
    }

    /// How many are under way.
    pub(super) fn count(&self) -> usize {
        self.under_way.len()
    }

    /// Whether another may begin; if not, when that may be so. Others may have to go for it.
    pub(super) fn make_room(&mut self, now_ms: u64) -> Result<(), u64> {
        while let Some(serial) = self.places.next_to_go(now_ms)? {
            let has_serial = |(_, handshake): &(usize, &Handshake)| handshake.serial == serial;
            match self.under_way.iter().find(has_serial) {
                Some((index, _)) => {
                    self.fail(index, "others wanted its place".to_owned(), now_ms);
                }
                None => self.places.remove(serial),
            }
        }
        Ok(())
    }

    /// Begins one.
    pub(super) fn begin(
        &mut self,
        connection: ConnectionSerial,
        mut stream: TcpStream,
        peer: SocketAddr,
        config: &Arc<ServerConfig>,
        registry: &Registry,
        now_ms: u64,
    ) {
        let entry = self.under_way.vacant_entry();
        let index = entry.key();
        let token = Token(self.first_token + index);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let tls = match TlsLayer::new(Arc::clone(config)) {
            Ok(tls) => Box::new(tls),
            Err(error) => {
                self.failed.push(connection);
                return log::error!("TLS cannot be spoken with {peer}: {error}");
            }
        };
        if let Err(error) = registry.register(&mut stream, token, interest) {
            self.failed.push(connection);
            return log::error!("cannot wait for {peer}: {error}");
        }
        self.last_serial += 1;
        let serial = self.last_serial;
        entry.insert(Handshake {
            serial,
            connection,
            stream,
            peer,
            tls,
            received_bytes: 0,
            is_listed: true,
        });
        self.listed.push(peer.ip(), index);
        self.places.add(serial, peer.ip(), now_ms);
        self.began.push_back((now_ms, index, serial));
    }

    /// Gives up the handshake of a connection, if it is under way.
    pub(super) fn hang_up(&mut self, connection: ConnectionSerial) {
        let is_meant = |(_, handshake): &(usize, &Handshake)| handshake.connection == connection;
        if let Some((index, _)) = self.under_way.iter().find(is_meant) {
            self.remove(index);
        }
    }

    /// Those that failed since this was last called; they are closed.
    pub(super) fn take_failed(&mut self) -> Vec<ConnectionSerial> {
        std::mem::take(&mut self.failed)
    }

    /// Whether the event is for a handshake. One that is over may have left some.
    pub(super) fn take_event(&mut self, event: &Event) -> bool {
        let Some(index) = event.token().0.checked_sub(self.first_token) else {
            return false;
        };
        if let Some(handshake) = self.under_way.get_mut(index)
            && !std::mem::replace(&mut handshake.is_listed, true)
        {
            self.listed.push(handshake.peer.ip(), index);
        }
        true
    }

    /// Whether there is something to be done without waiting.
    pub(super) fn has_listed(&self) -> bool {
        self.listed.len() > 0
    }

    /// When time alone has something to be done.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let oldest = self.began.front();
        let oldest_due_ms = oldest.map(|(began_ms, ..)| began_ms + self.limits.time_out_ms);
        [oldest_due_ms, self.failures.next_due_ms()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what can be done now, within the share of a turn; gives back those that are done.
    pub(super) fn turn(&mut self, now_ms: u64, scratch: &mut [u8]) -> Vec<Established> {
        self.expire(now_ms);
        self.failures.report_if_due(now_ms);
        let mut established = Vec::new();
        if self.listed.len() == 0 {
            return established;
        }
        let end = Instant::now() + TURN;
        // Once round at most: one that has to wait is listed again by an event.
        for _ in 0..self.listed.len() {
            let Some(index) = self.listed.pop() else {
                break;
            };
            let Some(handshake) = self.under_way.get_mut(index) else {
                continue;
            };
            handshake.is_listed = false;
            let outcome = handshake.advance(scratch);
            if handshake.received_bytes > 0 {
                self.places.spoke(handshake.serial);
            }
            match outcome {
                Outcome::GoesOn => {
                    handshake.is_listed = true;
                    self.listed.push(handshake.peer.ip(), index);
                }
                Outcome::Waits => {}
                Outcome::Done(plain) => established.push(self.remove(index).established(plain)),
                Outcome::Failed(reason) => self.fail(index, reason, now_ms),
            }
            if Instant::now() >= end {
                break;
            }
        }
        established
    }

    /// Gives all of them up.
    pub(super) fn clear(&mut self) {
        self.under_way.clear();
        self.listed = Turns::default();
        self.places = Places::new(self.limits.count);
        self.began.clear();
    }

    fn expire(&mut self, now_ms: u64) {
        while let Some(&(began_ms, index, serial)) = self.began.front() {
            let is_under_way = self.is_under_way(index, serial);
            if is_under_way && began_ms + self.limits.time_out_ms > now_ms {
                return;
            }
            if is_under_way {
                self.fail(index, "it took too long".to_owned(), now_ms);
            }
            self.began.pop_front();
        }
    }

    fn is_under_way(&self, index: usize, serial: u64) -> bool {
        let handshake = self.under_way.get(index);
        handshake.is_some_and(|handshake| handshake.serial == serial)
    }

    fn fail(&mut self, index: usize, reason: String, now_ms: u64) {
        let Handshake {
            peer, connection, ..
        } = self.remove(index);
        self.failed.push(connection);
        self.failures.count(peer, reason, now_ms);
    }

    fn remove(&mut self, index: usize) -> Handshake {
        let removed = self.under_way.remove(index);
        self.places.remove(removed.serial);
        removed
    }
}

impl Handshake {
    /// Reads once, and answers.
    fn advance(&mut self, scratch: &mut [u8]) -> Outcome {
        let mut plain = Vec::new();
        let mut has_more = true;
        let result = match self.stream.read(scratch) {
            Ok(0) => return Outcome::Failed("the client hung up".to_owned()),
            Ok(bytes) => {
                self.received_bytes += bytes;
                let result = self.tls.receive(&mut scratch[..bytes], &mut plain);
                if !plain.is_empty() {
                    scratch[..bytes].zeroize();
                }
                result
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                has_more = false;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Outcome::GoesOn,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let written = self.write();
        if let Err(error) = result {
            return Outcome::Failed(error.to_string());
        }
        if let Err(error) = written {
            return Outcome::Failed(error.to_string());
        }
        if !self.tls.is_handshaking() {
            return Outcome::Done(plain);
        }
        if self.received_bytes > MAX_BYTES {
            return Outcome::Failed(format!("it has more than {MAX_BYTES} bytes"));
        }
        match has_more {
            true => Outcome::GoesOn,
            false => Outcome::Waits,
        }
    }

    fn write(&mut self) -> std::io::Result<()> {
        while !self.tls.outgoing().is_empty() {
            match self.stream.write(self.tls.outgoing()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    self.tls.wrote(bytes);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn established(self, plain: Vec<u8>) -> Established {
        Established {
            connection: self.connection,
            peer: self.peer,
            stream: self.stream,
            tls: self.tls,
            plain,
        }
    }
}
