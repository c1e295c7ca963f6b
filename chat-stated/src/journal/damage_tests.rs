//! A damaged journal is named and never served: missing ends, gaps, and a flip of every byte of its files.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::tests::{await_committed, batch, copy_as_if_killed, expect_batches, open, start, write};
use super::{Journal, Position};
use crate::database::StorageError;

fn damage(result: Result<impl Sized, StorageError>) -> String {
    match result.map(|_| ()) {
        Err(error @ StorageError::Damaged { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn change_database(dir: &Path, sql: &str) {
    let connection = Connection::open(dir.join("journal.db")).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[test]
fn a_gap_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=5, 10);
    change_database(dir.path(), "DELETE FROM batch WHERE position = 3");
    let error = damage(open(dir.path(), 0));
    assert!(error.contains("batch 3: it is missing"), "{error}");
}

#[test]
fn a_batch_in_another_place_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=5, 10);
    change_database(
        dir.path(),
        "UPDATE batch SET body = (SELECT body FROM batch WHERE position = 5), \
         digest = (SELECT digest FROM batch WHERE position = 5) WHERE position = 4",
    );
    let error = damage(open(dir.path(), 0));
    assert!(error.contains("batch 4: its digest"), "{error}");
}

#[test]
fn a_journal_that_begins_after_the_checkpoint_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 7, 8..=9, 10);
    expect_batches(&open(dir.path(), 7).unwrap().1, 8..=9, 10);
    let error = damage(open(dir.path(), 6));
    assert!(error.contains("begins after batch 7"), "{error}");
}

#[test]
fn a_journal_that_ends_before_the_checkpoint_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=3, 10);
    let error = damage(open(dir.path(), 4));
    assert!(error.contains("ends with batch 3"), "{error}");
}

#[test]
fn a_missing_end_is_named_because_of_the_mark() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=5, 10);
    change_database(dir.path(), "DELETE FROM batch WHERE position = 5");
    let error = damage(open(dir.path(), 0));
    assert!(
        error.contains("journal.mark says that there was batch 5"),
        "{error}"
    );
}

#[test]
fn a_missing_journal_is_named_unless_its_mark_was_taken_away_too() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=5, 10);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(dir.path().join(name));
    }
    let error = damage(open(dir.path(), 4));
    assert!(error.contains("it is missing"), "{error}");
    fs::remove_file(dir.path().join("journal.mark")).unwrap();
    let (journal, found) = open(dir.path(), 4).unwrap();
    assert_eq!((journal.last(), found.len()), (Position(4), 0));
}

#[test]
fn a_log_without_its_database_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("journal.db-wal"), "log").unwrap();
    let error = damage(open(dir.path(), 0));
    assert!(error.contains("journal.db-wal is there"), "{error}");
}

#[test]
fn another_format_is_refused_with_a_clear_word() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=5, 10);
    for version in [0, 2] {
        change_database(dir.path(), &format!("PRAGMA user_version = {version}"));
        let error = open(dir.path(), 0).unwrap_err();
        assert!(matches!(error, StorageError::Version { .. }), "{error}");
        let words = format!("has format {version}, this program knows format 1");
        assert!(error.to_string().contains(&words), "{error}");
    }
}

/// Flips bytes of a file one at a time; with each, the journal must be named as damaged or give all back.
/// Returns how many flips were named.
fn flip_bytes(dir: &Path, name: &str, offsets: impl Iterator<Item = usize>) -> usize {
    let names = ["journal.db", "journal.db-wal", "journal.mark"];
    let originals = names.map(|name| fs::read(dir.join(name)).unwrap());
    let flipped = names.iter().position(|other| *other == name).unwrap();
    let mut named = 0;
    for offset in offsets.take_while(|offset| *offset < originals[flipped].len()) {
        for (name, original) in names.iter().zip(&originals) {
            fs::write(dir.join(name), original).unwrap();
        }
        let mut bytes = originals[flipped].clone();
        bytes[offset] ^= if offset % 2 == 0 { 0xff } else { 0x01 };
        fs::write(dir.join(name), bytes).unwrap();
        match open(dir, 2) {
            Ok((_, found)) => expect_batches(&found, 3..=9, 700),
            Err(StorageError::Damaged { .. } | StorageError::Version { .. }) => named += 1,
            Err(error) => panic!("byte {offset}: {error}"),
        }
    }
    named
}

/// A directory in memory where there is one: thousands of openings sync thousands of times.
fn quick_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

#[test]
fn every_flipped_byte_of_the_database_is_named_or_harmless() {
    let dir = quick_directory();
    write(dir.path(), 0, 1..=9, 700);
    let named = flip_bytes(dir.path(), "journal.db", 0..);
    assert!(named > 9 * 700, "{named}");
}

#[test]
fn every_flipped_byte_of_the_mark_is_harmless() {
    let dir = quick_directory();
    write(dir.path(), 0, 1..=9, 700);
    assert_eq!(flip_bytes(dir.path(), "journal.mark", 0..), 0);
}

#[test]
fn flipped_bytes_of_the_log_are_named_or_harmless() {
    let dir = quick_directory();
    let (mut journal, events) = start(open(dir.path(), 0).unwrap().0);
    for number in 1..=9 {
        journal.submit(batch(number, 700));
        await_committed(&events, 1);
    }
    let killed = quick_directory();
    copy_as_if_killed(dir.path(), killed.path());
    let named = flip_bytes(killed.path(), "journal.db-wal", (0..).step_by(11));
    assert!(named > 0);
}
