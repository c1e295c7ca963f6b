//! The places of an account in its queue. A session reads from its place on; a message leaves the queue when every
//! place is behind it.

use chat_model::{
    AccountId, ConnectionId, ConnectionSerial, MAX_NAMED_SESSIONS, MessageNumber, SessionName,
    UserSession, WorkerSessionId,
};

use super::clock::StateMs;

/// Names a place among those of its account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceId(pub(crate) u8);

impl PlaceId {
    /// Its number; no other place of the account has it.
    pub fn number(self) -> u8 {
        self.0
    }
}

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

/// A session: who is logged in on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub account: AccountId,
    /// Where it reads; nothing, if it only sends.
    pub place: Option<PlaceId>,
}

impl Session {
    /// Who reads, if anybody.
    pub fn reader(&self) -> Option<Reader> {
        let account = self.account;
        self.place.map(|place| Reader { account, place })
    }
}

impl From<Reader> for Session {
    fn from(reader: Reader) -> Self {
        Self {
            account: reader.account,
            place: Some(reader.place),
        }
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
    /// The name of its session; nothing for the plain one, and before its first session.
    name: Option<Box<SessionName>>,
    /// The last message its reader surely has, or that was there before the place.
    cursor: MessageNumber,
    /// The last message its reader's TCP has acknowledged, while it is logged in; not before the cursor.
    received: MessageNumber,
    /// [`NOWHERE`] while it is not online.
    session: ConnectionId,
    /// When its last session ended; 0 before it was used. While a named session is logged in: when its client asked.
    last_used: StateMs,
}

/// A place as a checkpoint has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlaceParts {
    pub(crate) id: PlaceId,
    pub(crate) name: Option<SessionName>,
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
            name: None,
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

    /// Which session of the account reads here; nothing before the first one has come.
    pub fn user_session(&self) -> Option<UserSession> {
        let is_taken = self.is_online || self.was_used;
        is_taken.then_some(match &self.name {
            Some(name) => UserSession::Named(**name),
            None => UserSession::Plain,
        })
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

    /// Whether the client of a named session that is logged in asked for it after this.
    pub(super) fn is_newer_than(&self, asked_at: StateMs) -> bool {
        self.is_online && self.name.is_some() && self.was_used && self.last_used > asked_at
    }

    fn log_in(&mut self, name: Option<SessionName>, session: ConnectionId) {
        self.name = name.map(Box::new);
        self.is_online = true;
        self.session = session;
    }

    /// The client of its session asked for it then.
    fn asked_for_at(&mut self, time: StateMs) {
        if self.name.is_some() {
            self.was_used = true;
            self.last_used = time;
        }
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
            id: self.id,
            name: self.name.as_deref().copied(),
            cursor: self.cursor,
            received: self.received,
            session: self.session(),
            last_used: self.last_used(),
        }
    }

    fn of_parts(parts: PlaceParts) -> Self {
        let mut place = Self::new(parts.id, parts.cursor);
        place.name = parts.name.map(Box::new);
        place.received = parts.received;
        place.was_used = parts.last_used.is_some();
        place.last_used = parts.last_used.unwrap_or_default();
        if let Some(session) = parts.session {
            place.log_in(parts.name, session);
        }
        place
    }
}

/// The places of an account: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    first: Place,
    /// The others, in the order in which they were made; never empty.
    #[expect(
        clippy::box_collection,
        reason = "most have none, and 16 bytes each count"
    )]
    others: Option<Box<Vec<Place>>>,
}

/// Where a session may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// At a place that is there.
    At(PlaceId),
    /// At a new one.
    New,
    /// Nowhere: there may be no more named sessions.
    TooMany,
}

impl Places {
    /// The place that an account is made with: nothing up to this message is for it.
    pub(super) fn beginning_after(newest: MessageNumber) -> Self {
        Self {
            first: Place::new(PlaceId::default(), newest),
            others: None,
        }
    }

    /// One place, as a checkpoint has it.
    pub(crate) fn of_one(parts: PlaceParts) -> Self {
        Self {
            first: Place::of_parts(parts),
            others: None,
        }
    }

    /// Places as a checkpoint has them. Nothing, if there are none, or two of the same name.
    pub(crate) fn of_parts(parts: Vec<PlaceParts>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut places = Self::of_one(parts.next()?);
        for parts in parts {
            let place = Place::of_parts(parts);
            let session = place.user_session();
            if places.get(place.id).is_some() || session.is_none_or(|it| places.has(&it)) {
                return None;
            }
            places.push(place);
        }
        Some(places)
    }

    /// All of them, for a checkpoint.
    pub(crate) fn parts(&self) -> impl ExactSizeIterator<Item = PlaceParts> {
        let parts: Vec<PlaceParts> = self.iter().map(Place::parts).collect();
        parts.into_iter()
    }

    /// The place that was made first, for a checkpoint.
    pub(crate) fn first(&self) -> PlaceParts {
        self.first.parts()
    }

    /// Whether there is no other place than the one that accounts had before there were sessions.
    pub(crate) fn are_as_before_sessions(&self) -> bool {
        let is_plain = self.first.name.is_none() && self.first.id == PlaceId::default();
        is_plain && self.others.is_none()
    }

    /// All of them, in the order in which they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Place> {
        let others = self.others.iter().flat_map(|others| others.iter());
        std::iter::once(&self.first).chain(others)
    }

    /// A place that has not been given up.
    pub fn get(&self, id: PlaceId) -> Option<&Place> {
        self.iter().find(|place| place.id == id)
    }

    pub(super) fn get_mut(&mut self, id: PlaceId) -> Option<&mut Place> {
        if self.first.id == id {
            return Some(&mut self.first);
        }
        let others = self.others.as_mut()?;
        others.iter_mut().find(|place| place.id == id)
    }

    /// Whether nobody may log in to this session, because somebody is.
    pub(super) fn is_connected(&self, session: &UserSession) -> bool {
        let place = self.of_session(session);
        *session == UserSession::Plain && place.is_some_and(|place| place.is_online)
    }

    /// The place of a session, if it was ever logged in, and its place has not been given up.
    pub(super) fn of_session(&self, session: &UserSession) -> Option<&Place> {
        let is_of = |place: &&Place| place.user_session().as_ref() == Some(session);
        self.iter().find(is_of)
    }

    fn has(&self, session: &UserSession) -> bool {
        self.of_session(session).is_some()
    }

    /// Where a session reads that is about to begin. The first one takes the place that the account is made with.
    pub(super) fn placement(&self, session: &UserSession) -> Placement {
        if let Some(place) = self.of_session(session) {
            return Placement::At(place.id);
        }
        if self.first.user_session().is_none() {
            return Placement::At(self.first.id);
        }
        let named = self.iter().filter(|place| place.name.is_some()).count();
        match session {
            UserSession::Named(_) if named >= MAX_NAMED_SESSIONS => Placement::TooMany,
            _ => Placement::New,
        }
    }

    /// A new place: nothing up to this message is for it.
    pub(super) fn add(&mut self, newest: MessageNumber) -> PlaceId {
        let is_free = |id: &PlaceId| self.get(*id).is_none();
        let free = (0..=u8::MAX).map(PlaceId).find(is_free);
        let id = free.expect("there are fewer places than numbers for them");
        self.push(Place::new(id, newest));
        id
    }

    fn push(&mut self, place: Place) {
        self.others.get_or_insert_default().push(place);
    }

    /// A session begins at a place.
    pub(super) fn log_in(
        &mut self,
        id: PlaceId,
        session: &UserSession,
        connection: ConnectionId,
        asked_at: StateMs,
    ) {
        let name = match session {
            UserSession::Named(name) => Some(*name),
            UserSession::Plain | UserSession::SendOnly => None,
        };
        if let Some(place) = self.get_mut(id) {
            place.log_in(name, connection);
            place.asked_for_at(asked_at);
        }
    }

    /// Gives a place up, unless it is the last.
    pub(super) fn remove(&mut self, id: PlaceId) {
        let Some(others) = &mut self.others else {
            return;
        };
        match others.iter().position(|place| place.id == id) {
            Some(index) => drop(others.remove(index)),
            None if self.first.id == id => self.first = others.remove(0),
            None => {}
        }
        if others.is_empty() {
            self.others = None;
        }
    }

    /// The last message that no place waits for, nor for any before it.
    pub(crate) fn cursor(&self) -> MessageNumber {
        self.least(|place| place.cursor)
    }

    /// The last message that the TCP of every place's reader has acknowledged.
    pub(super) fn received(&self) -> MessageNumber {
        self.least(|place| place.received)
    }

    fn least(&self, number: impl Fn(&Place) -> MessageNumber) -> MessageNumber {
        let first = number(&self.first);
        let others = self.others.iter().flat_map(|others| others.iter());
        others.map(number).fold(first, MessageNumber::min)
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

    /// Places without a session for which there is a younger one, and when they were used last.
    pub(super) fn superseded(&self) -> impl Iterator<Item = (StateMs, PlaceId)> {
        let has_others = self.others.is_some();
        let is_online = has_others && self.is_online();
        let youngest = self.last_used();
        let offline = self
            .iter()
            .filter(move |place| has_others && !place.is_online);
        let used = offline.filter_map(|place| Some((place.last_used()?, place.id)));
        used.filter(move |(last_used, _)| is_online || Some(*last_used) < youngest)
    }
}
