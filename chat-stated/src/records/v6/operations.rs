//! What operators do that format 5 has not.

use chat_model::{AccountId, RoomId};
use serde::{Deserialize, Serialize};

use crate::entry as memory;

#[derive(Serialize, Deserialize)]
pub(crate) enum OperatorAct<'a> {
    DropRoom { room: u32 },
    SetRoomRetention { room: u32, days: u32 },
    DropToken { account: u32, name: &'a str },
}

impl<'a> OperatorAct<'a> {
    /// What is done, if format 5 cannot express it.
    pub(crate) fn of(act: &'a memory::OperatorAct) -> Option<Self> {
        match act {
            memory::OperatorAct::DropRoom { room } => Some(Self::DropRoom { room: room.0 }),
            memory::OperatorAct::SetRoomRetention { room, days } => Some(Self::SetRoomRetention {
                room: room.0,
                days: *days,
            }),
            memory::OperatorAct::DropToken { account, name } => Some(Self::DropToken {
                account: account.0,
                name,
            }),
            _ => None,
        }
    }
}

impl From<OperatorAct<'_>> for memory::OperatorAct {
    fn from(act: OperatorAct<'_>) -> Self {
        match act {
            OperatorAct::DropRoom { room } => Self::DropRoom { room: RoomId(room) },
            OperatorAct::SetRoomRetention { room, days } => Self::SetRoomRetention {
                room: RoomId(room),
                days,
            },
            OperatorAct::DropToken { account, name } => Self::DropToken {
                account: AccountId(account),
                name: name.into(),
            },
        }
    }
}
