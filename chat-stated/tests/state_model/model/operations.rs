//! What operators do.

use super::*;
use chat_stated::entry::OperatorAct;

impl Model {
    pub(super) fn operate(&mut self, act: &OperatorAct) -> OperatorOutcome {
        match act {
            OperatorAct::LiftBlocks { account, address } => {
                let account = account.map(|account| account.0 as usize);
                OperatorOutcome::Lifted(self.lift_blocks(account, *address))
            }
        }
    }

    fn lift_blocks(&mut self, account: Option<usize>, address: Option<IpAddr>) -> u64 {
        let now_ms = self.now_ms;
        let lifted = self.blocked_until_ms.extract_if(.., |block, until_ms| {
            *until_ms > now_ms
                && account.is_none_or(|account| account == block.0)
                && address.is_none_or(|address| address == block.1)
        });
        lifted.count() as u64
    }
}
