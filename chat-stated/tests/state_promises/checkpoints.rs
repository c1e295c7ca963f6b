//! Records of a checkpoint, and the state they stand for.

use chat_stated::state::State;
use std::collections::BTreeMap;

use super::world::{World, restore};

#[test]
fn what_was_read_leaves_no_record() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.configure(|limits| limits.sender_share_percent = 100);
    for _ in 0..1_000 {
        world.send(0, &["bob"], "direct");
        world.broadcast(0, "broadcast");
    }
    world.checkpoint();
    assert!((8..=9).contains(&world.pages()), "256 messages a page");
    world.progress(1, 1_999, 1_999);
    world.checkpoint();
    assert_eq!(world.pages(), 1);
    world.restart();
    assert_eq!(world.queue("bob"), ["broadcast"]);
    world.progress(1, 2_000, 2_000);
    world.checkpoint();
    assert_eq!(world.pages(), 0);
}

#[test]
fn records_follow_what_waits_even_over_many_restarts() {
    let names: Vec<String> = (0..256).map(|number| format!("u{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::with_online(&names);
    let text = "x".repeat(200);
    for name in &names {
        world.send(0, &[name], &text);
    }
    world.checkpoint();
    // Each time a little more than a quarter of what was left stays.
    for read in [0..191, 191..239, 239..251, 251..254, 254..255] {
        for serial in read {
            world.progress(serial, 256, 256);
        }
        world.restart();
    }
    world.checkpoint();
    assert_eq!(world.state.waiting_messages(), 1);
    let bytes = world.page_bytes();
    assert!(bytes < 4 * 300, "{bytes} bytes for one message");
}

#[test]
fn an_empty_checkpoint_is_a_new_state_and_a_broken_one_none() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.send(0, &["bob"], "hello");
    world.checkpoint();
    let empty = restore(&BTreeMap::new());
    assert_eq!((empty.account_count(), empty.waiting_messages()), (0, 0));
    let rows: Vec<(u8, u64, Vec<u8>)> = world
        .records
        .iter()
        .map(|((table, key), value)| (*table, *key, value.clone()))
        .collect();
    assert_eq!(rows.len(), 4);
    for missing in 0..3 {
        let mut rows = rows.clone();
        rows.remove(missing);
        assert!(State::restore(rows).is_err(), "without record {missing}");
    }
    for cut in 0..4 {
        let mut rows = rows.clone();
        rows[cut].2.pop();
        assert!(State::restore(rows).is_err(), "with record {cut} cut");
    }
}
