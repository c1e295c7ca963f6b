//! From the files of the state directory to a running core.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;

use crate::checkpoint::CheckpointStore;
use crate::journal::{LocalJournal, Position, RecoveredJournal};
use crate::state::{Restoration, State};
use crate::stored_state::replay;

/// Everything that was on disk.
pub(super) struct Recovered {
    pub(super) state: State,
    pub(super) position: Position,
    pub(super) journal: RecoveredJournal,
    pub(super) checkpoint: CheckpointStore,
    /// What the journal held beyond the checkpoint.
    pub(super) replayed_bytes: u64,
    pub(super) replayed_entries: u64,
}

/// Loads the checkpoint, and applies what the journal has after it.
pub(super) fn recover(state_dir: &Path) -> anyhow::Result<Recovered> {
    let began = Instant::now();
    let mut restoration = Restoration::default();
    let loaded = CheckpointStore::open(state_dir, |record| {
        restoration
            .add(record.table, record.key, record.value)
            .map_err(|error| error.to_string())
    })
    .context("cannot load the state")?;
    let mut state = restoration
        .finish()
        .with_context(|| format!("cannot load the state from {}", state_dir.display()))?;
    let (mut replayed_bytes, mut replayed_entries) = (0, 0);
    let journal = LocalJournal::open(state_dir, loaded.position, |stored| {
        replayed_bytes += stored.bytes as u64;
        replayed_entries += stored.batch.entries.len() as u64;
        replay(&mut state, stored.batch);
        Ok(())
    })
    .context("cannot replay the journal")?;
    log::info!(
        "recovered {} accounts and {} waiting messages in {} ms ({} entries replayed)",
        state.account_count(),
        state.waiting_messages(),
        began.elapsed().as_millis(),
        replayed_entries
    );
    Ok(Recovered {
        state,
        position: journal.last().max(loaded.position),
        journal,
        checkpoint: loaded.store,
        replayed_bytes,
        replayed_entries,
    })
}
