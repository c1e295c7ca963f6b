//! A state whose checkpoints are taken piece by piece, while other entries are applied: each, and what was applied
//! since it began, is held against the model.

use chat_stated::checkpoint::StateSnapshot;
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
    snapshot: StateSnapshot,
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
            self.under_way = Some(UnderWay {
                snapshot: StateSnapshot::begin(&mut self.running.state),
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
            if let Some(under_way) = &mut self.under_way {
                let snapshot = &mut under_way.snapshot;
                snapshot.take_without_messages(&mut running.state, steps);
            }
            return;
        }
        let Some(mut begun) = self.under_way.take() else {
            return;
        };
        if !begun.snapshot.take_piece(&mut running.state, steps) {
            self.under_way = Some(begun);
            return;
        }
        running.left_over.extend(begun.snapshot.into_changes());
        if !begun.finds_room {
            return;
        }
        let changes = std::mem::take(&mut running.left_over);
        running
            .checkpoint
            .write(&changes)
            .expect("texts that were dropped are in the checkpoint");
        running.state.checkpoint_is_current();
        let pages = running.message_pages(begun.accounts);
        assert!(pages <= 2 * begun.waiting_messages);
        let mut then = running.restored([0, u64::MAX][(seed / 18 % 2) as usize]);
        for (timestamp, entry) in begun.since {
            let effects = &mut Effects::default();
            then.state.advance_clock(&timestamp, None, effects);
            if let Some(entry) = entry {
                then.state.apply(entry, timestamp.wall_ms, effects);
            }
        }
        assert_eq!(then.state.check_replayed(), Ok(()));
        observe::compare(&then.state, &then.checkpoint, model, timestamp, seed);
    }
}
