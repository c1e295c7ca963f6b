//! Messages that are sent once.

use chat_model::{Audience, Outcome};
use chat_stated::checkpoint::StateSnapshot;
use chat_stated::entry::{Action, OnceId};
use chat_stated::state::{MESSAGE_BYTES, READER_BYTES, SHARE_BYTES};

use super::world::{SENT, World, sent_but_for};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// What a message takes for which nobody is unknown, while it is remembered.
const REMEMBERED_BYTES: u64 = 64;
/// Where a checkpoint has them.
const ONCE_TABLE: u8 = 5;

fn id(number: u32) -> OnceId {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    OnceId(bytes)
}

impl World {
    fn send_once(&mut self, serial: u64, number: u32, names: &[&str]) -> Outcome<'static> {
        let action = Action::SendOnce {
            id: id(number),
            audience: Audience::Accounts(names.iter().copied().collect()),
            text: number.to_string(),
        };
        self.request(serial, action)
    }
}

#[test]
fn repeat_over_another_connection_gets_first_answer() {
    let mut world = World::with_online(&["ann", "bob"]);
    let first = world.send_once(0, 1, &["zoe", "bob", "x"]);
    assert_eq!(first, sent_but_for(&["zoe", "x"]));
    world.set_account("zoe", "zoe");
    world.close(0);
    world.restart();
    assert_eq!(world.log_in(7, "ann"), Outcome::LoggedIn);
    assert_eq!(world.send_once(7, 1, &["zoe", "bob"]), first);
    assert!(world.last_effects.reached.is_empty());
    assert_eq!(world.queue("bob"), ["1"]);
    assert_eq!(world.queue("zoe"), [""; 0]);
    assert_eq!(world.send_once(7, 2, &["zoe"]), SENT);
}

#[test]
fn broadcast_is_repeated_to_nobody() {
    let mut world = World::with_online(&["ann", "bob"]);
    let broadcast = || Action::SendOnce {
        id: id(1),
        audience: Audience::Everyone,
        text: "hi".into(),
    };
    assert_eq!(world.request(0, broadcast()), SENT);
    assert_eq!(world.request(0, broadcast()), SENT);
    assert_eq!(world.queue("bob"), ["hi"]);
}

#[test]
fn identifiers_belong_to_one_user() {
    let mut world = World::with_online(&["ann", "bob", "cy"]);
    assert_eq!(world.send_once(0, 1, &["cy"]), SENT);
    assert_eq!(world.send_once(1, 1, &["cy"]), SENT);
    assert_eq!(world.queue("cy"), ["1", "1"]);
}

#[test]
fn refused_message_is_tried_again() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.configure(|limits| limits.queue_messages = 0);
    assert_eq!(world.send_once(0, 1, &["bob"]), Outcome::QueueFull);
    assert_eq!(world.state.waiting_bytes(), 0);
    world.configure(|limits| limits.queue_messages = 1);
    assert_eq!(world.send_once(0, 1, &["bob"]), SENT);
    assert_eq!(world.send_once(0, 1, &["bob"]), SENT);
    assert_eq!(world.queue("bob"), ["1"]);
}

#[test]
fn last_1024_are_remembered() {
    let mut world = World::with_online(&["ann", "bob"]);
    for number in 1..=3_000 {
        assert_eq!(world.send_once(0, number, &["bob"]), SENT);
        world.progress(1, number.into(), number.into());
    }
    let remembered = world.state.waiting_bytes() / REMEMBERED_BYTES;
    assert!((1_024..1_024 + 64).contains(&remembered), "{remembered}");
    world.restart();
    for number in 3_000 - 1_023..=3_000 {
        assert_eq!(world.send_once(0, number, &["bob"]), SENT);
    }
    assert_eq!(world.queue("bob"), [""; 0]);
    assert_eq!(world.send_once(0, 1, &["bob"]), SENT);
    assert_eq!(world.queue("bob"), ["1"], "long forgotten");
}

#[test]
fn message_is_forgotten_after_24_hours() {
    let mut world = World::with_online(&["ann", "bob"]);
    assert_eq!(world.send_once(0, 1, &["bob"]), SENT);
    world.restart();
    world.pass_ms(DAY_MS - 1);
    assert_eq!(world.send_once(0, 1, &["bob"]), SENT);
    assert_eq!(world.queue("bob"), ["1"]);
    world.pass_ms(1);
    assert_eq!(world.send_once(0, 1, &["bob"]), SENT);
    assert_eq!(world.queue("bob"), ["1", "1"]);
    world.progress(1, 2, 2);
    world.pass_ms(DAY_MS);
    assert_eq!(world.state.waiting_bytes(), 0);
    world.checkpoint();
    let tables = world.checkpoint.records.keys().map(|(table, _)| *table);
    assert!(tables.into_iter().all(|table| table != ONCE_TABLE));
}

#[test]
fn what_is_remembered_counts_as_waiting() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.send_once(0, 1, &["bob"]);
    world.progress(1, 1, 1);
    assert_eq!(world.state.waiting_bytes(), REMEMBERED_BYTES);
    // Until the outcome is there, each byte of a name may be that of an unknown one.
    let most_bytes = REMEMBERED_BYTES + 5 * 3;
    let needed = REMEMBERED_BYTES + most_bytes + MESSAGE_BYTES + 1 + READER_BYTES + SHARE_BYTES;
    world.limit_waiting(needed - 1, 10_000);
    assert_eq!(world.send_once(0, 2, &["bob"]), Outcome::DiskFull);
    world.limit_waiting(needed, 10_000);
    assert_eq!(world.send_once(0, 2, &["bob"]), SENT);
    world.limit_waiting(1_000_000, 0);
    assert_eq!(world.send_once(0, 3, &["bob"]), Outcome::QueueFull);
}

#[test]
fn checkpoint_writes_changed_pages_only() {
    let mut world = World::with_online(&["ann", "bob"]);
    for number in 1..=1_000 {
        world.send_once(0, number, &["bob"]);
    }
    world.checkpoint();
    world.send_once(0, 1_001, &["bob"]);
    let changes = StateSnapshot::take_whole(&mut world.state);
    let pages = changes.iter().filter(|change| change.table == ONCE_TABLE);
    assert_eq!(pages.count(), 1);
}
