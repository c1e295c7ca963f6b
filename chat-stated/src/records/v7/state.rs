//! Records of checkpoints.

use chat_model::WorkerSessionId;
use serde::{Deserialize, Serialize};

use crate::entry::HostId;
use crate::records::encoding::{decode, encode_behind};
use crate::state::State;
use crate::state::parts::{HostClock, HostParts, HostsParts, StateMs};

/// Hosts that take part, and what was decided since the first did.
#[derive(Serialize, Deserialize)]
struct Hosts<'a> {
    last: u64,
    decisions: u64,
    #[serde(borrow)]
    hosts: Vec<Host<'a>>,
    /// Worker sessions, each with its host.
    worker_sessions: Vec<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct Host<'a> {
    host: u64,
    name: &'a str,
    clock: Option<Clock>,
}

#[derive(Serialize, Deserialize)]
struct Clock {
    boot_id: [u8; 16],
    boot_ms: u64,
    at: u64,
}

/// Writes down the hosts that take part.
pub(crate) fn encode_hosts(bytes: &mut Vec<u8>, state: &State) {
    let clocks = &state.clock().hosts;
    let hosts = state.hosts().iter().map(|(host, name)| Host {
        host: host.0,
        name,
        clock: clocks.get(&host).map(|clock| Clock {
            boot_id: clock.boot_id,
            boot_ms: clock.boot_ms,
            at: clock.at.0,
        }),
    });
    let worker_sessions = state.worker_sessions();
    let worker_sessions = worker_sessions.filter_map(|(id, session)| Some((id.0, session.host?.0)));
    let record = Hosts {
        last: state.hosts().last,
        decisions: state.hosts().decisions,
        hosts: hosts.collect(),
        worker_sessions: worker_sessions.collect(),
    };
    encode_behind(bytes, &record);
}

/// Such hosts; nothing if they cannot be read.
pub(crate) fn decode_hosts(bytes: &[u8]) -> Option<HostsParts> {
    let record: Hosts<'_> = decode(bytes)?;
    let hosts = record.hosts.into_iter().map(|host| HostParts {
        host: HostId(host.host),
        name: host.name.into(),
        clock: host.clock.map(|clock| HostClock {
            boot_id: clock.boot_id,
            boot_ms: clock.boot_ms,
            at: StateMs(clock.at),
        }),
    });
    let worker_sessions = record.worker_sessions.into_iter();
    let worker_sessions = worker_sessions.map(|(id, host)| (WorkerSessionId(id), HostId(host)));
    Some(HostsParts {
        last: record.last,
        decisions: record.decisions,
        hosts: hosts.collect(),
        worker_sessions: worker_sessions.collect(),
    })
}
