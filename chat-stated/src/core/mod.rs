//! What the daemon does with what comes in, without sockets, disks, threads or clocks of its own.
//!
//! Frames of workers, committed batches, hashed passwords and the time go in; frames for workers and
//! [`Action`]s come out. The loop in [`crate::server`] carries them; a simulation can carry them as well.

mod account_changes;
mod account_file;
mod admission;
mod batches;
mod checkpoints;
mod damage;
mod delivery;
mod history;
mod inspection;
mod link;
mod links;
mod lists;
mod logins;
mod metrics;
mod operations;
mod password_changes;
pub mod pending_work;
mod pushes;
mod requests;
mod send_batches;
mod sources;
mod space;
mod texts;
mod tokens;
mod waiting;
mod warnings;
mod worker_sessions;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use chat_model::MessageNumber;
use chat_node::logs::security_log::SecurityLog;

pub use history::HistoryStart;
pub use link::LinkId;
pub use sources::SourceLimits;
pub use texts::MissingTexts;

use crate::account_file::writer::FileRequest;
use crate::checkpoint::Change;
use crate::entry::{
    Batch, Entry, HistoryLimits, HistoryRules, HostId, Limits, RoomLimits, SessionLimits,
    Timestamp, WaitingLimits,
};
use crate::history::HistoryRequest;
use crate::journal::LogIndex;
use crate::passwords::pool::PasswordJob;
use crate::passwords::remembered::RememberedPasswords;
use crate::state::{Effects, State};
use crate::text_page::TextPlace;
use account_file::AccountAppends;
use batches::Batches;
use checkpoints::Checkpoints;
use damage::Damage;
use history::History;
use links::Links;
use lists::Lists;
use logins::Logins;
use operations::Operations;
use sources::Sources;
use space::Space;
use texts::TextReads;
use waiting::WaitingLog;
use worker_sessions::DeadWorkerSessions;

/// What the core wants to have done. Each is answered by the method named with it.
#[derive(Debug)]
pub enum Action {
    /// Put a batch into the journal; see [`Core::committed`] and [`Core::no_room`].
    Submit(Batch),
    /// Hash or compare a password; see [`Core::password_done`] and [`Core::password_refused`].
    Hash {
        /// Names the job.
        ticket: u64,
        /// Who asked, for fairness.
        source: IpAddr,
        /// What to do.
        job: PasswordJob,
    },
    /// Nobody waits for this job any more. Not answered.
    CancelHash {
        /// As in `Hash`.
        ticket: u64,
    },
    /// Use the account file. [`Core::lines_refused`] tells the core of a request that the writer refuses. Completions
    /// go to the method of their kind, such as [`Core::lines_appended`] or [`Core::account_file_read`].
    File(FileRequest),
    /// Write a checkpoint; see [`Core::checkpoint_written`] and [`Core::checkpoint_no_room`].
    Checkpoint {
        /// All up to here is in it, but for texts whose reading the journal has behind it.
        position: LogIndex,
        /// What differs from the one before.
        records: Vec<Change>,
    },
    /// The journal may forget what the checkpoint has. Not answered.
    ForgetJournal(LogIndex),
    /// Read texts of messages from the current checkpoint; see [`Core::texts_read`].
    ReadTexts {
        /// Names the request.
        ticket: u64,
        /// Which.
        places: Vec<TextPlace>,
    },
    /// Have the history keep, find or delete messages; see [`Core::take_history`].
    History(HistoryRequest),
    /// Give up the space that is held back on the disk; see [`Core::reserve_given_up`].
    GiveUpReserve,
    /// Hold back space on the disk; see [`Core::reserve_taken`].
    TakeReserve,
    /// Close a worker's connection, once what waits for it is written. Not answered.
    CloseLink(LinkId),
}

/// How the daemon is set up; not part of the state.
#[derive(Clone, Debug)]
pub struct CoreSettings {
    /// Journalled when they differ from those in force.
    pub limits: Limits,
    /// The same of how much may wait.
    pub waiting_limits: WaitingLimits,
    /// The same of when places of sessions are given up.
    pub session_limits: SessionLimits,
    /// The same of rooms.
    pub room_limits: RoomLimits,
    /// The same of what is kept in the history.
    pub history_rules: HistoryRules,
    /// The same of how much of it stays.
    pub history_limits: HistoryLimits,
    /// What clients' sources may have and do.
    pub sources: SourceLimits,
    /// Which host this is, if there are several.
    pub host: Option<HostId>,
    /// How long the sessions of a worker that has not come back are kept once it could have.
    pub dead_worker_grace_ms: u64,
    /// Workers that may be attached at once.
    pub max_links: usize,
    /// A checkpoint is due when the journal has grown by so much.
    pub checkpoint_every_bytes: u64,
    /// A checkpoint is due after so many entries.
    pub checkpoint_every_entries: u64,
    /// A checkpoint begins no sooner after the one before, unless several are due or too much text is in memory: what
    /// is read within this never has to be written into one.
    pub checkpoint_interval_ms: u64,
    /// A checkpoint takes messages so much later than all else, unless it is urgent: of one that is read within this
    /// time it has no text. More than it takes until a message that was pushed counts as read, and less than the
    /// interval.
    pub checkpoint_reading_ms: u64,
    /// It does so if more messages than this wait.
    pub checkpoint_few_messages: usize,
    /// A checkpoint is due when it would give back so many pages of messages. One that was read takes next to nothing
    /// in the journal, so that nothing else would tell that the disk can shrink.
    pub checkpoint_every_given_up_pages: usize,
    /// Bytes of text that may be in memory. Texts beyond that are dropped once a checkpoint has them, and read from it.
    pub resident_text_bytes: u64,
    /// After a commit with so many attempts or fewer, a small batch goes to the journal at once. After more, it waits
    /// for what the answers bring about.
    pub few_answers: usize,
}

impl Default for CoreSettings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            waiting_limits: WaitingLimits::INITIAL,
            session_limits: SessionLimits::INITIAL,
            room_limits: RoomLimits::INITIAL,
            history_rules: HistoryRules::default(),
            history_limits: HistoryLimits::INITIAL,
            sources: SourceLimits::default(),
            host: None,
            dead_worker_grace_ms: 2_000,
            max_links: 256,
            checkpoint_every_bytes: 16 * 1024 * 1024,
            checkpoint_every_entries: 200_000,
            checkpoint_interval_ms: 4_000,
            checkpoint_reading_ms: 2_000,
            checkpoint_few_messages: 2_048,
            checkpoint_every_given_up_pages: 1_024,
            resident_text_bytes: 64 * 1024 * 1024,
            few_answers: 8,
        }
    }
}

/// The daemon's logic.
pub struct Core {
    settings: CoreSettings,
    state: State,
    /// The time of this turn.
    timestamp: Timestamp,
    /// What was confirmed during the replay.
    confirmed_before: u64,
    links: Links,
    dead_worker_sessions: DeadWorkerSessions,
    batches: Batches,
    logins: Logins,
    appends: AccountAppends,
    checkpoints: Checkpoints,
    space: Space,
    sources: Sources,
    security: SecurityLog,
    text_reads: TextReads,
    damage: Damage,
    history: History,
    waiting_log: WaitingLog,
    lists: Lists,
    operations: Operations,
    effects: Effects,
    actions: Vec<Action>,
}

impl Core {
    /// Goes on from a state that was recovered up to a position of the journal.
    pub fn new(
        settings: CoreSettings,
        state: State,
        position: LogIndex,
        remembered: RememberedPasswords,
        timestamp: Timestamp,
    ) -> Self {
        let (limits, waiting_limits) = (settings.limits, settings.waiting_limits);
        let session_limits = settings.session_limits;
        let room_limits = settings.room_limits;
        let history_rules = settings.history_rules;
        let history_limits = settings.history_limits;
        let mut core = Self {
            sources: Sources::new(settings.sources.clone()),
            security: SecurityLog::default(),
            dead_worker_sessions: DeadWorkerSessions::of(&state, settings.host),
            settings,
            confirmed_before: state.confirmed_messages(),
            state,
            timestamp,
            links: Links::default(),
            batches: Batches::default(),
            logins: Logins::new(remembered),
            appends: AccountAppends::default(),
            checkpoints: Checkpoints::at(position),
            space: Space::default(),
            text_reads: TextReads::default(),
            damage: Damage::default(),
            history: History::default(),
            waiting_log: WaitingLog::default(),
            lists: Lists::default(),
            operations: Operations::default(),
            effects: Effects::default(),
            actions: vec![Action::TakeReserve],
        };
        core.end_hosts_left();
        core.configure(limits, waiting_limits, session_limits, room_limits);
        core.limit_history(history_limits);
        if core.state.keeping().rules != history_rules {
            core.batches.push(Entry::KeepHistory(history_rules));
        }
        core.read_account_file();
        core
    }

    /// The state as applied so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Begins a turn of the loop: what comes in from here on came now.
    pub fn begin_turn(&mut self, timestamp: Timestamp) {
        self.timestamp = timestamp;
        self.end_overdue_worker_sessions();
        self.close_silent_links();
        self.try_to_take_reserve();
        self.retry_lines();
    }

    /// Ends a turn: sends what became ready, and gives what has to be done outside.
    pub fn end_turn(&mut self) -> Vec<Action> {
        self.push_new_messages();
        self.go_on_with_lists();
        self.submit_ready_batch();
        self.go_on_with_checkpoint();
        self.drop_texts();
        std::mem::take(&mut self.actions)
    }

    /// When the core wants a turn even if nothing comes in, in boot time.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        [
            self.text_reads
                .is_dropping()
                .then_some(self.timestamp.boot_ms),
            self.checkpoints.next_piece_ms(self.timestamp.boot_ms),
            self.dead_worker_sessions.next_deadline_ms(),
            self.next_list_ms(),
            self.next_silent_link_ms(),
            self.batches.next_retry_ms(),
            self.batches.pause_ends_ms(self.timestamp.boot_ms),
            self.appends.next_retry_ms(),
            self.space.next_try_ms(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The last message there is.
    fn newest(&self) -> MessageNumber {
        self.state.last_message()
    }

    /// Changes the limits while the daemon runs: those of sources at once, the others from the next batch on.
    pub fn change_limits(
        &mut self,
        limits: Limits,
        waiting_limits: WaitingLimits,
        session_limits: SessionLimits,
        room_limits: RoomLimits,
        sources: SourceLimits,
    ) {
        self.sources.change_limits(sources);
        self.configure(limits, waiting_limits, session_limits, room_limits);
    }

    /// Changes the limits, from the next batch on.
    fn configure(
        &mut self,
        limits: Limits,
        waiting_limits: WaitingLimits,
        session_limits: SessionLimits,
        room_limits: RoomLimits,
    ) {
        if *self.state.limits() != limits {
            self.batches.push(Entry::Configure(limits));
        }
        if *self.state.waiting_limits() != waiting_limits {
            self.batches.push(Entry::LimitWaiting(waiting_limits));
        }
        if *self.state.session_limits() != session_limits {
            self.batches.push(Entry::LimitSessions(session_limits));
        }
        if *self.state.room_limits() != room_limits {
            self.batches.push(Entry::LimitRooms(room_limits));
        }
    }

    /// Changes how much of the history stays, from the next batch on.
    pub fn limit_history(&mut self, limits: HistoryLimits) {
        if self.state.keeping().limits != limits {
            self.batches.push(Entry::LimitHistory(limits));
        }
    }

    /// Whether the account file was taken in, it is known whether the disk has room, and workers can be served. A disk
    /// that is full stops nobody from reading.
    pub fn is_ready(&self) -> bool {
        self.space.is_known()
            && self.appends.is_settled()
            && !self.space.has_missed_accounts()
            && (self.batches.is_idle() || self.batches.holds_but_small_things())
    }

    /// Whether everything that came in was decided and answered.
    pub fn is_idle(&self) -> bool {
        self.batches.is_idle()
            && self.appends.is_settled()
            && self.logins.is_idle()
            && self.operations.is_idle()
            && self.text_reads.is_idle()
            && self.lists.is_idle()
            && self.history.is_idle()
    }
}
