mod pair;

use chat_model::{Audience, MessageNumber, NameList};

use self::pair::{ACCOUNTS, ALL, Pair, Stored, name, replayed, restored};
use super::StateSnapshot;
use crate::checkpoint::tables::{PAGE_TABLE, READ_MEANWHILE_TABLE};
use crate::checkpoint::{Change, MemoryCheckpoint, Restoration};
use crate::entry::{Action, Entry, HistoryRules};
use crate::state::{Effects, Reader, RestoreError};
use crate::text_page::{self, TEXT_TABLE};

#[test]
fn snapshot_in_pieces_equals_initial_state() {
    let mut kept_pages = 0;
    for seed in 0..24 {
        let mut pair = Pair::new(seed);
        for _ in 0..2_000 {
            pair.step();
        }
        pair.in_pieces.state.assert_consistent();
        assert!(pair.checkpoints > 10, "{} checkpoints", pair.checkpoints);
        kept_pages += pair.kept_pages;
    }
    assert!(kept_pages > 10, "{kept_pages} pages taken for damaged");
}

/// Rules as they were at first have no record: the one before has to go.
#[test]
fn rules_of_history_can_go_back() {
    let mut stored = Stored::default();
    for keeps_direct in [true, false] {
        let rules = HistoryRules { keeps_direct };
        let entry = Entry::KeepHistory(rules);
        stored.state.apply(entry, 0, &mut Effects::default());
        let records = StateSnapshot::take_whole(&mut stored.state);
        stored.checkpoint.write(&records).unwrap();
        let restored = Restoration::of_all(stored.checkpoint.records()).unwrap();
        assert_eq!(restored.keeping().rules, rules);
    }
}

/// With so many messages for each account.
fn with_queues(messages: u64) -> Pair {
    let mut pair = Pair::new(0);
    for number in 0..messages * ACCOUNTS {
        pair.request(
            0,
            Action::Send {
                audience: Audience::Accounts(NameList::one(name(number % ACCOUNTS))),
                text: "hello".to_owned(),
            },
        );
    }
    pair
}

#[test]
fn piece_is_bounded_by_budget_and_page() {
    let mut state = with_queues(1_000).in_pieces.state;
    let mut snapshot = StateSnapshot::begin(&mut state);
    let (mut on_pages, mut pieces) = (0, 0);
    loop {
        let is_done = snapshot.take_piece(&mut state, 2_048);
        let gathered = state.messages_on_pages() - on_pages;
        assert!(gathered < 2_048 + 256, "{gathered} messages at once");
        on_pages += gathered;
        pieces += 1;
        if is_done {
            break;
        }
    }
    assert_eq!(on_pages, 12_000);
    assert!((6..=7).contains(&pieces), "{pieces} pieces");
}

/// Queues that messages came into and left again cost something too.
#[test]
fn piece_is_bounded_for_empty_queues() {
    let mut pair = with_queues(10);
    for account in 0..ACCOUNTS {
        pair.read(account, 120);
    }
    let mut state = pair.in_pieces.state;
    assert_eq!(state.waiting_messages(), 0);
    let mut snapshot = StateSnapshot::begin(&mut state);
    let mut pieces = 1;
    while !snapshot.take_piece(&mut state, 2) {
        pieces += 1;
    }
    assert!(
        pieces >= 12,
        "{pieces} pieces for 12 accounts, each with a queue"
    );
}

#[test]
fn one_reader_s_messages_lie_together() {
    let mut state = with_queues(256).in_pieces.state;
    let records = StateSnapshot::take_whole(&mut state);
    let is_page = |change: &&Change| change.table == PAGE_TABLE;
    assert_eq!(records.iter().filter(is_page).count(), 12);
    let mut checkpoint = MemoryCheckpoint::default();
    checkpoint.write(&records).unwrap();
    let state = replayed(&checkpoint, 0, &[]);
    for (id, _) in state.records() {
        let (none, newest) = (MessageNumber(0), state.last_message());
        assert_eq!(
            state
                .missing_texts(Reader::first(id), none, newest, ALL, 1)
                .len(),
            256
        );
    }
}

#[test]
fn message_read_before_move_is_in_snapshot() {
    let mut pair = with_queues(20);
    pair.begin();
    pair.finish();
    for account in 0..ACCOUNTS - 2 {
        pair.read(account, 240);
    }
    assert_eq!(pair.in_pieces.state.given_up_pages(), 1);
    pair.begin();
    pair.read(ACCOUNTS - 2, 240);
    pair.finish();
    assert_eq!(pair.in_pieces.state.waiting_messages(), 20);
    assert_eq!(pair.checkpoints, 2);
}

/// What is read while a snapshot goes on is in it, and gone with the next one.
#[test]
fn message_read_before_paging_is_freed() {
    let mut pair = with_queues(100);
    pair.begin();
    for account in 0..ACCOUNTS {
        pair.read(account, 1_200);
    }
    pair.finish();
    assert!(pair.in_pieces.state.given_up_pages() > 0);
    let records = StateSnapshot::take_whole(&mut pair.in_pieces.state);
    pair.in_pieces.write(records, true);
    assert_eq!(pair.in_pieces.state.given_up_pages(), 0);
    assert!(
        pair.in_pieces
            .checkpoint
            .records
            .range((2, 0)..)
            .next()
            .is_none()
    );
}

/// Promise 1 rests on it: whatever has no text was read, and that is durable.
#[test]
fn snapshot_omits_texts_delivered_meanwhile() {
    let mut pair = with_queues(100);
    pair.begin();
    for account in 0..ACCOUNTS - 1 {
        pair.read(account, 1_200);
    }
    let since = pair.since.clone();
    assert!(pair.take_without_messages(1_000));
    pair.finish();
    let checkpoint = &pair.in_pieces.checkpoint;
    let texts = checkpoint
        .records
        .range((TEXT_TABLE, 0)..(TEXT_TABLE + 1, 0));
    let texts: Vec<_> = texts
        .flat_map(|(_, page)| text_page::decode(page))
        .collect();
    assert_eq!(
        texts.concat().len(),
        100,
        "those of the one who read nothing"
    );
    let waiting = |since| replayed(checkpoint, 0, since).waiting_messages();
    assert_eq!(waiting(&since), 100);
    let mut state = restored(checkpoint, u64::MAX);
    assert_eq!(
        state.waiting_messages(),
        1_200,
        "before the journal is replayed"
    );
    for entry in since {
        assert_eq!(state.check_replayed(), Err(RestoreError::ReadingMissing));
        state.apply(entry, 0, &mut Effects::default());
    }
    assert_eq!(state.check_replayed(), Ok(()));
    // The next checkpoint after a restore takes their pages away.
    let mut stored = Stored {
        checkpoint: checkpoint.clone(),
        state,
        ..Stored::default()
    };
    let records = StateSnapshot::take_whole(&mut stored.state);
    stored.write(records, true);
    let of_read = (READ_MEANWHILE_TABLE, 0)..(READ_MEANWHILE_TABLE + 1, 0);
    assert_eq!(stored.checkpoint.records.range(of_read).count(), 0);
}

#[test]
fn missing_journal_marks_textless_as_read() {
    let mut pair = with_queues(100);
    pair.request(
        0,
        Action::Send {
            audience: Audience::Everyone,
            text: "all".into(),
        },
    );
    pair.request(
        1,
        Action::Send {
            audience: Audience::Accounts("user2 user3".split(' ').collect()),
            text: "both".into(),
        },
    );
    pair.begin();
    for account in 0..ACCOUNTS - 1 {
        pair.read(account, 1_202);
    }
    pair.finish();
    let mut state = restored(&pair.in_pieces.checkpoint, 0);
    // The broadcast waits for the last one still.
    assert_eq!(state.take_missing_as_read(), 1_100 + 1);
    assert_eq!(state.check_replayed(), Ok(()));
    assert_eq!(state.waiting_messages(), 100 + 1);
    assert_eq!(state.take_missing_as_read(), 0);
    state.assert_consistent();
}
