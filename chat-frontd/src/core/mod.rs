//! What a worker does with what comes in, without sockets, clocks or signals of its own.
//!
//! Bytes of clients and of the state daemon, acknowledgements and the time go in; bytes for both and
//! [`Action`]s come out. The loop in [`crate::worker`] carries them; a simulation can carry them as well.

mod addresses;
#[cfg(test)]
mod backlog_tests;
mod client;
mod clients;
mod daemon;
mod delivery_checks;
mod dialect;
mod inspection;
mod link;
mod list_line;
mod secrets;
mod session;
mod timers;
mod unauthenticated;

use chat_model::ConnectionSerial;
use chat_node::logs::security_log::SecurityLog;
use chat_rpc::FromWorker;

pub use inspection::{ClientState, Inspected};
pub use session::{Output, SessionCounts, SessionLimits};
pub use timers::ClientKey;
pub use unauthenticated::UnauthenticatedLimits;

use client::{Client, Shared};
use clients::Clients;
use link::Link;
use list_line::HeldLists;
use secrets::Secrets;
use session::Ending;
use timers::{Reason, Timers};
use unauthenticated::UnauthenticatedConnections;

/// How long a client may take to close its side once ours is closed; and when the worker is to stop.
const CLOSING_MS: u64 = 5_000;
const STOPPING_CLOSING_MS: u64 = 300;
/// A worker that is to stop closes all connections within this.
const STOP_MS: u64 = 6_000;

/// For so long after a pause what is read may have come during it. The first turn after it may have nothing to read:
/// the kernel ends the wait of a process that is continued, before it tells what has come.
const AFTER_PAUSE_MS: u64 = 1_000;

/// What has waited for less counts as read when it came: twice the step of the clock by which the kernel knows that.
const MAX_LATENESS_MS: u64 = 20;

/// What the core wants to have done with a client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Everything is written: close our sending side, and go on reading.
    Shut(ClientKey),
    /// Close it; the core has forgotten it.
    Close(ClientKey),
    /// Close a connection that is no client yet; the core has forgotten it.
    HangUp(ConnectionSerial),
}

/// What a look at a client's connection found that is not broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// What was written to the client and its TCP has not acknowledged.
    pub unacknowledged_bytes: u64,
    /// What has come in and was not given to [`Core::received`].
    pub unread_bytes: u64,
    /// A FIN has come in, read or not. It is looked for only where [`Core::is_silence_due`].
    pub has_fin: bool,
}

/// How a worker is set up.
#[derive(Clone, Debug)]
pub struct CoreSettings {
    /// What a client may send and leave unread.
    pub limits: SessionLimits,
    /// What holds for sources that are not trusted.
    pub unauthenticated: UnauthenticatedLimits,
    /// Maximum bytes held for all clients; above it the client with the most is disconnected.
    pub max_held_bytes: usize,
    /// Random; what secrets of tokens are made of.
    pub secret_seed: [u8; 32],
}

/// The worker's logic.
#[derive(Debug)]
pub struct Core {
    settings: CoreSettings,
    now_ms: u64,
    /// The host's boot clock at the beginning of this turn.
    boot_ms: u64,
    /// What is read before this, by the same clock, may have come long ago.
    after_pause_until_ms: u64,
    link: Link,
    clients: Clients,
    /// The output of those who are to get nothing now.
    no_output: Output,
    /// Clients to be served in this turn.
    listed: Vec<ClientKey>,
    /// Clients whose requests the link had no room for.
    kept_back: Vec<ClientKey>,
    timers: Timers,
    shared: Shared,
    wanted_observations: Vec<ClientKey>,
    stop_by_ms: Option<u64>,
    actions: Vec<Action>,
    unauthenticated: UnauthenticatedConnections,
    security: SecurityLog,
    /// What is held for each client alone.
    held_bytes: usize,
    held_lists: HeldLists,
}

impl Core {
    /// A worker without clients, that the daemon does not know yet.
    pub fn new(settings: CoreSettings, now_ms: u64) -> Self {
        Self {
            now_ms,
            boot_ms: 0,
            after_pause_until_ms: u64::MAX,
            link: Link::new(now_ms),
            clients: Clients::new(settings.limits, settings.unauthenticated.lines),
            shared: Shared::new(Secrets::of(settings.secret_seed)),
            settings,
            no_output: Output::default(),
            listed: Vec::new(),
            kept_back: Vec::new(),
            timers: Timers::default(),
            wanted_observations: Vec::new(),
            stop_by_ms: None,
            actions: Vec::new(),
            unauthenticated: UnauthenticatedConnections::default(),
            security: SecurityLog::default(),
            held_bytes: 0,
            held_lists: HeldLists::default(),
        }
    }

    /// Maximum length of a client's line, in bytes.
    pub fn max_line_bytes(&self) -> usize {
        self.settings.limits.max_line_bytes
    }

    /// Changes limits while the worker runs. The time of silence holds for all clients, the pace for those that come.
    pub fn change_limits(&mut self, time_out_ms: u64, unauthenticated: UnauthenticatedLimits) {
        self.clients.change_pace(unauthenticated.lines);
        self.timers
            .watch_all_idle_by(self.now_ms.saturating_add(time_out_ms));
        self.settings.limits.time_out_ms = time_out_ms;
        self.clients.change_time_out(time_out_ms);
        self.settings.unauthenticated = unauthenticated;
    }

    /// Begins a turn of the loop: what comes in from here on came now. Also takes the host's boot clock, by which the
    /// state daemon knows which of two logins is the newer, whatever the worker that heard of it.
    pub fn begin_turn(&mut self, now_ms: u64, boot_ms: u64) {
        self.now_ms = now_ms;
        if boot_ms.saturating_sub(self.boot_ms) > MAX_LATENESS_MS {
            self.after_pause_until_ms = boot_ms + AFTER_PAUSE_MS;
        }
        self.boot_ms = boot_ms;
        self.announce_loss_if_due();
        while let Some((key, reason)) = self.timers.pop_due(now_ms) {
            match reason {
                Reason::Delivery => self.check_delivery(key),
                Reason::Closing => self.close(key),
                Reason::Login => self.check_login(key),
                Reason::Pace => self.list(key),
            }
        }
        while let Some(key) = self.timers.pop_idle(now_ms) {
            self.check_idle(key);
        }
        self.relieve_memory();
        if self.link.has_room() {
            for key in std::mem::take(&mut self.kept_back) {
                self.list(key);
            }
        }
    }

    /// A client that is to be served now: see [`Core::serve`].
    pub fn next_listed(&mut self) -> Option<ClientKey> {
        let key = self.listed.pop()?;
        if let Some(client) = self.clients.active_mut(key) {
            client.is_listed = false;
        }
        Some(key)
    }

    /// Whether a client waits to be served without anything coming in.
    pub fn has_listed(&self) -> bool {
        !self.listed.is_empty()
    }

    /// What the core wants to have done since this was last called.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// When the core wants a turn even if nothing comes in.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        [self.timers.next_ms(), self.link.next_ms(), self.stop_by_ms]
            .into_iter()
            .flatten()
            .min()
    }

    /// How many clients there are.
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// Ends a client's dialogue and connection; whether there was one. The daemon hears of it as of any that ends.
    pub fn disconnect(&mut self, connection: ConnectionSerial) -> bool {
        let Some((key, client)) = self.clients.restore_by_serial(connection) else {
            return false;
        };
        client.session.cut_off();
        self.list(key);
        true
    }

    /// Whether more of a client's bytes can be taken now. What is over is still read, to be thrown away.
    pub fn wants_input(&self, key: ClientKey) -> bool {
        match self.clients.active(key) {
            Some(client) => {
                let session = &client.session;
                !client.has_ended && (session.is_over() || session.wants_input())
            }
            None => self.clients.parked(key).is_some(),
        }
    }

    /// Whether a client has sent lines that can be taken now.
    pub fn has_line_to_take(&self, key: ClientKey) -> bool {
        let client = self.clients.active(key);
        client.is_some_and(|client| client.session.has_line_to_take())
    }

    /// Whether it would be news how much of its messages a client's TCP has acknowledged, or that the connection is
    /// still healthy. If so, [`Core::observed`] is to be called before every [`Core::received`].
    pub fn wants_observation(&self, key: ClientKey) -> bool {
        let awaits = |client: &Client| client.session.delivery.awaits_acknowledgement();
        self.clients.active(key).is_some_and(awaits)
            || self.is_silence_due(key)
            || self.wants_observation_now(key)
    }

    /// Whether it would be news that no FIN has come.
    pub fn is_silence_due(&self, key: ClientKey) -> bool {
        self.clients.active(key).is_some_and(|client| {
            let healthy_at_ms = client.session.delivery.healthy_at_ms();
            client.session.counts_silence()
                && healthy_at_ms.is_some_and(|at_ms| at_ms <= self.now_ms)
        })
    }

    /// Whether an observation could let the dialogue be concluded now.
    pub fn wants_observation_now(&self, key: ClientKey) -> bool {
        self.clients.active(key).is_some_and(|client| {
            client.session.waits_to_log_out() && client.session.output.pending().is_empty()
        })
    }

    /// A client's connection was looked at, and is healthy.
    pub fn observed(&mut self, key: ClientKey, seen: Observation) {
        if let Some(client) = self.clients.active_mut(key) {
            client.observed(seen, self.now_ms);
        }
    }

    /// Whether what comes from a client may be a password, of which no copy should stay.
    pub fn expects_secret(&self, key: ClientKey) -> bool {
        let client = self.clients.active(key);
        client.is_some_and(|client| client.session.expects_secret())
    }

    /// Whether what is read now can be a login that has waited for this worker, while a newer one came to another.
    pub fn may_read_late_login(&self, key: ClientKey) -> bool {
        self.boot_ms < self.after_pause_until_ms && self.expects_secret(key)
    }

    /// Bytes came from a client.
    pub fn received(&mut self, key: ClientKey, bytes: &[u8]) {
        self.received_late(key, bytes, 0);
    }

    /// Bytes came from a client, and have waited for so long to be read, as far as that is known.
    pub fn received_late(&mut self, key: ClientKey, bytes: &[u8], late_ms: u64) {
        let late_ms = Some(late_ms).filter(|late_ms| *late_ms > MAX_LATENESS_MS);
        let boot_ms = self.boot_ms.saturating_sub(late_ms.unwrap_or(0));
        if let Some(client) = self.restore(key)
            && !client.session.is_over()
        {
            client.session.received(bytes, boot_ms);
            self.list(key);
        }
    }

    /// A client has closed its sending side, or something between us has: nothing more of it comes.
    pub fn ended(&mut self, key: ClientKey) {
        if let Some(client) = self.restore(key) {
            client.has_ended = true;
            client.session.end_input();
            self.list(key);
        }
    }

    /// A client's connection is broken, and closed.
    pub fn broke(&mut self, key: ClientKey) {
        self.forget(key);
    }

    /// What can be written to a client.
    pub fn output(&mut self, key: ClientKey) -> Option<&mut Output> {
        if self.clients.parked(key).is_some() {
            return Some(&mut self.no_output);
        }
        let session = &mut self.clients.active_mut(key)?.session;
        // A write costs as much as all else of a login: where one is enough, there is one.
        if session.is_ahead_of_prompt() {
            return Some(&mut self.no_output);
        }
        Some(&mut session.output)
    }

    /// The kernel took some of a client's [`Core::output`].
    pub fn wrote(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.active_mut(key) {
            let position = client.session.output.written_position();
            client.session.delivery.sent(position);
            // Nothing else may tell that there is room for the answers to lines that have come already.
            if client.session.has_line_to_take() || client.session.has_list_to_ask_for() {
                self.list(key);
            }
        }
        self.measure(key);
    }

    /// Does for a client all that can be done now.
    pub fn serve(&mut self, key: ClientKey) {
        let Some(client) = self.clients.active_mut(key) else {
            return;
        };
        client.session.advance(&mut self.shared, self.now_ms);
        // The pace is not looked at while an answer is owed: what was due stays due, and must cause no more turns.
        let pace_due_ms = client.session.pace_due_ms();
        if let Some(due_ms) = pace_due_ms.filter(|due_ms| *due_ms > self.now_ms) {
            self.timers.set_by(key, Reason::Pace, due_ms);
        }
        if let Some(event) = client.session.take_event() {
            let (address, serial) = (client.session.address(), client.session.serial());
            self.note(event, Some(address), Some(serial));
        }
        self.ask(key);
        self.conclude_if_possible(key);
        self.follow_delivery(key);
        self.measure(key);
        self.close_if_over(key);
        if self.clients.park(key) {
            // A parked client is logged in.
            self.timers.cancel(key, Reason::Login);
        }
    }

    fn restore(&mut self, key: ClientKey) -> Option<&mut Client> {
        self.clients.restore(key, self.link.is_loss_announced())
    }

    /// Closes all connections, once what was asked is answered.
    pub fn stop(&mut self) {
        self.stop_by_ms.get_or_insert(self.now_ms + STOP_MS);
        self.end_clients();
    }

    /// Closes the connections that there are now, once what was asked is answered.
    pub fn end_clients(&mut self) {
        for key in self.clients.keys() {
            let Some(client) = self.restore(key) else {
                continue;
            };
            client.session.hurry();
            client.session.end_input();
            if client.is_shut {
                self.timers
                    .set_by(key, Reason::Closing, self.now_ms + STOPPING_CLOSING_MS);
            }
        }
        self.mark_active();
    }

    /// Whether all connections are closed and reported to the daemon, or the time for that is over.
    pub fn has_stopped(&self) -> bool {
        self.stop_by_ms.is_some_and(|stop_by_ms| {
            let is_settled = self.clients.is_empty() && !self.link.has_output();
            is_settled || stop_by_ms <= self.now_ms
        })
    }

    /// Puts a client among those to be served in this turn.
    pub fn list(&mut self, key: ClientKey) {
        if let Some(client) = self.restore(key)
            && !std::mem::replace(&mut client.is_listed, true)
        {
            self.listed.push(key);
        }
    }

    /// Parked clients have nothing to be served.
    fn mark_active(&mut self) {
        let active = self.clients.iter_active();
        let keys: Vec<ClientKey> = active.map(|(key, _)| key).collect();
        for key in keys {
            self.list(key);
        }
    }

    fn check_idle(&mut self, key: ClientKey) {
        let since_ms = match (self.clients.active(key), self.clients.parked(key)) {
            (Some(client), _) => client.session.idle_since_ms().unwrap_or(self.now_ms),
            (_, Some(parked)) => parked.idle_since_ms(),
            (None, None) => return,
        };
        let due_ms = since_ms + self.settings.limits.time_out_ms;
        if due_ms > self.now_ms {
            return self.timers.watch_idle(key, due_ms);
        }
        if let Some(client) = self.restore(key) {
            client.session.begin_ending(Ending::TimeOut);
        }
        self.list(key);
    }

    fn close_if_over(&mut self, key: ClientKey) {
        let Some(client) = self.clients.active_mut(key) else {
            return;
        };
        if !client.session.is_over() {
            return;
        }
        let timeout_ms = if self.stop_by_ms.is_some() || client.session.is_rejected() {
            STOPPING_CLOSING_MS
        } else {
            CLOSING_MS
        };
        self.timers
            .set_by(key, Reason::Closing, self.now_ms + timeout_ms);
        if !client.session.output.pending().is_empty() {
            return;
        }
        if !std::mem::replace(&mut client.is_shut, true) {
            self.actions.push(Action::Shut(key));
        }
        if client.has_ended {
            self.close(key);
        }
    }

    fn close(&mut self, key: ClientKey) {
        if self.forget(key) {
            self.actions.push(Action::Close(key));
        }
    }

    fn forget(&mut self, key: ClientKey) -> bool {
        let Some(removed) = self.clients.remove(key) else {
            return false;
        };
        self.timers.forget(key);
        self.held_bytes -= removed.held_bytes;
        if removed.is_registered && self.link.is_attached() {
            self.link.push(&FromWorker::ClientClosed {
                connection: removed.serial,
                progress: removed.progress,
            });
        }
        true
    }
}
