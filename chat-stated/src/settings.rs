//! What the state daemon does with its settings.

use anyhow::Context;
use chat_node::limits::token_bucket::Rate;
use chat_settings::state::Registration;
pub use chat_settings::state::StateSettings as Settings;

use crate::core::SourceLimits;
use crate::disk_reserve::DiskReserve;
use crate::entry::{HistoryLimits, HistoryRules, Limits, RoomLimits, SessionLimits, WaitingLimits};
use crate::insecure_permissions::OnInsecurePermissions;
use crate::memory_plan::MemoryPlan;
use crate::passwords::cost::HashingCost;

/// The space that is held back.
pub fn disk_reserve(settings: &Settings) -> DiskReserve {
    DiskReserve::new(&settings.state_dir(), settings.disk_reserve * 1024 * 1024)
}

/// What becomes of a file with secrets that others can get at.
pub fn on_insecure_permissions(settings: &Settings) -> OnInsecurePermissions {
    match settings.process.strict_permissions {
        true => OnInsecurePermissions::Refuse,
        false => OnInsecurePermissions::Close,
    }
}

/// How much work the hash of a new password is.
pub fn hashing_cost(settings: &Settings) -> anyhow::Result<HashingCost> {
    HashingCost::new(
        settings.argon2_memory_kib,
        settings.argon2_iterations,
        settings.argon2_lanes,
    )
    .context("the flags --argon2-memory-kib, --argon2-iterations, --argon2-lanes do not fit")
}

/// What clients' sources may have and do.
pub fn source_limits(settings: &Settings) -> SourceLimits {
    SourceLimits {
        trusted: settings.trusted.clone(),
        is_registration_open: settings.registration == Registration::Open,
        connections: settings.max_connections,
        address_connections: settings.max_address_connections,
        network_connections: settings.max_network_connections,
        unauthenticated: settings.max_unauthenticated,
        source_unauthenticated: settings.max_source_unauthenticated,
        logins: Rate::new(settings.logins_per_minute, 60_000, settings.login_burst),
        registrations: Rate::new(
            settings.registrations_per_hour,
            3_600_000,
            settings.registrations_per_hour,
        ),
    }
}

/// Bytes of text that are kept in memory.
pub fn resident_text_bytes(settings: &Settings, plan: MemoryPlan) -> u64 {
    settings
        .resident_text_bytes
        .unwrap_or_else(|| plan.resident_text_bytes())
}

/// How much may wait.
pub fn waiting_limits(settings: &Settings, plan: MemoryPlan) -> WaitingLimits {
    WaitingLimits {
        bytes: settings
            .waiting_bytes
            .unwrap_or_else(|| plan.waiting_bytes()),
        sender_percent: settings.sender_waiting_percent,
    }
}

/// When places of sessions are given up.
pub fn session_limits(settings: &Settings) -> SessionLimits {
    const DAY_MS: u64 = 86_400_000;
    SessionLimits {
        unused_ms: u64::from(settings.session_unused_days) * DAY_MS,
    }
}

/// What is kept in the history.
pub fn history_rules(settings: &Settings) -> HistoryRules {
    HistoryRules {
        keeps_direct: settings.direct_history,
    }
}

/// How much of it stays.
pub fn history_limits(settings: &Settings) -> HistoryLimits {
    const DAY_MS: u64 = 86_400_000;
    HistoryLimits {
        kept_ms: u64::from(settings.history_days) * DAY_MS,
        most_kept_ms: u64::from(settings.max_history_days) * DAY_MS,
        room_bytes: settings.room_history_bytes,
        direct_bytes: settings.direct_history_bytes,
    }
}

/// What the state refuses to grow beyond.
pub fn limits(settings: &Settings, plan: MemoryPlan) -> Limits {
    Limits {
        block_time_ms: settings.block_time * 1000,
        accounts: settings.max_accounts.unwrap_or_else(|| plan.accounts()),
        queue_messages: settings.queue_messages,
        queue_bytes: settings.queue_bytes,
        sender_share_percent: settings.sender_share_percent,
        broadcast_messages: settings.broadcast_messages,
        broadcast_bytes: settings.broadcast_bytes,
        broadcasts_per_minute: settings.broadcasts_per_minute,
    }
}

/// What rooms may grow to.
pub fn room_limits(settings: &Settings) -> RoomLimits {
    RoomLimits {
        rooms: settings.max_rooms,
        rooms_of_user: settings.max_user_rooms,
        members: settings.max_room_members,
        listed: settings.max_room_entries,
        sends_per_minute: settings.room_messages_per_minute,
        queue_messages: settings.room_queue_messages,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use chat_node::limits::memory::{AvailableMemory, MemorySource};

    use clap::Parser;

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
        assert_eq!(limits(&settings, AMPLE), Limits::default());
        assert_eq!(source_limits(&settings), SourceLimits::default());
        // Else every journal would have an entry that older programs cannot read.
        assert_eq!(room_limits(&settings), RoomLimits::INITIAL);
        assert_eq!(history_limits(&settings), HistoryLimits::INITIAL);
        assert_eq!(settings.socket_path(), PathBuf::from("/r/chat-stated.sock"));
    }

    #[test]
    fn flags_become_limits_in_unit_of_state() {
        let settings = parse(&["--block-time=4", "--queue-messages=7"]).unwrap();
        assert_eq!(limits(&settings, AMPLE).block_time_ms, 4000);
        assert_eq!(limits(&settings, AMPLE).queue_messages, 7);
    }

    #[test]
    fn flag_wins_over_what_memory_suggests() {
        let waiting = waiting_limits(&parse(&[]).unwrap(), AMPLE);
        assert_eq!((waiting.bytes, waiting.sender_percent), (1 << 38, 10));
        let flags = [
            "--waiting-bytes=1000",
            "--sender-waiting-percent=7",
            "--max-accounts=3",
        ];
        let settings = parse(&flags).unwrap();
        assert_eq!(waiting_limits(&settings, AMPLE).sender_bytes(0), 70);
        assert_eq!(limits(&settings, AMPLE).accounts, 3);
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
