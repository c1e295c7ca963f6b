//! Files of other formats.

use super::*;

/// An older program looks into the file and not into its log, and takes for damage what only a newer one knows.
#[test]
fn format_is_written_before_checkpoint_is_current() {
    let dir = quick_directory();
    let path = dir.path().join("checkpoint.db");
    drop(open(dir.path()).unwrap());
    let set_version = |version: i32| {
        let file = rusqlite::Connection::open(&path).unwrap();
        file.pragma_update(None, "user_version", version).unwrap();
    };
    set_version(1);
    let version_in_file = || fs::read(&path).unwrap()[63];
    let (mut loaded, _) = open(dir.path()).unwrap();
    assert_eq!(version_in_file(), 1);
    let backup = CheckpointSnapshot::of_running(dir.path()).unwrap();
    let changes = vec![set(0, 1, b"one")];
    let position = LogIndex(1);
    let mut writing = CheckpointWriting::new(&loaded.store, Checkpoint { position, changes });
    for _ in 0..5 {
        assert!(writing.step(&mut loaded.store).unwrap().is_none());
    }
    let before = CheckpointSnapshot::of_running(dir.path()).unwrap();
    assert_eq!((before.position(), version_in_file()), (LogIndex(0), 1));
    drop((backup, before));
    while !writing.is_done() {
        if writing.step(&mut loaded.store).unwrap().is_some() {
            assert_eq!(i32::from(version_in_file()), RECORD_FORMAT);
        }
    }
    let after = CheckpointSnapshot::of_running(dir.path()).unwrap();
    assert_eq!(after.position(), position);
}

/// Not even where only the log of a file says it.
#[test]
fn unknown_format_is_refused_unchanged() {
    let dir = quick_directory();
    let path = dir.path().join("checkpoint.db");
    let (loaded, _) = open(dir.path()).unwrap();
    // Holds the log where it is.
    let _reader = CheckpointSnapshot::of_running(dir.path()).unwrap();
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer
        .pragma_update(None, "user_version", RECORD_FORMAT + 1)
        .unwrap();
    drop(loaded);
    for error in [
        open(dir.path()).unwrap_err(),
        CheckpointSnapshot::of_running(dir.path()).unwrap_err(),
        CheckpointSnapshot::of_stopped(dir.path()).unwrap_err(),
    ] {
        assert!(matches!(error, StorageError::Version { .. }), "{error}");
    }
    assert_eq!(i32::from(fs::read(&path).unwrap()[63]), RECORD_FORMAT);
}
