use crate::entry::{Batch, Entry, HostId, Origin, Timestamp};
use crate::journal::format::{FORMAT, decode, encode};
use crate::records;
use crate::state::parts::{HostClock, StateBuilder};
use crate::state::{Effects, State};

const TIMESTAMP: Timestamp = Timestamp {
    wall_ms: -1,
    boot_ms: 2,
    boot_id: [7; 16],
};

const HOST: HostId = HostId(300);

const ORIGIN: Origin = Origin {
    host: HOST,
    number: 5,
    previous: 3,
    nonce: 9,
    revision: 1_000,
};

fn entries() -> Vec<Entry> {
    vec![
        Entry::BeginHost {
            host: HOST,
            name: "a".into(),
        },
        Entry::BeginWorkerSession {
            secret: [1; 16],
            pid: 4,
            host: Some(HOST),
        },
        Entry::EndHost { host: HOST },
    ]
}

fn batch(origin: Option<Origin>, entries: Vec<Entry>) -> Batch {
    Batch {
        timestamp: TIMESTAMP,
        origin,
        entries,
    }
}

fn written(batch: &Batch) -> Vec<u8> {
    let mut body = Vec::new();
    encode(batch, &mut body).unwrap();
    body
}

#[test]
fn batches_of_hosts_are_of_format_7() {
    let of_one_host = Entry::BeginWorkerSession {
        secret: [1; 16],
        pid: 4,
        host: None,
    };
    assert_eq!(written(&batch(None, vec![of_one_host.clone()]))[0], 4);
    let with_origin = batch(Some(ORIGIN), vec![of_one_host]);
    assert_eq!(written(&with_origin)[0], 7);
    for entry in entries() {
        assert_eq!(written(&batch(None, vec![entry]))[0], 7);
    }
}

#[test]
fn batch_of_hosts_is_read_as_written() {
    for origin in [None, Some(ORIGIN)] {
        let batch = batch(origin, entries());
        assert_eq!(decode(&written(&batch)), Ok(batch));
    }
}

#[test]
fn bytes_of_format_7_stay() {
    assert_eq!(FORMAT, 7);
    let hex: String = written(&batch(Some(ORIGIN), entries()))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, BYTES);
}

const BYTES: &str = concat!(
    "0701020707070707070707070707070707070701fb2c01050309fbe803",
    "0301fb2c010161030101010101010101010101010101010104fb2c0102fb2c01",
);

/// A host with a worker, as it comes back from a checkpoint.
#[test]
fn hosts_come_back_from_checkpoint() {
    let mut state = State::default();
    let mut effects = Effects::default();
    state.advance_clock(&TIMESTAMP, Some(HOST), &mut effects);
    for entry in entries().into_iter().take(2) {
        state.apply(entry, 0, &mut effects);
    }
    let mut builder = StateBuilder::default();
    // Parts may come in any order.
    let hosts = records::decode_hosts(&records::encode_hosts(&state)).unwrap();
    builder.take_hosts(hosts);
    builder.take_header(records::decode_header(&records::encode_header(&state)).unwrap());
    let restored = builder.finish().unwrap();
    assert_eq!(restored.hosts(), state.hosts());
    assert_eq!(restored.clock(), state.clock());
    let clock = HostClock {
        boot_id: [7; 16],
        boot_ms: 2,
        at: state.clock().now,
    };
    assert_eq!(restored.clock().hosts.get(&HOST), Some(&clock));
    let hosts = restored.worker_sessions().map(|(_, session)| session.host);
    assert_eq!(hosts.collect::<Vec<_>>(), [Some(HOST)]);
}
