//! Who a message is for.

use serde::{Deserialize, Serialize};

use crate::NameList;

/// Who a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Audience<'a> {
    /// The accounts with these names. A name may stand there twice, and may be nobody's.
    Accounts(#[serde(borrow)] NameList<'a>),
    /// Every account but the sender's.
    Everyone,
    /// Rooms, and accounts beside them: names that begin with `#` are those of rooms. Otherwise as `Accounts`.
    Mixed(#[serde(borrow)] NameList<'a>),
}

impl<'a> Audience<'a> {
    /// The same without what it borrows.
    pub fn into_owned(self) -> Audience<'static> {
        match self {
            Self::Accounts(names) => Audience::Accounts(names.into_owned()),
            Self::Everyone => Audience::Everyone,
            Self::Mixed(names) => Audience::Mixed(names.into_owned()),
        }
    }

    /// The same, borrowed from this one.
    pub fn borrowed(&self) -> Audience<'_> {
        match self {
            Self::Accounts(names) => Audience::Accounts(names.borrowed()),
            Self::Everyone => Audience::Everyone,
            Self::Mixed(names) => Audience::Mixed(names.borrowed()),
        }
    }

    /// Bytes of the names in it.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Accounts(names) | Self::Mixed(names) => names.bytes(),
            Self::Everyone => 0,
        }
    }
}
