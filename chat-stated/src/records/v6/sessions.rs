//! Sessions of users: accounts with their places, and clients' connections.

use chat_model::{
    AccountId, ConnectionSerial, MessageNumber, Outcome, SessionName, StreamOffset, UserSession,
};
use serde::{Deserialize, Serialize};

use crate::entry as memory;
use crate::records::encoding::{decode_first, encode_behind};
use crate::records::v4::state::{Decision, decode_header_with, encode_header_with};
use crate::records::{v4::Connection, v5};
use crate::state::State;
use crate::state::parts::{self, PlaceId, StateMs};

/// A session of an account.
#[derive(Serialize, Deserialize)]
pub(crate) enum Session<'a> {
    Plain,
    Named(&'a str),
    SendOnly,
}

/// An account with its places. What format 5 has of a place is that of the first one.
#[derive(Serialize, Deserialize)]
pub(crate) struct Account<'a> {
    #[serde(borrow)]
    account: v5::Account<'a>,
    #[serde(borrow)]
    places: Vec<Place<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Place<'a> {
    id: u8,
    name: Option<&'a str>,
    last_used: Option<u64>,
    cursor: u64,
    received: u64,
    session: Option<Connection>,
}

/// When places of sessions are given up.
#[derive(Serialize, Deserialize)]
pub(crate) struct SessionLimits {
    unused_ms: u64,
}

/// A client's connection.
#[derive(Serialize, Deserialize)]
struct ClientConnection {
    serial: u64,
    last_decided: u64,
    answered: u64,
    outcomes: Vec<(u64, KeptOutcome)>,
    /// Who is logged in, and the number of the place; no number for a session that only sends.
    session: Option<(u32, Option<u8>)>,
    was_replaced: bool,
}

#[derive(Serialize, Deserialize)]
enum KeptOutcome {
    OfFormat4(Decision),
    SessionDropped,
    NotFound,
    Denied,
    Done,
}

/// Whether a header needs this format.
pub(crate) fn is_needed_for(state: &State) -> bool {
    let worker_sessions = state.worker_sessions().map(|(_, found)| found);
    let mut connections = worker_sessions.flat_map(|found| found.connection_parts());
    connections.any(|(_, connection)| {
        let place = connection.session.map(|session| session.place);
        let outcomes = connection.outcomes.iter();
        let mut outcomes = outcomes.map(|(_, outcome)| KeptOutcome::of(outcome));
        connection.was_replaced
            || place.is_some_and(|place| place != Some(PlaceId::default()))
            || outcomes.any(|outcome| !matches!(outcome, KeptOutcome::OfFormat4(_)))
    })
}

pub(crate) fn encode_header(bytes: &mut Vec<u8>, state: &State) {
    encode_header_with(bytes, state, |bytes, serial, connection| {
        encode_behind(bytes, &ClientConnection::of(serial, connection));
    });
}

pub(crate) fn decode_header(bytes: &[u8]) -> Option<parts::Header> {
    decode_header_with(bytes, |rest| {
        Some(decode_first::<ClientConnection>(rest)?.read())
    })
}

impl ClientConnection {
    fn of(serial: ConnectionSerial, connection: parts::ConnectionParts) -> Self {
        let outcomes = connection.outcomes.iter();
        let outcomes = outcomes.map(|(offset, outcome)| (offset.0, KeptOutcome::of(outcome)));
        Self {
            serial: serial.0,
            last_decided: connection.last_decided.0,
            answered: connection.answered.0,
            outcomes: outcomes.collect(),
            session: connection
                .session
                .map(|session| (session.account.0, session.place.map(|place| place.0))),
            was_replaced: connection.was_replaced,
        }
    }

    fn read(self) -> (ConnectionSerial, parts::ConnectionParts) {
        let outcomes = self.outcomes.into_iter();
        let outcomes = outcomes.map(|(offset, outcome)| (StreamOffset(offset), outcome.read()));
        let connection = parts::ConnectionParts {
            last_decided: StreamOffset(self.last_decided),
            answered: StreamOffset(self.answered),
            outcomes: outcomes.collect(),
            session: self.session.map(|(account, place)| parts::Session {
                account: AccountId(account),
                place: place.map(PlaceId),
            }),
            was_replaced: self.was_replaced,
        };
        (ConnectionSerial(self.serial), connection)
    }
}

impl KeptOutcome {
    fn of(outcome: &Outcome<'_>) -> Self {
        match outcome {
            Outcome::SessionDropped => Self::SessionDropped,
            Outcome::NotFound => Self::NotFound,
            Outcome::Denied => Self::Denied,
            Outcome::Done => Self::Done,
            other => Self::OfFormat4(other.clone().into()),
        }
    }

    fn read(self) -> Outcome<'static> {
        match self {
            Self::OfFormat4(decision) => decision.into(),
            Self::SessionDropped => Outcome::SessionDropped,
            Self::NotFound => Outcome::NotFound,
            Self::Denied => Outcome::Denied,
            Self::Done => Outcome::Done,
        }
    }
}

/// Writes an account down.
pub(crate) fn encode_account(bytes: &mut Vec<u8>, account: &parts::AccountRecord) {
    let parts: Vec<parts::PlaceParts> = account.places.parts().collect();
    let places = parts.iter().map(|place| Place {
        id: place.id.0,
        name: place.name.as_ref().map(SessionName::as_str),
        last_used: place.last_used.map(|time| time.0),
        cursor: place.cursor.0,
        received: place.received.0,
        session: place.session.map(Into::into),
    });
    let record = Account {
        account: account.into(),
        places: places.collect(),
    };
    encode_behind(bytes, &record);
}

impl Account<'_> {
    /// The account; nothing if its places are none.
    pub(crate) fn read(self) -> Option<parts::AccountRecord> {
        let places = self.places.into_iter().map(|place| {
            let name = match place.name {
                Some(name) => Some(SessionName::parse(name)?),
                None => None,
            };
            Some(parts::PlaceParts {
                id: PlaceId(place.id),
                name,
                last_used: place.last_used.map(StateMs),
                cursor: MessageNumber(place.cursor),
                received: MessageNumber(place.received),
                session: place.session.map(Into::into),
            })
        });
        let places: Option<Vec<_>> = places.collect();
        Some(parts::AccountRecord {
            places: parts::Places::of_parts(places?)?,
            ..self.account.into()
        })
    }
}

impl<'a> From<&'a UserSession> for Session<'a> {
    fn from(session: &'a UserSession) -> Self {
        match session {
            UserSession::Plain => Self::Plain,
            UserSession::Named(name) => Self::Named(name.as_str()),
            UserSession::SendOnly => Self::SendOnly,
        }
    }
}

impl Session<'_> {
    pub(crate) fn read(self) -> Option<UserSession> {
        Some(match self {
            Self::Plain => UserSession::Plain,
            Self::Named(name) => UserSession::Named(SessionName::parse(name)?),
            Self::SendOnly => UserSession::SendOnly,
        })
    }
}

impl From<memory::SessionLimits> for SessionLimits {
    fn from(limits: memory::SessionLimits) -> Self {
        Self {
            unused_ms: limits.unused_ms,
        }
    }
}

impl From<SessionLimits> for memory::SessionLimits {
    fn from(limits: SessionLimits) -> Self {
        Self {
            unused_ms: limits.unused_ms,
        }
    }
}
