//! The rows of the local journal: one a batch, and one that says what the first of them follows.

use std::fmt::Display;
use std::path::Path;

use chat_node::limits::system_limits::file_limit_bytes;
use rusqlite::{Connection, OptionalExtension};

use super::LogIndex;
use super::crash_points;
use super::durable_position::{self, DurablePosition};
use super::format::{self, Digest, LogBase};
use crate::database::{
    CHECKPOINT_FILE, Database, DatabaseKind, JOURNAL_FILE, NamedFiles, NoRoom, StorageError,
};
use crate::entry::Batch;
use crate::state_lock::LOCK_FILE;

/// The journal's file.
pub(super) const JOURNAL: DatabaseKind = DatabaseKind {
    file_name: JOURNAL_FILE,
    application_id: i32::from_be_bytes(*b"chtJ"),
    first_version: 1,
    version: 1,
    tables: &[
        (
            "anchor",
            "CREATE TABLE anchor (id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT",
        ),
        (
            "batch",
            "CREATE TABLE batch (position INTEGER PRIMARY KEY, digest BLOB NOT NULL, body BLOB NOT NULL) STRICT",
        ),
    ],
    shadow_tables: &[],
};

/// So much of the journal.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    batches: u64,
    bytes: u64,
}

/// How much is forgotten in one transaction, at least, where nobody waits for it: the batch that reaches one of these
/// is the last.
const FORGOTTEN_APART: Amount = Amount {
    batches: 256,
    bytes: 1024 * 1024,
};

/// With batches, which wait for it; beside that, twice as much as the group before has added, so that it ends.
const FORGOTTEN_WITH_BATCHES: Amount = Amount {
    batches: 16,
    bytes: 64 * 1024,
};

/// The journal's rows, open for writing.
#[derive(Debug)]
pub(super) struct BatchStore {
    database: Database,
    mark: DurablePosition,
    /// What the next process has to find again, before anybody is told that it is stored.
    names: NamedFiles,
    /// The last batch that was forgotten.
    log_base: LogBase,
    /// The one that will have been with the transaction that was begun.
    log_base_to_be: Option<LogBase>,
    /// The last batch that is durable.
    durable: LogBase,
    /// The last batch that was added, durable or not yet.
    last: LogBase,
    body: Vec<u8>,
    /// How large the system lets a file be, if it says.
    file_limit_bytes: Option<u64>,
    /// What the transaction has added, and then what the last one had.
    added: Amount,
    /// What was added since the length of the log was looked at.
    added_since_look: Amount,
}

/// The journal in a directory does not hold what it must.
pub fn damaged_journal(dir: &Path, what: impl Display) -> StorageError {
    StorageError::damaged(&JOURNAL.path(dir), "its batches", what.to_string())
}

const FORGET: &str = "forget batches of";

/// The length of the log is looked at once so much was added since the last look, which takes a statement of its own.
const ADDED_BEFORE_LOOK: Amount = Amount {
    batches: 8,
    bytes: 256 * 1024,
};

/// Buffers that grew larger than this are given back.
const KEPT_BUFFER_BYTES: usize = 1024 * 1024;

impl BatchStore {
    pub(super) fn new(
        dir: &Path,
        database: Database,
        log_base: LogBase,
        last: LogBase,
    ) -> Result<Self, StorageError> {
        let mark = DurablePosition::begin(dir, last.position)?;
        Ok(Self {
            database,
            mark,
            names: NamedFiles::of(dir, used_files())?,
            log_base,
            log_base_to_be: None,
            durable: last,
            last,
            body: Vec::new(),
            file_limit_bytes: file_limit_bytes(),
            added: Amount::default(),
            added_since_look: Amount::default(),
        })
    }

    /// Begins a transaction. What may be forgotten up to `forget_through` goes first, a slice of it: it leaves its
    /// room, and costs no sync of its own. The last durable batch stays as the log base.
    pub(super) fn begin(&mut self, forget_through: Option<LogIndex>) -> Result<(), StorageError> {
        let added_before = std::mem::take(&mut self.added);
        crash_points::before_write(&self.database);
        self.database
            .begin()
            .map_err(self.error("begin a transaction in"))?;
        let limits = Amount {
            batches: FORGOTTEN_WITH_BATCHES.batches + 2 * added_before.batches,
            bytes: FORGOTTEN_WITH_BATCHES.bytes + 2 * added_before.bytes,
        };
        if let Some(through) = forget_through
            && let Some(log_base) = self.log_base_after_slice(through, limits)?
        {
            delete_through(&self.database.connection, log_base).map_err(self.error(FORGET))?;
            self.log_base_to_be = Some(log_base);
        }
        Ok(())
    }

    /// Adds a batch to the transaction; returns the bytes of its body. One that is too large for its format
    /// finds no room either.
    pub(super) fn append(&mut self, batch: &Batch) -> Result<usize, StorageError> {
        self.keep_room_for_small_things(batch)?;
        self.body.clear();
        format::encode(batch, &mut self.body).map_err(|error| {
            log::error!(
                "a batch of {} entries is refused: {error}",
                batch.entries.len()
            );
            StorageError::NoRoom {
                action: "write to",
                file: self.database.file().to_owned(),
                cause: NoRoom::Full,
            }
        })?;
        let bytes = self.body.len();
        let position = LogIndex(self.last.position.0 + 1);
        let digest = Digest::of(position, self.last.digest, &self.body);
        self.database
            .connection
            .prepare_cached("INSERT INTO batch (position, digest, body) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| {
                insert.execute((position.0 as i64, digest.as_bytes(), &self.body[..]))
            })
            .map_err(self.error("write to"))?;
        self.last = LogBase { position, digest };
        self.added.batches += 1;
        self.added.bytes += bytes as u64;
        if self.body.capacity() > KEPT_BUFFER_BYTES {
            self.body = Vec::new();
        }
        Ok(bytes)
    }

    /// Where files may not grow for ever, what adds leaves a part of the file to what does not: logins and what readers
    /// have.
    fn keep_room_for_small_things(&self, batch: &Batch) -> Result<(), StorageError> {
        let Some(limit_bytes) = self.file_limit_bytes else {
            return Ok(());
        };
        if batch.adds() && self.database.used_bytes()? + self.added.bytes > limit_bytes / 4 * 3 {
            return Err(StorageError::NoRoom {
                action: "write to",
                file: self.database.file().to_owned(),
                cause: NoRoom::FileSize,
            });
        }
        Ok(())
    }

    /// Makes what was added durable; returns the position of the first batch of it.
    pub(super) fn commit(&mut self) -> Result<LogIndex, StorageError> {
        crash_points::in_write(&self.database);
        self.database.commit().map_err(self.error("write to"))?;
        crash_points::before_fsync(&self.database);
        let first = LogIndex(self.durable.position.0 + 1);
        self.durable = self.last;
        self.log_base = self.log_base_to_be.take().unwrap_or(self.log_base);
        self.added_since_look.batches += self.added.batches;
        self.added_since_look.bytes += self.added.bytes;
        self.mark.advance(self.durable.position)?;
        // Between this and the answer nothing more can be done about a name that goes.
        self.check_names()?;
        Ok(first)
    }

    /// Fails if a file of the state directory does not stand under its name any more.
    pub(super) fn check_names(&mut self) -> Result<(), StorageError> {
        self.names.check()
    }

    /// Takes back what was added since the last commit.
    pub(super) fn roll_back(&mut self) -> Result<(), StorageError> {
        self.last = self.durable;
        self.log_base_to_be = None;
        self.database.roll_back()
    }

    /// The last position that is forgotten.
    pub(super) fn forgotten_through(&self) -> LogIndex {
        self.log_base.position
    }

    /// Forgets a slice of what is allowed in a transaction of its own.
    pub(super) fn forget_slice(&mut self, through: LogIndex) -> Result<(), StorageError> {
        if let Some(log_base) = self.log_base_after_slice(through, FORGOTTEN_APART)? {
            let delete = |rows: &Connection| delete_through(rows, log_base);
            self.database.in_transaction(FORGET, delete)?;
            self.log_base = log_base;
        }
        Ok(())
    }

    fn log_base_after_slice(
        &self,
        through: LogIndex,
        limits: Amount,
    ) -> Result<Option<LogBase>, StorageError> {
        let through = through.min(self.durable.position);
        self.end_of_slice(through, limits)
            .map_err(self.error("read"))
    }

    fn end_of_slice(&self, through: LogIndex, limits: Amount) -> rusqlite::Result<Option<LogBase>> {
        let mut select = self.database.connection.prepare_cached(
            "SELECT position, length(body) FROM batch WHERE position > ?1 AND position <= ?2 \
             ORDER BY position LIMIT ?3",
        )?;
        let mut rows = select.query([
            self.log_base.position.0 as i64,
            through.0 as i64,
            limits.batches as i64,
        ])?;
        let mut end = None;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            end = Some(row.get::<_, i64>(0)?);
            bytes += row.get::<_, i64>(1)? as u64;
            if bytes >= limits.bytes {
                break;
            }
        }
        let Some(end) = end else {
            return Ok(None);
        };
        self.database
            .connection
            .prepare_cached("SELECT digest FROM batch WHERE position = ?1")?
            .query_row([end], |row| {
                let digest = Digest::from_bytes(row.get_ref(0)?.as_blob()?);
                Ok(digest.map(|digest| LogBase {
                    position: LogIndex(end as u64),
                    digest,
                }))
            })
            .optional()
            .map(Option::flatten)
    }

    /// Writes a long log back to the database. Does nothing while little was added since it last did.
    pub(super) fn write_back_long_wal_if_due(&mut self) -> Result<(), StorageError> {
        let added = self.added_since_look;
        if added.batches < ADDED_BEFORE_LOOK.batches && added.bytes < ADDED_BEFORE_LOOK.bytes {
            return Ok(());
        }
        self.write_back_long_wal()
    }

    /// Writes a long log back to the database.
    pub(super) fn write_back_long_wal(&mut self) -> Result<(), StorageError> {
        self.added_since_look = Amount::default();
        self.database.write_back_long_wal()
    }

    /// Writes all of the log back to the database.
    pub(super) fn write_back_whole_wal(&self) -> Result<(), StorageError> {
        self.database.write_back_whole_wal()
    }

    /// Writes what can be of the log back to the database.
    pub(super) fn write_back_wal(&self) -> Result<(), StorageError> {
        self.database.write_back_wal()
    }

    /// Gives a slice of unused space back; says whether there was any.
    pub(super) fn give_back_space(&self) -> Result<bool, StorageError> {
        self.database.give_back_space()
    }

    /// Leaves word for the next process if the disk failed.
    pub(super) fn note_failure(&self, error: &StorageError) {
        self.database.note_failure(error);
    }

    fn error(&self, action: &'static str) -> impl FnOnce(rusqlite::Error) -> StorageError {
        StorageError::sqlite(action, self.database.file())
    }

    #[cfg(test)]
    pub(super) fn database(&self) -> &Database {
        &self.database
    }
}

/// Files of the state directory that are in use while the journal is. With the checkpoint's gone, the journal is of no
/// use; with the lock gone, a second daemon could begin beside this one.
fn used_files() -> impl Iterator<Item = String> {
    let databases = [JOURNAL_FILE, CHECKPOINT_FILE];
    let databases = databases
        .into_iter()
        .flat_map(|name| ["", "-wal", "-shm"].map(|suffix| format!("{name}{suffix}")));
    let others = durable_position::FILE_NAMES.into_iter().chain([LOCK_FILE]);
    databases.chain(others.map(str::to_owned))
}

fn delete_through(rows: &Connection, log_base: LogBase) -> rusqlite::Result<()> {
    rows.prepare_cached("DELETE FROM batch WHERE position <= ?1")?
        .execute([log_base.position.0 as i64])?;
    rows.prepare_cached("UPDATE anchor SET content = ?1 WHERE id = 0")?
        .execute([&log_base.encode()[..]])?;
    Ok(())
}
