//! Sessions of users: how they begin, how far they read, how they end, and which places go with them.

use std::net::IpAddr;

use chat_model::{
    AccountId, ConnectionId, MessageNumber, Outcome, Progress, UserSession, WorkerSessionId,
};
use smallvec::SmallVec;

use super::State;
use super::clock::StateMs;
use super::effects::{Effects, FileLine};
use super::places::{Placement, Places, Reader, Session};
use super::quota::{ExceededQuota, QuotaLimit};

/// Places that are given up before a batch, at most: what waited at them alone leaves the queue, and others wait
/// meanwhile.
const GIVEN_UP_AT_ONCE: usize = 16;

/// A try to log in with the right password.
pub(super) struct Login {
    pub(super) account: AccountId,
    pub(super) session: UserSession,
    pub(super) address: IpAddr,
    /// Which of the account's passwords it was.
    pub(super) password_version: u32,
    /// A stronger secret for the same password.
    pub(super) new_secret: Option<String>,
    /// When the client asked for it.
    pub(super) asked_at: StateMs,
}

impl State {
    /// Which account and session somebody means who typed this. An account of that name comes first.
    pub fn find_session(&self, typed: &str) -> Option<(AccountId, UserSession)> {
        if let Some(id) = self.accounts.id_of(typed) {
            return Some((id, UserSession::Plain));
        }
        let (name, session) = UserSession::split(typed)?;
        Some((self.accounts.id_of(name)?, session))
    }

    /// Where a session that is about to begin reads; nothing, if it has no place yet, or needs none.
    pub fn reader_of(&self, account: AccountId, session: &UserSession) -> Option<Reader> {
        let places = &self.record(account)?.places;
        match (session, places.placement(session)) {
            (UserSession::SendOnly, _) => None,
            (_, Placement::At(place)) => Some(Reader { account, place }),
            (_, Placement::New | Placement::TooMany) => None,
        }
    }

    /// The sessions of an account that have a place, by their full names: those online, and the others. The plain one
    /// comes first in both.
    pub fn sessions_of(&self, account: AccountId) -> (Vec<String>, Vec<String>) {
        let mut sessions: Vec<(bool, String)> = Vec::new();
        if let Some(record) = self.record(account) {
            let places = record.places.iter();
            let taken = places.filter_map(|place| Some((place, place.user_session()?)));
            sessions = taken
                .map(|(place, session)| {
                    (place.session().is_some(), session.full_name(&record.name))
                })
                .collect();
        }
        sessions.sort_unstable();
        let (online, offline): (Vec<_>, Vec<_>) = sessions.into_iter().partition(|it| it.0);
        let names = |sessions: Vec<(bool, String)>| sessions.into_iter().map(|it| it.1).collect();
        (names(online), names(offline))
    }

    pub(super) fn log_in(
        &mut self,
        connection: ConnectionId,
        login: Login,
        effects: &mut Effects,
    ) -> (Outcome<'static>, Option<FileLine>) {
        let now = self.clock.now();
        let source = Self::source(login.account, login.address);
        let Some(record) = self.record(login.account) else {
            return (Outcome::Refused, None);
        };
        if let Some(seconds_left) = self.failures.block_seconds_left(&source, now) {
            return (Outcome::Locked { seconds_left }, None);
        }
        let is_right = !record.disabled && record.password_version == login.password_version;
        let is_connected = record.places.is_connected(&login.session);
        let placement = record.places.placement(&login.session);
        let place = record.places.of_session(&login.session);
        let is_overtaken = place.is_some_and(|place| place.is_newer_than(login.asked_at));
        if is_right {
            self.failures.clear(&source);
        }
        if is_connected {
            return (Outcome::AlreadyLoggedIn, None);
        }
        if !is_right {
            return (Outcome::PasswordNeeded, None);
        }
        if is_overtaken {
            return (self.come_too_late(connection), None);
        }
        match (login.session, placement) {
            (UserSession::SendOnly, _) => self.begin_sending(connection, login.account),
            (_, Placement::TooMany) => {
                effects.exceeded = Some(ExceededQuota {
                    limit: QuotaLimit::NamedSessions,
                    queue: None,
                });
                return (Outcome::NameUnavailable, None);
            }
            (session, Placement::At(place)) => {
                let account = login.account;
                let reader = Reader { account, place };
                self.begin_session(connection, reader, &session, login.asked_at, effects);
            }
            (session, Placement::New) => {
                let (account, newest) = (login.account, self.last_message.number);
                let place = self
                    .accounts
                    .change_presence(account, |account| account.record.places.add(newest));
                let reader = Reader { account, place };
                self.begin_session(connection, reader, &session, login.asked_at, effects);
            }
        }
        let line = login.new_secret.and_then(|secret| {
            self.replace_secret(login.account, &secret);
            self.file_line(login.account)
        });
        (Outcome::LoggedIn, line)
    }

    /// A session begins at a place. One that is logged in there is taken over.
    fn begin_session(
        &mut self,
        connection: ConnectionId,
        reader: Reader,
        session: &UserSession,
        asked_at: StateMs,
        effects: &mut Effects,
    ) {
        let record = self.record(reader.account);
        let place = record.and_then(|record| record.places.get(reader.place));
        if let Some(replaced) = place.and_then(|place| place.session()) {
            self.end_session(replaced);
            if let Some(connection) = self.worker_sessions.connection_mut(replaced) {
                connection.set_replaced();
            }
            effects.replaced.push(replaced);
        }
        self.accounts.log_in(reader, session, connection, asked_at);
        self.rooms.set_online(&self.accounts, reader.account);
        if let Some(connection) = self.worker_sessions.connection_mut(connection) {
            connection.log_in(reader.into());
        }
    }

    /// Somebody logs in to a session that a newer login has. It is as if that had taken the session over.
    fn come_too_late(&mut self, connection: ConnectionId) -> Outcome<'static> {
        if let Some(connection) = self.worker_sessions.connection_mut(connection) {
            connection.set_replaced();
        }
        Outcome::Refused
    }

    fn begin_sending(&mut self, connection: ConnectionId, account: AccountId) {
        self.accounts.begin_sending(account, connection);
        if let Some(connection) = self.worker_sessions.connection_mut(connection) {
            let place = None;
            connection.log_in(Session { account, place });
        }
    }

    pub(super) fn progress_on(&mut self, connection: ConnectionId, progress: Progress) {
        if let Some(reader) = self.reader_on(connection) {
            self.progress(reader, progress);
        }
    }

    pub(super) fn progress(&mut self, reader: Reader, progress: Progress) {
        // A worker that says too much must not make messages vanish that are yet to come.
        let newest = self.last_message.number;
        let received = progress.acknowledged.max(progress.confirmed).min(newest);
        let had = progress.confirmed.min(newest);
        let account = self.accounts.get(reader.account);
        let place = account.and_then(|account| account.record.places.get(reader.place));
        if place.is_none_or(|place| received <= place.received() && had <= place.cursor()) {
            return;
        }
        self.change_places(reader.account, |places| {
            if let Some(place) = places.get_mut(reader.place) {
                place.progress(received, had);
            }
        });
    }

    /// Every place of an account is behind a message.
    pub(super) fn progress_of_all(&mut self, account: AccountId, through: MessageNumber) {
        let progress = Progress {
            sent: through,
            acknowledged: through,
            confirmed: through,
        };
        let readers: SmallVec<[Reader; 1]> = self.readers(account).collect();
        for reader in readers {
            self.progress(reader, progress);
        }
    }

    /// Changes places, none of which goes back. What all are behind then leaves the queue.
    fn change_places(&mut self, id: AccountId, change: impl FnOnce(&mut Places)) {
        let account = self.accounts.change(id);
        let before = account.record.places.cursor();
        let broadcasts_before = account.record.broadcast_cursor();
        change(&mut account.record.places);
        let (cursor, received) = {
            let places = &account.record.places;
            (places.cursor(), places.received())
        };
        let shares_before = account.queue.shares();
        account.queue.receive_through(received, &self.messages);
        if cursor > before {
            while let Some(key) = account.queue.pop_through(cursor, &self.messages) {
                self.messages.read_by_one(key);
            }
        }
        let shares = account.queue.shares();
        self.messages
            .waiting_bytes
            .shares_changed(shares_before, shares);
        if cursor > before
            && let Some(broadcasts_before) = broadcasts_before
        {
            self.messages
                .broadcasts_read_by(id, broadcasts_before, cursor);
        }
        if cursor > before {
            self.rooms_read_by(id, before, cursor);
        }
    }

    pub(super) fn end_session(&mut self, connection: ConnectionId) {
        let now = self.clock.now();
        if let Some(ended) = self.worker_sessions.connection_mut(connection)
            && let Some(session) = ended.log_out()
        {
            self.accounts
                .end_session(session, connection, now, &mut self.messages);
            self.rooms.set_online(&self.accounts, session.account);
        }
    }

    pub(super) fn end_worker_session(&mut self, worker_session: WorkerSessionId) {
        let now = self.clock.now();
        if let Some(ended) = self.worker_sessions.end(worker_session) {
            for (serial, connection) in ended.connections.iter() {
                if let Some(session) = connection.session() {
                    let connection = ConnectionId {
                        worker_session,
                        serial,
                    };
                    self.accounts
                        .end_session(session, connection, now, &mut self.messages);
                    self.rooms.set_online(&self.accounts, session.account);
                }
            }
        }
    }

    /// In a restore: finds the sessions that only send.
    pub(super) fn restore_senders(&mut self) {
        for (worker_session, found) in self.worker_sessions.iter() {
            for (serial, connection) in found.connections.iter() {
                let connection_id = ConnectionId {
                    worker_session,
                    serial,
                };
                if let Some(session) = connection.session()
                    && session.place.is_none()
                {
                    self.accounts.begin_sending(session.account, connection_id);
                }
            }
        }
    }

    /// Ends all sessions of an account.
    pub(super) fn cut_off(&mut self, id: AccountId, effects: &mut Effects) {
        self.cut_off_but(id, None, effects);
    }

    /// The same, save one.
    pub(super) fn cut_off_but(
        &mut self,
        id: AccountId,
        kept: Option<ConnectionId>,
        effects: &mut Effects,
    ) {
        let record = self.record(id);
        let readers = record
            .into_iter()
            .flat_map(|record| record.places.sessions());
        let sessions = readers.chain(self.accounts.senders_of(id));
        let ended = sessions.filter(|session| Some(*session) != kept);
        let ended: SmallVec<[ConnectionId; 2]> = ended.collect();
        for session in ended {
            self.end_session(session);
            effects.cut_off.push(session);
        }
    }

    /// Gives up the place of a session that is not logged in, unless it is the last one.
    pub(super) fn drop_session(
        &mut self,
        account: AccountId,
        session: &UserSession,
    ) -> Outcome<'static> {
        let Some(record) = self.record(account) else {
            return Outcome::Refused;
        };
        let Some(place) = record.places.of_session(session) else {
            return Outcome::NotFound;
        };
        if place.session().is_some() || record.places.iter().nth(1).is_none() {
            return Outcome::Denied;
        }
        let place = place.id();
        self.give_up(Reader { account, place });
        Outcome::SessionDropped
    }

    /// Before a batch: gives up places that nobody used for long, where another one is younger.
    pub(super) fn give_up_unused_places(&mut self) {
        let unused_ms = self.session_limits.unused_ms;
        let Some(until) = self.clock.now().0.checked_sub(unused_ms) else {
            return;
        };
        for _ in 0..GIVEN_UP_AT_ONCE {
            let Some(unused) = self.accounts.superseded_until(StateMs(until)) else {
                return;
            };
            self.give_up(unused);
        }
    }

    fn give_up(&mut self, reader: Reader) {
        self.accounts.note_presence(reader.account, false);
        self.change_places(reader.account, |places| places.remove(reader.place));
        self.accounts.note_presence(reader.account, true);
    }
}
