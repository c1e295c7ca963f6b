//! The flags of the state daemon.

use std::path::PathBuf;

use anyhow::Context;
use chat_node::limits::network::Networks;
use chat_node::limits::token_bucket::Rate;
use chat_node::settings::process_options::ProcessOptions;
use clap::Parser;
use clap::builder::RangedU64ValueParser;

use crate::core::SourceLimits;
use crate::disk_reserve::DiskReserve;
use crate::entry::{Limits, WaitingLimits};
use crate::exposure::OnExposure;
use crate::memory_plan::MemoryPlan;
use crate::passwords::cost::{HashingCost, MAX_ITERATIONS, MAX_LANES, MAX_MEMORY_KIB};

/// The state daemon of chatserv: accounts, sessions and message queues
///
/// Runs in the foreground by default. It serves the workers of chat-frontd over a Unix socket in the run directory.
/// SIGTERM stops it. On SIGHUP it re-reads the account file.
#[derive(Parser, Clone, Debug)]
#[command(name = "chat-stated", version = chat_node::VERSION)]
pub struct Settings {
    /// Flags of the process.
    #[command(flatten)]
    pub process: ProcessOptions,

    /// Seconds that a user is blocked from an address after three wrong passwords
    #[arg(
        long,
        value_name = "SECONDS",
        env = "BLOCK_TIME",
        default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=MAX_BLOCK_TIME_S)
    )]
    pub block_time: u64,

    /// Maximum number of accounts [default: 10000000, but at most one per 4 KiB of available memory]
    #[arg(long, value_name = "COUNT", env = "CHAT_MAX_ACCOUNTS")]
    pub max_accounts: Option<u32>,

    /// Budget of all waiting messages in bytes: 256 for each message, 12 for each recipient, and the texts [default: a
    /// quarter of the available memory]
    #[arg(long, value_name = "BYTES", env = "CHAT_WAITING_BYTES")]
    pub waiting_bytes: Option<u64>,

    /// Percentage of the free part of this budget that the messages of one sender may use
    #[arg(
        long,
        value_name = "PERCENT",
        env = "CHAT_SENDER_WAITING_PERCENT",
        default_value_t = 10,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=10_000)
    )]
    pub sender_waiting_percent: u32,

    /// Maximum messages waiting for one user, without broadcasts
    #[arg(long, value_name = "COUNT", env = "CHAT_QUEUE_MESSAGES", default_value_t = Limits::default().queue_messages)]
    pub queue_messages: u32,

    /// Maximum bytes of text waiting for one user, without broadcasts
    #[arg(long, value_name = "BYTES", env = "CHAT_QUEUE_BYTES", default_value_t = Limits::default().queue_bytes)]
    pub queue_bytes: u64,

    /// Percentage of a user's queue that one sender may fill
    #[arg(
        long,
        value_name = "PERCENT",
        env = "CHAT_SENDER_SHARE_PERCENT",
        default_value_t = Limits::default().sender_share_percent,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=100)
    )]
    pub sender_share_percent: u32,

    /// Maximum number of waiting broadcasts
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_BROADCAST_MESSAGES",
        default_value_t = Limits::default().broadcast_messages
    )]
    pub broadcast_messages: u32,

    /// Maximum bytes of text of waiting broadcasts
    #[arg(
        long,
        value_name = "BYTES",
        env = "CHAT_BROADCAST_BYTES",
        default_value_t = Limits::default().broadcast_bytes
    )]
    pub broadcast_bytes: u64,

    /// Maximum broadcasts per minute and sender
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_BROADCASTS_PER_MINUTE",
        default_value_t = Limits::default().broadcasts_per_minute
    )]
    pub broadcasts_per_minute: u32,

    /// Addresses and networks, separated by commas, that are exempt from limits by source; or `none`
    #[arg(long, value_name = "NETWORKS", env = "CHAT_TRUSTED", default_value = Networks::LOOPBACK)]
    pub trusted: Networks,

    /// Maximum connections in total
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_MAX_CONNECTIONS",
        default_value_t = SourceLimits::default().connections
    )]
    pub max_connections: usize,

    /// Maximum connections from one address
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_MAX_ADDRESS_CONNECTIONS",
        default_value_t = SourceLimits::default().address_connections
    )]
    pub max_address_connections: u32,

    /// Maximum connections from one IPv6 /64
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_MAX_NETWORK_CONNECTIONS",
        default_value_t = SourceLimits::default().network_connections
    )]
    pub max_network_connections: u32,

    /// Maximum unauthenticated connections in total
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_MAX_UNAUTHENTICATED",
        default_value_t = SourceLimits::default().unauthenticated
    )]
    pub max_unauthenticated: usize,

    /// Maximum unauthenticated connections from one source (an IPv4 address or an IPv6 /64)
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_MAX_SOURCE_UNAUTHENTICATED",
        default_value_t = SourceLimits::default().source_unauthenticated
    )]
    pub max_source_unauthenticated: u32,

    /// Maximum wrong passwords per minute from one source, for all users together
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_LOGINS_PER_MINUTE",
        default_value_t = 30,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..)
    )]
    pub logins_per_minute: u32,

    /// Wrong passwords from one source in a burst before --logins-per-minute applies
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_LOGIN_BURST",
        default_value_t = 60,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..)
    )]
    pub login_burst: u32,

    /// Maximum registrations per hour from one source
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_REGISTRATIONS_PER_HOUR",
        default_value_t = 20,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..)
    )]
    pub registrations_per_hour: u32,

    /// Memory for the hash of a new password, in KiB (argon2id)
    #[arg(
        long,
        value_name = "KIB",
        env = "CHAT_ARGON2_MEMORY_KIB",
        default_value_t = 19_456,
        value_parser = RangedU64ValueParser::<u32>::new().range(8..=u64::from(MAX_MEMORY_KIB))
    )]
    pub argon2_memory_kib: u32,

    /// Number of passes over that memory (argon2id)
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_ARGON2_ITERATIONS",
        default_value_t = 2,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MAX_ITERATIONS))
    )]
    pub argon2_iterations: u32,

    /// Number of lanes of that memory (argon2id)
    #[arg(
        long,
        value_name = "COUNT",
        env = "CHAT_ARGON2_LANES",
        default_value_t = 1,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MAX_LANES))
    )]
    pub argon2_lanes: u32,

    /// With --reload, accept the account file even if that disables most accounts
    #[arg(long, requires = "reload")]
    pub force: bool,

    /// Number of journal entries after which a checkpoint is taken
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 200_000,
        value_parser = RangedU64ValueParser::<u64>::new().range(1..)
    )]
    pub checkpoint_every_entries: u64,

    /// Maximum bytes of text of waiting messages in memory; the other texts are read from the disk [default: 64 MiB,
    /// but at most a sixteenth of the available memory]
    #[arg(long, value_name = "BYTES", env = "CHAT_RESIDENT_TEXT_BYTES")]
    pub resident_text_bytes: Option<u64>,

    /// Disk space held in reserve, in bytes, so that logins, logouts and reading work when the disk is full
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = 32,
        value_parser = RangedU64ValueParser::<u64>::new().range(1..=1024 * 1024)
    )]
    pub disk_reserve: u64,
}

/// Ten years: far below what milliseconds in 64 bits can hold.
const MAX_BLOCK_TIME_S: u64 = 10 * 365 * 24 * 60 * 60;

impl Settings {
    /// The socket that workers connect to.
    pub fn socket_path(&self) -> PathBuf {
        self.process.run_dir.join("chat-stated.sock")
    }

    /// The directory of the journal and the checkpoint.
    pub fn state_dir(&self) -> PathBuf {
        self.process.run_dir.join("state")
    }

    /// The space that is held back.
    pub fn disk_reserve(&self) -> DiskReserve {
        DiskReserve::new(&self.state_dir(), self.disk_reserve * 1024 * 1024)
    }

    /// What becomes of a file with secrets that others can get at.
    pub fn on_exposure(&self) -> OnExposure {
        match self.process.strict_permissions {
            true => OnExposure::Refuse,
            false => OnExposure::Close,
        }
    }

    /// How much work the hash of a new password is.
    pub fn hashing_cost(&self) -> anyhow::Result<HashingCost> {
        HashingCost::new(
            self.argon2_memory_kib,
            self.argon2_iterations,
            self.argon2_lanes,
        )
        .context("the flags --argon2-memory-kib, --argon2-iterations, --argon2-lanes do not fit")
    }

    /// The account file.
    pub fn account_file(&self) -> PathBuf {
        self.process.run_dir.join("user_pass.txt")
    }

    /// What clients' sources may have and do.
    pub fn source_limits(&self) -> SourceLimits {
        SourceLimits {
            trusted: self.trusted.clone(),
            connections: self.max_connections,
            address_connections: self.max_address_connections,
            network_connections: self.max_network_connections,
            unauthenticated: self.max_unauthenticated,
            source_unauthenticated: self.max_source_unauthenticated,
            logins: Rate::new(self.logins_per_minute, 60_000, self.login_burst),
            registrations: Rate::new(
                self.registrations_per_hour,
                3_600_000,
                self.registrations_per_hour,
            ),
        }
    }

    /// Bytes of text that are kept in memory.
    pub fn resident_text_bytes(&self, plan: MemoryPlan) -> u64 {
        self.resident_text_bytes
            .unwrap_or_else(|| plan.resident_text_bytes())
    }

    /// How much may wait.
    pub fn waiting_limits(&self, plan: MemoryPlan) -> WaitingLimits {
        WaitingLimits {
            bytes: self.waiting_bytes.unwrap_or_else(|| plan.waiting_bytes()),
            sender_percent: self.sender_waiting_percent,
        }
    }

    /// What the state refuses to grow beyond.
    pub fn limits(&self, plan: MemoryPlan) -> Limits {
        Limits {
            block_time_ms: self.block_time * 1000,
            accounts: self.max_accounts.unwrap_or_else(|| plan.accounts()),
            queue_messages: self.queue_messages,
            queue_bytes: self.queue_bytes,
            sender_share_percent: self.sender_share_percent,
            broadcast_messages: self.broadcast_messages,
            broadcast_bytes: self.broadcast_bytes,
            broadcasts_per_minute: self.broadcasts_per_minute,
        }
    }
}

#[cfg(test)]
mod tests {
    use chat_node::limits::memory::{AvailableMemory, MemorySource};

    use super::*;

    const AMPLE: MemoryPlan = MemoryPlan::of(AvailableMemory {
        bytes: 1 << 40,
        by: MemorySource::Host,
    });

    fn parse(flags: &[&str]) -> Result<Settings, clap::Error> {
        Settings::try_parse_from(["chat-stated", "--run-dir=/r"].iter().chain(flags))
    }

    #[test]
    fn limits_are_default_ones() {
        let settings = parse(&["--block-time=60"]).unwrap();
        assert_eq!(settings.limits(AMPLE), Limits::default());
        assert_eq!(settings.source_limits(), SourceLimits::default());
        assert_eq!(settings.socket_path(), PathBuf::from("/r/chat-stated.sock"));
    }

    #[test]
    fn flags_become_limits_in_unit_of_state() {
        let settings = parse(&["--block-time=4", "--queue-messages=7"]).unwrap();
        assert_eq!(settings.limits(AMPLE).block_time_ms, 4000);
        assert_eq!(settings.limits(AMPLE).queue_messages, 7);
    }

    #[test]
    fn flag_wins_over_what_memory_suggests() {
        let waiting = parse(&[]).unwrap().waiting_limits(AMPLE);
        assert_eq!((waiting.bytes, waiting.sender_percent), (1 << 38, 10));
        let flags = [
            "--waiting-bytes=1000",
            "--sender-waiting-percent=7",
            "--max-accounts=3",
        ];
        let settings = parse(&flags).unwrap();
        assert_eq!(settings.waiting_limits(AMPLE).sender_bytes(0), 70);
        assert_eq!(settings.limits(AMPLE).accounts, 3);
    }

    #[test]
    fn senseless_values_are_refused() {
        for flag in [
            "--block-time=0",
            "--block-time=18446744073709551615",
            "--sender-share-percent=101",
            "--sender-waiting-percent=0",
            "--argon2-iterations=0",
            "--argon2-iterations=101",
            "--argon2-memory-kib=1048577",
            "--trusted=10.0.0.1/8",
            "--logins-per-minute=0",
            "--argon2-lanes=0",
            "--argon2-lanes=17",
        ] {
            assert!(parse(&[flag]).is_err(), "{flag}");
        }
    }

    #[test]
    fn commands_exclude_each_other() {
        assert!(parse(&["--stop", "--status"]).is_err());
        assert!(parse(&["--detach", "--stop"]).is_err());
        assert!(parse(&["--detach", "--log-file=x"]).is_ok());
    }
}
