use chat_model::AccountId;

use crate::entry::{AccountChange, Batch, Entry, OperatorAct, Timestamp};
use crate::journal::format::{decode, encode};
use crate::records;
use crate::state::{Effects, State};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn batch(entries: Vec<Entry>) -> Batch {
    let timestamp = Timestamp {
        wall_ms: -1,
        boot_ms: 2,
        boot_id: [7; 16],
    };
    Batch {
        timestamp,
        origin: None,
        entries,
    }
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
        OperatorAct::TakeAccountFile(vec![AccountChange::Disable { name: "bob".into() }]),
        OperatorAct::AddAccount {
            name: "bob".into(),
            secret: "s".into(),
        },
        OperatorAct::SetPassword {
            account: AccountId(5),
            secret: "s".into(),
        },
        OperatorAct::DisableAccount {
            account: AccountId(5),
        },
        OperatorAct::EnableAccount {
            account: AccountId(5),
        },
        OperatorAct::ForgetAccount {
            account: AccountId(5),
        },
        OperatorAct::Announce {
            sender: AccountId(5),
            text: "hi".into(),
        },
    ]
}

/// Bytes of each act with the ticket 9.
const GOLDEN: [&str; 9] = [
    "0101090001fb2c0101007f000001",
    "010109000000",
    "01010901010103626f62",
    "0101090203626f620173",
    "01010903050173",
    "0101090405",
    "0101090505",
    "0101090605",
    "0101090705026869",
];

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

#[test]
fn golden_bytes_of_account_without_broadcasts() {
    let mut state = State::default();
    let set = AccountChange::Set {
        name: "bob".into(),
        secret: "s".into(),
    };
    let disable = AccountChange::Disable { name: "bob".into() };
    for (change, golden) in [
        (set, "ff0403626f620173000000000000000000"),
        (disable, "ff0503626f62017300000001000000000000"),
    ] {
        let act = OperatorAct::TakeAccountFile(vec![change]);
        let entry = Entry::Operate { ticket: 0, act };
        state.apply(entry, 0, &mut Effects::default());
        let (_, account) = state.account("bob").expect("it was made");
        let bytes = records::encode_account(account);
        assert_eq!(hex(&bytes), golden);
        assert_eq!(records::decode_account(&bytes).as_ref(), Some(account));
    }
}
