//! Which settings a reload changes. All others need a restart.

use chat_node::settings::reload::read_again;
use clap::Parser;

use crate::programs;

/// The ids of the flags that a reload changes.
const RELOADED: [&str; 43] = [
    "log_level",
    "trusted",
    "block_time",
    "registration",
    "max_accounts",
    "waiting_bytes",
    "sender_waiting_percent",
    "queue_messages",
    "queue_bytes",
    "sender_share_percent",
    "session_unused_days",
    "broadcast_messages",
    "broadcast_bytes",
    "broadcasts_per_minute",
    "max_rooms",
    "max_user_rooms",
    "max_room_members",
    "max_room_entries",
    "room_messages_per_minute",
    "room_queue_messages",
    "history_days",
    "max_history_days",
    "room_history_bytes",
    "direct_history_bytes",
    "max_connections",
    "max_address_connections",
    "max_network_connections",
    "max_unauthenticated",
    "max_source_unauthenticated",
    "logins_per_minute",
    "login_burst",
    "registrations_per_hour",
    "time_out",
    "login_time_out",
    "lines_per_second",
    "line_burst",
    "connections_per_second",
    "connection_burst",
    "source_connections_per_second",
    "source_connection_burst",
    "handshake_time_out",
    "proxy_from",
    "proxy_time_out",
];

/// Whether a reload changes the setting with this id of its flag.
pub fn is_reloaded(id: &str) -> bool {
    RELOADED.contains(&id)
}

/// The settings in a child whose parent has read the file again and sends this.
pub fn settings_of_parent<P: Parser>(written: &str) -> Result<P, String> {
    read_again(programs(), written).map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reloaded_setting_is_one() {
        let tree = crate::tree();
        for id in RELOADED {
            assert!(tree.settings().iter().any(|it| it.id() == id), "{id}");
        }
    }
}
