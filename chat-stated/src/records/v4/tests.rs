use chat_model::{
    AccountId, Audience, ConnectionSerial, MessageNumber, StreamOffset, WorkerSessionId,
};

use crate::entry::{AccountChange, Action, Entry, Limits, Timestamp, WaitingLimits};
use crate::records;
use crate::state::parts::{Group, MessageParts, Readers};
use crate::state::{Effects, State};
use chat_model::{ConnectionId, Progress, RequestName, UserSession};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const CONNECTION: ConnectionId = ConnectionId {
    worker_session: WorkerSessionId(1),
    serial: ConnectionSerial(5),
};

fn request(offset: u64, action: Action) -> Entry {
    Entry::Request {
        name: RequestName {
            connection: CONNECTION,
            offset: StreamOffset(offset),
        },
        answered: StreamOffset(0),
        progress: Progress::default(),
        action,
    }
}

/// Two accounts; one is logged in, has one answer that says more than what it is, and one wrong password.
fn state() -> State {
    let mut state = State::default();
    let address = [127, 0, 0, 1].into();
    let account = AccountId(0);
    let timestamp = Timestamp {
        wall_ms: 1_795_000_000_000,
        boot_ms: 1_000_000,
        boot_id: [7; 16],
    };
    state.advance_clock(&timestamp, None, &mut Effects::default());
    let set = |name: &str| AccountChange::Set {
        name: name.into(),
        secret: "s".into(),
    };
    let log_in = Action::LogIn {
        account,
        session: UserSession::Plain,
        address,
        password_version: 0,
        new_secret: None,
        asked_boot_ms: None,
    };
    let send = Action::Send {
        audience: Audience::Accounts("bob eve".split(' ').collect()),
        text: "hi".into(),
    };
    for entry in [
        Entry::Configure(Limits::default()),
        Entry::BeginWorkerSession {
            secret: [1; 16],
            pid: 4119,
            host: None,
        },
        Entry::ChangeAccounts(vec![set("ann"), set("bob")]),
        request(9, Action::FailedLogIn { account, address }),
        request(
            10,
            Action::FailedLogIn {
                account: AccountId(1),
                address,
            },
        ),
        request(20, log_in),
        request(30, send),
    ] {
        state.apply(entry, 1_795_000_000_000, &mut Effects::default());
    }
    state
}

#[test]
fn golden_bytes_of_header() {
    let bytes = records::encode_header(&state());
    assert_eq!(
        hex(&bytes),
        "ff04fb60eafc80969800fca0860100fc0000000432fca0860100fc00000004fb60ea01fd00bcacdc\
         43030000fc40420f00070707070707070707070707070707070001fd00bcacdc4303000001010101\
         007f000001000100fb60ea0101010101010101010101010101010101fb171001051e000409000a00\
         14041e0601036576650100"
    );
    let header = records::decode_header(&bytes).expect("it was just written");
    assert_eq!(header.last_message.number, MessageNumber(1));
    assert_eq!(header.last_message.time_ms, 1_795_000_000_000);
    let connection = &header.worker_sessions[0].connections[0].1;
    assert_eq!(connection.outcomes.len(), 4);
}

#[test]
fn golden_bytes_of_account() {
    let state = state();
    let account = state.record(AccountId(0)).expect("it was made");
    let bytes = records::encode_account(account);
    assert_eq!(hex(&bytes), "ff0403616e6e01730000000000000000010105");
    assert_eq!(records::decode_account(&bytes).as_ref(), Some(account));
}

#[test]
fn golden_bytes_of_page() {
    let group: Group = [AccountId(1), AccountId(300)].as_slice().into();
    let readers = [
        Readers::One(AccountId(2)),
        Readers::Some(group.clone()),
        Readers::AllButSender,
        Readers::Some(group),
    ];
    let messages = (1..).zip(readers).map(|(number, readers)| MessageParts {
        number: MessageNumber(number),
        sender: AccountId(3),
        time_ms: 1_795_000_000_000 + number as i64,
        text_bytes: 4,
        readers,
    });
    let messages: Vec<_> = messages.collect();
    let bytes = records::encode_page(messages.iter().map(MessageParts::as_ref));
    assert_eq!(
        hex(&bytes),
        "ff04040103fd02bcacdc430300000400020203fd04bcacdc4303000004010201fb2c010303fd06bc\
         acdc4303000004020403fd08bcacdc430300000403"
    );
    assert_eq!(records::decode_page(&bytes), Some(messages));
}

#[test]
fn golden_bytes_of_waiting_limits() {
    let limits = WaitingLimits {
        bytes: 1_000_000,
        sender_percent: 20,
    };
    let bytes = records::encode_waiting_limits(&limits);
    assert_eq!(hex(&bytes), "ff04fc40420f0014");
    assert_eq!(records::decode_waiting_limits(&bytes), Some(limits));
}
