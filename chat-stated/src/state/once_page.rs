//! Messages that were sent once, as they stand in memory and in a checkpoint.

use chat_model::{AccountId, Audience, NameList, Outcome};

use super::clock::StateMs;
use crate::entry::OnceId;

/// Messages on a page; only the last page of an account may have fewer.
pub(super) const PAGE_SENDS: usize = 64;
/// How long a message is remembered: 24 hours.
pub(super) const REMEMBERED_MS: u64 = 24 * 60 * 60 * 1_000;
/// What a remembered message takes beside unknown names, in the bytes of what may wait.
const REMEMBERED_BYTES: u64 = 64;
/// What each unknown name takes beside its own bytes.
const NAME_BYTES: u64 = 4;

/// What came of a message that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RememberedSend {
    pub(crate) id: OnceId,
    pub(crate) at: StateMs,
    /// Names that no account had.
    pub(crate) unknown: Option<Box<NameList<'static>>>,
}

/// Messages of one account, oldest first; 1 to [`PAGE_SENDS`].
pub(crate) type OncePage = Vec<RememberedSend>;

/// The account in the upper half, the number of the page in the lower one. Numbers of an account follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OncePageKey(pub(crate) u64);

impl OncePageKey {
    /// The first that an account can have.
    pub(super) fn first_of(account: AccountId) -> Self {
        Self(u64::from(account.0) << 32)
    }

    /// The last that an account can have.
    pub(super) fn last_of(account: AccountId) -> Self {
        Self(Self::first_of(account).0 | u64::from(u32::MAX))
    }

    pub(super) fn account(self) -> AccountId {
        AccountId((self.0 >> 32) as u32)
    }
}

impl RememberedSend {
    /// A message that was stored now, if this is the outcome of such.
    pub(super) fn of(id: OnceId, at: StateMs, outcome: &Outcome<'static>) -> Option<Self> {
        let Outcome::Stored { unknown } = outcome else {
            return None;
        };
        let unknown = (!unknown.is_empty()).then(|| Box::new(unknown.clone()));
        Some(Self { id, at, unknown })
    }

    pub(super) fn is_of_late(&self, now: StateMs) -> bool {
        now.since(self.at) < REMEMBERED_MS
    }

    pub(super) fn outcome(&self) -> Outcome<'static> {
        Outcome::Stored {
            unknown: self.unknown.as_deref().cloned().unwrap_or_default(),
        }
    }

    pub(super) fn waiting_bytes(&self) -> u64 {
        let unknown = self.unknown.as_ref();
        let names = unknown.map_or(0, |names| {
            names.bytes() as u64 + NAME_BYTES * names.len() as u64
        });
        REMEMBERED_BYTES + names
    }

    /// The most that a message to this audience takes. No name is empty.
    pub(super) fn most_waiting_bytes(audience: &Audience<'_>) -> u64 {
        REMEMBERED_BYTES + (1 + NAME_BYTES) * audience.bytes() as u64
    }
}

/// What a page takes, in the bytes of what may wait.
pub(super) fn waiting_bytes(page: &OncePage) -> u64 {
    page.iter().map(RememberedSend::waiting_bytes).sum()
}
