//! How much may wait in all, and of one sender; and the limits that hold before any was journalled.

use chat_model::Outcome;
use chat_stated::entry::{Limits, WaitingLimits};
use chat_stated::state::{MESSAGE_BYTES, READER_BYTES, SHARE_BYTES, State};

use super::world::{SENT, World};

/// A sender may use all that is free.
const ANY_PART: u32 = 10_000;
/// A text of one byte to one reader.
const LETTER: u64 = MESSAGE_BYTES + 1 + READER_BYTES;

#[test]
fn what_waits_is_refused_beyond_budget() {
    let mut world = World::with_online(&["ann", "bob", "cy"]);
    world.limit_waiting(2 * LETTER + SHARE_BYTES, ANY_PART);
    assert_eq!(world.send(0, &["bob"], "1"), SENT);
    assert_eq!(world.send(0, &["bob"], "2"), SENT);
    assert_eq!(world.state.waiting_bytes(), 2 * LETTER + SHARE_BYTES);
    assert_eq!(world.send(0, &["bob"], "3"), Outcome::DiskFull);
    assert_eq!(world.send(2, &["ann"], "3"), Outcome::DiskFull);
    assert_eq!(world.broadcast(2, "3"), Outcome::DiskFull);
    assert_eq!(world.queue("bob"), ["1", "2"]);
    assert_eq!(world.queue("ann"), [""; 0]);
    world.restart();
    assert_eq!(world.broadcast(2, "3"), Outcome::DiskFull);
    world.progress(1, 2, 2);
    assert_eq!(world.state.waiting_bytes(), 0);
    assert_eq!(world.send(0, &["bob"], "4"), SENT);
}

#[test]
fn sender_has_share_of_free_budget() {
    let mut world = World::with_online(&["ann", "bob", "cy"]);
    world.limit_waiting(10 * LETTER, 20);
    assert_eq!(world.send(0, &["bob"], "1"), SENT);
    for decision in [world.send(0, &["cy"], "2"), world.broadcast(0, "2")] {
        assert_eq!(decision, Outcome::QueueFull);
    }
    world.restart();
    assert_eq!(world.send(0, &["cy"], "2"), Outcome::QueueFull);
    assert_eq!(world.send(2, &["bob"], "3"), SENT);
    assert_eq!(world.queue("bob"), ["1", "3"]);
}

#[test]
fn many_greedy_senders_leave_room_for_another() {
    let names: Vec<String> = (0..21).map(|number| format!("u{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::with_online(&names);
    world.limit_waiting(10_000 * LETTER, 10);
    for sender in 0..20 {
        let mut sent = 0;
        while world.send(sender, &["u0"], "x") == SENT {
            sent += 1;
        }
        assert!(sent > 100, "{sent} messages of sender {sender}");
    }
    for _ in 0..100 {
        assert_eq!(world.send(20, &["u1"], "x"), SENT);
    }
}

#[test]
fn each_reader_of_group_counts() {
    let mut world = World::with_online(&["ann", "bob", "cy", "dan"]);
    let group = MESSAGE_BYTES + 1 + 3 * READER_BYTES;
    world.limit_waiting(2 * group + 3 * SHARE_BYTES - 1, ANY_PART);
    assert_eq!(world.send(0, &["bob", "cy", "dan"], "1"), SENT);
    assert_eq!(world.send(0, &["bob", "cy", "dan"], "2"), Outcome::DiskFull);
    assert_eq!(world.send(0, &["bob", "cy"], "2"), SENT);
    assert_eq!(world.queue("bob"), ["1", "2"]);
}

#[test]
fn smaller_budget_keeps_what_waits() {
    let mut world = World::with_online(&["ann", "bob"]);
    for text in ["1", "2", "3"] {
        assert_eq!(world.send(0, &["bob"], text), SENT);
    }
    world.limit_waiting(LETTER, ANY_PART);
    assert_eq!(world.send(0, &["bob"], "4"), Outcome::DiskFull);
    world.restart();
    assert_eq!(world.state.waiting_limits().bytes, LETTER);
    assert_eq!(world.queue("bob"), ["1", "2", "3"]);
    assert_eq!(world.send(0, &["bob"], "4"), Outcome::DiskFull);
}

/// What TCP has acknowledged counts no longer against a queue, but is in memory all the same.
#[test]
fn acknowledged_message_counts_until_confirmed() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.limit_waiting(LETTER + SHARE_BYTES, ANY_PART);
    assert_eq!(world.send(0, &["bob"], "1"), SENT);
    world.progress(1, 1, 0);
    assert_eq!(world.state.waiting_bytes(), LETTER);
    assert_eq!(world.send(0, &["bob"], "2"), Outcome::DiskFull);
    world.log_out(1);
    assert_eq!(world.state.waiting_bytes(), LETTER + SHARE_BYTES);
}

#[test]
fn limits_before_first_entry_never_change() {
    let state = State::default();
    let limits = Limits {
        block_time_ms: 60_000,
        accounts: 10_000_000,
        queue_messages: 100_000,
        queue_bytes: 67_108_864,
        sender_share_percent: 50,
        broadcast_messages: 100_000,
        broadcast_bytes: 67_108_864,
        broadcasts_per_minute: 60_000,
    };
    // Journals of released programs that have no `Configure` were decided by these.
    assert_eq!(*state.limits(), limits);
    let waiting_limits = WaitingLimits {
        bytes: u64::MAX,
        sender_percent: 100,
    };
    assert_eq!(*state.waiting_limits(), waiting_limits);
}
