//! Records of checkpoints. Format 2 added pages of messages that were read while the checkpoint was taken, format 3
//! [`Readers::AsBefore`] and the record of [`super::WaitingLimits`].

use std::sync::Arc;

use chat_model::{
    AccountId, ConnectionSerial, MessageNumber, NameList, Outcome, StreamOffset, WorkerSessionId,
};
use serde::Deserialize;
#[cfg(test)]
use serde::Serialize;

use super::{Address, Connection, Limits, Timestamp};
use crate::records::encoding::decode;
use crate::state::parts::{self, FailureRecord, StateMs};

/// Everything that is small and changes all the time.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
pub(crate) struct Header {
    limits: Limits,
    clock: Clock,
    failures: Vec<(Source, Failure, u64)>,
    worker_sessions: WorkerSessions,
    last_message: u64,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
struct Clock {
    last: Option<Timestamp>,
    now: u64,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
struct Source {
    account: u32,
    address: Address,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
enum Failure {
    Failed(Vec<u64>),
    BlockedUntil(u64),
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
struct WorkerSessions {
    last: u64,
    worker_sessions: Vec<(u64, WorkerSession)>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
struct WorkerSession {
    secret: [u8; 16],
    pid: u32,
    connections: Vec<(u64, ClientConnection)>,
}

/// `earlier` holds all decisions that are kept but the one about the last request, if that is plain.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
struct ClientConnection {
    last_decided: u64,
    answered: u64,
    earlier: Option<Vec<(u64, KeptDecision)>>,
    /// The highest number stands for nobody.
    account: u32,
    last: Option<PlainDecision>,
}

const MS_PER_SECOND: i64 = 1_000;

const NOBODY: u32 = u32::MAX;

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
enum KeptDecision {
    Plain(PlainDecision),
    Other(Decision),
}

#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
enum PlainDecision {
    Password,
    Username,
    Connected,
    Registered,
    Welcome,
    SentToAll,
    LoggedOut,
    Quota,
    Refused,
    Full,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
enum Decision {
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

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
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

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
enum FileStatus<'a> {
    Yes,
    No { previous: Option<&'a str> },
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
struct UsedAllowance {
    left: u64,
    at: u64,
}

/// What of a message is loaded at the start in any case.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
pub(super) struct Message {
    number: u64,
    sender: u32,
    wall_s: i64,
    text_bytes: u32,
    readers: Readers,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
enum Readers {
    One(u32),
    Some(Vec<u32>),
    /// Every account there was, but the sender.
    AllButSender,
    /// The last list of readers before, on the same page.
    AsBefore,
}

impl From<Header> for parts::Header {
    fn from(header: Header) -> Self {
        let worker_sessions = header.worker_sessions.worker_sessions.into_iter();
        let worker_sessions = worker_sessions.map(|(id, record)| parts::WorkerSessionParts {
            id: WorkerSessionId(id),
            secret: record.secret,
            pid: record.pid,
            connections: record
                .connections
                .into_iter()
                .map(|(serial, connection)| (ConnectionSerial(serial), connection.into()))
                .collect(),
        });
        Self {
            limits: header.limits.into(),
            clock: parts::Clock {
                last: header.clock.last.map(Into::into),
                now: StateMs(header.clock.now),
                hosts: Default::default(),
            },
            failures: header.failures.into_iter().map(read_failure).collect(),
            last_worker_session: header.worker_sessions.last,
            worker_sessions: worker_sessions.collect(),
            last_message: parts::LastMessage {
                number: MessageNumber(header.last_message),
                time_ms: 0,
            },
        }
    }
}

fn read_failure((source, failure, expiry): (Source, Failure, u64)) -> parts::KeptFailure {
    parts::KeptFailure {
        source: parts::Source {
            account: AccountId(source.account),
            address: source.address.into(),
        },
        record: match failure {
            Failure::Failed(times) => {
                FailureRecord::Failed(times.into_iter().map(StateMs).collect())
            }
            Failure::BlockedUntil(time) => FailureRecord::BlockedUntil(StateMs(time)),
        },
        expiry: StateMs(expiry),
    }
}

impl From<ClientConnection> for parts::ConnectionParts {
    fn from(connection: ClientConnection) -> Self {
        let earlier = connection.earlier.into_iter().flatten();
        let earlier = earlier.map(|(offset, decision)| {
            let decision = match decision {
                KeptDecision::Plain(plain) => plain.into(),
                KeptDecision::Other(decision) => decision.into(),
            };
            (StreamOffset(offset), decision)
        });
        let last = connection.last.map(|plain| {
            let offset = StreamOffset(connection.last_decided);
            (offset, plain.into())
        });
        Self {
            last_decided: StreamOffset(connection.last_decided),
            answered: StreamOffset(connection.answered),
            outcomes: earlier.chain(last).collect(),
            session: (connection.account != NOBODY)
                .then_some(parts::Reader::first(AccountId(connection.account)).into()),
            was_replaced: false,
        }
    }
}

impl From<PlainDecision> for Outcome<'static> {
    fn from(plain: PlainDecision) -> Self {
        match plain {
            PlainDecision::Password => Self::PasswordNeeded,
            PlainDecision::Username => Self::NameUnavailable,
            PlainDecision::Connected => Self::AlreadyLoggedIn,
            PlainDecision::Registered => Self::Registered,
            PlainDecision::Welcome => Self::LoggedIn,
            PlainDecision::SentToAll => Self::Stored {
                unknown: NameList::new(),
            },
            PlainDecision::LoggedOut => Self::LoggedOut,
            PlainDecision::Quota => Self::QueueFull,
            PlainDecision::Refused => Self::Refused,
            PlainDecision::Full => Self::DiskFull,
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
            broadcasts: parts::Allowance(account.broadcasts.map(|used| parts::UsedAllowance {
                left: used.left,
                at: StateMs(used.at),
            })),
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

/// The messages of a page; nothing if it cannot be read.
pub(crate) fn decode_page(bytes: &[u8]) -> Option<Vec<parts::MessageParts>> {
    let page: Vec<Message> = decode(bytes)?;
    let mut last_group = None;
    let messages = page.into_iter().map(|message| {
        let readers = match message.readers {
            Readers::One(reader) => parts::Readers::One(AccountId(reader)),
            Readers::AllButSender => parts::Readers::AllButSender,
            Readers::AsBefore => parts::Readers::Some(last_group.clone()?),
            Readers::Some(group) => {
                let group: parts::Group = group.into_iter().map(AccountId).collect();
                last_group = Some(group.clone());
                parts::Readers::Some(group)
            }
        };
        Some(parts::MessageParts::of_any_format(
            MessageNumber(message.number),
            AccountId(message.sender),
            message.wall_s.saturating_mul(MS_PER_SECOND),
            message.text_bytes,
            readers,
        ))
    });
    messages.collect()
}
