use chat_model::{
    Audience, ConnectionId, ConnectionSerial, Progress, RequestName, StreamOffset, WorkerSessionId,
};

use crate::entry::{Action, Batch, Entry, OnceId, Timestamp};
use crate::journal::format::{decode, encode};
use crate::records;
use crate::state::parts::{RememberedSend, StateMs};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn batch(entries: Vec<Entry>) -> Batch {
    let timestamp = Timestamp {
        wall_ms: -1,
        boot_ms: 2,
        boot_id: [7; 16],
    };
    Batch { timestamp, entries }
}

fn request(action: Action) -> Entry {
    let connection = ConnectionId {
        worker_session: WorkerSessionId(1),
        serial: ConnectionSerial(5),
    };
    Entry::Request {
        name: RequestName {
            connection,
            offset: StreamOffset(300),
        },
        answered: StreamOffset(9),
        progress: Progress::default(),
        action,
    }
}

fn actions() -> Vec<Action> {
    vec![Action::SendOnce {
        id: OnceId([6; 16]),
        audience: Audience::Accounts("bob eve".split(' ').collect()),
        text: "hi".into(),
    }]
}

/// Bytes of each action behind the head of a batch with one entry.
const GOLDEN: [&str; 1] =
    ["01010105fb2c010900000000060606060606060606060606060606060006626f62657665020303026869"];

#[test]
fn golden_bytes_of_every_action() {
    let head = {
        let mut body = Vec::new();
        encode(&batch(vec![]), &mut body).unwrap();
        body[0] = 6;
        body.pop();
        body
    };
    let mut found = Vec::new();
    for action in actions() {
        let batch = batch(vec![request(action)]);
        let mut body = Vec::new();
        encode(&batch, &mut body).unwrap();
        assert_eq!(body[..head.len()], head);
        found.push(hex(&body[head.len()..]));
        assert_eq!(decode(&body), Ok(batch));
    }
    assert_eq!(found, GOLDEN);
}

#[test]
fn entries_beside_action_are_of_format_6() {
    let log_out = request(Action::LogOut);
    let mut body = Vec::new();
    encode(&batch(vec![log_out.clone()]), &mut body).unwrap();
    assert_eq!(body[0], 4, "the lowest that expresses it");
    let both = batch(vec![log_out, request(actions().remove(0))]);
    body.clear();
    encode(&both, &mut body).unwrap();
    assert_eq!(body[0], 6);
    assert_eq!(decode(&body), Ok(both));
}

#[test]
fn golden_bytes_of_messages_sent_once() {
    let send = |id, unknown: &[&str]| RememberedSend {
        id: OnceId([id; 16]),
        at: StateMs(7),
        unknown: (!unknown.is_empty()).then(|| Box::new(unknown.iter().copied().collect())),
    };
    let page = vec![send(1, &[]), send(2, &["eve", "x"])];
    let bytes = records::encode_once_page(&page);
    assert_eq!(
        hex(&bytes),
        "ff060201010101010101010101010101010101070002020202020202020202020202020202070203\
         6576650178"
    );
    assert_eq!(records::decode_once_page(&bytes), Some(page));
    assert_eq!(records::decode_once_page(&bytes[..bytes.len() - 1]), None);
}
