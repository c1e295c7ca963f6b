//! The journal on this host's disk: SQLite, and an I/O thread that commits in groups.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use chat_node::crash_point;

use super::commit_times::CommitTimes;
use super::store::BatchStore;
use super::{Journal, JournalEvent, LogIndex};
use crate::database::StorageError;
use crate::entry::Batch;
use crate::io_thread::{CompletionSink, IoThread};

/// How much is committed in one transaction: a group is closed once it has reached one of these.
const GROUP_BATCHES: usize = 256;
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// After so long without a batch nobody is kept waiting by a slice of housekeeping, which takes several syncs.
/// Meanwhile what is forgotten goes with the batches.
const IDLE: Duration = Duration::from_millis(2);

/// So often it is looked whether the files still have their names while nothing is committed.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// How often the log repeats that there was no space for a batch.
const BETWEEN_TELLINGS: Duration = Duration::from_secs(60);

#[derive(Debug)]
enum Command {
    Submit(Batch),
    ForgetThrough(LogIndex),
}

/// A [`Journal`] in the state directory. It does not bound what is submitted: the caller bounds what is
/// under way. When it is dropped, what was submitted is committed first.
#[derive(Debug)]
pub struct LocalJournal {
    thread: IoThread<Command>,
}

impl LocalJournal {
    pub(super) fn start(store: BatchStore, sink: CompletionSink<JournalEvent>) -> io::Result<Self> {
        let thread = IoThread::start("journal", move |commands| {
            let mut committer = Committer {
                forget_through: store.forgotten_through(),
                store,
                commands,
                sink,
                has_housekeeping: true,
                has_freed: false,
                commit_times: CommitTimes::default(),
                told_no_room_at: None,
            };
            committer.run_to_end();
        })?;
        Ok(Self { thread })
    }
}

impl Journal for LocalJournal {
    fn submit(&mut self, batch: Batch) {
        self.thread.send(Command::Submit(batch));
    }

    fn forget_through(&mut self, position: LogIndex) {
        self.thread.send(Command::ForgetThrough(position));
    }
}

/// What the journal's thread does.
struct Committer {
    store: BatchStore,
    commands: Receiver<Command>,
    sink: CompletionSink<JournalEvent>,
    forget_through: LogIndex,
    /// Whether there may be something to forget, or space to give back.
    has_housekeeping: bool,
    /// Whether housekeeping has freed space since the log was last written back for it.
    has_freed: bool,
    commit_times: CommitTimes,
    told_no_room_at: Option<Instant>,
}

impl Committer {
    fn run_to_end(&mut self) {
        let result = self.run().and_then(|()| self.store.write_back_whole_wal());
        if let Err(error) = result {
            self.store.note_failure(&error);
            (self.sink)(JournalEvent::Failed {
                error: error.to_string(),
            });
        }
        if let Some(summary) = self.commit_times.summary() {
            log::info!("{summary}");
        }
    }

    fn run(&mut self) -> Result<(), StorageError> {
        while let Some(command) = self.next_command()? {
            match command {
                Command::ForgetThrough(position) => self.allow_forgetting(position)?,
                Command::Submit(batch) => {
                    self.commit_group(batch)?;
                    self.store.write_back_long_wal_if_due()?;
                }
            }
        }
        Ok(())
    }

    /// The next command; does housekeeping while there is none. Nothing at the end.
    fn next_command(&mut self) -> Result<Option<Command>, StorageError> {
        while self.has_housekeeping {
            match self.commands.recv_timeout(IDLE) {
                Ok(command) => return Ok(Some(command)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => self.compact()?,
            }
        }
        loop {
            match self.commands.recv_timeout(BETWEEN_LOOKS) {
                Ok(command) => return Ok(Some(command)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => self.store.check_names()?,
            }
        }
    }

    fn allow_forgetting(&mut self, position: LogIndex) -> Result<(), StorageError> {
        // The checkpoint that has it may have lost its name.
        self.store.check_names()?;
        self.forget_through = self.forget_through.max(position);
        self.has_housekeeping = true;
        Ok(())
    }

    /// Commits a batch and all that wait behind it, as far as a group goes.
    fn commit_group(&mut self, first: Batch) -> Result<(), StorageError> {
        let began_at = Instant::now();
        let mut group = vec![(first, 0)];
        let forgets = self.is_forgetting();
        let mut written = self.write_group(&mut group, forgets);
        // The truncation may be what needed too much space. Then it gets a transaction of its own, as the batches do.
        let goes_apart = forgets && matches!(&written, Err(error) if error.is_no_room());
        if goes_apart {
            self.store.roll_back()?;
            written = self.write_group(&mut group, false);
        }
        match written {
            Ok(mut position) => {
                let took = began_at.elapsed();
                self.commit_times.add(took, began_at);
                crash_point::reach("state:before-answer");
                for (batch, bytes) in group {
                    (self.sink)(JournalEvent::Committed {
                        position,
                        batch,
                        own: true,
                        bytes,
                        took,
                    });
                    position.0 += 1;
                }
            }
            Err(error) => {
                let Some(cause) = error.no_room() else {
                    return Err(error);
                };
                self.tell_no_room(&error);
                self.store.roll_back()?;
                for (batch, _) in group {
                    (self.sink)(JournalEvent::NoRoom { batch, cause });
                }
            }
        }
        if goes_apart {
            self.forget_slice()?;
        }
        Ok(())
    }

    /// On a full disk every batch fails: logs that only now and then.
    fn tell_no_room(&mut self, error: &StorageError) {
        if self
            .told_no_room_at
            .is_none_or(|at| at.elapsed() >= BETWEEN_TELLINGS)
        {
            log::error!("{error}");
            self.told_no_room_at = Some(Instant::now());
        }
    }

    /// Writes a group, and fills it meanwhile; sets the bytes each batch takes. Returns the position of the first.
    fn write_group(
        &mut self,
        group: &mut Vec<(Batch, usize)>,
        forgets: bool,
    ) -> Result<LogIndex, StorageError> {
        self.store.begin(forgets.then_some(self.forget_through))?;
        let mut group_bytes = 0;
        let mut next = 0;
        while let Some((batch, bytes)) = group.get_mut(next) {
            *bytes = self.store.append(batch)?;
            group_bytes += *bytes;
            next += 1;
            let is_full = group.len() >= GROUP_BATCHES || group_bytes >= GROUP_BYTES;
            if next == group.len() && !is_full {
                group.extend(self.waiting_batch()?.map(|batch| (batch, 0)));
            }
        }
        self.store.commit()
    }

    fn waiting_batch(&mut self) -> Result<Option<Batch>, StorageError> {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Submit(batch)) => return Ok(Some(batch)),
                Ok(Command::ForgetThrough(position)) => self.allow_forgetting(position)?,
                Err(_) => return Ok(None),
            }
        }
    }

    fn is_forgetting(&self) -> bool {
        self.forget_through > self.store.forgotten_through()
    }

    fn forget_slice(&mut self) -> Result<(), StorageError> {
        let before = self.store.forgotten_through();
        if !put_off_without_room(self.store.forget_slice(self.forget_through))?
            || self.store.forgotten_through() == before
        {
            // Tried again when the next checkpoint is there.
            self.forget_through = before;
        }
        Ok(())
    }

    /// Does one slice of what can wait until nobody does.
    fn compact(&mut self) -> Result<(), StorageError> {
        if self.is_forgetting() {
            self.has_freed = true;
            self.forget_slice()?;
            return self.store.write_back_long_wal();
        }
        self.has_housekeeping = match self.store.give_back_space() {
            Err(error) if error.is_no_room() => false,
            result => result?,
        };
        self.has_freed |= self.has_housekeeping;
        if self.has_housekeeping {
            return self.store.write_back_long_wal();
        }
        // The file shrinks when its log is written back.
        if std::mem::take(&mut self.has_freed) {
            self.store.write_back_wal()?;
        }
        Ok(())
    }
}

/// Whether it was done, where a full disk is no failure.
fn put_off_without_room(result: Result<(), StorageError>) -> Result<bool, StorageError> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.is_no_room() => Ok(false),
        Err(error) => Err(error),
    }
}
