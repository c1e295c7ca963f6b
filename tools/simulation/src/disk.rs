//! The disk of the daemon's host: what is durable, and what is on its way to be.

use chat_stated::checkpoint::{Change, MemoryCheckpoint, Restoration};
use chat_stated::entry::Batch;
use chat_stated::journal::LogIndex;
use chat_stated::state::State;
use chat_stated::stored_state::replay;
use chat_stated::text_page::{TextPlace, Texts};

#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// Batches that the checkpoint does not have, by rising position.
    journal: Vec<(LogIndex, Batch)>,
    last: LogIndex,
    checkpoint: MemoryCheckpoint,
    checkpoint_at: LogIndex,
    pub(crate) account_file: Vec<u8>,
}

impl Disk {
    /// Makes a batch durable.
    pub(crate) fn commit(&mut self, batch: &Batch) -> LogIndex {
        self.last = LogIndex(self.last.0 + 1);
        self.journal.push((self.last, batch.clone()));
        self.last
    }

    /// Makes a checkpoint current.
    pub(crate) fn write_checkpoint(
        &mut self,
        position: LogIndex,
        records: &[Change],
    ) -> Result<(), String> {
        self.checkpoint
            .write(records)
            .map_err(|error| error.to_string())?;
        self.checkpoint_at = position;
        Ok(())
    }

    /// Texts of the current checkpoint.
    pub(crate) fn read_texts(&self, places: &[TextPlace]) -> Result<Texts, String> {
        self.checkpoint
            .read_texts(places)
            .map_err(|error| error.to_string())
    }

    pub(crate) fn forget_journal(&mut self, through: LogIndex) {
        self.journal.retain(|(position, _)| *position > through);
    }

    /// What a start finds: the state, with no more than so many bytes of text in memory, and the position it stands at.
    pub(crate) fn recover(&self, resident_text_bytes: u64) -> Result<(State, LogIndex), String> {
        let mut restoration = Restoration::within(resident_text_bytes);
        for (table, key, value) in self.checkpoint.records() {
            restoration
                .add(table, key, &value)
                .map_err(|error| error.to_string())?;
        }
        let mut state = restoration.finish().map_err(|error| error.to_string())?;
        let after = self
            .journal
            .iter()
            .filter(|(position, _)| *position > self.checkpoint_at);
        for (_, batch) in after {
            replay(&mut state, batch.clone());
        }
        state.check_replayed().map_err(|error| error.to_string())?;
        Ok((state, self.last))
    }
}
