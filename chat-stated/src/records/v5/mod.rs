//! Format 5: what operators do to the running server, and accounts that miss broadcasts. All else is as in format 4.

#[cfg(test)]
mod tests;

use chat_model::{AccountId, MessageNumber};
use serde::{Deserialize, Serialize};

use super::v3::Address;
use super::v4::entry::AccountChange;
use super::v4::{self, List};
use crate::entry as memory;
use crate::state::parts::{AccountRecord, BroadcastsAfter};

#[derive(Serialize, Deserialize)]
pub(crate) enum Entry<'a> {
    OfFormat4(#[serde(borrow)] v4::entry::Entry<'a>),
    Operate {
        ticket: u64,
        #[serde(borrow)]
        act: OperatorAct<'a>,
    },
}

#[derive(Serialize, Deserialize)]
pub(crate) enum OperatorAct<'a> {
    LiftBlocks {
        account: Option<u32>,
        address: Option<Address>,
    },
    TakeAccountFile(#[serde(borrow)] List<'a, memory::AccountChange, AccountChange<'a>>),
    AddAccount {
        name: &'a str,
        secret: &'a str,
    },
    SetPassword {
        account: u32,
        secret: &'a str,
    },
    DisableAccount {
        account: u32,
    },
    EnableAccount {
        account: u32,
    },
    ForgetAccount {
        account: u32,
    },
    Announce {
        sender: u32,
        text: &'a str,
    },
}

/// An account, with what it gets of broadcasts. One that gets all of them is written in format 4.
#[derive(Serialize, Deserialize)]
pub(crate) struct Account<'a> {
    #[serde(borrow)]
    account: v4::state::Account<'a>,
    broadcasts_after: Option<u64>,
}

impl<'a> From<&'a AccountRecord> for Account<'a> {
    fn from(account: &'a AccountRecord) -> Self {
        Self {
            account: account.into(),
            broadcasts_after: account.broadcasts_after.get().map(|number| number.0),
        }
    }
}

impl From<Account<'_>> for AccountRecord {
    fn from(account: Account<'_>) -> Self {
        Self {
            broadcasts_after: BroadcastsAfter::of(account.broadcasts_after.map(MessageNumber)),
            ..account.account.into()
        }
    }
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

impl<'a> From<&'a memory::OperatorAct> for OperatorAct<'a> {
    fn from(act: &'a memory::OperatorAct) -> Self {
        match act {
            memory::OperatorAct::LiftBlocks { account, address } => Self::LiftBlocks {
                account: account.map(|account| account.0),
                address: address.map(Into::into),
            },
            memory::OperatorAct::TakeAccountFile(changes) => {
                Self::TakeAccountFile(List::InMemory(changes))
            }
            memory::OperatorAct::AddAccount { name, secret } => Self::AddAccount { name, secret },
            memory::OperatorAct::SetPassword { account, secret } => Self::SetPassword {
                account: account.0,
                secret,
            },
            memory::OperatorAct::DisableAccount { account } => {
                Self::DisableAccount { account: account.0 }
            }
            memory::OperatorAct::EnableAccount { account } => {
                Self::EnableAccount { account: account.0 }
            }
            memory::OperatorAct::ForgetAccount { account } => {
                Self::ForgetAccount { account: account.0 }
            }
            memory::OperatorAct::Announce { sender, text } => Self::Announce {
                sender: sender.0,
                text,
            },
            memory::OperatorAct::DropRoom { .. }
            | memory::OperatorAct::SetRoomRetention { .. }
            | memory::OperatorAct::DropToken { .. } => {
                unreachable!("format 5 cannot express it")
            }
        }
    }
}

impl From<OperatorAct<'_>> for memory::OperatorAct {
    fn from(act: OperatorAct<'_>) -> Self {
        match act {
            OperatorAct::LiftBlocks { account, address } => Self::LiftBlocks {
                account: account.map(AccountId),
                address: address.map(Into::into),
            },
            OperatorAct::TakeAccountFile(changes) => Self::TakeAccountFile(changes.into_memory()),
            OperatorAct::AddAccount { name, secret } => Self::AddAccount {
                name: name.into(),
                secret: secret.into(),
            },
            OperatorAct::SetPassword { account, secret } => Self::SetPassword {
                account: AccountId(account),
                secret: secret.into(),
            },
            OperatorAct::DisableAccount { account } => Self::DisableAccount {
                account: AccountId(account),
            },
            OperatorAct::EnableAccount { account } => Self::EnableAccount {
                account: AccountId(account),
            },
            OperatorAct::ForgetAccount { account } => Self::ForgetAccount {
                account: AccountId(account),
            },
            OperatorAct::Announce { sender, text } => Self::Announce {
                sender: AccountId(sender),
                text: text.into(),
            },
        }
    }
}
