//! A state whose checkpoints are taken piece by piece, while other entries are applied: each, and what was applied since
//! it began, is held against the model.

use chat_stated::entry::{Entry, Timestamp};
use chat_stated::state::Effects;

use super::Running;
use super::model::Model;
use super::observe;

#[derive(Default)]
pub(super) struct InPieces {
    pub(super) running: Running,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    /// How much must be in it.
    accounts: usize,
    waiting_messages: usize,
    finds_room: bool,
    /// What was applied since.
    since: Vec<(Timestamp, Option<Entry>)>,
}

impl InPieces {
    /// Begins a checkpoint, if none is under way.
    pub(super) fn begin(&mut self, model: &Model, finds_room: bool) {
        if self.under_way.is_none() {
            self.running.state.begin_snapshot();
            self.under_way = Some(UnderWay {
                accounts: model.accounts.len(),
                waiting_messages: model.waiting_messages(),
                finds_room,
                since: Vec::new(),
            });
        }
    }

    /// Something was applied.
    pub(super) fn note(&mut self, timestamp: &Timestamp, entry: Option<&Entry>) {
        if let Some(under_way) = &mut self.under_way {
            under_way.since.push((*timestamp, entry.cloned()));
        }
    }

    /// Takes a piece of the checkpoint under way, or leaves it for now.
    pub(super) fn go_on(&mut self, model: &Model, timestamp: &Timestamp, seed: u64) {
        let running = &mut self.running;
        let steps = [0, 0, 1, 2, 3, 100][(seed % 6) as usize];
        if !(seed / 6).is_multiple_of(3) {
            running.state.take_snapshot_without_messages(steps);
            return;
        }
        let Some(records) = running.state.take_snapshot_piece(steps) else {
            return;
        };
        let begun = self.under_way.take().expect("a checkpoint is under way");
        running.left_over.extend(records);
        if !begun.finds_room {
            return;
        }
        let changes = std::mem::take(&mut running.left_over);
        running
            .checkpoint
            .write(&changes)
            .expect("texts that were dropped are in the checkpoint");
        running.state.checkpoint_is_current();
        let pages = running.checkpoint.records.len() - 2 - begun.accounts;
        assert!(pages <= 2 * begun.waiting_messages);
        let mut then = running.restored([0, u64::MAX][(seed / 18 % 2) as usize]);
        for (timestamp, entry) in begun.since {
            then.state.advance_clock(&timestamp);
            if let Some(entry) = entry {
                let wall_s = timestamp.wall_ms.div_euclid(1_000);
                then.state.apply(entry, wall_s, &mut Effects::default());
            }
        }
        assert_eq!(then.state.check_replayed(), Ok(()));
        observe::compare(&then.state, &then.checkpoint, model, timestamp, seed);
    }
}
