//! The core with a daemon that the tests play: lines that came at once, and what is due when.

use std::net::{IpAddr, Ipv4Addr};

use chat_model::{
    ConnectionSerial, Message, MessageNumber, Outcome, Request, StreamOffset, WorkerSessionId,
};
use chat_node::limits::network::Networks;
use chat_node::limits::token_bucket::Rate;
use chat_rpc::{
    FrameReader, FrameWriter, FromWorker, Greeting, ResumeToken, ToWorker, decode_items,
};

use super::{ClientKey, Core, CoreSettings, Observation, SessionLimits, UnauthenticatedLimits};

const MAX_UNREAD_BYTES: usize = 100;
const LOGIN_MS: u64 = 50_000;
const TIME_OUT_MS: u64 = 100_000;

fn say(core: &mut Core, said: &mut FrameWriter) {
    core.daemon_received(said.pending()).unwrap();
    said.advance(said.pending_bytes());
}

/// What the loop does with a client that was listed, and whose TCP takes everything.
fn serve_listed(core: &mut Core) -> usize {
    let mut received_bytes = 0;
    while let Some(key) = core.next_listed() {
        for _ in 0..2 {
            core.serve(key);
            received_bytes += take_output(core, key);
        }
    }
    received_bytes
}

fn take_output(core: &mut Core, key: ClientKey) -> usize {
    let output = core.output(key).unwrap();
    let bytes = output.pending().len();
    if bytes > 0 {
        output.advance(bytes);
        core.wrote(key);
    }
    bytes
}

/// Who asks the daemon something.
fn asking(core: &mut Core) -> ConnectionSerial {
    let mut reader = FrameReader::default();
    reader.extend(core.link_output().pending());
    reader.next_frame().unwrap().expect("the hello");
    let items = reader.next_frame().unwrap().expect("a request");
    decode_items::<FromWorker<'_>>(items)
        .find_map(|item| match item.unwrap() {
            FromWorker::Request(request) => Some(request.connection),
            _ => None,
        })
        .expect("a request")
}

/// A worker that the daemon serves, and what the daemon says to it.
fn attached() -> (Core, FrameWriter) {
    let settings = CoreSettings {
        limits: SessionLimits {
            max_line_bytes: 64,
            max_unread_bytes: MAX_UNREAD_BYTES,
            max_recipients: 1,
            time_out_ms: TIME_OUT_MS,
        },
        unauthenticated: UnauthenticatedLimits {
            trusted: Networks::LOOPBACK.parse().unwrap(),
            login_ms: LOGIN_MS,
            lines: Rate::new(1, 1_000, 1),
        },
        max_held_bytes: usize::MAX,
        secret_seed: [7; 32],
    };
    let mut core = Core::new(settings, 0);
    core.daemon_connected().unwrap();
    let credential = ResumeToken {
        worker_session: WorkerSessionId(1),
        secret: [1; 16],
    };
    let mut said = FrameWriter::default();
    said.push_frame(&Greeting::Attached(credential).encode().unwrap());
    say(&mut core, &mut said);
    (core, said)
}

/// The daemon answers the line that ends there.
fn reply(
    core: &mut Core,
    said: &mut FrameWriter,
    connection: ConnectionSerial,
    offset: u64,
    outcome: Outcome<'_>,
) {
    let reply = ToWorker::Reply {
        connection,
        offset: StreamOffset(offset),
        outcome,
        messages: vec![],
        through: MessageNumber::default(),
        more: false,
    };
    said.push(&reply).unwrap();
    say(core, said);
}

/// How far its reader is said to have come with the logout, if that was asked for.
fn had_at_logout(core: &mut Core) -> Option<MessageNumber> {
    let mut reader = FrameReader::default();
    reader.extend(core.link_output().pending());
    reader.next_frame().unwrap().expect("the hello");
    while let Some(items) = reader.next_frame().unwrap() {
        for item in decode_items::<FromWorker<'_>>(items) {
            if let FromWorker::Request(request) = item.unwrap()
                && request.request == Request::LogOut
            {
                return Some(request.progress.confirmed);
            }
        }
    }
    None
}

/// A client that has given its name, and all that it sent with it; who asks for it.
fn opened(core: &mut Core, sent: &[u8]) -> (ClientKey, ConnectionSerial) {
    opened_from(core, Ipv4Addr::LOCALHOST, sent)
}

fn opened_from(core: &mut Core, ip: Ipv4Addr, sent: &[u8]) -> (ClientKey, ConnectionSerial) {
    let key = core.open(IpAddr::V4(ip));
    serve_listed(core);
    core.received(key, sent);
    serve_listed(core);
    (key, asking(core))
}

/// Found by fuzzing: the worker answered as many lines as fitted into what may be unread twice, and no more.
#[test]
fn lines_in_one_read_are_all_answered() {
    let (mut core, mut said) = attached();
    let (key, connection) = opened(&mut core, b"ann\n");
    reply(&mut core, &mut said, connection, 4, Outcome::PasswordNeeded);
    assert_eq!(serve_listed(&mut core), "password\n".len());
    let empty_lines = 20 * MAX_UNREAD_BYTES;
    core.received(key, &b"\n".repeat(empty_lines));
    let answered = serve_listed(&mut core);
    assert_eq!(answered, empty_lines * "password\n".len());
    assert!(core.wants_input(key));
}

#[test]
fn early_password_gets_one_write() {
    let (mut core, mut said) = attached();
    let (_, connection) = opened(&mut core, b"ann\nsecret\n");
    reply(&mut core, &mut said, connection, 4, Outcome::PasswordNeeded);
    assert_eq!(serve_listed(&mut core), 0);
    reply(
        &mut core,
        &mut said,
        connection,
        11,
        Outcome::PasswordNeeded,
    );
    assert_eq!(serve_listed(&mut core), "password\npassword\n".len());
}

#[test]
fn prompt_kept_back_comes_with_the_answer() {
    let (mut core, mut said) = attached();
    let (_, connection) = opened(&mut core, b"ann\nsecret\n");
    reply(&mut core, &mut said, connection, 4, Outcome::PasswordNeeded);
    assert_eq!(serve_listed(&mut core), 0);
    said.push(&ToWorker::Reject { connection }).unwrap();
    say(&mut core, &mut said);
    assert_eq!(serve_listed(&mut core), "password\nerror:busy:\n".len());
}

/// A time for each of them would take more room than all else that is kept of one.
#[test]
fn parked_client_has_no_login_deadline() {
    let (mut core, mut said) = attached();
    let (key, connection) = opened_from(&mut core, [192, 0, 2, 1].into(), b"ann\n");
    reply(&mut core, &mut said, connection, 4, Outcome::PasswordNeeded);
    serve_listed(&mut core);
    core.begin_turn(10_000, 10_000);
    core.received(key, b"secret\n");
    serve_listed(&mut core);
    reply(&mut core, &mut said, connection, 11, Outcome::LoggedIn);
    serve_listed(&mut core);
    // The pace of its lines is as good as new.
    core.begin_turn(20_000, 20_000);
    serve_listed(&mut core);
    assert_eq!(core.next_deadline_ms(), Some(TIME_OUT_MS));
}

/// The first turn of a worker that is continued may have nothing to read.
#[test]
fn password_may_be_late_after_pause() {
    let (mut core, mut said) = attached();
    let (key, connection) = opened_from(&mut core, [192, 0, 2, 1].into(), b"ann\n");
    reply(&mut core, &mut said, connection, 4, Outcome::PasswordNeeded);
    serve_listed(&mut core);
    core.begin_turn(0, 10_000);
    core.begin_turn(0, 10_001);
    assert!(core.may_read_late_login(key));
    for boot_ms in 10_002..11_000 {
        core.begin_turn(0, boot_ms);
    }
    assert!(core.may_read_late_login(key));
    core.begin_turn(0, 11_000);
    assert!(!core.may_read_late_login(key), "it costs a question each");
}

#[test]
fn waiting_untrusted_client_costs_no_turns() {
    let (mut core, mut said) = attached();
    let untrusted = [192, 0, 2, 1].into();
    let (_, connection) = opened_from(&mut core, untrusted, b"ann\nsecret\n");
    core.begin_turn(10_000, 10_000);
    serve_listed(&mut core);
    assert_eq!(core.next_deadline_ms(), Some(LOGIN_MS));
    reply(&mut core, &mut said, connection, 4, Outcome::PasswordNeeded);
    serve_listed(&mut core);
    core.begin_turn(20_000, 20_000);
    serve_listed(&mut core);
    assert_eq!(core.next_deadline_ms(), Some(LOGIN_MS));
    reply(&mut core, &mut said, connection, 11, Outcome::Busy);
    let answered = serve_listed(&mut core);
    assert_eq!(answered, "password\nerror:busy:\n".len());
}

/// How far its reader is said to be when the connection of a client that was sent a message ends in this way.
fn had_when_it_ends(end: impl Fn(&mut Core, ClientKey)) -> MessageNumber {
    let (mut core, mut said) = attached();
    let (key, connection) = opened(&mut core, b"ann\nsecret\n");
    reply(&mut core, &mut said, connection, 4, Outcome::PasswordNeeded);
    serve_listed(&mut core);
    let message = Message {
        number: MessageNumber(1),
        time_ms: 0,
        sender: "bob",
        sent_to: chat_model::SentTo::People,
        text: "hi",
    };
    let welcome = ToWorker::Reply {
        connection,
        offset: StreamOffset(11),
        outcome: Outcome::LoggedIn,
        messages: vec![message],
        through: MessageNumber(1),
        more: false,
    };
    said.push(&welcome).unwrap();
    say(&mut core, &mut said);
    serve_listed(&mut core);
    end(&mut core, key);
    serve_listed(&mut core);
    had_at_logout(&mut core).expect("it is logged out at once")
}

/// The same for a client that says nothing, whether the worker has seen that its TCP has the message or not.
#[track_caller]
fn expect_nothing_had(end: impl Fn(&mut Core, ClientKey)) {
    for is_acknowledged in [false, true] {
        let had = had_when_it_ends(|core, key| {
            if is_acknowledged {
                core.observed(key, Observation::default());
            }
            end(core, key);
        });
        assert_eq!(had, MessageNumber(0));
    }
}

#[test]
fn end_without_line_confirms_nothing() {
    expect_nothing_had(Core::ended);
    expect_nothing_had(|core, _| core.stop());
    expect_nothing_had(|core, _| core.begin_turn(TIME_OUT_MS, TIME_OUT_MS));
}

#[test]
fn logout_confirms_on_healthy_connection() {
    let had = had_when_it_ends(|core, key| {
        core.received(key, b"logout\n");
        serve_listed(core);
        assert_eq!(had_at_logout(core), None, "it may be broken");
        assert!(core.wants_observation_now(key));
        core.observed(key, Observation::default());
        core.list(key);
    });
    assert_eq!(had, MessageNumber(1));
}
