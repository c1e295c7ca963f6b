//! Entries of batches. A text is borrowed, from what is in memory or from the body that is read.

use std::borrow::Cow;

use chat_model::{AccountId, MessageNumber, RequestName, StreamOffset, WorkerSessionId};
use serde::{Deserialize, Serialize};

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
        lengths: Vec<u32>,
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
    lines: Vec<Line>,
    /// Bytes of each name, of all lines.
    name_lengths: Vec<u32>,
    #[serde(borrow)]
    packed: Cow<'a, str>,
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
            memory::Entry::BeginWorkerSession { secret, pid } => Self::BeginWorkerSession {
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
            memory::Action::Send { recipients, text } => Self::Send {
                audience: Audience::of_names(recipients),
                text,
            },
            memory::Action::Broadcast { text } => Self::Send {
                audience: Audience::Everyone,
                text,
            },
            memory::Action::LogOut => Self::LogOut,
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
                address: address.into(),
                password_version,
                new_secret: new_secret.map(Into::into),
            },
            Self::FailedLogIn { account, address } => memory::Action::FailedLogIn {
                account: AccountId(account),
                address: address.into(),
            },
            Self::Send {
                audience: Audience::Everyone,
                text,
            } => memory::Action::Broadcast { text: text.into() },
            Self::Send {
                audience: Audience::Accounts { names, lengths },
                text,
            } => memory::Action::Send {
                recipients: joined(&mut &*names, &lengths)?,
                text: text.into(),
            },
            Self::LogOut => memory::Action::LogOut,
        })
    }
}

impl<'a> Audience<'a> {
    /// Of names with one space between.
    fn of_names(names: &'a str) -> Self {
        let lengths = names.split(' ').map(length_of).collect();
        let names = match names.contains(' ') {
            true => names.replace(' ', "").into(),
            false => Cow::Borrowed(names),
        };
        Self::Accounts { names, lengths }
    }
}

fn length_of(name: &str) -> u32 {
    u32::try_from(name.len()).expect("a name is far shorter than 4 GiB")
}

/// The names at the beginning of `packed`, with one space between.
fn joined(packed: &mut &str, lengths: &[u32]) -> Option<String> {
    let mut names = String::new();
    for (index, length) in lengths.iter().enumerate() {
        let name;
        (name, *packed) = packed.split_at_checked(*length as usize)?;
        if index > 0 {
            names.push(' ');
        }
        names.push_str(name);
    }
    (!lengths.is_empty()).then_some(names)
}

impl<'a> From<&'a memory::SendBatch> for SendBatch<'a> {
    fn from(sends: &'a memory::SendBatch) -> Self {
        let mut record = Self {
            connection: sends.connection.into(),
            answered: sends.answered.0,
            progress: sends.progress.into(),
            first: sends.lines.first().0,
            lines: Vec::with_capacity(sends.lines.len()),
            name_lengths: Vec::new(),
            packed: Cow::Borrowed(""),
        };
        let mut packed = String::with_capacity(sends.lines.packed().len());
        for (line, layout) in sends.lines.iter().zip(sends.lines.packed_lines()) {
            let names_before = record.name_lengths.len();
            if !line.has_same_recipients {
                for name in line.recipients.split(' ') {
                    record.name_lengths.push(length_of(name));
                    packed.push_str(name);
                }
            }
            packed.push_str(line.text);
            record.lines.push(Line {
                step: layout.step,
                names: (record.name_lengths.len() - names_before) as u32,
                text_bytes: layout.text_bytes,
            });
        }
        record.packed = packed.into();
        record
    }
}

impl SendBatch<'_> {
    fn read(self) -> Option<memory::SendBatch> {
        let (mut rest, mut lengths) = (&*self.packed, &self.name_lengths[..]);
        let (mut lines, mut packed) = (Vec::new(), String::new());
        for line in &self.lines {
            let own;
            (own, lengths) = lengths.split_at_checked(line.names as usize)?;
            let names = match own {
                [] => String::new(),
                own => joined(&mut rest, own)?,
            };
            let text;
            (text, rest) = rest.split_at_checked(line.text_bytes as usize)?;
            packed.push_str(&names);
            packed.push_str(text);
            lines.push(memory::PackedLine {
                step: line.step,
                recipients_bytes: length_of(&names),
                text_bytes: line.text_bytes,
            });
        }
        if !rest.is_empty() || !lengths.is_empty() {
            return None;
        }
        let first = StreamOffset(self.first);
        Some(memory::SendBatch {
            connection: self.connection.into(),
            answered: StreamOffset(self.answered),
            progress: self.progress.into(),
            lines: memory::MessageBatch::of_packed(first, lines, packed)?,
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
