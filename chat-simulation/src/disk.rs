//! The disk of the daemon's host: what is durable, and what is on its way to be.

use std::collections::BTreeMap;

use chat_stated::entry::Batch;
use chat_stated::journal::Position;
use chat_stated::state::{Effects, Record, State};

#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// Batches that the checkpoint does not have, by rising position.
    journal: Vec<(Position, Batch)>,
    last: Position,
    checkpoint: BTreeMap<(u8, u64), Vec<u8>>,
    checkpoint_at: Position,
    pub(crate) account_file: Vec<u8>,
}

impl Disk {
    /// Makes a batch durable.
    pub(crate) fn commit(&mut self, batch: &Batch) -> Position {
        self.last = Position(self.last.0 + 1);
        self.journal.push((self.last, batch.clone()));
        self.last
    }

    /// Makes a checkpoint current.
    pub(crate) fn write_checkpoint(&mut self, position: Position, records: &[Record]) {
        for record in records {
            let key = (record.table, record.key);
            match &record.value {
                Some(value) => self.checkpoint.insert(key, value.clone()),
                None => self.checkpoint.remove(&key),
            };
        }
        self.checkpoint_at = position;
    }

    pub(crate) fn forget_journal(&mut self, through: Position) {
        self.journal.retain(|(position, _)| *position > through);
    }

    /// What a start finds: the state, and the position it stands at.
    pub(crate) fn recover(&self) -> Result<(State, Position), String> {
        let records = self
            .checkpoint
            .iter()
            .map(|((table, key), value)| (*table, *key, value.clone()));
        let mut state = State::restore(records).map_err(|error| error.to_string())?;
        let after = self
            .journal
            .iter()
            .filter(|(position, _)| *position > self.checkpoint_at);
        for (_, batch) in after {
            state.advance_clock(&batch.stamp);
            let wall_s = batch.stamp.wall_ms.div_euclid(1_000);
            for entry in batch.entries.clone() {
                state.apply(entry, wall_s, &mut Effects::default());
            }
        }
        Ok((state, self.last))
    }
}
