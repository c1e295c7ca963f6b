//! Entries of batches. Format 2 added [`Entry::SendBatch`], format 3 [`Entry::LimitWaiting`].

use crate::entry::{MessageBatch, PackedLine};
use chat_model::{AccountId, MessageNumber, RequestName, StreamOffset, WorkerSessionId};
use serde::{Deserialize, Serialize};

use super::{Address, Connection, Limits, WaitingLimits};
use crate::entry as memory;

#[derive(Serialize, Deserialize)]
pub(crate) enum Entry<'a> {
    Configure(Limits),
    BeginWorkerSession {
        secret: [u8; 16],
        pid: u32,
    },
    EndWorkerSession {
        worker_session: u64,
    },
    ChangeAccounts(#[serde(borrow)] Vec<AccountChange<'a>>),
    FileStatus(Vec<SecretInFile>),
    Request {
        connection: Connection,
        offset: u64,
        answered: u64,
        progress: Progress,
        action: Action<'a>,
    },
    Progress {
        connection: Connection,
        progress: Progress,
    },
    Close {
        connection: Connection,
        progress: Progress,
    },
    SendBatch(SendBatch<'a>),
    LimitWaiting(WaitingLimits),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Progress {
    sent: u64,
    acknowledged: u64,
    confirmed: u64,
}

/// Recipients are names as typed, one space between.
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
        recipients: &'a str,
        text: &'a str,
    },
    Broadcast {
        text: &'a str,
    },
    LogOut,
}

/// `packed` holds names and text of each line, nothing between.
#[derive(Serialize, Deserialize)]
pub(crate) struct SendBatch<'a> {
    connection: Connection,
    answered: u64,
    progress: Progress,
    first: u64,
    lines: Vec<Line>,
    packed: &'a str,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Line {
    step: u32,
    recipients_bytes: u32,
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
            memory::Entry::BeginWorkerSession { secret, pid } => Self::BeginWorkerSession {
                secret: *secret,
                pid: *pid,
            },
            memory::Entry::EndWorkerSession { worker_session } => Self::EndWorkerSession {
                worker_session: worker_session.0,
            },
            memory::Entry::ChangeAccounts(changes) => {
                Self::ChangeAccounts(changes.iter().map(AccountChange::from).collect())
            }
            memory::Entry::FileStatus(secrets) => {
                Self::FileStatus(secrets.iter().map(SecretInFile::from).collect())
            }
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
        }
    }
}

impl Entry<'_> {
    /// The entry it stands for; nothing if it stands for none.
    pub(crate) fn read(self) -> Option<memory::Entry> {
        Some(match self {
            Self::Configure(limits) => memory::Entry::Configure(limits.into()),
            Self::BeginWorkerSession { secret, pid } => {
                memory::Entry::BeginWorkerSession { secret, pid }
            }
            Self::EndWorkerSession { worker_session } => memory::Entry::EndWorkerSession {
                worker_session: WorkerSessionId(worker_session),
            },
            Self::ChangeAccounts(changes) => {
                memory::Entry::ChangeAccounts(changes.into_iter().map(Into::into).collect())
            }
            Self::FileStatus(secrets) => {
                memory::Entry::FileStatus(secrets.into_iter().map(Into::into).collect())
            }
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
                action: action.into(),
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
                address,
                password_version,
                new_secret,
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
            memory::Action::Send { recipients, text } => Self::Send { recipients, text },
            memory::Action::Broadcast { text } => Self::Broadcast { text },
            memory::Action::LogOut => Self::LogOut,
        }
    }
}

impl From<Action<'_>> for memory::Action {
    fn from(action: Action<'_>) -> Self {
        match action {
            Action::Register { name, secret } => Self::Register {
                name: name.into(),
                secret: secret.into(),
            },
            Action::LogIn {
                account,
                address,
                password_version,
                new_secret,
            } => Self::LogIn {
                account: AccountId(account),
                address: address.into(),
                password_version,
                new_secret: new_secret.map(Into::into),
            },
            Action::FailedLogIn { account, address } => Self::FailedLogIn {
                account: AccountId(account),
                address: address.into(),
            },
            Action::Send { recipients, text } => Self::Send {
                recipients: recipients.into(),
                text: text.into(),
            },
            Action::Broadcast { text } => Self::Broadcast { text: text.into() },
            Action::LogOut => Self::LogOut,
        }
    }
}

impl<'a> From<&'a memory::SendBatch> for SendBatch<'a> {
    fn from(sends: &'a memory::SendBatch) -> Self {
        let lines = sends.lines.packed_lines().iter().map(|line| Line {
            step: line.step,
            recipients_bytes: line.recipients_bytes,
            text_bytes: line.text_bytes,
        });
        Self {
            connection: sends.connection.into(),
            answered: sends.answered.0,
            progress: sends.progress.into(),
            first: sends.lines.first().0,
            lines: lines.collect(),
            packed: sends.lines.packed(),
        }
    }
}

impl SendBatch<'_> {
    fn read(self) -> Option<memory::SendBatch> {
        let lines = self.lines.into_iter().map(|line| PackedLine {
            step: line.step,
            recipients_bytes: line.recipients_bytes,
            text_bytes: line.text_bytes,
        });
        let first = StreamOffset(self.first);
        Some(memory::SendBatch {
            connection: self.connection.into(),
            answered: StreamOffset(self.answered),
            progress: self.progress.into(),
            lines: MessageBatch::of_packed(first, lines.collect(), self.packed.into())?,
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
