//! The encoding of every item, byte by byte: a change that these notice needs a new [`VERSION`].
//!
//! [`VERSION`]: crate::VERSION

use chat_model::{HistorySpan, MessageBatchBuilder, Password, RoomAct, SentTo, Treatment};

use super::*;
use crate::frame::{decode_one, encode_one};

const PROGRESS: Progress = Progress {
    sent: MessageNumber(3),
    acknowledged: MessageNumber(2),
    confirmed: MessageNumber(1),
};
const CONNECTION: ConnectionSerial = ConnectionSerial(7);
const OFFSET: StreamOffset = StreamOffset(300);

fn request(request: Request<'_>) -> FromWorker<'_> {
    FromWorker::Request(RequestItem {
        connection: CONNECTION,
        offset: OFFSET,
        answered: StreamOffset(4),
        progress: PROGRESS,
        request,
    })
}

fn names() -> NameList<'static> {
    ["ann", "bob"].into_iter().collect()
}

fn requests() -> [Request<'static>; 23] {
    let (name, address) = (|| "ann".into(), [192, 0, 2, 1].into());
    let password = Password::borrowed(b"\xff");
    [
        Request::Identify {
            name: name(),
            address,
        },
        Request::Register {
            name: name(),
            password: password.clone(),
            address,
        },
        Request::LogIn {
            name: name(),
            password,
            address,
            asked_boot_ms: 9,
        },
        Request::Send {
            audience: Audience::Accounts(names()),
            text: "hi".into(),
        },
        Request::Fetch,
        Request::ListUsers {
            seen_within_minutes: Some(5),
        },
        Request::SetPush { on: true },
        Request::LogOut,
        Request::NewToken {
            name: name(),
            secret: Password::borrowed(b"\xff"),
        },
        Request::DropToken { name: name() },
        Request::ListTokens,
        Request::SendOnce {
            id: "x".into(),
            audience: Audience::Accounts(names()),
            text: "hi".into(),
        },
        Request::ListSessions,
        Request::DropSession { name: Some(name()) },
        Request::Send {
            audience: Audience::Mixed(names()),
            text: "hi".into(),
        },
        Request::ChangeRoom {
            room: "#a".into(),
            act: RoomAct::Treat {
                treatment: Treatment::Kick,
                user: "bob".into(),
            },
        },
        Request::ListRooms { all: true },
        Request::ListMembers { room: "#a".into() },
        Request::ShowTopic { room: "#a".into() },
        Request::History {
            of: "bob".into(),
            span: HistorySpan::Before(MessageNumber(5)),
            count: 50,
        },
        Request::Search {
            of: Some("bob".into()),
            words: "hi".into(),
        },
        Request::ChangePassword {
            current: Password::borrowed(b"\xff"),
            new: Password::borrowed(b"ab"),
            address,
        },
        Request::NameGroups,
    ]
}

fn batch() -> MessageBatch {
    let (names, mut builder) = (names(), MessageBatchBuilder::default());
    assert!(builder.push(OFFSET, names.names(), "hi"));
    assert!(builder.push(StreamOffset(310), names.names(), "you"));
    builder.batch().clone()
}

fn outcomes() -> [Outcome<'static>; 21] {
    let seconds_left = 59;
    [
        Outcome::PasswordNeeded,
        Outcome::NameFree,
        Outcome::NameUnavailable,
        Outcome::AlreadyLoggedIn,
        Outcome::Blocked { seconds_left },
        Outcome::Registered,
        Outcome::LoggedIn,
        Outcome::Locked { seconds_left },
        Outcome::Stored {
            unknown: NameList::one("zoe"),
        },
        Outcome::Done,
        Outcome::Users(names()),
        Outcome::LoggedOut,
        Outcome::QueueFull,
        Outcome::DiskFull,
        Outcome::Busy,
        Outcome::Refused,
        Outcome::Sessions {
            online: names(),
            offline: NameList::one("zoe"),
        },
        Outcome::SessionDropped,
        Outcome::NotFound,
        Outcome::Denied,
        Outcome::Topic("t".into()),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks that an item has these bytes, and that they are read as the same item.
macro_rules! check {
    ($item:expr, $golden:expr) => {
        let bytes = encode_one(&$item).unwrap();
        assert_eq!(hex(&bytes), $golden, "{:?}", $item);
        assert_eq!(decode_one(&bytes), Ok($item));
    };
}

const GOLDEN_REQUESTS: [&str; 23] = [
    "0107fb2c01040302010003616e6e00c0000201",
    "0107fb2c01040302010103616e6e01ff00c0000201",
    "0107fb2c01040302010203616e6e01ff00c000020109",
    "0107fb2c0104030201030006616e6e626f62020303026869",
    "0107fb2c010403020104",
    "0107fb2c0104030201050105",
    "0107fb2c01040302010601",
    "0107fb2c010403020107",
    "0107fb2c01040302010803616e6e01ff",
    "0107fb2c01040302010903616e6e",
    "0107fb2c01040302010a",
    "0107fb2c01040302010b01780006616e6e626f62020303026869",
    "0107fb2c01040302010c",
    "0107fb2c01040302010d0103616e6e",
    "0107fb2c0104030201030206616e6e626f62020303026869",
    "0107fb2c01040302010e022361060103626f62",
    "0107fb2c01040302010f01",
    "0107fb2c010403020110022361",
    "0107fb2c010403020111022361",
    "0107fb2c01040302011203626f62010532",
    "0107fb2c0104030201130103626f62026869",
    "0107fb2c01040302011401ff02616200c0000201",
    "0107fb2c010403020115",
];

#[test]
fn golden_bytes_of_requests() {
    for (one, golden) in requests().into_iter().zip(GOLDEN_REQUESTS) {
        check!(request(one.clone()), golden);
    }
}

/// In the order of [`outcomes`].
const GOLDEN_OUTCOMES: [&str; 21] = [
    "00",
    "01",
    "02",
    "03",
    "043b",
    "05",
    "06",
    "073b",
    "08037a6f650103",
    "09",
    "0a06616e6e626f62020303",
    "0b",
    "0c",
    "0d",
    "0e",
    "0f",
    "1006616e6e626f62020303037a6f650103",
    "11",
    "12",
    "13",
    "140174",
];

#[test]
fn golden_bytes_of_outcomes() {
    for (outcome, golden) in outcomes().into_iter().zip(GOLDEN_OUTCOMES) {
        check!(outcome.clone(), golden);
    }
}

#[test]
fn golden_bytes_of_what_workers_say() {
    let connections = vec![ResumedConnection {
        connection: CONNECTION,
        answered: OFFSET,
        progress: PROGRESS,
        taken: MessageNumber(5),
        push: true,
        names_groups: false,
    }];
    check!(
        FromWorker::Resume {
            connections: connections.clone()
        },
        "000107fb2c01030201050100"
    );
    let page = || FromWorker::Page {
        connection: CONNECTION,
        after: MessageNumber(3),
        through: MessageNumber(9),
    };
    check!(page(), "02070309");
    let (connection, progress) = (CONNECTION, PROGRESS);
    check!(
        FromWorker::Progress {
            connection,
            progress
        },
        "0307030201"
    );
    check!(
        FromWorker::ClientClosed {
            connection,
            progress
        },
        "0407030201"
    );
    let connected = || FromWorker::ClientConnected {
        connection,
        address: [192, 0, 2, 1].into(),
        is_known: false,
    };
    check!(connected(), "050700c000020100");
    let send_batch = || {
        FromWorker::SendBatch(SendBatch {
            connection,
            answered: StreamOffset(4),
            progress,
            lines: Cow::Owned(batch()),
        })
    };
    check!(
        send_batch(),
        "060704030201fb2c01020002020a00030203030b616e6e626f626869796f75"
    );
}

#[test]
fn golden_bytes_of_recipients() {
    for (sent_to, golden) in [
        (SentTo::People, "00"),
        (SentTo::Room("#a"), "01022361"),
        (SentTo::NoticeOf("#a"), "02022361"),
        (SentTo::GapIn("#a", 9), "0302236109"),
        (SentTo::Everyone, "04"),
        (SentTo::Group("ann #a".into()), "0506616e6e202361"),
    ] {
        let bytes = encode_one(&sent_to).unwrap();
        assert_eq!(hex(&bytes), golden);
        assert_eq!(decode_one(&bytes), Ok(sent_to));
    }
}

#[test]
fn golden_bytes_of_what_daemon_says() {
    let connection = CONNECTION;
    let messages = || {
        vec![Message {
            number: MessageNumber(4),
            time_ms: 1_795_346_311_250,
            sender: "bob",
            sent_to: SentTo::People,
            text: "hi",
        }]
    };
    let (through, more) = (MessageNumber(9), true);
    let reply = || ToWorker::Reply {
        connection,
        offset: OFFSET,
        outcome: Outcome::Done,
        messages: messages(),
        through,
        more,
    };
    check!(
        reply(),
        "0007fb2c01090104fda450f5054403000003626f62000268690901"
    );
    let push = || ToWorker::Push {
        connections: vec![connection],
        messages: messages(),
        through,
        more,
    };
    check!(push(), "0101070104fda450f5054403000003626f62000268690901");
    let page = || ToWorker::Page {
        connection,
        messages: messages(),
        more,
    };
    check!(page(), "02070104fda450f5054403000003626f620002686901");
    check!(ToWorker::Kick { connection }, "0307");
    check!(ToWorker::Reject { connection }, "0407");
    let stored = || ToWorker::Stored {
        connection,
        first: OFFSET,
        last: StreamOffset(310),
        through,
        more,
    };
    check!(stored(), "0507fb2c01fb36010901");
    let users = || ToWorker::Users {
        requests: vec![UsersRequest {
            connection,
            offset: OFFSET,
            through,
            more,
        }],
        names: names(),
    };
    check!(users(), "060107fb2c01090106616e6e626f62020303");
    check!(ToWorker::Replaced { connection }, "0707");
    let kept = || ToWorker::Kept {
        request: UsersRequest {
            connection,
            offset: OFFSET,
            through,
            more,
        },
        is_search: true,
        has_more: false,
        messages: messages(),
    };
    check!(
        kept(),
        "0807fb2c01090101000104fda450f5054403000003626f6200026869"
    );
}

#[test]
fn list_of_endless_length_is_refused() {
    // A list of names that says it has 2^63 of them.
    let bytes = [&[8, 0, 0xfd][..], &(1_u64 << 63).to_le_bytes(), &[1]].concat();
    assert_eq!(
        decode_one::<Outcome<'_>>(&bytes),
        Err(crate::FrameError::Malformed)
    );
}
