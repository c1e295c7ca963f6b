//! The history as a whole, against a plain list of messages.

mod damage;
mod speed;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chat_model::{AccountId, HistorySpan, MessageNumber, RoomId};
use smallvec::{SmallVec, smallvec};

use super::*;
use crate::database::testing::{PATIENCE, quick_directory};

const ANN: AccountId = AccountId(0);
const BOB: AccountId = AccountId(1);
const CAROL: AccountId = AccountId(0x2f);

fn message(number: u64, sender: AccountId, readers: &[AccountId], text: &str) -> KeptMessage {
    KeptMessage {
        number: MessageNumber(number),
        time_ms: 1_000 * number as i64,
        sender,
        is_notice: false,
        rooms: smallvec![],
        readers: SmallVec::from_slice(readers),
        text: text.into(),
    }
}

/// Three people, who write to one another and to groups; every third number is no message of theirs.
fn talk(count: u64) -> Vec<KeptMessage> {
    let parties: [(AccountId, &[AccountId]); 5] = [
        (ANN, &[BOB]),
        (BOB, &[ANN]),
        (CAROL, &[ANN, BOB]),
        (ANN, &[CAROL, BOB]),
        (BOB, &[BOB]),
    ];
    (1..=count)
        .filter(|number| number % 3 != 0)
        .map(|number| {
            let (sender, readers) = parties[number as usize % parties.len()];
            let text = format!(
                "Word{} of message{number}, caf\u{e9} \u{6771}\u{4eac}\u{99c5}",
                number % 7
            );
            message(number, sender, readers, &text)
        })
        .collect()
}

fn store_with(dir: &Path, messages: &[KeptMessage]) -> HistoryStore {
    let mut store = HistoryStore::create(dir, MessageNumber(0)).unwrap();
    for messages in messages.chunks(64) {
        store.append(None, messages).unwrap();
    }
    store
}

fn between(own: AccountId, other: AccountId) -> Scope {
    Scope::Conversation {
        own,
        other,
        after: MessageNumber(0),
    }
}

fn messages_of(account: AccountId) -> Option<OwnMessages> {
    let after = MessageNumber(0);
    Some(OwnMessages { account, after })
}

fn own(account: AccountId) -> Scope {
    Scope::Own {
        direct: messages_of(account),
        rooms: Vec::new(),
    }
}

fn to_rooms(number: u64, rooms: &[u32], readers: &[AccountId], text: &str) -> KeptMessage {
    KeptMessage {
        rooms: rooms.iter().copied().map(RoomId).collect(),
        ..message(number, ANN, readers, text)
    }
}

fn view(room: u32, after: u64) -> KeptRoom {
    KeptRoom {
        room: RoomId(room),
        after: MessageNumber(after),
    }
}

/// Deletes all that has not to stay. Says in how many pieces.
fn delete(store: &mut HistoryStore, retention: &Retention) -> usize {
    let mut pieces = 0;
    for sweep in store.sweeps(retention).unwrap() {
        let mut left = Some(sweep);
        while let Some(sweep) = left {
            left = store.delete_old(sweep, retention).unwrap();
            pieces += 1;
        }
    }
    pieces
}

/// The numbers that were found, and whether there is more.
fn numbers(found: &Found) -> (Vec<u64>, bool) {
    assert_eq!(found.damaged, []);
    let numbers = found.messages.iter().map(|message| message.number.0);
    (numbers.collect(), found.has_more)
}

#[test]
fn pages_are_those_of_plain_list() {
    let dir = quick_directory();
    let messages = talk(400);
    let store = store_with(dir.path(), &messages);
    let reader = store.reader().unwrap();
    for (own, other) in [
        (ANN, BOB),
        (BOB, ANN),
        (CAROL, BOB),
        (BOB, BOB),
        (CAROL, CAROL),
    ] {
        let scope = between(own, other);
        let all: Vec<_> = messages
            .iter()
            .filter(|message| scope.contains(message))
            .cloned()
            .collect();
        for count in [1, 50, MAX_LINES] {
            for number in [1, 2, 57, 200, 399, 1_000].map(MessageNumber) {
                let before = all.iter().filter(|message| message.number < number);
                let mut before: Vec<_> = before.rev().take(count).cloned().collect();
                before.reverse();
                let found = reader
                    .page(&scope, HistorySpan::Before(number), count)
                    .unwrap();
                assert_eq!(found.messages, before);
                let after = all.iter().filter(|message| message.number > number);
                let after: Vec<_> = after.take(count).cloned().collect();
                let found = reader
                    .page(&scope, HistorySpan::After(number), count)
                    .unwrap();
                assert_eq!(found.messages, after);
            }
            let found = reader.page(&scope, HistorySpan::Newest, count).unwrap();
            assert_eq!(found.messages, all[all.len().saturating_sub(count)..]);
            assert_eq!(found.has_more, all.len() > count);
        }
    }
}

#[test]
fn search_finds_all_words_in_any_case() {
    let dir = quick_directory();
    let messages = [
        message(1, ANN, &[BOB], "Lunch at the Caf\u{e9}?"),
        message(2, BOB, &[ANN], "lunch, sure"),
        message(3, CAROL, &[ANN, BOB], "CAFE lunches are bad"),
        message(5, BOB, &[CAROL], "lunch without ann"),
        message(6, ANN, &[BOB], "s1 p0 NOT \"quoted\" AND (odd"),
        message(7, ANN, &[BOB], "\u{6771}\u{4eac}\u{99c5} at noon"),
    ];
    let store = store_with(dir.path(), &messages);
    let reader = store.reader().unwrap();
    let search = |scope: Scope, line: &str, count| {
        let words = Words::of(line).unwrap();
        numbers(
            &reader
                .search_within(&scope, &words, count, PATIENCE)
                .unwrap(),
        )
    };
    let everything = own(ANN);
    for (line, expected) in [
        ("lunch", vec![1, 2, 3]),
        ("lunc", vec![1, 2, 3]),
        ("lunch sur", vec![2]),
        ("lunc sure", vec![]),
        ("cafe", vec![1, 3]),
        ("CAF\u{c9} LUNCH", vec![1, 3]),
        ("s1", vec![6]),
        ("\"quoted\" not", vec![6]),
        ("(odd", vec![6]),
        ("odd)", vec![6]),
        ("\"", vec![]),
        ("the-caf\u{e9}", vec![1]),
        ("\u{4eac}", vec![7]),
        ("NOON \u{6771}\u{4eac}", vec![7]),
        ("\u{5927}", vec![]),
    ] {
        let found = match Words::of(line) {
            Some(_) => search(everything.clone(), line, 50).0,
            None => Vec::new(),
        };
        assert_eq!(found, expected, "{line}");
    }
    assert_eq!(search(everything.clone(), "lunch", 2), (vec![2, 3], true));
    assert_eq!(
        search(everything.clone(), "lunch", 3),
        (vec![1, 2, 3], false)
    );
    assert_eq!(search(between(ANN, CAROL), "lunch", 9).0, [3]);
    assert_eq!(search(between(CAROL, BOB), "lunch", 9).0, [3, 5]);
    assert_eq!(search(own(CAROL), "sure", 9).0, [0_u64; 0]);
}

#[test]
fn search_is_cut_when_time_is_over() {
    let dir = quick_directory();
    let store = store_with(dir.path(), &talk(300));
    let reader = store.reader().unwrap();
    for line in ["word", "\u{4eac}"] {
        let words = Words::of(line).unwrap();
        let found = reader.search_within(&own(BOB), &words, MAX_LINES, Duration::ZERO);
        assert!(found.unwrap().has_more, "{line}");
    }
}

#[test]
fn search_that_finds_nothing_is_cut_too() {
    let dir = quick_directory();
    let count = 5_000;
    let messages: Vec<_> = (1..=count)
        .map(|number| {
            let text = ["odd", "even"][number as usize % 2];
            message(number, ANN, &[BOB], text)
        })
        .collect();
    let store = store_with(dir.path(), &messages);
    let reader = store.reader().unwrap();
    let words = Words::of("even odd").unwrap();
    let search = |time| reader.search_within(&own(BOB), &words, MAX_LINES, time);
    let cut = Found {
        has_more: true,
        ..Found::default()
    };
    assert_eq!(search(Duration::ZERO).unwrap(), cut);
    assert_eq!(search(PATIENCE).unwrap(), Found::default());
}

#[test]
fn messages_outlast_the_store_that_wrote_them() {
    let dir = quick_directory();
    let messages = talk(100);
    drop(store_with(dir.path(), &messages[..50]));
    let mut store = HistoryStore::open(dir.path()).unwrap().unwrap();
    assert_eq!(store.through(), messages[49].number);
    // As a replay gives them: from before the last one on.
    store.append(None, &messages[40..]).unwrap();
    assert_eq!(store.rows(), messages.len() as u64);
    let found = store
        .reader()
        .unwrap()
        .page(&between(ANN, BOB), HistorySpan::Newest, MAX_LINES);
    let expected = messages
        .iter()
        .filter(|message| between(ANN, BOB).contains(message));
    assert!(found.unwrap().messages.iter().eq(expected));
    assert_eq!(
        HistoryStore::check(dir.path()).unwrap(),
        Some(messages.len() as u64)
    );
}

#[test]
fn gap_is_remembered_and_passed_over() {
    let dir = quick_directory();
    let gap = Gap {
        first: MessageNumber(2),
        last: MessageNumber(5),
    };
    let mut store = store_with(dir.path(), &[message(1, ANN, &[BOB], "x")]);
    let messages = [
        message(4, ANN, &[BOB], "lost"),
        message(6, ANN, &[BOB], "y"),
    ];
    store.append(Some(gap), &messages).unwrap();
    drop(store);
    let store = HistoryStore::open(dir.path()).unwrap().unwrap();
    assert_eq!(store.gaps(), [gap]);
    let found = store
        .reader()
        .unwrap()
        .page(&between(BOB, ANN), HistorySpan::Newest, 9);
    assert_eq!(numbers(&found.unwrap()).0, [1, 6]);
}

#[test]
fn old_messages_are_deleted_in_pieces() {
    let dir = quick_directory();
    let messages = talk(3_000);
    let mut store = store_with(dir.path(), &messages);
    let retention = Retention {
        direct_after: MessageNumber(2_900),
        ..Retention::default()
    };
    let pieces = delete(&mut store, &retention);
    assert!(pieces > 3, "{pieces}");
    let left = messages
        .iter()
        .filter(|message| message.number > retention.direct_after)
        .count() as u64;
    assert_eq!(store.rows(), left);
    assert_eq!(HistoryStore::check(dir.path()).unwrap(), Some(left));
    let reader = store.reader().unwrap();
    let words = Words::of("message1").unwrap();
    assert_eq!(
        reader
            .search_within(&own(BOB), &words, 50, PATIENCE)
            .unwrap(),
        Found::default()
    );
    store
        .append(None, &[message(3_001, ANN, &[BOB], "new")])
        .unwrap();
    assert_eq!(HistoryStore::check(dir.path()).unwrap(), Some(left + 1));
}

#[test]
fn rooms_are_read_from_where_one_may() {
    let dir = quick_directory();
    let messages = [
        to_rooms(1, &[4], &[], "tea"),
        to_rooms(2, &[4, 5], &[BOB], "tea at two"),
        message(3, ANN, &[CAROL], "tea for carol"),
        to_rooms(5, &[5], &[], "tea at five"),
        to_rooms(6, &[4], &[], "more tea"),
    ];
    let store = store_with(dir.path(), &messages);
    let reader = store.reader().unwrap();
    let page = |view: KeptRoom, span| {
        let found = reader.page(&Scope::Room(view), span, 2).unwrap();
        numbers(&found)
    };
    let after = HistorySpan::After(MessageNumber(1));
    assert_eq!(page(view(4, 0), HistorySpan::Newest), (vec![2, 6], true));
    assert_eq!(page(view(4, 1), after), (vec![2, 6], false));
    assert_eq!(page(view(4, 2), after), (vec![6], false));
    let before = HistorySpan::Before(MessageNumber(2));
    assert_eq!(page(view(5, 0), before), (vec![], false));
    let words = Words::of("tea").unwrap();
    let search = |scope: Scope| {
        let found = reader.search_within(&scope, &words, 50, PATIENCE).unwrap();
        let rooms = found.messages.iter().map(|it| scope.room_of(it));
        (rooms.collect::<Vec<_>>(), numbers(&found).0)
    };
    assert_eq!(search(Scope::Room(view(5, 2))).1, [5]);
    let of_bob = Scope::Own {
        direct: messages_of(BOB),
        rooms: vec![view(5, 2)],
    };
    assert_eq!(search(of_bob), (vec![None, Some(RoomId(5))], vec![2, 5]));
    let of_rooms = Scope::Own {
        direct: None,
        rooms: vec![view(4, 1), view(5, 0)],
    };
    let (four, five) = (Some(RoomId(4)), Some(RoomId(5)));
    assert_eq!(search(of_rooms), (vec![four, five, four], vec![2, 5, 6]));
    assert_eq!(HistoryStore::check(dir.path()).unwrap(), Some(5));
}

#[test]
fn rooms_are_deleted_each_for_itself() {
    let dir = quick_directory();
    let text = "x";
    let mut messages = Vec::new();
    for number in 1..=1_200 {
        messages.push(match number % 4 {
            0 => to_rooms(number, &[1], &[], text),
            1 => to_rooms(number, &[2], &[], text),
            2 => to_rooms(number, &[1, 2], &[BOB], text),
            _ => to_rooms(number, &[3], &[], text),
        });
    }
    // Room 3 is gone, and of room 9 nothing is known yet.
    messages.push(to_rooms(1_201, &[9], &[], text));
    let mut store = store_with(dir.path(), &messages);
    let after = [(1, 899), (2, 999)];
    let after = after.map(|(room, number)| (RoomId(room), MessageNumber(number)));
    let retention = Retention {
        direct_after: MessageNumber(399),
        rooms_after: BTreeMap::from(after),
        last_room: RoomId(3),
    };
    delete(&mut store, &retention);
    let left = messages.iter().filter(|it| match it.number.0 {
        1_201 => true,
        number => match number % 4 {
            0 => number >= 900,
            1 => number >= 1_000,
            2 => number >= 400,
            _ => false,
        },
    });
    let left = left.count() as u64;
    assert_eq!(store.rows(), left);
    assert_eq!(HistoryStore::check(dir.path()).unwrap(), Some(left));
}

#[test]
fn message_goes_with_last_that_keeps_it() {
    let dir = quick_directory();
    let message = to_rooms(7, &[1, 2], &[BOB], "tea");
    let mut store = store_with(dir.path(), &[message]);
    let mut retention = Retention::default();
    for (room, rows) in [(Some(RoomId(2)), 1), (None, 1), (Some(RoomId(1)), 0)] {
        let forgotten = Forgotten {
            room,
            after: MessageNumber(0),
            through: MessageNumber(7),
        };
        retention.forget(&forgotten);
        let left = store.delete_old(forgotten.into(), &retention).unwrap();
        assert!(left.is_none());
        assert_eq!(store.rows(), rows, "{room:?}");
    }
    assert_eq!(HistoryStore::check(dir.path()).unwrap(), Some(0));
}

#[test]
fn what_is_forgotten_is_not_shown() {
    let dir = quick_directory();
    let messages = [1, 2, 3].map(|number| message(number, ANN, &[BOB], "tea"));
    let store = store_with(dir.path(), &messages);
    let reader = store.reader().unwrap();
    let after = MessageNumber(2);
    let (own, other) = (BOB, ANN);
    let scope = Scope::Conversation { own, other, after };
    let page = reader.page(&scope, HistorySpan::Newest, 9).unwrap();
    assert_eq!(numbers(&page), (vec![3], false));
    let scope = Scope::Own {
        direct: Some(OwnMessages {
            account: BOB,
            after,
        }),
        rooms: Vec::new(),
    };
    let words = Words::of("tea").unwrap();
    let found = reader.search_within(&scope, &words, 9, PATIENCE).unwrap();
    assert_eq!(numbers(&found), (vec![3], false));
}

#[test]
fn full_disk_leaves_history_as_it_was() {
    let dir = quick_directory();
    let messages = talk(2_000);
    let mut store = store_with(dir.path(), &messages[..200]);
    store.database().limit_further_pages(2);
    let error = store.append(None, &messages[200..]).unwrap_err();
    assert!(error.is_no_room(), "{error}");
    assert_eq!(store.through(), messages[199].number);
    store.database().limit_further_pages(10_000);
    store.append(None, &messages[200..]).unwrap();
    assert_eq!(
        HistoryStore::check(dir.path()).unwrap(),
        Some(messages.len() as u64)
    );
}

#[test]
fn long_answer_says_that_there_is_more() {
    let dir = quick_directory();
    let text = "x".repeat(100 * 1024);
    let messages = [1, 2, 3].map(|number| message(number, ANN, &[BOB], &text));
    let store = store_with(dir.path(), &messages);
    let found = store
        .reader()
        .unwrap()
        .page(&between(ANN, BOB), HistorySpan::Newest, 9);
    assert_eq!(numbers(&found.unwrap()), (vec![2, 3], true));
}
