//! The disk of the daemon's host: what is durable, and what is on its way to be.

use std::collections::BTreeSet;

use chat_model::MessageNumber;
use chat_stated::checkpoint::{Change, MemoryCheckpoint, Restoration};
use chat_stated::core::HistoryStart;
use chat_stated::entry::Batch;
use chat_stated::journal::LogIndex;
use chat_stated::state::{Forgotten, KeptMessage, State};
use chat_stated::stored_state::replay;
use chat_stated::text_page::{TextPlace, Texts};

use crate::history_file::HistoryFile;

#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// Batches that the checkpoint does not have, by rising position.
    journal: Vec<(LogIndex, Batch)>,
    last: LogIndex,
    checkpoint: MemoryCheckpoint,
    checkpoint_at: LogIndex,
    pub(crate) account_file: Vec<u8>,
    pub(crate) history: HistoryFile,
    /// All messages that a daemon ever gave to the history, whether it died before they were durable or not.
    given_to_history: BTreeSet<MessageNumber>,
    /// Messages to people up to this one had to stay no longer, as a daemon told.
    forgotten_through: MessageNumber,
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

    /// Messages are on their way to the history.
    pub(crate) fn note_given_to_history(&mut self, messages: &[KeptMessage]) {
        let numbers = messages.iter().map(|message| message.number);
        self.given_to_history.extend(numbers);
    }

    /// A daemon, whose state is durable, says what has to stay no longer.
    pub(crate) fn note_forgotten(&mut self, forgotten: &[Forgotten]) {
        let direct = forgotten.iter().filter(|it| it.room.is_none());
        let through = direct.map(|it| it.through).max();
        self.forgotten_through = self.forgotten_through.max(through.unwrap_or_default());
    }

    pub(crate) fn forget_journal(&mut self, through: LogIndex) {
        self.journal.retain(|(position, _)| *position > through);
    }

    /// What a start finds: the state, with no more than so many bytes of text in memory, and the position it stands at.
    pub(crate) fn recover(
        &self,
        resident_text_bytes: u64,
    ) -> Result<(State, LogIndex, HistoryStart), String> {
        let mut restoration = Restoration::within(resident_text_bytes);
        for (table, key, value) in self.checkpoint.records() {
            restoration
                .add(table, key, &value)
                .map_err(|error| error.to_string())?;
        }
        let mut state = restoration.finish().map_err(|error| error.to_string())?;
        let mut kept = Vec::new();
        let after = self
            .journal
            .iter()
            .filter(|(position, _)| *position > self.checkpoint_at);
        for (_, batch) in after {
            kept.extend(replay(&mut state, batch.clone()));
        }
        state.check_replayed().map_err(|error| error.to_string())?;
        kept.retain(|message| message.number > self.history.through());
        let start = HistoryStart {
            through: Some(self.history.through()),
            kept,
            ..HistoryStart::default()
        };
        self.check_history(&start)?;
        if state.direct_kept_after() < self.forgotten_through {
            let number = self.forgotten_through.0;
            return Err(format!("message {number} of the history comes back"));
        }
        Ok((state, self.last, start))
    }

    /// What was given to the history and is not durable there comes again from the journal.
    fn check_history(&self, start: &HistoryStart) -> Result<(), String> {
        let again: BTreeSet<_> = start.kept.iter().map(|message| message.number).collect();
        let has =
            |number: &&MessageNumber| self.history.ever_had(**number) || again.contains(number);
        match self.given_to_history.iter().find(|number| !has(number)) {
            Some(lost) => Err(format!("message {} is lost to the history", lost.0)),
            None => Ok(()),
        }
    }
}
