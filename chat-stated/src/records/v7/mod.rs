//! Format 7: several hosts that write into one order. All else is as in format 6.

pub(crate) mod state;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::v6;
use crate::entry as memory;
use crate::entry::HostId;

/// Where a batch comes from.
#[derive(Serialize, Deserialize)]
pub(crate) struct Origin {
    host: u64,
    number: u64,
    previous: u64,
    nonce: u64,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Entry<'a> {
    OfFormat6(#[serde(borrow)] v6::Entry<'a>),
    BeginHost {
        host: u64,
        name: &'a str,
    },
    EndHost {
        host: u64,
    },
    /// With its host.
    BeginWorkerSession {
        secret: [u8; 16],
        pid: u32,
        host: u64,
    },
}

/// Whether format 6 cannot express what an entry tries.
pub(crate) fn is_new(entry: &memory::Entry) -> bool {
    matches!(
        entry,
        memory::Entry::BeginHost { .. }
            | memory::Entry::EndHost { .. }
            | memory::Entry::BeginWorkerSession { host: Some(_), .. }
    )
}

impl<'a> From<&'a memory::Entry> for Entry<'a> {
    fn from(entry: &'a memory::Entry) -> Self {
        match entry {
            memory::Entry::BeginHost { host, name } => Self::BeginHost { host: host.0, name },
            memory::Entry::EndHost { host } => Self::EndHost { host: host.0 },
            memory::Entry::BeginWorkerSession {
                secret,
                pid,
                host: Some(host),
            } => Self::BeginWorkerSession {
                secret: *secret,
                pid: *pid,
                host: host.0,
            },
            entry => Self::OfFormat6(entry.into()),
        }
    }
}

impl Entry<'_> {
    /// The entry it stands for; nothing if it stands for none.
    pub(crate) fn read(self) -> Option<memory::Entry> {
        Some(match self {
            Self::OfFormat6(entry) => entry.read()?,
            Self::BeginHost { host, name } => memory::Entry::BeginHost {
                host: HostId(host),
                name: name.into(),
            },
            Self::EndHost { host } => memory::Entry::EndHost { host: HostId(host) },
            Self::BeginWorkerSession { secret, pid, host } => memory::Entry::BeginWorkerSession {
                secret,
                pid,
                host: Some(HostId(host)),
            },
        })
    }
}

impl From<memory::Origin> for Origin {
    fn from(origin: memory::Origin) -> Self {
        Self {
            host: origin.host.0,
            number: origin.number,
            previous: origin.previous,
            nonce: origin.nonce,
            revision: origin.revision,
        }
    }
}

impl From<Origin> for memory::Origin {
    fn from(origin: Origin) -> Self {
        Self {
            host: HostId(origin.host),
            number: origin.number,
            previous: origin.previous,
            nonce: origin.nonce,
            revision: origin.revision,
        }
    }
}
