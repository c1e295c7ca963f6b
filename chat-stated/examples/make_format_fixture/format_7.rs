//! What format 7 has and no other: a host that takes part, with a worker, and batches that say where they come from.

use chat_stated::entry::{Entry, HostId, Origin};

const HOST: HostId = HostId(300);

pub(super) fn begin_host() -> Entry {
    Entry::BeginHost {
        host: HOST,
        name: "here".into(),
    }
}

pub(super) fn begin_worker_session() -> Entry {
    Entry::BeginWorkerSession {
        secret: [8; 16],
        pid: 2,
        host: Some(HOST),
    }
}

/// Where the batch of this number comes from.
pub(super) fn origin(number: u64) -> Origin {
    Origin {
        host: HOST,
        number,
        previous: number - 1,
        nonce: 9,
        revision: 10 * number,
    }
}
