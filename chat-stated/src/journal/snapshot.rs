//! The journal as it was at one moment, for backups and for checks.

use std::path::Path;

use super::LogIndex;
use super::durable_position::DurablePosition;
use super::format::{Digest, LogBase};
use super::recovery::read_log_base;
use super::store::JOURNAL;
use crate::database::{Database, StorageError};

/// A journal that does not change while this is there.
#[derive(Debug)]
pub struct JournalSnapshot {
    database: Database,
    log_base: LogBase,
    last: LogIndex,
}

/// A batch as it is stored. Whether its digest is right is for the reader to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRow<'a> {
    /// Its place.
    pub position: LogIndex,
    /// Over place, predecessor and body.
    pub digest: Digest,
    /// The batch, encoded.
    pub body: &'a [u8],
}

impl JournalSnapshot {
    /// The journal of a daemon that goes on meanwhile. Until it is dropped, what that writes stays in the log of its
    /// file.
    pub fn of_running(dir: &Path) -> Result<Self, StorageError> {
        let database = Database::open_beside(dir, &JOURNAL)?;
        let log_base = read_log_base(&database)?;
        let last: Option<i64> = database
            .connection
            .query_row("SELECT max(position) FROM batch", (), |row| row.get(0))
            .map_err(StorageError::sqlite("read", database.file()))?;
        let last = last.map_or(log_base.position, |last| LogIndex(last as u64));
        Ok(Self {
            database,
            log_base,
            last,
        })
    }

    /// The last batch in it, or that was ever in it.
    pub fn last(&self) -> LogIndex {
        self.last
    }

    /// The last batch that was forgotten; what is behind it is there.
    pub fn forgotten_through(&self) -> LogIndex {
        self.log_base.position
    }

    /// Place and digest of a batch that is in it, or was forgotten last.
    pub fn log_base_at(&self, position: LogIndex) -> Result<LogBase, StorageError> {
        if position == self.log_base.position {
            return Ok(self.log_base);
        }
        let file = self.database.file();
        let digest = self
            .database
            .connection
            .query_row(
                "SELECT digest FROM batch WHERE position = ?1",
                [position.0 as i64],
                |row| Ok(Digest::from_bytes(row.get_ref(0)?.as_blob()?)),
            )
            .map_err(StorageError::sqlite("read", file))?;
        match digest {
            Some(digest) => Ok(LogBase { position, digest }),
            None => {
                let place = format!("batch {}", position.0);
                Err(StorageError::damaged(file, place, "its digest is cut off"))
            }
        }
    }

    /// Hands over what stands after a position, in order.
    pub fn read_after<E: From<StorageError>>(
        &self,
        position: LogIndex,
        mut take: impl FnMut(StoredRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let file = self.database.file();
        let error = |error| StorageError::sqlite("read", file)(error);
        let mut select = self
            .database
            .connection
            .prepare(
                "SELECT position, digest, body FROM batch WHERE position > ?1 ORDER BY position",
            )
            .map_err(error)?;
        let mut rows = select.query([position.0 as i64]).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            let position: i64 = row.get(0).map_err(error)?;
            let blob = |column| {
                let value = row.get_ref(column).map_err(error)?;
                value.as_blob().map_err(|wrong| {
                    StorageError::damaged(file, format!("batch {position}"), wrong.to_string())
                })
            };
            let digest = Digest::from_bytes(blob(1)?).ok_or_else(|| {
                let place = format!("batch {position}");
                StorageError::damaged(file, place, "its digest is cut off")
            })?;
            take(StoredRow {
                position: LogIndex(position as u64),
                digest,
                body: blob(2)?,
            })?;
        }
        Ok(())
    }
}

/// Makes the file of a journal, durably and in place of any other, that goes on after `log_base` with the rows that
/// `fill` gives, in order. It ends early with its own error, and then no file was made.
pub fn create_journal<E: From<StorageError>>(
    dir: &Path,
    log_base: LogBase,
    fill: impl FnOnce(&mut dyn FnMut(StoredRow<'_>) -> Result<(), E>) -> Result<(), E>,
) -> Result<(), E> {
    let file = JOURNAL.path(dir);
    let mut last = log_base.position;
    Database::create_from(dir, &JOURNAL, |rows| {
        rows.execute(
            "INSERT INTO anchor (id, content) VALUES (0, ?1)",
            [&log_base.encode()[..]],
        )?;
        let mut insert =
            rows.prepare("INSERT INTO batch (position, digest, body) VALUES (?1, ?2, ?3)")?;
        Ok(fill(&mut |row| {
            last = row.position;
            insert
                .execute((row.position.0 as i64, row.digest.as_bytes(), row.body))
                .map(|_| ())
                .map_err(|error| StorageError::sqlite("write to", &file)(error).into())
        }))
    })?;
    DurablePosition::begin(dir, last)?;
    Ok(())
}
