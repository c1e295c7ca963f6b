//! The loop: waits for clients, the state daemon, signals and time, and moves bytes.

mod accepting;
mod draining;
mod inspection;
mod metrics;
mod reloading;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use chat_model::ConnectionSerial;
use chat_node::boot_clock;
use chat_node::control::protocol::{Answer, Question};
use chat_node::limits::memory::AvailableMemory;
use chat_node::limits::network::Networks;
use chat_node::limits::token_bucket::Rate;
use chat_node::logs::{log_file, log_format};
use chat_node::process::wake_stream;
use chat_node::supervisor::child_configuration::{Inbox, ParentMessage};
use chat_node::supervisor::child_reports::Reports;
use mio::event::Event;
use mio::net::{TcpListener, UnixStream};
use mio::{Events, Interest, Poll, Token};
use ring::rand::{SecureRandom, SystemRandom};
use signal_hook::consts::{SIGHUP, SIGTERM};

use super::WorkerSetup;
use super::admission::Admission;
use super::client_socket::{Alive, ClientSocket, READ_BYTES};
use super::daemon_socket::DaemonSocket;
use super::full::Full;
use super::handshakes::{HandshakeLimits, Handshakes};
use super::proxied::Proxied;
use super::reading_pace::ReadingRate;
use super::source_pace::SourcePace;
use super::tls_setup::TlsSetup;
use draining::DrainStage;
use inspection::clients_page;
use metrics::Accepted;

use crate::core::{Action, ClientKey, Core, CoreSettings, SessionLimits, UnauthenticatedLimits};
use crate::settings::max_buffer_bytes;

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

/// What is waited for at a client's socket.
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE);

pub(super) struct EventLoop {
    poll: Poll,
    began: Instant,
    now_ms: u64,
    listeners: Vec<TcpListener>,
    admission: Admission,
    source_pace: SourcePace,
    accepted: Accepted,
    parent: UnixStream,
    from_parent: Inbox,
    terminate: UnixStream,
    reload: UnixStream,
    daemon: DaemonSocket,
    core: Core,
    tls: TlsSetup,
    handshakes: Handshakes,
    /// Who is spared what is counted by source or time.
    trusted: Networks,
    /// Who speaks for others.
    balancers: Networks,
    proxied: Proxied,
    /// By the core's keys.
    sockets: Vec<Option<ClientSocket>>,
    reading_rate: ReadingRate,
    /// Those who sent too much, by the time from which they are read again. Some may have left, and others have their
    /// keys.
    held_back: BTreeSet<(u64, ClientKey)>,
    scratch: Box<[u8; READ_BYTES]>,
    max_clients: usize,
    full: Full,
    reports: Reports,
    /// Clients are taken: the daemon is there, or has been away for so long that they are to be told.
    is_accepting: bool,
    /// The master was told that clients can be served.
    is_ready: bool,
    is_stopping: bool,
    drain: DrainStage,
    /// Clients may be waiting to be accepted; from when on that is to be tried.
    accept_from_ms: Option<u64>,
    /// The log has it that accepting fails; from when on that is said again.
    accept_failure_told_from_ms: u64,
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
        let admission = Admission::new(
            settings.connections_per_second,
            settings.connection_burst,
            listeners.len(),
        );
        let source_pace = SourcePace::new(
            settings.source_connections_per_second,
            settings.source_connection_burst,
        );
        let reading_rate = ReadingRate::new(
            settings.lines_per_second,
            settings.line_burst,
            settings.max_line_bytes,
        );
        let state_socket_path = settings.state_socket_path();
        let core_settings = CoreSettings {
            limits: SessionLimits {
                max_line_bytes: settings.max_line_bytes,
                max_unread_bytes: settings.max_unread_bytes,
                max_recipients: settings.max_recipients,
                time_out_ms: settings.time_out * 1_000,
            },
            unauthenticated: UnauthenticatedLimits {
                trusted: settings.trusted.clone(),
                login_ms: settings.login_time_out * 1_000,
                lines: Rate::new(settings.lines_per_second, 1_000, settings.line_burst),
            },
            max_held_bytes: max_buffer_bytes(&settings, AvailableMemory::of_this_process()),
            secret_seed: random_seed()?,
        };
        Ok(Self {
            poll,
            began: Instant::now(),
            now_ms: 0,
            listeners,
            admission,
            source_pace,
            accepted: Accepted::default(),
            parent,
            from_parent: Inbox::default(),
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
            trusted: settings.trusted,
            balancers: settings.proxy_from,
            proxied: Proxied::new(FIRST_PROXIED, settings.proxy_time_out * 1_000),
            sockets: Vec::new(),
            reading_rate,
            held_back: BTreeSet::new(),
            scratch: Box::new([0; READ_BYTES]),
            max_clients: settings.max_clients,
            full: Full::default(),
            reports: Reports::default(),
            is_accepting: false,
            is_ready: false,
            is_stopping: false,
            drain: DrainStage::Off,
            accept_from_ms: None,
            accept_failure_told_from_ms: 0,
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
            self.core.begin_turn(self.now_ms, boot_clock::now_ms());
            for event in &events {
                self.take_event(event)?;
            }
        }
    }

    /// Everything that can be done without waiting: for those who are served already first, of each client's bytes one
    /// read, then for a few of those who come.
    fn turn(&mut self) -> anyhow::Result<()> {
        self.daemon
            .connect_if_due(self.poll.registry(), &mut self.core, self.now_ms)?;
        self.begin_accepting_if_ready()?;
        self.end_drained();
        self.serve_listed();
        // The daemon is to have what they ask before it is told of those who come.
        self.daemon.write(self.poll.registry(), &mut self.core)?;
        self.take_unauthenticated();
        self.daemon.write(self.poll.registry(), &mut self.core)?;
        self.reports
            .report_if_due(&mut self.parent, self.core.refusals(), self.now_ms);
        Ok(())
    }

    fn serve_listed(&mut self) {
        for key in self.core.take_wanted_observations() {
            self.observe(key);
        }
        self.release_held_back();
        let mut more_to_do = Vec::new();
        while let Some(key) = self.core.next_listed() {
            if self.serve(key) {
                more_to_do.push(key);
            }
        }
        for key in more_to_do {
            self.core.list(key);
        }
        // Time alone may have closed somebody, without anybody being served.
        self.perform_actions();
    }

    fn take_event(&mut self, event: &Event) -> anyhow::Result<()> {
        if self.handshakes.take_event(event) || self.proxied.take_event(event) {
            return Ok(());
        }
        match event.token() {
            DAEMON => {
                self.daemon
                    .take_event(event, self.poll.registry(), &mut self.core)?;
            }
            PARENT => self.read_parent()?,
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

    fn read_parent(&mut self) -> anyhow::Result<()> {
        self.from_parent.read(&self.parent)?;
        while let Some(message) = self.from_parent.next_message()? {
            match message {
                ParentMessage::Configuration(configuration) => self.tls.take(&configuration)?,
                ParentMessage::Settings(written) => self.take_settings(&written),
                ParentMessage::Drain(drain) => self.take_drain(drain),
                ParentMessage::LogFile(file) => log_file::take_over(file),
                ParentMessage::Question { ticket, question } => {
                    let answer = self.answer(&question);
                    self.reports.answer(ticket, answer);
                }
            }
        }
        Ok(())
    }

    /// Answers an operator's tool.
    fn answer(&mut self, question: &Question) -> Result<Answer, String> {
        match question {
            Question::Ping => Ok(Answer::Alive),
            Question::Clients { from } => {
                let from = from.map_or(0, |from| from as usize);
                let page = clients_page(&self.sockets, &self.core, from, self.now_ms);
                Ok(Answer::Clients(page))
            }
            Question::Disconnect { connection, .. } => {
                match self.core.disconnect(ConnectionSerial(*connection)) {
                    true => Ok(Answer::Done),
                    false => Err("the client has left already".to_owned()),
                }
            }
            Question::Metrics => Ok(self.samples().into_answer()),
            Question::SetLogLevel { level } => log_format::set_level(level).map(|()| Answer::Done),
            _ => Err("a worker knows connections only".to_owned()),
        }
    }

    /// Does for a client what can be done without waiting; whether there is more to be read or written.
    fn serve(&mut self, key: ClientKey) -> bool {
        let Some(Some(socket)) = self.sockets.get_mut(key) else {
            return false;
        };
        let mut alive = Alive::Yes;
        if socket.is_broken || !socket.is_held_back(self.now_ms) {
            alive = socket.read(key, &mut self.core, &mut self.scratch);
            if let Some(pace) = &mut socket.pace
                && let Some(until_ms) = pace.settle(self.reading_rate, self.now_ms)
            {
                self.held_back.insert((until_ms, key));
                if pace.is_first_delay() {
                    self.core.note_delay(key);
                }
            }
        }
        // Most clients are served because the daemon has said something to them, and with that all is done.
        if alive == Alive::Yes && !self.core.has_line_to_take(key) {
            alive = socket.write(key, &mut self.core);
        }
        if alive == Alive::Yes {
            self.core.serve(key);
            alive = socket.write(key, &mut self.core);
        }
        let is_to_be_observed = self.core.wants_observation_now(key);
        if alive == Alive::Yes && (socket.has_written || is_to_be_observed) {
            if is_to_be_observed {
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
        let can_read = !socket.is_held_back(self.now_ms) && socket.can_read(key, &self.core);
        let has_more = can_read || socket.can_write(key, &mut self.core);
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

    /// Those whose time has come are read again.
    fn release_held_back(&mut self) {
        while let Some((until_ms, key)) = self.held_back.first().copied()
            && until_ms <= self.now_ms
        {
            self.held_back.pop_first();
            self.core.list(key);
        }
    }

    fn observe(&mut self, key: ClientKey) {
        if let Some(Some(socket)) = self.sockets.get_mut(key) {
            socket.observe(key, &mut self.core);
        }
    }

    fn begin_stopping(&mut self) {
        log::info!(
            "stopping: {} clients are disconnected",
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
        if accept_ms.is_some_and(|from_ms| from_ms <= self.now_ms) {
            return Some(Duration::ZERO);
        }
        [
            self.core.next_deadline_ms(),
            self.daemon.next_ms(),
            self.handshakes.next_due_ms(),
            self.proxied.next_due_ms(),
            self.drained_at_ms(),
            Some(self.reports.next_due_ms(self.core.refusals())),
            accept_ms,
            self.held_back.first().map(|(until_ms, _)| *until_ms),
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

/// What secrets of tokens are made of.
fn random_seed() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    let filled = SystemRandom::new().fill(&mut seed);
    filled.map_err(|_| anyhow!("the system provides no random numbers"))?;
    Ok(seed)
}
