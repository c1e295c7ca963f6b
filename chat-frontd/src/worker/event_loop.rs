//! The loop: waits for clients, the state daemon, signals and time, and moves bytes.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chat_shared::child_link::report_ready;
use chat_shared::rpc::{ConnectionSerial, FromWorker, ToWorker, decode_items};
use mio::event::Event;
use mio::net::{TcpListener, TcpStream, UnixStream};
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGHUP, SIGTERM};
use slab::Slab;
use socket2::{SockRef, TcpKeepalive};

use super::WorkerSetup;
use super::client::{Alive, Client, READ_BYTES};
use super::daemon_link::{DaemonLink, Read};
use super::timers::{ClientKey, Reason, Timers};
use crate::session::{Ending, MessageLines, QueuePart, Session, SessionLimits};

const DAEMON: Token = Token(0);
const PARENT: Token = Token(1);
const TERMINATE: Token = Token(2);
const RELOAD: Token = Token(3);
const FIRST_LISTENER: usize = 8;
/// Listeners have tokens up to here; clients from here on.
const FIRST_CLIENT: usize = 1_024;

/// When a sent message's acknowledgement is looked for first, and at the latest after it was missing before.
const FIRST_CHECK_MS: u64 = 50;
const MAX_CHECK_MS: u64 = 2_000;
/// The same where a logout waits for it.
const ENDING_CHECK_MS: u64 = 2;
/// How long a logout waits for what was sent to be acknowledged.
const CONCLUDE_MS: u64 = 5_000;
/// How long a client may take to close its side, and when the worker itself is to stop.
const CLOSING_MS: u64 = 5_000;
const STOPPING_CLOSING_MS: u64 = 300;
/// After SIGTERM, clients are let go of within this.
const STOP_MS: u64 = 6_000;
/// When no more descriptors are to be had, the next try to accept is made after this.
const ACCEPT_RETRY_MS: u64 = 100;

pub(super) struct EventLoop {
    poll: Poll,
    began: Instant,
    now_ms: u64,
    listeners: Vec<TcpListener>,
    parent: UnixStream,
    terminate: UnixStream,
    reload: UnixStream,
    link: DaemonLink,
    clients: Slab<Client>,
    keys: HashMap<ConnectionSerial, ClientKey>,
    last_serial: u64,
    /// Clients to be served in this turn.
    listed: Vec<ClientKey>,
    /// Clients whose requests the link had no room for.
    kept_back: Vec<ClientKey>,
    timers: Timers,
    lines: MessageLines,
    scratch: Box<[u8; READ_BYTES]>,
    limits: SessionLimits,
    max_clients: usize,
    time_out_ms: u64,
    is_ready: bool,
    told_lost: bool,
    /// Whether clients may be waiting to be accepted, and from when on that is tried.
    accept_from_ms: Option<u64>,
    stop_by_ms: Option<u64>,
}

impl EventLoop {
    pub(super) fn new(setup: WorkerSetup) -> anyhow::Result<Self> {
        let poll = Poll::new().context("cannot make an event queue")?;
        let registry = poll.registry();
        setup.parent.set_nonblocking(true)?;
        let mut parent = UnixStream::from_std(setup.parent);
        let mut terminate = signal_pipe(SIGTERM)?;
        let mut reload = signal_pipe(SIGHUP)?;
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
        Ok(Self {
            poll,
            began: Instant::now(),
            now_ms: 0,
            listeners,
            parent,
            terminate,
            reload,
            link: DaemonLink::new(settings.state_socket_path(), DAEMON, 0),
            clients: Slab::new(),
            keys: HashMap::new(),
            last_serial: 0,
            listed: Vec::new(),
            kept_back: Vec::new(),
            timers: Timers::default(),
            lines: MessageLines::default(),
            scratch: Box::new([0; READ_BYTES]),
            limits: SessionLimits {
                max_line_bytes: settings.max_line_bytes,
                max_unread_bytes: settings.max_unread_bytes,
            },
            max_clients: settings.max_clients,
            time_out_ms: settings.time_out * 1_000,
            is_ready: false,
            told_lost: false,
            accept_from_ms: None,
            stop_by_ms: None,
        })
    }

    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1_024);
        loop {
            self.turn()?;
            if self.is_done() {
                log::info!("stopped");
                return Ok(());
            }
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    return Err(error).context("cannot wait for events");
                }
                _ => {}
            }
            self.now_ms = self.began.elapsed().as_millis() as u64;
            for event in &events {
                self.take_event(event)?;
            }
        }
    }

    /// Everything that can be done without waiting.
    fn turn(&mut self) -> anyhow::Result<()> {
        self.link
            .connect_if_due(self.poll.registry(), self.now_ms)?;
        self.tell_if_lost();
        self.accept();
        self.take_due();
        for key in std::mem::take(&mut self.listed) {
            self.serve(key);
        }
        self.link.write(self.now_ms);
        if self.link.has_room() {
            for key in std::mem::take(&mut self.kept_back) {
                self.list(key);
            }
        }
        Ok(())
    }

    fn take_event(&mut self, event: &Event) -> anyhow::Result<()> {
        match event.token() {
            DAEMON => self.read_daemon()?,
            PARENT => {
                if is_at_end(&mut self.parent) {
                    bail!("the master is gone");
                }
            }
            TERMINATE => {
                is_at_end(&mut self.terminate);
                self.begin_stopping();
            }
            RELOAD => {
                is_at_end(&mut self.reload);
            }
            Token(token) if token < FIRST_CLIENT => self.accept_from_ms = Some(self.now_ms),
            Token(token) => {
                let key = token - FIRST_CLIENT;
                if let Some(client) = self.clients.get_mut(key) {
                    client.is_read_closed |= event.is_read_closed();
                    client.is_readable |= event.is_readable() || event.is_read_closed();
                    client.is_writable |= event.is_writable();
                    client.is_broken |= event.is_error();
                    self.list(key);
                }
            }
        }
        Ok(())
    }

    /// Puts a client among those to be served in this turn.
    fn list(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key)
            && !std::mem::replace(&mut client.is_listed, true)
        {
            self.listed.push(key);
        }
    }

    fn read_daemon(&mut self) -> anyhow::Result<()> {
        while self.link.read(self.now_ms) == Read::More {
            if self.link.take_greeting()? {
                self.attached()?;
            }
            while let Some(payload) = self.link.next_frame()? {
                let mut reached = Vec::new();
                for item in decode_items::<ToWorker<'_>>(payload) {
                    let item = item.context("the state daemon sent what cannot be read")?;
                    let mut clients = Clients {
                        clients: &mut self.clients,
                        keys: &self.keys,
                        lines: &mut self.lines,
                        now_ms: self.now_ms,
                        reached: &mut reached,
                    };
                    clients.take(item);
                }
                for key in reached {
                    self.list(key);
                }
            }
        }
        Ok(())
    }

    /// The daemon is there, for the first time or again.
    fn attached(&mut self) -> anyhow::Result<()> {
        self.told_lost = false;
        let mut connections = Vec::new();
        for (_, client) in &mut self.clients {
            connections.extend(client.session.resume());
            client.reported = client.session.progress();
        }
        if self.is_ready {
            self.link.push(&FromWorker::Resume { connections });
        }
        let keys: Vec<ClientKey> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.list(key);
        }
        if !self.is_ready {
            self.is_ready = true;
            self.begin_accepting()?;
        }
        Ok(())
    }

    fn begin_accepting(&mut self) -> anyhow::Result<()> {
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
        let is_due = self.is_ready
            && self.stop_by_ms.is_none()
            && self
                .accept_from_ms
                .is_some_and(|from_ms| from_ms <= self.now_ms);
        if !is_due {
            return;
        }
        self.accept_from_ms = None;
        for index in 0..self.listeners.len() {
            loop {
                if self.clients.len() >= self.max_clients {
                    // Who leaves has the next one accepted.
                    return;
                }
                match self.listeners[index].accept() {
                    Ok((stream, peer)) => self.open(stream, peer),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // The client gave up before we came to it.
                    Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        log::error!("cannot accept a client: {error}");
                        self.accept_from_ms = Some(self.now_ms + ACCEPT_RETRY_MS);
                        break;
                    }
                }
            }
        }
    }

    fn open(&mut self, mut stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = prepare(&stream) {
            log::debug!("{peer} left at once: {error}");
            return;
        }
        let entry = self.clients.vacant_entry();
        let key = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) =
            self.poll
                .registry()
                .register(&mut stream, Token(FIRST_CLIENT + key), interest)
        {
            return log::error!("cannot wait for {peer}: {error}");
        }
        self.last_serial += 1;
        let serial = ConnectionSerial(self.last_serial);
        let address = peer.ip().to_canonical();
        let mut session = Session::new(serial, address, self.limits, self.now_ms);
        if self.told_lost {
            session.daemon_is_lost(self.now_ms);
        }
        entry.insert(Client::new(serial, stream, session));
        self.keys.insert(serial, key);
        self.timers
            .set(key, Reason::Idle, self.now_ms + self.time_out_ms);
        self.list(key);
    }

    /// Does for a client what can be done without waiting.
    fn serve(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        client.is_listed = false;
        if client.is_broken || client.read(&mut self.scratch, self.now_ms) == Alive::No {
            return self.remove(key);
        }
        client.session.advance(self.now_ms);
        self.ask(key);
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        let before = client.session.output.pending().len();
        if client.write() == Alive::No {
            return self.remove(key);
        }
        if before > 0 {
            // What was held back while too much waited can go on.
            client.session.advance(self.now_ms);
            self.ask(key);
        }
        self.conclude_if_possible(key);
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        if client.write() == Alive::No || client.shut_if_over() == Alive::No {
            return self.remove(key);
        }
        self.set_timers(key);
        if self.clients[key].has_more_to_read() {
            self.list(key);
        }
    }

    /// Sends a client's questions to the daemon, if they can be taken.
    fn ask(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        while self.link.has_room() {
            let Some(request) = client.session.next_request() else {
                break;
            };
            client.reported = request.progress;
            self.link.push(&FromWorker::Request(request));
        }
        if !self.link.has_room() {
            self.kept_back.push(key);
            return;
        }
        if let Some((after, through)) = client.session.next_page() {
            self.link.push(&FromWorker::Page {
                connection: client.serial,
                after,
                through,
            });
        }
    }

    /// Ends a dialogue that only waits for the client's TCP to have everything.
    fn conclude_if_possible(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        if !client.session.can_conclude() {
            return;
        }
        let since_ms = *client.ending_since_ms.get_or_insert(self.now_ms);
        client.observe(self.now_ms);
        let is_received = client.session.output.pending().is_empty()
            && !client.session.delivery.awaits_acknowledgement();
        if is_received || since_ms + CONCLUDE_MS <= self.now_ms {
            client.session.conclude();
            client.ending_since_ms = None;
            self.ask(key);
        }
    }

    fn set_timers(&mut self, key: ClientKey) {
        let stopping = self.stop_by_ms.is_some();
        let client = &mut self.clients[key];
        let session = &client.session;
        if session.is_over() {
            let patience_ms = if stopping {
                STOPPING_CLOSING_MS
            } else {
                CLOSING_MS
            };
            if client.ending_since_ms.is_none() {
                client.ending_since_ms = Some(self.now_ms);
                self.timers
                    .set(key, Reason::Closing, self.now_ms + patience_ms);
            }
        } else if session.can_conclude() {
            self.timers
                .set(key, Reason::Delivery, self.now_ms + ENDING_CHECK_MS);
        } else if session.delivery.awaits_acknowledgement() {
            if client.check_after_ms == 0 {
                client.check_after_ms = FIRST_CHECK_MS;
                self.timers
                    .set_by(key, Reason::Delivery, self.now_ms + FIRST_CHECK_MS);
            }
        } else if session.counts_silence()
            && let Some(whole_at_ms) = session.delivery.whole_at_ms()
        {
            self.timers.set_by(key, Reason::Delivery, whole_at_ms);
        }
    }

    fn take_due(&mut self) {
        while let Some((key, reason)) = self.timers.pop_due(self.now_ms) {
            match reason {
                Reason::Idle => self.check_idle(key),
                Reason::Delivery => self.check_delivery(key),
                Reason::Closing => self.remove(key),
            }
        }
    }

    fn check_idle(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        let since_ms = client.session.idle_since_ms().unwrap_or(self.now_ms);
        let due_ms = since_ms + self.time_out_ms;
        if due_ms > self.now_ms {
            return self.timers.set(key, Reason::Idle, due_ms);
        }
        client.session.begin_ending(Ending::TimeOut);
        self.list(key);
    }

    fn check_delivery(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        client.observe(self.now_ms);
        if client.session.counts_silence() && !client.is_broken {
            client.session.delivery.stayed_whole(self.now_ms);
        }
        if client.session.delivery.awaits_acknowledgement() {
            let after_ms = client.check_after_ms;
            client.check_after_ms = (after_ms * 2).clamp(FIRST_CHECK_MS, MAX_CHECK_MS);
            self.timers
                .set_by(key, Reason::Delivery, self.now_ms + client.check_after_ms);
        } else {
            client.check_after_ms = 0;
        }
        let progress = client.session.progress();
        if progress != client.reported && self.link.has_room() {
            client.reported = progress;
            self.link.push(&FromWorker::Progress {
                connection: client.serial,
                progress,
            });
        }
        self.list(key);
    }

    fn remove(&mut self, key: ClientKey) {
        let Some(mut client) = self.clients.try_remove(key) else {
            return;
        };
        // Closing takes it out of the event queue in any case.
        let _ = self.poll.registry().deregister(&mut client.stream);
        self.keys.remove(&client.serial);
        self.timers.forget(key);
        if client.session.has_asked() && self.link.is_attached() {
            self.link.push(&FromWorker::Close {
                connection: client.serial,
                progress: client.session.progress(),
            });
        }
        self.accept_from_ms.get_or_insert(self.now_ms);
    }

    fn tell_if_lost(&mut self) {
        if self.told_lost || !self.link.is_lost(self.now_ms) {
            return;
        }
        self.told_lost = true;
        log::error!(
            "the state daemon has been away for 10 seconds; refusing what did not reach it"
        );
        let keys: Vec<ClientKey> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.clients[key].session.daemon_is_lost(self.now_ms);
            self.list(key);
        }
    }

    fn begin_stopping(&mut self) {
        log::info!("stopping; {} clients are let go of", self.clients.len());
        self.stop_by_ms.get_or_insert(self.now_ms + STOP_MS);
        self.listeners.clear();
        let keys: Vec<ClientKey> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            let client = &mut self.clients[key];
            client.session.end_input();
            if client.session.is_over() {
                self.timers
                    .set_by(key, Reason::Closing, self.now_ms + STOPPING_CLOSING_MS);
            }
            self.list(key);
        }
    }

    fn is_done(&self) -> bool {
        self.stop_by_ms.is_some_and(|stop_by_ms| {
            let is_settled = self.clients.is_empty() && !self.link.has_output();
            is_settled || stop_by_ms <= self.now_ms
        })
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.listed.is_empty() {
            return Some(Duration::ZERO);
        }
        let accept_ms = self.accept_from_ms.filter(|_| {
            self.is_ready && self.stop_by_ms.is_none() && self.clients.len() < self.max_clients
        });
        let lost_is_told = self.told_lost;
        let link_ms = self.link.next_ms().map(|due_ms| {
            if lost_is_told {
                due_ms.max(self.now_ms + 20)
            } else {
                due_ms
            }
        });
        [self.timers.next_ms(), link_ms, accept_ms, self.stop_by_ms]
            .into_iter()
            .flatten()
            .min()
            .map(|due_ms| {
                // Rounded up, so that what is due then is due.
                let now_ms = self.began.elapsed().as_millis() as u64;
                Duration::from_millis((due_ms + 1).saturating_sub(now_ms))
            })
    }
}

/// The clients, while a frame of the daemon's is taken to them.
struct Clients<'a> {
    clients: &'a mut Slab<Client>,
    keys: &'a HashMap<ConnectionSerial, ClientKey>,
    lines: &'a mut MessageLines,
    now_ms: u64,
    reached: &'a mut Vec<ClientKey>,
}

impl Clients<'_> {
    fn take(&mut self, item: ToWorker<'_>) {
        match item {
            ToWorker::Reply {
                connection,
                offset,
                answer,
                messages,
                through,
                more,
            } => {
                let part = QueuePart {
                    messages: &messages,
                    through,
                    more,
                };
                let now_ms = self.now_ms;
                self.at(connection, |session, lines| {
                    session.reply(offset, &answer, part, lines, now_ms);
                });
            }
            ToWorker::Push {
                connections,
                messages,
                through,
                more,
            } => {
                for connection in connections {
                    let part = QueuePart {
                        messages: &messages,
                        through,
                        more,
                    };
                    self.at(connection, |session, lines| session.pushed(part, lines));
                }
            }
            ToWorker::Page {
                connection,
                messages,
                more,
            } => {
                let now_ms = self.now_ms;
                self.at(connection, |session, lines| {
                    session.page(&messages, more, lines, now_ms);
                });
            }
            ToWorker::End { connection } => self.at(connection, |session, _| session.cut_off()),
        }
    }

    /// Does something with a client's session, if the client is still there.
    fn at(
        &mut self,
        connection: ConnectionSerial,
        act: impl FnOnce(&mut Session, &mut MessageLines),
    ) {
        if let Some(key) = self.keys.get(&connection).copied()
            && let Some(client) = self.clients.get_mut(key)
        {
            act(&mut client.session, self.lines);
            self.reached.push(key);
        }
    }
}

/// A dead peer is found in about a minute and a half; small answers leave at once.
fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(Duration::from_secs(60)))?;
    stream.set_nodelay(true)
}

/// A stream that becomes readable when the signal comes.
fn signal_pipe(signal: i32) -> anyhow::Result<UnixStream> {
    let (read, write) = UnixStream::pair().context("cannot make a pipe for signals")?;
    signal_hook::low_level::pipe::register(signal, OwnedFd::from(write))
        .with_context(|| format!("cannot catch signal {signal}"))?;
    Ok(read)
}

/// Reads all there is; whether the other side is gone.
fn is_at_end(stream: &mut UnixStream) -> bool {
    let mut bytes = [0; 256];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}
