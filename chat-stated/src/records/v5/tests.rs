use chat_model::AccountId;

use crate::entry::{Batch, Entry, OperatorAct, Timestamp};
use crate::journal::format::{decode, encode};

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

fn acts() -> Vec<OperatorAct> {
    vec![
        OperatorAct::LiftBlocks {
            account: Some(AccountId(300)),
            address: Some([127, 0, 0, 1].into()),
        },
        OperatorAct::LiftBlocks {
            account: None,
            address: None,
        },
    ]
}

/// Bytes of each act with the ticket 9.
const GOLDEN: [&str; 2] = ["0101090001fb2c0101007f000001", "010109000000"];

#[test]
fn golden_bytes_of_every_act() {
    let head = {
        let mut body = Vec::new();
        encode(&batch(vec![]), &mut body).unwrap();
        body[0] = 5;
        body.pop();
        body
    };
    let mut found = Vec::new();
    for act in acts() {
        let batch = batch(vec![Entry::Operate { ticket: 9, act }]);
        let mut body = Vec::new();
        encode(&batch, &mut body).unwrap();
        assert_eq!(body[..head.len()], head);
        found.push(hex(&body[head.len()..]));
        assert_eq!(decode(&body), Ok(batch));
    }
    assert_eq!(found, GOLDEN);
}

#[test]
fn entries_beside_act_are_of_format_5() {
    let end = Entry::EndWorkerSession {
        worker_session: chat_model::WorkerSessionId(9),
    };
    let mut body = Vec::new();
    encode(&batch(vec![end.clone()]), &mut body).unwrap();
    assert_eq!(body[0], 4, "the lowest that expresses it");
    let act = acts().remove(0);
    let both = batch(vec![end, Entry::Operate { ticket: 1, act }]);
    body.clear();
    encode(&both, &mut body).unwrap();
    assert_eq!(body[0], 5);
    assert_eq!(decode(&body), Ok(both));
}
