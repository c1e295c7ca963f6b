//! Writing the log of a database back to it.

use super::{BUSY_TIMEOUT_MS, Database, PAGE_BYTES, StorageError, WAL_BYTES_BEFORE_WRITE_BACK};

impl Database {
    /// Writes the log back to the database if it has grown long. A full disk puts that off.
    pub(crate) fn write_back_long_wal(&self) -> Result<(), StorageError> {
        if self.wal_checkpoint("NOOP")? * PAGE_BYTES >= WAL_BYTES_BEFORE_WRITE_BACK {
            self.write_back("PASSIVE")?;
        }
        Ok(())
    }

    /// The same, and empties it: a start reads all of a log's file.
    pub(crate) fn empty_long_wal(&self) -> Result<(), StorageError> {
        if self.wal_checkpoint("NOOP")? * PAGE_BYTES >= WAL_BYTES_BEFORE_WRITE_BACK {
            self.write_back_whole_wal()?;
        }
        Ok(())
    }

    /// Writes all of the log back to the database and empties it. A full disk puts that off, and so does a backup that
    /// is reading: nobody waits for it.
    pub(crate) fn write_back_whole_wal(&self) -> Result<(), StorageError> {
        self.set_busy_timeout(0)?;
        let result = self.write_back("TRUNCATE");
        self.set_busy_timeout(BUSY_TIMEOUT_MS)?;
        result
    }

    fn set_busy_timeout(&self, timeout_ms: u64) -> Result<(), StorageError> {
        self.connection
            .busy_timeout(std::time::Duration::from_millis(timeout_ms))
            .map_err(StorageError::sqlite("open", &self.file))
    }

    /// Writes what can be of the log back to the database, so that its file shrinks. A full disk puts that off.
    pub(crate) fn write_back_wal(&self) -> Result<(), StorageError> {
        self.write_back("PASSIVE")
    }

    fn write_back(&self, mode: &str) -> Result<(), StorageError> {
        match self.wal_checkpoint(mode) {
            Err(error) if error.is_no_room() => Ok(()),
            result => result.map(|_| ()),
        }
    }

    /// Returns how many frames of the log are not in the database.
    fn wal_checkpoint(&self, mode: &str) -> Result<u64, StorageError> {
        let frames = || -> rusqlite::Result<i64> {
            self.connection
                .prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?
                .query_row((), |row| {
                    let (in_log, written_back): (i64, i64) = (row.get(1)?, row.get(2)?);
                    Ok(in_log - written_back)
                })
        };
        let frames = frames().map_err(StorageError::sqlite("write back the log of", &self.file))?;
        Ok(frames.max(0) as u64)
    }
}
