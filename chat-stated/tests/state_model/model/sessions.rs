//! Sessions of users. Each has a list of its own of what waits for it: nothing that one reads is gone for another.

use super::*;
use chat_model::UserSession;

/// Most places that go before a batch.
const GIVEN_UP_AT_ONCE: usize = 16;

/// What a session has of an account.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The least number that no other place has.
    pub(crate) id: u8,
    /// None has come yet.
    pub(crate) user_session: Option<UserSession>,
    pub(crate) session: Option<ConnectionId>,
    pub(crate) queue: Vec<Waiting>,
    last_used_ms: Option<u64>,
    /// When the client that is logged in asked for it.
    asked_ms: u64,
}

impl Place {
    pub(super) fn new(id: u8) -> Self {
        Self {
            id,
            user_session: None,
            session: None,
            queue: Vec::new(),
            last_used_ms: None,
            asked_ms: 0,
        }
    }
}

impl Account {
    /// What waits for any of its sessions, each message once. It was received if all sessions have it.
    pub(crate) fn queue(&self) -> Vec<Waiting> {
        let mut waiting: BTreeMap<u64, Waiting> = BTreeMap::new();
        for message in self.places.iter().flat_map(|place| &place.queue) {
            let known = waiting.entry(message.number);
            let known = known.or_insert_with(|| message.clone());
            known.received &= message.received;
        }
        waiting.into_values().collect()
    }

    pub(super) fn retain(&mut self, stays: impl Fn(&Waiting) -> bool) {
        for place in &mut self.places {
            place.queue.retain(&stays);
        }
    }

    pub(super) fn is_online(&self) -> bool {
        self.places.iter().any(|place| place.session.is_some())
    }

    pub(super) fn last_seen_ms(&self) -> Option<u64> {
        self.places
            .iter()
            .filter_map(|place| place.last_used_ms)
            .max()
    }

    fn place_of(&self, session: UserSession) -> Option<usize> {
        self.places
            .iter()
            .position(|place| place.user_session == Some(session))
    }

    pub(super) fn is_connected(&self, session: UserSession) -> bool {
        let place = self.place_of(session);
        session == UserSession::Plain
            && place.is_some_and(|place| self.places[place].session.is_some())
    }

    /// Whether somebody is logged in to a named session who asked for it later.
    pub(super) fn is_overtaken(&self, session: UserSession, asked_ms: u64) -> bool {
        let place = self.place_of(session).map(|place| &self.places[place]);
        let is_named = matches!(session, UserSession::Named(_));
        is_named && place.is_some_and(|place| place.session.is_some() && place.asked_ms > asked_ms)
    }

    /// The place of a session that begins now.
    fn place_for(&mut self, session: UserSession) -> &mut Place {
        let is_first = self.places[0].user_session.is_none();
        let index = match self.place_of(session) {
            Some(index) => index,
            None if is_first => 0,
            None => {
                let is_free = |id: &u8| self.places.iter().all(|place| place.id != *id);
                let id = (0..=255).find(is_free).expect("a free number");
                self.places.push(Place::new(id));
                self.places.len() - 1
            }
        };
        self.places[index].user_session = Some(session);
        &mut self.places[index]
    }

    /// Places that nobody used for long, though others were used since: when, and their numbers.
    fn superseded(&self) -> Vec<(u64, u8)> {
        let youngest_ms = match self.is_online() {
            true => u64::MAX,
            false => self.last_seen_ms().unwrap_or(0),
        };
        let offline = self.places.iter().filter(|place| place.session.is_none());
        let used = offline.filter_map(|place| Some((place.last_used_ms?, place.id)));
        used.filter(|(last_used_ms, _)| *last_used_ms < youngest_ms)
            .collect()
    }
}

impl Model {
    /// Somebody with the right password comes in.
    pub(super) fn begin_session(
        &mut self,
        id: usize,
        (session, asked_ms): (UserSession, u64),
        connection: ConnectionId,
        outcome: &mut Applied,
    ) {
        if session == UserSession::SendOnly {
            if let Some(connection) = self.connection_mut(connection) {
                connection.account = Some(id);
            }
            return;
        }
        let taken_over = self.accounts[id]
            .place_of(session)
            .and_then(|place| self.accounts[id].places[place].session);
        if let Some(replaced) = taken_over {
            self.log_out(replaced);
            if let Some(connection) = self.connection_mut(replaced) {
                connection.was_replaced = true;
            }
            outcome.replaced.push(replaced);
        }
        let place = self.accounts[id].place_for(session);
        place.session = Some(connection);
        place.asked_ms = asked_ms;
        let place = place.id;
        if let Some(connection) = self.connection_mut(connection) {
            (connection.account, connection.place) = (Some(id), Some(place));
        }
    }

    pub(super) fn log_out(&mut self, connection: ConnectionId) {
        let now_ms = self.now_ms;
        let Some(found) = self.connection_mut(connection) else {
            return;
        };
        let (Some(id), Some(place)) = (found.account.take(), found.place.take()) else {
            return;
        };
        let mut places = self.accounts[id].places.iter_mut();
        let place = places.find(|found| found.id == place).expect("its place");
        place.session = None;
        place.last_used_ms = Some(now_ms);
        for message in &mut place.queue {
            message.received = false;
        }
    }

    pub(super) fn cut_off(&mut self, id: usize, outcome: &mut Applied) {
        self.cut_off_but(id, None, outcome);
    }

    /// Ends all sessions of an account but this one.
    pub(super) fn cut_off_but(
        &mut self,
        id: usize,
        kept: Option<ConnectionId>,
        outcome: &mut Applied,
    ) {
        let places = self.accounts[id].places.iter();
        let mut sessions: Vec<ConnectionId> = places.filter_map(|place| place.session).collect();
        sessions.extend(self.connections().into_iter().filter(|connection| {
            let found = self.connection(*connection);
            found.is_some_and(|found| found.account == Some(id) && found.place.is_none())
        }));
        for session in sessions {
            if Some(session) == kept {
                continue;
            }
            self.log_out(session);
            outcome.cut_off.push(session);
        }
    }

    pub(super) fn progress(&mut self, connection: ConnectionId, progress: &Progress) {
        let Some(connection) = self.connection(connection) else {
            return;
        };
        let (Some(id), Some(place)) = (connection.account, connection.place) else {
            return;
        };
        let mut places = self.accounts[id].places.iter_mut();
        let place = places.find(|found| found.id == place).expect("its place");
        place
            .queue
            .retain(|message| message.number > progress.confirmed.0);
        for message in &mut place.queue {
            message.received |= message.number <= progress.acknowledged.0;
        }
    }

    pub(super) fn drop_session(&mut self, id: usize, session: UserSession) -> Outcome<'static> {
        let account = &mut self.accounts[id];
        match account.place_of(session) {
            None => Outcome::NotFound,
            Some(place) if account.places[place].session.is_some() => Outcome::Denied,
            Some(_) if account.places.len() == 1 => Outcome::Denied,
            Some(place) => {
                account.places.remove(place);
                Outcome::SessionDropped
            }
        }
    }

    pub(super) fn give_up_places(&mut self) {
        let unused_ms = self.session_limits.unused_ms;
        let mut unused: Vec<(u64, usize, u8)> = Vec::new();
        for (id, account) in self.accounts.iter().enumerate() {
            let places = account.superseded().into_iter();
            unused.extend(places.map(|(last_used_ms, place)| (last_used_ms, id, place)));
        }
        unused.retain(|(last_used_ms, ..)| {
            last_used_ms
                .checked_add(unused_ms)
                .is_some_and(|until_ms| until_ms <= self.now_ms)
        });
        unused.sort_unstable();
        for (_, id, place) in unused.into_iter().take(GIVEN_UP_AT_ONCE) {
            self.accounts[id].places.retain(|found| found.id != place);
        }
    }
}
