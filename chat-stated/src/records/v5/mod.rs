//! Format 5 of batches: what operators do to the running server. All else is as in format 4, and so are checkpoints.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::v3::Address;
use super::v4;
use crate::entry as memory;
use chat_model::AccountId;

#[derive(Serialize, Deserialize)]
pub(crate) enum Entry<'a> {
    OfFormat4(#[serde(borrow)] v4::entry::Entry<'a>),
    Operate { ticket: u64, act: OperatorAct },
}

#[derive(Serialize, Deserialize)]
pub(crate) enum OperatorAct {
    LiftBlocks {
        account: Option<u32>,
        address: Option<Address>,
    },
}

impl<'a> From<&'a memory::Entry> for Entry<'a> {
    fn from(entry: &'a memory::Entry) -> Self {
        match entry {
            memory::Entry::Operate { ticket, act } => Self::Operate {
                ticket: *ticket,
                act: act.into(),
            },
            entry => Self::OfFormat4(entry.into()),
        }
    }
}

impl Entry<'_> {
    /// The entry it stands for; nothing if it stands for none.
    pub(crate) fn read(self) -> Option<memory::Entry> {
        match self {
            Self::OfFormat4(entry) => entry.read(),
            Self::Operate { ticket, act } => Some(memory::Entry::Operate {
                ticket,
                act: act.into(),
            }),
        }
    }
}

impl From<&memory::OperatorAct> for OperatorAct {
    fn from(act: &memory::OperatorAct) -> Self {
        match act {
            memory::OperatorAct::LiftBlocks { account, address } => Self::LiftBlocks {
                account: account.map(|account| account.0),
                address: address.map(Into::into),
            },
        }
    }
}

impl From<OperatorAct> for memory::OperatorAct {
    fn from(act: OperatorAct) -> Self {
        match act {
            OperatorAct::LiftBlocks { account, address } => Self::LiftBlocks {
                account: account.map(AccountId),
                address: address.map(Into::into),
            },
        }
    }
}
