//! Lines that came at once, and are answered as the client reads or the daemon answers.

use std::net::{IpAddr, Ipv4Addr};

use chat_shared::network::Networks;
use chat_shared::rpc::{
    Answer, ConnectionSerial, FrameReader, FrameWriter, FromWorker, Greeting, LifeCredential,
    LifeId, MessageNumber, StreamOffset, ToWorker, decode_items,
};
use chat_shared::token_bucket::Rate;

use super::{ClientKey, Core, CoreSettings, NewcomerRules, SessionLimits};

const MAX_UNREAD_BYTES: usize = 100;

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
    let items = reader.next_frame().unwrap().expect("a question");
    decode_items::<FromWorker<'_>>(items)
        .find_map(|item| match item.unwrap() {
            FromWorker::Request(request) => Some(request.connection),
            _ => None,
        })
        .expect("a question")
}

/// A worker that the daemon knows; loopback is trusted.
fn attached(lines: Rate) -> Core {
    let settings = CoreSettings {
        limits: SessionLimits {
            max_line_bytes: 64,
            max_unread_bytes: MAX_UNREAD_BYTES,
            max_recipients: 1,
        },
        time_out_ms: 1_000_000,
        newcomers: NewcomerRules {
            trusted: Networks::LOOPBACK.parse().unwrap(),
            login_ms: 1_000_000,
            lines,
        },
        max_held_bytes: usize::MAX,
    };
    let mut core = Core::new(settings, 0);
    core.daemon_connected().unwrap();
    let credential = LifeCredential {
        life: LifeId(1),
        secret: [1; 16],
    };
    let mut said = FrameWriter::default();
    said.push_frame(&Greeting::Attached(credential).encode().unwrap());
    say(&mut core, &mut said);
    core
}

/// The daemon wants the password of who gave a name of three letters.
fn want_password(core: &mut Core) {
    let reply = ToWorker::Reply {
        connection: asking(core),
        offset: StreamOffset(4),
        answer: Answer::Password,
        messages: vec![],
        through: MessageNumber::default(),
        more: false,
    };
    let mut said = FrameWriter::default();
    said.push(&reply).unwrap();
    say(core, &mut said);
}

/// Found by fuzzing: the worker answered as many lines as fitted into what may be unread twice, and no more.
#[test]
fn lines_that_came_at_once_are_all_answered_without_anything_else_coming() {
    let mut core = attached(Rate::new(1, 1_000, 1));
    let key = core.open(IpAddr::V4(Ipv4Addr::LOCALHOST));
    serve_listed(&mut core);
    core.received(key, b"ann\n");
    serve_listed(&mut core);
    want_password(&mut core);
    assert_eq!(serve_listed(&mut core), "password\n".len());
    let empty_lines = 20 * MAX_UNREAD_BYTES;
    core.received(key, &b"\n".repeat(empty_lines));
    let answered = serve_listed(&mut core);
    assert_eq!(answered, empty_lines * "password\n".len());
    assert!(core.wants_input(key));
}

/// Found by measuring: while passwords were hashed, the worker served those who waited for them all the time.
#[test]
fn a_stranger_whose_next_line_cannot_be_taken_is_not_served_until_there_is_something_to_do() {
    let mut core = attached(Rate::new(10, 1_000, 10));
    let key = core.open(IpAddr::from([192, 0, 2, 1]));
    serve_listed(&mut core);
    core.received(key, b"ann\nwrong\nwrong\n");
    serve_listed(&mut core);
    want_password(&mut core);
    serve_listed(&mut core);
    // The daemon does not answer yet, and by now the pace allows all lines.
    core.begin_turn(5_000);
    serve_listed(&mut core);
    assert!(!core.has_listed());
    let next_ms = core.next_deadline_ms();
    assert!(next_ms.is_none_or(|at_ms| at_ms > 5_000), "{next_ms:?}");
}
