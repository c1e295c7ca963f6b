//! The rows of the checkpoint's file: adding, activating, deleting and sweeping them, a slice at a time.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::format::{self, Header, row_checksum};
use super::{Change, CheckpointReader};
use crate::database::{CHECKPOINT_FILE, Database, DatabaseKind, StorageError, set_version};
use crate::text_page::{self, Content, TEXT_TABLE, TextError, TextPlace, Texts};

/// The checkpoint's file.
pub(super) const CHECKPOINT: DatabaseKind = DatabaseKind {
    file_name: CHECKPOINT_FILE,
    application_id: i32::from_be_bytes(*b"chtC"),
    first_version: format::FIRST_FORMAT,
    version: format::FORMAT,
    tables: &[
        (
            "header",
            "CREATE TABLE header (id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT",
        ),
        (
            "record",
            "CREATE TABLE record (kind INTEGER NOT NULL, key INTEGER NOT NULL, generation INTEGER NOT NULL, \
             checksum INTEGER NOT NULL, value BLOB, PRIMARY KEY (kind, key, generation DESC)) STRICT, WITHOUT ROWID",
        ),
    ],
    shadow_tables: &[],
};

/// How much goes into one transaction: little enough that the journal's syncs never wait long for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SliceLimits {
    /// Changes added, or superseded records deleted.
    pub(super) changes: usize,
    /// Bytes of content added; a change that is larger is a slice of its own.
    pub(super) bytes: usize,
    /// Rows looked at for leftovers; more than any record can have.
    pub(super) swept_rows: usize,
}

impl Default for SliceLimits {
    fn default() -> Self {
        Self {
            changes: 1_024,
            bytes: 256 * 1024,
            swept_rows: 2_048,
        }
    }
}

/// The checkpoint's file, open for writing.
#[derive(Debug)]
pub struct CheckpointStore {
    database: Database,
    current: Header,
    /// Where to go on looking for rows that belong to no checkpoint, if there may be any.
    leftovers_after: Option<RecordKey>,
    limits: SliceLimits,
    /// The page of texts that could not be moved because it is damaged.
    damaged_page: Option<u64>,
    /// Whether the file says an older format than the one that is written.
    is_of_old_format: bool,
}

/// A record that a row of a checkpoint being written supersedes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Superseded {
    pub(super) table: u8,
    pub(super) key: u64,
}

/// A row as it is stored.
pub(super) struct Row<'a> {
    pub(super) table: u8,
    pub(super) key: u64,
    pub(super) generation: u64,
    pub(super) checksum: u64,
    pub(super) value: Option<&'a [u8]>,
}

impl<'a> Row<'a> {
    pub(super) fn read(row: &'a rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let number = |index| row.get::<_, i64>(index).map(|number| number as u64);
        Ok(Self {
            table: row.get(0)?,
            key: number(1)?,
            generation: number(2)?,
            checksum: number(3)?,
            value: row.get_ref(4)?.as_blob_or_null()?,
        })
    }

    pub(super) fn is_right(&self) -> bool {
        self.checksum == row_checksum(self.table, self.key, self.generation, self.value)
    }
}

impl CheckpointStore {
    pub(super) fn new(
        database: Database,
        current: Header,
        has_leftovers: bool,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            is_of_old_format: database.version_without_log()? < format::FORMAT,
            database,
            current,
            leftovers_after: has_leftovers.then_some(START_OF_SWEEP),
            limits: SliceLimits::default(),
            damaged_page: None,
        })
    }

    /// Another connection, for reading single records while the writer works.
    pub fn reader(&self) -> Result<CheckpointReader, StorageError> {
        self.database.reopen().map(CheckpointReader::new)
    }

    pub(super) fn current(&self) -> Header {
        self.current
    }

    pub(super) fn limits(&self) -> SliceLimits {
        self.limits
    }

    #[cfg(test)]
    pub(super) fn set_limits(&mut self, limits: SliceLimits) {
        self.limits = limits;
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// Adds a slice of changes beside the current checkpoint, and their effect to the header that is to become
    /// current. What they supersede is added to `superseded`.
    pub(super) fn add_slice(
        &mut self,
        changes: &[Change],
        header: &mut Header,
        superseded: &mut Vec<Superseded>,
    ) -> Result<(), StorageError> {
        let (mut new_header, known) = (*header, superseded.len());
        let mut page = None;
        let contents = changes
            .iter()
            .map(|change| {
                change
                    .value
                    .as_ref()
                    .map(|value| self.encode(value, &mut page))
                    .transpose()
            })
            .collect::<Result<Vec<_>, _>>();
        let contents = match contents {
            Err(error @ StorageError::Damaged { .. }) => {
                self.damaged_page = page;
                return Err(error);
            }
            contents => contents?,
        };
        let result = self.database.in_transaction("write to", |rows| {
            for (change, content) in changes.iter().zip(&contents) {
                if add_change(rows, change, content.as_deref(), &mut new_header)? {
                    superseded.push(Superseded {
                        table: change.table,
                        key: change.key,
                    });
                }
            }
            Ok(())
        });
        match result {
            Ok(()) => *header = new_header,
            Err(_) => superseded.truncate(known),
        }
        result
    }

    /// The page of texts because of whose damage a slice was not added; asked for once.
    pub(super) fn take_damaged_page(&mut self) -> Option<u64> {
        self.damaged_page.take()
    }

    /// The content as it is to be stored, with texts from pages of the current checkpoint; `last_page` is the one that
    /// was read last.
    fn encode<'a>(
        &self,
        content: &'a Content,
        last_page: &mut Option<u64>,
    ) -> Result<Cow<'a, [u8]>, StorageError> {
        let generation = self.current.generation;
        let encoded = content.encode(|page| {
            *last_page = Some(page);
            read_record(&self.database, TEXT_TABLE, page, generation)
        });
        encoded.map_err(|error| {
            if let TextError::Damaged { page, .. } = &error {
                *last_page = Some(*page);
            }
            text_error(&self.database, error)
        })
    }

    /// Whether the file has to say another format before a checkpoint of this one becomes current.
    pub(super) fn is_of_old_format(&self) -> bool {
        self.is_of_old_format
    }

    /// Has the file say the format that is written, and not only its log, where an older program would see it too late.
    /// That takes until nobody reads what was there before.
    pub(super) fn raise_format(&mut self) -> Result<(), StorageError> {
        if self.database.version()? != format::FORMAT {
            self.database
                .in_transaction("write to", |rows| set_version(rows, format::FORMAT))?;
        }
        self.database.write_back_wal()?;
        self.is_of_old_format = self.database.version_without_log()? < format::FORMAT;
        Ok(())
    }

    /// Makes the checkpoint current that this header describes.
    pub(super) fn activate(&mut self, header: Header) -> Result<(), StorageError> {
        self.database.in_transaction("write to", |rows| {
            rows.prepare_cached("UPDATE header SET content = ?1 WHERE id = 0")?
                .execute([&header.encode()[..]])
        })?;
        self.current = header;
        Ok(())
    }

    /// Deletes a slice of what the current checkpoint superseded.
    pub(super) fn delete_slice(&mut self, superseded: &[Superseded]) -> Result<(), StorageError> {
        let generation = self.current.generation as i64;
        self.database
            .in_transaction("delete old records of", |rows| {
                let mut delete = rows.prepare_cached(
                    "DELETE FROM record WHERE kind = ?1 AND key = ?2 AND (generation < ?3 OR value IS NULL)",
                )?;
                for record in superseded {
                    delete.execute((record.table, record.key as i64, generation))?;
                }
                Ok(())
            })
    }

    /// Says that rows may be left that belong to no checkpoint.
    pub(super) fn note_leftovers(&mut self) {
        self.leftovers_after = Some(START_OF_SWEEP);
    }

    /// Deletes leftovers from a slice of the rows; says whether there is more to look at.
    pub(super) fn sweep_slice(&mut self) -> Result<bool, StorageError> {
        let Some(after) = self.leftovers_after else {
            return Ok(false);
        };
        let (current, limit) = (self.current.generation, self.limits.swept_rows);
        self.leftovers_after = self
            .database
            .in_transaction("delete old records of", |rows| {
                let (leftovers, last) = find_leftovers(rows, after, current, limit)?;
                let mut delete = rows.prepare_cached(
                    "DELETE FROM record WHERE kind = ?1 AND key = ?2 AND generation = ?3",
                )?;
                for row in leftovers {
                    delete.execute(row)?;
                }
                Ok(last)
            })?;
        Ok(self.leftovers_after.is_some())
    }
}

/// Before every row: kinds are not negative.
const START_OF_SWEEP: RecordKey = (-1, 0);

pub(super) fn read_header(database: &Database) -> Result<Header, StorageError> {
    let content: Option<Vec<u8>> = database
        .connection
        .prepare_cached("SELECT content FROM header WHERE id = 0")
        .and_then(|mut select| select.query_row((), |row| row.get(0)).optional())
        .map_err(StorageError::sqlite("read", database.file()))?;
    content
        .and_then(|content| Header::decode(&content))
        .ok_or_else(|| {
            let what = "it is missing, or its checksum does not match its content";
            StorageError::damaged(database.file(), "the header's row", what)
        })
}

/// Reads the record that is current at a generation.
pub(super) fn read_record(
    database: &Database,
    table: u8,
    key: u64,
    generation: u64,
) -> Result<Option<Vec<u8>>, StorageError> {
    let read = || -> rusqlite::Result<Option<(bool, Option<Vec<u8>>)>> {
        database
            .connection
            .prepare_cached(
                "SELECT kind, key, generation, checksum, value FROM record \
                 WHERE kind = ?1 AND key = ?2 AND generation <= ?3 ORDER BY generation DESC LIMIT 1",
            )?
            .query_row((table, key as i64, generation as i64), |row| {
                let row = Row::read(row)?;
                Ok((row.is_right(), row.value.map(<[u8]>::to_vec)))
            })
            .optional()
    };
    match read().map_err(StorageError::sqlite("read", database.file()))? {
        None => Ok(None),
        Some((true, value)) => Ok(value),
        Some((false, _)) => Err(wrong_checksum(database, table, key)),
    }
}

/// Looks texts up in the checkpoint that is current at a generation.
pub(super) fn find_texts(
    database: &Database,
    generation: u64,
    places: &[TextPlace],
) -> Result<Texts, StorageError> {
    text_page::find(places, |page| {
        read_record(database, TEXT_TABLE, page, generation)
    })
    .map_err(|error| text_error(database, error))
}

fn text_error(database: &Database, error: TextError<StorageError>) -> StorageError {
    match error {
        TextError::Read(error) => error,
        TextError::Damaged { page, what } => {
            let place = format!("record {page} of table {TEXT_TABLE}");
            StorageError::damaged(database.file(), place, what)
        }
    }
}

/// The checkpoint in a directory does not hold what it must.
pub fn damaged_checkpoint(dir: &Path, what: impl Display) -> StorageError {
    StorageError::damaged(&CHECKPOINT.path(dir), "its records", what.to_string())
}

pub(super) fn wrong_checksum(database: &Database, table: u8, key: u64) -> StorageError {
    let place = format!("record {key} of table {table}");
    let what = "its checksum does not match its content";
    StorageError::damaged(database.file(), place, what)
}

/// Adds one row; says whether it supersedes another.
fn add_change(
    rows: &Connection,
    change: &Change,
    value: Option<&[u8]>,
    header: &mut Header,
) -> rusqlite::Result<bool> {
    let key = change.key as i64;
    let previous: Option<(u64, bool)> = rows
        .prepare_cached(
            "SELECT checksum, value IS NULL FROM record WHERE kind = ?1 AND key = ?2 \
             ORDER BY generation DESC LIMIT 1",
        )?
        .query_row((change.table, key), |row| {
            Ok((row.get::<_, i64>(0)? as u64, row.get(1)?))
        })
        .optional()?;
    if let Some((checksum, false)) = previous {
        header.remove(checksum);
    }
    if value.is_none() && previous.is_none() {
        return Ok(false);
    }
    let checksum = row_checksum(change.table, change.key, header.generation, value);
    if value.is_some() {
        header.add(checksum);
    }
    rows.prepare_cached(
        "INSERT OR REPLACE INTO record (kind, key, generation, checksum, value) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((
        change.table,
        key,
        header.generation as i64,
        checksum as i64,
        value,
    ))?;
    Ok(previous.is_some())
}

/// Table and key as they are stored, and the same with the generation.
type RecordKey = (i64, i64);
type RowKey = (i64, i64, i64);

/// Rows of no checkpoint among the next ones, and where to go on, if there is more.
fn find_leftovers(
    rows: &Connection,
    after: RecordKey,
    current: u64,
    limit: usize,
) -> rusqlite::Result<(Vec<RowKey>, Option<RecordKey>)> {
    let seen: Vec<(RowKey, bool)> = rows
        .prepare_cached(
            "SELECT kind, key, generation, value IS NULL FROM record WHERE (kind, key) > (?1, ?2) \
             ORDER BY kind, key, generation DESC LIMIT ?3",
        )?
        .query_map((after.0, after.1, limit as i64), |row| {
            Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let is_full = seen.len() == limit;
    let complete = if is_full {
        &seen[..end_of_last_whole_record(&seen)]
    } else {
        &seen[..]
    };
    let mut leftovers = Vec::new();
    for record in complete.chunk_by(|(one, _), (other, _)| (one.0, one.1) == (other.0, other.1)) {
        let mut has_current = false;
        for &(row, is_removal) in record {
            let is_pending = row.2 as u64 > current;
            if is_pending || has_current || is_removal {
                leftovers.push(row);
            }
            has_current |= !is_pending;
        }
    }
    let last = complete.last().map(|(row, _)| (row.0, row.1));
    Ok((leftovers, last.filter(|_| is_full)))
}

/// Where the rows of the last record begin, which may go on in the next slice. No record has as many rows as a
/// slice holds.
fn end_of_last_whole_record(seen: &[(RowKey, bool)]) -> usize {
    let is_of_last = |row: &RowKey| {
        seen.last()
            .is_some_and(|(last, _)| (last.0, last.1) == (row.0, row.1))
    };
    seen.iter()
        .rposition(|(row, _)| !is_of_last(row))
        .map_or(seen.len(), |index| index + 1)
}
