//! Reading a file of the state directory beside the daemon that writes it.

use std::io;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{BUSY_TIMEOUT_MS, Database, DatabaseKind, StorageError, check_header, is_there};

impl Database {
    /// Opens a file for reading only, while another process may be writing it, and holds it as it is now until the
    /// connection is dropped. Its log cannot be looked through meanwhile: what is read has to be checked by the
    /// checksums of its owner.
    pub(crate) fn open_beside(dir: &Path, kind: &DatabaseKind) -> Result<Self, StorageError> {
        let file = kind.path(dir);
        if !is_there(&file)? {
            return Err(StorageError::io("open", &file)(
                io::ErrorKind::NotFound.into(),
            ));
        }
        check_header(&file, kind)?;
        let connection = begin_reading(&file).map_err(StorageError::sqlite("read", &file))?;
        let database = Self { connection, file };
        database.check_version(kind)?;
        database.check_tables(kind)?;
        Ok(database)
    }
}

fn begin_reading(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF; BEGIN")?;
    // A transaction holds what its first statement sees.
    connection.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
    Ok(connection)
}
