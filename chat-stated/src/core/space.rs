//! A full disk: what adds to it is refused, what is small goes on in the space that was held back for it, and all
//! goes on by itself when there is room again.

use std::collections::BTreeSet;

use super::batches::{Read, Reads, WaitingRead};
use super::{Action, Core};
use crate::database::StorageError;
use crate::entry::{Action as Attempt, Batch, ConnectionId, Entry, RequestName};

/// How long what the disk had no room for waits to be tried again.
const RETRY_MS: u64 = 1_000;

/// How much room there is on the disk, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Room {
    /// Nothing failed for want of room.
    #[default]
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
    /// The account file has something new that there was no room for.
    has_missed_accounts: bool,
}

impl Space {
    pub(super) fn is_enough(&self) -> bool {
        self.room == Room::Enough
    }

    pub(super) fn has_missed_accounts(&self) -> bool {
        self.has_missed_accounts
    }

    pub(super) fn next_try_ms(&self) -> Option<u64> {
        match self.room {
            Room::Low { try_at_ms } => try_at_ms,
            _ => None,
        }
    }

    /// Whether there is a reserve to be given up, or it is about to give room: it is being given up, or was tried to be taken again
    /// and took what was left for a moment.
    fn may_get_room(&self) -> bool {
        !matches!(self.room, Room::Low { try_at_ms: Some(_) })
    }

    /// Whether something is refused at once.
    pub(super) fn refuses(&self, attempt: &Attempt) -> bool {
        self.refuses_messages() && adds(attempt)
    }

    /// Whether messages are refused at once.
    pub(super) fn refuses_messages(&self) -> bool {
        !self.is_enough()
    }
}

/// Whether something stays on the disk for as long as it likes.
fn adds(attempt: &Attempt) -> bool {
    match attempt {
        Attempt::Register { .. } | Attempt::Send { .. } | Attempt::Broadcast { .. } => true,
        Attempt::LogIn { .. } | Attempt::FailedLogIn { .. } | Attempt::LogOut => false,
    }
}

/// Whether an entry for which there was no room waits for some. With the reserve used up, nothing does but what
/// has happened already and cannot be refused.
fn waits_for_room(entry: &Entry, has_reserve: bool) -> bool {
    match entry {
        Entry::Request { action, .. } => match action {
            Attempt::LogOut => true,
            action => has_reserve && !adds(action),
        },
        Entry::Sends(_) => false,
        // The next one says it again, and so does the end of the session; nobody is to wait behind it.
        Entry::Progress { .. } => has_reserve,
        Entry::ChangeAccounts(_) => has_reserve,
        _ => true,
    }
}

impl Core {
    /// The disk had no room for a batch: what adds to it is refused, the rest is tried again before all else.
    pub fn no_room(&mut self, batch: Batch) {
        let has_reserve = self.space.may_get_room();
        self.disk_is_full();
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
            } else if let Entry::Sends(sends) = &entry {
                for name in sends.names() {
                    self.refuse_for_room(&mut sorting, &name);
                }
            } else if let Entry::ChangeAccounts(_) = entry {
                self.space.has_missed_accounts = true;
                self.account_changes_found_no_room();
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
            _ => self.stamp.boot_ms + RETRY_MS,
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
        if let Some(link) = self.attached.get(&connection.life).copied() {
            let refusal = WaitingRead {
                link,
                serial: connection.serial,
                offset: name.offset,
                read: Read::Full,
            };
            self.keep_or_answer(sorting, refusal);
        }
    }

    /// Something found no room on the disk.
    pub(super) fn disk_is_full(&mut self) {
        if self.space.is_enough() {
            log::error!(
                "the disk is full: messages and registrations are refused until there is room; free some space"
            );
            self.space.room = Room::GivingUp;
            self.actions.push(Action::GiveUpReserve);
        }
    }

    /// The space that was held back is free: what waits for room goes on, and a checkpoint lets the journal forget.
    pub fn reserve_given_up(&mut self) {
        self.space.room = Room::Low {
            try_at_ms: Some(self.stamp.boot_ms + RETRY_MS),
        };
        self.batches.release();
        self.begin_checkpoint_for_room();
    }

    pub(super) fn try_to_take_reserve(&mut self) {
        if self
            .space
            .next_try_ms()
            .is_some_and(|try_at_ms| try_at_ms <= self.stamp.boot_ms)
        {
            self.space.room = Room::Low { try_at_ms: None };
            self.actions.push(Action::TakeReserve);
        }
    }

    /// Space is held back, or could not be.
    pub fn reserve_taken(&mut self, result: Result<(), StorageError>) {
        match (self.space.room, result) {
            (Room::Enough, Ok(())) => {}
            (Room::Enough, Err(error)) if error.is_no_room() => {
                log::error!("{error}");
                self.disk_is_full();
            }
            (Room::Enough, Err(error)) => log::warn!("no space is held back: {error}"),
            // Was given up again meanwhile.
            (Room::GivingUp, _) => {}
            (Room::Low { .. }, Ok(())) => self.there_is_room(),
            (Room::Low { .. }, Err(error)) => {
                log::debug!("{error}");
                self.space.room = Room::Low {
                    try_at_ms: Some(self.stamp.boot_ms + RETRY_MS),
                };
                self.batches.release();
            }
        }
    }

    fn there_is_room(&mut self) {
        log::warn!("there is room on the disk again");
        self.space.room = Room::Enough;
        self.batches.release();
        self.begin_checkpoint_for_room();
        if std::mem::take(&mut self.space.has_missed_accounts) {
            self.read_account_file();
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
