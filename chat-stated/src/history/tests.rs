//! The history as a whole, against a plain list of messages.

mod damage;
mod speed;

use std::path::Path;
use std::time::Duration;

use chat_model::{AccountId, HistorySpan, MessageNumber};
use smallvec::SmallVec;

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
    Scope::Conversation { own, other }
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
    let everything = Scope::Own(ANN);
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
            Some(_) => search(everything, line, 50).0,
            None => Vec::new(),
        };
        assert_eq!(found, expected, "{line}");
    }
    assert_eq!(search(everything, "lunch", 2), (vec![2, 3], true));
    assert_eq!(search(everything, "lunch", 3), (vec![1, 2, 3], false));
    assert_eq!(search(between(ANN, CAROL), "lunch", 9).0, [3]);
    assert_eq!(search(between(CAROL, BOB), "lunch", 9).0, [3, 5]);
    assert_eq!(search(Scope::Own(CAROL), "sure", 9).0, [0_u64; 0]);
}

#[test]
fn search_is_cut_when_time_is_over() {
    let dir = quick_directory();
    let store = store_with(dir.path(), &talk(300));
    let reader = store.reader().unwrap();
    for line in ["word", "\u{4eac}"] {
        let words = Words::of(line).unwrap();
        let found = reader.search_within(&Scope::Own(BOB), &words, MAX_LINES, Duration::ZERO);
        assert!(found.unwrap().has_more, "{line}");
    }
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
    let mut pieces = 1;
    while store.delete_before(2_900_000).unwrap() {
        pieces += 1;
    }
    assert!(pieces > 3, "{pieces}");
    let left = messages
        .iter()
        .filter(|message| message.time_ms >= 2_900_000)
        .count() as u64;
    assert_eq!(store.rows(), left);
    assert_eq!(HistoryStore::check(dir.path()).unwrap(), Some(left));
    let reader = store.reader().unwrap();
    let words = Words::of("message1").unwrap();
    assert_eq!(
        reader
            .search_within(&Scope::Own(BOB), &words, 50, PATIENCE)
            .unwrap(),
        Found::default()
    );
    store
        .append(None, &[message(3_001, ANN, &[BOB], "new")])
        .unwrap();
    assert_eq!(HistoryStore::check(dir.path()).unwrap(), Some(left + 1));
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
