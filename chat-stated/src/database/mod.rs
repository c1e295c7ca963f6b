//! A SQLite file of the state directory: made whole or not at all, checked before it is used.
//!
//! SQLite itself notices neither a flipped bit in what is stored nor one in the middle of its write-ahead
//! log. So the log is scanned before SQLite opens it, the file's shape is checked against what it must be,
//! and the rows bear checksums of their owners ([`crate::journal`], [`crate::checkpoint`]).

pub(crate) mod disk_failure;
mod error;
mod fill;
mod header;
mod live;
mod named_files;
pub(crate) mod rewrite;
#[cfg(test)]
pub(crate) mod testing;
mod wal_scan;
mod write_back;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

pub use error::{NoRoom, StorageError};
use header::{HEADER_BYTES, WantedHeader};
pub(crate) use named_files::NamedFiles;

/// Names of the files in the state directory.
pub(crate) const JOURNAL_FILE: &str = "journal.db";
pub(crate) const CHECKPOINT_FILE: &str = "checkpoint.db";

pub(crate) const PAGE_BYTES: u64 = 16 * 1024;

/// A write-ahead log is written back to its database once this much of it is not. No commit waits longer than
/// for one write-back: a few milliseconds. Larger ones bring no more commits a second.
const WAL_BYTES_BEFORE_WRITE_BACK: u64 = 1024 * 1024;

/// Unused pages that stay in a file to be used again, and how many are given back at a time.
const KEPT_UNUSED_PAGES: u64 = 4 * 1024 * 1024 / PAGE_BYTES;
const PAGES_GIVEN_BACK_AT_ONCE: u64 = 1024 * 1024 / PAGE_BYTES;

/// Pages that SQLite keeps of a file, in KiB.
const CACHE_KIB: u32 = 8_192;
/// The same while all of a file is read once: no page is asked for again, and each that is kept takes memory for good.
const CACHE_KIB_OF_ONE_READING: u32 = 1_024;

/// How long a statement waits for another connection to the same file.
const BUSY_TIMEOUT_MS: u64 = 5_000;

/// What tells one kind of database from another.
#[derive(Debug)]
pub(crate) struct DatabaseKind {
    /// Name of the file in the state directory.
    pub(crate) file_name: &'static str,
    /// SQLite's `application_id`.
    pub(crate) application_id: i32,
    /// Number of the oldest format that is read.
    pub(crate) first_version: i32,
    /// Number of the format that is written, in SQLite's `user_version`.
    pub(crate) version: i32,
    /// Names and definitions of the tables, by name.
    pub(crate) tables: &'static [(&'static str, &'static str)],
    /// The same of tables that SQLite makes along with these; all of them come behind the others by name.
    pub(crate) shadow_tables: &'static [(&'static str, &'static str)],
}

impl DatabaseKind {
    pub(crate) fn path(&self, dir: &Path) -> PathBuf {
        dir.join(self.file_name)
    }

    fn check_version(&self, file: &Path, found: i32) -> Result<(), StorageError> {
        if (self.first_version..=self.version).contains(&found) {
            return Ok(());
        }
        Err(StorageError::Version {
            file: file.to_owned(),
            found: found.into(),
            known: self.version.into(),
        })
    }
}

/// An open file of the state directory.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) connection: Connection,
    file: PathBuf,
}

/// Makes the state directory if need be, for its owner only.
pub(crate) fn make_directory(dir: &Path) -> Result<(), StorageError> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(StorageError::io("create", dir)(error)),
    }
    dir.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or(Ok(()), sync_directory)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(dir: &Path) -> Result<(), StorageError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(StorageError::io("sync", dir))
}

impl Database {
    /// Makes a new file under a passing name, and gives it its own once it is whole and durable.
    pub(crate) fn create(
        dir: &Path,
        kind: &DatabaseKind,
        fill: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, StorageError> {
        let file = kind.path(dir);
        let passing = with_suffix(&file, ".new");
        for suffix in ["", "-wal", "-shm", "-journal"] {
            remove_if_there(&with_suffix(&passing, suffix))?;
        }
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&passing)
            .map_err(StorageError::io("create", &passing))?;
        write_new(&passing, kind, fill).map_err(StorageError::sqlite("create", &passing))?;
        sync_file(&passing)?;
        fs::rename(&passing, &file).map_err(StorageError::io("name", &file))?;
        sync_directory(dir)?;
        let connection = connect(&file).map_err(StorageError::sqlite("open", &file))?;
        Ok(Self { connection, file })
    }

    /// Opens a file after checking everything about it but the rows. Nothing if it is not there. Few of its pages are
    /// kept until [`Database::keep_pages`].
    pub(crate) fn open(dir: &Path, kind: &DatabaseKind) -> Result<Option<Self>, StorageError> {
        let database = Self::open_unread(dir, kind)?;
        if let Some(database) = &database {
            database.keep_pages_of(CACHE_KIB_OF_ONE_READING)?;
            database.check_pages()?;
        }
        Ok(database)
    }

    /// The same without a look at its pages, which takes the longer the larger the file is.
    pub(crate) fn open_unread(
        dir: &Path,
        kind: &DatabaseKind,
    ) -> Result<Option<Self>, StorageError> {
        rewrite::finish(dir, kind)?;
        let file = kind.path(dir);
        let wal = with_suffix(&file, "-wal");
        if !is_there(&file)? {
            if is_there(&wal)? {
                let what = format!("it is missing, but {} is there", wal.display());
                return Err(StorageError::damaged(&file, "the file", what));
            }
            return Ok(None);
        }
        if is_there(&wal)? {
            scan_wal(&wal)?;
            // A process that died may have left what it never synced; what is served must be durable.
            sync_file(&wal)?;
        }
        sync_file(&file)?;
        check_header(&file, kind)?;
        let connection = connect(&file).map_err(StorageError::sqlite("open", &file))?;
        let database = Self { connection, file };
        database.check_version(kind)?;
        database.check_tables(kind)?;
        Ok(Some(database))
    }

    /// Keeps pages from now on, for who writes here and there.
    pub(crate) fn keep_pages(&self) -> Result<(), StorageError> {
        self.keep_pages_of(CACHE_KIB)
    }

    fn keep_pages_of(&self, kib: u32) -> Result<(), StorageError> {
        self.connection
            .pragma_update(None, "cache_size", -i64::from(kib))
            .map_err(StorageError::sqlite("open", &self.file))
    }

    /// Another connection to a file that was opened and checked before.
    pub(crate) fn reopen(&self) -> Result<Self, StorageError> {
        let file = self.file.clone();
        let connection = connect(&file).map_err(StorageError::sqlite("open", &file))?;
        Ok(Self { connection, file })
    }

    /// A copy of it in memory, under the name of the file.
    pub(crate) fn with_connection(self, connection: Connection) -> Self {
        Self { connection, ..self }
    }

    /// Where the file is.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Leaves word for the next process if the disk failed.
    pub(crate) fn note_failure(&self, error: &StorageError) {
        if error.is_disk_failure()
            && let Some(dir) = self.file.parent()
        {
            disk_failure::note(dir);
        }
    }

    /// Number of the format that the file says it has.
    pub(crate) fn version(&self) -> Result<i32, StorageError> {
        self.pragma("user_version")
    }

    /// The same as it stands in the file itself, where programs look that do not get to its log.
    pub(crate) fn version_without_log(&self) -> Result<i32, StorageError> {
        read_header(&self.file).map(|header| header::version(&header))
    }

    /// The log may say another format than the file.
    fn check_version(&self, kind: &DatabaseKind) -> Result<(), StorageError> {
        kind.check_version(&self.file, self.version()?)
    }

    /// Has SQLite look at all pages.
    pub(crate) fn check_pages(&self) -> Result<(), StorageError> {
        let verdict: String = self.pragma("integrity_check(1)")?;
        if verdict == "ok" {
            Ok(())
        } else {
            Err(StorageError::damaged(&self.file, "its pages", verdict))
        }
    }

    fn check_tables(&self, kind: &DatabaseKind) -> Result<(), StorageError> {
        let read = || -> rusqlite::Result<Vec<(String, String)>> {
            self.connection
                .prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?
                .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        };
        let found = read().map_err(StorageError::sqlite("read", &self.file))?;
        let wanted = kind.tables.iter().chain(kind.shadow_tables).copied();
        let is_right = found.len() == kind.tables.len() + kind.shadow_tables.len()
            && found
                .iter()
                .map(|(name, sql)| (&name[..], &sql[..]))
                .eq(wanted);
        if is_right {
            return Ok(());
        }
        let what = "they are not those of this kind of file";
        Err(StorageError::damaged(&self.file, "its tables", what))
    }

    fn pragma<T: rusqlite::types::FromSql>(&self, name: &str) -> Result<T, StorageError> {
        self.connection
            .query_row(&format!("PRAGMA {name}"), (), |row| row.get(0))
            .map_err(StorageError::sqlite("read", &self.file))
    }

    /// Begins a transaction that may write.
    pub(crate) fn begin(&self) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute(())
            .map(|_| ())
    }

    /// Makes what was done since [`Database::begin`] durable.
    pub(crate) fn commit(&self) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("COMMIT")?
            .execute(())
            .map(|_| ())
    }

    /// Undoes what was done since [`Database::begin`]; SQLite may have done so itself.
    pub(crate) fn roll_back(&self) -> Result<(), StorageError> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection
            .execute_batch("ROLLBACK")
            .map_err(StorageError::sqlite("roll back", &self.file))
    }

    /// Runs a transaction. If it fails nothing of it is done.
    pub(crate) fn in_transaction<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let result = self
            .begin()
            .and_then(|()| work(&self.connection))
            .and_then(|value| self.commit().map(|()| value));
        match result {
            Ok(value) => Ok(value),
            Err(error) => {
                let error = StorageError::sqlite(action, &self.file)(error);
                self.roll_back()?;
                Err(error)
            }
        }
    }

    /// Lets the file grow by no more than so many pages, as a full disk would.
    #[cfg(test)]
    pub(crate) fn limit_further_pages(&self, pages: i64) {
        let count: i64 = self.pragma("page_count").unwrap();
        let _: i64 = self
            .pragma(&format!("max_page_count={}", count + pages))
            .unwrap();
    }

    /// Gives a slice of unused pages back to the file system; says whether there were any. The file shrinks when
    /// its log is written back.
    pub(crate) fn give_back_space(&self) -> Result<bool, StorageError> {
        let unused = self.unused_pages()?;
        let surplus = unused.saturating_sub(KEPT_UNUSED_PAGES);
        if surplus == 0 {
            return Ok(false);
        }
        let slice = surplus.min(PAGES_GIVEN_BACK_AT_ONCE);
        let give_back = || -> rusqlite::Result<()> {
            let sql = format!("PRAGMA incremental_vacuum({slice})");
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut steps = statement.query(())?;
            while steps.next()?.is_some() {}
            Ok(())
        };
        give_back().map_err(StorageError::sqlite("shorten", &self.file))?;
        Ok(self.unused_pages()? < unused)
    }

    /// Bytes of the file that hold something.
    pub(crate) fn used_bytes(&self) -> Result<u64, StorageError> {
        let pages = self.pragma::<i64>("page_count")?.max(0) as u64;
        Ok(pages.saturating_sub(self.unused_pages()?) * PAGE_BYTES)
    }

    fn unused_pages(&self) -> Result<u64, StorageError> {
        Ok(self.pragma::<i64>("freelist_count")?.max(0) as u64)
    }
}

fn write_new(
    file: &Path,
    kind: &DatabaseKind,
    fill: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut connection = Connection::open_with_flags(file, flags())?;
    connection.execute_batch(&format!(
        "PRAGMA page_size={PAGE_BYTES}; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA synchronous=FULL; \
         PRAGMA temp_store=MEMORY"
    ))?;
    use_wal(&connection)?;
    let transaction = connection.transaction()?;
    for (_, definition) in kind.tables {
        transaction.execute_batch(definition)?;
    }
    transaction.pragma_update(None, "application_id", kind.application_id)?;
    set_version(&transaction, kind.version)?;
    fill(&transaction)?;
    transaction.commit()?;
    // Closing would do so as well, but says nothing if it fails, and leaves a log that the new name does not lead to.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)
}

/// Has the file say another format.
pub(crate) fn set_version(connection: &Connection, version: i32) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", version)
}

/// Has the file keep a write-ahead log. SQLite takes it for an answer, not for an error, if it cannot; and if the disk
/// fails, it says so only after that answer.
fn use_wal(connection: &Connection) -> rusqlite::Result<()> {
    let mut pragma = connection.prepare("PRAGMA journal_mode=WAL")?;
    let modes: Vec<String> = pragma
        .query_map((), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if modes == ["wal"] {
        return Ok(());
    }
    let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
    let what = format!("its journal mode cannot be changed from {modes:?} to wal");
    Err(rusqlite::Error::SqliteFailure(error, Some(what)))
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, flags())?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    // Nothing is written back by a process that ends because it no longer knows what is durable.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch(&format!(
        "PRAGMA synchronous=FULL; PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF; \
         PRAGMA temp_store=MEMORY; PRAGMA cache_size=-{CACHE_KIB}",
    ))?;
    connection.query_row("PRAGMA wal_autocheckpoint=0", (), |_| Ok(()))?;
    Ok(connection)
}

fn read_header(file: &Path) -> Result<[u8; HEADER_BYTES], StorageError> {
    let mut header = [0; HEADER_BYTES];
    let result = File::open(file).and_then(|mut file| file.read_exact(&mut header));
    match result {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(StorageError::damaged(file, "the header", "it is cut off"))
        }
        result => result
            .map(|()| header)
            .map_err(StorageError::io("read", file)),
    }
}

fn check_header(file: &Path, kind: &DatabaseKind) -> Result<(), StorageError> {
    let header = read_header(file)?;
    let wanted = WantedHeader {
        page_bytes: PAGE_BYTES as u16,
        application_id: kind.application_id,
    };
    wanted
        .check(&header)
        .map_err(|error| StorageError::damaged(file, "the header", error.to_string()))?;
    kind.check_version(file, header::version(&header))
}

fn scan_wal(wal: &Path) -> Result<(), StorageError> {
    let file = File::open(wal).map_err(StorageError::io("open", wal))?;
    wal_scan::scan(BufReader::with_capacity(256 * 1024, file))
        .map_err(StorageError::io("read", wal))?
        .map(|_| ())
        .map_err(|damage| StorageError::damaged(wal, "the log", damage.to_string()))
}

fn sync_file(file: &Path) -> Result<(), StorageError> {
    OpenOptions::new()
        .write(true)
        .open(file)
        .and_then(|file| file.sync_all())
        .map_err(StorageError::io("sync", file))
}

fn is_there(file: &Path) -> Result<bool, StorageError> {
    fs::exists(file).map_err(StorageError::io("look for", file))
}

fn remove_if_there(file: &Path) -> Result<(), StorageError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StorageError::io("remove", file)(error))
        }
        _ => Ok(()),
    }
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
