//! Reading single records while the writer works.

use super::store::{read_header, read_record};
use crate::database::{Database, StorageError};

/// A connection of its own to the checkpoint's file, for one thread.
#[derive(Debug)]
pub struct CheckpointReader {
    database: Database,
}

impl CheckpointReader {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }

    #[cfg(test)]
    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// The content of a record in the checkpoint that is current now, if it is in it.
    pub fn read(&self, table: u8, key: u64) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.read_page(table, &[key])?.pop().flatten())
    }

    /// The contents of some records of one table, all as they are in the checkpoint that is current now, in the
    /// order in which they are asked for. The caller bounds their number.
    pub fn read_page(&self, table: u8, keys: &[u64]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        // One transaction, so that no other checkpoint becomes current meanwhile.
        self.execute("BEGIN")?;
        let result = read_header(&self.database).and_then(|header| {
            keys.iter()
                .map(|key| read_record(&self.database, table, *key, header.generation))
                .collect()
        });
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
