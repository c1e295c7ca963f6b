//! Records of checkpoints. Format 2 added pages of messages that were read while the checkpoint was taken, format 3
//! [`Readers::AsBefore`] and the record of [`super::WaitingLimits`].

use std::borrow::Borrow;
use std::sync::Arc;

use chat_model::{AccountId, ConnectionSerial, MessageNumber, StreamOffset, WorkerSessionId};
use serde::{Deserialize, Serialize, Serializer};

use super::{Address, Connection, Limits, Timestamp};
use crate::records::encoding::{decode, encode_behind};
use crate::state as memory;
use crate::state::parts::{self, FailureRecord, StateMs};

/// Everything that is small and changes all the time.
#[derive(Serialize, Deserialize)]
pub(crate) struct Header {
    limits: Limits,
    clock: Clock,
    failures: Vec<(Source, Failure, u64)>,
    worker_sessions: WorkerSessions,
    last_message: u64,
}

#[derive(Serialize, Deserialize)]
struct Clock {
    last: Option<Timestamp>,
    now: u64,
}

#[derive(Serialize, Deserialize)]
struct Source {
    account: u32,
    address: Address,
}

#[derive(Serialize, Deserialize)]
enum Failure {
    Failed(Vec<u64>),
    BlockedUntil(u64),
}

#[derive(Serialize, Deserialize)]
struct WorkerSessions {
    last: u64,
    worker_sessions: Vec<(u64, WorkerSession)>,
}

#[derive(Serialize, Deserialize)]
struct WorkerSession {
    secret: [u8; 16],
    pid: u32,
    connections: Vec<(u64, ClientConnection)>,
}

/// `earlier` holds all decisions that are kept but the one about the last request, if that is plain.
#[derive(Serialize, Deserialize)]
struct ClientConnection {
    last_decided: u64,
    answered: u64,
    earlier: Option<Vec<(u64, KeptDecision)>>,
    /// The highest number stands for nobody.
    account: u32,
    last: Option<PlainDecision>,
}

const NOBODY: u32 = u32::MAX;

#[derive(Serialize, Deserialize)]
enum KeptDecision {
    Plain(PlainDecision),
    Other(Decision),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
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

#[derive(Serialize, Deserialize)]
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

#[derive(Serialize, Deserialize)]
struct UsedAllowance {
    left: u64,
    at: u64,
}

/// What of a message is loaded at the start in any case.
#[derive(Serialize, Deserialize)]
struct Message<G> {
    number: u64,
    sender: u32,
    wall_s: i64,
    text_bytes: u32,
    readers: Readers<G>,
}

#[derive(Serialize, Deserialize)]
enum Readers<G> {
    One(u32),
    Some(G),
    /// Every account there was, but the sender.
    AllButSender,
    /// The last list of readers before, on the same page.
    AsBefore,
}

impl From<parts::Header> for Header {
    fn from(header: parts::Header) -> Self {
        let worker_sessions = header.worker_sessions.into_iter().map(|worker_session| {
            let connections = worker_session.connections.into_iter();
            let connections = connections.map(|(serial, connection)| (serial.0, connection.into()));
            let record = WorkerSession {
                secret: worker_session.secret,
                pid: worker_session.pid,
                connections: connections.collect(),
            };
            (worker_session.id.0, record)
        });
        Self {
            limits: header.limits.into(),
            clock: Clock {
                last: header.clock.last.map(Into::into),
                now: header.clock.now.0,
            },
            failures: header.failures.into_iter().map(write_failure).collect(),
            worker_sessions: WorkerSessions {
                last: header.last_worker_session,
                worker_sessions: worker_sessions.collect(),
            },
            last_message: header.last_message.0,
        }
    }
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
            },
            failures: header.failures.into_iter().map(read_failure).collect(),
            last_worker_session: header.worker_sessions.last,
            worker_sessions: worker_sessions.collect(),
            last_message: MessageNumber(header.last_message),
        }
    }
}

fn write_failure(kept: parts::KeptFailure) -> (Source, Failure, u64) {
    let source = Source {
        account: kept.source.account.0,
        address: kept.source.address.into(),
    };
    let failure = match kept.record {
        FailureRecord::Failed(times) => {
            Failure::Failed(times.into_iter().map(|time| time.0).collect())
        }
        FailureRecord::BlockedUntil(time) => Failure::BlockedUntil(time.0),
    };
    (source, failure, kept.expiry.0)
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

impl From<parts::ConnectionParts> for ClientConnection {
    fn from(connection: parts::ConnectionParts) -> Self {
        let mut decisions = connection.decisions;
        let last = decisions.pop_if(|(offset, decision)| {
            *offset == connection.last_decided && plain(decision).is_some()
        });
        let earlier = decisions.into_iter().map(|(offset, decision)| {
            let kept = match plain(&decision) {
                Some(plain) => KeptDecision::Plain(plain),
                None => KeptDecision::Other(decision.into()),
            };
            (offset.0, kept)
        });
        let earlier: Vec<_> = earlier.collect();
        Self {
            last_decided: connection.last_decided.0,
            answered: connection.answered.0,
            earlier: (!earlier.is_empty()).then_some(earlier),
            account: connection.account.map_or(NOBODY, |account| account.0),
            last: last.and_then(|(_, decision)| plain(&decision)),
        }
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
            decisions: earlier.chain(last).collect(),
            account: (connection.account != NOBODY).then_some(AccountId(connection.account)),
        }
    }
}

/// A decision that says nothing more than what it is.
fn plain(decision: &memory::Decision) -> Option<PlainDecision> {
    Some(match decision {
        memory::Decision::Password => PlainDecision::Password,
        memory::Decision::Username => PlainDecision::Username,
        memory::Decision::Connected => PlainDecision::Connected,
        memory::Decision::Registered => PlainDecision::Registered,
        memory::Decision::Welcome => PlainDecision::Welcome,
        memory::Decision::Sent { unknown } if unknown.is_empty() => PlainDecision::SentToAll,
        memory::Decision::LoggedOut => PlainDecision::LoggedOut,
        memory::Decision::Quota => PlainDecision::Quota,
        memory::Decision::Refused => PlainDecision::Refused,
        memory::Decision::Full => PlainDecision::Full,
        memory::Decision::Sent { .. } | memory::Decision::Locked { .. } => return None,
    })
}

impl From<PlainDecision> for memory::Decision {
    fn from(plain: PlainDecision) -> Self {
        match plain {
            PlainDecision::Password => Self::Password,
            PlainDecision::Username => Self::Username,
            PlainDecision::Connected => Self::Connected,
            PlainDecision::Registered => Self::Registered,
            PlainDecision::Welcome => Self::Welcome,
            PlainDecision::SentToAll => Self::Sent {
                unknown: Vec::new(),
            },
            PlainDecision::LoggedOut => Self::LoggedOut,
            PlainDecision::Quota => Self::Quota,
            PlainDecision::Refused => Self::Refused,
            PlainDecision::Full => Self::Full,
        }
    }
}

impl From<memory::Decision> for Decision {
    fn from(decision: memory::Decision) -> Self {
        match decision {
            memory::Decision::Password => Self::Password,
            memory::Decision::Username => Self::Username,
            memory::Decision::Connected => Self::Connected,
            memory::Decision::Registered => Self::Registered,
            memory::Decision::Welcome => Self::Welcome,
            memory::Decision::Locked { seconds_left } => Self::Locked { seconds_left },
            memory::Decision::Sent { unknown } => Self::Sent { unknown },
            memory::Decision::LoggedOut => Self::LoggedOut,
            memory::Decision::Quota => Self::Quota,
            memory::Decision::Refused => Self::Refused,
            memory::Decision::Full => Self::Full,
        }
    }
}

impl From<Decision> for memory::Decision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Password => Self::Password,
            Decision::Username => Self::Username,
            Decision::Connected => Self::Connected,
            Decision::Registered => Self::Registered,
            Decision::Welcome => Self::Welcome,
            Decision::Locked { seconds_left } => Self::Locked { seconds_left },
            Decision::Sent { unknown } => Self::Sent { unknown },
            Decision::LoggedOut => Self::LoggedOut,
            Decision::Quota => Self::Quota,
            Decision::Refused => Self::Refused,
            Decision::Full => Self::Full,
        }
    }
}

impl<'a> From<&'a parts::AccountRecord> for Account<'a> {
    fn from(account: &'a parts::AccountRecord) -> Self {
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
            last_seen: account.last_seen.map(|time| time.0),
            cursor: account.cursor.0,
            received: account.received.0,
            broadcasts: account.broadcasts.0.map(|used| UsedAllowance {
                left: used.left,
                at: used.at.0,
            }),
            session: account.session.map(Into::into),
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
            last_seen: account.last_seen.map(StateMs),
            cursor: MessageNumber(account.cursor),
            received: MessageNumber(account.received),
            broadcasts: parts::Allowance(account.broadcasts.map(|used| parts::UsedAllowance {
                left: used.left,
                at: StateMs(used.at),
            })),
            session: account.session.map(Into::into),
        }
    }
}

/// Writes messages down, one behind the other, as they stand on a page.
#[derive(Debug, Default)]
pub(crate) struct PageEncoder {
    /// The last list of readers on this page.
    last_group: Option<parts::Group>,
}

impl PageEncoder {
    pub(crate) fn encode_behind<R: Borrow<parts::Readers>>(
        &mut self,
        bytes: &mut Vec<u8>,
        message: &parts::MessageParts<R>,
    ) {
        let readers = match message.readers.borrow() {
            parts::Readers::One(reader) => Readers::One(reader.0),
            parts::Readers::AllButSender => Readers::AllButSender,
            parts::Readers::Some(group) if self.last_group.as_ref() == Some(group) => {
                Readers::AsBefore
            }
            parts::Readers::Some(group) => {
                self.last_group = Some(group.clone());
                Readers::Some(GroupRef(group))
            }
        };
        let record = Message {
            number: message.number.0,
            sender: message.sender.0,
            wall_s: message.wall_s,
            text_bytes: message.text_bytes,
            readers,
        };
        encode_behind(bytes, &record);
    }
}

/// A list of readers, written down from where it is.
struct GroupRef<'a>(&'a parts::Group);

impl Serialize for GroupRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|reader| reader.0))
    }
}

/// The messages of a page; nothing if it cannot be read.
pub(crate) fn decode_page(bytes: &[u8]) -> Option<Vec<parts::MessageParts>> {
    let page: Vec<Message<Vec<u32>>> = decode(bytes)?;
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
        Some(parts::MessageParts {
            number: MessageNumber(message.number),
            sender: AccountId(message.sender),
            wall_s: message.wall_s,
            text_bytes: message.text_bytes,
            readers,
        })
    });
    messages.collect()
}
