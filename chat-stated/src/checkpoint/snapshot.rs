//! The checkpoint as it was at one moment, for backups and for checks.

use std::path::Path;

use super::Record;
use super::format::{self, Header, row_checksum};
use super::load::{Everything, Load};
use super::store::{CHECKPOINT, read_header};
use crate::database::{Database, StorageError};
use crate::journal::LogIndex;

/// Number of the format of records and their rows that is written.
pub const RECORD_FORMAT: i32 = format::FORMAT;

/// The oldest that is read.
pub const FIRST_RECORD_FORMAT: i32 = format::FIRST_FORMAT;

/// A checkpoint that does not change while this is there.
#[derive(Debug)]
pub struct CheckpointSnapshot {
    database: Database,
    current: Header,
}

impl CheckpointSnapshot {
    /// The current checkpoint of a daemon that goes on meanwhile. Until it is dropped, what that writes stays in the
    /// log of its file.
    pub fn of_running(dir: &Path) -> Result<Self, StorageError> {
        Self::of(Database::open_beside(dir, &CHECKPOINT)?)
    }

    /// The checkpoint in a directory that no daemon uses, with its pages checked too. Nothing if there is no file.
    pub fn of_stopped(dir: &Path) -> Result<Option<Self>, StorageError> {
        Database::open(dir, &CHECKPOINT)?.map(Self::of).transpose()
    }

    fn of(database: Database) -> Result<Self, StorageError> {
        let current = read_header(&database)?;
        Ok(Self { database, current })
    }

    /// The last batch whose effects are in it.
    pub fn position(&self) -> LogIndex {
        self.current.position
    }

    /// How many records it has.
    pub fn records(&self) -> u64 {
        self.current.records
    }

    /// Hands over all its records, checked, by table and key; what `load` returns as an error is what is wrong with
    /// one. An error can come after records were handed over.
    pub fn read(
        &self,
        load: impl FnMut(Record<'_>) -> Result<(), String>,
    ) -> Result<(), StorageError> {
        Load::new(self.current, &mut Everything(load))
            .run(&self.database)
            .map(|_| ())
    }
}

/// Makes the file of a checkpoint at a position, durably and in place of any other. `fill` gives each record once; it
/// ends early with its own error, and then no file was made.
pub fn create_checkpoint<E: From<StorageError>>(
    dir: &Path,
    position: LogIndex,
    fill: impl FnOnce(&mut dyn FnMut(Record<'_>) -> Result<(), E>) -> Result<(), E>,
) -> Result<(), E> {
    let file = CHECKPOINT.path(dir);
    let mut header = Header {
        generation: 1,
        position,
        ..Header::default()
    };
    Database::create_from(dir, &CHECKPOINT, |rows| {
        let mut insert = rows.prepare(
            "INSERT INTO record (kind, key, generation, checksum, value) VALUES (?1, ?2, 1, ?3, ?4)",
        )?;
        let filled = fill(&mut |record| {
            let checksum = row_checksum(record.table, record.key, 1, Some(record.value));
            header.add(checksum);
            let row = (
                record.table,
                record.key as i64,
                checksum as i64,
                record.value,
            );
            insert
                .execute(row)
                .map(|_| ())
                .map_err(|error| StorageError::sqlite("write to", &file)(error).into())
        });
        rows.execute(
            "INSERT INTO header (id, content) VALUES (0, ?1)",
            [&header.encode()[..]],
        )?;
        Ok(filled)
    })
}
