//! Opening a checkpoint: every check there is, and all its records.

use std::path::Path;

use super::Record;
use super::format::Header;
use super::store::{CHECKPOINT, CheckpointStore, Row, read_header, wrong_checksum};
use crate::database::rewrite::rewrite;
use crate::database::{Database, StorageError, make_directory};
use crate::journal::Position;

/// A checkpoint whose records were all handed over and found right.
#[derive(Debug)]
pub struct Loaded {
    /// The last batch whose effects are in it; 0 for a new, empty one.
    pub position: Position,
    /// For the writer and its readers.
    pub store: CheckpointStore,
}

impl CheckpointStore {
    /// Writes the checkpoint in a state directory, if there is one, to a fresh file. Its records are checked when it
    /// is opened.
    pub fn rewrite(dir: &Path) -> Result<(), StorageError> {
        rewrite(dir, &CHECKPOINT)
    }

    /// Opens the checkpoint in a state directory, makes an empty one if there is none, and hands over its
    /// records by table and key (keys from 2^63 on come before the others).
    ///
    /// An error can come after records were handed over: they must not be served then. What `load` returns as
    /// an error is what is wrong with the record.
    pub fn open(
        dir: &Path,
        load: impl FnMut(Record<'_>) -> Result<(), String>,
    ) -> Result<Loaded, StorageError> {
        make_directory(dir)?;
        let database = match Database::open(dir, &CHECKPOINT)? {
            Some(database) => database,
            None => Database::create(dir, &CHECKPOINT, |rows| {
                let content = Header::default().encode();
                rows.execute(
                    "INSERT INTO header (id, content) VALUES (0, ?1)",
                    [&content[..]],
                )
                .map(|_| ())
            })?,
        };
        let current = read_header(&database)?;
        let has_leftovers = Load { current, load }.run(&database)?;
        database.write_back_whole_wal()?;
        Ok(Loaded {
            position: current.position,
            store: Self::new(database, current, has_leftovers),
        })
    }
}

pub(super) struct Load<F> {
    pub(super) current: Header,
    pub(super) load: F,
}

impl<F: FnMut(Record<'_>) -> Result<(), String>> Load<F> {
    /// Reads all rows; says whether some belong to no checkpoint.
    pub(super) fn run(&mut self, database: &Database) -> Result<bool, StorageError> {
        let error = |error| StorageError::sqlite("read", database.file())(error);
        let mut select = database
            .connection
            .prepare(
                "SELECT kind, key, generation, checksum, value FROM record \
                 ORDER BY kind, key, generation DESC",
            )
            .map_err(error)?;
        let mut rows = select.query(()).map_err(error)?;
        let mut found = Header {
            records: 0,
            sum: 0,
            ..self.current
        };
        let mut last = None;
        let mut has_leftovers = false;
        while let Some(row) = rows.next().map_err(error)? {
            let row = Row::read(row).map_err(error)?;
            if row.generation > self.current.generation || last == Some((row.table, row.key)) {
                has_leftovers = true;
                continue;
            }
            last = Some((row.table, row.key));
            if !row.is_right() {
                return Err(wrong_checksum(database, row.table, row.key));
            }
            match row.value {
                None => has_leftovers = true,
                Some(value) => self.take(database, &row, value, &mut found)?,
            }
        }
        self.check(database, found)?;
        Ok(has_leftovers)
    }

    fn take(
        &mut self,
        database: &Database,
        row: &Row<'_>,
        value: &[u8],
        found: &mut Header,
    ) -> Result<(), StorageError> {
        found.add(row.checksum);
        (self.load)(Record {
            table: row.table,
            key: row.key,
            value,
        })
        .map_err(|what| {
            let place = format!("record {} of table {}", row.key, row.table);
            StorageError::damaged(database.file(), place, what)
        })
    }

    fn check(&self, database: &Database, found: Header) -> Result<(), StorageError> {
        if found == self.current {
            return Ok(());
        }
        let what = format!(
            "there are {} that add up to {:016x}, there should be {} that add up to {:016x}",
            found.records, found.sum, self.current.records, self.current.sum
        );
        Err(StorageError::damaged(database.file(), "its records", what))
    }
}
