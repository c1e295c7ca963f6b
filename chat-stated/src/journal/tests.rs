//! The local journal as a whole: what went in comes out again, or the file is named as damaged.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;
use crate::database::StorageError;
use crate::database::testing::PATIENCE;
use crate::entry::{Entry, Timestamp};

pub(super) fn batch(number: u64, text_bytes: usize) -> Batch {
    use crate::entry::Action;
    use chat_model::{Audience, ConnectionId, RequestName};
    use chat_model::{ConnectionSerial, Progress, StreamOffset, WorkerSessionId};
    let connection = ConnectionId {
        worker_session: WorkerSessionId(1),
        serial: ConnectionSerial(number),
    };
    Batch {
        timestamp: Timestamp {
            wall_ms: number as i64,
            boot_ms: number,
            boot_id: [7; 16],
        },
        origin: None,
        entries: vec![Entry::Request {
            name: RequestName {
                connection,
                offset: StreamOffset(number),
            },
            answered: StreamOffset(0),
            progress: Progress::default(),
            action: Action::Send {
                audience: Audience::Everyone,
                text: "x".repeat(text_bytes),
            },
        }],
    }
}

pub(super) fn open(
    dir: &Path,
    from: u64,
) -> Result<(RecoveredJournal, Vec<StoredBatch>), StorageError> {
    let mut batches = Vec::new();
    let journal = LocalJournal::open(dir, LogIndex(from), |batch| {
        batches.push(batch);
        Ok(())
    })?;
    Ok((journal, batches))
}

pub(super) fn start(journal: RecoveredJournal) -> (LocalJournal, Receiver<JournalEvent>) {
    let (events, receiver) = channel();
    let sink = Box::new(move |event| {
        let _ = events.send(event);
    });
    (journal.start(sink).unwrap(), receiver)
}

pub(super) fn await_committed(
    events: &Receiver<JournalEvent>,
    count: usize,
) -> Vec<(LogIndex, Batch)> {
    (0..count)
        .map(|_| match events.recv_timeout(PATIENCE).unwrap() {
            JournalEvent::Committed {
                position, batch, ..
            } => (position, batch),
            event => panic!("{event:?}"),
        })
        .collect()
}

/// Puts batches into a journal one by one and closes it in good order.
pub(super) fn write(
    dir: &Path,
    from: u64,
    numbers: std::ops::RangeInclusive<u64>,
    text_bytes: usize,
) {
    let (mut journal, events) = start(open(dir, from).unwrap().0);
    for number in numbers {
        journal.submit(batch(number, text_bytes));
        await_committed(&events, 1);
    }
}

/// What is left of a journal whose process is killed now.
pub(super) fn copy_as_if_killed(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in [
        "journal.mark",
        "journal.mark2",
        "journal.db",
        "journal.db-wal",
    ] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

pub(super) fn expect_batches(
    found: &[StoredBatch],
    numbers: std::ops::RangeInclusive<u64>,
    text_bytes: usize,
) {
    let wanted = numbers.map(|number| (number, batch(number, text_bytes)));
    assert!(
        found
            .iter()
            .map(|found| (found.position.0, found.batch.clone()))
            .eq(wanted),
        "{:?}",
        found.iter().map(|found| found.position).collect::<Vec<_>>()
    );
}

#[test]
fn entries_come_back_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, events) = start(open(dir.path(), 0).unwrap().0);
    for number in 1..=1000 {
        journal.submit(batch(number, 100));
    }
    let committed = await_committed(&events, 1000);
    for (index, (position, out)) in committed.into_iter().enumerate() {
        assert_eq!(position, LogIndex(index as u64 + 1));
        assert_eq!(out, batch(position.0, 100));
    }
    drop(journal);
    let (journal, found) = open(dir.path(), 0).unwrap();
    assert_eq!(journal.last(), LogIndex(1000));
    expect_batches(&found, 1..=1000, 100);
    let (_, found) = open(dir.path(), 990).unwrap();
    expect_batches(&found, 991..=1000, 100);
}

#[test]
fn killed_journal_keeps_committed_batches() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, events) = start(open(dir.path(), 0).unwrap().0);
    for number in 1..=40 {
        journal.submit(batch(number, 2000));
        await_committed(&events, 1);
        if number % 8 == 0 {
            let killed = tempfile::tempdir().unwrap();
            copy_as_if_killed(dir.path(), killed.path());
            let (_, found) = open(killed.path(), 0).unwrap();
            expect_batches(&found, 1..=number, 2000);
        }
    }
}

#[test]
fn batch_rejected_by_replay_fails_opening() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=2, 10);
    let result = LocalJournal::open(dir.path(), LogIndex(0), |_| Err("it is odd".into()));
    let error = result.unwrap_err().to_string();
    assert!(error.contains("batch 1: it is odd"), "{error}");
}

#[test]
fn forgetting_keeps_rest_and_gives_space_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, events) = start(open(dir.path(), 0).unwrap().0);
    for number in 1..=200 {
        journal.submit(batch(number, 100_000));
    }
    await_committed(&events, 200);
    journal.forget_through(LogIndex(198));
    drop(journal);
    // Closing does not wait for what can be done at the next start.
    let (journal, found) = open(dir.path(), 198).unwrap();
    expect_batches(&found, 199..=200, 100_000);
    let (mut journal, events) = start(journal);
    journal.forget_through(LogIndex(198));
    let deadline = std::time::Instant::now() + PATIENCE;
    let file = dir.path().join("journal.db");
    while fs::metadata(&file).unwrap().len() > 6 * 1024 * 1024 {
        assert!(std::time::Instant::now() < deadline, "no space given back");
        std::thread::sleep(Duration::from_millis(5));
    }
    journal.submit(batch(201, 100_000));
    await_committed(&events, 1);
    drop(journal);
    let (_, found) = open(dir.path(), 198).unwrap();
    expect_batches(&found, 199..=201, 100_000);
    let error = open(dir.path(), 197).unwrap_err().to_string();
    assert!(error.contains("it begins after batch 198"), "{error}");
}

#[test]
fn full_disk_refuses_batches_until_space() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), 0).unwrap();
    journal.database().limit_further_pages(4);
    let (mut journal, events) = start(journal);
    journal.submit(batch(1, 1000));
    await_committed(&events, 1);
    journal.submit(batch(2, 100_000));
    match events.recv_timeout(PATIENCE).unwrap() {
        JournalEvent::NoRoom { batch: refused, .. } => assert_eq!(refused, batch(2, 100_000)),
        event => panic!("{event:?}"),
    }
    journal.submit(batch(2, 2000));
    assert_eq!(await_committed(&events, 1), [(LogIndex(2), batch(2, 2000))]);
    drop(journal);
    let (_, found) = open(dir.path(), 1).unwrap();
    expect_batches(&found, 2..=2, 2000);
}

#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let (mut journal, events) = start(open(&state, 0).unwrap().0);
    journal.submit(batch(1, 10));
    await_committed(&events, 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    let files: Vec<_> = fs::read_dir(&state).unwrap().collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn close_commits_submitted_batches() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _events) = start(open(dir.path(), 0).unwrap().0);
    for number in 1..=300 {
        journal.submit(batch(number, 10));
    }
    drop(journal);
    expect_batches(&open(dir.path(), 0).unwrap().1, 1..=300, 10);
}

#[test]
fn batch_over_limit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, events) = start(open(dir.path(), 0).unwrap().0);
    journal.submit(batch(1, format::MAX_BODY_BYTES));
    let event = events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(event, JournalEvent::NoRoom { .. }));
    journal.submit(batch(1, 10));
    assert_eq!(await_committed(&events, 1), [(LogIndex(1), batch(1, 10))]);
}

/// A journal whose thread waits after its first commit until it is told to go on, so that all that is
/// submitted meanwhile is one group.
fn start_with_a_pause(
    journal: RecoveredJournal,
) -> (
    LocalJournal,
    Receiver<JournalEvent>,
    std::sync::mpsc::Sender<()>,
) {
    let (events, receiver) = channel();
    let (go_on, pause) = channel();
    let sink = Box::new(move |event| {
        let _ = events.send(event);
        let _ = pause.recv();
    });
    (journal.start(sink).unwrap(), receiver, go_on)
}

#[test]
fn group_without_room_leaves_nothing_of_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path(), 0).unwrap();
    journal.database().limit_further_pages(4);
    let (mut journal, events, go_on) = start_with_a_pause(journal);
    journal.submit(batch(1, 1000));
    await_committed(&events, 1);
    let refused = [batch(20, 10), batch(30, 100_000), batch(40, 10)];
    for batch in refused.clone() {
        journal.submit(batch);
    }
    drop(go_on);
    for wanted in &refused[..2] {
        match events.recv_timeout(PATIENCE).unwrap() {
            JournalEvent::NoRoom { batch, .. } => assert_eq!(batch, *wanted),
            event => panic!("{event:?}"),
        }
    }
    let committed = await_committed(&events, 1);
    assert_eq!(committed, [(LogIndex(2), refused[2].clone())]);
    journal.submit(batch(3, 2000));
    await_committed(&events, 1);
    drop(journal);
    let (_, found) = open(dir.path(), 0).unwrap();
    let batches: Vec<_> = found.into_iter().map(|found| found.batch).collect();
    assert_eq!(batches, [batch(1, 1000), batch(40, 10), batch(3, 2000)]);
}

#[test]
fn waiting_batches_form_one_group() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, events, go_on) = start_with_a_pause(open(dir.path(), 0).unwrap().0);
    journal.submit(batch(1, 10));
    await_committed(&events, 1);
    for number in 2..=101 {
        journal.submit(batch(number, 10));
    }
    go_on.send(()).unwrap();
    // The first event of the group is there, the others wait for the sink: all of them are durable.
    await_committed(&events, 1);
    let killed = tempfile::tempdir().unwrap();
    copy_as_if_killed(dir.path(), killed.path());
    expect_batches(&open(killed.path(), 0).unwrap().1, 1..=101, 10);
    drop(go_on);
    await_committed(&events, 99);
}

#[test]
fn truncation_frees_space_for_same_commit() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, 1..=20, 50_000);
    let (journal, _) = open(dir.path(), 0).unwrap();
    journal.database().limit_further_pages(4);
    let (mut journal, events, go_on) = start_with_a_pause(journal);
    journal.submit(batch(21, 10));
    await_committed(&events, 1);
    // Both are there when the thread looks again.
    journal.forget_through(LogIndex(20));
    journal.submit(batch(22, 90_000));
    drop(go_on);
    let committed = await_committed(&events, 1);
    assert_eq!(committed, [(LogIndex(22), batch(22, 90_000))]);
    drop(journal);
    let (_, found) = open(dir.path(), 20).unwrap();
    let positions: Vec<_> = found.iter().map(|found| found.position.0).collect();
    assert_eq!(positions, [21, 22]);
}
