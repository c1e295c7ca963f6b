//! Logs made by SQLite, whole, torn and damaged.

use std::path::Path;

use rusqlite::Connection;

use super::*;

const PAGE_BYTES: usize = 512;
const FRAME_BYTES: usize = FRAME_HEADER_BYTES + PAGE_BYTES;

/// A log of small transactions with the remains of an older generation behind it, and how many frames were
/// committed after each transaction.
fn log_of_two_generations(dir: &Path) -> (Vec<u8>, Vec<u64>) {
    let file = dir.join("database");
    let connection = Connection::open(&file).unwrap();
    connection
        .execute_batch(
            "PRAGMA page_size=512; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; \
             PRAGMA wal_autocheckpoint=0; CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB);",
        )
        .unwrap();
    let insert = |bytes: i64| {
        connection
            .execute("INSERT INTO t (v) VALUES (randomblob(?1))", [bytes])
            .unwrap();
    };
    let frames = || {
        connection
            .query_row("PRAGMA wal_checkpoint(NOOP)", (), |row| {
                row.get::<_, i64>(1)
            })
            .unwrap() as u64
    };
    for _ in 0..4 {
        insert(1000);
    }
    let older_frames = frames();
    connection
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()))
        .unwrap();
    let commits: Vec<u64> = [10, 700, 10, 400]
        .map(|bytes| {
            insert(bytes);
            frames()
        })
        .into();
    assert!(commits.last().is_some_and(|frames| *frames < older_frames));
    let log = std::fs::read(dir.join("database-wal")).unwrap();
    assert_eq!(
        log.len(),
        HEADER_BYTES + older_frames as usize * FRAME_BYTES
    );
    (log, commits)
}

fn scanned(log: &[u8]) -> Result<u64, WalDamage> {
    scan(log).unwrap().map(|content| content.committed_frames)
}

#[test]
fn older_frames_behind_current_ones_are_normal() {
    let dir = tempfile::tempdir().unwrap();
    let (log, commits) = log_of_two_generations(dir.path());
    assert_eq!(scanned(&log), Ok(commits[3]));
}

#[test]
fn flipped_byte_costs_at_most_last_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let (log, commits) = log_of_two_generations(dir.path());
    let current = HEADER_BYTES + commits[3] as usize * FRAME_BYTES;
    let last = HEADER_BYTES + commits[2] as usize * FRAME_BYTES;
    for pattern in [0xff, 0x01] {
        for offset in 0..log.len() {
            let mut flipped = log.clone();
            flipped[offset] ^= pattern;
            match scanned(&flipped) {
                Ok(frames) if offset >= current => assert_eq!(frames, commits[3]),
                Ok(frames) => {
                    assert!(offset >= last, "byte {offset} is not named");
                    assert_eq!(frames, commits[2]);
                }
                Err(WalDamage::Header) => assert!(offset < HEADER_BYTES, "byte {offset}"),
                Err(WalDamage::Frame { offset: start, .. }) => {
                    let place = start as usize..start as usize + FRAME_BYTES;
                    assert!(
                        place.contains(&offset),
                        "byte {offset} is sought in {place:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn truncated_log_is_torn_not_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (log, commits) = log_of_two_generations(dir.path());
    for end in (0..log.len()).step_by(7) {
        let whole = end.saturating_sub(HEADER_BYTES) / FRAME_BYTES;
        let committed = commits.iter().rfind(|frames| **frames <= whole as u64);
        assert_eq!(scanned(&log[..end]), Ok(committed.copied().unwrap_or(0)));
    }
}

#[test]
fn lost_frames_at_end_are_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (log, commits) = log_of_two_generations(dir.path());
    assert!(commits[3] - commits[2] >= 2, "{commits:?}");
    for frame in commits[2]..commits[3] {
        let start = HEADER_BYTES + frame as usize * FRAME_BYTES;
        let mut torn = log.clone();
        torn[start..start + FRAME_BYTES].fill(0);
        assert_eq!(scanned(&torn), Ok(commits[2]));
    }
}

#[test]
fn missing_middle_transaction_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, commits) = log_of_two_generations(dir.path());
    let start = HEADER_BYTES + commits[0] as usize * FRAME_BYTES;
    let end = HEADER_BYTES + commits[1] as usize * FRAME_BYTES;
    log[start..end].fill(0);
    let damage = scanned(&log).unwrap_err();
    assert_eq!(damage, damage_at(commits[0], FRAME_BYTES));
}

#[test]
fn any_bytes_are_read_without_panic() {
    proptest::proptest!(|(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..3000))| {
        let _ = scan(&bytes[..]).unwrap();
    });
}
