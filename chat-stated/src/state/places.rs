//! The places of an account in its queue. A session reads from its place on; a message leaves the queue when every
//! place is behind it.

use chat_model::{AccountId, ConnectionId, ConnectionSerial, MessageNumber, WorkerSessionId};

use super::clock::StateMs;

/// Names a place among those of its account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceId(pub(crate) u8);

/// Who reads: a place of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reader {
    /// Whose queue.
    pub account: AccountId,
    /// From which place on.
    pub place: PlaceId,
}

impl Reader {
    /// The place that an account is made with.
    pub fn first(account: AccountId) -> Self {
        let place = PlaceId::default();
        Self { account, place }
    }
}

/// No connection: worker sessions are counted from 1.
const NOWHERE: ConnectionId = ConnectionId {
    worker_session: WorkerSessionId(0),
    serial: ConnectionSerial(0),
};

/// What one session has in the queue of its user. There are as many in memory as accounts, at least: it is kept small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    id: PlaceId,
    is_online: bool,
    was_used: bool,
    /// The last message its reader surely has, or that was there before the place.
    cursor: MessageNumber,
    /// The last message its reader's TCP has acknowledged, while it is logged in; not before the cursor.
    received: MessageNumber,
    /// [`NOWHERE`] while it is not online.
    session: ConnectionId,
    /// When its last session ended; 0 before it was used.
    last_used: StateMs,
}

/// A place as a checkpoint has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlaceParts {
    pub(crate) cursor: MessageNumber,
    pub(crate) received: MessageNumber,
    pub(crate) session: Option<ConnectionId>,
    pub(crate) last_used: Option<StateMs>,
}

impl Place {
    fn new(id: PlaceId, cursor: MessageNumber) -> Self {
        Self {
            id,
            is_online: false,
            was_used: false,
            cursor,
            received: cursor,
            session: NOWHERE,
            last_used: StateMs::default(),
        }
    }

    /// Its name among the places of the account.
    pub fn id(&self) -> PlaceId {
        self.id
    }

    /// The last message its reader surely has, or that was there before the place.
    pub fn cursor(&self) -> MessageNumber {
        self.cursor
    }

    /// The last message its reader's TCP has acknowledged, while it is logged in.
    pub(super) fn received(&self) -> MessageNumber {
        self.received
    }

    /// The connection that its session is logged in on.
    pub fn session(&self) -> Option<ConnectionId> {
        self.is_online.then_some(self.session)
    }

    /// When its last session ended.
    pub(super) fn last_used(&self) -> Option<StateMs> {
        self.was_used.then_some(self.last_used)
    }

    pub(super) fn log_in(&mut self, session: ConnectionId) {
        self.is_online = true;
        self.session = session;
    }

    /// What its reader's TCP has acknowledged means nothing any more.
    pub(super) fn log_out(&mut self, now: StateMs) {
        self.is_online = false;
        self.session = NOWHERE;
        self.was_used = true;
        self.last_used = now;
        self.received = self.cursor;
    }

    /// Its reader's TCP has acknowledged so much, and its reader surely has so much.
    pub(super) fn progress(&mut self, received: MessageNumber, had: MessageNumber) {
        self.received = self.received.max(received);
        self.cursor = self.cursor.max(had);
    }

    fn parts(&self) -> PlaceParts {
        PlaceParts {
            cursor: self.cursor,
            received: self.received,
            session: self.session(),
            last_used: self.last_used(),
        }
    }

    fn of_parts(id: PlaceId, parts: PlaceParts) -> Self {
        let mut place = Self::new(id, parts.cursor);
        place.received = parts.received;
        place.was_used = parts.last_used.is_some();
        place.last_used = parts.last_used.unwrap_or_default();
        if let Some(session) = parts.session {
            place.log_in(session);
        }
        place
    }
}

/// The places of an account: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    first: Place,
}

impl Places {
    /// The place that an account is made with: nothing up to this message is for it.
    pub(super) fn beginning_after(newest: MessageNumber) -> Self {
        Self {
            first: Place::new(PlaceId::default(), newest),
        }
    }

    /// One place, as a checkpoint has it.
    pub(crate) fn of_one(parts: PlaceParts) -> Self {
        Self {
            first: Place::of_parts(PlaceId::default(), parts),
        }
    }

    /// The only place, as a checkpoint has it.
    pub(crate) fn only(&self) -> PlaceParts {
        self.first.parts()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Place> {
        std::iter::once(&self.first)
    }

    /// A place that has not been given up.
    pub fn get(&self, id: PlaceId) -> Option<&Place> {
        self.iter().find(|place| place.id == id)
    }

    pub(super) fn get_mut(&mut self, id: PlaceId) -> Option<&mut Place> {
        (self.first.id == id).then_some(&mut self.first)
    }

    /// The last message that no place waits for, nor for any before it.
    pub(crate) fn cursor(&self) -> MessageNumber {
        self.first.cursor
    }

    /// The last message that the TCP of every place's reader has acknowledged.
    pub(super) fn received(&self) -> MessageNumber {
        self.first.received
    }

    /// The connections that somebody is logged in on.
    pub fn sessions(&self) -> impl Iterator<Item = ConnectionId> {
        self.iter().filter_map(Place::session)
    }

    /// Whether somebody is logged in.
    pub fn is_online(&self) -> bool {
        self.sessions().next().is_some()
    }

    /// When a session ended last.
    pub(super) fn last_used(&self) -> Option<StateMs> {
        self.iter().filter_map(Place::last_used).max()
    }
}
