//! Reading single records while the writer works.

use super::store::{find_texts, read_header, read_record};
use crate::database::{Database, StorageError};
use crate::text_page::{TextPlace, Texts};

/// A connection of its own to the checkpoint's file, for one thread.
#[derive(Debug)]
pub struct CheckpointReader {
    database: Database,
}

impl CheckpointReader {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// The content of a record in the checkpoint that is current now, if it is in it.
    pub fn read(&self, table: u8, key: u64) -> Result<Option<Vec<u8>>, StorageError> {
        self.in_snapshot(|generation| read_record(&self.database, table, key, generation))
    }

    /// Texts of messages, as they are in the checkpoint that is current now. Those whose page is not in it are left
    /// out. The caller bounds their number.
    pub fn read_texts(&self, places: &[TextPlace]) -> Result<Texts, StorageError> {
        self.in_snapshot(|generation| find_texts(&self.database, generation, places))
    }

    /// In one transaction, so that no other checkpoint becomes current meanwhile.
    fn in_snapshot<T>(
        &self,
        read: impl FnOnce(u64) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.execute("BEGIN")?;
        let result = read_header(&self.database).and_then(|header| read(header.generation));
        self.execute("COMMIT")?;
        result
    }

    fn execute(&self, sql: &str) -> Result<(), StorageError> {
        self.database
            .connection
            .execute_batch(sql)
            .map_err(StorageError::sqlite("read", self.database.file()))
    }
}
