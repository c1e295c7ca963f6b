//! What an operator's tool and a running daemon say to each other on the daemon's control socket: lines of JSON.
//!
//! The tool's first line is a [`Hello`], the daemon's a [`Greeting`]; both name the version. Then the tool sends
//! [`Request`]s, one at a time, and the daemon answers each with a [`Report`]. What a child knows is asked by a
//! [`Question`], which the parent passes on to it, and answered by an [`Answer`].

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::status_file::Status;
use crate::logs::security_log::ConnectionNumber;
use crate::metrics::samples::Sample;

/// Version of everything here. Another version is refused with a reason.
pub const VERSION: u32 = 2;

/// Bytes of most lines.
const MOST_BYTES: usize = 4_096;

/// The version of the programs.
pub const BUILD: &str = crate::VERSION;

/// The tool's first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The [`VERSION`] it speaks.
    pub version: u32,
}

/// The daemon's first line. A daemon of another version closes the connection after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// The [`VERSION`] it speaks.
    pub version: u32,
    /// The name of the daemon.
    pub program: String,
    /// Its [`BUILD`].
    pub build: String,
}

/// A request of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// What the parent knows of itself and its children.
    Status,
    /// The settings of the parent, and what the settings file would change of them.
    Settings,
    /// The parent logs from this level on, until it ends. Its children are asked by [`Question::SetLogLevel`].
    SetLogLevel {
        /// As of `--log-level`.
        level: String,
    },
    /// Reads the files again: the settings file, and the account file or certificate and key. The report comes when
    /// that is done.
    Reload {
        /// Accept an account file even if it disables most accounts.
        force: bool,
    },
    /// Of the front end: it takes no new connections from now on.
    Drain {
        /// After so many seconds clients that are still connected are disconnected.
        within_s: Option<u64>,
    },
    /// Of the front end: it takes connections again.
    EndDrain,
    /// A question for a child.
    Ask {
        /// The number of the child, from 1.
        child: u32,
        /// The question.
        question: Question,
    },
}

impl Request {
    /// What stands in the security log of a request that changes something.
    pub fn act(&self) -> Option<String> {
        match self {
            Self::SetLogLevel { level } => Some(log_level_changed(level)),
            Self::Reload { force } => Some(format!("event=reload-requested force={force}")),
            Self::Drain { within_s } => {
                let within =
                    within_s.map_or(String::new(), |within_s| format!(" within={within_s}"));
                Some(format!("event=drain-began{within}"))
            }
            Self::EndDrain => Some("event=drain-ended".to_owned()),
            Self::Ask { question, .. } => question.act(),
            Self::Status | Self::Settings => None,
        }
    }
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum Report {
    /// To [`Request::Status`].
    Status(Box<StatusReport>),
    /// To [`Request::Settings`].
    Settings(SettingsReport),
    /// To [`Request::Reload`].
    Reloaded {
        /// For people: what was read, what has changed, and what needs a restart.
        summary: String,
    },
    /// To [`Request::Ask`].
    Answer {
        /// What the child said.
        answer: Answer,
    },
    /// It is done.
    Done,
    /// Nothing was done, or it is not known what was.
    Failed {
        /// For people.
        reason: String,
    },
}

/// What a parent knows of itself and its children.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The name of a child.
    pub role: String,
    /// The same as in the status file.
    pub status: Status,
}

/// The settings of a parent, and what the settings file would change of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsReport {
    /// By section and name; no value if the program chose it.
    pub running: BTreeMap<String, Option<String>>,
    /// What the settings file says by now, with the flags and variables that the parent was started with; or why it
    /// cannot be used.
    pub pending: Result<Vec<PendingSetting>, String>,
}

/// A setting that is not in force yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingSetting {
    /// Section and name.
    pub key: String,
    /// The value to come; none if the program chooses it.
    pub value: Option<String>,
    /// A reload does not change it.
    pub needs_restart: bool,
}

/// A question for a child. What is long is asked for in pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "kebab-case")]
pub enum Question {
    /// Whether it answers at all.
    Ping,
    /// Of the state process: who is logged in, after this name.
    Sessions {
        /// The last name of the page before.
        after: Option<String>,
    },
    /// Of the state process: for whom something waits.
    Queues {
        /// Where the page before said that the next one begins.
        from: Option<u32>,
    },
    /// Of the state process: all accounts.
    Accounts {
        /// As in `Queues`.
        from: Option<u32>,
    },
    /// Of the state process: which blocks hold.
    Blocks {
        /// Where the page before said that the next one begins.
        after: Option<BlockPlace>,
    },
    /// Of a worker: its clients.
    Clients {
        /// As in `Queues`.
        from: Option<u32>,
    },
    /// Of a worker: closes a client's connection, as if the client had.
    Disconnect {
        /// As in [`SessionRow::worker_session`], for the log.
        worker_session: u64,
        /// As in [`ClientRow::connection`].
        connection: u64,
        /// Whose session it is, for the log.
        name: String,
    },
    /// Of the state process, before a backup is taken from its files: how far it has come.
    Backup,
    /// Of the state process: begins a checkpoint, unless one is being written.
    Checkpoint,
    /// Of the state process: changes the state. Answered once the change is on disk.
    Change {
        /// What is to be changed.
        change: Change,
    },
    /// Logs from this level on, until the process ends.
    SetLogLevel {
        /// As of `--log-level`.
        level: String,
    },
    /// What it has counted and measured.
    Metrics,
    /// Of the state process: what is in the queues of some accounts.
    QueueTotals {
        /// As in `Queues`.
        from: Option<u32>,
    },
    /// Of the state process: all rooms.
    Rooms {
        /// As in `Queues`.
        from: Option<u32>,
    },
    /// Of the state process: one room.
    Room {
        /// Its name, with its mark.
        name: String,
    },
    /// Of the state process: the members of a room.
    Members {
        /// The name of the room, with its mark.
        room: String,
        /// The last name of the page before.
        after: Option<String>,
    },
    /// Of the state process: all of one account.
    Account {
        /// Its name.
        name: String,
    },
}

impl Question {
    /// How long a child may take to answer, in milliseconds. A change may wait for a password to be hashed and for the
    /// account file.
    pub fn answer_ms(&self) -> u64 {
        match self {
            Self::Change { .. } => 20_000,
            _ => 3_000,
        }
    }

    /// What stands in the security log of a question that changes something.
    pub fn act(&self) -> Option<String> {
        match self {
            Self::Disconnect {
                worker_session,
                connection,
                name,
            } => {
                let name = one_word(name);
                let connection = ConnectionNumber {
                    worker_session: *worker_session,
                    serial: *connection,
                };
                Some(format!("event=kick user={name} connection={connection}"))
            }
            Self::Backup => Some("event=backup-requested".to_owned()),
            Self::Checkpoint => Some("event=checkpoint-requested".to_owned()),
            Self::Change { change } => Some(change.act()),
            Self::SetLogLevel { level } => Some(log_level_changed(level)),
            Self::Ping
            | Self::Metrics
            | Self::QueueTotals { .. }
            | Self::Sessions { .. }
            | Self::Queues { .. }
            | Self::Accounts { .. }
            | Self::Blocks { .. }
            | Self::Clients { .. }
            | Self::Rooms { .. }
            | Self::Room { .. }
            | Self::Members { .. }
            | Self::Account { .. } => None,
        }
    }
}

fn log_level_changed(level: &str) -> String {
    let level: String = level.chars().filter(char::is_ascii_alphabetic).collect();
    format!("event=log-level-changed level={level}")
}

/// A child's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Question::Ping`].
    Alive,
    /// To [`Question::Sessions`].
    Sessions(Page<SessionRow, String>),
    /// To [`Question::Queues`].
    Queues(Page<QueueRow, u32>),
    /// To [`Question::Accounts`].
    Accounts(Page<AccountRow, u32>),
    /// To [`Question::Blocks`].
    Blocks(Page<BlockRow, BlockPlace>),
    /// To [`Question::Clients`].
    Clients(Page<ClientRow, u32>),
    /// To [`Question::Backup`].
    Applied {
        /// The last batch of the journal whose effects are applied. Everything answered so far is in it or before it.
        log_index: u64,
    },
    /// It is done, or begun.
    Done,
    /// It was so already: nothing is changed.
    Unchanged,
    /// To [`Change::ForgetAccount`].
    Forgotten {
        /// Messages that were given up, without broadcasts.
        messages: u64,
        /// Bytes of their texts.
        bytes: u64,
        /// Broadcasts that were given up.
        broadcasts: u64,
        /// Messages of rooms that were given up.
        #[serde(default)]
        room_messages: u64,
    },
    /// To [`Change::LiftBlocks`].
    Lifted {
        /// How many blocks held until then.
        blocks: u64,
    },
    /// To [`Question::Metrics`].
    Metrics(MetricsAnswer),
    /// To [`Question::QueueTotals`].
    QueueTotals(QueueTotals),
    /// To [`Question::Rooms`].
    Rooms(Page<RoomRow, u32>),
    /// To [`Question::Room`].
    Room(RoomRow),
    /// To [`Question::Members`].
    Members(Page<MemberRow, String>),
    /// To [`Question::Account`].
    Account(AccountDetails),
}

/// What is in the queues of some accounts, and what these have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueTotals {
    /// Queues in which something waits.
    pub waiting: u64,
    /// Those among them that are at 90 % of a limit of theirs or more.
    pub nearly_full: u64,
    /// Those among the nearly full ones of which a limit is reached.
    pub full: u64,
    /// When the oldest message in them was sent, in milliseconds since 1970.
    pub oldest_ms: Option<i64>,
    /// Sessions that have a place in them.
    #[serde(default)]
    pub places: u64,
    /// Tokens of these accounts.
    #[serde(default)]
    pub tokens: u64,
    /// Memberships of these accounts in rooms.
    #[serde(default)]
    pub memberships: u64,
    /// Where the next question begins; none if these were the last accounts.
    pub next: Option<u32>,
}

/// What a child has counted and measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricsAnswer {
    /// In no particular order.
    pub samples: Vec<Sample>,
}

/// A part of a list. What changes between two pages may be in either form in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<Row, Place> {
    /// In the order of the list.
    pub rows: Vec<Row>,
    /// Where the next page begins; none if this is the last one.
    pub next: Option<Place>,
}

/// A session, as the state process knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Who is logged in: `ann`, or `ann/phone` for a named session.
    pub name: String,
    /// The worker that has the connection, if it is known.
    pub worker_pid: Option<u32>,
    /// The worker session that has the connection.
    pub worker_session: u64,
    /// The number of the connection, as in [`ClientRow::connection`].
    pub connection: u64,
}

/// A client, as its worker knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRow {
    /// The number of the connection; unique in its worker.
    pub connection: u64,
    /// Where it comes from: behind a balancer, as that has said, unless the source is trusted.
    pub source: Option<IpAddr>,
    /// How long it is connected.
    pub connected_s: u64,
    /// For how long nothing has come from it and nothing is under way.
    pub idle_s: u64,
    /// It speaks TLS.
    pub is_tls: bool,
}

/// What waits for an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRow {
    /// The account.
    pub name: String,
    /// Whether somebody is logged in.
    pub is_online: bool,
    /// Messages to it, and to groups that it is in.
    pub messages: u64,
    /// Bytes of their texts that count against the limit.
    pub bytes: u64,
    /// A limit of the queue is reached.
    pub is_full: bool,
    /// Broadcasts that it holds, its own included.
    pub broadcasts: u64,
    /// Messages of its rooms that it has not confirmed.
    #[serde(default)]
    pub room_messages: u64,
    /// When the oldest was sent, in milliseconds since 1970.
    pub oldest_ms: Option<i64>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRow {
    /// Its name.
    pub name: String,
    /// The account file has its newest hash.
    pub is_in_file: bool,
    /// Nobody can log in: the account file has lost its line.
    pub is_disabled: bool,
    /// Somebody is logged in.
    pub is_online: bool,
    /// Messages, broadcasts and messages of rooms that wait.
    pub waiting: u64,
}

/// All of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDetails {
    /// As in the list.
    #[serde(flatten)]
    pub row: AccountRow,
    /// Its sessions that have a place in its queue.
    pub sessions: Vec<PlaceRow>,
    /// Names of its tokens.
    pub tokens: Vec<String>,
    /// Its rooms, by name.
    pub rooms: Vec<RoomOfAccount>,
}

/// A session that has a place in the queue of its account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceRow {
    /// `ann`, or `ann/phone` for a named session.
    pub name: String,
    /// It is logged in.
    pub is_online: bool,
}

/// A room of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomOfAccount {
    /// Its name.
    pub name: String,
    /// What the account is there.
    pub role: Role,
}

/// What a member is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// There is one.
    Owner,
    /// May do nearly all that the owner may.
    Operator,
    /// Anybody else who is in it.
    Member,
}

/// A room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRow {
    /// Its name, with its mark.
    pub name: String,
    /// The name of its owner.
    pub owner: String,
    /// How many members it has.
    pub members: u64,
    /// Members who are logged in.
    pub online: u64,
    /// Only who is invited joins.
    pub is_private: bool,
    /// How many messages it ever had.
    pub messages: u64,
    /// Messages that some member has not confirmed.
    pub unread: u64,
    /// Bytes of their texts.
    pub unread_bytes: u64,
    /// Bytes that the history has of it, roughly as in the file.
    pub history_bytes: u64,
    /// For how many days its history is kept; nothing if the setting says.
    pub retention_days: Option<u32>,
    /// What it is about; empty if nobody has said.
    pub topic: String,
}

/// A member of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// The account.
    pub name: String,
    /// What it is there.
    pub role: Role,
    /// Somebody is logged in.
    pub is_online: bool,
    /// Messages of the room that it has not confirmed.
    pub unread: u64,
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRow {
    /// The account.
    pub name: String,
    /// The address whose passwords do not count.
    pub address: IpAddr,
    /// How long it holds.
    pub seconds_left: u64,
}

/// A place in the list of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockPlace {
    /// When it ends, in the state's own time.
    pub end_ms: u64,
    /// The number of the account.
    pub account: u32,
    /// The address.
    pub address: IpAddr,
}

/// A name as a value in the security log.
pub(super) fn one_word(name: &str) -> String {
    name.escape_debug().filter(|it| *it != ' ').collect()
}

/// One of these as a line, with its end.
pub fn encode_line(message: &impl Serialize) -> Vec<u8> {
    // A line with a password leaves no copies behind by growing.
    let mut line = Vec::with_capacity(MOST_BYTES);
    // Strings, numbers and maps with strings as keys: there is nothing that JSON cannot hold.
    let _ = serde_json::to_writer(&mut line, message);
    line.push(b'\n');
    line
}
