//! The loop: waits for clients, the state daemon, signals and time, and moves bytes.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Context;
use chat_shared::child_link::{RefusalReports, report_ready};
use chat_shared::network::Networks;
use chat_shared::security_log::Event as SecurityEvent;
use chat_shared::token_bucket::Rate;
use chat_shared::wake_stream;
use mio::event::Event;
use mio::net::{TcpListener, TcpStream, UnixStream};
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGHUP, SIGTERM};
use zeroize::Zeroize;

use super::WorkerSetup;
use super::client_socket::{Alive, ClientSocket, READ_BYTES};
use super::daemon_socket::DaemonSocket;
use super::full::{self, Full};
use super::handshakes::{Established, HandshakeLimits, Handshakes};
use super::proxied::{Introduced, Proxied};
use super::tls_layer::TlsLayer;
use super::tls_setup::TlsSetup;
use crate::core::{Action, ClientKey, Core, CoreSettings, NewcomerRules, SessionLimits};

const DAEMON: Token = Token(0);
const PARENT: Token = Token(1);
const TERMINATE: Token = Token(2);
const RELOAD: Token = Token(3);
const FIRST_LISTENER: usize = 8;
/// Listeners have tokens up to here; clients from here on.
const FIRST_CLIENT: usize = 1_024;
/// Far beyond as many clients as there can be.
const FIRST_PROXIED: usize = 1 << 30;
const FIRST_HANDSHAKE: usize = 1 << 31;

/// When no more descriptors are to be had, the next try to accept is made after this.
const ACCEPT_RETRY_MS: u64 = 100;

/// What is waited for at a client's socket.
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE);

pub(super) struct EventLoop {
    poll: Poll,
    began: Instant,
    now_ms: u64,
    listeners: Vec<TcpListener>,
    parent: UnixStream,
    terminate: UnixStream,
    reload: UnixStream,
    daemon: DaemonSocket,
    core: Core,
    tls: TlsSetup,
    handshakes: Handshakes,
    /// Who speaks for others.
    balancers: Networks,
    proxied: Proxied,
    /// By the core's keys.
    sockets: Vec<Option<ClientSocket>>,
    scratch: Box<[u8; READ_BYTES]>,
    max_clients: usize,
    full: Full,
    refusal_reports: RefusalReports,
    is_ready: bool,
    is_stopping: bool,
    /// Clients may be waiting to be accepted; from when on that is to be tried.
    accept_from_ms: Option<u64>,
    /// Accepting fails, and the log has it.
    is_accept_failing: bool,
}

impl EventLoop {
    pub(super) fn new(setup: WorkerSetup) -> anyhow::Result<Self> {
        let poll = Poll::new().context("cannot make an event queue")?;
        let registry = poll.registry();
        setup.parent.set_nonblocking(true)?;
        let mut parent = UnixStream::from_std(setup.parent);
        let mut terminate = UnixStream::from_std(wake_stream::for_signal(SIGTERM)?);
        let mut reload = UnixStream::from_std(wake_stream::for_signal(SIGHUP)?);
        for (source, token) in [
            (&mut parent, PARENT),
            (&mut terminate, TERMINATE),
            (&mut reload, RELOAD),
        ] {
            registry.register(source, token, Interest::READABLE)?;
        }
        let mut listeners = Vec::with_capacity(setup.listeners.len());
        for listener in setup.listeners {
            listener.set_nonblocking(true)?;
            listeners.push(TcpListener::from_std(listener));
        }
        let settings = setup.settings;
        let state_socket_path = settings.state_socket_path();
        let core_settings = CoreSettings {
            limits: SessionLimits {
                max_line_bytes: settings.max_line_bytes,
                max_unread_bytes: settings.max_unread_bytes,
                max_recipients: settings.max_recipients,
            },
            time_out_ms: settings.time_out * 1_000,
            newcomers: NewcomerRules {
                trusted: settings.trusted,
                login_ms: settings.login_time_out * 1_000,
                lines: Rate::new(settings.lines_per_second, 1_000, settings.line_burst),
            },
            max_held_bytes: settings.max_buffer_bytes,
        };
        Ok(Self {
            poll,
            began: Instant::now(),
            now_ms: 0,
            listeners,
            parent,
            terminate,
            reload,
            daemon: DaemonSocket::new(state_socket_path, DAEMON),
            core: Core::new(core_settings, 0),
            tls: TlsSetup::default(),
            handshakes: Handshakes::new(
                HandshakeLimits {
                    count: settings.max_handshakes,
                    time_out_ms: settings.handshake_time_out * 1_000,
                },
                FIRST_HANDSHAKE,
            ),
            balancers: settings.proxy_from,
            proxied: Proxied::new(FIRST_PROXIED, settings.proxy_time_out * 1_000),
            sockets: Vec::new(),
            scratch: Box::new([0; READ_BYTES]),
            max_clients: settings.max_clients,
            full: Full::default(),
            refusal_reports: RefusalReports::default(),
            is_ready: false,
            is_stopping: false,
            accept_from_ms: None,
            is_accept_failing: false,
        })
    }

    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1_024);
        loop {
            self.turn()?;
            if self.core.has_stopped() {
                log::info!("stopped");
                return Ok(());
            }
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    return Err(error).context("cannot wait for events");
                }
                _ => {}
            }
            self.now_ms = self.began.elapsed().as_millis() as u64;
            self.core.begin_turn(self.now_ms);
            for event in &events {
                self.take_event(event)?;
            }
        }
    }

    /// Everything that can be done without waiting; of each client's bytes one read.
    fn turn(&mut self) -> anyhow::Result<()> {
        self.daemon
            .connect_if_due(self.poll.registry(), &mut self.core, self.now_ms)?;
        self.begin_accepting_if_ready()?;
        self.accept();
        for introduced in self.proxied.turn(self.now_ms, self.poll.registry()) {
            self.introduced(introduced);
        }
        for (balancer, reason) in self.proxied.take_failed() {
            log::debug!("the balancer {balancer} is not served: {reason}");
            self.core.note(SecurityEvent::ProxyHeader, Some(balancer));
            self.room_for_another();
        }
        for established in self.handshakes.turn(self.now_ms, &mut self.scratch[..]) {
            self.open_established(established);
        }
        for connection in self.handshakes.take_failed() {
            self.core
                .newcomer_failed(connection, SecurityEvent::TlsHandshake);
            self.room_for_another();
        }
        for key in self.core.take_wanted_observations() {
            self.observe(key);
        }
        let mut more_to_read = Vec::new();
        while let Some(key) = self.core.next_listed() {
            if self.serve(key) {
                more_to_read.push(key);
            }
        }
        for key in more_to_read {
            self.core.list(key);
        }
        // Time alone may have closed somebody, without anybody being served.
        self.perform_actions();
        self.daemon.write(&mut self.core);
        self.refusal_reports
            .report_if_due(&mut self.parent, self.core.refusals(), self.now_ms);
        Ok(())
    }

    fn take_event(&mut self, event: &Event) -> anyhow::Result<()> {
        if self.handshakes.take_event(event) || self.proxied.take_event(event) {
            return Ok(());
        }
        match event.token() {
            DAEMON => self.daemon.read(&mut self.core)?,
            PARENT => self.tls.read(&mut self.parent)?,
            TERMINATE => {
                wake_stream::drain(&mut self.terminate);
                self.begin_stopping();
            }
            RELOAD => {
                wake_stream::drain(&mut self.reload);
            }
            Token(token) if token < FIRST_CLIENT => self.accept_from_ms = Some(self.now_ms),
            Token(token) => {
                let key = token - FIRST_CLIENT;
                if let Some(Some(socket)) = self.sockets.get_mut(key) {
                    socket.take_event(event);
                    self.core.list(key);
                }
            }
        }
        Ok(())
    }

    fn begin_accepting_if_ready(&mut self) -> anyhow::Result<()> {
        if self.is_ready || !self.core.is_attached() || !self.tls.is_complete() {
            return Ok(());
        }
        self.is_ready = true;
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            self.poll
                .registry()
                .register(listener, Token(FIRST_LISTENER + index), Interest::READABLE)
                .context("cannot wait for clients")?;
        }
        self.accept_from_ms = Some(self.now_ms);
        let parent =
            std::os::unix::net::UnixStream::from(self.parent.as_fd().try_clone_to_owned()?);
        report_ready(&parent).context("cannot tell the master that clients can be served")
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
                match self.listeners[index].accept() {
                    Ok((stream, peer)) => {
                        self.is_accept_failing = false;
                        self.accepted(index, stream, peer);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // The client gave up before we came to it.
                    Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        // Once, not each time that it is tried.
                        if !self.is_accept_failing {
                            log::error!("cannot accept a client: {error}");
                        }
                        self.is_accept_failing = true;
                        self.accept_again_at(self.now_ms + ACCEPT_RETRY_MS);
                        break;
                    }
                }
            }
        }
    }

    fn can_accept(&self) -> bool {
        self.is_ready && !self.is_stopping
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
                let is_plain = self.tls.config_of(index).is_none();
                full::turn_away(stream, is_plain, &mut self.scratch[..]);
                let source = peer.ip().to_canonical();
                self.core.note(SecurityEvent::WorkerFull, Some(source));
                told += 1;
            }
        }
        if let Some(again_ms) = self.full.told(told, self.now_ms) {
            self.accept_again_at(again_ms);
        }
    }

    fn accept_again_at(&mut self, at_ms: u64) {
        let at_ms = self
            .accept_from_ms
            .map_or(at_ms, |from_ms| from_ms.min(at_ms));
        self.accept_from_ms = Some(at_ms);
    }

    /// Somebody connected to the listener of this index.
    fn accepted(&mut self, listener: usize, stream: TcpStream, peer: SocketAddr) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if self.balancers.contains(peer.ip()) {
            let registry = self.poll.registry();
            return self
                .proxied
                .begin(stream, peer, listener, registry, self.now_ms);
        }
        self.introduced(Introduced {
            stream,
            source: peer,
            listener,
        });
    }

    /// It is clear whom a connection is for.
    fn introduced(&mut self, introduced: Introduced) {
        let Introduced {
            mut stream,
            source,
            listener,
        } = introduced;
        let registry = self.poll.registry();
        if let Some(config) = self.tls.config_of(listener) {
            let connection = self.core.arrive(source.ip());
            let handshakes = &mut self.handshakes;
            return handshakes.begin(connection, stream, source, config, registry, self.now_ms);
        }
        let key = self.core.open(source.ip());
        let registered = registry.register(&mut stream, Token(FIRST_CLIENT + key), INTEREST);
        self.opened(key, stream, None, registered);
    }

    /// A client's handshake is done.
    fn open_established(&mut self, established: Established) {
        let Established {
            connection,
            mut stream,
            tls,
            mut plain,
        } = established;
        let Some(key) = self.core.open_newcomer(connection) else {
            return;
        };
        let registry = self.poll.registry();
        let registered = registry.reregister(&mut stream, Token(FIRST_CLIENT + key), INTEREST);
        let is_over = tls.has_farewell();
        self.opened(key, stream, Some(tls), registered);
        if !plain.is_empty() {
            self.core.received(key, &plain);
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
        self.sockets[key] = Some(ClientSocket::new(stream, tls));
    }

    /// Does for a client what can be done without waiting; whether there is more to be read.
    fn serve(&mut self, key: ClientKey) -> bool {
        let Some(Some(socket)) = self.sockets.get_mut(key) else {
            return false;
        };
        let mut alive = socket.read(key, &mut self.core, &mut self.scratch);
        if alive == Alive::Yes {
            self.core.serve(key);
            alive = socket.write(key, &mut self.core);
        }
        if alive == Alive::Yes {
            if self.core.wants_observation_now(key) {
                socket.observe(key, &mut self.core);
            }
            // What was written, or seen to be acknowledged, may let more be done.
            self.core.serve(key);
            alive = socket.write(key, &mut self.core);
        }
        if alive == Alive::No {
            self.sockets[key] = None;
            self.core.broke(key);
            self.room_for_another();
            return false;
        }
        let has_more = socket.can_read(key, &self.core);
        self.perform_actions();
        has_more
    }

    fn perform_actions(&mut self) {
        for action in self.core.take_actions() {
            match action {
                Action::Shut(key) => {
                    if let Some(Some(socket)) = self.sockets.get_mut(key)
                        && socket.shut() == Alive::No
                    {
                        self.sockets[key] = None;
                        self.core.broke(key);
                        self.room_for_another();
                    }
                }
                Action::Close(key) => {
                    self.sockets[key] = None;
                    self.room_for_another();
                }
                Action::HangUp(connection) => {
                    self.handshakes.hang_up(connection);
                    self.room_for_another();
                }
            }
        }
    }

    fn room_for_another(&mut self) {
        self.accept_again_at(self.now_ms);
    }

    fn observe(&mut self, key: ClientKey) {
        if let Some(Some(socket)) = self.sockets.get_mut(key) {
            socket.observe(key, &mut self.core);
        }
    }

    fn begin_stopping(&mut self) {
        log::info!(
            "stopping; {} clients are let go of",
            self.core.client_count()
        );
        self.is_stopping = true;
        self.listeners.clear();
        self.handshakes.clear();
        self.proxied.clear();
        self.core.stop();
    }

    fn timeout(&self) -> Option<Duration> {
        if self.core.has_listed() || self.handshakes.has_listed() {
            return Some(Duration::ZERO);
        }
        let accept_ms = self.accept_from_ms.filter(|_| self.can_accept());
        [
            self.core.next_deadline_ms(),
            self.daemon.next_ms(),
            self.handshakes.next_due_ms(),
            self.proxied.next_due_ms(),
            self.refusal_reports.next_due_ms(self.core.refusals()),
            accept_ms,
        ]
        .into_iter()
        .flatten()
        .min()
        .map(|due_ms| {
            // A millisecond more, so that what is due then is due.
            let now_ms = self.began.elapsed().as_millis() as u64;
            Duration::from_millis((due_ms + 1).saturating_sub(now_ms))
        })
    }
}
