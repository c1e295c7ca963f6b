//! The history in backups, or not.

use std::fs;

use chat_stated::history::HistoryStore;

use super::installation::{Installation, text};
use super::worker::Worker;

const MESSAGES: u64 = 300;

/// One whose history has so many messages, of which bob has read none.
fn with_history() -> Installation {
    let installation = Installation::with_accounts(&["alice", "bob"]);
    installation.start_with_history();
    let mut worker = Worker::attach(&installation);
    let mut alice = worker.log_in("alice");
    for number in 0..MESSAGES {
        worker.send(&mut alice, "bob", &format!("message {number}"));
    }
    drop(worker);
    // What comes with the end is in the file.
    installation.stop();
    installation.start_with_history();
    installation
}

fn messages_in(installation: &Installation) -> Option<u64> {
    HistoryStore::check(&installation.path("state")).unwrap()
}

#[test]
fn history_is_restored_with_the_rest() {
    let installation = with_history();
    let file = installation.path("chat.backup");
    let backup = installation.back_up(&file);
    assert_eq!(backup.history.map(|rows| rows.count()), Some(MESSAGES));
    let checked = installation.run(&["check", file.to_str().unwrap()]);
    let said = text(&checked.stdout);
    assert!(said.contains("  history: 300 messages\n"), "{said}");
    let restored = Installation::to_restore(&file);
    restored.start_with_history();
    let log = restored.log();
    assert!(log.contains("the history has 300 messages"), "{log}");
    let mut worker = Worker::attach(&restored);
    let mut alice = worker.log_in("alice");
    worker.send(&mut alice, "bob", "one more");
    drop(worker);
    restored.stop();
    assert_eq!(messages_in(&restored), Some(MESSAGES + 1));
}

#[test]
fn backup_without_history_begins_a_new_one() {
    let installation = with_history();
    let file = installation.path("chat.backup");
    let arguments = ["backup", "--without-history", file.to_str().unwrap()];
    let done = installation.run(&arguments);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(!text(&done.stdout).contains("history"));
    let restored = Installation::to_restore(&file);
    restored.start_with_history();
    let log = restored.log();
    assert!(
        log.contains("the backup has no history: a new one begins"),
        "{log}"
    );
    restored.stop();
    assert!(messages_in(&restored).is_some());
}

#[test]
fn damaged_history_keeps_nothing_else_from_backup() {
    let installation = with_history();
    let history = installation.path("state/history.db");
    installation.stop();
    let connection = rusqlite::Connection::open(&history).unwrap();
    let changed = connection.execute("UPDATE message SET text = 'another' WHERE number = 7", ());
    assert_eq!(changed.unwrap(), 1);
    drop(connection);
    installation.start_with_history();
    let file = installation.path("chat.backup");
    let done = installation.run(&["backup", file.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(1));
    let said = text(&done.stderr);
    assert!(
        said.contains("lacks damaged messages of the history: 7."),
        "{said}"
    );
    let restored = Installation::to_restore(&file);
    restored.start_with_history();
    restored.stop();
    assert_eq!(messages_in(&restored), Some(MESSAGES - 1));
    installation.stop();
    fs::write(&history, "no database").unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(installation.path(&format!("state/history.db{suffix}")));
    }
    installation.start_with_history();
    let done = installation.run(&["backup", "--force", file.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(1));
    let said = text(&done.stderr);
    assert!(said.contains("the backup lacks the history"), "{said}");
    let whole = installation.run(&["check", file.to_str().unwrap()]);
    assert!(whole.status.success(), "{}", text(&whole.stderr));
}
