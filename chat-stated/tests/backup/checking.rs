//! `chat-stated check`: whole, damaged, or not to be looked at.

use std::fs;
use std::path::Path;

use super::installation::{Installation, text};
use super::worker::Worker;

fn used_installation() -> Installation {
    let installation = Installation::with_accounts(&["alice", "bob"]);
    installation.start();
    let mut worker = Worker::attach(&installation);
    let mut alice = worker.log_in("alice");
    worker.send(&mut alice, "bob", "hello");
    installation
}

fn flip_middle_of(file: &Path, wanted: &[u8]) {
    let mut bytes = fs::read(file).unwrap();
    let place = bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
        .unwrap();
    bytes[place] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn check_changes_nothing() {
    let installation = used_installation();
    installation.stop();
    let names = [
        "state/journal.db",
        "state/checkpoint.db",
        "state/journal.mark",
    ];
    let content = || names.map(|name| fs::read(installation.path(name)).unwrap());
    let before = content();
    let checked = installation.run(&["check"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let said = text(&checked.stdout);
    for part in [
        "checkpoint.db:",
        "journal:",
        "2 accounts, 1 waiting",
        "user_pass.txt: 2",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert_eq!(content(), before);
}

#[test]
fn killed_installation_is_checked_with_its_log() {
    let installation = used_installation();
    installation.kill_all();
    // Ends what the dead one left, and changes no file of the state.
    installation.stop();
    let log = fs::read(installation.path("state/journal.db-wal")).unwrap();
    let checked = installation.run(&["check"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert!(text(&checked.stdout).contains("1 waiting"), "{checked:?}");
    let after = fs::read(installation.path("state/journal.db-wal")).unwrap();
    assert!(!log.is_empty() && log == after);
}

#[test]
fn damage_is_named_with_advice() {
    let installation = used_installation();
    installation.stop();
    flip_middle_of(&installation.path("state/journal.db"), b"hello");
    let checked = installation.run(&["check"]);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let said = text(&checked.stderr);
    for part in ["journal.db is damaged: batch ", "digest", "restore"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn damage_in_both_databases_is_named() {
    let installation = used_installation();
    installation.stop();
    flip_middle_of(&installation.path("state/journal.db"), b"hello");
    let checkpoint = installation.path("state/checkpoint.db");
    flip_middle_of(&checkpoint, b"chtC");
    fs::remove_file(installation.path("user_pass.txt")).unwrap();
    let checked = installation.run(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    let said = text(&checked.stderr);
    for part in [
        "checkpoint.db is damaged",
        "journal.db is damaged",
        "user_pass.txt: it is missing",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn missing_database_is_damage() {
    let installation = used_installation();
    installation.stop();
    fs::remove_file(installation.path("state/journal.db")).unwrap();
    let _ = fs::remove_file(installation.path("state/journal.db-wal"));
    let checked = installation.run(&["check"]);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    assert!(text(&checked.stderr).contains("journal.db"), "{checked:?}");
}

#[test]
fn running_or_missing_state_is_refused() {
    let installation = used_installation();
    let running = installation.run(&["check"]);
    assert_eq!(running.status.code(), Some(2), "{running:?}");
    assert!(text(&running.stderr).contains("is running"), "{running:?}");
    let both = installation.run(&["--stop", "check"]);
    assert_eq!(both.status.code(), Some(2), "{both:?}");
    assert!(text(&both.stderr).contains("not for one call"), "{both:?}");
    let empty = Installation::empty().run(&["check"]);
    assert_eq!(empty.status.code(), Some(2), "{empty:?}");
    let missing = installation.run(&["check", "/nowhere/at/all"]);
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
    let said = text(&missing.stderr);
    assert!(said.contains("/nowhere/at/all"), "{said}");
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
}

#[test]
fn backup_damage_is_named() {
    let installation = used_installation();
    let file = installation.path("b.backup");
    installation.back_up(&file);
    let name = file.to_str().unwrap();
    let checked = installation.run(&["check", name]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert!(text(&checked.stdout).contains("everything is whole"));
    flip_middle_of(&file, b"hello");
    let checked = installation.run(&["check", name]);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let said = text(&checked.stderr);
    assert!(said.contains("b.backup is damaged: frame "), "{said}");
}
