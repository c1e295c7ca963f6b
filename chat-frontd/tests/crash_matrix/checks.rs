//! The invariants at the end of each case.

use std::collections::HashMap;

use crate::client::{Client, Seen, Sender};
use crate::{Cell, Moment, Sending, Victim};

/// `m2.1` comes before `m2.2`, and that before `m3.1`.
fn place(text: &str) -> (u32, u32) {
    let (message, attempt) = text.strip_prefix('m').unwrap().split_once('.').unwrap();
    (message.parse().unwrap(), attempt.parse().unwrap())
}

#[track_caller]
fn expect_ascending<T: PartialOrd>(items: impl Iterator<Item = T>, seen: &[Seen]) {
    let items: Vec<T> = items.collect();
    let is_ascending = items.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(is_ascending, "out of order or twice: {seen:#?}");
}

/// The attempts at the message during which the victim died.
fn attempts_at_interrupted(alice: &Sender) -> usize {
    let is_meant = |text: &str| place(text).0 == 7;
    let attempts = alice.attempts.iter();
    attempts.filter(|attempt| is_meant(&attempt.text)).count()
}

/// How often the sender had to send the message during which the victim died.
pub(crate) fn check_interrupted_send(cell: Cell, alice: &Sender) {
    let attempts = attempts_at_interrupted(alice);
    match (cell.victim, cell.moment) {
        (Victim::StateDaemon | Victim::StateSupervisor, _) => assert_eq!(attempts, 1),
        // A kill resets the connection, which may be seen before the written answer.
        (Victim::Worker, Moment::AfterTheAnswer) => assert!((1..=2).contains(&attempts)),
        // The answer to the sender may be in flight, or wait after a push.
        (Victim::Worker, Moment::InADelivery) | (Victim::FrontMaster, _) => {}
        (Victim::Worker, _) => assert_eq!(attempts, 2),
    }
}

/// Expects that only the unavoidable connections broke.
pub(crate) fn check_connections(cell: Cell, alice: &Sender, bob: &Client) {
    let [alice, bob] = [alice.client.connections, bob.connections];
    match cell.victim {
        Victim::FrontMaster => assert_eq!([alice, bob], [2, 2]),
        Victim::Worker if cell.is_of_reader() => assert_eq!(bob, 2),
        Victim::Worker if cell.moment == Moment::InADelivery => assert_eq!(bob, 2),
        Victim::Worker => assert_eq!(alice, 2),
        Victim::StateDaemon | Victim::StateSupervisor => assert_eq!([alice, bob], [1, 1]),
    }
}

/// Checks the queue of an offline reader: it has all acknowledged messages, each at most once, in the order of sending.
pub(crate) fn check_queue(cell: Cell, alice: &Sender, carol: &Client) {
    let queue = &carol.seen;
    assert_eq!(carol.connections, 1);
    expect_ascending(queue.iter().map(|seen| place(&seen.text)), queue);
    let is_there = |text: &str| queue.iter().any(|seen| seen.text == text);
    for attempt in alice.attempts.iter().filter(|a| a.is_acknowledged) {
        assert!(is_there(&attempt.text), "{} is lost", attempt.text);
    }
    let was_sent = |seen: &Seen| alice.attempts.iter().any(|a| a.text == seen.text);
    assert!(queue.iter().all(was_sent));
    // The point shows that the victim died at the intended moment.
    match (cell.victim, cell.moment) {
        (Victim::Worker, Moment::BeforeTheWrite | Moment::InTheWrite)
            if cell.sending != Sending::Once =>
        {
            assert!(!is_there("m7.1"), "it should not have been taken");
        }
        (Victim::Worker, Moment::BeforeTheFsync | Moment::BeforeTheAnswer) => {
            assert!(is_there("m7.1"), "it should have been taken");
        }
        _ => {}
    }
}

/// Checks what an online reader saw: the whole queue, in order, and repeats only over another connection.
pub(crate) fn check_reader(carol: &Client, bob: &Client) {
    let seen = &bob.seen;
    let mut numbers = HashMap::new();
    for connection in 1..=bob.connections {
        let own = || seen.iter().filter(|seen| seen.connection == connection);
        expect_ascending(own().map(|seen| place(&seen.text)), seen);
        expect_ascending(own().filter_map(|seen| seen.number), seen);
        for seen in own().filter(|seen| seen.number.is_some()) {
            let number = *numbers.entry(&seen.text).or_insert(seen.number);
            assert_eq!(number, seen.number, "{} has two numbers", seen.text);
        }
    }
    let mut texts: Vec<&str> = seen.iter().map(|seen| &seen.text[..]).collect();
    texts.sort_by_key(|text| place(text));
    texts.dedup();
    let queue: Vec<&str> = carol.seen.iter().map(|seen| &seen.text[..]).collect();
    assert_eq!(texts, queue, "missing, or seen by one reader only");
}
