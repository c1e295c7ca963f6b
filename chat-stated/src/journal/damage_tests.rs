//! A damaged journal is named and never served: missing ends, gaps, and a flip of every byte of its files.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::durable_position::{self, DurablePosition};
use super::tests::{await_committed, batch, copy_as_if_killed, expect_batches, open, start, write};
use super::{CheckedJournal, Journal, JournalEvent, LogIndex};
use crate::database::testing::{PATIENCE, flips, quick_directory};
use crate::database::{PAGE_BYTES, StorageError};

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
fn gap_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=5, 10);
    change_database(dir.path(), "DELETE FROM batch WHERE position = 3");
    let error = damage(open(dir.path(), 0));
    assert!(error.contains("batch 3: it is missing"), "{error}");
}

#[test]
fn batch_in_another_place_is_named() {
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
fn journal_that_begins_after_checkpoint_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 7, 8..=9, 10);
    expect_batches(&open(dir.path(), 7).unwrap().1, 8..=9, 10);
    let error = damage(open(dir.path(), 6));
    assert!(error.contains("begins after batch 7"), "{error}");
}

#[test]
fn journal_that_ends_before_checkpoint_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=3, 10);
    let error = damage(open(dir.path(), 4));
    assert!(error.contains("ends with batch 3"), "{error}");
}

#[test]
fn missing_end_is_named_because_of_mark() {
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
fn missing_journal_with_mark_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=5, 10);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(dir.path().join(name));
    }
    let error = damage(open(dir.path(), 4));
    assert!(error.contains("it is missing"), "{error}");
    fs::remove_file(dir.path().join("journal.mark")).unwrap();
    let error = damage(open(dir.path(), 4));
    assert!(error.contains("it is missing"), "{error}");
    fs::remove_file(dir.path().join("journal.mark2")).unwrap();
    let (journal, found) = open(dir.path(), 4).unwrap();
    assert_eq!((journal.last(), found.len()), (LogIndex(4), 0));
}

#[test]
fn log_without_its_database_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("journal.db-wal"), "log").unwrap();
    let error = damage(open(dir.path(), 0));
    assert!(error.contains("journal.db-wal is there"), "{error}");
}

#[test]
fn another_format_is_refused_with_clear_word() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=5, 10);
    for version in [0, 2] {
        change_database(dir.path(), &format!("PRAGMA user_version = {version}"));
        let error = open(dir.path(), 0).unwrap_err();
        assert!(matches!(error, StorageError::Version { .. }), "{error}");
        let words = format!("has format {version}, this program knows formats up to 1");
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
    for (offset, bytes) in flips(&originals[flipped], offsets) {
        for (name, original) in names.iter().zip(&originals) {
            fs::write(dir.join(name), original).unwrap();
        }
        fs::write(dir.join(name), bytes).unwrap();
        match open(dir, 2) {
            Ok((_, found)) => expect_batches(&found, 3..=9, 700),
            Err(StorageError::Damaged { .. } | StorageError::Version { .. }) => named += 1,
            Err(error) => panic!("byte {offset}: {error}"),
        }
    }
    named
}

#[test]
fn flipped_database_byte_is_named_or_harmless() {
    let dir = quick_directory();
    write(dir.path(), 0, 1..=9, 700);
    let named = flip_bytes(dir.path(), "journal.db", 0..);
    assert!(named > 9 * 700, "{named}");
}

#[test]
fn every_flipped_byte_of_mark_is_harmless() {
    let dir = quick_directory();
    write(dir.path(), 0, 1..=9, 700);
    assert_eq!(flip_bytes(dir.path(), "journal.mark", 0..), 0);
}

#[test]
fn flipped_log_byte_is_named_or_harmless() {
    let killed = killed_with_a_log();
    let named = flip_bytes(killed.path(), "journal.db-wal", (0..).step_by(11));
    assert!(named > 0);
}

/// A journal of nine batches, all of them still in its log only.
fn killed_with_a_log() -> tempfile::TempDir {
    let dir = quick_directory();
    let (mut journal, events) = start(open(dir.path(), 0).unwrap().0);
    for number in 1..=9 {
        journal.submit(batch(number, 700));
        await_committed(&events, 1);
    }
    let killed = quick_directory();
    copy_as_if_killed(dir.path(), killed.path());
    killed
}

#[test]
fn middle_log_damage_is_named_without_mark() {
    let dir = killed_with_a_log();
    remove_marks(dir.path());
    let log = dir.path().join("journal.db-wal");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, bytes).unwrap();
    let error = damage(open(dir.path(), 0));
    assert!(
        error.contains("journal.db-wal is damaged: the log: frame"),
        "{error}"
    );
}

#[test]
fn torn_log_end_takes_only_itself() {
    let dir = killed_with_a_log();
    let names = ["journal.db", "journal.db-wal"];
    let [database, log] = names.map(|name| fs::read(dir.path().join(name)).unwrap());
    // A power cut may leave the mark as it was long ago, and no part of the log that was not synced.
    let mut lengths = std::collections::BTreeSet::new();
    for end in (0..=log.len()).step_by(997).chain([log.len()]) {
        DurablePosition::begin(dir.path(), LogIndex(0)).unwrap();
        fs::write(dir.path().join(names[0]), &database).unwrap();
        fs::write(dir.path().join(names[1]), &log[..end]).unwrap();
        let (journal, found) = open(dir.path(), 0).unwrap();
        expect_batches(&found, 1..=journal.last().0, 700);
        lengths.insert(found.len());
    }
    assert!(lengths.into_iter().eq(0..=9));
}

fn remove_marks(dir: &Path) {
    for path in durable_position::paths(dir) {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn one_unreadable_mark_is_harmless() {
    for lost in durable_position::FILE_NAMES {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 0, 1..=5, 10);
        fs::write(dir.path().join(lost), "torn").unwrap();
        expect_batches(&open(dir.path(), 0).unwrap().1, 1..=5, 10);
        fs::remove_file(dir.path().join(lost)).unwrap();
        expect_batches(&open(dir.path(), 0).unwrap().1, 1..=5, 10);
        // The other one alone is enough to notice a missing end.
        fs::remove_file(dir.path().join(lost)).unwrap();
        change_database(dir.path(), "DELETE FROM batch WHERE position = 5");
        let error = damage(open(dir.path(), 0));
        assert!(error.contains("there was batch 5"), "{error}");
    }
}

#[test]
fn journal_without_marks_is_not_believed() {
    let dir = killed_with_a_log();
    for (missing, what) in [(false, "cannot be read"), (true, "are missing")] {
        for path in durable_position::paths(dir.path()) {
            fs::write(path, "").unwrap();
        }
        if missing {
            remove_marks(dir.path());
        }
        fs::write(dir.path().join("journal.db-wal"), "").unwrap();
        let error = damage(open(dir.path(), 0));
        assert!(error.contains(what), "{error}");
        assert!(error.contains("accept-journal"), "{error}");
    }
    let accepted = CheckedJournal::open(dir.path()).unwrap().accept().unwrap();
    assert_eq!(accepted, LogIndex(0));
    assert!(open(dir.path(), 0).unwrap().1.is_empty());
}

#[test]
fn journal_behind_its_marks_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=5, 10);
    change_database(dir.path(), "DELETE FROM batch WHERE position = 5");
    let error = damage(CheckedJournal::open(dir.path()).unwrap().accept());
    assert!(error.contains("there was batch 5"), "{error}");
}

/// The process may die at any moment of making a journal.
#[test]
fn journal_that_was_being_made_is_made() {
    let dir = tempfile::tempdir().unwrap();
    durable_position::announce_journal(dir.path()).unwrap();
    let (journal, found) = open(dir.path(), 7).unwrap();
    assert_eq!((journal.last(), found.len()), (LogIndex(7), 0));
    drop(journal);
    // The journal is there, and nothing says yet how far it goes.
    durable_position::announce_journal(dir.path()).unwrap();
    let (journal, found) = open(dir.path(), 7).unwrap();
    assert_eq!((journal.last(), found.len()), (LogIndex(7), 0));
}

#[test]
fn files_that_lose_their_names_end_journal() {
    let lose: [fn(&Path); 4] = [
        |dir| fs::remove_dir_all(dir).unwrap(),
        |dir| fs::rename(dir, dir.with_file_name("elsewhere")).unwrap(),
        |dir| fs::remove_file(dir.join("journal.db-wal")).unwrap(),
        |dir| {
            fs::rename(dir.join("journal.db"), dir.join("old")).unwrap();
            fs::copy(dir.join("old"), dir.join("journal.db")).unwrap();
        },
    ];
    for (lose, is_idle) in lose
        .into_iter()
        .flat_map(|lose| [(lose, false), (lose, true)])
    {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("state");
        let (mut journal, events) = start(open(&dir, 0).unwrap().0);
        journal.submit(batch(1, 10));
        await_committed(&events, 1);
        lose(&dir);
        if !is_idle {
            journal.submit(batch(2, 10));
        }
        let JournalEvent::Failed { error } = events.recv_timeout(PATIENCE).unwrap() else {
            panic!("not failed");
        };
        assert!(error.contains("while the server was using it"), "{error}");
        assert!(!dir.join("disk-failed").exists());
    }
}

#[test]
fn what_cannot_be_written_ends_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, events) = start(open(dir.path(), 0).unwrap().0);
    change_database(dir.path(), "DROP TABLE batch");
    journal.submit(batch(1, 10));
    let JournalEvent::Failed { error } = events.recv_timeout(PATIENCE).unwrap() else {
        panic!("not failed");
    };
    assert!(
        error.contains("cannot write to") && error.contains("journal.db"),
        "{error}"
    );
    journal.submit(batch(2, 10));
    drop(journal);
    assert!(events.recv().is_err(), "something came after the failure");
}

/// Reading would not stumble over it, but later writing would overwrite what is in use.
#[test]
fn damage_among_unused_pages_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=5, 50_000);
    change_database(dir.path(), "DELETE FROM batch WHERE position > 3");
    DurablePosition::begin(dir.path(), LogIndex(3)).unwrap();
    expect_batches(&open(dir.path(), 0).unwrap().1, 1..=3, 50_000);
    let file = dir.path().join("journal.db");
    let mut bytes = fs::read(&file).unwrap();
    let first_unused = u32::from_be_bytes([bytes[32], bytes[33], bytes[34], bytes[35]]) as usize;
    assert!(first_unused > 0);
    // The first page after the list's own head and count.
    let entry = (first_unused - 1) * PAGE_BYTES as usize + 8;
    bytes[entry..entry + 4].copy_from_slice(&4u32.to_be_bytes());
    fs::write(&file, bytes).unwrap();
    let error = damage(open(dir.path(), 0));
    assert!(error.contains("its pages"), "{error}");
}
