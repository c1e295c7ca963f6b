//! Entries of batches. A text is borrowed, from what is in memory or from the body that is read.

use std::borrow::Cow;

use chat_model::{
    AccountId, MessageBatch, MessageBatchBuilder, MessageNumber, Names, PackedLine, RequestName,
    StreamOffset, UserSession, WorkerSessionId,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Address, Connection, Limits, List, WaitingLimits};
use crate::entry as memory;

#[derive(Serialize, Deserialize)]
pub(crate) enum Entry<'a> {
    Configure(Limits),
    LimitWaiting(WaitingLimits),
    BeginWorkerSession {
        secret: [u8; 16],
        pid: u32,
    },
    EndWorkerSession {
        worker_session: u64,
    },
    ChangeAccounts(#[serde(borrow)] List<'a, memory::AccountChange, AccountChange<'a>>),
    FileStatus(#[serde(borrow)] List<'a, memory::SecretInFile, SecretInFile>),
    Request {
        connection: Connection,
        offset: u64,
        answered: u64,
        progress: Progress,
        #[serde(borrow)]
        action: Action<'a>,
    },
    SendBatch(#[serde(borrow)] SendBatch<'a>),
    Progress {
        connection: Connection,
        progress: Progress,
    },
    Close {
        connection: Connection,
        progress: Progress,
    },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Progress {
    sent: u64,
    acknowledged: u64,
    confirmed: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Action<'a> {
    Register {
        name: &'a str,
        secret: &'a str,
    },
    LogIn {
        account: u32,
        address: Address,
        password_version: u32,
        new_secret: Option<&'a str>,
    },
    FailedLogIn {
        account: u32,
        address: Address,
    },
    Send {
        #[serde(borrow)]
        audience: Audience<'a>,
        text: &'a str,
    },
    LogOut,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Audience<'a> {
    Accounts {
        /// As typed, nothing between.
        #[serde(borrow)]
        names: Cow<'a, str>,
        lengths: Cow<'a, [u32]>,
    },
    Everyone,
}

/// `packed` holds names and text of each line, nothing between.
#[derive(Serialize, Deserialize)]
pub(crate) struct SendBatch<'a> {
    connection: Connection,
    answered: u64,
    progress: Progress,
    first: u64,
    #[serde(borrow)]
    lines: Lines<'a>,
    /// Bytes of each name, of all lines.
    name_lengths: Cow<'a, [u32]>,
    #[serde(borrow)]
    packed: Cow<'a, str>,
}

/// Lines: written down from the batch in memory, read into a vector.
pub(crate) enum Lines<'a> {
    InMemory(&'a MessageBatch),
    Read(Vec<Line>),
}

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::InMemory(batch) => serializer.collect_seq(batch.packed_lines().map(Line::from)),
            Self::Read(lines) => serializer.collect_seq(lines),
        }
    }
}

impl<'de> Deserialize<'de> for Lines<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::Read)
    }
}

/// How a line of [`SendBatch`] is packed.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Line {
    /// How much further it ends than the line before; 0 for the first.
    step: u32,
    /// How many recipients; 0 if they are those of the line before.
    names: u32,
    text_bytes: u32,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum AccountChange<'a> {
    Set { name: &'a str, secret: &'a str },
    Disable { name: &'a str },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct SecretInFile {
    account: u32,
    secret_version: u32,
}

impl<'a> From<&'a memory::Entry> for Entry<'a> {
    fn from(entry: &'a memory::Entry) -> Self {
        match entry {
            memory::Entry::Configure(limits) => Self::Configure((*limits).into()),
            memory::Entry::BeginWorkerSession { secret, pid, .. } => Self::BeginWorkerSession {
                secret: *secret,
                pid: *pid,
            },
            memory::Entry::EndWorkerSession { worker_session } => Self::EndWorkerSession {
                worker_session: worker_session.0,
            },
            memory::Entry::ChangeAccounts(changes) => Self::ChangeAccounts(List::InMemory(changes)),
            memory::Entry::FileStatus(secrets) => Self::FileStatus(List::InMemory(secrets)),
            memory::Entry::Request {
                name,
                answered,
                progress,
                action,
            } => Self::Request {
                connection: name.connection.into(),
                offset: name.offset.0,
                answered: answered.0,
                progress: (*progress).into(),
                action: action.into(),
            },
            memory::Entry::Progress {
                connection,
                progress,
            } => Self::Progress {
                connection: (*connection).into(),
                progress: (*progress).into(),
            },
            memory::Entry::Close {
                connection,
                progress,
            } => Self::Close {
                connection: (*connection).into(),
                progress: (*progress).into(),
            },
            memory::Entry::SendBatch(sends) => Self::SendBatch(sends.into()),
            memory::Entry::LimitWaiting(limits) => Self::LimitWaiting((*limits).into()),
            memory::Entry::Operate { .. }
            | memory::Entry::LimitSessions(_)
            | memory::Entry::LimitRooms(_)
            | memory::Entry::KeepHistory(_)
            | memory::Entry::LimitHistory(_)
            | memory::Entry::BeginHost { .. }
            | memory::Entry::EndHost { .. } => {
                unreachable!("format 4 cannot express it")
            }
        }
    }
}

impl Entry<'_> {
    /// The entry it stands for; nothing if it stands for none.
    pub(crate) fn read(self) -> Option<memory::Entry> {
        Some(match self {
            Self::Configure(limits) => memory::Entry::Configure(limits.into()),
            Self::BeginWorkerSession { secret, pid } => memory::Entry::BeginWorkerSession {
                secret,
                pid,
                host: None,
            },
            Self::EndWorkerSession { worker_session } => memory::Entry::EndWorkerSession {
                worker_session: WorkerSessionId(worker_session),
            },
            Self::ChangeAccounts(changes) => memory::Entry::ChangeAccounts(changes.into_memory()),
            Self::FileStatus(secrets) => memory::Entry::FileStatus(secrets.into_memory()),
            Self::Request {
                connection,
                offset,
                answered,
                progress,
                action,
            } => memory::Entry::Request {
                name: RequestName {
                    connection: connection.into(),
                    offset: StreamOffset(offset),
                },
                answered: StreamOffset(answered),
                progress: progress.into(),
                action: action.read()?,
            },
            Self::Progress {
                connection,
                progress,
            } => memory::Entry::Progress {
                connection: connection.into(),
                progress: progress.into(),
            },
            Self::Close {
                connection,
                progress,
            } => memory::Entry::Close {
                connection: connection.into(),
                progress: progress.into(),
            },
            Self::SendBatch(sends) => memory::Entry::SendBatch(sends.read()?),
            Self::LimitWaiting(limits) => memory::Entry::LimitWaiting(limits.into()),
        })
    }
}

impl From<chat_model::Progress> for Progress {
    fn from(progress: chat_model::Progress) -> Self {
        Self {
            sent: progress.sent.0,
            acknowledged: progress.acknowledged.0,
            confirmed: progress.confirmed.0,
        }
    }
}

impl From<Progress> for chat_model::Progress {
    fn from(progress: Progress) -> Self {
        Self {
            sent: MessageNumber(progress.sent),
            acknowledged: MessageNumber(progress.acknowledged),
            confirmed: MessageNumber(progress.confirmed),
        }
    }
}

impl<'a> From<&'a memory::Action> for Action<'a> {
    fn from(action: &'a memory::Action) -> Self {
        match action {
            memory::Action::Register { name, secret } => Self::Register { name, secret },
            memory::Action::LogIn {
                account,
                session: _,
                address,
                password_version,
                new_secret,
                asked_boot_ms: _,
            } => Self::LogIn {
                account: account.0,
                address: (*address).into(),
                password_version: *password_version,
                new_secret: new_secret.as_deref(),
            },
            memory::Action::FailedLogIn { account, address } => Self::FailedLogIn {
                account: account.0,
                address: (*address).into(),
            },
            memory::Action::Send { audience, text } => Self::Send {
                audience: audience.into(),
                text,
            },
            memory::Action::LogOut => Self::LogOut,
            memory::Action::SendOnce { .. }
            | memory::Action::DropSession { .. }
            | memory::Action::ChangeRoom { .. }
            | memory::Action::DropRoom { .. }
            | memory::Action::NewToken { .. }
            | memory::Action::DropToken { .. }
            | memory::Action::ChangePassword { .. }
            | memory::Action::FailPasswordChange { .. } => {
                unreachable!("format 4 cannot express it")
            }
        }
    }
}

impl Action<'_> {
    fn read(self) -> Option<memory::Action> {
        Some(match self {
            Self::Register { name, secret } => memory::Action::Register {
                name: name.into(),
                secret: secret.into(),
            },
            Self::LogIn {
                account,
                address,
                password_version,
                new_secret,
            } => memory::Action::LogIn {
                account: AccountId(account),
                session: UserSession::Plain,
                address: address.into(),
                password_version,
                new_secret: new_secret.map(Into::into),
                asked_boot_ms: None,
            },
            Self::FailedLogIn { account, address } => memory::Action::FailedLogIn {
                account: AccountId(account),
                address: address.into(),
            },
            Self::Send { audience, text } => memory::Action::Send {
                audience: audience.read()?,
                text: text.into(),
            },
            Self::LogOut => memory::Action::LogOut,
        })
    }
}

impl<'a> From<&'a chat_model::Audience<'_>> for Audience<'a> {
    fn from(audience: &'a chat_model::Audience<'_>) -> Self {
        match audience {
            chat_model::Audience::Accounts(names) => Self::Accounts {
                names: names.names().packed().into(),
                lengths: names.names().lengths().into(),
            },
            chat_model::Audience::Everyone => Self::Everyone,
            chat_model::Audience::Mixed(_) => unreachable!("format 4 cannot express it"),
        }
    }
}

impl Audience<'_> {
    pub(crate) fn read(self) -> Option<chat_model::Audience<'static>> {
        Some(match self {
            Self::Accounts { names, lengths } => {
                let names = Names::of(&names, &lengths);
                let is_list = !names.is_empty() && names.is_well_formed();
                let names = is_list.then(|| chat_model::NameList::from(names).into_owned());
                chat_model::Audience::Accounts(names?)
            }
            Self::Everyone => chat_model::Audience::Everyone,
        })
    }
}

impl<'a> From<&'a memory::SendBatch> for SendBatch<'a> {
    fn from(sends: &'a memory::SendBatch) -> Self {
        Self {
            connection: sends.connection.into(),
            answered: sends.answered.0,
            progress: sends.progress.into(),
            first: sends.lines.first().0,
            lines: Lines::InMemory(&sends.lines),
            name_lengths: sends.lines.name_lengths().into(),
            packed: sends.lines.packed().into(),
        }
    }
}

impl From<PackedLine> for Line {
    fn from(line: PackedLine) -> Self {
        Self {
            step: line.step,
            names: line.names,
            text_bytes: line.text_bytes,
        }
    }
}

impl SendBatch<'_> {
    fn read(self) -> Option<memory::SendBatch> {
        let Lines::Read(lines) = self.lines else {
            return None;
        };
        let (mut rest, mut lengths) = (&*self.packed, &self.name_lengths[..]);
        let mut offset = StreamOffset(self.first);
        let mut recipients = Names::default();
        let mut builder = MessageBatchBuilder::default();
        for (index, line) in lines.iter().enumerate() {
            if (index == 0) != (line.step == 0) {
                return None;
            }
            offset.0 = offset.0.checked_add(u64::from(line.step))?;
            if line.names > 0 {
                let (own, names);
                (own, lengths) = lengths.split_at_checked(line.names as usize)?;
                let bytes: u64 = own.iter().map(|length| u64::from(*length)).sum();
                (names, rest) = rest.split_at_checked(usize::try_from(bytes).ok()?)?;
                recipients = Names::of(names, own);
            }
            let text;
            (text, rest) = rest.split_at_checked(line.text_bytes as usize)?;
            // What was taken once is taken again, however many bytes it has.
            let is_taken =
                recipients.is_well_formed() && builder.push_any_bytes(offset, recipients, text);
            if !is_taken {
                return None;
            }
        }
        let is_whole = rest.is_empty() && lengths.is_empty() && !lines.is_empty();
        is_whole.then(|| memory::SendBatch {
            connection: self.connection.into(),
            answered: StreamOffset(self.answered),
            progress: self.progress.into(),
            lines: builder.into_batch(),
        })
    }
}

impl<'a> From<&'a memory::AccountChange> for AccountChange<'a> {
    fn from(change: &'a memory::AccountChange) -> Self {
        match change {
            memory::AccountChange::Set { name, secret } => Self::Set { name, secret },
            memory::AccountChange::Disable { name } => Self::Disable { name },
        }
    }
}

impl From<AccountChange<'_>> for memory::AccountChange {
    fn from(change: AccountChange<'_>) -> Self {
        match change {
            AccountChange::Set { name, secret } => Self::Set {
                name: name.into(),
                secret: secret.into(),
            },
            AccountChange::Disable { name } => Self::Disable { name: name.into() },
        }
    }
}

impl From<&memory::SecretInFile> for SecretInFile {
    fn from(secret: &memory::SecretInFile) -> Self {
        Self {
            account: secret.account.0,
            secret_version: secret.secret_version,
        }
    }
}

impl From<SecretInFile> for memory::SecretInFile {
    fn from(secret: SecretInFile) -> Self {
        Self {
            account: AccountId(secret.account),
            secret_version: secret.secret_version,
        }
    }
}
