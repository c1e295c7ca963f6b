//! From the files of the state directory to a running core.

use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread::{self, Builder};
use std::time::Instant;

use anyhow::Context;

use super::history::RecoveredHistory;
use crate::checkpoint::{CheckpointStore, Restoration};
use crate::database::{StorageError, disk_failure};
use crate::entry::Batch;
use crate::journal::{CheckedJournal, LocalJournal, LogIndex, RecoveredJournal, damaged_journal};
use crate::state::State;
use crate::stored_state::replay_within;

const NO_THREAD: &str = "cannot start a thread that recovers the state";

/// Batches that may be read while earlier ones are still being applied.
const READ_AHEAD_BATCHES: usize = 4;

/// Everything that was on disk.
pub struct Recovered {
    /// The state as it was last.
    pub state: State,
    /// The last batch that is in it.
    pub position: LogIndex,
    /// To be started.
    pub journal: RecoveredJournal,
    /// What was found of the history.
    pub history: RecoveredHistory,
    /// To be written to.
    pub checkpoint: CheckpointStore,
    /// What the journal held beyond the checkpoint.
    pub replayed_bytes: u64,
    /// The same in entries.
    pub replayed_entries: u64,
    /// The disk failed the process before, so everything was written to fresh files.
    pub has_disk_failed: bool,
}

/// Loads the checkpoint, with no more than so many bytes of text, and applies what the journal has after it. If the
/// disk failed the process before, everything is written to fresh files first.
pub fn recover(state_dir: &Path, resident_text_bytes: u64) -> anyhow::Result<Recovered> {
    let result = recover_from_whole_files(state_dir, resident_text_bytes);
    if let Err(error) = &result
        && error
            .downcast_ref::<StorageError>()
            .is_some_and(StorageError::is_disk_failure)
    {
        disk_failure::note(state_dir);
    }
    result
}

/// Whether more room on the disk may help. SQLite does not always say that it is the room that it lacks.
pub(super) fn may_lack_room(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<StorageError>(),
        Some(StorageError::NoRoom { .. } | StorageError::Sqlite { .. })
    )
}

fn recover_from_whole_files(
    state_dir: &Path,
    resident_text_bytes: u64,
) -> anyhow::Result<Recovered> {
    if !disk_failure::is_noted(state_dir)? {
        return load_and_replay(state_dir, resident_text_bytes);
    }
    log::warn!(
        "the disk failed before: writing {} to fresh files",
        state_dir.display()
    );
    RecoveredHistory::rewrite(state_dir);
    CheckpointStore::rewrite(state_dir).context("cannot write the checkpoint to a fresh file")?;
    LocalJournal::rewrite(state_dir).context("cannot write the journal to a fresh file")?;
    let recovered = load_and_replay(state_dir, resident_text_bytes)?;
    disk_failure::clear(state_dir)?;
    Ok(Recovered {
        has_disk_failed: true,
        ..recovered
    })
}

/// The journal is gone, by the operator's wish: what it said had been read by the time of the checkpoint counts as
/// read.
fn take_missing_as_read(state: &mut State) {
    let messages = state.take_missing_as_read();
    if messages > 0 {
        log::warn!(
            "journal missing: marking {messages} messages as delivered, because only the journal recorded their \
             deliveries"
        );
    }
}

/// What the journal had for effects outside was told, or will be asked for again. Reading and applying go on side by
/// side: clients wait for both.
fn load_and_replay(state_dir: &Path, resident_text_bytes: u64) -> anyhow::Result<Recovered> {
    let began = Instant::now();
    let mut restoration = Restoration::within(resident_text_bytes);
    let (loaded, checked) = thread::scope(|scope| {
        let checked = Builder::new().spawn_scoped(scope, || CheckedJournal::open(state_dir));
        let checked = checked.context(NO_THREAD)?;
        let loaded = CheckpointStore::open_into(state_dir, &mut restoration);
        anyhow::Ok((loaded, checked.join()))
    })?;
    let loaded = loaded.context("cannot load the state")?;
    let checked = checked.unwrap_or_else(|panic| resume_unwind(panic));
    let checked = checked.context("cannot replay the journal")?;
    let mut state = restoration
        .finish()
        .with_context(|| format!("cannot load the state from {}", state_dir.display()))?;
    let begins_anew = checked
        .begins_anew_after(loaded.position)
        .context("cannot replay the journal")?;
    if begins_anew {
        take_missing_as_read(&mut state);
    }
    let mut history = RecoveredHistory::open(state_dir, &state);
    let (mut replayed_bytes, mut replayed_entries) = (0, 0);
    let journal = thread::scope(|scope| {
        let (read, to_be_applied) = sync_channel::<Batch>(READ_AHEAD_BATCHES);
        let (state, history) = (&mut state, &mut history);
        let apply = move || {
            for batch in to_be_applied {
                history.add(replay_within(state, batch, resident_text_bytes));
            }
        };
        Builder::new()
            .spawn_scoped(scope, apply)
            .context(NO_THREAD)?;
        let replayed = checked.replay(loaded.position, |stored| {
            replayed_bytes += stored.bytes as u64;
            replayed_entries += stored.batch.attempts();
            // It ends sooner only by a panic, which the scope passes on.
            let _ = read.send(stored.batch);
            Ok(())
        });
        drop(read);
        replayed.context("cannot replay the journal")
    })?;
    state
        .check_replayed()
        .map_err(|error| damaged_journal(state_dir, error))
        .context("cannot replay the journal")?;
    history.compare(&state);
    log::info!(
        "recovered {} accounts and {} waiting messages in {} ms ({} entries replayed)",
        state.account_count(),
        state.waiting_messages(),
        began.elapsed().as_millis(),
        replayed_entries
    );
    Ok(Recovered {
        has_disk_failed: false,
        state,
        history,
        position: journal.last().max(loaded.position),
        journal,
        checkpoint: loaded.store,
        replayed_bytes,
        replayed_entries,
    })
}
