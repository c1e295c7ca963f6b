use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chat_model::{
    Audience, ConnectionSerial, MessageBatch, MessageNumber, NameList, Progress, StreamOffset,
    WorkerSessionId,
};

use super::*;
use crate::entry::{
    AccountChange, Action, Entry, Limits, SecretInFile, SendBatch, Timestamp, WaitingLimits,
};
use crate::journal::LogIndex;
use chat_model::{AccountId, ConnectionId, RequestName, UserSession};

const PROGRESS: Progress = Progress {
    sent: MessageNumber(300),
    acknowledged: MessageNumber(299),
    confirmed: MessageNumber(298),
};
const CONNECTION: ConnectionId = ConnectionId {
    worker_session: WorkerSessionId(3),
    serial: ConnectionSerial(70_000),
};

fn request(action: Action) -> Entry {
    Entry::Request {
        name: RequestName {
            connection: CONNECTION,
            offset: StreamOffset(400),
        },
        answered: StreamOffset(399),
        progress: PROGRESS,
        action,
    }
}

fn batch(entries: Vec<Entry>) -> Batch {
    Batch {
        timestamp: Timestamp {
            wall_ms: -1,
            boot_ms: 1_000_000,
            boot_id: *b"0123456789abcdef",
        },
        origin: None,
        entries,
    }
}

/// With their bytes in format 3.
fn entries() -> Vec<(Entry, &'static str)> {
    let both: NameList<'_> = ["a", "b"].into_iter().collect();
    let account = AccountId(5);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    vec![
        (
            Entry::Configure(Limits::default()),
            "0100fb60eafc80969800fca0860100fc0000000432fca0860100fc00000004fb60ea",
        ),
        (
            Entry::BeginWorkerSession {
                secret: [1; 16],
                pid: 4119,
                host: None,
            },
            "010101010101010101010101010101010101fb1710",
        ),
        (
            Entry::EndWorkerSession {
                worker_session: WorkerSessionId(9),
            },
            "010209",
        ),
        (
            Entry::ChangeAccounts(vec![
                AccountChange::Set {
                    name: "bob".into(),
                    secret: "s".into(),
                },
                AccountChange::Disable { name: "eve".into() },
            ]),
            "0103020003626f6201730103657665",
        ),
        (
            Entry::FileStatus(vec![SecretInFile {
                account,
                secret_version: 2,
            }]),
            "0104010502",
        ),
        (
            request(Action::Register {
                name: "bob".into(),
                secret: "s".into(),
            }),
            "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a010003626f620173",
        ),
        (
            request(Action::LogIn {
                account,
                session: UserSession::Plain,
                address,
                password_version: 2,
                new_secret: None,
                asked_boot_ms: None,
            }),
            "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a010105007f0000010200",
        ),
        (
            request(Action::LogIn {
                account,
                session: UserSession::Plain,
                address: IpAddr::V6(Ipv6Addr::LOCALHOST),
                password_version: 2,
                new_secret: Some("n".into()),
                asked_boot_ms: None,
            }),
            "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a01010501000000000000000000000000000000010201016e",
        ),
        (
            request(Action::FailedLogIn { account, address }),
            "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a010205007f000001",
        ),
        (
            request(Action::Send {
                audience: Audience::Accounts("a b".split(' ').collect()),
                text: "hi".into(),
            }),
            "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a010303612062026869",
        ),
        (
            request(Action::Send {
                audience: Audience::Everyone,
                text: "\u{fffd}".into(),
            }),
            "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a010403efbfbd",
        ),
        (
            request(Action::LogOut),
            "010503fc70110100fb9001fb8f01fb2c01fb2b01fb2a0105",
        ),
        (
            Entry::Progress {
                connection: CONNECTION,
                progress: PROGRESS,
            },
            "010603fc70110100fb2c01fb2b01fb2a01",
        ),
        (
            Entry::Close {
                connection: CONNECTION,
                progress: PROGRESS,
            },
            "010703fc70110100fb2c01fb2b01fb2a01",
        ),
        (
            Entry::SendBatch(SendBatch {
                connection: CONNECTION,
                answered: StreamOffset(1),
                progress: PROGRESS,
                lines: MessageBatch::of([
                    (StreamOffset(300), both.names(), "hi"),
                    (StreamOffset(304), both.names(), "ho"),
                ])
                .unwrap(),
            }),
            "010803fc7011010001fb2c01fb2b01fb2a01fb2c0102000302040002076120626869686f",
        ),
        (
            Entry::LimitWaiting(WaitingLimits {
                bytes: 1_000_000,
                sender_percent: 20,
            }),
            "0109fc40420f0014",
        ),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encoded(batch: &Batch) -> Vec<u8> {
    let mut body = Vec::new();
    encode(batch, &mut body).unwrap();
    body
}

/// Bytes of the same entries in format 4.
const GOLDEN: [&str; 16] = [
    "0100fb60eafc80969800fca0860100fc0000000432fca0860100fc00000004fb60ea",
    "010201010101010101010101010101010101fb1710",
    "010309",
    "0104020003626f6201730103657665",
    "0105010502",
    "010603fc70110100fb9001fb8f01fb2c01fb2b01fb2a010003626f620173",
    "010603fc70110100fb9001fb8f01fb2c01fb2b01fb2a010105007f0000010200",
    "010603fc70110100fb9001fb8f01fb2c01fb2b01fb2a01010501000000000000000000000000000000010201016e",
    "010603fc70110100fb9001fb8f01fb2c01fb2b01fb2a010205007f000001",
    "010603fc70110100fb9001fb8f01fb2c01fb2b01fb2a010300026162020101026869",
    "010603fc70110100fb9001fb8f01fb2c01fb2b01fb2a01030103efbfbd",
    "010603fc70110100fb9001fb8f01fb2c01fb2b01fb2a0104",
    "010803fc70110100fb2c01fb2b01fb2a01",
    "010903fc70110100fb2c01fb2b01fb2a01",
    "010703fc7011010001fb2c01fb2b01fb2a01fb2c01020002020400020201010661626869686f",
    "0101fc40420f0014",
];

#[test]
fn golden_bytes_of_every_entry() {
    let empty = encoded(&batch(vec![]));
    assert_eq!(
        hex(&empty),
        "0401fc40420f003031323334353637383961626364656600"
    );
    let head = &empty[..empty.len() - 1];
    let mut found = Vec::new();
    for (entry, _) in entries() {
        let batch = batch(vec![entry]);
        let body = encoded(&batch);
        assert_eq!(&body[..head.len()], head);
        found.push(hex(&body[head.len()..]));
        assert_eq!(decode(&body), Ok(batch));
    }
    assert_eq!(found, GOLDEN);
}

#[test]
fn formats_1_to_3_are_read() {
    for (entry, golden) in entries() {
        let wanted = batch(vec![entry]);
        let mut body = encoded(&batch(vec![]));
        body.pop();
        let bytes = (0..golden.len()).step_by(2);
        body.extend(bytes.map(|at| u8::from_str_radix(&golden[at..at + 2], 16).unwrap()));
        for format in 1..=3 {
            body[0] = format;
            assert_eq!(decode(&body).as_ref(), Ok(&wanted));
        }
        body[0] = 0;
        assert_eq!(decode(&body), Err(FormatError::Unknown(0)));
    }
}

#[test]
fn golden_bytes_of_digest_and_log_base() {
    let digest = Digest::of(LogIndex(1), Digest::START, b"body");
    assert_eq!(hex(digest.as_bytes()), "031b0d15c553838cc69088f7ed304e5b");
    let log_base = LogBase {
        position: LogIndex(1),
        digest,
    };
    assert_eq!(
        hex(&log_base.encode()),
        "0100000000000000031b0d15c553838cc69088f7ed304e5b7136d27d517c19a2c780a5eda95c132b"
    );
    assert_eq!(LogBase::decode(&log_base.encode()), Some(log_base));
}

#[test]
fn digest_covers_content_place_and_predecessor() {
    let digest = Digest::of(LogIndex(2), Digest::START, b"body");
    assert_ne!(digest, Digest::of(LogIndex(3), Digest::START, b"body"));
    assert_ne!(digest, Digest::of(LogIndex(2), digest, b"body"));
    assert_ne!(digest, Digest::of(LogIndex(2), Digest::START, b"bodz"));
    assert_eq!(Digest::from_bytes(digest.as_bytes()), Some(digest));
    assert_eq!(Digest::from_bytes(b"short"), None);
}

#[test]
fn other_format_differs_from_damage() {
    let mut body = encoded(&batch(vec![request(Action::LogOut)]));
    body.push(0);
    assert_eq!(decode(&body), Err(FormatError::Malformed));
    body.truncate(body.len() - 2);
    assert_eq!(decode(&body), Err(FormatError::Malformed));
    body[0] = FORMAT + 1;
    assert_eq!(decode(&body), Err(FormatError::Unknown(FORMAT + 1)));
    assert_eq!(decode(&[]), Err(FormatError::Malformed));
}

#[test]
fn length_beyond_limit_allocates_nothing() {
    let mut body = encoded(&batch(vec![]));
    body.pop();
    body.extend_from_slice(&[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(decode(&body), Err(FormatError::Malformed));
}

#[test]
fn oversized_batch_leaves_buffer_unchanged() {
    let text = "x".repeat(MAX_BODY_BYTES);
    let mut body = b"before".to_vec();
    let result = encode(
        &batch(vec![request(Action::Send {
            audience: Audience::Everyone,
            text,
        })]),
        &mut body,
    );
    assert_eq!(result, Err(FormatError::TooLarge));
    assert_eq!(body, b"before");
}
