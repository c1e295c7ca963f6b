use std::fs;
use std::path::Path;

use chat_model::{
    AccountId, ConnectionSerial, MessageNumber, NameList, Outcome, StreamOffset, WorkerSessionId,
};

use super::WaitingLimits;
use super::state::{Account, Header, Message};
use crate::checkpoint::CheckpointSnapshot;
use crate::entry::Limits;
use crate::records::encoding::{decode, encode_behind};
use crate::state::parts::{
    self, Clock, ConnectionParts, FailureRecord, KeptFailure, Reader, Source, StateMs,
};

const GOLDEN_HEADER: &str = "fb60eafc80969800fca0860100fc0000000432fca0860100fc00000004fb60ea00fb2c010205007f0000010002\
    01020305007f00000101040407010701010101010101010101010101010101fb171002010d01010b0200000300\
    010400020500030600040701050908010601036576650900050a00060b00070c0008020109021401010c020000\
    0300010400020500030600040701050908010601036576650900050a00060b00070c00080d0009fcffffffff00\
    06";

fn encoded<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_behind(&mut bytes, value);
    bytes
}

/// The record once more, read and written in its format.
fn written_again(table: u8, key: u64, value: &[u8]) -> Option<Vec<u8>> {
    Some(match (table, key) {
        (0, 0) => encoded(&decode::<Header>(value)?),
        (0, 1) => encoded(&decode::<WaitingLimits>(value)?),
        (1, _) => encoded(&decode::<Account<'_>>(value)?),
        (2 | 4, _) => encoded(&decode::<Vec<Message>>(value)?),
        _ => value.to_vec(),
    })
}

#[test]
fn fixtures_are_written_again_byte_for_byte() {
    for format in ["v1", "v2", "v3"] {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let dir = tempfile::tempdir().unwrap();
        let file = fixtures.join(format).join("checkpoint.db");
        fs::copy(file, dir.path().join("checkpoint.db")).unwrap();
        let checkpoint = CheckpointSnapshot::of_stopped(dir.path()).unwrap().unwrap();
        let mut records = 0;
        checkpoint
            .read(|record| {
                records += 1;
                let again = written_again(record.table, record.key, record.value);
                assert_eq!(again.as_deref(), Some(record.value), "{format}: {record:?}");
                Ok(())
            })
            .unwrap();
        assert!(records >= 5, "{format}: {records}");
    }
}

#[test]
fn golden_bytes_of_header() {
    let outcomes = [
        Outcome::PasswordNeeded,
        Outcome::NameUnavailable,
        Outcome::AlreadyLoggedIn,
        Outcome::Registered,
        Outcome::LoggedIn,
        Outcome::Locked { seconds_left: 9 },
        Outcome::Stored {
            unknown: NameList::one("eve"),
        },
        Outcome::Stored {
            unknown: NameList::new(),
        },
        Outcome::LoggedOut,
        Outcome::QueueFull,
        Outcome::Refused,
        Outcome::DiskFull,
    ];
    let connection = |last_decided, account| ConnectionParts {
        last_decided: StreamOffset(last_decided),
        answered: StreamOffset(1),
        outcomes: (2..).map(StreamOffset).zip(outcomes.clone()).collect(),
        session: account,
        was_replaced: false,
    };
    let source = Source {
        account: AccountId(5),
        address: [127, 0, 0, 1].into(),
    };
    let wanted = parts::Header {
        limits: Limits::default(),
        clock: Clock {
            last: None,
            hosts: Default::default(),
            now: StateMs(300),
        },
        failures: vec![
            KeptFailure {
                source,
                record: FailureRecord::Failed(vec![StateMs(1), StateMs(2)]),
                expiry: StateMs(3),
            },
            KeptFailure {
                source,
                record: FailureRecord::BlockedUntil(StateMs(4)),
                expiry: StateMs(4),
            },
        ],
        last_worker_session: 7,
        worker_sessions: vec![parts::WorkerSessionParts {
            id: WorkerSessionId(7),
            secret: [1; 16],
            pid: 4119,
            connections: vec![
                (
                    ConnectionSerial(1),
                    connection(13, Some(Reader::first(AccountId(2)).into())),
                ),
                (ConnectionSerial(2), connection(20, None)),
            ],
        }],
        last_message: parts::LastMessage {
            number: MessageNumber(6),
            time_ms: 0,
        },
    };
    let bytes: Vec<u8> = (0..GOLDEN_HEADER.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&GOLDEN_HEADER[at..at + 2], 16).unwrap())
        .collect();
    assert_eq!(written_again(0, 0, &bytes).as_deref(), Some(&bytes[..]));
    let header = parts::Header::from(decode::<Header>(&bytes).unwrap());
    assert_eq!(format!("{header:?}"), format!("{wanted:?}"));
}
