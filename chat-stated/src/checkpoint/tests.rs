//! The checkpoint store as a whole, against a plain map.

mod formats;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use chat_model::MessageNumber;
use proptest::prelude::*;

use super::store::SliceLimits;
use super::writer::CheckpointWriting;
use super::*;
use crate::database::StorageError;
use crate::database::testing::{PATIENCE, flips, quick_directory};
use crate::text_page::{GatheredText, Gathering, TEXT_TABLE, TextPlace, Texts};

type Model = BTreeMap<(u8, u64), Vec<u8>>;

fn open(dir: &Path) -> Result<(Loaded, Model), StorageError> {
    let mut records = Model::new();
    let loaded = CheckpointStore::open(dir, |record| {
        records.insert((record.table, record.key), record.value.to_vec());
        Ok(())
    })?;
    Ok((loaded, records))
}

fn set(table: u8, key: u64, value: &[u8]) -> Change {
    Change {
        table,
        key,
        value: Some(value.to_vec().into()),
    }
}

fn unset(table: u8, key: u64) -> Change {
    Change {
        table,
        key,
        value: None,
    }
}

/// Writes a checkpoint, but for no more than so many slices; says whether it became current.
fn write_slices(
    store: &mut CheckpointStore,
    position: u64,
    changes: Vec<Change>,
    slices: usize,
) -> bool {
    let position = LogIndex(position);
    let mut writing = CheckpointWriting::new(store, Checkpoint { position, changes });
    let mut is_written = false;
    for _ in 0..slices {
        if writing.is_done() {
            break;
        }
        match writing.step(store).unwrap() {
            Some(CheckpointEvent::Written { position: written }) => {
                assert_eq!(written, position);
                is_written = true;
            }
            None => {}
            event => panic!("{event:?}"),
        }
    }
    is_written
}

fn write_whole(store: &mut CheckpointStore, position: u64, changes: Vec<Change>) {
    assert!(write_slices(store, position, changes, usize::MAX));
}

fn apply(model: &mut Model, changes: &[Change]) {
    for change in changes {
        let key = (change.table, change.key);
        match &change.value {
            Some(Content::Bytes(value)) => model.insert(key, value.clone()),
            Some(Content::Texts(_)) => panic!("not in these tests"),
            None => model.remove(&key),
        };
    }
}

fn row_count(store: &CheckpointStore) -> usize {
    let count: i64 = store
        .database()
        .connection
        .query_row("SELECT count(*) FROM record", (), |row| row.get(0))
        .unwrap();
    count as usize
}

#[test]
fn records_come_back_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (loaded, records) = open(dir.path()).unwrap();
    assert_eq!((loaded.position, records.len()), (LogIndex(0), 0));
    let mut store = loaded.store;
    write_whole(&mut store, 7, vec![set(1, 5, b"five"), set(1, 6, b"six")]);
    write_whole(&mut store, 9, vec![unset(1, 5), set(2, u64::MAX, b"")]);
    assert_eq!(row_count(&store), 2);
    drop(store);
    let (loaded, records) = open(dir.path()).unwrap();
    assert_eq!(loaded.position, LogIndex(9));
    let wanted = [((1, 6), b"six".to_vec()), ((2, u64::MAX), vec![])];
    assert_eq!(records, Model::from(wanted));
}

const TINY_SLICES: SliceLimits = SliceLimits {
    changes: 3,
    bytes: 40,
    swept_rows: 5,
};

fn some_changes() -> impl Strategy<Value = Vec<Change>> {
    let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..30));
    let change = (0..3u8, 0..12u64, value).prop_map(|(table, key, value)| Change {
        table,
        key,
        value: value.map(Content::Bytes),
    });
    proptest::collection::vec(change, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whenever the process dies, the next one finds the old checkpoint or the new one, whole.
    #[test]
    fn crash_leaves_old_or_new_checkpoint(
        checkpoints in proptest::collection::vec((some_changes(), 0..30usize), 1..12),
    ) {
        let dir = quick_directory();
        let mut model = Model::new();
        let mut current = LogIndex(0);
        for (index, (changes, slices)) in checkpoints.into_iter().enumerate() {
            let (loaded, records) = open(dir.path()).unwrap();
            prop_assert_eq!(&records, &model);
            prop_assert_eq!(loaded.position, current);
            let mut store = loaded.store;
            store.set_limits(TINY_SLICES);
            let position = index as u64 + 1;
            if write_slices(&mut store, position, changes.clone(), slices) {
                apply(&mut model, &changes);
                current = LogIndex(position);
            }
            let reader = store.reader().unwrap();
            for (table, key) in (0..3).flat_map(|table| (0..12).map(move |key| (table, key))) {
                prop_assert_eq!(reader.read(table, key).unwrap(), model.get(&(table, key)).cloned());
            }
        }
        let mut store = open(dir.path()).unwrap().0.store;
        store.set_limits(TINY_SLICES);
        write_whole(&mut store, 1000, vec![]);
        prop_assert_eq!(row_count(&store), model.len(), "rows of no checkpoint are left");
        let (_, records) = open(dir.path()).unwrap();
        prop_assert_eq!(records, model);
    }
}

#[test]
fn missing_row_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).unwrap().0.store;
    write_whole(&mut store, 7, vec![set(1, 5, b"five"), set(1, 6, b"six")]);
    let delete = "DELETE FROM record WHERE key = 5";
    store.database().connection.execute_batch(delete).unwrap();
    drop(store);
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, StorageError::Damaged { .. }));
    assert!(error.to_string().contains("there should be 2"), "{error}");
}

fn page_of_texts(texts: &[(u64, &str)]) -> Vec<u8> {
    crate::text_page::encode(
        texts
            .iter()
            .map(|(number, text)| (MessageNumber(*number), *text)),
    )
}

fn place(number: u64, page: u64) -> TextPlace {
    TextPlace {
        number: MessageNumber(number),
        text_bytes: 5,
        page,
        moved_to: None,
    }
}

/// Two pages with a text each, the first of which is damaged.
fn with_a_damaged_page(dir: &Path) -> CheckpointStore {
    let mut store = open(dir).unwrap().0.store;
    let pages = [(1, "first"), (2, "other")];
    let changes = pages
        .map(|(page, text)| set(TEXT_TABLE, page, &page_of_texts(&[(page, text)])))
        .to_vec();
    write_whole(&mut store, 7, changes);
    let damage = "UPDATE record SET value = zeroblob(3) WHERE key = 1";
    let connection = &store.database().connection;
    assert_eq!(connection.execute(damage, ()).unwrap(), 1);
    store
}

#[test]
fn damaged_text_page_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_a_damaged_page(dir.path());
    let reader = store.reader().unwrap();
    let read = reader
        .read_whole_texts(&[place(2, 2), place(1, 1)])
        .unwrap();
    let texts = Texts::from([(MessageNumber(2), "other".into())]);
    assert_eq!(read.texts, texts);
    let [damaged] = &read.damaged[..] else {
        panic!("{read:?}");
    };
    assert_eq!(damaged.numbers, [MessageNumber(1)]);
    let error = &damaged.error;
    assert!(error.contains("is damaged: record 1 of table 3"), "{error}");
    assert_eq!(
        reader.read_whole_texts(&[place(2, 2)]).unwrap(),
        texts.into()
    );
}

#[test]
fn damaged_page_returns_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = with_a_damaged_page(dir.path());
    let texts = [place(2, 2), place(1, 1)].map(GatheredText::Placed);
    let gathering = Gathering {
        texts: texts.to_vec(),
    };
    let changes = vec![
        set(1, 5, b"five"),
        unset(TEXT_TABLE, 1),
        Change {
            table: TEXT_TABLE,
            key: 3,
            value: Some(Content::Texts(gathering)),
        },
    ];
    store.set_limits(SliceLimits {
        changes: 1,
        ..SliceLimits::default()
    });
    let (mut writer, events) = start(store);
    let checkpoint = |position, changes| Checkpoint {
        position: LogIndex(position),
        changes,
    };
    writer.write(checkpoint(8, changes.clone()));
    match events.recv_timeout(PATIENCE).unwrap() {
        CheckpointEvent::DamagedTexts { page, checkpoint } => {
            assert_eq!((page, checkpoint.changes), (1, changes));
        }
        event => panic!("{event:?}"),
    }
    writer.write(checkpoint(9, vec![set(1, 6, b"six")]));
    match events.recv_timeout(PATIENCE).unwrap() {
        CheckpointEvent::Written { position } => assert_eq!(position, LogIndex(9)),
        event => panic!("{event:?}"),
    }
    drop(writer);
    let error = open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("record 1 of table 3"), "it is still there");
}

#[test]
fn record_rejected_by_loader_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).unwrap().0.store;
    write_whole(&mut store, 7, vec![set(1, 5, b"five")]);
    drop(store);
    let error = CheckpointStore::open(dir.path(), |_| Err("it is odd".into())).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("record 5 of table 1: it is odd"), "{error}");
}

#[test]
fn every_flipped_byte_is_named_or_harmless() {
    let dir = quick_directory();
    let mut store = open(dir.path()).unwrap().0.store;
    let changes: Vec<_> = (0..20).map(|key| set(1, key, &[key as u8; 30])).collect();
    write_whole(&mut store, 7, changes.clone());
    drop(store);
    let mut model = Model::new();
    apply(&mut model, &changes);
    drop(open(dir.path()).unwrap());
    let file = dir.path().join("checkpoint.db");
    let original = fs::read(&file).unwrap();
    let mut named = 0;
    for (offset, flipped) in flips(&original, 0..) {
        fs::write(&file, flipped).unwrap();
        match open(dir.path()) {
            Ok((_, records)) => assert_eq!(records, model, "byte {offset}"),
            Err(StorageError::Damaged { .. } | StorageError::Version { .. }) => named += 1,
            Err(error) => panic!("byte {offset}: {error}"),
        }
    }
    assert!(named > 20 * 30, "{named}");
}

fn start(store: CheckpointStore) -> (CheckpointWriter, Receiver<CheckpointEvent>) {
    let (events, receiver) = channel();
    let sink = Box::new(move |event| {
        let _ = events.send(event);
    });
    (CheckpointWriter::start(store, sink).unwrap(), receiver)
}

#[test]
fn full_disk_defers_changes_to_next_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).unwrap().0.store;
    write_whole(&mut store, 7, vec![set(1, 5, b"five")]);
    store.database().limit_further_pages(20);
    let (mut writer, events) = start(store);
    let mut changes: Vec<_> = (0..50).map(|key| set(2, key, &[1; 10_000])).collect();
    changes.push(set(1, 5, b"changed"));
    let refused = Checkpoint {
        position: LogIndex(8),
        changes,
    };
    writer.write(refused.clone());
    let mut checkpoint = match events.recv_timeout(PATIENCE).unwrap() {
        CheckpointEvent::NoRoom { checkpoint, .. } => checkpoint,
        event => panic!("{event:?}"),
    };
    assert_eq!(checkpoint, refused);
    let removals = (1..50).map(|key| unset(2, key));
    checkpoint
        .changes
        .retain(|change| change.table == 1 || change.key == 0);
    checkpoint.changes.extend(removals);
    checkpoint.position = LogIndex(9);
    writer.write(checkpoint);
    match events.recv_timeout(PATIENCE).unwrap() {
        CheckpointEvent::Written { position } => assert_eq!(position, LogIndex(9)),
        event => panic!("{event:?}"),
    }
    drop(writer);
    let (loaded, records) = open(dir.path()).unwrap();
    assert_eq!(loaded.position, LogIndex(9));
    let wanted = [((1, 5), b"changed".to_vec()), ((2, 0), vec![1; 10_000])];
    assert_eq!(records, Model::from(wanted));
}

#[test]
fn reader_sees_old_or_new_content() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).unwrap().0.store;
    write_whole(&mut store, 1, vec![set(1, 5, b"1")]);
    let reader = store.reader().unwrap();
    let (mut writer, events) = start(store);
    for position in 2..=30u64 {
        let mut changes: Vec<_> = (10..200).map(|key| set(1, key, &[7; 2_000])).collect();
        changes.push(set(1, 5, position.to_string().as_bytes()));
        writer.write(Checkpoint {
            position: LogIndex(position),
            changes,
        });
        loop {
            let content = reader.read(1, 5).unwrap().unwrap();
            let number: u64 = String::from_utf8(content).unwrap().parse().unwrap();
            assert!(
                number == position - 1 || number == position,
                "{number} {position}"
            );
            if let Ok(event) = events.try_recv() {
                assert!(
                    matches!(event, CheckpointEvent::Written { .. }),
                    "{event:?}"
                );
                break;
            }
        }
        assert_eq!(
            reader.read(1, 5).unwrap().unwrap(),
            position.to_string().as_bytes()
        );
    }
}

#[test]
fn space_of_removed_records_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, events) = start(open(dir.path()).unwrap().0.store);
    let written = |writer: &mut CheckpointWriter, position, changes| {
        writer.write(Checkpoint { position, changes });
        let event = events.recv_timeout(PATIENCE).unwrap();
        assert!(
            matches!(event, CheckpointEvent::Written { .. }),
            "{event:?}"
        );
    };
    let keys = 0..2_000;
    let add = keys.clone().map(|key| set(1, key, &[7; 10_000])).collect();
    written(&mut writer, LogIndex(1), add);
    let file = dir.path().join("checkpoint.db");
    let remove = keys.map(|key| unset(1, key)).collect();
    written(&mut writer, LogIndex(2), remove);
    let deadline = std::time::Instant::now() + PATIENCE;
    while fs::metadata(&file).unwrap().len() > 6 * 1024 * 1024 {
        assert!(std::time::Instant::now() < deadline, "no space given back");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn dropped_writer_keeps_previous_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).unwrap().0.store;
    write_whole(&mut store, 1, vec![set(1, 5, b"1")]);
    let (mut writer, events) = start(store);
    writer.write(Checkpoint {
        position: LogIndex(2),
        changes: (0..20_000).map(|key| set(1, key, &[7; 500])).collect(),
    });
    drop(writer);
    let (loaded, records) = open(dir.path()).unwrap();
    match events.try_recv() {
        Ok(CheckpointEvent::Written { position }) => {
            assert_eq!((loaded.position, records.len()), (position, 20_000));
        }
        _ => assert_eq!((loaded.position, records.len()), (LogIndex(1), 1)),
    }
}

#[test]
fn what_cannot_be_written_ends_writer() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap().0.store;
    let other = store.reader().unwrap();
    let (mut writer, events) = start(store);
    other
        .database()
        .connection
        .execute_batch("DROP TABLE record")
        .unwrap();
    writer.write(Checkpoint {
        position: LogIndex(1),
        changes: vec![set(1, 1, b"")],
    });
    let CheckpointEvent::Failed { error } = events.recv_timeout(PATIENCE).unwrap() else {
        panic!("not failed");
    };
    assert!(error.contains("checkpoint.db"), "{error}");
}
