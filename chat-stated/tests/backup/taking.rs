//! Taking a backup of a daemon that goes on meanwhile.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chat_model::MessageNumber;
use chat_stated::checkpoint::CheckpointSnapshot;
use chat_stated::database::StorageError;
use chat_stated::journal::{JournalSnapshot, LogIndex};
use chat_stated::state::{Reader, SliceLimits, State};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::installation::{Installation, text};
use super::support::TIMEOUT;
use super::worker::{Worker, texts};

const ALL: SliceLimits = SliceLimits {
    messages: usize::MAX,
    text_bytes: usize::MAX,
    names_groups: false,
};

/// Enough for a checkpoint.
const MESSAGES: u64 = 2_500;
const PADDING_BYTES: usize = 8_000;

/// The numbers that the messages of [`send_numbered`] in a queue begin with.
fn numbers_in_queue(state: &State, name: &str) -> Vec<u64> {
    let (account, _) = state.account(name).unwrap();
    let through = MessageNumber(u64::MAX);
    state
        .read_queue(Reader::first(account), MessageNumber(0), through, ALL)
        .messages
        .iter()
        .map(|message| message.text[..8].parse().unwrap())
        .collect()
}

fn send_numbered(installation: &Installation, acknowledged: &AtomicU64) {
    let mut worker = Worker::attach(installation);
    let mut alice = worker.log_in("alice");
    let padding = "x".repeat(PADDING_BYTES);
    for number in 0..MESSAGES {
        worker.send(&mut alice, "bob", &format!("{number:08}{padding}"));
        acknowledged.store(number + 1, Ordering::SeqCst);
    }
}

#[test]
fn backup_under_traffic_is_complete() {
    let installation = Installation::with_accounts(&["alice", "bob"]);
    installation.start();
    let acknowledged = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let traffic = scope.spawn(|| send_numbered(&installation, &acknowledged));
        let mut count = 0;
        loop {
            let is_last = traffic.is_finished();
            let answered_before = acknowledged.load(Ordering::SeqCst);
            let file = installation.path(&format!("{count}.backup"));
            let backup = installation.back_up(&file);
            let numbers = numbers_in_queue(&backup.stored.state, "bob");
            assert!(numbers.len() as u64 >= answered_before, "backup {count}");
            assert!(numbers.iter().copied().eq(0..numbers.len() as u64));
            fs::remove_file(file).unwrap();
            count += 1;
            if is_last && backup.head.checkpoint > LogIndex(0) {
                break assert_eq!(answered_before, MESSAGES);
            }
            assert!(began.elapsed() < TIMEOUT, "no checkpoint came in the way");
        }
    });
}

/// As if the tool that takes a backup were stopped in the middle of it.
#[test]
fn hanging_backup_blocks_nobody() {
    let installation = Installation::with_accounts(&["alice", "bob"]);
    installation.start();
    let mut worker = Worker::attach(&installation);
    let mut alice = worker.log_in("alice");
    worker.send(&mut alice, "bob", "one");
    let state_dir = installation.path("state");
    let journal = JournalSnapshot::of_running(&state_dir).unwrap();
    let checkpoint = CheckpointSnapshot::of_running(&state_dir).unwrap();
    let last = journal.last();
    worker.send(&mut alice, "bob", "two");
    drop(worker);
    installation.kill_child();
    let mut worker = Worker::attach(&installation);
    let (_, bobs) = worker.log_in_when_free("bob");
    assert_eq!(texts(&bobs.messages), ["one", "two"]);
    // Nothing of it came into what was held.
    let mut end = LogIndex(0);
    journal
        .read_after(LogIndex(0), |row| {
            end = row.position;
            Ok::<(), StorageError>(())
        })
        .unwrap();
    assert_eq!((end, journal.last()), (last, last));
    assert_eq!(checkpoint.position(), LogIndex(0));
    drop((journal, checkpoint));
    installation.stop();
    assert_eq!(installation.run(&["check"]).status.code(), Some(0));
}

#[test]
fn backup_is_private_and_replaces_nothing() {
    let installation = Installation::with_accounts(&["alice"]);
    installation.start();
    let file = installation.path("b.backup");
    installation.back_up(&file);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!installation.path("b.backup.new").exists());
    let before = fs::read(&file).unwrap();
    let name = file.to_str().unwrap();
    let refused = installation.run(&["backup", name]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("--force"), "{refused:?}");
    assert_eq!(fs::read(&file).unwrap(), before);
    // What a killed one left is no hindrance.
    fs::write(installation.path("b.backup.new"), "half").unwrap();
    let forced = installation.run(&["backup", "--force", name]);
    assert!(forced.status.success(), "{forced:?}");
    assert_ne!(fs::read(&file).unwrap(), before);
}

#[test]
fn backup_holds_account_file_as_it_is() {
    let installation = Installation::with_accounts(&["alice"]);
    let accounts = installation.path("user_pass.txt");
    let content = format!(
        "# a comment\n{}rubbish",
        fs::read_to_string(&accounts).unwrap()
    );
    fs::write(&accounts, &content).unwrap();
    installation.start();
    let backup = installation.back_up(&installation.path("b.backup"));
    assert_eq!(text(&backup.account_file), content);
}

#[test]
fn backup_needs_daemon() {
    let installation = Installation::with_accounts(&["alice"]);
    let file = installation.path("b.backup");
    let refused = installation.run(&["backup", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("is it running?"), "{said}");
    assert!(!file.exists() && !installation.path("b.backup.new").exists());
}

#[test]
fn foreign_files_are_not_backed_up() {
    use chat_stated::backup::take::{Source, take};
    let installation = Installation::with_accounts(&["alice"]);
    installation.start();
    installation.stop();
    let source = Source {
        state_dir: installation.path("state"),
        with_history: true,
        account_file: installation.path("user_pass.txt"),
    };
    let file = installation.path("b.backup");
    let error = take(&source, &file, false, LogIndex(1_000_000), 0).unwrap_err();
    assert!(error.to_string().contains("another directory"), "{error}");
    assert!(!file.exists() && !installation.path("b.backup.new").exists());
    take(&source, &file, false, LogIndex(1), 0).unwrap();
}

/// A shell does it with control-Z and `fg`.
#[test]
fn stopped_backup_continues() {
    let installation = Installation::with_accounts(&["alice"]);
    installation.start();
    let daemon = Pid::from_raw(installation.child());
    kill(daemon, Signal::SIGSTOP).unwrap();
    let file = installation.path("b.backup");
    let mut command = installation.command(&["backup", file.to_str().unwrap()]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let backup = command.spawn().unwrap();
    // More often than it takes to come to the waiting.
    for _ in 0..30 {
        for signal in [Signal::SIGSTOP, Signal::SIGCONT] {
            std::thread::sleep(Duration::from_millis(15));
            kill(Pid::from_raw(backup.id().cast_signed()), signal).unwrap();
        }
    }
    kill(daemon, Signal::SIGCONT).unwrap();
    let done = backup.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
}
