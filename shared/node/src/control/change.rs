//! What an operator's tool can change in the state. Each change stands in the journal before it is answered.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::protocol::one_word;

/// A change of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// Ends blocks that wrong passwords began: all, or those of an account, of an address, or of both.
    LiftBlocks {
        /// The account.
        name: Option<String>,
        /// The address.
        address: Option<IpAddr>,
    },
}

impl Change {
    /// What stands in the security log.
    pub(super) fn act(&self) -> String {
        match self {
            Self::LiftBlocks { name, address } => {
                let mut act = "event=blocks-lift".to_owned();
                if let Some(name) = name {
                    act += &format!(" user={}", one_word(name));
                }
                if let Some(address) = address {
                    act += &format!(" source={address}");
                }
                act
            }
        }
    }
}
