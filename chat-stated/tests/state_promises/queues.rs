//! What reaches whom, in which order, and when it is refused.

use chat_model::{MessageNumber, Outcome};
use chat_stated::state::Reader;

use super::world::{ALL, SENT, TEN_YEARS_MS, World, sent_but_for};

#[test]
fn broadcast_reaches_offline_accounts() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.set_account("offline", "offline");
    assert_eq!(world.broadcast(0, "to all"), SENT);
    world.set_account("later", "later");
    assert_eq!(world.queue("ann"), [""; 0]);
    assert_eq!(world.queue("bob"), ["to all"]);
    assert_eq!(world.queue("offline"), ["to all"]);
    assert_eq!(world.queue("later"), [""; 0]);
    world.restart();
    assert_eq!(world.queue("offline"), ["to all"]);
    assert_eq!(world.queue("later"), [""; 0]);
}

#[test]
fn message_does_not_wait_for_new_name() {
    let mut world = World::with_online(&["ann"]);
    assert_eq!(world.send(0, &["bob"], "early"), sent_but_for(&["bob"]));
    world.set_account("bob", "bob");
    assert_eq!(world.queue("bob"), [""; 0]);
}

#[test]
fn repeated_recipient_gets_one_message() {
    let mut world = World::with_online(&["ann", "bob"]);
    assert_eq!(world.send(0, &["bob", "ann", "bob", "ann"], "once"), SENT);
    assert_eq!(world.queue("bob"), ["once"]);
    assert_eq!(world.queue("ann"), ["once"]);
    assert_eq!(world.state.waiting_messages(), 1);
}

#[test]
fn unknown_names_are_listed_once() {
    let mut world = World::with_online(&["ann", "bob"]);
    let names = ["zoe", "bob", "cy", "zoe", "abe", "cy"];
    assert_eq!(
        world.send(0, &names, "hi"),
        sent_but_for(&["zoe", "cy", "abe"])
    );
    assert_eq!(world.queue("bob"), ["hi"]);
}

#[test]
fn messages_keep_their_order() {
    let mut world = World::with_online(&["ann", "bob", "cy"]);
    world.send(0, &["cy"], "1");
    world.broadcast(1, "2");
    world.send(1, &["cy", "ann"], "3");
    world.broadcast(0, "4");
    assert_eq!(world.queue("cy"), ["1", "2", "3", "4"]);
    assert_eq!(world.queue("ann"), ["2", "3"]);
    assert_eq!(world.queue("bob"), ["4"]);
}

#[test]
fn message_has_its_acceptance_time() {
    let mut world = World::with_online(&["ann"]);
    world.jump_wall_ms(-TEN_YEARS_MS);
    world.send(0, &["ann"], "long ago");
    let account = world.id("ann");
    let end = MessageNumber(u64::MAX);
    let slice = world
        .state
        .read_queue(Reader::first(account), MessageNumber(0), end, ALL);
    assert_eq!(slice.messages[0].time_ms, world.timestamp.wall_ms);
    assert_eq!(slice.messages[0].sender, "ann");
}

#[test]
fn times_rise_whatever_clock_does() {
    let mut world = World::with_online(&["ann"]);
    let jumps_ms = [0, 0, TEN_YEARS_MS, -2 * TEN_YEARS_MS, 1];
    for jump_ms in jumps_ms {
        world.jump_wall_ms(jump_ms);
        world.send(0, &["ann"], "text");
    }
    let account = world.id("ann");
    let end = MessageNumber(u64::MAX);
    let slice = world
        .state
        .read_queue(Reader::first(account), MessageNumber(0), end, ALL);
    let times: Vec<i64> = slice.messages.iter().map(|one| one.time_ms).collect();
    assert_eq!(times.len(), jumps_ms.len());
    assert!(times.is_sorted_by(|one, next| one < next), "{times:?}");
    assert_eq!(times[3], times[2] + 1, "the clock was set back");
}

#[test]
fn full_queue_refuses_for_all() {
    let mut world = World::with_online(&["ann", "bob", "cy"]);
    world.configure(|limits| {
        limits.queue_messages = 2;
        limits.sender_share_percent = 100;
    });
    world.send(0, &["cy"], "1");
    world.send(0, &["cy"], "2");
    assert_eq!(world.send(1, &["bob", "cy"], "3"), Outcome::QueueFull);
    assert_eq!(world.queue("bob"), [""; 0]);
    assert_eq!(world.send(1, &["bob"], "4"), SENT);
}

#[test]
fn one_sender_cannot_fill_queue_for_others() {
    let mut world = World::with_online(&["ann", "bob", "cy"]);
    world.configure(|limits| {
        limits.queue_messages = 4;
        limits.sender_share_percent = 50;
    });
    assert_eq!(world.send(0, &["cy"], "1"), SENT);
    assert_eq!(world.send(0, &["cy"], "2"), SENT);
    assert_eq!(world.send(0, &["cy"], "3"), Outcome::QueueFull);
    assert_eq!(world.send(1, &["cy"], "4"), SENT);
}

#[test]
fn acknowledged_messages_stay_until_close() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.configure(|limits| {
        limits.queue_messages = 1;
        limits.sender_share_percent = 100;
    });
    assert_eq!(world.send(0, &["bob"], "1"), SENT);
    assert_eq!(world.send(0, &["bob"], "2"), Outcome::QueueFull);
    world.progress(1, 1, 0);
    assert_eq!(world.send(0, &["bob"], "2"), SENT);
    world.progress(1, 2, 1);
    world.restart();
    assert_eq!(world.send(0, &["bob"], "3"), SENT);
    world.progress(1, 3, 1);
    world.close(1);
    assert_eq!(
        world.queue("bob"),
        ["2", "3"],
        "a dead connection loses nothing"
    );
    assert_eq!(world.send(0, &["bob"], "4"), Outcome::QueueFull);
    world.log_in(2, "bob");
    world.progress(2, 3, 3);
    assert_eq!(world.send(0, &["bob"], "4"), SENT);
}

#[test]
fn broadcasts_have_budget_of_their_own() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.configure(|limits| {
        limits.queue_messages = 0;
        limits.broadcast_messages = 2;
        limits.broadcast_bytes = 10;
    });
    assert_eq!(world.broadcast(0, "12345"), SENT);
    assert_eq!(world.broadcast(0, "123456"), Outcome::QueueFull);
    assert_eq!(world.broadcast(1, "12345"), SENT);
    assert_eq!(world.broadcast(0, ""), Outcome::QueueFull);
    world.progress(1, 1, 1);
    assert_eq!(
        world.broadcast(0, "12345"),
        SENT,
        "nobody waits for the first"
    );
}

#[test]
fn one_sender_makes_so_many_broadcasts_minute() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.configure(|limits| limits.broadcasts_per_minute = 2);
    assert_eq!(world.broadcast(0, "1"), SENT);
    assert_eq!(world.broadcast(0, "2"), SENT);
    assert_eq!(world.broadcast(0, "3"), Outcome::QueueFull);
    assert_eq!(world.broadcast(1, "4"), SENT);
    world.restart();
    assert_eq!(world.broadcast(0, "5"), Outcome::QueueFull);
    world.pass_ms(30_000);
    assert_eq!(world.broadcast(0, "6"), SENT);
    assert_eq!(world.broadcast(0, "7"), Outcome::QueueFull);
}

#[test]
fn cursor_stays_within_messages() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.send(0, &["bob"], "1");
    world.progress(1, u64::MAX, u64::MAX);
    world.send(0, &["bob"], "2");
    world.broadcast(0, "3");
    assert_eq!(world.queue("bob"), ["2", "3"]);
    world.progress(1, 3, 3);
    world.progress(1, 1, 1);
    assert_eq!(world.queue("bob"), [""; 0]);
    world.send(0, &["bob"], "4");
    assert_eq!(world.queue("bob"), ["4"]);
}

#[test]
fn message_is_freed_after_last_reader() {
    let mut world = World::with_online(&["ann", "bob", "cy"]);
    world.send(0, &["bob", "cy"], "1");
    world.broadcast(0, "2");
    world.progress(1, 2, 2);
    assert_eq!(world.queue("cy"), ["1", "2"]);
    assert_eq!(world.state.waiting_messages(), 2);
    world.progress(2, 2, 1);
    assert_eq!(world.state.waiting_messages(), 1);
    world.progress(2, 2, 2);
    assert_eq!(world.state.waiting_messages(), 0);
}
