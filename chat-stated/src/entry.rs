//! What the journal holds: every attempt to change the state, with all in it that is not deterministic.
//!
//! An entry says what was tried, never what came of it: [`crate::state::State::apply`] decides that, the same
//! way on every machine and at every replay. Encoded entries stay readable for ever, so variants and
//! fields are only ever added behind the existing ones, under a new format number in the journal.

mod host;
mod limits;

use std::net::IpAddr;

use chat_model::{
    AccountId, Audience, ConnectionId, MessageBatch, NameList, Progress, RequestName, RoomAct,
    RoomId, StreamOffset, UserSession, WorkerSessionId,
};

pub use host::{HostId, Origin};
pub use limits::{HistoryLimits, HistoryRules, Limits, RoomLimits, SessionLimits, WaitingLimits};

/// Entries that became durable together. Applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// When the batch was put together.
    pub timestamp: Timestamp,
    /// Where it comes from, if several hosts write into one order. Since format 7.
    pub origin: Option<Origin>,
    /// Not empty.
    pub entries: Vec<Entry>,
}

impl Batch {
    /// As [`Entry::attempts`].
    pub fn attempts(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| entry.attempts() as u64)
            .sum()
    }

    /// Which host put it together, if there are several.
    pub fn host(&self) -> Option<HostId> {
        self.origin.map(|origin| origin.host)
    }

    /// Whether something of it stays on the disk for as long as it likes.
    pub fn adds(&self) -> bool {
        self.entries.iter().any(|entry| match entry {
            Entry::SendBatch(_) => true,
            Entry::Request { action, .. } => action.adds(),
            Entry::Operate { act, .. } => act.adds(),
            _ => false,
        })
    }
}

/// The clocks of the host at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// Milliseconds since 1970-01-01T00:00:00Z. May jump either way.
    pub wall_ms: i64,
    /// Milliseconds since the host was booted, sleep included (`CLOCK_BOOTTIME`). Never goes back in a boot.
    pub boot_ms: u64,
    /// Which boot `boot_ms` belongs to.
    pub boot_id: [u8; 16],
}

/// One attempt to change the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The limits from here on.
    Configure(Limits),
    /// A worker says hello for the first time.
    BeginWorkerSession {
        /// Random.
        secret: [u8; 16],
        /// The worker's process, as the kernel of its host names it.
        pid: u32,
        /// Its host, if there are several. Since format 7.
        host: Option<HostId>,
    },
    /// A worker is gone, and with it its clients' connections.
    EndWorkerSession {
        /// Which.
        worker_session: WorkerSessionId,
    },
    /// What the account file says that the state does not. Until format 4: see [`OperatorAct::TakeAccountFile`].
    ChangeAccounts(Vec<AccountChange>),
    /// The account file now holds these accounts' secrets.
    FileStatus(Vec<SecretInFile>),
    /// A client's line that may change the state.
    Request {
        /// Which line.
        name: RequestName,
        /// The last request of this connection whose answer the worker has.
        answered: StreamOffset,
        /// How far the reader has come.
        progress: Progress,
        /// What is tried.
        action: Action,
    },
    /// A reader has come further.
    Progress {
        /// Whose queue.
        connection: ConnectionId,
        /// How far.
        progress: Progress,
    },
    /// A client's connection has ended, or its session if it had one.
    Close {
        /// Which.
        connection: ConnectionId,
        /// How far its reader came.
        progress: Progress,
    },
    /// Lines of one client, one behind the other: as many requests with [`Action::Send`]. Since format 2.
    SendBatch(SendBatch),
    /// How much may wait from here on. Since format 3.
    LimitWaiting(WaitingLimits),
    /// When places of sessions are given up from here on. Since format 6.
    LimitSessions(SessionLimits),
    /// What an operator does to the running server. Since format 5.
    Operate {
        /// The question that asked for it, in the process that journals it. Means nothing to any other.
        ticket: u64,
        /// What is tried.
        act: OperatorAct,
    },
    /// What rooms may grow to from here on. Since format 6.
    LimitRooms(RoomLimits),
    /// What is kept in the history from here on. Since format 6.
    KeepHistory(HistoryRules),
    /// How much of it stays from here on. Since format 6.
    LimitHistory(HistoryLimits),
    /// A host takes part from here on. Since format 7.
    BeginHost {
        /// As what. Not used before.
        host: HostId,
        /// What operators call it.
        name: String,
    },
    /// A host takes part no more, and its workers neither. Since format 7.
    EndHost {
        /// Which.
        host: HostId,
    },
}

/// What an operator does to the running server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorAct {
    /// End blocks before their time.
    LiftBlocks {
        /// Only those of this account.
        account: Option<AccountId>,
        /// Only those of this address.
        address: Option<IpAddr>,
    },
    /// Take over what the account file says. As [`Entry::ChangeAccounts`], which earlier programs wrote, but that a
    /// changed password ends the session, and a disabled account misses broadcasts.
    TakeAccountFile(Vec<AccountChange>),
    /// Make an account. The name is well-formed.
    AddAccount {
        /// Its name.
        name: String,
        /// Its secret, ready-made.
        secret: String,
    },
    /// Give an account another password, and enable it.
    SetPassword {
        /// Whose.
        account: AccountId,
        /// The secret, ready-made.
        secret: String,
    },
    /// Let nobody log in.
    DisableAccount {
        /// Whose.
        account: AccountId,
    },
    /// The opposite, with the password of before.
    EnableAccount {
        /// Whose.
        account: AccountId,
    },
    /// Disable an account, give up what waits for it, and remove its secret. The name stays taken.
    ForgetAccount {
        /// Whose.
        account: AccountId,
    },
    /// Send a broadcast in the name of an account.
    Announce {
        /// Whose.
        sender: AccountId,
        /// 1 byte to 1 MiB, without control characters but TAB.
        text: String,
    },
    /// End a room, whoever owns it. Since format 6.
    DropRoom {
        /// Which.
        room: RoomId,
    },
    /// Say for how long the history of a room is kept. Since format 6.
    SetRoomRetention {
        /// Which.
        room: RoomId,
        /// At least 1.
        days: u32,
    },
    /// Let a token stand for no password any more. Since format 6.
    DropToken {
        /// Whose.
        account: AccountId,
        /// Its name.
        name: String,
    },
}

impl OperatorAct {
    /// Whether something of it stays on the disk for as long as it likes.
    pub fn adds(&self) -> bool {
        matches!(
            self,
            Self::AddAccount { .. } | Self::Announce { .. } | Self::SetRoomRetention { .. }
        )
    }
}

/// Lines of one client, one behind the other, with a message to some accounts each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendBatch {
    /// Whose lines.
    pub connection: ConnectionId,
    /// The last request of this connection whose answer the worker has.
    pub answered: StreamOffset,
    /// How far the reader has come.
    pub progress: Progress,
    /// Texts without control characters.
    pub lines: MessageBatch,
}

impl SendBatch {
    /// What names its lines.
    pub fn names(&self) -> impl Iterator<Item = RequestName> {
        self.lines.iter().map(|send| RequestName {
            connection: self.connection,
            offset: send.offset,
        })
    }

    /// The same as requests, each an entry of its own. How far the reader has come is said once: a message that one of
    /// them stores was not there yet.
    pub fn requests(&self) -> impl Iterator<Item = Entry> {
        let mut progress = self.progress;
        self.lines.iter().map(move |send| Entry::Request {
            name: RequestName {
                connection: self.connection,
                offset: send.offset,
            },
            answered: self.answered,
            progress: std::mem::take(&mut progress),
            action: Action::Send {
                audience: Audience::Accounts(NameList::from(send.recipients).into_owned()),
                text: send.text.to_owned(),
            },
        })
    }
}

impl Entry {
    /// What the account file says, if that is what it is about.
    pub fn of_account_file(&self) -> Option<&[AccountChange]> {
        match self {
            Self::ChangeAccounts(changes) => Some(changes),
            Self::Operate {
                act: OperatorAct::TakeAccountFile(changes),
                ..
            } => Some(changes),
            _ => None,
        }
    }

    /// How many things it tries, each about as dear to do again as any other.
    pub fn attempts(&self) -> usize {
        match self {
            Self::SendBatch(sends) => sends.lines.len(),
            _ => 1,
        }
    }
}

/// What a client's line tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make an account. The name is well-formed.
    Register {
        /// Its name.
        name: String,
        /// Its secret, ready-made.
        secret: String,
    },
    /// Log in; the password was right.
    LogIn {
        /// Whose.
        account: AccountId,
        /// Which of the account's sessions. Since format 6; the plain one before.
        session: UserSession,
        /// From where.
        address: IpAddr,
        /// Which of the account's passwords it was.
        password_version: u32,
        /// A stronger secret for the same password, where the old one is of a weaker kind.
        new_secret: Option<String>,
        /// When the client asked, by the boot clock of the batch's stamp. `None`: when the entry was made. Since format
        /// 6, for named sessions only: who asked before the one that is logged in does not take the session over.
        asked_boot_ms: Option<u64>,
    },
    /// A try to log in; the password was wrong.
    FailedLogIn {
        /// Whose.
        account: AccountId,
        /// From where.
        address: IpAddr,
    },
    /// Send a message.
    Send {
        /// Who is to have it.
        audience: Audience<'static>,
        /// 1 byte to 1 MiB, without control characters but TAB.
        text: String,
    },
    /// Give up the place of a session of one's own that is not logged in. Since format 6.
    DropSession {
        /// Which; not one that only sends.
        session: UserSession,
    },
    /// End the session.
    LogOut,
    /// Let a secret stand for the user's password. Since format 6.
    NewToken {
        /// Well-formed.
        name: String,
        /// Of the secret.
        digest: TokenDigest,
    },
    /// The opposite. Since format 6.
    DropToken {
        /// Well-formed.
        name: String,
    },
    /// Give one's own account another password; the current one was right. Since format 6.
    ChangePassword {
        /// From where.
        address: IpAddr,
        /// Which of the account's passwords the current one was.
        password_version: u32,
        /// The secret of the new one, ready-made.
        secret: String,
    },
    /// The same; the current password was wrong. Since format 6.
    FailPasswordChange {
        /// From where.
        address: IpAddr,
    },
    /// Send a message, unless the same user has sent one with this identifier. Since format 6.
    SendOnce {
        /// Which.
        id: OnceId,
        /// Who is to have it.
        audience: Audience<'static>,
        /// 1 byte to 1 MiB, without control characters but TAB.
        text: String,
    },
    /// Do something to a room. Since format 6.
    ChangeRoom {
        /// A name that a room may have.
        room: String,
        /// What. Members are not told of a [`RoomAct::Drop`]: journals of before [`Action::DropRoom`] have it.
        act: RoomAct<'static>,
    },
    /// End a room. Its other members are told.
    DropRoom {
        /// A name that a room may have.
        room: String,
    },
}

/// What is known of the secret of a token: its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenDigest(pub [u8; 32]);

/// Names a message among those that its sender sends once: a digest of the identifier that the sender gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnceId(pub [u8; 16]);

impl Action {
    /// Whether something of it stays on the disk for as long as it likes.
    pub fn adds(&self) -> bool {
        match self {
            Self::Register { .. }
            | Self::Send { .. }
            | Self::SendOnce { .. }
            | Self::NewToken { .. }
            | Self::ChangePassword { .. } => true,
            Self::ChangeRoom { act, .. } => !matches!(act, RoomAct::Leave | RoomAct::Drop),
            Self::LogIn { .. }
            | Self::FailedLogIn { .. }
            | Self::DropSession { .. }
            | Self::FailPasswordChange { .. }
            | Self::DropToken { .. }
            | Self::DropRoom { .. }
            | Self::LogOut => false,
        }
    }
}

/// A difference between the account file and the state, seen by a reader of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// The file gives this name this secret: make or enable the account, change its secret.
    Set {
        /// The name.
        name: String,
        /// A PHC string or 40 hex digits of SHA-1.
        secret: String,
    },
    /// The file no longer has a line for this name.
    Disable {
        /// The name.
        name: String,
    },
}

/// A secret that is known to stand in the account file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretInFile {
    /// Whose.
    pub account: AccountId,
    /// Which of its secrets.
    pub secret_version: u32,
}
