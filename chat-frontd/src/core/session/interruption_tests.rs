//! What comes between a question and its answer: the daemon's death, and messages that cross with a logout.

use std::net::{IpAddr, Ipv4Addr};

use chat_model::{Message, NameList, Outcome};
use chat_rpc::FromWorker;

use super::*;

fn session() -> Session {
    let limits = SessionLimits {
        max_line_bytes: 8_192,
        max_unread_bytes: 262_144,
        max_recipients: 100,
    };
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Session::new(ConnectionSerial(1), here, limits, 0)
}

fn say(session: &mut Session, line: &str) {
    session.received(line.as_bytes());
    session.received(b"\n");
    session.advance(0);
}

/// Where the line ends of which the daemon is asked next.
fn next_offset(session: &mut Session) -> StreamOffset {
    match session.next_question() {
        Some(FromWorker::Request(request)) => request.offset,
        other => panic!("{other:?} and no question"),
    }
}

/// The daemon answers the question that it is asked next.
fn answer(session: &mut Session, answer: &Outcome<'_>) {
    let offset = next_offset(session);
    let nothing = QueuePart {
        messages: &[],
        through: MessageNumber(0),
        more: false,
    };
    session.reply(offset, answer, nothing, &mut MessageLines::default(), 0);
}

fn in_chat() -> Session {
    let mut session = session();
    say(&mut session, "ann");
    answer(&mut session, &Outcome::PasswordNeeded);
    say(&mut session, "tulip");
    answer(&mut session, &Outcome::LoggedIn);
    let _ = written(&mut session);
    session
}

/// What is in the output, which is then written.
fn written(session: &mut Session) -> String {
    let bytes = session.output.pending().to_vec();
    session.output.advance(bytes.len());
    session.delivery.written(session.output.written_position());
    String::from_utf8(bytes).unwrap()
}

fn push(session: &mut Session, number: u64, more: bool) {
    let message = Message {
        number: MessageNumber(number),
        time_ms: 0,
        sender: "bob",
        text: "hello",
    };
    let part = QueuePart {
        messages: &[message],
        through: MessageNumber(number + u64::from(more)),
        more,
    };
    session.pushed(part, &mut MessageLines::default());
}

#[test]
fn what_may_have_reached_an_earlier_daemon_is_not_refused() {
    let mut session = in_chat();
    say(&mut session, "send bob one");
    let reached = next_offset(&mut session);
    say(&mut session, "send bob two");
    // A daemon came back and died again before anything could be asked of it.
    session.resume();
    session.daemon_is_lost(0);
    assert_eq!(written(&mut session), "", "the first is not decided yet");
    session.resume();
    assert_eq!(next_offset(&mut session), reached, "asked again");
    let nothing = QueuePart {
        messages: &[],
        through: MessageNumber(0),
        more: false,
    };
    let sent = Outcome::Stored {
        unknown: NameList::new(),
    };
    session.reply(reached, &sent, nothing, &mut MessageLines::default(), 0);
    assert_eq!(
        written(&mut session),
        "sent:\nDONE\nerror:busy:send\nDONE\n"
    );
}

#[test]
fn a_message_that_crosses_with_the_logout_is_left_for_the_next_login() {
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
        text: "late",
    };
    session.page(&[late], false, &mut MessageLines::default(), 0);
    push(&mut session, 6, true);
    assert_eq!(session.next_page(), None);
    answer(&mut session, &Outcome::LoggedOut);
    assert_eq!(written(&mut session), "goodbye\n");
}

#[test]
fn lines_wait_for_answers_up_to_a_number_and_up_to_a_size() {
    let lines_taken = |line: &str| {
        let mut session = in_chat();
        while session.wants_input() {
            say(&mut session, line);
        }
        let lines = std::iter::from_fn(|| match session.next_question()? {
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
