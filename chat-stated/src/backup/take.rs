//! Writing a backup beside the daemon, from snapshots of its files. Why that is consistent is said in [`super`].

use std::fs::{self, File, Permissions};
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use chat_node::files::regular_file;
use chat_node::process::pid_file::{LockError, lock_file};

use super::format::{BackupWriter, Counts, FormatError, Head, Item};
use super::read::format_error;
use crate::account_file::read::{MAX_FILE_BYTES, read};
use crate::checkpoint::{CheckpointSnapshot, RECORD_FORMAT};
use crate::database::{StorageError, sync_directory};
use crate::history::HistorySource;
use crate::journal::{JournalSnapshot, LogIndex, damaged_journal};
use crate::stored_state::StoredBackup;

/// Bytes of the account file that go into one frame.
const ACCOUNT_FILE_CHUNK_BYTES: usize = 1024 * 1024;
const BUFFER_BYTES: usize = 1024 * 1024;
/// One that fails means that a checkpoint became current within some milliseconds; they are seconds apart.
const SNAPSHOT_TRIES: usize = 8;
/// As long as an append of the daemon waits.
const ACCOUNT_FILE_LOCK_WAIT: Duration = Duration::from_secs(5);

/// What is backed up.
#[derive(Clone, Debug)]
pub struct Source {
    /// The directory of journal and checkpoint.
    pub state_dir: PathBuf,
    /// The history in it, too.
    pub with_history: bool,
    /// The account file.
    pub account_file: PathBuf,
}

/// A backup that was taken, and read back.
#[derive(Debug)]
pub struct Taken {
    /// What is in it.
    pub backup: StoredBackup,
    /// What of the history is not in it though it was to be, for people.
    pub lacks: Option<String>,
}

/// Writes a backup, reads it back, and gives it its name once it is whole and durable. It has to reach the batch
/// `at_least`. `taken_wall_ms` is the time it bears. A file of that name is replaced only if that is allowed. A history
/// that is damaged keeps nothing else from being backed up.
pub fn take(
    source: &Source,
    file: &Path,
    may_replace: bool,
    at_least: LogIndex,
    taken_wall_ms: i64,
) -> anyhow::Result<Taken> {
    refuse_to_replace(file, may_replace)?;
    let new = new_path(file)?;
    let out = lock_file(&new, Duration::ZERO).map_err(|error| match error {
        LockError::Held => anyhow!("another backup to {} is under way", file.display()),
        LockError::Io(error) => anyhow!("cannot create {}: {error}", new.display()),
    })?;
    let result = write_and_check(source, &out, &new, at_least, taken_wall_ms).and_then(|taken| {
        refuse_to_replace(file, may_replace)?;
        fs::rename(&new, file).with_context(|| format!("cannot name {}", file.display()))?;
        sync_directory(&directory_of(file))?;
        Ok(taken)
    });
    if result.is_err() {
        // What failed is said; that a useless file is left as well would only hide it.
        let _ = fs::remove_file(&new);
    }
    result
}

fn refuse_to_replace(file: &Path, may_replace: bool) -> anyhow::Result<()> {
    let shown = file.display();
    match fs::symlink_metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot look at {shown}")),
        Ok(found) if !found.is_file() => bail!("{shown} is there and is no regular file"),
        Ok(_) if may_replace => Ok(()),
        Ok(_) => bail!("{shown} is there already: name another file, or replace it with --force"),
    }
}

fn write_and_check(
    source: &Source,
    out: &File,
    new: &Path,
    at_least: LogIndex,
    taken_wall_ms: i64,
) -> anyhow::Result<Taken> {
    let prepare = || -> std::io::Result<()> {
        out.set_len(0)?;
        out.set_permissions(Permissions::from_mode(0o600))
    };
    prepare().map_err(StorageError::io("write", new))?;
    let (head, counts, lacks) = write(source, out, new, taken_wall_ms)?;
    out.sync_all().map_err(StorageError::io("sync", new))?;
    if head.last < at_least {
        bail!(
            "{} ends with batch {}, and the daemon has come to batch {}: it uses another directory",
            source.state_dir.display(),
            head.last.0,
            at_least.0
        );
    }
    // A backup that was never read is a hope.
    let backup = StoredBackup::read(new)?;
    let read = (backup.head, backup.account_file.len() as u64);
    if read != (head, counts.account_file_bytes) {
        bail!("{} was not read back as it was written", new.display());
    }
    Ok(Taken { backup, lacks })
}

fn write(
    source: &Source,
    out: &File,
    new: &Path,
    taken_wall_ms: i64,
) -> anyhow::Result<(Head, Counts, Option<String>)> {
    let error = |error| format_error("write", new)(error);
    let (checkpoint, history, journal) = begin_snapshots(source)?;
    let (history, mut lacks) = match history {
        Ok(history) => (history, None),
        Err(error) => (None, Some(format!("the history: {error}"))),
    };
    let head = Head {
        taken_wall_ms,
        record_format: RECORD_FORMAT,
        checkpoint: checkpoint.position(),
        log_base: journal.log_base_at(checkpoint.position())?,
        last: journal.last(),
        has_history: history.is_some(),
    };
    let out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut writer = BackupWriter::new(out, &head).map_err(error)?;
    journal.read_after(head.checkpoint, |row| {
        let item = Item::Batch {
            position: row.position,
            digest: row.digest,
            body: row.body,
        };
        writer.add(&item).map_err(error)
    })?;
    // Let go of as soon as can be: what the daemon journals meanwhile stays in the log.
    drop(journal);
    add_records(&checkpoint, &mut writer, new)?;
    drop(checkpoint);
    for bytes in read_locked(&source.account_file)?.chunks(ACCOUNT_FILE_CHUNK_BYTES) {
        writer.add(&Item::AccountFile(bytes)).map_err(error)?;
    }
    if let Some(history) = history {
        lacks = add_history(&history, &mut writer, new)?;
    }
    let (_, counts) = writer.finish().map_err(error)?;
    Ok((head, counts, lacks))
}

/// A history that is there and can be read, or why it cannot.
type History = Result<Option<HistorySource>, StorageError>;

/// A checkpoint, the history, and the journal from the checkpoint to beyond what was durable when it became current.
/// The history has all that the checkpoint knows, and nothing that the journal does not know.
fn begin_snapshots(
    source: &Source,
) -> anyhow::Result<(CheckpointSnapshot, History, JournalSnapshot)> {
    let state_dir = source.state_dir.as_path();
    for _ in 0..SNAPSHOT_TRIES {
        let checkpoint = CheckpointSnapshot::of_running(state_dir)?;
        let history = match source.with_history {
            true => HistorySource::of_running(state_dir),
            false => Ok(None),
        };
        let journal = JournalSnapshot::of_running(state_dir)?;
        let (position, last) = (checkpoint.position(), journal.last());
        if last < position {
            let what = format!(
                "it ends with batch {}, and the checkpoint has batch {}",
                last.0, position.0
            );
            return Err(damaged_journal(state_dir, what).into());
        }
        // Else the next checkpoint became current in between.
        if journal.forgotten_through() <= position {
            return Ok((checkpoint, history, journal));
        }
    }
    bail!(
        "the checkpoint in {} changes faster than it can be read: try again",
        state_dir.display()
    )
}

fn add_records(
    checkpoint: &CheckpointSnapshot,
    writer: &mut BackupWriter<impl std::io::Write>,
    new: &Path,
) -> Result<(), StorageError> {
    let mut failure: Option<FormatError> = None;
    let result = checkpoint.read(|record| {
        let item = Item::Record {
            table: record.table,
            key: record.key,
            value: record.value,
        };
        writer.add(&item).map_err(|error| {
            let what = error.to_string();
            failure = Some(error);
            what
        })
    });
    match failure {
        Some(error) => Err(format_error("write", new)(error)),
        None => result,
    }
}

/// Adds the messages of the history. Says what was left out because it is damaged.
fn add_history(
    history: &HistorySource,
    writer: &mut BackupWriter<impl std::io::Write>,
    new: &Path,
) -> Result<Option<String>, StorageError> {
    let (end, lacks) = history.read(|row| {
        let added = writer.add(&Item::History(*row));
        added.map_err(format_error("write", new))
    })?;
    let added = writer.add(&Item::HistoryEnd(&end));
    added.map_err(format_error("write", new))?;
    Ok(lacks)
}

/// Reads the account file while nobody appends to it.
fn read_locked(path: &Path) -> anyhow::Result<Vec<u8>> {
    let deadline = std::time::Instant::now() + ACCOUNT_FILE_LOCK_WAIT;
    // If it cannot be opened, the reader says why.
    let lock = regular_file::open(path).ok();
    while let Some(file) = &lock {
        match file.try_lock_shared() {
            Ok(()) => break,
            Err(fs::TryLockError::WouldBlock) if std::time::Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => bail!("cannot lock {}: {error} (see lslocks)", path.display()),
        }
    }
    Ok(read(path, MAX_FILE_BYTES)?.bytes)
}

fn new_path(file: &Path) -> anyhow::Result<PathBuf> {
    let mut name = file
        .file_name()
        .with_context(|| format!("{} names no file", file.display()))?
        .to_owned();
    name.push(".new");
    Ok(file.with_file_name(name))
}

fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
