//! Lists of names, which may be long: one at a time, when the client has taken the one before, and for a price.

use std::sync::Arc;

use chat_model::{MessageNumber, NameList};
use chat_node::limits::token_bucket::Rate;
use chat_rpc::{ToWorker, UsersRequest, decode_items};

use super::daemon::SERIAL;
use super::talk::Talk;
use crate::core::dialect::{Dialect, LineProtocol};
use crate::core::list_line::{HeldLists, ListLine};

const LIST_BYTES: usize = 100_000;

/// The daemon answers everything that was asked, lists with a long one; how many lists those were.
fn answer(talk: &mut Talk, list: &Arc<ListLine>) -> usize {
    let mut lists = 0;
    while talk.daemon_takes() {}
    while let Some(frame) = talk.daemon.out.front().cloned() {
        let item = decode_items::<ToWorker<'_>>(&frame).next().unwrap();
        let ToWorker::Users { requests, .. } = item.unwrap() else {
            assert!(talk.daemon_is_heard());
            continue;
        };
        talk.daemon.out.pop_front();
        talk.session
            .listed(&requests[0], list, &mut talk.shared, talk.now_ms);
        lists += 1;
    }
    lists
}

fn list(held: &HeldLists) -> Arc<ListLine> {
    ListLine::new(
        LineProtocol::users(&NameList::one("n".repeat(LIST_BYTES))),
        held,
    )
}

#[test]
fn one_who_reads_nothing_gets_one_list() {
    let (mut talk, held) = (Talk::logged_in(), HeldLists::default());
    let long = list(&held);
    talk.is_reading = false;
    for _ in 0..20 {
        talk.say("last 99999999\nwho\nlast 5\n");
    }
    let mut lists = 0;
    for _ in 0..20 {
        talk.serve(usize::MAX);
        lists += answer(&mut talk, &long);
    }
    assert_eq!(lists, 1);
    assert_eq!(Arc::strong_count(&long), 2);
    assert!(talk.session.memory_bytes() < 1_000, "the list is held once");
    // Each one that is taken, however slowly, is followed by the next.
    for expected in 2..=4 {
        while talk.session.output.holds_list() {
            talk.serve(usize::MAX);
            assert_eq!(answer(&mut talk, &long), 0);
            talk.write_some(30_000);
        }
        talk.serve(usize::MAX);
        lists += answer(&mut talk, &long);
        assert_eq!(lists, expected);
    }
}

#[test]
fn requests_behind_a_list_wait() {
    let mut talk = Talk::logged_in();
    talk.say("fetch\nsend bob one\nwho\nsend bob two\nlast 5\nfetch\n");
    talk.serve(usize::MAX);
    assert_eq!(talk.asked.len(), 3, "up to the list");
    assert_eq!(talk.session.next_request(), None);
    talk.settle();
    let answers =
        "fetching\nDONE\nsent:\nDONE\nfoobar\nDONE\nsent:\nDONE\nfoobar\nDONE\nfetching\nDONE\n";
    assert_eq!(talk.heard(), answers);
}

#[test]
fn a_list_brings_the_messages_that_wait() {
    let mut talk = Talk::logged_in();
    for number in 1..=5 {
        talk.daemon.bob_writes(&number.to_string());
    }
    let answer = talk.ask("who\n");
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!(lines.len(), 7, "{answer}");
    assert_eq!((lines[0], lines[6]), ("foobar", "DONE"));
    assert!(lines[5].ends_with("bob: 5"));
}

#[test]
fn list_costs_lines_by_size() {
    // A line for each hundredth of a second: as many as 4 KiB make of the list.
    let price_ms = (LIST_BYTES as u64 + 1) / 4_096 * 10;
    let mut talk = Talk::paced(Rate::new(100, 1_000, 5));
    let held = HeldLists::default();
    let long = list(&held);
    talk.say("foobar\npasspass\nwho\nwho\nfetch\n");
    talk.serve(usize::MAX);
    assert_eq!(answer(&mut talk, &long), 0);
    talk.serve(usize::MAX);
    assert_eq!(answer(&mut talk, &long), 0);
    talk.serve(usize::MAX);
    assert_eq!(answer(&mut talk, &long), 1);
    while talk.session.output.pending_bytes() > 0 {
        talk.serve(usize::MAX);
    }
    assert_eq!(talk.session.next_request(), None);
    let until_ms = talk.session.paced_until_ms().unwrap();
    assert!((price_ms - 50..=price_ms + 50).contains(&until_ms));
    assert_eq!(talk.session.pace_due_ms(), Some(until_ms));
    // The debt is paid when there is no line left to be taken.
    talk.now_ms = until_ms - 11;
    talk.serve(usize::MAX);
    assert_eq!(answer(&mut talk, &long), 0);
    talk.now_ms = until_ms;
    talk.serve(usize::MAX);
    assert_eq!(answer(&mut talk, &long), 1);
}

#[test]
fn list_is_asked_again_after_death() {
    let mut talk = Talk::logged_in();
    talk.say("who\nwho\n");
    talk.serve(usize::MAX);
    talk.daemon_dies();
    talk.daemon_returns();
    talk.settle();
    assert_eq!(talk.heard(), "foobar\nDONE\nfoobar\nDONE\n");
}

#[test]
fn unasked_list_is_ignored() {
    let mut talk = Talk::logged_in();
    let request = UsersRequest {
        connection: SERIAL,
        offset: chat_model::StreamOffset(1_000),
        through: MessageNumber(0),
        more: false,
    };
    let names = list(&HeldLists::default());
    talk.session.listed(&request, &names, &mut talk.shared, 0);
    assert_eq!(talk.ask("fetch\n"), "fetching\nDONE\n");
}
