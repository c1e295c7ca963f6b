//! Opening a checkpoint: every check there is, and all its records.

use std::path::Path;

use super::Record;
use super::format::Header;
use super::store::{CHECKPOINT, CheckpointStore, Row, read_header, read_record, wrong_checksum};
use crate::database::rewrite::rewrite;
use crate::database::{Database, StorageError, make_directory};
use crate::journal::LogIndex;
use crate::text_page::TEXT_TABLE;

/// A checkpoint whose records were all handed over and found right.
#[derive(Debug)]
pub struct Loaded {
    /// The last batch whose effects are in it; 0 for a new, empty one.
    pub position: LogIndex,
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
        Self::open_into(dir, &mut Everything(load))
    }

    /// The same for a caller that does not want all texts. A text that is not wanted is checked when it is read.
    pub fn open_into(dir: &Path, sink: &mut impl RecordSink) -> Result<Loaded, StorageError> {
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
        let has_leftovers = Load::new(current, sink).run(&database)?;
        database.keep_pages()?;
        database.write_back_whole_wal()?;
        Ok(Loaded {
            position: current.position,
            store: Self::new(database, current, has_leftovers)?,
        })
    }
}

/// Takes the records of a checkpoint: first all but texts, then the texts it wants.
pub trait RecordSink {
    /// Whether this page of texts is wanted. It is there, and is asked for once.
    fn wants_texts(&mut self, page: u64) -> bool;

    /// A page of texts that was wanted is damaged: whether the other records are of use without it. It is named in the
    /// log then, and again whenever it is read.
    fn does_without_texts(&mut self, _page: u64) -> bool {
        false
    }

    /// Takes a record; an error says what is wrong with it.
    fn take(&mut self, record: Record<'_>) -> Result<(), String>;
}

/// Has everything handed over.
pub(super) struct Everything<F>(pub(super) F);

impl<F: FnMut(Record<'_>) -> Result<(), String>> RecordSink for Everything<F> {
    fn wants_texts(&mut self, _page: u64) -> bool {
        true
    }

    fn take(&mut self, record: Record<'_>) -> Result<(), String> {
        (self.0)(record)
    }
}

pub(super) struct Load<'a, S> {
    current: Header,
    sink: &'a mut S,
    /// What was found so far.
    found: Header,
    last: Option<(u8, u64)>,
    has_leftovers: bool,
}

impl<'a, S: RecordSink> Load<'a, S> {
    pub(super) fn new(current: Header, sink: &'a mut S) -> Self {
        Self {
            current,
            sink,
            found: Header {
                records: 0,
                sum: 0,
                ..current
            },
            last: None,
            has_leftovers: false,
        }
    }

    /// Reads all rows; says whether some belong to no checkpoint.
    pub(super) fn run(mut self, database: &Database) -> Result<bool, StorageError> {
        self.read_records(database)?;
        self.read_texts(database)?;
        self.check(database)?;
        Ok(self.has_leftovers)
    }

    fn read_records(&mut self, database: &Database) -> Result<(), StorageError> {
        let error = |error| StorageError::sqlite("read", database.file())(error);
        let mut select = database
            .connection
            .prepare(
                "SELECT kind, key, generation, checksum, value FROM record WHERE kind <> ?1 \
                 ORDER BY kind, key, generation DESC",
            )
            .map_err(error)?;
        let mut rows = select.query([TEXT_TABLE]).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            let row = Row::read(row).map_err(error)?;
            if !self.is_current(row.table, row.key, row.generation) {
                continue;
            }
            if !row.is_right() {
                return Err(wrong_checksum(database, row.table, row.key));
            }
            match row.value {
                None => self.has_leftovers = true,
                Some(value) => {
                    self.found.add(row.checksum);
                    self.hand_over(database, row.table, row.key, value)?;
                }
            }
        }
        Ok(())
    }

    /// Lists the pages of texts without reading them, and reads those that are wanted.
    fn read_texts(&mut self, database: &Database) -> Result<(), StorageError> {
        let error = |error| StorageError::sqlite("read", database.file())(error);
        let mut select = database
            .connection
            .prepare(
                "SELECT key, generation, checksum, typeof(value) = 'null' FROM record WHERE kind = ?1 \
                 ORDER BY key, generation DESC",
            )
            .map_err(error)?;
        let mut rows = select.query([TEXT_TABLE]).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            let number = |index| row.get::<_, i64>(index).map(|number| number as u64);
            let (page, generation) = (number(0).map_err(error)?, number(1).map_err(error)?);
            if !self.is_current(TEXT_TABLE, page, generation) {
                continue;
            }
            if row.get(3).map_err(error)? {
                self.has_leftovers = true;
                continue;
            }
            self.found.add(number(2).map_err(error)?);
            if !self.sink.wants_texts(page) {
                continue;
            }
            let texts = match read_record(database, TEXT_TABLE, page, generation) {
                Err(error @ StorageError::Damaged { .. }) if self.sink.does_without_texts(page) => {
                    log::error!("{error}. Until then its messages are given to nobody");
                    continue;
                }
                texts => texts?,
            };
            let texts = texts.ok_or_else(|| wrong_checksum(database, TEXT_TABLE, page))?;
            self.hand_over(database, TEXT_TABLE, page, &texts)?;
        }
        Ok(())
    }

    /// Whether a row is that of the current checkpoint for its record; rows come by record, newest first.
    fn is_current(&mut self, table: u8, key: u64, generation: u64) -> bool {
        if generation > self.current.generation || self.last == Some((table, key)) {
            self.has_leftovers = true;
            return false;
        }
        self.last = Some((table, key));
        true
    }

    fn hand_over(
        &mut self,
        database: &Database,
        table: u8,
        key: u64,
        value: &[u8],
    ) -> Result<(), StorageError> {
        self.sink
            .take(Record { table, key, value })
            .map_err(|what| {
                let place = format!("record {key} of table {table}");
                StorageError::damaged(database.file(), place, what)
            })
    }

    fn check(&self, database: &Database) -> Result<(), StorageError> {
        let (found, current) = (self.found, self.current);
        if found == current {
            return Ok(());
        }
        let what = format!(
            "there are {} that add up to {:016x}, there should be {} that add up to {:016x}",
            found.records, found.sum, current.records, current.sum
        );
        Err(StorageError::damaged(database.file(), "its records", what))
    }
}
