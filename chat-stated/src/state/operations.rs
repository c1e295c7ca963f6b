//! What operators do to the running server.

use super::State;
use super::effects::{Effects, Operated, OperatorOutcome};
use crate::entry::OperatorAct;

impl State {
    pub(super) fn operate(&mut self, ticket: u64, act: OperatorAct, effects: &mut Effects) {
        let outcome = match act {
            OperatorAct::LiftBlocks { account, address } => {
                let now = self.clock.now();
                OperatorOutcome::Lifted(self.failures.lift(account, address, now))
            }
        };
        effects.operated.push(Operated { ticket, outcome });
    }
}
