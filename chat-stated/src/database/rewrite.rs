//! Writing a database to a fresh file, because what is on the disk may not be what can be read.
//!
//! The copy is made durable beside the original and then, under another name, is the one that holds: a start that
//! finds it goes on with putting it in place. Only then the original's log goes, which must never meet
//! the copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;

use super::{
    Database, DatabaseKind, StorageError, is_there, remove_if_there, sync_directory, sync_file,
    use_wal, with_suffix,
};

/// Pages that are copied at a time.
const PAGES_AT_ONCE: i32 = 4_096;

/// Writes the database of this kind, if there is one, to a fresh file that takes its place.
pub(crate) fn rewrite(dir: &Path, kind: &DatabaseKind) -> Result<(), StorageError> {
    let Some(original) = Database::open(dir, kind)? else {
        return Ok(());
    };
    let passing = with_suffix(original.file(), ".new");
    for suffix in ["", "-wal", "-shm", "-journal"] {
        remove_if_there(&with_suffix(&passing, suffix))?;
    }
    copy(&original.connection, &passing).map_err(StorageError::sqlite("copy to", &passing))?;
    sync_file(&passing)?;
    let whole = whole(original.file());
    fs::rename(&passing, &whole).map_err(StorageError::io("name", &whole))?;
    sync_directory(dir)?;
    drop(original);
    finish(dir, kind)
}

/// Puts a copy in place that a rewrite has made, if there is one.
pub(super) fn finish(dir: &Path, kind: &DatabaseKind) -> Result<(), StorageError> {
    let file = kind.path(dir);
    let whole = whole(&file);
    if !is_there(&whole)? {
        return Ok(());
    }
    for suffix in ["-wal", "-shm"] {
        remove_if_there(&with_suffix(&file, suffix))?;
    }
    sync_directory(dir)?;
    fs::rename(&whole, &file).map_err(StorageError::io("name", &file))?;
    sync_directory(dir)
}

/// A durable copy that has yet to be put in place.
fn whole(file: &Path) -> PathBuf {
    with_suffix(file, ".whole")
}

/// Copies page for page.
fn copy(original: &Connection, to: &Path) -> rusqlite::Result<()> {
    let mut copy = Connection::open(to)?;
    // Nothing of it counts before it is whole and synced.
    copy.execute_batch("PRAGMA synchronous=OFF")?;
    copy.query_row("PRAGMA journal_mode=OFF", (), |_| Ok(()))?;
    Backup::new(original, &mut copy)?.run_to_completion(PAGES_AT_ONCE, Duration::ZERO, None)?;
    // The one thing that is not copied.
    use_wal(&copy)?;
    copy.close().map_err(|(_, error)| error)
}
