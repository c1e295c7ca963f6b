//! Taking new clients in: from the listeners, through PROXY headers and handshakes, to their sockets.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use anyhow::Context;
use chat_node::logs::security_log::Event as SecurityEvent;
use chat_node::supervisor::child_reports::report_ready;
use mio::net::TcpStream;
use mio::{Interest, Token};
use zeroize::Zeroize;

use super::draining::DrainStage;
use super::{EventLoop, FIRST_CLIENT, FIRST_LISTENER, INTEREST};
use crate::core::ClientKey;
use crate::worker::admission::{Admission, Wait};
use crate::worker::client_socket::{ClientSocket, late_ms};
use crate::worker::full;
use crate::worker::handshakes::Established;
use crate::worker::proxied::Introduced;
use crate::worker::tls_layer::TlsLayer;

/// When no more descriptors are to be had, the next try to accept is made after this.
const ACCEPT_RETRY_MS: u64 = 100;
/// How often the log says that nobody can be accepted.
const ACCEPT_FAILURE_TOLD_EVERY_MS: u64 = 60_000;

impl EventLoop {
    pub(super) fn begin_accepting_if_ready(&mut self) -> anyhow::Result<()> {
        if !self.tls.is_complete() {
            return Ok(());
        }
        if !self.is_accepting && (self.core.is_attached() || self.core.is_daemon_lost()) {
            self.begin_accepting()?;
        }
        if self.is_ready || !self.core.is_attached() {
            return Ok(());
        }
        self.is_ready = true;
        let parent =
            std::os::unix::net::UnixStream::from(self.parent.as_fd().try_clone_to_owned()?);
        report_ready(&parent).context("cannot tell the master that clients can be served")
    }

    fn begin_accepting(&mut self) -> anyhow::Result<()> {
        self.is_accepting = true;
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            self.poll
                .registry()
                .register(listener, Token(FIRST_LISTENER + index), Interest::READABLE)
                .context("cannot wait for clients")?;
        }
        self.accept_from_ms = Some(self.now_ms);
        Ok(())
    }

    /// A part of what can be done for those who are no clients yet.
    pub(super) fn take_unauthenticated(&mut self) {
        self.accept();
        for introduced in self.proxied.turn(self.now_ms, self.poll.registry()) {
            self.introduced(introduced);
        }
        for (balancer, reason) in self.proxied.take_failed() {
            log::debug!("the balancer {balancer} is not served: {reason}");
            self.core
                .note(SecurityEvent::ProxyHeader, Some(balancer), None);
            self.room_for_another();
        }
        for established in self.handshakes.turn(self.now_ms, &mut self.scratch[..]) {
            self.open_established(established);
        }
        for connection in self.handshakes.take_failed() {
            self.core
                .unauthenticated_failed(connection, SecurityEvent::TlsHandshake);
            self.room_for_another();
        }
    }

    fn accept(&mut self) {
        let is_due = self.can_accept()
            && self
                .accept_from_ms
                .is_some_and(|from_ms| from_ms <= self.now_ms);
        if !is_due {
            return;
        }
        self.accept_from_ms = None;
        for index in 0..self.listeners.len() {
            let mut taken = 0;
            loop {
                if !self.has_room() {
                    return self.accept_without_room();
                }
                self.full.is_over();
                if self.tls.config_of(index).is_some()
                    && let Err(at_ms) = self.handshakes.make_room(self.now_ms)
                {
                    self.accept_again_at(at_ms);
                    break;
                }
                match self.admission.may_take(index, taken, self.now_ms) {
                    Ok(()) => {}
                    Err(Wait::Turn) => {
                        self.accept_again_at(self.now_ms);
                        break;
                    }
                    Err(Wait::UntilMs(at_ms)) => {
                        self.accept_again_at(at_ms);
                        break;
                    }
                }
                match self.listeners[index].accept() {
                    Ok((stream, peer)) => {
                        let is_served = self.accepted(index, stream, peer);
                        taken += Admission::weight(is_served);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // The client gave up before we came to it.
                    Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        self.cannot_accept(&error);
                        break;
                    }
                }
            }
        }
    }

    /// It is tried again, and said now and then, not each time.
    fn cannot_accept(&mut self, error: &std::io::Error) {
        if self.accept_failure_told_from_ms <= self.now_ms {
            log::error!("cannot accept a client: {error} (others wait until some leave)");
            self.accept_failure_told_from_ms = self.now_ms + ACCEPT_FAILURE_TOLD_EVERY_MS;
        }
        self.accept_again_at(self.now_ms + ACCEPT_RETRY_MS);
    }

    pub(super) fn can_accept(&self) -> bool {
        self.is_accepting && !self.is_stopping && self.drain == DrainStage::Off
    }

    fn has_room(&self) -> bool {
        self.core.client_count() + self.handshakes.count() + self.proxied.count() < self.max_clients
    }

    /// Those who wait for longer than the other workers would need are told that there are too many.
    fn accept_without_room(&mut self) {
        let tell_from_ms = self.full.tell_from_ms(self.now_ms);
        if tell_from_ms > self.now_ms {
            return self.accept_again_at(tell_from_ms);
        }
        let mut told = 0;
        for index in 0..self.listeners.len() {
            while told < full::MOST_AT_ONCE
                && let Ok((stream, peer)) = self.listeners[index].accept()
            {
                let source = peer.ip().to_canonical();
                self.reject(stream, index, source, SecurityEvent::WorkerFull);
                told += 1;
            }
        }
        if let Some(again_ms) = self.full.told(told, self.now_ms) {
            self.accept_again_at(again_ms);
        }
    }

    /// Ends a connection that came by the listener of this index, and says why in the security log.
    fn reject(&mut self, stream: TcpStream, listener: usize, source: IpAddr, event: SecurityEvent) {
        let is_plain = self.tls.config_of(listener).is_none();
        full::reject(stream, is_plain, &mut self.scratch[..]);
        self.core.note(event, Some(source), None);
    }

    fn accept_again_at(&mut self, at_ms: u64) {
        let at_ms = self
            .accept_from_ms
            .map_or(at_ms, |from_ms| from_ms.min(at_ms));
        self.accept_from_ms = Some(at_ms);
    }

    pub(super) fn room_for_another(&mut self) {
        self.accept_again_at(self.now_ms);
    }

    /// Somebody connected to the listener of this index; whether there is more to be done for it.
    fn accepted(&mut self, listener: usize, stream: TcpStream, peer: SocketAddr) -> bool {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if let Ok(Some(error)) | Err(error) = stream.take_error() {
            self.admit(listener, peer.ip());
            log::debug!("{peer} left at once: {error}");
            return false;
        }
        if self.balancers.contains(peer.ip()) {
            let registry = self.poll.registry();
            let now_ms = self.now_ms;
            self.proxied.begin(stream, peer, listener, registry, now_ms);
            return true;
        }
        self.introduced(Introduced {
            stream,
            source: peer,
            listener,
        })
    }

    /// It is clear whom a connection is for; whether it is served.
    fn introduced(&mut self, introduced: Introduced) -> bool {
        let Introduced {
            mut stream,
            source,
            listener,
        } = introduced;
        if self.comes_too_fast(source.ip()) {
            self.admission.refused_untrusted(listener, self.now_ms);
            let event = SecurityEvent::ConnectionsThrottled;
            self.reject(stream, listener, source.ip(), event);
            return false;
        }
        self.admit(listener, source.ip());
        let registry = self.poll.registry();
        let config = self.tls.config_of(listener);
        self.accepted.count(config.is_some());
        if let Some(config) = config {
            let connection = self.core.arrive(source.ip());
            let handshakes = &mut self.handshakes;
            handshakes.begin(connection, stream, source, config, registry, self.now_ms);
            return true;
        }
        let key = self.core.open(source.ip());
        let registered = registry.register(&mut stream, Token(FIRST_CLIENT + key), INTEREST);
        self.opened(key, stream, source.ip(), None, registered);
        true
    }

    /// Whether a source is to be refused one more connection. A balancer stands for nobody when it looks whether we
    /// live.
    fn comes_too_fast(&mut self, source: IpAddr) -> bool {
        let is_spared = self.trusted.contains(source) || self.balancers.contains(source);
        !is_spared && !self.source_pace.may_come(source, self.now_ms)
    }

    /// Counts a connection, if its source is not spared that.
    fn admit(&mut self, listener: usize, source: IpAddr) {
        if !self.trusted.contains(source) {
            self.admission.took_untrusted(listener, self.now_ms);
        }
    }

    /// A client's handshake is done.
    fn open_established(&mut self, established: Established) {
        let Established {
            connection,
            peer,
            mut stream,
            tls,
            mut plain,
        } = established;
        let Some(key) = self.core.open_unauthenticated(connection) else {
            return;
        };
        let registry = self.poll.registry();
        let registered = registry.reregister(&mut stream, Token(FIRST_CLIENT + key), INTEREST);
        let is_over = tls.has_close_notify();
        self.opened(key, stream, peer.ip(), Some(tls), registered);
        if !plain.is_empty() {
            let socket = self.sockets.get(key).and_then(Option::as_ref);
            let late_ms = socket.map_or(0, |socket| late_ms(&socket.stream, key, &self.core));
            self.core.received_late(key, &plain, late_ms);
            plain.zeroize();
        }
        if is_over {
            self.core.ended(key);
        }
    }

    fn opened(
        &mut self,
        key: ClientKey,
        stream: TcpStream,
        source: IpAddr,
        tls: Option<Box<TlsLayer>>,
        registered: std::io::Result<()>,
    ) {
        if let Err(error) = registered {
            log::error!("cannot wait for a client: {error}");
            return self.core.broke(key);
        }
        if self.sockets.len() <= key {
            self.sockets.resize_with(key + 1, || None);
        }
        let pace = (!self.trusted.contains(source)).then(Box::default);
        let opened_s = u32::try_from(self.now_ms / 1_000).unwrap_or(u32::MAX);
        self.sockets[key] = Some(ClientSocket::new(stream, tls, pace, opened_s));
        self.end_late_client(key);
    }
}
