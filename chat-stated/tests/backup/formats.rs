//! Every format that was ever released is read, or refused with a clear word. `examples/make_format_fixture.rs` makes a
//! fixture; a new version of a format gets a new directory, and the old ones stay as they are.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use chat_shared::rpc::{
    ConnectionSerial, Greeting, Hello, HelloError, LifeCredential, LifeId, MessageNumber,
    OPERATOR_VERSION, OperatorError, OperatorHello, Refusal, Standing, VERSION,
};
use chat_stated::account_file::format::parse;
use chat_stated::entry::{AccountId, ConnectionId, Stamp};
use chat_stated::state::{SliceLimits, State};
use chat_stated::stored_state::{StoredBackup, StoredCheckpoint, StoredState};

use super::installation::{Installation, SECRET, text};
use super::worker::Worker;

const STAMP: Stamp = Stamp {
    wall_ms: 1_795_000_000_000,
    boot_ms: 1_000_000,
    boot_id: *b"fixture boot id ",
};
const CREDENTIAL: LifeCredential = LifeCredential {
    life: LifeId(1),
    secret: [7; 16],
};
/// Where SQLite keeps its `user_version`, big endian.
const USER_VERSION_OFFSET: usize = 60;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/v1")
        .join(name)
}

fn frame(name: &str) -> Vec<u8> {
    fs::read(fixture(name)).unwrap()
}

fn queue(state: &State, name: &str) -> Vec<String> {
    let (account, _) = state.account(name).unwrap();
    let all = SliceLimits {
        messages: usize::MAX,
        text_bytes: usize::MAX,
    };
    let slice = state.read_queue(account, MessageNumber(0), MessageNumber(u64::MAX), all);
    let messages = slice.messages.iter();
    messages
        .map(|message| format!("{} {}: {}", message.number.0, message.sender, message.text))
        .collect()
}

/// What the fixture's entries come to.
fn check_state(stored: &StoredState) {
    let state = &stored.state;
    assert_eq!((stored.checkpoint.0, stored.last.0), (4, 6));
    assert_eq!(stored.entries, 2);
    assert_eq!(state.account_count(), 4);
    for name in ["alice", "bob", "carol", "dave"] {
        assert_eq!(&*state.account(name).unwrap().1.secret, SECRET);
    }
    let bobs = ["1 alice: first", "2 alice: to all", "3 alice: after it"];
    assert_eq!(queue(state, "bob"), bobs);
    assert_eq!(queue(state, "carol"), bobs[1..]);
    assert_eq!(queue(state, "alice"), [""; 0]);
    assert_eq!(queue(state, "dave"), [""; 0]);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let carol = AccountId(2);
    assert_eq!(state.block_seconds_left(carol, address, &STAMP), Some(60));
    let connection = ConnectionId {
        life: LifeId(1),
        serial: ConnectionSerial(1),
    };
    assert_eq!(state.account_on(connection), Some(AccountId(0)));
    assert_eq!(state.life(LifeId(1)).unwrap().secret, CREDENTIAL.secret);
}

#[test]
fn databases_of_version_1_are_read() {
    let installation = Installation::with_files_of(&fixture(""));
    let state_dir = installation.path("state");
    let checkpoint = StoredCheckpoint::read(&state_dir).unwrap().unwrap();
    let stored = checkpoint.with_journal(&state_dir).unwrap().unwrap();
    check_state(&stored);
}

#[test]
fn a_backup_of_version_1_is_read() {
    let backup = StoredBackup::read(&fixture("chat.backup")).unwrap();
    check_state(&backup.stored);
    assert_eq!(backup.head.taken_wall_ms, STAMP.wall_ms);
    assert_eq!(backup.account_file, frame("user_pass.txt"));
}

#[test]
fn an_account_file_is_read() {
    let parsed = parse(&frame("user_pass.txt"));
    assert_eq!(parsed.unreadable_total, 0);
    let names = parsed.accounts.iter().map(|(name, _)| &name[..]);
    assert!(names.eq(["alice", "bob", "carol", "dave"]));
    assert!(parsed.accounts.iter().all(|(_, secret)| secret == SECRET));
}

#[test]
fn a_daemon_serves_what_version_1_stored_or_backed_up() {
    let stored = Installation::with_files_of(&fixture(""));
    let restored = Installation::to_restore(&fixture("chat.backup"));
    for installation in [stored, restored] {
        installation.start();
        let mut worker = Worker::attach(&installation);
        let bobs = worker.log_in(1, "bob").into_iter().map(|(_, text)| text);
        assert!(bobs.eq(["first", "to all", "after it"]));
        worker.log_in(2, "alice");
        worker.send(2, "dave", "hello");
        assert_eq!(worker.log_in(3, "dave").len(), 1);
    }
}

#[test]
fn first_frames_of_version_1_are_read_and_its_hello_is_another_version() {
    let hello = Hello { resume: None };
    let old = HelloError::Version(1);
    assert_eq!(Hello::decode(&frame("hello.frame")), Err(old));
    // A hello is the same but for its version, which stands behind eight bytes.
    let hello_of_today = |name: &str| {
        let mut bytes = frame(name);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        Hello::decode(&bytes)
    };
    assert_eq!(hello_of_today("hello.frame"), Ok(hello));
    let resume = Hello {
        resume: Some(CREDENTIAL),
    };
    assert_eq!(hello_of_today("hello_resume.frame"), Ok(resume));
    let attached = Greeting::Attached(CREDENTIAL);
    assert_eq!(Greeting::decode(&frame("attached.frame")), Ok(attached));
    let refused = Greeting::Refused(Refusal::Version { daemon_version: 1 });
    assert_eq!(Greeting::decode(&frame("refused.frame")), Ok(refused));
    let question = OperatorHello::decode(&frame("operator_hello.frame"));
    assert_eq!(question, Ok(OperatorHello));
    let standing = Standing { position: 6 };
    assert_eq!(Standing::decode(&frame("standing.frame")), Ok(standing));
}

#[test]
fn a_database_of_an_unknown_version_is_refused_with_both_versions() {
    for name in ["journal.db", "checkpoint.db"] {
        let installation = Installation::with_files_of(&fixture(""));
        let path = installation.path("state").join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[USER_VERSION_OFFSET..][..4].copy_from_slice(&9_i32.to_be_bytes());
        fs::write(&path, &bytes).unwrap();
        let wanted = format!("{name} has format 9, this program knows format 1");
        let started = installation.try_start();
        assert!(!started.status.success());
        let said = text(&started.stderr);
        assert!(said.contains(&wanted), "{said}");
        let checked = installation.run(&["check"]);
        assert_eq!(checked.status.code(), Some(2), "{checked:?}");
        assert!(text(&checked.stderr).contains(&wanted), "{checked:?}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_backup_of_an_unknown_version_is_refused_with_both_versions() {
    let installation = Installation::to_restore(&fixture("chat.backup"));
    let path = installation.path("restore.backup");
    let mut bytes = fs::read(&path).unwrap();
    bytes[16] = 9;
    fs::write(&path, &bytes).unwrap();
    let wanted = "restore.backup has format 9, this program knows format 1";
    let started = installation.try_start();
    assert!(text(&started.stderr).contains(wanted), "{started:?}");
    let checked = installation.run(&["check", path.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(2), "{checked:?}");
    assert!(text(&checked.stderr).contains(wanted), "{checked:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_hello_of_another_version_is_refused_with_ours() {
    let installation = Installation::with_accounts(&["alice"]);
    installation.start();
    let socket = installation.path("chat-stated.sock");
    let mut hello = frame("hello.frame");
    hello[8..12].copy_from_slice(&9_u32.to_le_bytes());
    hello.extend_from_slice(b"what a later version adds");
    let (_, greeting) = Worker::greet(&socket, &hello);
    let refused = Greeting::Refused(Refusal::Version {
        daemon_version: VERSION,
    });
    assert_eq!(Greeting::decode(&greeting), Ok(refused));
    let wanted = format!("a worker speaks RPC version 9, this daemon {VERSION}");
    assert!(
        installation.log().contains(&wanted),
        "{}",
        installation.log()
    );
}

#[test]
fn an_operators_question_of_another_version_is_answered_with_our_version() {
    let installation = Installation::with_accounts(&["alice"]);
    installation.start();
    let socket = installation.path("chat-stated.sock");
    let mut question = frame("operator_hello.frame");
    question[8..12].copy_from_slice(&9_u32.to_le_bytes());
    let (_, answer) = Worker::greet(&socket, &question);
    // A tool of the other version reads this as it reads every version's beginning.
    assert!(Standing::decode(&answer).is_ok());
    let mut answer_of_another = answer.clone();
    answer_of_another[8..12].copy_from_slice(&9_u32.to_le_bytes());
    let error = OperatorError::Version(9);
    assert_eq!(Standing::decode(&answer_of_another), Err(error));
    assert_eq!(answer[8..12], OPERATOR_VERSION.to_le_bytes());
}
