//! The state machine: what all that was ever journalled has come to.
//!
//! Pure and deterministic: no clock, no I/O, no randomness. The same entries in the same order give the same
//! state and the same decisions, on any machine and at every replay.

mod account_record;
mod accounts;
mod apply;
mod audience;
mod budget;
mod builder;
mod clock;
mod common_part;
mod damaged_page;
mod effects;
mod failures;
mod feed;
mod groups;
mod header;
mod hosts;
mod inspection;
mod kept;
mod last_message;
mod membership;
mod message;
mod message_pages;
mod messages;
mod missing_texts;
mod once;
mod once_page;
mod operations;
mod paging;
pub(crate) mod parts;
mod password_changes;
mod places;
mod queue;
mod quota;
mod rate;
mod read;
mod read_meanwhile;
mod remembered_sends;
mod restore_error;
mod restored_messages;
mod restored_pages;
mod retained;
mod retention;
mod room;
mod room_acts;
mod room_inspection;
mod room_lists;
mod room_messages;
mod room_operations;
mod room_reading;
mod room_restoring;
mod rooms;
mod send;
mod sessions;
mod snapshot;
mod snapshot_progress;
mod snapshot_sink;
mod text_place;
mod token;
mod tokens;
mod tracked_map;
mod user_list;
mod waiting;
mod worker_sessions;

#[cfg(test)]
mod layer_tests;

use std::net::IpAddr;

use chat_model::{MessageNumber, Outcome, WorkerSessionId};

pub use account_record::{AccountRecord, BroadcastsAfter, FileStatus};
pub use clock::StateMs;
pub use common_part::CommonPart;
pub use effects::{ActRefusal, Decided, Effects, FileLine, Forgotten, Operated, OperatorOutcome};
pub use hosts::Hosts;
pub use inspection::{AccountRow, BlockPlace, BlockRow, Page, QueueState, QueueTotals, SessionRow};
pub use kept::{Keeping, KeptMessage, KeptRoom};
pub use membership::{Membership, Memberships};
pub use places::{Place, PlaceId, Places, Reader, Session};
pub use quota::{ExceededQuota, QuotaLimit};
pub use read::{QueueSlice, SliceLimits};
pub use restore_error::RestoreError;
pub use room::Role;
pub use room_inspection::{AccountDetails, MemberRow, RoomRow};
pub use text_place::{TextPlace, Texts};
pub use user_list::{UserList, WrittenNames};
pub use waiting::{MESSAGE_BYTES, READER_BYTES, SHARE_BYTES};
pub use worker_sessions::{MAX_REQUESTS_IN_FLIGHT, WorkerSession};

use crate::entry::{Limits, RoomLimits, SecretInFile, SessionLimits, WaitingLimits};
use accounts::Accounts;
use chat_model::{AccountId, ConnectionId, RequestName};
use clock::Clock;
use failures::{Failures, Source};
use last_message::LastMessage;
use messages::Messages;
use remembered_sends::RememberedSends;
use rooms::Rooms;
use snapshot_progress::SnapshotProgress;
use token::Token;
use tracked_map::TrackedMap;
use worker_sessions::WorkerSessions;

/// Accounts, blocks, sessions, queues: everything that is promised to be kept.
#[derive(Debug)]
pub struct State {
    limits: Limits,
    waiting_limits: WaitingLimits,
    session_limits: SessionLimits,
    clock: Clock,
    hosts: Hosts,
    accounts: Accounts,
    failures: Failures,
    worker_sessions: WorkerSessions,
    messages: Messages,
    rooms: Rooms,
    last_message: LastMessage,
    /// What came of messages that were sent once.
    remembered: RememberedSends,
    /// By account; each has at least one, sorted by name.
    tokens: TrackedMap<AccountId, Vec<Token>>,
    keeping: Keeping,
    /// The one under way.
    snapshot: Option<SnapshotProgress>,
}

/// The state before the first entry.
impl Default for State {
    fn default() -> Self {
        Self {
            limits: Limits::INITIAL,
            waiting_limits: WaitingLimits::INITIAL,
            session_limits: SessionLimits::INITIAL,
            clock: Clock::default(),
            hosts: Hosts::default(),
            accounts: Accounts::default(),
            failures: Failures::default(),
            worker_sessions: WorkerSessions::default(),
            messages: Messages::default(),
            rooms: Rooms::default(),
            last_message: LastMessage::default(),
            remembered: RememberedSends::default(),
            tokens: TrackedMap::default(),
            keeping: Keeping::default(),
            snapshot: None,
        }
    }
}

impl State {
    /// The limits that hold now.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How much may wait from here on.
    pub fn waiting_limits(&self) -> &WaitingLimits {
        &self.waiting_limits
    }

    /// When places of sessions are given up from here on.
    pub fn session_limits(&self) -> &SessionLimits {
        &self.session_limits
    }

    /// What rooms may grow to from here on.
    pub fn room_limits(&self) -> &RoomLimits {
        &self.rooms.limits
    }

    /// What of the messages is kept in the history.
    pub fn keeping(&self) -> &Keeping {
        &self.keeping
    }

    /// What all messages that wait take, in the bytes that [`WaitingLimits`] counts.
    pub fn waiting_bytes(&self) -> u64 {
        self.messages.waiting_bytes.total()
    }

    /// The number of the newest message.
    pub fn last_message(&self) -> MessageNumber {
        self.last_message.number
    }

    /// How many accounts there are, disabled ones included.
    pub fn account_count(&self) -> usize {
        self.accounts.len()
    }

    /// How many messages somebody still has to read.
    pub fn waiting_messages(&self) -> usize {
        self.messages.waiting()
    }

    /// Broadcasts that somebody still has to read, and the bytes of their texts.
    pub fn waiting_broadcasts(&self) -> (u32, u64) {
        let broadcasts = &self.messages.broadcasts;
        (broadcasts.waiting(), broadcasts.bytes())
    }

    /// How often a message has left a queue since this process began, replay included.
    pub fn confirmed_messages(&self) -> u64 {
        self.messages.confirmed()
    }

    /// How many users are logged in.
    pub fn session_count(&self) -> usize {
        self.accounts.online_count()
    }

    /// Pages of the checkpoint, of 16 KiB each and no more than a text beyond, that the next one will give back because
    /// their messages were read.
    pub fn given_up_pages(&self) -> usize {
        self.messages.paging.given_up_pages()
    }

    /// Whether the checkpoint has this page of texts, as far as nothing newer removes it.
    pub(crate) fn has_page(&self, page: u64) -> bool {
        self.messages.paging.pages.contains_key(&page)
    }

    /// Bytes of text in memory, of the messages that somebody still has to read.
    pub fn resident_text_bytes(&self) -> u64 {
        self.messages.resident_bytes()
    }

    /// The checkpoint that is made of all changes taken so far is the current one: what texts it has need not be in
    /// memory. That they are or not is no part of what the state is.
    pub fn checkpoint_is_current(&mut self) {
        self.messages.checkpoint_is_current();
    }

    /// Drops texts that the current checkpoint has, oldest pages first, until no more than so many bytes are in memory,
    /// or so many messages were looked at. Says whether there may be more to drop.
    pub fn drop_texts(&mut self, until_bytes: u64, max_messages: usize) -> bool {
        self.messages.drop_texts(until_bytes, max_messages)
    }

    /// The account of this name.
    pub fn account(&self, name: &str) -> Option<(AccountId, &AccountRecord)> {
        let id = self.accounts.id_of(name)?;
        Some((id, self.record(id)?))
    }

    /// The account of this number.
    pub fn record(&self, id: AccountId) -> Option<&AccountRecord> {
        Some(&self.accounts.get(id)?.record)
    }

    /// Name and secret of an account, if that is its newest secret, and the account is not disabled.
    pub fn line_of(&self, filed: &SecretInFile) -> Option<(&str, &str)> {
        let record = self.record(filed.account)?;
        let is_newest = !record.disabled && record.secret_version == filed.secret_version;
        is_newest.then_some((&*record.name, &*record.secret))
    }

    /// All accounts, in the order in which they were made.
    pub fn records(&self) -> impl Iterator<Item = (AccountId, &AccountRecord)> {
        self.accounts
            .iter()
            .map(|(id, account)| (id, &account.record))
    }

    /// The worker sessions that have not ended.
    pub fn worker_sessions(&self) -> impl Iterator<Item = (WorkerSessionId, &WorkerSession)> {
        self.worker_sessions.iter()
    }

    /// A worker session that has not ended.
    pub fn worker_session(&self, worker_session: WorkerSessionId) -> Option<&WorkerSession> {
        self.worker_sessions.get(worker_session)
    }

    /// The connections of a worker session that the state knows of.
    pub fn connections(
        &self,
        worker_session: WorkerSessionId,
    ) -> impl Iterator<Item = ConnectionId> {
        self.worker_sessions
            .get(worker_session)
            .into_iter()
            .flat_map(move |found| found.connections.iter())
            .map(move |(serial, _)| ConnectionId {
                worker_session,
                serial,
            })
    }

    /// Whether the state knows of a connection: it did something that was journalled, and has not ended.
    pub fn knows(&self, connection: ConnectionId) -> bool {
        self.worker_sessions.connection(connection).is_some()
    }

    /// Who is logged in on a connection.
    pub fn account_on(&self, connection: ConnectionId) -> Option<AccountId> {
        self.worker_sessions.connection(connection)?.account()
    }

    /// Who reads on a connection. Nobody, if its session only sends.
    pub fn reader_on(&self, connection: ConnectionId) -> Option<Reader> {
        self.worker_sessions
            .connection(connection)?
            .session()?
            .reader()
    }

    /// Whether a session ended because it began again on another connection. Its client may not know that yet.
    pub fn was_replaced(&self, connection: ConnectionId) -> bool {
        let connection = self.worker_sessions.connection(connection);
        connection.is_some_and(|connection| connection.was_replaced())
    }

    /// All places of an account.
    pub fn readers(&self, account: AccountId) -> impl Iterator<Item = Reader> {
        let places = self.record(account).map(|record| record.places.iter());
        places.into_iter().flatten().map(move |place| Reader {
            account,
            place: place.id(),
        })
    }

    /// The outcome of a request that was applied before, if it is still kept.
    pub fn outcome(&self, request: &RequestName) -> Option<Outcome<'static>> {
        let connection = self.worker_sessions.connection(request.connection)?;
        match connection.repeat(request.offset) {
            worker_sessions::Repeat::Decided(outcome) => Some(outcome),
            worker_sessions::Repeat::PassedOver => Some(Outcome::DiskFull),
            worker_sessions::Repeat::New | worker_sessions::Repeat::Unanswerable => None,
        }
    }

    /// Whether a request was decided, or one that came after it.
    pub fn is_past(&self, request: &RequestName) -> bool {
        let connection = self.worker_sessions.connection(request.connection);
        connection.is_some_and(|connection| !connection.are_new(request.offset, 1))
    }

    fn source(account: AccountId, address: IpAddr) -> Source {
        Source { account, address }
    }
}
