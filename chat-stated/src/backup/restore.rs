//! Restoring a backup: a daemon that finds one in its run directory unpacks it before it does anything else.
//!
//! How far it has come is told by the name of the file alone, which changes by renames:
//! `restore.backup` is to be restored, and nothing was touched yet; `restoring.backup` is being restored, so that
//! whatever is in the state directory came from it and may be made again; `restored-TIME.backup` is done.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chat_node::logs::wall_clock;

use super::format::Item;
use super::read::read_backup;
use super::shown_time;
use crate::account_file::create::create_with;
use crate::account_file::read::{MAX_FILE_BYTES, ReadError, read};
use crate::checkpoint::{Record, create_checkpoint};
use crate::database::{StorageError, sync_directory};
use crate::history::{CopiedRows, RestoredHistory};
use crate::journal::{StoredRow, create_journal};
use crate::settings::Settings;
use crate::state_lock::LOCK_FILE;
use crate::stored_state::StoredBackup;

/// Where a backup is put that is to be restored, in the run directory.
pub const TO_RESTORE: &str = "restore.backup";
/// What it is called while it is being restored.
pub const RESTORING: &str = "restoring.backup";

/// What a restore makes in the state directory, whole or not.
const STATE_FILES: [&str; 14] = [
    "journal.mark",
    "journal.mark2",
    "journal.db",
    "journal.db-wal",
    "journal.db-shm",
    "journal.db.new",
    "checkpoint.db",
    "checkpoint.db-wal",
    "checkpoint.db-shm",
    "checkpoint.db.new",
    "history.db",
    "history.db-wal",
    "history.db-shm",
    "history.db.new",
];

/// Restores the backup in the run directory, if there is one. The state directory is locked by the caller. An error
/// means that the state must not be served; a state that was there before is untouched then.
pub fn restore_if_asked(settings: &Settings) -> anyhow::Result<()> {
    let run_dir = &settings.process.run_dir;
    let (asked, under_way) = (run_dir.join(TO_RESTORE), run_dir.join(RESTORING));
    if is_there(&under_way)? {
        log::warn!("a restore was cut off; beginning it again");
    } else if is_there(&asked)? {
        let backup = StoredBackup::read(&asked).context("cannot restore")?;
        refuse_if_used(settings, &backup)?;
        fs::rename(&asked, &under_way)
            .with_context(|| format!("cannot restore: cannot rename {}", asked.display()))?;
        sync_directory(run_dir)?;
    } else {
        return Ok(());
    }
    unpack(settings, &under_way).context("cannot restore")
}

/// Whether there is something that a restore would destroy.
fn refuse_if_used(settings: &Settings, backup: &StoredBackup) -> anyhow::Result<()> {
    let state_dir = settings.state_dir();
    let shown = state_dir.display();
    let context = || format!("cannot restore: cannot look into {shown}");
    for found in fs::read_dir(&state_dir).with_context(context)? {
        let name = found.with_context(context)?.file_name();
        if name != LOCK_FILE {
            bail!(
                "cannot restore {TO_RESTORE}: there is a state in {shown} already ({}). Move {shown} away to restore \
                 the backup, or {TO_RESTORE} away to go on with that state",
                name.display()
            );
        }
    }
    refuse_other_accounts(&settings.account_file(), &backup.account_file)
}

fn refuse_other_accounts(path: &Path, wanted: &[u8]) -> anyhow::Result<()> {
    let shown = path.display();
    match read(path, MAX_FILE_BYTES) {
        Err(ReadError::Missing(_)) => Ok(()),
        Err(error) => Err(error).context("cannot restore"),
        Ok(found) if found.bytes == wanted => Ok(()),
        Ok(_) => bail!(
            "cannot restore {TO_RESTORE}: {shown} is there already and is another one than in the backup. Move it away"
        ),
    }
}

fn unpack(settings: &Settings, file: &Path) -> anyhow::Result<()> {
    let (state_dir, run_dir) = (settings.state_dir(), &settings.process.run_dir);
    let backup = StoredBackup::read(file)?;
    refuse_other_accounts(&settings.account_file(), &backup.account_file)?;
    for name in STATE_FILES {
        remove_if_there(&state_dir.join(name))?;
    }
    write_journal(&state_dir, file, &backup)?;
    write_checkpoint(&state_dir, file, &backup)?;
    if let Some(rows) = &backup.history {
        write_history(&state_dir, file, rows)?;
    }
    if !is_there(&settings.account_file())? {
        create_with(&settings.account_file(), &backup.account_file)?;
    }
    let done = done_path(run_dir);
    fs::rename(file, &done).with_context(|| format!("cannot rename {}", file.display()))?;
    sync_directory(run_dir)?;
    log::info!(
        "restored the backup of {}: {} accounts, {} waiting messages; it is {} now",
        shown_time(backup.head.taken_wall_ms),
        backup.stored.state.account_count(),
        backup.stored.state.waiting_messages(),
        done.display()
    );
    match &backup.history {
        Some(rows) => log::info!("the history has {} messages", rows.count()),
        None => log::info!("the backup has no history: a new one begins"),
    }
    Ok(())
}

fn write_history(state_dir: &Path, file: &Path, rows: &CopiedRows) -> Result<(), StorageError> {
    let mut history = RestoredHistory::create(state_dir)?;
    read_backup(file, |item| match item {
        Item::History(row) => history.add(&row),
        _ => Ok(()),
    })?;
    history.finish(rows)
}

fn write_journal(state_dir: &Path, file: &Path, backup: &StoredBackup) -> Result<(), StorageError> {
    create_journal(state_dir, backup.head.log_base, |add| {
        read_backup(file, |item| match item {
            Item::Batch {
                position,
                digest,
                body,
            } => add(StoredRow {
                position,
                digest,
                body,
            }),
            _ => Ok(()),
        })
        .map(|_| ())
    })
}

fn write_checkpoint(
    state_dir: &Path,
    file: &Path,
    backup: &StoredBackup,
) -> Result<(), StorageError> {
    create_checkpoint(state_dir, backup.head.checkpoint, |add| {
        read_backup(file, |item| match item {
            Item::Record { table, key, value } => add(Record { table, key, value }),
            _ => Ok(()),
        })
        .map(|_| ())
    })
}

/// A second restore within a second replaces a copy of what the operator put there himself.
fn done_path(run_dir: &Path) -> PathBuf {
    let now = wall_clock::now().strftime("%Y%m%dT%H%M%SZ");
    run_dir.join(format!("restored-{now}.backup"))
}

fn is_there(path: &Path) -> anyhow::Result<bool> {
    fs::exists(path).with_context(|| format!("cannot look for {}", path.display()))
}

fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
