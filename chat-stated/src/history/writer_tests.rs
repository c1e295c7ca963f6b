use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use chat_model::{AccountId, HistorySpan};
use smallvec::smallvec;

use super::*;
use crate::database::testing::{PATIENCE, quick_directory};

const ANN: AccountId = AccountId(1);
const BOB: AccountId = AccountId(2);

fn message(number: u64, text: &str) -> KeptMessage {
    KeptMessage {
        number: MessageNumber(number),
        time_ms: number as i64,
        sender: ANN,
        is_notice: false,
        rooms: smallvec![],
        readers: smallvec![BOB],
        text: text.into(),
    }
}

fn start(store: HistoryStore) -> (IoThread<HistoryRequest>, Receiver<HistoryEvent>) {
    start_in(Path::new(""), Some(store))
}

fn start_in(
    dir: &Path,
    store: Option<HistoryStore>,
) -> (IoThread<HistoryRequest>, Receiver<HistoryEvent>) {
    let (sender, events) = channel();
    let history = start_history(
        dir.to_owned(),
        store,
        Box::new(move |event| drop(sender.send(event))),
    );
    (history.unwrap(), events)
}

fn ask(history: &IoThread<HistoryRequest>, ticket: u64) {
    let scope = Scope::Conversation {
        own: ANN,
        other: BOB,
        after: MessageNumber(0),
    };
    let question = Question::Page {
        scope,
        span: HistorySpan::Newest,
        count: 1_000,
    };
    history.send(HistoryRequest::Ask { ticket, question });
}

/// Numbers of the messages with which a question was answered.
fn answer(events: &Receiver<HistoryEvent>) -> Option<Vec<u64>> {
    loop {
        if let HistoryEvent::Answered { found, .. } = events.recv_timeout(PATIENCE).unwrap() {
            let numbers = |found: Found| {
                found
                    .messages
                    .iter()
                    .map(|message| message.number.0)
                    .collect()
            };
            return found.map(numbers);
        }
    }
}

#[test]
fn question_waits_for_messages_before_it() {
    let dir = quick_directory();
    let (history, events) = start(HistoryStore::create(dir.path(), MessageNumber(0)).unwrap());
    for number in 1..=50 {
        history.send(HistoryRequest::Keep(vec![message(number, "hi")]));
        ask(&history, number);
        assert_eq!(answer(&events), Some((1..=number).collect()));
    }
}

#[test]
fn file_is_made_for_first_message() {
    let dir = quick_directory();
    let (history, events) = start_in(dir.path(), None);
    history.send(HistoryRequest::Retain(Retention::default()));
    ask(&history, 1);
    assert_eq!(answer(&events), None);
    assert!(!dir.path().join(HistoryStore::FILE_NAME).exists());
    history.send(HistoryRequest::Keep(vec![message(7, "hi")]));
    ask(&history, 2);
    assert_eq!(answer(&events), Some(vec![7]));
}

#[test]
fn end_writes_what_waits() {
    let dir = quick_directory();
    let (history, events) = start(HistoryStore::create(dir.path(), MessageNumber(0)).unwrap());
    history.send(HistoryRequest::Keep(vec![
        message(1, "hi"),
        message(4, "ho"),
    ]));
    drop(history);
    let settled = events.iter().last().unwrap();
    assert!(matches!(
        settled,
        HistoryEvent::Settled {
            through: MessageNumber(4),
            rows: 2,
            ..
        }
    ));
    let store = HistoryStore::open(dir.path()).unwrap().unwrap();
    assert_eq!(store.through(), MessageNumber(4));
}

#[test]
fn full_disk_makes_gap_beyond_bound() {
    let dir = quick_directory();
    let store = HistoryStore::create(dir.path(), MessageNumber(0)).unwrap();
    store.database().limit_further_pages(1);
    let (history, events) = start(store);
    let text = "x".repeat(1024 * 1024);
    let count = PAUSED_BYTES as u64 / text.len() as u64 + 2;
    for number in 1..=count {
        history.send(HistoryRequest::Keep(vec![message(number, &text)]));
    }
    let event = || events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(event(), HistoryEvent::Paused(Some(NoRoom::Full))));
    let HistoryEvent::Gap(gap) = event() else {
        panic!("there is a gap");
    };
    assert_eq!(gap.first, MessageNumber(1));
    let HistoryEvent::Settled { through, .. } = event() else {
        panic!("what is in the gap is waited for no longer");
    };
    assert_eq!(through, gap.last);
    drop(history);
    // The end tried once more: the gap needs next to no space.
    let store = HistoryStore::open(dir.path()).unwrap().unwrap();
    let last = MessageNumber(count);
    let first = gap.first;
    assert_eq!(store.gaps(), [Gap { first, last }]);
}

#[test]
fn gap_is_written_once_there_is_space() {
    let dir = quick_directory();
    let store = HistoryStore::create(dir.path(), MessageNumber(0)).unwrap();
    // A little fits, so that there is space again without help.
    store.database().limit_further_pages(20);
    let (history, events) = start(store);
    let event = || events.recv_timeout(PATIENCE).unwrap();
    let text = "x".repeat(1024 * 1024);
    history.send(HistoryRequest::Keep(vec![message(1, &text)]));
    assert!(matches!(event(), HistoryEvent::Paused(Some(NoRoom::Full))));
    history.send(HistoryRequest::GiveUpWaiting);
    assert!(matches!(event(), HistoryEvent::Gap(_)));
    assert!(matches!(
        event(),
        HistoryEvent::Settled {
            through: MessageNumber(1),
            ..
        }
    ));
    history.send(HistoryRequest::Keep(vec![message(2, "in the gap, too")]));
    loop {
        match event() {
            HistoryEvent::Paused(None) => break,
            HistoryEvent::Gap(gap) => assert_eq!(gap.last, MessageNumber(2)),
            HistoryEvent::Settled { .. } => {}
            event => panic!("{event:?}"),
        }
    }
    history.send(HistoryRequest::Keep(vec![message(3, "hi")]));
    ask(&history, 1);
    assert_eq!(answer(&events), Some(vec![3]));
    drop(history);
    let store = HistoryStore::open(dir.path()).unwrap().unwrap();
    let last = MessageNumber(2);
    let first = MessageNumber(1);
    assert_eq!(store.gaps(), [Gap { first, last }]);
}

#[test]
fn forgotten_messages_are_deleted() {
    let dir = quick_directory();
    let (history, events) = start(HistoryStore::create(dir.path(), MessageNumber(0)).unwrap());
    let forget = |through| {
        let forgotten = Forgotten {
            room: None,
            after: MessageNumber(0),
            through: MessageNumber(through),
        };
        history.send(HistoryRequest::Forget(vec![forgotten]));
    };
    let rows = || loop {
        // The first tells what was written, the second that the pass is done.
        match events.recv_timeout(PATIENCE).unwrap() {
            HistoryEvent::Settled { rows, bytes: 0, .. } => return rows,
            HistoryEvent::Settled { .. } => {}
            event => panic!("{event:?}"),
        }
    };
    history.send(HistoryRequest::Keep(vec![
        message(1, "a"),
        message(2, "b"),
        message(3, "c"),
    ]));
    forget(2);
    assert_eq!(rows(), 1);
    drop(history);
    // As a start does it that finds more than has to stay.
    let store = HistoryStore::open(dir.path()).unwrap().unwrap();
    let (history, events) = start(store);
    history.send(HistoryRequest::Retain(Retention {
        direct_after: MessageNumber(3),
        ..Retention::default()
    }));
    let settled = events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(settled, HistoryEvent::Settled { rows: 0, .. }));
}

#[test]
fn deleted_file_ends_history_alone() {
    let dir = quick_directory();
    let (history, events) = start(HistoryStore::create(dir.path(), MessageNumber(0)).unwrap());
    history.send(HistoryRequest::Keep(vec![message(1, "hi")]));
    ask(&history, 1);
    assert_eq!(answer(&events), Some(vec![1]));
    fs::remove_file(dir.path().join(HistoryStore::FILE_NAME)).unwrap();
    history.send(HistoryRequest::Keep(vec![message(2, "ho")]));
    let event = events.recv_timeout(PATIENCE).unwrap();
    let HistoryEvent::Failed { error } = event else {
        panic!("{event:?}");
    };
    assert!(error.contains("was deleted"), "{error}");
}
