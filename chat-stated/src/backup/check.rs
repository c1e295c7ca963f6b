//! Checking what is stored: the files of a stopped installation, or a backup.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use chat_node::process::pid_file::is_locked;

use super::shown_time;
use crate::account_file::format::parse;
use crate::account_file::read::{MAX_FILE_BYTES, ReadError, read};
use crate::database::{CHECKPOINT_FILE, JOURNAL_FILE, StorageError};
use crate::history::HistoryStore;
use crate::journal::CheckedJournal;
use crate::settings::Settings;
use crate::state_lock::StateLock;
use crate::stored_state::{StoredBackup, StoredCheckpoint, StoredState};

/// What a check came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as it was written.
    Whole,
    /// What is damaged, where, and what to do; one for each file.
    Damaged(Vec<String>),
}

/// Checks a backup and writes what was looked at. An error means that it could not be looked at.
pub fn check_backup(file: &Path, out: &mut impl Write) -> anyhow::Result<Verdict> {
    writeln!(out, "checking the backup {}", file.display())?;
    let backup = match sort(StoredBackup::read(file))? {
        Ok(backup) => backup,
        Err(damage) => return Ok(Verdict::Damaged(vec![damage])),
    };
    describe_backup(&backup, out)?;
    Ok(Verdict::Whole)
}

/// Writes what a backup holds.
pub(super) fn describe_backup(backup: &StoredBackup, out: &mut impl Write) -> anyhow::Result<()> {
    let taken = shown_time(backup.head.taken_wall_ms);
    writeln!(out, "  taken {taken}")?;
    let stored = &backup.stored;
    writeln!(
        out,
        "  checkpoint: {} records, through batch {}",
        stored.records, stored.checkpoint.0
    )?;
    describe_journal(stored, out)?;
    describe_state(stored, out)?;
    if let Some(rows) = &backup.history {
        writeln!(out, "  history: {} messages", rows.count())?;
    }
    describe_accounts("account file", &backup.account_file, out)
}

/// Checks the files of an installation that does not run, and writes what was looked at. Changes nothing. An error
/// means that they could not be looked at.
pub fn check_installation(settings: &Settings, out: &mut impl Write) -> anyhow::Result<Verdict> {
    let (state_dir, _lock) = lock_state(
        settings,
        "the daemon is running: its files change all the time. Check a backup of it (chat-stated backup FILE; \
         chat-stated check FILE), or stop it first",
    )?;
    writeln!(out, "checking {}", state_dir.display())?;
    let mut damage = Vec::new();
    check_databases(&state_dir, &mut damage, out)?;
    check_history(&state_dir, &mut damage, out)?;
    check_account_file(&settings.account_file(), &mut damage, out)?;
    Ok(match damage.is_empty() {
        true => Verdict::Whole,
        false => Verdict::Damaged(damage),
    })
}

/// Takes the journal of an installation that does not run for whole as it is, and writes how far it goes. An error
/// means that nothing was changed.
pub(super) fn accept_journal(settings: &Settings, out: &mut impl Write) -> anyhow::Result<Verdict> {
    let (state_dir, _lock) = lock_state(settings, "the daemon is running: stop it first")?;
    match sort(CheckedJournal::open(&state_dir).and_then(CheckedJournal::accept))? {
        Ok(last) => {
            writeln!(
                out,
                "the journal is taken as it is, through batch {}",
                last.0
            )?;
            Ok(Verdict::Whole)
        }
        Err(damage) => Ok(Verdict::Damaged(vec![damage])),
    }
}

/// The state directory of an installation that does not run, and the lock that keeps it so.
fn lock_state(settings: &Settings, if_running: &str) -> anyhow::Result<(PathBuf, StateLock)> {
    let state_dir = settings.state_dir();
    let pid_file = settings.process.run_dir_of("chat-stated").pid_file();
    let is_running = is_locked(&pid_file)
        .with_context(|| format!("cannot look whether {} is locked", pid_file.display()))?;
    if is_running {
        bail!("{if_running}");
    }
    if !state_dir.is_dir() {
        let shown = state_dir.display();
        bail!("there is no state in {shown} (see --run-dir, CHAT_RUN_DIR)");
    }
    let lock = StateLock::acquire(&state_dir, Duration::ZERO)?;
    Ok((state_dir, lock))
}

fn check_databases(
    state_dir: &Path,
    damage: &mut Vec<String>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let checkpoint = match sort(StoredCheckpoint::read(state_dir))? {
        Ok(Some(checkpoint)) => checkpoint,
        missing_or_damaged => {
            let what = missing_or_damaged.err();
            damage.push(what.unwrap_or_else(|| missing(CHECKPOINT_FILE)));
            return check_journal_alone(state_dir, damage, out);
        }
    };
    writeln!(
        out,
        "  checkpoint.db: {} records, through batch {}",
        checkpoint.records, checkpoint.position.0
    )?;
    match sort(checkpoint.with_journal(state_dir))? {
        Ok(Some(stored)) => {
            describe_journal(&stored, out)?;
            describe_state(&stored, out)?;
        }
        Ok(None) => damage.push(missing(JOURNAL_FILE)),
        Err(what) => damage.push(what),
    }
    Ok(())
}

fn check_journal_alone(
    state_dir: &Path,
    damage: &mut Vec<String>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let checked = CheckedJournal::open(state_dir);
    match sort(checked.and_then(|journal| journal.check(None, |_| Ok(()))))? {
        Ok(Some((last, batches))) => {
            writeln!(
                out,
                "  journal.db: {batches} batches, through batch {}",
                last.0
            )?;
        }
        Ok(None) => damage.push(missing(JOURNAL_FILE)),
        Err(what) => damage.push(what),
    }
    Ok(())
}

fn check_history(
    state_dir: &Path,
    damage: &mut Vec<String>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    match sort(HistoryStore::check(state_dir))? {
        Ok(Some(messages)) => writeln!(out, "  history.db: {messages} messages")?,
        Ok(None) => {}
        Err(what) => damage.push(what),
    }
    Ok(())
}

fn check_account_file(
    path: &Path,
    damage: &mut Vec<String>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    match read(path, MAX_FILE_BYTES) {
        Ok(file) => describe_accounts(&path.display().to_string(), &file.bytes, out),
        Err(error @ ReadError::System { .. }) => Err(error.into()),
        Err(error) => {
            damage.push(format!(
                "{error}. The state has every account: a start without the file makes it anew when it is next written"
            ));
            Ok(())
        }
    }
}

fn describe_journal(stored: &StoredState, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "  journal: {} batches, through batch {} ({} entries after the checkpoint)",
        stored.batches, stored.last.0, stored.entries
    )
}

fn describe_state(stored: &StoredState, out: &mut impl Write) -> std::io::Result<()> {
    let (accounts, messages) = (
        stored.state.account_count(),
        stored.state.waiting_messages(),
    );
    writeln!(
        out,
        "  state: {accounts} accounts, {messages} waiting messages"
    )
}

fn describe_accounts(name: &str, bytes: &[u8], out: &mut impl Write) -> anyhow::Result<()> {
    let parsed = parse(bytes);
    let accounts = parsed.accounts.len();
    write!(out, "  {name}: {accounts} accounts")?;
    match parsed.unreadable.first() {
        None => writeln!(out)?,
        Some(first) => writeln!(
            out,
            "; {} lines cannot be read and are skipped (the first is line {}: it {})",
            parsed.unreadable_total, first.line, first.reason
        )?,
    }
    Ok(())
}

fn missing(name: &str) -> String {
    format!("{name} is missing: restore the state directory from a backup")
}

/// Tells damage, as text, from what keeps us from looking.
fn sort<T>(result: Result<T, StorageError>) -> Result<Result<T, String>, StorageError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error @ StorageError::Damaged { .. }) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}
