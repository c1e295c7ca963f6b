//! Files of the state directory that somebody deleted, emptied or put back from an older copy: the next start names
//! that, or it does no harm. It never costs a message in silence.

use chat_model::Outcome;
use std::fs;
use std::path::Path;

use chat_stated::server::recovery::recover;
use nix::sys::signal::Signal;

use super::daemon::{Daemon, send_signal, wait_for, wait_for_end};
use super::worker::{SENT, Worker, send, texts};

const FILES: [&str; 9] = [
    "checkpoint.db",
    "checkpoint.db-wal",
    "checkpoint.db-shm",
    "journal.db",
    "journal.db-wal",
    "journal.db-shm",
    "journal.mark",
    "journal.mark2",
    "lock",
];

/// Messages before the older copy is made, and after it.
const SENT_BEFORE: usize = 30;
const SENT_AFTER: usize = 30;
/// So that there are some checkpoints before the copy, and some after it.
const CHECKPOINT: &str = "--checkpoint-every-entries=10";

#[derive(Clone, Copy, Debug)]
enum Change {
    Delete,
    Empty,
    PutBackOlder,
}

const CHANGES: [Change; 3] = [Change::Delete, Change::Empty, Change::PutBackOlder];

fn apply(change: Change, older: &Path, state_dir: &Path, name: &str) {
    let file = state_dir.join(name);
    match change {
        Change::Delete => fs::remove_file(file).unwrap(),
        Change::Empty => fs::write(file, "").unwrap(),
        Change::PutBackOlder => drop(fs::copy(older.join(name), file).unwrap()),
    }
}

fn copy(from: &Path, to: &Path) {
    for name in FILES {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

fn send_all(worker: &mut Worker, numbers: std::ops::Range<usize>) {
    let mut ann = worker.log_in("ann");
    for number in numbers {
        let text = format!("{number} {}", "x".repeat(500));
        assert_eq!(worker.answer(&mut ann, send("bob", &text)), SENT);
    }
    worker.log_out(ann);
}

fn quick_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// What a killed daemon leaves, and a copy of what it had somewhat earlier.
fn killed_with_older_copy() -> (tempfile::TempDir, tempfile::TempDir) {
    let mut daemon = Daemon::with_flags(&["ann", "bob"], &[CHECKPOINT, "--disk-reserve=1"]);
    let state_dir = daemon.run_dir().join("state");
    let mut worker = Worker::attach(&daemon);
    send_all(&mut worker, 0..SENT_BEFORE);
    let (older, last) = (quick_directory(), quick_directory());
    // Nothing is written while it stands still.
    let child = daemon.child();
    send_signal(child, Signal::SIGSTOP);
    copy(&state_dir, older.path());
    send_signal(child, Signal::SIGCONT);
    send_all(&mut worker, SENT_BEFORE..SENT_BEFORE + SENT_AFTER);
    daemon.kill_supervisor();
    copy(&state_dir, last.path());
    (older, last)
}

/// What a start with these changes comes to: nothing, if it is named.
fn waiting_after(changes: &[(Change, &str)], older: &Path, last: &Path) -> Option<usize> {
    let dir = quick_directory();
    copy(last, dir.path());
    for (change, name) in changes {
        apply(*change, older, dir.path(), name);
    }
    match recover(dir.path(), u64::MAX) {
        Ok(recovered) => Some(recovered.state.waiting_messages()),
        Err(error) => {
            let words = format!("{error:#}");
            let is_named = FILES.iter().any(|name| words.contains(&format!("/{name}")));
            assert!(is_named, "{changes:?}: {words}");
            None
        }
    }
}

#[test]
fn lost_state_files_are_reported() {
    let (older, last) = killed_with_older_copy();
    let all = SENT_BEFORE + SENT_AFTER;
    let none = waiting_after(&[], older.path(), last.path());
    assert_eq!(none, Some(all));
    let single = FILES
        .iter()
        .flat_map(|name| CHANGES.map(|change| (change, *name)));
    let single: Vec<_> = single.collect();
    let mut cases: Vec<Vec<_>> = single.iter().map(|change| vec![*change]).collect();
    for (index, one) in single.iter().enumerate() {
        let others = single[index..].iter().filter(|other| other.1 != one.1);
        cases.extend(others.map(|other| vec![*one, *other]));
    }
    let mut named = 0;
    for changes in &cases {
        match waiting_after(changes, older.path(), last.path()) {
            Some(waiting) => assert_eq!(waiting, all, "{changes:?}"),
            None => named += 1,
        }
    }
    assert!(named > cases.len() / 4, "{named} of {}", cases.len());
}

/// Deletes or renames, while nothing is asked and while a message comes: it is not acknowledged, and the next process
/// does not begin with nothing.
#[test]
fn missing_state_directory_is_failed_disk() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let [state, elsewhere] = ["state", "elsewhere"].map(|name| daemon.run_dir().join(name));
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    assert_eq!(worker.answer(&mut ann, send("bob", "before")), SENT);
    let child = daemon.child();
    fs::rename(&state, &elsewhere).unwrap();
    worker.request([ann.request(send("bob", "after"))]);
    assert!(worker.next_item().is_none(), "it is acknowledged");
    wait_for_end(child);
    daemon.wait_for_log("was deleted or renamed while the server was using it");
    daemon.wait_for_log("was deleted or renamed while it was in use");
    assert!(!state.exists());
    // Whoever puts another one there has lost what was in it.
    fs::create_dir(&state).unwrap();
    daemon.wait_for_log("is another directory than before");
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
    fs::remove_dir(&state).unwrap();

    fs::rename(&elsewhere, &state).unwrap();
    let mut worker = Worker::attach(&daemon);
    let (_, welcome) = worker.log_in_reading("bob");
    let found = texts(&welcome.messages);
    assert!(
        found == ["before"] || found == ["before", "after"],
        "{found:?}"
    );
    let child = daemon.child();
    // Nobody asks for anything: it is noticed all the same.
    fs::remove_file(state.join("lock")).unwrap();
    wait_for_end(child);
    daemon.wait_for_log("state/lock was deleted or renamed while the server was using it");
    let mut worker = Worker::attach(&daemon);
    assert_eq!(worker.look_up("nobody"), Outcome::NameFree);
    wait_for("a new lock", || state.join("lock").exists().then_some(()));
}

#[test]
fn empty_state_directory_is_not_served() {
    let mut daemon = Daemon::with_accounts(&["ann", "bob"]);
    let [state, elsewhere] = ["state", "elsewhere"].map(|name| daemon.run_dir().join(name));
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    assert_eq!(worker.answer(&mut ann, send("bob", "before")), SENT);
    drop(worker);
    daemon.stop();
    // As where a volume is not mounted.
    fs::rename(&state, &elsewhere).unwrap();
    fs::create_dir(&state).unwrap();
    daemon.start_again();
    daemon.wait_for_log("state is empty, but this installation has accounts and messages");
    assert!(!daemon.wait().success());

    fs::remove_dir_all(&state).unwrap();
    fs::rename(&elsewhere, &state).unwrap();
    daemon.start_again();
    let mut worker = Worker::attach(&daemon);
    let (_, welcome) = worker.log_in_reading("bob");
    assert_eq!(texts(&welcome.messages), ["before"]);
}
