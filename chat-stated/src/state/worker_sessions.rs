//! The worker sessions, their clients' connections, and the answers those may still ask for again.

use std::collections::{BTreeMap, VecDeque};

use chat_model::{ConnectionSerial, NameList, Outcome, StreamOffset, WorkerSessionId};

use super::places::{PlaceId, Session};
use crate::connection_map::ConnectionMap;
use crate::entry::HostId;
use chat_model::{AccountId, ConnectionId};

/// Requests of one connection whose answers the worker may not have yet.
pub const MAX_REQUESTS_IN_FLIGHT: usize = 1_024;

/// A worker from its first hello to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSession {
    /// What the worker must show to attach again.
    pub secret: [u8; 16],
    /// Its process.
    pub pid: u32,
    /// Its host, if there are several.
    pub host: Option<HostId>,
    /// Its clients' connections, as far as they ever did something that is journalled.
    pub(super) connections: ConnectionMap<Connection>,
}

/// A client's connection. There are as many as clients, nearly all of them silent: it is kept small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Connection {
    /// The last request that was decided; 0, where no line can end, before the first.
    last_decided: StreamOffset,
    /// The last request whose answer the worker is known to have.
    answered: StreamOffset,
    /// Outcomes the worker may not have, by rising offset, but the one that `last` is; never empty.
    #[expect(
        clippy::box_collection,
        reason = "most have none, and 24 bytes each count"
    )]
    earlier: Option<Box<VecDeque<(StreamOffset, KeptOutcome)>>>,
    account: LoggedIn,
    /// Where the session reads; nothing, too, while nobody is logged in.
    place: Option<PlaceId>,
    /// The session of its user has begun on another connection.
    was_replaced: bool,
    /// The outcome of the last request, if that is plain and the worker may not have it.
    last: Option<PlainOutcome>,
}

/// An outcome that says nothing but its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlainOutcome {
    PasswordNeeded,
    NameUnavailable,
    AlreadyLoggedIn,
    Registered,
    LoggedIn,
    StoredForAll,
    SessionDropped,
    NotFound,
    Denied,
    LoggedOut,
    QueueFull,
    Refused,
    DiskFull,
    Done,
}

/// An outcome in little memory: a line may name thousands whom nobody knows, and a client may have hundreds of lines
/// under way.
#[derive(Clone, Debug, PartialEq, Eq)]
enum KeptOutcome {
    Plain(PlainOutcome),
    /// Stored, but not for these: names with a space between, which no name has in it.
    StoredBut(Box<str>),
    Locked {
        seconds_left: u64,
    },
}

impl KeptOutcome {
    fn of(outcome: &Outcome<'_>) -> Self {
        Self::Plain(match outcome {
            Outcome::PasswordNeeded => PlainOutcome::PasswordNeeded,
            Outcome::NameUnavailable => PlainOutcome::NameUnavailable,
            Outcome::AlreadyLoggedIn => PlainOutcome::AlreadyLoggedIn,
            Outcome::Registered => PlainOutcome::Registered,
            Outcome::LoggedIn => PlainOutcome::LoggedIn,
            Outcome::SessionDropped => PlainOutcome::SessionDropped,
            Outcome::NotFound => PlainOutcome::NotFound,
            Outcome::Denied => PlainOutcome::Denied,
            Outcome::LoggedOut => PlainOutcome::LoggedOut,
            Outcome::QueueFull => PlainOutcome::QueueFull,
            Outcome::DiskFull => PlainOutcome::DiskFull,
            Outcome::Done => PlainOutcome::Done,
            Outcome::Stored { unknown } if unknown.is_empty() => PlainOutcome::StoredForAll,
            Outcome::Stored { unknown } => return Self::stored_but(unknown),
            Outcome::Locked { seconds_left } => {
                return Self::Locked {
                    seconds_left: *seconds_left,
                };
            }
            // No entry comes to any other: those answer requests that change nothing.
            _ => PlainOutcome::Refused,
        })
    }

    fn stored_but(unknown: &NameList<'_>) -> Self {
        let mut names = String::with_capacity(unknown.bytes() + unknown.len() - 1);
        for name in unknown.iter() {
            if !names.is_empty() {
                names.push(' ');
            }
            names.push_str(name);
        }
        Self::StoredBut(names.into())
    }

    fn outcome(&self) -> Outcome<'static> {
        match self {
            Self::Plain(plain) => (*plain).into(),
            Self::StoredBut(names) => Outcome::Stored {
                unknown: names.split(' ').collect(),
            },
            Self::Locked { seconds_left } => Outcome::Locked {
                seconds_left: *seconds_left,
            },
        }
    }
}

/// Writes an outcome behind what is in `bytes`, the same way in every program of these rules.
pub(super) fn digest_outcome(outcome: &Outcome<'_>, bytes: &mut Vec<u8>) {
    match KeptOutcome::of(outcome) {
        KeptOutcome::Plain(plain) => bytes.push(plain as u8),
        KeptOutcome::StoredBut(names) => {
            bytes.push(0xfe);
            bytes.extend(names.as_bytes());
        }
        KeptOutcome::Locked { seconds_left } => {
            bytes.push(0xff);
            bytes.extend(seconds_left.to_le_bytes());
        }
    }
}

impl From<PlainOutcome> for Outcome<'static> {
    fn from(plain: PlainOutcome) -> Self {
        match plain {
            PlainOutcome::PasswordNeeded => Self::PasswordNeeded,
            PlainOutcome::NameUnavailable => Self::NameUnavailable,
            PlainOutcome::AlreadyLoggedIn => Self::AlreadyLoggedIn,
            PlainOutcome::Registered => Self::Registered,
            PlainOutcome::LoggedIn => Self::LoggedIn,
            PlainOutcome::StoredForAll => Self::Stored {
                unknown: NameList::new(),
            },
            PlainOutcome::SessionDropped => Self::SessionDropped,
            PlainOutcome::NotFound => Self::NotFound,
            PlainOutcome::Denied => Self::Denied,
            PlainOutcome::LoggedOut => Self::LoggedOut,
            PlainOutcome::QueueFull => Self::QueueFull,
            PlainOutcome::Refused => Self::Refused,
            PlainOutcome::DiskFull => Self::DiskFull,
            PlainOutcome::Done => Self::Done,
        }
    }
}

/// A worker session that has not ended.
#[derive(Debug)]
pub(crate) struct WorkerSessionParts {
    pub(crate) id: WorkerSessionId,
    pub(crate) secret: [u8; 16],
    pub(crate) pid: u32,
    /// By rising serial.
    pub(crate) connections: Vec<(ConnectionSerial, ConnectionParts)>,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct ConnectionParts {
    /// The last request that was decided; 0 before the first.
    pub(crate) last_decided: StreamOffset,
    /// The last request whose answer the worker is known to have.
    pub(crate) answered: StreamOffset,
    /// Outcomes that the worker may not have, by rising offset.
    pub(crate) outcomes: Vec<(StreamOffset, Outcome<'static>)>,
    pub(crate) session: Option<Session>,
    pub(crate) was_replaced: bool,
}

impl WorkerSession {
    /// How many connections it has.
    pub(crate) fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Its connections by rising serial.
    pub(crate) fn connection_parts(
        &self,
    ) -> impl Iterator<Item = (ConnectionSerial, ConnectionParts)> {
        let connections = self.connections.iter();
        connections.map(|(serial, connection)| (serial, connection.parts()))
    }
}

/// Outcomes that room is made for when the first is kept beside the last.
const EARLIER_AT_ONCE: usize = 16;

/// Who is logged in, in four bytes: accounts are limited below the number that means nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LoggedIn(u32);

impl Default for LoggedIn {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

/// Whether a request was decided before.
pub(super) enum Repeat {
    /// Never seen.
    New,
    /// Decided, and this was it.
    Decided(Outcome<'static>),
    /// Never decided, though later ones were: the disk had no room for it.
    PassedOver,
    /// Decided, and forgotten because the worker said it had the answer; or too many are in flight.
    Unanswerable,
}

impl Connection {
    fn parts(&self) -> ConnectionParts {
        let earlier = self.earlier.iter().flat_map(|earlier| earlier.iter());
        let earlier = earlier.map(|(offset, outcome)| (*offset, outcome.outcome()));
        let last = self.last.map(|last| (self.last_decided, last.into()));
        ConnectionParts {
            last_decided: self.last_decided,
            answered: self.answered,
            outcomes: earlier.chain(last).collect(),
            session: self.session(),
            was_replaced: self.was_replaced,
        }
    }

    fn of_parts(parts: ConnectionParts) -> Self {
        let mut connection = Self {
            answered: parts.answered,
            was_replaced: parts.was_replaced,
            ..Self::default()
        };
        for (offset, outcome) in parts.outcomes {
            connection.keep(offset, &outcome);
        }
        if connection.last_decided != parts.last_decided {
            connection.keep_last_apart();
            connection.last_decided = parts.last_decided;
        }
        if let Some(session) = parts.session {
            connection.log_in(session);
        }
        connection
    }

    /// Who is logged in.
    pub(super) fn account(&self) -> Option<AccountId> {
        (self.account != LoggedIn::default()).then_some(AccountId(self.account.0))
    }

    /// Who is logged in, and where the session reads.
    pub(super) fn session(&self) -> Option<Session> {
        let account = self.account()?;
        let place = self.place;
        Some(Session { account, place })
    }

    pub(super) fn log_in(&mut self, session: Session) {
        self.account = LoggedIn(session.account.0);
        self.place = session.place;
    }

    /// The session of its user has begun on another connection.
    pub(super) fn set_replaced(&mut self) {
        self.was_replaced = true;
    }

    pub(super) fn was_replaced(&self) -> bool {
        self.was_replaced
    }

    /// Nobody is logged in any more; who was.
    pub(super) fn log_out(&mut self) -> Option<Session> {
        let session = self.session();
        self.account = LoggedIn::default();
        self.place = None;
        session
    }

    pub(super) fn repeat(&self, offset: StreamOffset) -> Repeat {
        if offset > self.last_decided {
            return if self.kept() < MAX_REQUESTS_IN_FLIGHT {
                Repeat::New
            } else {
                Repeat::Unanswerable
            };
        }
        match self.outcome(offset) {
            Some(outcome) => Repeat::Decided(outcome),
            None if offset > self.answered => Repeat::PassedOver,
            None => Repeat::Unanswerable,
        }
    }

    /// Whether none of so many requests, of which this is the first, was decided or has to be refused.
    pub(super) fn are_new(&self, first: StreamOffset, requests: usize) -> bool {
        first > self.last_decided && self.kept() + requests <= MAX_REQUESTS_IN_FLIGHT
    }

    /// Makes room at once for so many outcomes.
    pub(super) fn make_room(&mut self, outcomes: usize) {
        if outcomes > EARLIER_AT_ONCE {
            let earlier = self.earlier.get_or_insert_default();
            earlier.reserve(outcomes);
        }
    }

    fn kept(&self) -> usize {
        let earlier = self.earlier.as_ref().map_or(0, |earlier| earlier.len());
        earlier + usize::from(self.last.is_some())
    }

    fn outcome(&self, offset: StreamOffset) -> Option<Outcome<'static>> {
        if offset == self.last_decided
            && let Some(last) = self.last
        {
            return Some(last.into());
        }
        let earlier = self.earlier.as_ref()?;
        let index = earlier.binary_search_by_key(&offset, |(at, _)| *at).ok()?;
        Some(earlier[index].1.outcome())
    }

    pub(super) fn keep(&mut self, offset: StreamOffset, outcome: &Outcome<'_>) {
        self.keep_last_apart();
        self.last_decided = offset;
        match KeptOutcome::of(outcome) {
            KeptOutcome::Plain(plain) => self.last = Some(plain),
            other => self.keep_apart(offset, other),
        }
    }

    fn keep_last_apart(&mut self) {
        if let Some(before) = self.last.take() {
            self.keep_apart(self.last_decided, KeptOutcome::Plain(before));
        }
    }

    fn keep_apart(&mut self, offset: StreamOffset, outcome: KeptOutcome) {
        let earlier = self
            .earlier
            .get_or_insert_with(|| VecDeque::with_capacity(EARLIER_AT_ONCE).into());
        earlier.push_back((offset, outcome));
    }

    pub(super) fn forget_through(&mut self, answered: StreamOffset) {
        self.answered = self.answered.max(answered);
        if self.last_decided <= answered {
            self.last = None;
        }
        let Some(earlier) = &mut self.earlier else {
            return;
        };
        while earlier
            .front()
            .is_some_and(|(offset, _)| *offset <= answered)
        {
            earlier.pop_front();
        }
        if earlier.is_empty() {
            self.earlier = None;
        }
    }
}

/// All worker sessions that have not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WorkerSessions {
    last: u64,
    worker_sessions: BTreeMap<WorkerSessionId, WorkerSession>,
}

impl WorkerSessions {
    pub(super) fn begin(
        &mut self,
        secret: [u8; 16],
        pid: u32,
        host: Option<HostId>,
    ) -> WorkerSessionId {
        self.last += 1;
        let id = WorkerSessionId(self.last);
        self.worker_sessions.insert(
            id,
            WorkerSession {
                secret,
                pid,
                host,
                connections: ConnectionMap::default(),
            },
        );
        id
    }

    pub(super) fn set_host(&mut self, worker_session: WorkerSessionId, host: HostId) {
        if let Some(found) = self.worker_sessions.get_mut(&worker_session) {
            found.host = Some(host);
        }
    }

    pub(super) fn end(&mut self, worker_session: WorkerSessionId) -> Option<WorkerSession> {
        self.worker_sessions.remove(&worker_session)
    }

    /// The last that ever began; 0 before the first.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn of_parts(last: u64, parts: impl IntoIterator<Item = WorkerSessionParts>) -> Self {
        let mut worker_sessions = BTreeMap::new();
        for parts in parts {
            let mut connections = ConnectionMap::default();
            for (serial, connection) in parts.connections {
                connections.get_or_insert_with(serial, || Connection::of_parts(connection));
            }
            let worker_session = WorkerSession {
                secret: parts.secret,
                pid: parts.pid,
                host: None,
                connections,
            };
            worker_sessions.insert(parts.id, worker_session);
        }
        Self {
            last,
            worker_sessions,
        }
    }

    pub(super) fn get(&self, worker_session: WorkerSessionId) -> Option<&WorkerSession> {
        self.worker_sessions.get(&worker_session)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (WorkerSessionId, &WorkerSession)> {
        self.worker_sessions
            .iter()
            .map(|(id, worker_session)| (*id, worker_session))
    }

    pub(super) fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.worker_sessions
            .get(&id.worker_session)?
            .connections
            .get(id.serial)
    }

    pub(super) fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.worker_sessions
            .get_mut(&id.worker_session)?
            .connections
            .get_mut(id.serial)
    }

    /// The connection, made if it is not there; `None` if its worker session has ended.
    pub(super) fn connection_or_new(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let worker_session = self.worker_sessions.get_mut(&id.worker_session)?;
        let new = Connection::default;
        Some(
            worker_session
                .connections
                .get_or_insert_with(id.serial, new),
        )
    }

    pub(super) fn close(&mut self, id: ConnectionId) -> Option<Connection> {
        self.worker_sessions
            .get_mut(&id.worker_session)?
            .connections
            .remove(id.serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_connection_is_small() {
        assert_eq!(size_of::<Connection>(), 32);
    }
}
