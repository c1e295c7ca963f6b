//! A full disk: what adds to it is refused, what is small goes on in the space that was held back for it, and all
//! goes on by itself when there is room again.

use std::collections::BTreeSet;

use super::batches::{Read, Reads, WaitingRead};
use super::{Action, Core};
use crate::database::{NoRoom, StorageError};
use crate::entry::{Action as Attempt, Batch, Entry};
use chat_model::{ConnectionId, RequestName};

/// How long what the disk had no room for waits to be tried again.
const RETRY_MS: u64 = 1_000;
/// The same where a file may not grow. It takes readers and a whole checkpoint to change that.
const FILE_SIZE_RETRY_MS: u64 = 5_000;
/// So long nothing must lack room before a file that may not grow is no longer warned of: it lets a little pass now and
/// then.
const SETTLED_MS: u64 = 2_000;

/// How much room there is on the disk, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Room {
    /// Not known yet: the reserve is being taken for the first time.
    #[default]
    Unknown,
    /// Nothing failed for want of room.
    Enough,
    /// The reserve is being given up.
    GivingUp,
    /// What is left is for what is small. The reserve is tried to be taken again at that time; none while that
    /// is under way.
    Low { try_at_ms: Option<u64> },
}

/// What is known of the disk's room.
#[derive(Debug, Default)]
pub(super) struct Space {
    room: Room,
    /// Why something found no room, from then on until there has been some for a while.
    cause: Option<NoRoom>,
    /// When that is over, if there is room now.
    over_at_ms: Option<u64>,
    /// The log has yet to say so.
    is_to_be_said: bool,
    /// The account file has something new that there was no room for.
    has_missed_accounts: bool,
}

impl Space {
    pub(super) fn is_enough(&self) -> bool {
        matches!(self.room, Room::Unknown | Room::Enough)
    }

    /// Whether it was tried to hold space back, so that a disk without room is known.
    pub(super) fn is_known(&self) -> bool {
        self.room != Room::Unknown
    }

    pub(super) fn has_missed_accounts(&self) -> bool {
        self.has_missed_accounts
    }

    pub(super) fn next_try_ms(&self) -> Option<u64> {
        match self.room {
            Room::Low { try_at_ms } => try_at_ms,
            _ => self.over_at_ms,
        }
    }

    /// Whether there is a reserve to be given up, or it is about to give room: it is being given up, or was tried to be
    /// taken again and took what was left for a moment.
    fn may_get_room(&self) -> bool {
        !matches!(self.room, Room::Low { try_at_ms: Some(_) })
    }

    /// Whether something is refused at once.
    pub(super) fn refuses(&self, attempt: &Attempt) -> bool {
        self.refuses_messages() && attempt.adds()
    }

    /// Whether messages are refused at once.
    pub(super) fn refuses_messages(&self) -> bool {
        !self.is_enough()
    }
}

/// Whether an entry for which there was no room waits for some. With the reserve used up, nothing does but what
/// has happened already and cannot be refused.
fn waits_for_room(entry: &Entry, has_reserve: bool) -> bool {
    match entry {
        Entry::Request { action, .. } => match action {
            Attempt::LogOut => true,
            action => has_reserve && !action.adds(),
        },
        Entry::SendBatch(_) => false,
        // The next one says it again, and so does the end of the session; nobody is to wait behind it.
        Entry::Progress { .. } => has_reserve,
        Entry::ChangeAccounts(_) => has_reserve,
        Entry::Operate { act, .. } => has_reserve && !act.adds(),
        _ => true,
    }
}

impl Core {
    /// The disk had no room for a batch: what adds to it is refused, the rest is tried again before all else.
    pub fn no_room(&mut self, batch: Batch, cause: NoRoom) {
        let has_reserve = self.space.may_get_room();
        self.disk_is_full(cause);
        let Some((sequence, reads)) = self.batches.take_decided() else {
            return;
        };
        let mut reads = reads.into_iter().peekable();
        let mut sorting = Sorting::default();
        for (index, entry) in batch.entries.into_iter().enumerate() {
            while let Some((_, read)) = reads.next_if(|(before, _)| *before <= index) {
                self.keep_or_answer(&mut sorting, read);
            }
            if waits_for_room(&entry, has_reserve) {
                sorting.keep(entry);
            } else if let Entry::Request { name, .. } = &entry {
                self.refuse_for_room(&mut sorting, name);
            } else if let Entry::SendBatch(sends) = &entry {
                for name in sends.names() {
                    self.refuse_for_room(&mut sorting, &name);
                }
            } else if entry.of_account_file().is_some() {
                self.space.has_missed_accounts = true;
                self.account_changes_found_no_room();
            } else if let Entry::Operate { ticket, .. } = entry {
                self.refuse_act_for_room(ticket);
            }
        }
        for (_, read) in reads {
            self.keep_or_answer(&mut sorting, read);
        }
        if sorting.entries.is_empty() {
            return;
        }
        // With the reserve given up they can go on at once.
        let hold_until_ms = match self.space.room {
            Room::GivingUp => u64::MAX,
            _ => self.timestamp.boot_ms + RETRY_MS,
        };
        self.batches
            .put_back(sequence, sorting.entries, sorting.reads, hold_until_ms);
    }

    /// Answers of one connection come in the order of its requests.
    fn keep_or_answer(&mut self, sorting: &mut Sorting, read: WaitingRead) {
        let connection = self.connection(read.link, read.serial);
        if connection.is_some_and(|connection| sorting.asking.contains(&connection)) {
            sorting.reads.push_back((sorting.entries.len(), read));
        } else {
            self.answer_read(read);
        }
    }

    fn refuse_for_room(&mut self, sorting: &mut Sorting, name: &RequestName) {
        let connection = name.connection;
        if let Some(link) = self.links.of(connection.worker_session) {
            let refusal = WaitingRead {
                link,
                serial: connection.serial,
                offset: name.offset,
                read: Read::Full,
            };
            self.keep_or_answer(sorting, refusal);
        }
    }

    /// Something found no room on the disk. Said once the reserve is given up: the log may be on the same disk.
    pub(super) fn disk_is_full(&mut self, cause: NoRoom) {
        if self.space.is_enough() {
            self.space.room = Room::GivingUp;
            self.space.over_at_ms = None;
            self.actions.push(Action::GiveUpReserve);
        }
        if self.space.cause.is_none() {
            self.space.cause = Some(cause);
            self.space.is_to_be_said = true;
        }
    }

    /// What is refused for want of room, for as long as that is so.
    pub fn space_warning(&self) -> Option<&'static str> {
        self.space.cause.map(refusal)
    }

    /// The space that was held back is free: what waits for room goes on, and a checkpoint lets the journal forget.
    pub fn reserve_given_up(&mut self) {
        if std::mem::take(&mut self.space.is_to_be_said)
            && let Some(warning) = self.space_warning()
        {
            log::error!("{warning}");
        }
        let retry_ms = match self.space.cause {
            Some(NoRoom::FileSize) => FILE_SIZE_RETRY_MS,
            _ => RETRY_MS,
        };
        self.space.room = Room::Low {
            try_at_ms: Some(self.timestamp.boot_ms + retry_ms),
        };
        self.batches.release();
        self.begin_checkpoint_for_room();
    }

    pub(super) fn try_to_take_reserve(&mut self) {
        if self
            .space
            .next_try_ms()
            .is_none_or(|try_at_ms| try_at_ms > self.timestamp.boot_ms)
        {
            return;
        }
        match self.space.room {
            Room::Low { .. } => {
                self.space.room = Room::Low { try_at_ms: None };
                self.actions.push(Action::TakeReserve);
            }
            _ => self.want_of_room_is_over(),
        }
    }

    fn want_of_room_is_over(&mut self) {
        self.space.over_at_ms = None;
        self.space.cause = None;
        log::warn!("there is room on the disk again");
    }

    /// Space is held back, or could not be.
    pub fn reserve_taken(&mut self, result: Result<(), StorageError>) {
        match (self.space.room, result) {
            (Room::Unknown | Room::Enough, Ok(())) => self.space.room = Room::Enough,
            (Room::Unknown | Room::Enough, Err(error)) => {
                self.space.room = Room::Enough;
                match error.no_room() {
                    // The reserve is one large file; others may do with less.
                    None | Some(NoRoom::FileSize) => {
                        log::warn!("no space is held back: {error}");
                    }
                    Some(cause) => {
                        log::error!("{error}");
                        self.disk_is_full(cause);
                    }
                }
            }
            // Was given up again meanwhile.
            (Room::GivingUp, _) => {}
            (Room::Low { .. }, Ok(())) => self.there_is_room(),
            (Room::Low { .. }, Err(error)) if error.no_room() == Some(NoRoom::FileSize) => {
                self.there_is_room();
            }
            (Room::Low { .. }, Err(error)) => {
                log::debug!("{error}");
                self.space.room = Room::Low {
                    try_at_ms: Some(self.timestamp.boot_ms + RETRY_MS),
                };
                self.batches.release();
            }
        }
    }

    fn there_is_room(&mut self) {
        self.space.room = Room::Enough;
        match self.space.cause {
            Some(NoRoom::FileSize) => {
                self.space.over_at_ms = Some(self.timestamp.boot_ms + SETTLED_MS);
            }
            _ => self.want_of_room_is_over(),
        }
        self.batches.release();
        self.begin_checkpoint_for_room();
        if std::mem::take(&mut self.space.has_missed_accounts) {
            self.read_account_file();
        }
    }
}

/// What people are told of it.
fn refusal(cause: NoRoom) -> &'static str {
    match cause {
        NoRoom::Full => {
            "the disk is full: messages and registrations are refused until there is room; free some space"
        }
        NoRoom::Quota => {
            "the disk quota is used up: messages and registrations are refused until there is room; free some space, \
             or raise the quota"
        }
        NoRoom::FileSize => {
            "a file of the state has reached the size that the system allows (ulimit -f, LimitFSIZE=): messages and \
             registrations are refused until waiting messages are read, or the limit is raised"
        }
        NoRoom::ReadOnly => {
            "the file system of the state is read-only: messages, registrations and logins are refused until it can be \
             written again; the kernel's log may tell why"
        }
    }
}

/// What is kept of a batch that found no room.
#[derive(Default)]
struct Sorting {
    entries: Vec<Entry>,
    /// Connections with requests among the entries.
    asking: BTreeSet<ConnectionId>,
    reads: Reads,
}

impl Sorting {
    fn keep(&mut self, entry: Entry) {
        if let Entry::Request { name, .. } = &entry {
            self.asking.insert(name.connection);
        }
        self.entries.push(entry);
    }
}
