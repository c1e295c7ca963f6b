//! Entries of batches. Format 2 added [`Entry::SendBatch`], format 3 [`Entry::LimitWaiting`].

use std::borrow::Cow;

use chat_model::{
    AccountId, Audience, MessageBatchBuilder, MessageNumber, NameList, RequestName, StreamOffset,
    UserSession, WorkerSessionId,
};
use serde::Deserialize;
#[cfg(test)]
use serde::Serialize;

use super::{Address, Connection, Limits, WaitingLimits};
use crate::entry as memory;

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
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

#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
pub(crate) struct Progress {
    sent: u64,
    acknowledged: u64,
    confirmed: u64,
}

/// Recipients are names as typed, one space between.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
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
        recipients: Cow<'a, str>,
        text: &'a str,
    },
    Broadcast {
        text: &'a str,
    },
    LogOut,
}

/// `packed` holds names and text of each line, nothing between.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
pub(crate) struct SendBatch<'a> {
    connection: Connection,
    answered: u64,
    progress: Progress,
    first: u64,
    lines: Vec<Line>,
    #[serde(borrow)]
    packed: Cow<'a, str>,
}

#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
pub(crate) struct Line {
    step: u32,
    recipients_bytes: u32,
    text_bytes: u32,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
pub(crate) enum AccountChange<'a> {
    Set { name: &'a str, secret: &'a str },
    Disable { name: &'a str },
}

#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
pub(crate) struct SecretInFile {
    account: u32,
    secret_version: u32,
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

impl From<Progress> for chat_model::Progress {
    fn from(progress: Progress) -> Self {
        Self {
            sent: MessageNumber(progress.sent),
            acknowledged: MessageNumber(progress.acknowledged),
            confirmed: MessageNumber(progress.confirmed),
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
                session: UserSession::Plain,
                address: address.into(),
                password_version,
                new_secret: new_secret.map(Into::into),
                asked_boot_ms: None,
            },
            Action::FailedLogIn { account, address } => Self::FailedLogIn {
                account: AccountId(account),
                address: address.into(),
            },
            Action::Send { recipients, text } => Self::Send {
                audience: Audience::Accounts(recipients.split(' ').collect()),
                text: text.into(),
            },
            Action::Broadcast { text } => Self::Send {
                audience: Audience::Everyone,
                text: text.into(),
            },
            Action::LogOut => Self::LogOut,
        }
    }
}

impl SendBatch<'_> {
    fn read(self) -> Option<memory::SendBatch> {
        let mut rest = &*self.packed;
        let mut offset = StreamOffset(self.first);
        let mut recipients = NameList::new();
        let mut builder = MessageBatchBuilder::default();
        for (index, line) in self.lines.iter().enumerate() {
            if (index == 0) != (line.step == 0) {
                return None;
            }
            offset.0 = offset.0.checked_add(u64::from(line.step))?;
            if line.recipients_bytes > 0 {
                let names;
                (names, rest) = rest.split_at_checked(line.recipients_bytes as usize)?;
                recipients = names.split(' ').collect();
            }
            let text;
            (text, rest) = rest.split_at_checked(line.text_bytes as usize)?;
            // What was taken once is taken again, however many bytes it has.
            if !builder.push_any_bytes(offset, recipients.names(), text) {
                return None;
            }
        }
        let is_whole = rest.is_empty() && !self.lines.is_empty();
        is_whole.then(|| memory::SendBatch {
            connection: self.connection.into(),
            answered: StreamOffset(self.answered),
            progress: self.progress.into(),
            lines: builder.into_batch(),
        })
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

impl From<SecretInFile> for memory::SecretInFile {
    fn from(secret: SecretInFile) -> Self {
        Self {
            account: AccountId(secret.account),
            secret_version: secret.secret_version,
        }
    }
}
