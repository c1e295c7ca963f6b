//! The metrics that machines are shown: name, kind, labels and meaning of each. docs/monitoring.md lists them.
//!
//! Names are those of Prometheus: base units, and `_total` behind the name of a counter.

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// As it is scraped; of a histogram, `_bucket`, `_sum` and `_count` follow.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// What tells its values apart.
    pub labels: &'static [&'static str],
    /// What it means, for people, without the full stop at the end.
    pub help: &'static str,
}

/// What the values of a metric are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, until its process ends.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts of values by their size.
    Histogram,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Metric {
    /// How many of what a process reports are one of what is shown: durations travel in microseconds.
    pub fn divisor(&self) -> u32 {
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        match name.ends_with("_seconds") {
            true => 1_000_000,
            false => 1,
        }
    }

    /// The labels that the process itself gives: a worker does not know its number.
    pub fn own_labels(&self) -> &'static [&'static str] {
        match self.is_of_worker() {
            true => &self.labels[1..],
            false => self.labels,
        }
    }

    /// Whether each worker has values of its own.
    pub fn is_of_worker(&self) -> bool {
        self.labels.first() == Some(&"worker")
    }

    /// The metric of this name.
    pub fn of(name: &str) -> Option<&'static Self> {
        ALL.iter().copied().find(|metric| metric.name == name)
    }
}

macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*

        /// All metrics, in the order in which they are shown.
        pub const ALL: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    UP: Gauge "chatserv_up" ["daemon"]
        "1 if the daemon has answered, 0 if it does not run or does not answer";
    HEALTH: Gauge "chatserv_health" ["health"]
        "1 for what `chatctl status` says last: healthy, degraded, unknown or down; 0 for the others";
    BUILD: Gauge "chatserv_build_info" ["daemon", "version"]
        "Always 1; the version of the running daemon is in a label";

    CHILD_SERVING: Gauge "chatserv_child_serving" ["daemon", "child"]
        "1 if the child process serves and gives signs of life";
    CHILD_RESTARTS: Counter "chatserv_child_restarts_total" ["daemon", "child"]
        "How often the child process was started again";
    REFUSALS: Counter "chatserv_refusals_total" ["daemon", "kind"]
        "What was refused by a limit, by the kinds of the security log";

    RESIDENT_BYTES: Gauge "chatserv_process_resident_memory_bytes" ["daemon", "process"]
        "Memory of the process that is in RAM, as the kernel counts it; shared pages count for each process";
    CPU: Counter "chatserv_process_cpu_seconds_total" ["daemon", "process"]
        "Processor time of the process";
    THREADS: Gauge "chatserv_process_threads" ["daemon", "process"]
        "Threads of the process";

    CONNECTIONS: Gauge "chatserv_connections" ["worker", "transport", "state"]
        "Connections of clients: proxy-header and handshake are not yet clients, login has not logged in, \
         active has something under way, parked is logged in and silent";
    ACCEPTED: Counter "chatserv_connections_accepted_total" ["worker", "transport"]
        "Connections that were accepted, those through a balancer included";
    MAX_CLIENTS: Gauge "chatserv_max_clients" ["worker"]
        "Most connections that the worker may have";
    HELD_BYTES: Gauge "chatserv_held_bytes" ["worker"]
        "Bytes that the worker holds for its clients";
    MAX_HELD_BYTES: Gauge "chatserv_max_held_bytes" ["worker"]
        "Most bytes that the worker may hold for its clients";
    COMMANDS: Counter "chatserv_commands_total" ["worker", "command", "answer"]
        "Lines of clients that were answered, by what they asked for and what came of it";
    WRITTEN: Counter "chatserv_messages_written_total" ["worker"]
        "Messages that were written for their readers; one that is delivered again counts again";

    STORED: Counter "chatserv_messages_stored_total" []
        "Messages that were taken and stored since the state began; restarts do not reset it";
    CONFIRMED: Counter "chatserv_messages_confirmed_total" []
        "Messages that left a queue because their reader has confirmed them; each reader counts";
    WAITING: Gauge "chatserv_messages_waiting" []
        "Messages that somebody has not confirmed";
    WAITING_BYTES: Gauge "chatserv_waiting_bytes" []
        "What all messages that wait take, in the bytes that the limit counts";
    MAX_WAITING_BYTES: Gauge "chatserv_max_waiting_bytes" []
        "Most bytes that all messages that wait may take";
    OLDEST: Gauge "chatserv_oldest_message_age_seconds" []
        "Age of the oldest message that waits; 0 if none does";
    QUEUES: Gauge "chatserv_queues" ["fill"]
        "Queues with something in them: normal, nearly-full from 90 % of a limit on, full";
    ACCOUNTS: Gauge "chatserv_accounts" []
        "Accounts, disabled ones included";
    MAX_ACCOUNTS: Gauge "chatserv_max_accounts" []
        "Most accounts that there may be";
    SESSIONS: Gauge "chatserv_sessions" []
        "Users who are logged in";
    PLACES: Gauge "chatserv_user_sessions" []
        "Sessions of users that messages wait for, logged in or not; one that only sends is none of them";
    TOKENS: Gauge "chatserv_tokens" []
        "Tokens of all users";
    ROOMS: Gauge "chatserv_rooms" []
        "Rooms";
    MAX_ROOMS: Gauge "chatserv_max_rooms" []
        "Most rooms that there may be";
    MEMBERSHIPS: Gauge "chatserv_room_members" []
        "Members of all rooms; a user counts in each room";
    BROADCASTS: Gauge "chatserv_broadcasts_waiting" []
        "Broadcasts that somebody has not confirmed";
    MAX_BROADCASTS: Gauge "chatserv_max_broadcasts" []
        "Most broadcasts that may wait";
    BROADCAST_BYTES: Gauge "chatserv_broadcast_bytes" []
        "Bytes of the texts of broadcasts that wait";
    MAX_BROADCAST_BYTES: Gauge "chatserv_max_broadcast_bytes" []
        "Most bytes that broadcasts may hold";
    PASSWORDS_WAITING: Gauge "chatserv_passwords_waiting" []
        "Passwords that are hashed or wait for that";
    COMMIT_DURATION: Histogram "chatserv_commit_duration_seconds" []
        "How long it took until a batch was on disk";
    BATCH_ENTRIES: Histogram "chatserv_batch_entries" []
        "Entries that became durable together";
    JOURNAL_BYTES: Counter "chatserv_journal_written_bytes_total" []
        "Bytes that were written to the journal";
    CHECKPOINT_PENDING: Gauge "chatserv_checkpoint_pending_entries" []
        "Entries since the last checkpoint began: what a start has to replay";
    CHECKPOINT_FAILED: Gauge "chatserv_checkpoint_failed" []
        "1 if the last checkpoint did not succeed";
    DAMAGED_TEXTS: Gauge "chatserv_damaged_texts" []
        "Texts of messages that were found damaged on the disk since the process began, and are there still";
    HISTORY_MESSAGES: Gauge "chatserv_history_messages" []
        "Messages in the history";
    HISTORY_BYTES: Gauge "chatserv_history_bytes" []
        "Bytes of the history's file that hold something";
    HISTORY_PENDING_BYTES: Gauge "chatserv_history_pending_bytes" []
        "Bytes of messages that are on their way to the history";
    HISTORY_LAG: Gauge "chatserv_history_lag_messages" []
        "How far the newest message in the history is behind the newest one that belongs there, in numbers";
    HISTORY_LACKS: Gauge "chatserv_history_incomplete" []
        "1 if the history lacks messages; `chatctl status` says which";
    HISTORY_DAMAGED: Gauge "chatserv_history_damaged_messages" []
        "Messages of the history that were found damaged since the process began; they are shown to nobody";
    HISTORY_FAILED: Gauge "chatserv_history_failed" []
        "1 if the history is off because its file failed";
    FILE_BYTES: Gauge "chatserv_file_bytes" ["file"]
        "Size of a file in the run directory: journal, checkpoint, account file, logs";
    DISK_SIZE: Gauge "chatserv_disk_size_bytes" []
        "Size of the file system of the state";
    DISK_FREE: Gauge "chatserv_disk_free_bytes" []
        "What is free on the file system of the state";
    CERTIFICATE_END: Gauge "chatserv_certificate_end_timestamp_seconds" []
        "When the certificate in use expires, in seconds since 1970; nothing without TLS";
    DISK_REFUSING: Gauge "chatserv_disk_refusing" []
        "1 while messages are refused because the disk has no room";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_conventions() {
        for metric in ALL {
            let name = metric.name;
            assert!(name.starts_with("chatserv_"), "{name}");
            let is_total = name.ends_with("_total");
            assert_eq!(metric.kind == Kind::Counter, is_total, "{name}");
            assert!(!metric.help.ends_with('.'), "{name}");
            assert_eq!(Metric::of(name), Some(*metric), "its name is used twice");
        }
    }
}
