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
        // One transaction, so that no other checkpoint becomes current between header and record.
        let action = "read";
        let error = |error| StorageError::sqlite(action, self.database.file())(error);
        self.database
            .connection
            .execute_batch("BEGIN")
            .map_err(error)?;
        let result = read_header(&self.database)
            .and_then(|header| read_record(&self.database, table, key, header.generation));
        self.database
            .connection
            .execute_batch("COMMIT")
            .map_err(error)?;
        result
    }
}
