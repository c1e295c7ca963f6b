//! The state as it is stored, in a state directory that no daemon uses or in a backup, read for whoever checks it.

use std::path::Path;

use crate::backup::format::{Head, Item};
use crate::backup::read::read_backup;
use crate::checkpoint::{CheckpointSnapshot, Restoration};
use crate::database::{CHECKPOINT_FILE, StorageError};
use crate::entry::Batch;
use crate::history::{CopiedRows, HistoryRow};
use crate::journal::{CheckedJournal, LogIndex, damaged_journal, format};
use crate::state::{Effects, KeptMessage, State};

/// Bytes of text kept in memory. All are read and checked.
const RESIDENT_TEXT_BYTES: u64 = 64 * 1024 * 1024;

/// Everything that was stored, and found to be right.
#[derive(Debug)]
pub struct StoredState {
    /// What it has come to.
    pub state: State,
    /// The last batch whose effects are in the checkpoint.
    pub checkpoint: LogIndex,
    /// The last batch.
    pub last: LogIndex,
    /// Records of the checkpoint.
    pub records: u64,
    /// Batches in the journal; those that the checkpoint has already are counted too.
    pub batches: u64,
    /// Entries in the batches after the checkpoint.
    pub entries: u64,
}

/// A backup that was read to its end.
#[derive(Debug)]
pub struct StoredBackup {
    /// What it says of itself.
    pub head: Head,
    /// The state in it.
    pub stored: StoredState,
    /// The account file in it.
    pub account_file: Vec<u8>,
    /// The history in it; nothing if it has none.
    pub history: Option<CopiedRows>,
}

/// Applies a batch that was stored. What it had for effects outside was told, or will be asked for again; but for what
/// the history is to keep, which is returned.
pub fn replay(state: &mut State, batch: Batch) -> Vec<KeptMessage> {
    let wall_ms = batch.timestamp.wall_ms;
    let mut effects = Effects::default();
    state.advance_clock(&batch.timestamp, batch.host(), &mut effects);
    for entry in batch.entries {
        state.apply(entry, wall_ms, &mut effects);
    }
    effects.kept
}

/// Messages looked at in one go when texts make way for others.
const DROPPED_AT_ONCE: usize = 4_096;

/// The same, and then no more texts stay in memory than so many bytes, and those that the checkpoint has not:
/// replaying takes no more memory than what ran.
pub fn replay_within(
    state: &mut State,
    batch: Batch,
    resident_text_bytes: u64,
) -> Vec<KeptMessage> {
    let kept = replay(state, batch);
    while state.drop_texts(resident_text_bytes, DROPPED_AT_ONCE) {}
    kept
}

/// What the checkpoint in a directory has come to, alone.
#[derive(Debug)]
pub struct StoredCheckpoint {
    state: State,
    /// The last batch whose effects are in it.
    pub position: LogIndex,
    /// Its records.
    pub records: u64,
}

impl StoredCheckpoint {
    /// Reads and checks the checkpoint in a directory that no daemon uses. Nothing if there is no file.
    pub fn read(state_dir: &Path) -> Result<Option<Self>, StorageError> {
        let Some(snapshot) = CheckpointSnapshot::of_stopped(state_dir)? else {
            return Ok(None);
        };
        let mut restoration = Restoration::within(RESIDENT_TEXT_BYTES);
        snapshot.read(|record| {
            restoration
                .add(record.table, record.key, record.value)
                .map_err(|error| error.to_string())
        })?;
        let state = restoration.finish().map_err(|error| {
            StorageError::damaged(
                &state_dir.join(CHECKPOINT_FILE),
                "its records",
                error.to_string(),
            )
        })?;
        Ok(Some(Self {
            state,
            position: snapshot.position(),
            records: snapshot.records(),
        }))
    }

    /// Reads and checks the journal beside it. Nothing if there is no file.
    pub fn with_journal(self, state_dir: &Path) -> Result<Option<StoredState>, StorageError> {
        let (mut state, mut entries) = (self.state, 0);
        let journal = CheckedJournal::open(state_dir)?;
        if journal.begins_anew_after(self.position)? {
            state.take_missing_as_read();
        }
        let checked = journal.check(Some(self.position), |stored| {
            entries += stored.batch.entries.len() as u64;
            replay_within(&mut state, stored.batch, RESIDENT_TEXT_BYTES);
            Ok(())
        })?;
        if checked.is_some() {
            state
                .check_replayed()
                .map_err(|error| damaged_journal(state_dir, error))?;
        }
        Ok(checked.map(|(last, batches)| StoredState {
            state,
            checkpoint: self.position,
            last,
            records: self.records,
            batches,
            entries,
        }))
    }
}

impl StoredBackup {
    /// Reads and checks a backup. Reads it twice, because its records come behind its batches.
    pub fn read(file: &Path) -> Result<Self, StorageError> {
        let damaged = |what: String| StorageError::damaged_backup(file, "its records", what);
        let mut restoration = Restoration::within(RESIDENT_TEXT_BYTES);
        let (mut account_file, mut history) = (Vec::new(), HistoryInBackup::default());
        let (head, counts) = read_backup(file, |item| {
            match item {
                Item::Record { table, key, value } => restoration
                    .add(table, key, value)
                    .map_err(|error| damaged(error.to_string()))?,
                Item::AccountFile(bytes) => account_file.extend_from_slice(bytes),
                Item::History(row) => history.add(file, &row)?,
                Item::HistoryEnd(header) => history.end(file, header)?,
                _ => {}
            }
            Ok::<(), StorageError>(())
        })?;
        let mut state = restoration
            .finish()
            .map_err(|error| damaged(error.to_string()))?;
        if head.log_base.begins_anew_after(head.checkpoint) {
            state.take_missing_as_read();
        }
        let mut entries = 0;
        read_backup(file, |item| {
            let Item::Batch { position, body, .. } = item else {
                return Ok(());
            };
            let batch = format::decode(body).map_err(|error| {
                let place = format!("batch {}", position.0);
                StorageError::damaged_backup(file, place, error.to_string())
            })?;
            entries += batch.entries.len() as u64;
            replay_within(&mut state, batch, RESIDENT_TEXT_BYTES);
            Ok::<(), StorageError>(())
        })?;
        state.check_replayed().map_err(|error| {
            StorageError::damaged_backup(file, "its batches", error.to_string())
        })?;
        Ok(Self {
            head,
            stored: StoredState {
                state,
                checkpoint: head.checkpoint,
                last: head.last,
                records: counts.records,
                batches: counts.batches,
                entries,
            },
            account_file,
            history: head.has_history.then(|| history.whole(file)).transpose()?,
        })
    }
}

/// The history as far as a backup was read.
#[derive(Default)]
struct HistoryInBackup {
    rows: CopiedRows,
    is_at_end: bool,
}

impl HistoryInBackup {
    fn add(&mut self, file: &Path, row: &HistoryRow<'_>) -> Result<(), StorageError> {
        if !self.is_at_end && self.rows.add(row) {
            return Ok(());
        }
        let place = format!("message {} of the history", row.number.0);
        let what = "its checksum does not match its content, or it does not stand in its place";
        Err(StorageError::damaged_backup(file, place, what))
    }

    fn end(&mut self, file: &Path, header: &[u8]) -> Result<(), StorageError> {
        if !std::mem::replace(&mut self.is_at_end, true) && self.rows.end(header) {
            return Ok(());
        }
        let what = "it has other messages than it counts";
        Err(StorageError::damaged_backup(file, "the history", what))
    }

    fn whole(self, file: &Path) -> Result<CopiedRows, StorageError> {
        match self.is_at_end {
            true => Ok(self.rows),
            false => Err(StorageError::damaged_backup(
                file,
                "the history",
                "it has no end",
            )),
        }
    }
}
