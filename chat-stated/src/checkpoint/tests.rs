//! The checkpoint store as a whole, against a plain map.

use std::collections::BTreeMap;
use std::path::Path;

use super::writer::CheckpointWriting;
use super::*;
use crate::database::StorageError;

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
        value: Some(value.to_vec()),
    }
}

fn write_whole(store: &mut CheckpointStore, position: u64, changes: Vec<Change>) {
    let position = Position(position);
    let mut writing = CheckpointWriting::new(store, Checkpoint { position, changes });
    let mut is_written = false;
    while !writing.is_done() {
        match writing.step(store).unwrap() {
            Some(CheckpointEvent::Written { position: written }) => {
                assert_eq!(written, position);
                is_written = true;
            }
            None => {}
            event => panic!("{event:?}"),
        }
    }
    assert!(is_written);
}

#[test]
fn records_come_back_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (loaded, records) = open(dir.path()).unwrap();
    assert_eq!((loaded.position, records.len()), (Position(0), 0));
    let mut store = loaded.store;
    write_whole(&mut store, 7, vec![set(1, 5, b"five"), set(1, 6, b"six")]);
    let gone = Change {
        table: 1,
        key: 5,
        value: None,
    };
    write_whole(&mut store, 9, vec![gone, set(2, u64::MAX, b"")]);
    drop(store);
    let (loaded, records) = open(dir.path()).unwrap();
    assert_eq!(loaded.position, Position(9));
    let wanted = [((1, 6), b"six".to_vec()), ((2, u64::MAX), vec![])];
    assert_eq!(records, Model::from(wanted));
}
