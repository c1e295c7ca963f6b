//! The sessions of the accounts: which of them surely have a place.

use std::collections::BTreeSet;

use chat_model::{SessionName, UserSession};

use super::{Oracle, Seat, UNUSED_MS, User};
use crate::worker::TcpId;

/// So long after somebody may have given a session up, its place may be a new one.
const MAY_BE_NEW_MS: u64 = 120_000;

/// A session of an account.
#[derive(Debug)]
pub(super) struct SeatState {
    pub(super) user: User,
    pub(super) session: UserSession,
    /// It surely has a place.
    pub(super) has_place: bool,
    /// How often it surely lost its place.
    pub(super) lost: u32,
    /// Until then its place may be a new one.
    may_be_new_until_ms: u64,
    logged_in: BTreeSet<TcpId>,
    /// Another session may have taken the first place of the account before it.
    never_logged_in: bool,
    /// Since when nobody is logged in.
    away_since_ms: Option<u64>,
}

impl SeatState {
    pub(super) fn new(user: User, session: UserSession) -> Self {
        Self {
            user,
            session,
            has_place: session == UserSession::Plain,
            lost: 0,
            may_be_new_until_ms: 0,
            logged_in: BTreeSet::new(),
            never_logged_in: true,
            away_since_ms: Some(0),
        }
    }

    /// The host was booted: nobody is logged in, and nobody knows for how long.
    pub(super) fn host_was_booted(&mut self) {
        self.logged_in.clear();
        self.away_since_ms = Some(0);
    }

    pub(super) fn may_lose_place(&self, now_ms: u64) -> bool {
        let is_away = |since_ms: u64| now_ms >= since_ms + UNUSED_MS / 2;
        self.never_logged_in
            || now_ms < self.may_be_new_until_ms
            || self.away_since_ms.is_some_and(is_away)
    }
}

impl Oracle {
    /// A client was told that it is logged in.
    pub(crate) fn logged_in(&mut self, tcp: TcpId, now_ms: u64) {
        self.logins.is_heard(tcp, now_ms);
        let Some(connection) = self.connections.get(&tcp) else {
            return;
        };
        let seat = &mut self.seats[connection.seat];
        if seat.may_lose_place(now_ms) {
            seat.may_be_new_until_ms = seat.may_be_new_until_ms.max(now_ms + MAY_BE_NEW_MS);
        }
        seat.never_logged_in = false;
        seat.has_place = seat.session != UserSession::SendOnly;
        seat.away_since_ms = None;
        seat.logged_in.insert(tcp);
    }

    /// Somebody asks for a session to be given up.
    pub(crate) fn may_be_dropped(&mut self, user: User, name: &str, now_ms: u64) {
        let session = SessionName::parse(name).map(UserSession::Named);
        let mut seats = self.seats.iter_mut();
        if let Some(seat) = seats.find(|it| it.user == user && Some(it.session) == session) {
            seat.may_be_new_until_ms = now_ms + MAY_BE_NEW_MS;
        }
    }

    pub(super) fn nobody_is_logged_in(&mut self, tcp: TcpId, now_ms: u64) {
        if let Some(connection) = self.connections.get(&tcp) {
            let seat = &mut self.seats[connection.seat];
            if seat.logged_in.remove(&tcp) && seat.logged_in.is_empty() {
                seat.away_since_ms = Some(now_ms);
            }
        }
    }

    pub(super) fn name_of(&self, seat: Seat) -> String {
        let SeatState { user, session, .. } = &self.seats[seat];
        session.full_name(&self.names[*user])
    }

    /// A session has no place: it never had one, or lost it as it may.
    pub(super) fn place_is_gone(&mut self, number: Seat, now_ms: u64) -> Result<(), String> {
        let name = self.name_of(number);
        let seat = &mut self.seats[number];
        if !seat.has_place {
            return Ok(());
        }
        if !seat.may_lose_place(now_ms) {
            return Err(format!("{name} lost its place, though it was used"));
        }
        seat.has_place = false;
        seat.lost += 1;
        self.places_lost += 1;
        self.must_wait.remove(&number);
        Ok(())
    }
}
