//! Where a test has a process killed while a group of batches is being written: see [`chat_node::crash_point`].

use chat_node::crash_point;

use crate::database::Database;

const IN_WRITE: &str = "state:in-write";
const BEFORE_FSYNC: &str = "state:before-fsync";

/// Nothing of the group is written.
pub(super) fn before_write(database: &Database) {
    crash_point::reach("state:before-write");
    if crash_point::is_armed(BEFORE_FSYNC) {
        set_synchronous(database, "NORMAL");
    }
}

/// The group's pages are in the log, and the end of its transaction is not.
pub(super) fn in_write(database: &Database) {
    if crash_point::is_armed(IN_WRITE) {
        database.connection.cache_flush().expect("a test's disk");
        crash_point::reach(IN_WRITE);
    }
}

/// The group is in the log in whole, and the log is not synced.
pub(super) fn before_fsync(database: &Database) {
    if !crash_point::is_armed(BEFORE_FSYNC) {
        return;
    }
    let level = database
        .connection
        .query_row("PRAGMA synchronous", (), |row| row.get::<_, i64>(0));
    // It may have been armed only when this group was synced already.
    if level == Ok(1) {
        crash_point::reach(BEFORE_FSYNC);
        set_synchronous(database, "FULL");
        sync_log(database);
    }
}

fn set_synchronous(database: &Database, level: &str) {
    database
        .connection
        .execute_batch(&format!("PRAGMA synchronous={level}"))
        .expect("a test's disk");
}

/// For a process that was not the victim, and goes on: what it answers is to be durable.
fn sync_log(database: &Database) {
    let mut log = database.file().as_os_str().to_owned();
    log.push("-wal");
    std::fs::File::open(log)
        .and_then(|log| log.sync_all())
        .expect("a test's disk");
}
