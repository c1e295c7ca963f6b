//! Opening the local journal: every check there is, then the batches in order.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::OptionalExtension;

use super::durable_position::{self, DurablePosition, DurablePositionContent};
use super::format::{self, Digest, FormatError, LogBase};
use super::local::LocalJournal;
use super::store::{BatchStore, JOURNAL};
use super::{JournalEvent, LogIndex};
use crate::database::rewrite::rewrite;
use crate::database::{Database, StorageError, make_directory};
use crate::entry::Batch;
use crate::io_thread::CompletionSink;

/// What to do about a journal that is not there, or that something is missing from.
const ADVICE_LOST: &str = "Batches that were acknowledged may be lost. Stop the server, keep a copy of the state \
     directory, and restore the state directory from a backup; or, to go on from the last checkpoint without them, \
     move journal.db, journal.db-wal, journal.db-shm, journal.mark and journal.mark2 away";

/// What to do about a journal whose durable position is lost.
const ADVICE_NO_MARK: &str = "Batches that were acknowledged may be missing at its end. Put journal.mark or \
     journal.mark2 back, or restore the state directory from a backup; or, to go on with what the journal has, run \
     `chat-stated accept-journal`";

const FILE_IS_LOST: &str = "it is missing, but journal.mark is there";

/// A batch that came out of the journal again.
#[derive(Debug)]
pub struct StoredBatch {
    /// Its place.
    pub position: LogIndex,
    /// As it went in.
    pub batch: Batch,
    /// What it takes in the journal.
    pub bytes: usize,
}

/// A journal that was checked and read to its end, and waits to be started.
#[derive(Debug)]
pub struct RecoveredJournal {
    store: BatchStore,
    last: LogIndex,
}

impl LocalJournal {
    /// Writes the journal in a state directory, if there is one, to a fresh file. Its batches are checked when it is
    /// opened.
    pub fn rewrite(dir: &Path) -> Result<(), StorageError> {
        rewrite(dir, &JOURNAL)
    }

    /// Opens the journal in a state directory and hands over what stands in it after `from`, the position of the
    /// checkpoint, in order. Holds one batch in memory at a time. A new journal, which goes on after `from`,
    /// is made if there is none and nothing says that there was one.
    ///
    /// An error can come after batches were handed over: they must not be served then. What `replay` returns as
    /// an error is what is wrong with the batch.
    pub fn open(
        dir: &Path,
        from: LogIndex,
        replay: impl FnMut(StoredBatch) -> Result<(), String>,
    ) -> Result<RecoveredJournal, StorageError> {
        CheckedJournal::open(dir)?.replay(from, replay)
    }
}

/// The journal's file, checked but for its batches: that needs nothing of the checkpoint, so both can be read at once.
#[derive(Debug)]
pub struct CheckedJournal {
    dir: PathBuf,
    mark: DurablePositionContent,
    database: Option<Database>,
}

impl CheckedJournal {
    /// Checks the file in a state directory.
    pub fn open(dir: &Path) -> Result<Self, StorageError> {
        make_directory(dir)?;
        Ok(Self {
            mark: durable_position::read(dir)?,
            database: Database::open(dir, &JOURNAL)?,
            dir: dir.to_owned(),
        })
    }

    /// Whether it is, or will be, a journal that was begun in place of one that is gone, behind the checkpoint at this
    /// position.
    pub fn begins_anew_after(&self, checkpoint: LogIndex) -> Result<bool, StorageError> {
        match &self.database {
            Some(database) => Ok(read_log_base(database)?.begins_anew_after(checkpoint)),
            None => Ok(checkpoint > LogIndex(0)),
        }
    }

    /// Checks what is left to check, of a journal that no daemon uses: chain and end. Hands over what stands after
    /// `from`, the position of the checkpoint; without one, of a damaged checkpoint, nothing. Returns the last position
    /// and the number of batches; nothing if there is no file and nothing says that there was one.
    pub fn check(
        self,
        from: Option<LogIndex>,
        replay: impl FnMut(StoredBatch) -> Result<(), String>,
    ) -> Result<Option<(LogIndex, u64)>, StorageError> {
        let Some(database) = self.database else {
            return match self.mark {
                DurablePositionContent::Missing | DurablePositionContent::BeforeJournal => Ok(None),
                _ => {
                    let file = JOURNAL.path(&self.dir);
                    Err(StorageError::damaged(&file, "the file", FILE_IS_LOST))
                }
            };
        };
        let log_base = read_log_base(&database)?;
        let replayed_from = from.unwrap_or(LogIndex(u64::MAX));
        let last = Replay {
            from: replayed_from,
            replay,
        }
        .run(&database, log_base)?;
        check_end(
            database.file(),
            last.position,
            from.unwrap_or(log_base.position),
            self.mark,
        )?;
        let batches = last.position.0 - log_base.position.0;
        Ok(Some((last.position, batches)))
    }

    /// Takes the journal for whole as it is, though nothing says how far it went: whoever wants that has been told what
    /// may be missing. Everything else is checked as ever. Returns the last position.
    pub fn accept(self) -> Result<LogIndex, StorageError> {
        let Some(database) = &self.database else {
            let missing = io::ErrorKind::NotFound.into();
            return Err(StorageError::io("open", &JOURNAL.path(&self.dir))(missing));
        };
        let log_base = read_log_base(database)?;
        let last = Replay {
            from: LogIndex(u64::MAX),
            replay: |_| Ok(()),
        }
        .run(database, log_base)?;
        if let DurablePositionContent::Through(position) = self.mark {
            check_end(
                database.file(),
                last.position,
                log_base.position,
                DurablePositionContent::Through(position),
            )?;
        }
        DurablePosition::begin(&self.dir, last.position)?;
        Ok(last.position)
    }

    /// Goes on as [`LocalJournal::open`] says.
    pub fn replay(
        self,
        from: LogIndex,
        replay: impl FnMut(StoredBatch) -> Result<(), String>,
    ) -> Result<RecoveredJournal, StorageError> {
        let Self {
            dir,
            mark,
            database,
        } = self;
        let dir = dir.as_path();
        let (database, log_base, last) = match database {
            Some(database) => {
                let log_base = read_log_base(&database)?;
                let last = Replay { from, replay }.run(&database, log_base)?;
                (database, log_base, last)
            }
            None if matches!(
                mark,
                DurablePositionContent::Missing | DurablePositionContent::BeforeJournal
            ) =>
            {
                durable_position::announce_journal(dir)?;
                if from > LogIndex(0) {
                    log::warn!(
                        "there is no journal: a new one goes on after batch {}",
                        from.0
                    );
                }
                let log_base = LogBase {
                    position: from,
                    digest: Digest::START,
                };
                let database = create(dir, log_base)?;
                return Self::recovered(dir, database, log_base, log_base);
            }
            None => {
                return Err(lost(&JOURNAL.path(dir), "the file", FILE_IS_LOST.into()));
            }
        };
        check_end(database.file(), last.position, from, mark)?;
        Self::recovered(dir, database, log_base, last)
    }

    fn recovered(
        dir: &Path,
        database: Database,
        log_base: LogBase,
        last: LogBase,
    ) -> Result<RecoveredJournal, StorageError> {
        database.keep_pages()?;
        database.write_back_whole_wal()?;
        let store = BatchStore::new(dir, database, log_base, last)?;
        let last = last.position;
        Ok(RecoveredJournal { store, last })
    }
}

impl RecoveredJournal {
    /// The position of the last batch in it.
    pub fn last(&self) -> LogIndex {
        self.last
    }

    /// Starts the journal's thread. What comes out goes to `sink`.
    pub fn start(self, sink: CompletionSink<JournalEvent>) -> std::io::Result<LocalJournal> {
        LocalJournal::start(self.store, sink)
    }

    #[cfg(test)]
    pub(super) fn database(&self) -> &Database {
        self.store.database()
    }
}

fn create(dir: &Path, log_base: LogBase) -> Result<Database, StorageError> {
    Database::create(dir, &JOURNAL, |rows| {
        rows.execute(
            "INSERT INTO anchor (id, content) VALUES (0, ?1)",
            [&log_base.encode()[..]],
        )
        .map(|_| ())
    })
}

pub(super) fn read_log_base(database: &Database) -> Result<LogBase, StorageError> {
    let content: Option<Vec<u8>> = database
        .connection
        .query_row("SELECT content FROM anchor WHERE id = 0", (), |row| {
            row.get(0)
        })
        .optional()
        .map_err(StorageError::sqlite("read", database.file()))?;
    content
        .and_then(|content| LogBase::decode(&content))
        .ok_or_else(|| {
            let what = "it is missing, or its checksum does not match its content";
            StorageError::damaged(database.file(), "the log base", what)
        })
}

/// Whether the journal reaches as far as it did once.
fn check_end(
    file: &Path,
    last: LogIndex,
    from: LogIndex,
    mark: DurablePositionContent,
) -> Result<(), StorageError> {
    let reaches = |wanted: LogIndex, whose: &str| {
        if last >= wanted {
            return Ok(());
        }
        let what = format!(
            "it ends with batch {}, and {whose} says that there was batch {}",
            last.0, wanted.0
        );
        Err(lost(file, "the end", what))
    };
    reaches(from, "the checkpoint")?;
    let no_mark = |what: &str| StorageError::Damaged {
        file: file.to_owned(),
        place: "the end".into(),
        what: format!("journal.mark and journal.mark2, which say how far it went, {what}"),
        advice: ADVICE_NO_MARK,
    };
    match mark {
        DurablePositionContent::Through(position) => reaches(position, "journal.mark"),
        // The process died between making the journal and the first batch.
        DurablePositionContent::BeforeJournal => Ok(()),
        DurablePositionContent::Unreadable => Err(no_mark("cannot be read")),
        DurablePositionContent::Missing => Err(no_mark("are missing")),
    }
}

fn lost(file: &Path, place: &str, what: String) -> StorageError {
    StorageError::Damaged {
        file: file.to_owned(),
        place: place.into(),
        what,
        advice: ADVICE_LOST,
    }
}

struct Replay<F> {
    from: LogIndex,
    replay: F,
}

impl<F: FnMut(StoredBatch) -> Result<(), String>> Replay<F> {
    /// Reads all rows; returns the last.
    fn run(&mut self, database: &Database, log_base: LogBase) -> Result<LogBase, StorageError> {
        let file = database.file();
        if log_base.position > self.from {
            let what = format!(
                "it begins after batch {}, and checkpoint.db, older than it was or missing, ends with batch {}",
                log_base.position.0, self.from.0
            );
            return Err(StorageError::damaged(file, "the beginning", what));
        }
        let error = |error| StorageError::sqlite("read", file)(error);
        let mut select = database
            .connection
            .prepare("SELECT position, digest, body FROM batch ORDER BY position")
            .map_err(error)?;
        let mut rows = select.query(()).map_err(error)?;
        let mut last = log_base;
        while let Some(row) = rows.next().map_err(error)? {
            last = self.take(file, row, last)?;
        }
        Ok(last)
    }

    fn take(
        &mut self,
        file: &Path,
        row: &rusqlite::Row<'_>,
        previous: LogBase,
    ) -> Result<LogBase, StorageError> {
        let error = |error| StorageError::sqlite("read", file)(error);
        let position = LogIndex(row.get::<_, i64>(0).map_err(error)? as u64);
        let digest = row.get_ref(1).map_err(error)?;
        let body = row.get_ref(2).map_err(error)?;
        let expected = LogIndex(previous.position.0 + 1);
        let place = format!("batch {}", expected.0);
        if position != expected {
            let what = format!("it is missing; batch {} comes next", position.0);
            return Err(StorageError::damaged(file, place, what));
        }
        let damaged = |what: String| StorageError::damaged(file, &place[..], what);
        let (Ok(digest), Ok(body)) = (digest.as_blob(), body.as_blob()) else {
            return Err(damaged("it is not made of bytes".into()));
        };
        let found = Digest::of(position, previous.digest, body);
        if Digest::from_bytes(digest) != Some(found) {
            return Err(damaged(FormatError::Digest.to_string()));
        }
        if position > self.from {
            let batch = format::decode(body).map_err(|error| match error {
                FormatError::Unknown(format) => StorageError::Version {
                    file: file.to_owned(),
                    found: format.into(),
                    known: format::FORMAT.into(),
                },
                error => damaged(error.to_string()),
            })?;
            let bytes = body.len();
            (self.replay)(StoredBatch {
                position,
                batch,
                bytes,
            })
            .map_err(damaged)?;
        }
        Ok(LogBase {
            position,
            digest: found,
        })
    }
}
