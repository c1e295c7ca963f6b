//! Records of checkpoints.

use std::sync::Arc;

use chat_model::{
    AccountId, ConnectionSerial, MessageNumber, Outcome, StreamOffset, WorkerSessionId,
};
use serde::{Deserialize, Serialize, Serializer};

use super::{Address, Connection, Limits, Timestamp};
use crate::records::encoding::{decode_first, encode_behind};
use crate::state::State;
use crate::state::parts::{self, FailureRecord, StateMs};

/// What a header begins with. Behind it stand the failures and the worker sessions, one by one, as there may be many.
#[derive(Serialize, Deserialize)]
struct Beginning {
    limits: Limits,
    last_timestamp: Option<Timestamp>,
    now: u64,
    last_message: u64,
    last_message_ms: i64,
    failures: u64,
    last_worker_session: u64,
    worker_sessions: u64,
}

#[derive(Serialize, Deserialize)]
struct Failure {
    account: u32,
    address: Address,
    kind: FailureKind,
    expiry: u64,
}

#[derive(Serialize, Deserialize)]
enum FailureKind {
    Failed(Vec<u64>),
    BlockedUntil(u64),
}

/// Its connections stand behind it.
#[derive(Serialize, Deserialize)]
struct WorkerSession {
    id: u64,
    secret: [u8; 16],
    pid: u32,
    connections: u64,
}

#[derive(Serialize, Deserialize)]
struct ClientConnection {
    serial: u64,
    last_decided: u64,
    answered: u64,
    decisions: Vec<(u64, Decision)>,
    account: Option<u32>,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Decision {
    Password,
    Username,
    Connected,
    Registered,
    Welcome,
    Locked { seconds_left: u64 },
    Sent { unknown: Vec<String> },
    LoggedOut,
    Quota,
    Refused,
    Full,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Account<'a> {
    name: &'a str,
    secret: &'a str,
    secret_version: u32,
    password_version: u32,
    #[serde(borrow)]
    file_status: FileStatus<'a>,
    disabled: bool,
    last_seen: Option<u64>,
    cursor: u64,
    received: u64,
    broadcasts: Option<UsedAllowance>,
    session: Option<Connection>,
}

#[derive(Serialize, Deserialize)]
enum FileStatus<'a> {
    Yes,
    No { previous: Option<&'a str> },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct UsedAllowance {
    left: u64,
    at: u64,
}

/// What of a message is loaded at the start in any case.
#[derive(Serialize, Deserialize)]
pub(crate) struct Message<G> {
    number: u64,
    sender: u32,
    time_ms: i64,
    text_bytes: u32,
    readers: Readers<G>,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Readers<G> {
    One(u32),
    Some(G),
    /// Every account there was, but the sender.
    AllButSender,
    /// The last list of readers before, on the same page.
    AsBefore,
}

/// Writes down everything that is small and changes all the time.
pub(crate) fn encode_header(bytes: &mut Vec<u8>, state: &State) {
    encode_header_with(bytes, state, |bytes, serial, connection| {
        encode_behind(bytes, &ClientConnection::of(serial, connection));
    });
}

/// The same with other records of clients' connections.
pub(crate) fn encode_header_with(
    bytes: &mut Vec<u8>,
    state: &State,
    encode: impl Fn(&mut Vec<u8>, ConnectionSerial, parts::ConnectionParts),
) {
    let (clock, last_message) = (state.clock(), state.newest_message());
    let beginning = Beginning {
        limits: (*state.limits()).into(),
        last_timestamp: clock.last.map(Into::into),
        now: clock.now.0,
        last_message: last_message.number.0,
        last_message_ms: last_message.time_ms,
        failures: state.failures().len() as u64,
        last_worker_session: state.last_worker_session(),
        worker_sessions: state.worker_sessions().count() as u64,
    };
    encode_behind(bytes, &beginning);
    for failure in state.failures() {
        encode_behind(bytes, &Failure::from(failure));
    }
    for (id, worker_session) in state.worker_sessions() {
        let record = WorkerSession {
            id: id.0,
            secret: worker_session.secret,
            pid: worker_session.pid,
            connections: worker_session.connection_count() as u64,
        };
        encode_behind(bytes, &record);
        for (serial, connection) in worker_session.connection_parts() {
            encode(bytes, serial, connection);
        }
    }
}

/// A header as it was written; nothing if it cannot be read.
pub(crate) fn decode_header(bytes: &[u8]) -> Option<parts::Header> {
    decode_header_with(bytes, |rest| {
        Some(decode_first::<ClientConnection>(rest)?.read())
    })
}

/// The same with other records of clients' connections.
pub(crate) fn decode_header_with(
    bytes: &[u8],
    decode: impl Fn(&mut &[u8]) -> Option<(ConnectionSerial, parts::ConnectionParts)>,
) -> Option<parts::Header> {
    let mut rest = bytes;
    let beginning: Beginning = decode_first(&mut rest)?;
    let mut failures = Vec::new();
    for _ in 0..beginning.failures {
        failures.push(decode_first::<Failure>(&mut rest)?.into());
    }
    let mut worker_sessions = Vec::new();
    for _ in 0..beginning.worker_sessions {
        let record: WorkerSession = decode_first(&mut rest)?;
        let mut connections = Vec::new();
        for _ in 0..record.connections {
            connections.push(decode(&mut rest)?);
        }
        worker_sessions.push(parts::WorkerSessionParts {
            id: WorkerSessionId(record.id),
            secret: record.secret,
            pid: record.pid,
            connections,
        });
    }
    rest.is_empty().then_some(parts::Header {
        limits: beginning.limits.into(),
        clock: parts::Clock {
            last: beginning.last_timestamp.map(Into::into),
            now: StateMs(beginning.now),
            hosts: Default::default(),
        },
        last_message: parts::LastMessage {
            number: MessageNumber(beginning.last_message),
            time_ms: beginning.last_message_ms,
        },
        failures,
        last_worker_session: beginning.last_worker_session,
        worker_sessions,
    })
}

impl From<parts::UsedAllowance> for UsedAllowance {
    fn from(used: parts::UsedAllowance) -> Self {
        Self {
            left: used.left,
            at: used.at.0,
        }
    }
}

impl From<UsedAllowance> for parts::UsedAllowance {
    fn from(used: UsedAllowance) -> Self {
        Self {
            left: used.left,
            at: StateMs(used.at),
        }
    }
}

impl From<parts::KeptFailure> for Failure {
    fn from(kept: parts::KeptFailure) -> Self {
        Self {
            account: kept.source.account.0,
            address: kept.source.address.into(),
            kind: match kept.record {
                FailureRecord::Failed(times) => {
                    FailureKind::Failed(times.into_iter().map(|time| time.0).collect())
                }
                FailureRecord::BlockedUntil(time) => FailureKind::BlockedUntil(time.0),
            },
            expiry: kept.expiry.0,
        }
    }
}

impl From<Failure> for parts::KeptFailure {
    fn from(failure: Failure) -> Self {
        Self {
            source: parts::Source {
                account: AccountId(failure.account),
                address: failure.address.into(),
            },
            record: match failure.kind {
                FailureKind::Failed(times) => {
                    FailureRecord::Failed(times.into_iter().map(StateMs).collect())
                }
                FailureKind::BlockedUntil(time) => FailureRecord::BlockedUntil(StateMs(time)),
            },
            expiry: StateMs(failure.expiry),
        }
    }
}

impl ClientConnection {
    fn of(serial: ConnectionSerial, connection: parts::ConnectionParts) -> Self {
        let decisions = connection.outcomes.into_iter();
        let decisions = decisions.map(|(offset, decision)| (offset.0, decision.into()));
        Self {
            serial: serial.0,
            last_decided: connection.last_decided.0,
            answered: connection.answered.0,
            decisions: decisions.collect(),
            account: connection.session.map(|session| session.account.0),
        }
    }

    fn read(self) -> (ConnectionSerial, parts::ConnectionParts) {
        let decisions = self.decisions.into_iter();
        let decisions = decisions.map(|(offset, decision)| (StreamOffset(offset), decision.into()));
        let connection = parts::ConnectionParts {
            last_decided: StreamOffset(self.last_decided),
            answered: StreamOffset(self.answered),
            outcomes: decisions.collect(),
            session: self
                .account
                .map(|account| parts::Reader::first(AccountId(account)).into()),
            was_replaced: false,
        };
        (ConnectionSerial(self.serial), connection)
    }
}

impl From<Outcome<'_>> for Decision {
    fn from(outcome: Outcome<'_>) -> Self {
        match outcome {
            Outcome::PasswordNeeded => Self::Password,
            Outcome::NameUnavailable => Self::Username,
            Outcome::AlreadyLoggedIn => Self::Connected,
            Outcome::Registered => Self::Registered,
            Outcome::LoggedIn => Self::Welcome,
            Outcome::Locked { seconds_left } => Self::Locked { seconds_left },
            Outcome::Stored { unknown } => Self::Sent {
                unknown: unknown.iter().map(str::to_owned).collect(),
            },
            Outcome::LoggedOut => Self::LoggedOut,
            Outcome::QueueFull => Self::Quota,
            Outcome::DiskFull => Self::Full,
            // No entry comes to any of the others.
            _ => Self::Refused,
        }
    }
}

impl From<Decision> for Outcome<'static> {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Password => Self::PasswordNeeded,
            Decision::Username => Self::NameUnavailable,
            Decision::Connected => Self::AlreadyLoggedIn,
            Decision::Registered => Self::Registered,
            Decision::Welcome => Self::LoggedIn,
            Decision::Locked { seconds_left } => Self::Locked { seconds_left },
            Decision::Sent { unknown } => Self::Stored {
                unknown: unknown.iter().map(String::as_str).collect(),
            },
            Decision::LoggedOut => Self::LoggedOut,
            Decision::Quota => Self::QueueFull,
            Decision::Refused => Self::Refused,
            Decision::Full => Self::DiskFull,
        }
    }
}

impl<'a> From<&'a parts::AccountRecord> for Account<'a> {
    fn from(account: &'a parts::AccountRecord) -> Self {
        let place = account.places.first();
        Self {
            name: &account.name,
            secret: &account.secret,
            secret_version: account.secret_version,
            password_version: account.password_version,
            file_status: match &account.filed {
                parts::FileStatus::Yes => FileStatus::Yes,
                parts::FileStatus::No { previous } => FileStatus::No {
                    previous: previous.as_deref(),
                },
            },
            disabled: account.disabled,
            last_seen: place.last_used.map(|time| time.0),
            cursor: place.cursor.0,
            received: place.received.0,
            broadcasts: account.broadcasts.0.map(Into::into),
            session: place.session.map(Into::into),
        }
    }
}

impl From<Account<'_>> for parts::AccountRecord {
    fn from(account: Account<'_>) -> Self {
        Self {
            name: account.name.into(),
            secret: account.secret.into(),
            secret_version: account.secret_version,
            password_version: account.password_version,
            filed: match account.file_status {
                FileStatus::Yes => parts::FileStatus::Yes,
                FileStatus::No { previous } => parts::FileStatus::No {
                    previous: previous.map(Arc::from),
                },
            },
            disabled: account.disabled,
            broadcasts_after: parts::BroadcastsAfter::of(Some(MessageNumber(0))),
            broadcasts: parts::Allowance(account.broadcasts.map(Into::into)),
            memberships: parts::Memberships::default(),
            places: parts::Places::of_one(parts::PlaceParts {
                id: parts::PlaceId::default(),
                name: None,
                cursor: MessageNumber(account.cursor),
                received: MessageNumber(account.received),
                session: account.session.map(Into::into),
                last_used: account.last_seen.map(StateMs),
            }),
        }
    }
}

/// Writes a page of messages down.
pub(crate) fn encode_page<'a>(
    bytes: &mut Vec<u8>,
    messages: impl ExactSizeIterator<Item = parts::MessageParts<&'a parts::Readers>>,
) {
    encode_behind(bytes, &(messages.len() as u64));
    let mut page = PageWriter::default();
    for message in messages {
        encode_behind(bytes, &page.record(message));
    }
}

/// What is known of a page that is being written down.
#[derive(Default)]
pub(crate) struct PageWriter<'a> {
    last_group: Option<&'a parts::Group>,
}

impl<'a> PageWriter<'a> {
    /// The next message.
    pub(crate) fn record(
        &mut self,
        message: parts::MessageParts<&'a parts::Readers>,
    ) -> Message<GroupRef<'a>> {
        let readers = match message.readers {
            parts::Readers::One(reader) => Readers::One(reader.0),
            parts::Readers::AllButSender => Readers::AllButSender,
            parts::Readers::Rooms(_) => unreachable!("format 4 cannot express it"),
            parts::Readers::Some(group) if self.last_group == Some(group) => Readers::AsBefore,
            parts::Readers::Some(group) => {
                self.last_group = Some(group);
                Readers::Some(GroupRef(group))
            }
        };
        Message {
            number: message.number.0,
            sender: message.sender.0,
            time_ms: message.time_ms,
            text_bytes: message.text_bytes,
            readers,
        }
    }
}

/// A list of readers, written down from where it is.
pub(crate) struct GroupRef<'a>(&'a parts::Group);

impl Serialize for GroupRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|reader| reader.0))
    }
}

/// The messages of a page; nothing if it cannot be read.
pub(crate) fn decode_page(bytes: &[u8]) -> Option<Vec<parts::MessageParts>> {
    let mut rest = bytes;
    let count: u64 = decode_first(&mut rest)?;
    let (mut page, mut messages) = (PageReader::default(), Vec::new());
    for _ in 0..count {
        messages.push(page.read(decode_first(&mut rest)?)?);
    }
    rest.is_empty().then_some(messages)
}

/// What is known of a page that is being read.
#[derive(Default)]
pub(crate) struct PageReader {
    last_group: Option<parts::Group>,
}

impl PageReader {
    /// The next message; nothing if it refers to a list of readers that is not there.
    pub(crate) fn read(&mut self, message: Message<Vec<u32>>) -> Option<parts::MessageParts> {
        let readers = match message.readers {
            Readers::One(reader) => parts::Readers::One(AccountId(reader)),
            Readers::AllButSender => parts::Readers::AllButSender,
            Readers::AsBefore => parts::Readers::Some(self.last_group.clone()?),
            Readers::Some(group) => {
                let group: parts::Group = group.into_iter().map(AccountId).collect();
                self.last_group = Some(group.clone());
                parts::Readers::Some(group)
            }
        };
        Some(parts::MessageParts::of_any_format(
            MessageNumber(message.number),
            AccountId(message.sender),
            message.time_ms,
            message.text_bytes,
            readers,
        ))
    }
}
