//! A state whose checkpoints are taken piece by piece, while other entries are applied: each is held against the model
//! as it was when the checkpoint began.

use chat_stated::entry::Stamp;

use super::Running;
use super::model::Model;
use super::observe;

#[derive(Default)]
pub(super) struct InPieces {
    pub(super) running: Running,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    model: Model,
    stamp: Stamp,
    finds_room: bool,
}

impl InPieces {
    /// Begins a checkpoint, if none is under way.
    pub(super) fn begin(&mut self, model: &Model, stamp: &Stamp, finds_room: bool) {
        if self.under_way.is_none() {
            self.running.state.begin_snapshot();
            self.under_way = Some(UnderWay {
                model: model.clone(),
                stamp: *stamp,
                finds_room,
            });
        }
    }

    /// Takes a piece of the checkpoint under way, or leaves it for now.
    pub(super) fn go_on(&mut self, seed: u64) {
        let running = &mut self.running;
        let steps = [0, 0, 1, 2, 3, 100][(seed % 6) as usize];
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
        let accounts = begun.model.accounts.len();
        let pages = running.checkpoint.records.len() - 1 - accounts;
        assert!(pages <= 2 * begun.model.waiting_messages());
        let then = running.restored([0, u64::MAX][(seed / 6 % 2) as usize]);
        observe::compare(
            &then.state,
            &then.checkpoint,
            &begun.model,
            &begun.stamp,
            seed,
        );
    }
}
