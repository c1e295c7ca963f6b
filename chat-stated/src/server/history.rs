//! What a start finds of the history. Nothing of it keeps the server from starting.

use std::path::{Path, PathBuf};

use chat_model::MessageNumber;

use crate::core::HistoryStart;
use crate::history::{Gap, HistoryStore};
use crate::state::{KeptMessage, State};

/// The history as it was found.
#[derive(Debug)]
pub struct RecoveredHistory {
    dir: PathBuf,
    store: Option<HistoryStore>,
    start: HistoryStart,
    /// The last message that the checkpoint knows to be kept: the journal has those behind it.
    last_in_checkpoint: MessageNumber,
}

impl RecoveredHistory {
    /// Writes it to a fresh file, because the disk failed. If that fails, too, the next look at it tells.
    pub(super) fn rewrite(state_dir: &Path) {
        if let Err(error) = HistoryStore::rewrite(state_dir) {
            log::error!("cannot write the history to a fresh file: {error}");
        }
    }

    /// Looks at the history, by a state as the checkpoint has it.
    pub(super) fn open(state_dir: &Path, state: &State) -> Self {
        let mut found = Self {
            dir: state_dir.to_owned(),
            store: None,
            start: HistoryStart::default(),
            last_in_checkpoint: state.keeping().last,
        };
        match HistoryStore::open(state_dir) {
            Ok(store) => found.store = store,
            Err(error) => found.start.failure = Some(error.to_string()),
        }
        found
    }

    /// The state directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes messages that the journal has, those that are in the history already, too.
    pub(super) fn add(&mut self, kept: Vec<KeptMessage>) {
        let through = self.store.as_ref().map(HistoryStore::through);
        let is_new = |message: &KeptMessage| Some(message.number) > through;
        self.start.kept.extend(kept.into_iter().filter(is_new));
    }

    /// Compares the history with the state as it is now. One that has more is that of another state: numbers would be
    /// given twice.
    pub(super) fn compare(&mut self, state: &State) {
        let is_newer = |store: &mut HistoryStore| store.through() > state.last_message();
        if let Some(store) = self.store.take_if(is_newer) {
            self.start.failure = Some(format!(
                "{} has messages up to {}, but the newest one of the state is {}: it belongs to another state. Stop \
                 the server and move it away; a new one begins",
                self.dir.join(HistoryStore::FILE_NAME).display(),
                store.through().0,
                state.last_message().0
            ));
        }
    }

    /// Opens what is to be used: makes the history if it is wanted and not there, and writes down what it lacks.
    pub fn begin(mut self, keeps_direct: bool) -> (Option<HistoryStore>, HistoryStart) {
        let was_any = self.last_in_checkpoint > MessageNumber(0);
        let is_wanted = keeps_direct || was_any || !self.start.kept.is_empty();
        if self.store.is_none() && self.start.failure.is_none() && is_wanted {
            match HistoryStore::create(&self.dir, MessageNumber(0)) {
                Ok(store) => self.store = Some(store),
                Err(error) => self.start.failure = Some(error.to_string()),
            }
        }
        if let Err(error) = self.note_gap() {
            self.store = None;
            self.start.failure = Some(error.to_string());
        }
        self.start.through = self.store.as_ref().map(HistoryStore::through);
        (self.store, self.start)
    }

    fn note_gap(&mut self) -> Result<(), crate::database::StorageError> {
        let last = self.last_in_checkpoint;
        if let Some(store) = &mut self.store
            && store.through() < last
        {
            let first = MessageNumber(store.through().0 + 1);
            let gap = Gap { first, last };
            self.start.gap = Some(gap);
            store.append(Some(gap), &[])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::database::testing::quick_directory;

    #[test]
    fn history_of_later_state_is_refused() {
        let dir = quick_directory();
        let message = KeptMessage {
            number: MessageNumber(3),
            time_ms: 0,
            sender: chat_model::AccountId(0),
            is_notice: false,
            rooms: smallvec![chat_model::RoomId(1)],
            readers: smallvec![],
            text: "hi".into(),
        };
        let mut store = HistoryStore::create(dir.path(), MessageNumber(0)).unwrap();
        store.append(None, &[message]).unwrap();
        drop(store);
        // An older copy of the state was put beside it: it has no message yet.
        let state = State::default();
        let mut found = RecoveredHistory::open(dir.path(), &state);
        found.compare(&state);
        assert!(found.store.is_none());
        let failure = found.start.failure.unwrap();
        assert!(failure.contains("belongs to another state"), "{failure}");
    }
}
