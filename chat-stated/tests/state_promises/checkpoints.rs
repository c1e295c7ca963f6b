//! Records of a checkpoint, and the state they stand for.

use chat_stated::checkpoint::{RecordSink, Restoration, StateSnapshot};
use chat_stated::text_page::TEXT_TABLE;
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
fn records_follow_queues() {
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
fn empty_checkpoint_is_new_state() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.send(0, &["bob"], "hello");
    world.checkpoint();
    let empty = restore(&BTreeMap::new());
    assert_eq!((empty.account_count(), empty.waiting_messages()), (0, 0));
    let rows: Vec<(u8, u64, Vec<u8>)> = world
        .checkpoint
        .records
        .iter()
        .map(|((table, key), value)| (*table, *key, value.clone()))
        .collect();
    assert_eq!(rows.len(), 6);
    // Without the second there is no limit to what waits, as before there was one.
    for missing in [0, 2, 3, 4, 5] {
        let mut rows = rows.clone();
        rows.remove(missing);
        assert!(
            Restoration::of_all(rows).is_err(),
            "without record {missing}"
        );
    }
    for cut in 0..6 {
        let mut rows = rows.clone();
        rows[cut].2.pop();
        assert!(Restoration::of_all(rows).is_err(), "with record {cut} cut");
    }
}

#[test]
fn texts_belong_to_their_page() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.send(0, &["bob"], "first");
    world.checkpoint();
    world.send(0, &["bob"], "second");
    world.checkpoint();
    let mut swapped = world.checkpoint.clone();
    let second = swapped.records[&(TEXT_TABLE, 2)].clone();
    swapped.records.insert((TEXT_TABLE, 1), second);
    assert!(Restoration::of_all(swapped.records()).is_err());
    let mut unasked = world.checkpoint;
    unasked.records.insert((TEXT_TABLE, 3), Vec::new());
    assert!(Restoration::of_all(unasked.records()).is_err());
}

#[test]
fn oldest_resident_texts_go_first() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.configure(|limits| limits.sender_share_percent = 100);
    let sent: Vec<String> = (0..1_000).map(|number| format!("{number:01000}")).collect();
    for text in &sent {
        world.send(0, &["bob"], text);
    }
    assert!(!world.state.drop_texts(0, usize::MAX));
    assert_eq!(
        world.state.resident_text_bytes(),
        1_000_000,
        "no checkpoint has them"
    );
    world.checkpoint();
    world.send(0, &["bob"], "new");
    assert!(world.state.drop_texts(300_000, 1), "there is more to drop");
    assert!(!world.state.drop_texts(300_000, usize::MAX));
    assert!((200_000..=300_000).contains(&world.state.resident_text_bytes()));
    assert_eq!(world.missing_texts("bob").first().unwrap().number.0, 1);
    assert!(world.missing_texts("bob").len() < 1_000);
    assert_eq!(
        world.queue("bob"),
        [] as [&str; 0],
        "the first one is not there"
    );
    let texts = world.texts("bob");
    assert_eq!(world.queue_with("bob", &texts)[..1_000], sent);
    // What was read is no longer counted, and nothing is counted twice.
    world.progress(1, 1_001, 1_001);
    assert_eq!(world.state.resident_text_bytes(), 0);
}

#[test]
fn texts_follow_their_messages_to_other_pages() {
    let mut world = World::with_online(&["ann", "bob", "cy"]);
    for number in 0..100 {
        let reader = if number % 10 == 0 { "cy" } else { "bob" };
        world.send(0, &[reader], &number.to_string());
    }
    world.checkpoint();
    world.state.drop_texts(0, usize::MAX);
    world.progress(1, 100, 100);
    // What waits still goes to another page; until that is current, it is on the old one.
    let changes = StateSnapshot::take_whole(&mut world.state);
    let wanted: Vec<String> = (0..10).map(|tens| (tens * 10).to_string()).collect();
    let texts = world.texts("cy");
    assert_eq!(world.queue_with("cy", &texts), wanted);
    let places = world.missing_texts("cy");
    world.checkpoint.write(&changes).unwrap();
    let texts = world.checkpoint.read_texts(&places).unwrap();
    assert_eq!(world.queue_with("cy", &texts), wanted, "asked for before");
    world.state.checkpoint_is_current();
    let texts = world.texts("cy");
    assert_eq!(world.queue_with("cy", &texts), wanted);
    assert_eq!(world.pages(), 1);
    assert_eq!(world.state.resident_text_bytes(), 0);
    world.restart();
    assert_eq!(world.queue("cy"), wanted);
}

#[test]
fn start_loads_newest_texts() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.configure(|limits| limits.sender_share_percent = 100);
    for number in 0..1_000 {
        world.send(0, &["bob"], &format!("{number:01000}"));
    }
    world.checkpoint();
    let all: Vec<String> = world.queue("bob").into_iter().map(str::to_owned).collect();
    let mut restoration = Restoration::within(300_000);
    let (texts, others): (Vec<_>, Vec<_>) = world
        .checkpoint
        .records()
        .partition(|(table, ..)| *table == TEXT_TABLE);
    for (table, key, value) in others {
        restoration.add(table, key, &value).unwrap();
    }
    let mut taken = 0;
    for (table, key, value) in texts {
        if restoration.wants_texts(key) {
            restoration.add(table, key, &value).unwrap();
            taken += 1;
        }
    }
    assert!((12..=18).contains(&taken), "{taken} pages of 16 KiB");
    world.state = restoration.finish().unwrap();
    assert!((200_000..=300_000).contains(&world.state.resident_text_bytes()));
    assert_eq!(world.missing_texts("bob").first().unwrap().number.0, 1);
    let texts = world.texts("bob");
    assert_eq!(world.queue_with("bob", &texts), all);
}
