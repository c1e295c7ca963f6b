use chat_model::{
    AccountId, Audience, ConnectionId, ConnectionSerial, MessageNumber, Progress, RequestName,
    RoomAct, RoomId, StreamOffset, Treatment, WorkerSessionId,
};

use crate::entry::{
    Action, Batch, Entry, HistoryLimits, HistoryRules, OnceId, OperatorAct, RoomLimits, Timestamp,
    TokenDigest,
};
use crate::journal::format::{decode, encode};
use crate::records;
use crate::state::parts::{
    Allowance, Keeping, LastDropped, Membership, MessageParts, Readers, RememberedSend, Retained,
    RoomReaders, RoomRecord, Segment, StateMs, Token,
};

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
    let room = || "#a".to_owned();
    vec![
        Action::SendOnce {
            id: OnceId([6; 16]),
            audience: Audience::Accounts("bob eve".split(' ').collect()),
            text: "hi".into(),
        },
        Action::Send {
            audience: Audience::Mixed("#a bob".split(' ').collect()),
            text: "hi".into(),
        },
        Action::ChangeRoom {
            room: room(),
            act: RoomAct::SetTopic("x".into()),
        },
        Action::ChangeRoom {
            room: room(),
            act: RoomAct::Treat {
                treatment: Treatment::Op,
                user: "bob".into(),
            },
        },
        Action::DropRoom { room: room() },
        Action::NewToken {
            name: "a".into(),
            digest: TokenDigest([7; 32]),
        },
        Action::DropToken { name: "a".into() },
        Action::ChangePassword {
            address: [192, 0, 2, 1].into(),
            password_version: 3,
            secret: "s".into(),
        },
        Action::FailPasswordChange {
            address: [192, 0, 2, 1].into(),
        },
    ]
}

#[test]
fn golden_bytes_of_history() {
    let rules = HistoryRules { keeps_direct: true };
    let batch = batch(vec![Entry::KeepHistory(rules)]);
    let mut body = Vec::new();
    encode(&batch, &mut body).unwrap();
    assert_eq!(body[0], 6);
    assert!(hex(&body).ends_with("010401"), "{}", hex(&body));
    assert_eq!(decode(&body).unwrap(), batch);
    let mut keeping = Keeping {
        rules,
        last: MessageNumber(300),
        ..Keeping::default()
    };
    let record = records::encode_keeping(&keeping);
    assert_eq!(hex(&record), "ff0601fb2c01");
    assert_eq!(records::decode_keeping(&record).as_ref(), Some(&keeping));
    assert_eq!(records::decode_keeping(&[0xff, 5, 1, 1]), None);
    keeping.limits = limits();
    keeping.direct = retained();
    let record = records::encode_keeping(&keeping);
    assert_eq!(hex(&record), "ff0601fb2c0101020304050601070908fb2c01");
    assert_eq!(records::decode_keeping(&record), Some(keeping));
    assert_eq!(records::decode_keeping(&record[..record.len() - 1]), None);
}

fn limits() -> HistoryLimits {
    HistoryLimits {
        kept_ms: 1,
        most_kept_ms: 2,
        room_bytes: 3,
        direct_bytes: 4,
    }
}

fn retained() -> Retained {
    let segment = Segment {
        last: MessageNumber(7),
        last_at: StateMs(9),
        first_at: StateMs(8),
        bytes: 300,
    };
    Retained::of(MessageNumber(5), StateMs(6), vec![segment])
}

#[test]
fn golden_bytes_of_limits_of_history() {
    let batch = batch(vec![Entry::LimitHistory(limits())]);
    let mut body = Vec::new();
    encode(&batch, &mut body).unwrap();
    assert_eq!(body[0], 6);
    assert!(hex(&body).ends_with("010501020304"), "{}", hex(&body));
    assert_eq!(decode(&body).unwrap(), batch);
}

/// Bytes of each action behind the head of a batch with one entry.
const GOLDEN: [&str; 9] = [
    "01010105fb2c01090000000006060606060606060606060606060606000006626f62657665020303026869",
    "01010105fb2c01090000000301052361626f62020203026869",
    "01010105fb2c010900000004022361020178",
    "01010105fb2c010900000004022361060403626f62",
    "01010105fb2c01090000000a022361",
    "01010105fb2c01090000000501610707070707070707070707070707070707070707070707070707070707070707",
    "01010105fb2c0109000000060161",
    "01010105fb2c01090000000700c0000201030173",
    "01010105fb2c01090000000800c0000201",
];

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
fn golden_bytes_of_every_act_of_operators() {
    let acts = [
        OperatorAct::DropRoom { room: RoomId(7) },
        OperatorAct::SetRoomRetention {
            room: RoomId(7),
            days: 300,
        },
        OperatorAct::DropToken {
            account: AccountId(7),
            name: "a".into(),
        },
    ];
    let golden = ["01060900 07", "01060901 07fb2c01", "01060902 070161"];
    for (act, golden) in acts.into_iter().zip(golden) {
        let batch = batch(vec![Entry::Operate { ticket: 9, act }]);
        let mut body = Vec::new();
        encode(&batch, &mut body).unwrap();
        assert_eq!(body[0], 6);
        let golden = golden.replace(' ', "");
        assert!(hex(&body).ends_with(&golden), "{}", hex(&body));
        assert_eq!(decode(&body), Ok(batch));
    }
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

#[test]
fn golden_bytes_of_limits_of_rooms() {
    let entry = Entry::LimitRooms(RoomLimits {
        rooms: 1,
        rooms_of_user: 2,
        members: 3,
        listed: 4,
        sends_per_minute: 5,
        queue_messages: 6,
    });
    let batch = batch(vec![entry]);
    let mut body = Vec::new();
    encode(&batch, &mut body).unwrap();
    assert_eq!(body[0], 6);
    assert!(hex(&body).ends_with("0103010203040506"), "{}", hex(&body));
    assert_eq!(decode(&body), Ok(batch));
}

#[test]
fn golden_bytes_of_room() {
    let mut room = RoomRecord {
        name: "#a".into(),
        owner: AccountId(1),
        operators: vec![AccountId(2)],
        is_private: true,
        invited: vec![AccountId(3)],
        banned: vec![AccountId(4)],
        topic: "t".into(),
        retention_days: Some(90),
        retained: Retained::default(),
        messages: 7,
        members: 5,
        dropped: Some(LastDropped {
            number: MessageNumber(6),
            time_ms: 8,
            sequence: 4,
        }),
        sends: Allowance::default(),
    };
    let bytes = records::encode_room(&room);
    assert_eq!(
        hex(&bytes),
        "ff0602236101010201010301040174015a07050106100400"
    );
    assert_eq!(records::decode_room(&bytes).as_ref(), Some(&room));
    room.retained = retained();
    let bytes = records::encode_room(&room);
    assert!(
        hex(&bytes).ends_with("0400050601070908fb2c01"),
        "{}",
        hex(&bytes)
    );
    assert_eq!(records::decode_room(&bytes), Some(room));
    assert_eq!(records::decode_room(&bytes[..bytes.len() - 1]), None);
}

#[test]
fn golden_bytes_of_memberships() {
    let memberships = vec![Membership {
        room: RoomId(2),
        order: 3,
        joined_after: MessageNumber(4),
        counted: 5,
    }];
    let bytes = records::encode_memberships(&memberships);
    assert_eq!(hex(&bytes), "ff060102030405");
    assert_eq!(records::decode_memberships(&bytes), Some(memberships));
}

#[test]
fn golden_bytes_of_page_with_room() {
    let readers = RoomReaders {
        rooms: [(RoomId(1), 5)].into_iter().collect(),
        accounts: [AccountId(7)].into(),
        accounts_before: Box::default(),
        notice_of: None,
    };
    let message = MessageParts {
        number: MessageNumber(4),
        sender: AccountId(2),
        time_ms: 8,
        text_bytes: 3,
        readers: Readers::Rooms(readers.into()),
    };
    let bytes = records::encode_page([message.as_ref()].into_iter());
    assert_eq!(hex(&bytes), "ff06010104021003010105010700");
    assert_eq!(records::decode_page(&bytes), Some(vec![message]));
}

#[test]
fn golden_bytes_of_page_with_mixed_order() {
    let readers = RoomReaders {
        rooms: [(RoomId(1), 5)].into_iter().collect(),
        accounts: [AccountId(7), AccountId(3)].into(),
        accounts_before: [1].into(),
        notice_of: None,
    };
    let message = MessageParts {
        number: MessageNumber(4),
        sender: AccountId(2),
        time_ms: 8,
        text_bytes: 3,
        readers: Readers::Rooms(readers.into()),
    };
    let bytes = records::encode_page([message.as_ref()].into_iter());
    assert_eq!(hex(&bytes), "ff060102040210030101050207030101");
    assert_eq!(records::decode_page(&bytes), Some(vec![message]));
}

#[test]
fn golden_bytes_of_tokens() {
    let token = |name: &str, byte| Token {
        name: name.into(),
        digest: TokenDigest([byte; 32]),
    };
    let tokens = vec![token("a", 1), token("b-2", 2)];
    let bytes = records::encode_tokens(&tokens);
    let digests = ["01", "02"].map(|byte| byte.repeat(32));
    let expected = format!("ff06020161{}03622d32{}", digests[0], digests[1]);
    assert_eq!(hex(&bytes), expected);
    assert_eq!(records::decode_tokens(&bytes), Some(tokens));
}
