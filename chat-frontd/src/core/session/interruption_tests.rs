//! What comes between a request and its answer: the daemon's death, and messages that cross with a logout.

use std::net::{IpAddr, Ipv4Addr};

use chat_model::{Message, MessageNumber, NameList, Outcome};
use chat_rpc::FromWorker;

use super::*;
use crate::core::dialect::LineProtocol;

type LineSession = Session<LineProtocol>;

fn session() -> LineSession {
    let limits = SessionLimits {
        max_line_bytes: 8_192,
        max_unread_bytes: 262_144,
        max_recipients: 100,
        time_out_ms: 60_000,
    };
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Session::new(ConnectionSerial(1), here, limits, 0)
}

fn say(session: &mut LineSession, line: &str) {
    session.received(line.as_bytes(), 0);
    session.received(b"\n", 0);
    session.advance(&mut Shared::default(), 0);
}

/// Where the line ends of which the daemon is asked next.
fn next_offset(session: &mut LineSession) -> StreamOffset {
    match session.next_request() {
        Some(FromWorker::Request(request)) => request.offset,
        other => panic!("{other:?} and no request"),
    }
}

/// The daemon answers the request that it is sent next.
fn answer(session: &mut LineSession, answer: &Outcome<'_>) {
    let offset = next_offset(session);
    let nothing = QueuePart::empty(MessageNumber(0), false);
    session.reply(offset, answer, nothing, &mut Default::default(), 0);
}

fn in_chat() -> LineSession {
    let mut session = session();
    say(&mut session, "ann");
    answer(&mut session, &Outcome::PasswordNeeded);
    say(&mut session, "tulip");
    answer(&mut session, &Outcome::LoggedIn);
    let _ = written(&mut session);
    session
}

/// What is in the output, which is then written.
fn written(session: &mut LineSession) -> String {
    let bytes = session.output.pending().to_vec();
    session.output.advance(bytes.len());
    session.delivery.sent(session.output.written_position());
    String::from_utf8(bytes).unwrap()
}

fn push(session: &mut LineSession, number: u64, more: bool) {
    let message = Message {
        number: MessageNumber(number),
        time_ms: 0,
        sender: "bob",
        sent_to: chat_model::SentTo::People,
        text: "hello",
    };
    let part = QueuePart {
        messages: &[message],
        through: MessageNumber(number + u64::from(more)),
        more,
    };
    session.pushed(part, &mut Default::default());
}

#[test]
fn requests_of_earlier_daemon_not_refused() {
    let mut session = in_chat();
    say(&mut session, "send bob one");
    let reached = next_offset(&mut session);
    say(&mut session, "send bob two");
    // A daemon came back and died again before anything could be asked of it.
    session.resume();
    session.daemon_is_lost(&mut SessionCounts::default(), 0);
    assert_eq!(written(&mut session), "", "the first is not decided yet");
    session.resume();
    assert_eq!(next_offset(&mut session), reached, "asked again");
    let nothing = QueuePart::empty(MessageNumber(0), false);
    let sent = Outcome::Stored {
        unknown: NameList::new(),
    };
    session.reply(reached, &sent, nothing, &mut Default::default(), 0);
    assert_eq!(
        written(&mut session),
        "sent:\nDONE\nerror:busy:send\nDONE\n"
    );
}

#[test]
fn message_crossing_a_logout_stays_queued() {
    let mut session = in_chat();
    say(&mut session, "push on");
    answer(&mut session, &Outcome::Done);
    push(&mut session, 4, true);
    say(&mut session, "logout");
    let (after, through) = session.next_page().expect("the rest");
    assert_eq!((after, through), (MessageNumber(4), MessageNumber(5)));
    let before = written(&mut session);
    assert!(before.contains("hello"), "{before}");
    let end = session.output.written_position();
    assert!(session.waits_to_log_out());
    session.observed(end, 0, false, 0);
    assert!(session.can_conclude() && !session.waits_to_log_out());
    session.conclude();
    assert_eq!(session.progress().confirmed, MessageNumber(4));
    let late = Message {
        number: MessageNumber(5),
        time_ms: 0,
        sender: "bob",
        sent_to: chat_model::SentTo::People,
        text: "late",
    };
    session.page(&[late], false, &mut Default::default(), 0);
    push(&mut session, 6, true);
    assert_eq!(session.next_page(), None);
    answer(&mut session, &Outcome::LoggedOut);
    assert_eq!(written(&mut session), "goodbye\n");
}

#[test]
fn lines_under_way_are_bounded() {
    let lines_taken = |line: &str| {
        let mut session = in_chat();
        while session.wants_input() {
            say(&mut session, line);
        }
        let lines = std::iter::from_fn(|| match session.next_request()? {
            FromWorker::SendBatch(sends) => Some(sends.lines.len()),
            _ => Some(1),
        });
        lines.sum::<usize>()
    };
    assert_eq!(lines_taken("send bob hi"), MAX_LINES);
    let long = format!("send bob {}", "x".repeat(8_000));
    let most = MAX_HELD_BYTES.div_ceil("sendbob".len() + 8_000);
    assert_eq!(lines_taken(&long), most);
}
