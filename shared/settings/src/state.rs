//! The settings of the state daemon.

use std::path::PathBuf;

use chat_node::limits::network::Networks;
use chat_node::settings::process_options::ProcessOptions;
use clap::builder::{FalseyValueParser, RangedU64ValueParser};
use clap::{ArgAction, Parser, ValueEnum};

/// Maximum memory of one password hash, in KiB: 1 GiB.
pub const MAX_ARGON2_MEMORY_KIB: u32 = 1024 * 1024;
/// Maximum number of passes over that memory.
pub const MAX_ARGON2_ITERATIONS: u32 = 100;
/// Maximum number of lanes of that memory.
pub const MAX_ARGON2_LANES: u32 = 16;

/// Who may register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Registration {
    /// Anybody who can connect.
    #[default]
    Open,
    /// Nobody: only operators make accounts.
    Closed,
}

/// The state daemon of chatserv: accounts, sessions and message queues
///
/// Runs in the foreground by default. It serves the workers of chat-frontd over a Unix socket in the run directory.
/// SIGTERM stops it. On SIGHUP it re-reads the account file.
#[derive(Parser, Clone, Debug)]
#[command(name = "chat-stated", version = chat_node::VERSION)]
pub struct StateSettings {
    /// Flags of the process.
    #[command(flatten)]
    pub process: ProcessOptions,

    /// Seconds that a user is blocked from an address after three wrong passwords
    #[arg(
        long,
        help_heading = "[logins]",
        value_name = "SECONDS",
        env = "BLOCK_TIME",
        default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=MAX_BLOCK_TIME_S)
    )]
    pub block_time: u64,

    /// Who may register: open, anybody who can connect; closed, nobody
    ///
    /// With closed, an unknown name is answered username. chatctl accounts add still makes accounts.
    #[arg(
        long,
        help_heading = "[accounts]",
        value_name = "WHO",
        env = "CHAT_REGISTRATION",
        default_value = "open"
    )]
    pub registration: Registration,

    /// Maximum number of accounts [default: 10000000, but at most one per 4 KiB of available memory]
    #[arg(
        long,
        help_heading = "[accounts]",
        value_name = "COUNT",
        env = "CHAT_MAX_ACCOUNTS"
    )]
    pub max_accounts: Option<u32>,

    /// Budget of all waiting messages in bytes: 256 for each message, 12 for each recipient, and the texts [default: a
    /// quarter of the available memory]
    ///
    /// docs/reference.md, "Memory", says more.
    #[arg(
        long,
        help_heading = "[messages]",
        value_name = "BYTES",
        env = "CHAT_WAITING_BYTES"
    )]
    pub waiting_bytes: Option<u64>,

    /// Percentage of the free part of this budget that the messages of one sender may use
    ///
    /// Up to 10,000.
    #[arg(
        long,
        help_heading = "[messages]",
        value_name = "PERCENT",
        env = "CHAT_SENDER_WAITING_PERCENT",
        default_value_t = 10,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=10_000)
    )]
    pub sender_waiting_percent: u32,

    /// Maximum messages waiting for one user, without broadcasts
    #[arg(
        long,
        help_heading = "[messages]",
        value_name = "COUNT",
        env = "CHAT_QUEUE_MESSAGES",
        default_value_t = 100_000
    )]
    pub queue_messages: u32,

    /// Maximum bytes of text waiting for one user, without broadcasts
    #[arg(
        long,
        help_heading = "[messages]",
        value_name = "BYTES",
        env = "CHAT_QUEUE_BYTES",
        default_value_t = 64 * 1024 * 1024
    )]
    pub queue_bytes: u64,

    /// Percentage of a user's queue that one sender may fill
    #[arg(
        long,
        help_heading = "[messages]",
        value_name = "PERCENT",
        env = "CHAT_SENDER_SHARE_PERCENT",
        default_value_t = 50,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=100)
    )]
    pub sender_share_percent: u32,

    /// Days after which a user's session that was not used loses its place, if another one was used since
    ///
    /// What waited for this session alone is gone.
    #[arg(
        long,
        help_heading = "[messages]",
        value_name = "DAYS",
        env = "CHAT_SESSION_UNUSED_DAYS",
        default_value_t = 90,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=36_500)
    )]
    pub session_unused_days: u32,

    /// Maximum number of waiting broadcasts
    #[arg(
        long,
        help_heading = "[messages]",
        value_name = "COUNT",
        env = "CHAT_BROADCAST_MESSAGES",
        default_value_t = 100_000
    )]
    pub broadcast_messages: u32,

    /// Maximum bytes of text of waiting broadcasts
    #[arg(
        long,
        help_heading = "[messages]",
        value_name = "BYTES",
        env = "CHAT_BROADCAST_BYTES",
        default_value_t = 64 * 1024 * 1024
    )]
    pub broadcast_bytes: u64,

    /// Maximum broadcasts per minute and sender
    #[arg(
        long,
        help_heading = "[messages]",
        value_name = "COUNT",
        env = "CHAT_BROADCASTS_PER_MINUTE",
        default_value_t = 60_000
    )]
    pub broadcasts_per_minute: u32,

    /// Maximum number of rooms
    #[arg(
        long,
        help_heading = "[rooms]",
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(..=100_000),
        default_value_t = 10_000
    )]
    pub max_rooms: u32,

    /// Maximum number of rooms of which one user is a member
    #[arg(
        long,
        help_heading = "[rooms]",
        value_name = "COUNT",
        default_value_t = 100
    )]
    pub max_user_rooms: u32,

    /// Maximum number of members of a room
    #[arg(
        long,
        help_heading = "[rooms]",
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(..=100_000),
        default_value_t = 10_000
    )]
    pub max_room_members: u32,

    /// Maximum number of operators, of bans and of invitations of a room
    #[arg(
        long,
        help_heading = "[rooms]",
        value_name = "COUNT",
        default_value_t = 1_000
    )]
    pub max_room_entries: u32,

    /// Maximum messages per minute and room
    #[arg(
        long,
        help_heading = "[rooms]",
        value_name = "COUNT",
        default_value_t = 60_000
    )]
    pub room_messages_per_minute: u32,

    /// Newest messages of a room that wait for its members
    ///
    /// Older ones that a member has not read are shown to that member as one line with their number.
    #[arg(
        long,
        help_heading = "[rooms]",
        value_name = "COUNT",
        default_value_t = 1_000
    )]
    pub room_queue_messages: u32,

    /// Addresses and networks, separated by commas, that are exempt from limits by source; or `none`
    ///
    /// Empty, or `none`: nobody.
    #[arg(
        long,
        help_heading = "[network]",
        value_name = "NETWORKS",
        env = "CHAT_TRUSTED",
        default_value = Networks::LOOPBACK
    )]
    pub trusted: Networks,

    /// Maximum connections in total
    #[arg(
        long,
        help_heading = "[connections]",
        value_name = "COUNT",
        env = "CHAT_MAX_CONNECTIONS",
        default_value_t = 100_000
    )]
    pub max_connections: usize,

    /// Maximum connections from one address
    ///
    /// Silent connections count too. Trusted sources are exempt.
    #[arg(
        long,
        help_heading = "[connections]",
        value_name = "COUNT",
        env = "CHAT_MAX_ADDRESS_CONNECTIONS",
        default_value_t = 100
    )]
    pub max_address_connections: u32,

    /// Maximum connections from one IPv6 /64
    ///
    /// Trusted sources are exempt.
    #[arg(
        long,
        help_heading = "[connections]",
        value_name = "COUNT",
        env = "CHAT_MAX_NETWORK_CONNECTIONS",
        default_value_t = 200
    )]
    pub max_network_connections: u32,

    /// Maximum unauthenticated connections in total
    #[arg(
        long,
        help_heading = "[connections]",
        value_name = "COUNT",
        env = "CHAT_MAX_UNAUTHENTICATED",
        default_value_t = 50_000
    )]
    pub max_unauthenticated: usize,

    /// Maximum unauthenticated connections from one source (an IPv4 address or an IPv6 /64)
    ///
    /// Trusted sources are exempt.
    #[arg(
        long,
        help_heading = "[connections]",
        value_name = "COUNT",
        env = "CHAT_MAX_SOURCE_UNAUTHENTICATED",
        default_value_t = 30
    )]
    pub max_source_unauthenticated: u32,

    /// Maximum wrong passwords per minute from one source, for all users together
    ///
    /// Right passwords do not count. The source is throttled, the users are not: they log in from elsewhere. Trusted
    /// sources are exempt.
    #[arg(
        long,
        help_heading = "[logins]",
        value_name = "COUNT",
        env = "CHAT_LOGINS_PER_MINUTE",
        default_value_t = 30,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..)
    )]
    pub logins_per_minute: u32,

    /// Wrong passwords from one source in a burst before --logins-per-minute applies
    ///
    /// Trusted sources are exempt.
    #[arg(
        long,
        help_heading = "[logins]",
        value_name = "COUNT",
        env = "CHAT_LOGIN_BURST",
        default_value_t = 60,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..)
    )]
    pub login_burst: u32,

    /// Maximum registrations per hour from one source
    ///
    /// Trusted sources are exempt.
    #[arg(
        long,
        help_heading = "[accounts]",
        value_name = "COUNT",
        env = "CHAT_REGISTRATIONS_PER_HOUR",
        default_value_t = 20,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..)
    )]
    pub registrations_per_hour: u32,

    /// Memory for the hash of a new password, in KiB (argon2id)
    ///
    /// 8 KiB to 1 GiB. If the cost is raised, each account gets a stronger line at its next login.
    #[arg(
        long,
        help_heading = "[accounts]",
        value_name = "KIB",
        env = "CHAT_ARGON2_MEMORY_KIB",
        default_value_t = 19_456,
        value_parser = RangedU64ValueParser::<u32>::new().range(8..=u64::from(MAX_ARGON2_MEMORY_KIB))
    )]
    pub argon2_memory_kib: u32,

    /// Number of passes over that memory (argon2id)
    ///
    /// 1 to 100. Passes times memory are at most 4 GiB.
    #[arg(
        long,
        help_heading = "[accounts]",
        value_name = "COUNT",
        env = "CHAT_ARGON2_ITERATIONS",
        default_value_t = 2,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MAX_ARGON2_ITERATIONS))
    )]
    pub argon2_iterations: u32,

    /// Number of lanes of that memory (argon2id)
    ///
    /// 1 to 16.
    #[arg(
        long,
        help_heading = "[accounts]",
        value_name = "COUNT",
        env = "CHAT_ARGON2_LANES",
        default_value_t = 1,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MAX_ARGON2_LANES))
    )]
    pub argon2_lanes: u32,

    /// With --reload, accept the account file even if that disables most accounts
    #[arg(long, requires = "reload")]
    pub force: bool,

    /// Number of journal entries after which a checkpoint is taken
    #[arg(
        long,
        help_heading = "[storage]",
        value_name = "COUNT",
        default_value_t = 200_000,
        value_parser = RangedU64ValueParser::<u64>::new().range(1..)
    )]
    pub checkpoint_every_entries: u64,

    /// Maximum bytes of text of waiting messages in memory; the other texts are read from the disk [default: 64 MiB,
    /// but at most a sixteenth of the available memory]
    #[arg(
        long,
        help_heading = "[storage]",
        value_name = "BYTES",
        env = "CHAT_RESIDENT_TEXT_BYTES"
    )]
    pub resident_text_bytes: Option<u64>,

    /// Keep messages to one user or to a group after their readers have them: for history and search
    ///
    /// Without it, such a message leaves the server when its readers have it. Broadcasts are not kept.
    #[arg(
        long,
        help_heading = "[history]",
        env = "CHAT_DIRECT_HISTORY",
        action = ArgAction::SetTrue,
        value_parser = FalseyValueParser::new()
    )]
    pub direct_history: bool,

    /// Days that messages are kept in the history. The owner of a room may say otherwise for it
    #[arg(
        long,
        help_heading = "[history]",
        value_name = "DAYS",
        env = "CHAT_HISTORY_DAYS",
        default_value_t = 90,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=36_500)
    )]
    pub history_days: u32,

    /// The longest time, in days, that the owner of a room may have its history kept
    #[arg(
        long,
        help_heading = "[history]",
        value_name = "DAYS",
        default_value_t = 36_500,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=36_500)
    )]
    pub max_history_days: u32,

    /// What the history keeps of each room, in bytes
    ///
    /// A message takes about twice its text and 100 bytes. Beyond that, the oldest go, but none that a member has not
    /// read.
    #[arg(
        long,
        help_heading = "[history]",
        value_name = "BYTES",
        default_value_t = 1024 * 1024 * 1024,
        value_parser = RangedU64ValueParser::<u64>::new().range(64 * 1024..)
    )]
    pub room_history_bytes: u64,

    /// What the history keeps of all messages to users and groups, in bytes. Beyond that, the oldest go
    #[arg(
        long,
        help_heading = "[history]",
        value_name = "BYTES",
        default_value_t = 16 * 1024 * 1024 * 1024,
        value_parser = RangedU64ValueParser::<u64>::new().range(64 * 1024..)
    )]
    pub direct_history_bytes: u64,

    /// Disk space held in reserve, in MiB, so that logins, logouts and reading work when the disk is full
    #[arg(
        long,
        help_heading = "[storage]",
        value_name = "MIB",
        default_value_t = 32,
        value_parser = RangedU64ValueParser::<u64>::new().range(1..=1024 * 1024)
    )]
    pub disk_reserve: u64,
}

/// Ten years: far below what milliseconds in 64 bits can hold.
const MAX_BLOCK_TIME_S: u64 = 10 * 365 * 24 * 60 * 60;

impl StateSettings {
    /// The socket that workers connect to.
    pub fn socket_path(&self) -> PathBuf {
        self.process.run_dir.join("chat-stated.sock")
    }

    /// The directory of the journal and the checkpoint.
    pub fn state_dir(&self) -> PathBuf {
        self.process.run_dir.join("state")
    }

    /// The account file.
    pub fn account_file(&self) -> PathBuf {
        self.process.run_dir.join("user_pass.txt")
    }
}
