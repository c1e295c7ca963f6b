//! Every format that was ever released is read, or refused with a clear word. `examples/make_format_fixture/` makes a
//! fixture; a new version of a format gets a new directory, and the old ones stay as they are.

mod format_6;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chat_model::{AccountId, ConnectionId};
use chat_model::{ConnectionSerial, MessageNumber, WorkerSessionId};
use chat_rpc::{Greeting, Hello, HelloError, Refusal, ResumeToken, VERSION};
use chat_stated::account_file::format::parse;
use chat_stated::checkpoint::RECORD_FORMAT;
use chat_stated::entry::{HostId, Timestamp};
use chat_stated::state::{Reader, SliceLimits, State};
use chat_stated::stored_state::{StoredBackup, StoredCheckpoint, StoredState};

use super::installation::{Installation, SECRET, text};
use super::support::TIMEOUT;
use super::worker::{Link, Worker, texts};

const STAMP: Timestamp = Timestamp {
    wall_ms: 1_795_000_000_000,
    boot_ms: 1_000_000,
    boot_id: *b"fixture boot id ",
};
const CREDENTIAL: ResumeToken = ResumeToken {
    worker_session: WorkerSessionId(1),
    secret: [7; 16],
};
/// Where SQLite keeps its `user_version`, big endian.
const USER_VERSION_OFFSET: usize = 60;

/// What was stored and said by programs of one time.
struct Fixture {
    directory: &'static str,
    /// Version of the RPC.
    rpc: u32,
    /// Entries behind the checkpoint.
    entries: u64,
    /// Numbers and texts of the messages that wait for bob; the last one is not in the checkpoint. Carol has all but
    /// the first.
    bobs: &'static [(u64, &'static str)],
    /// What all messages that wait may take.
    waiting_bytes: u64,
}

/// What waits for bob in the fixtures of versions 3 to 5.
const BOBS_OF_V3_TO_V5: &[(u64, &str)] = &[
    (1, "first"),
    (2, "to all"),
    (4, "to both"),
    (5, "to both again"),
    (6, "after it"),
];

/// The same since version 6, which has more messages before the last one.
const BOBS_SINCE_V6: &[(u64, &str)] = &[
    (1, "first"),
    (2, "to all"),
    (4, "to both"),
    (5, "to both again"),
    (17, "after it"),
];

const FIXTURES: [Fixture; 7] = [
    Fixture {
        directory: "v1",
        rpc: 1,
        entries: 2,
        bobs: &[(1, "first"), (2, "to all"), (3, "after it")],
        waiting_bytes: u64::MAX,
    },
    // Has a message that was read while the checkpoint was taken.
    Fixture {
        directory: "v2",
        rpc: 3,
        entries: 3,
        bobs: &[(1, "first"), (2, "to all"), (4, "after it")],
        waiting_bytes: u64::MAX,
    },
    // Names equal readers once, and says how much may wait.
    Fixture {
        directory: "v3",
        rpc: 3,
        entries: 3,
        bobs: BOBS_OF_V3_TO_V5,
        waiting_bytes: 1_000_000,
    },
    // Has recipients as lists, and times of messages in milliseconds.
    Fixture {
        directory: "v4",
        rpc: 5,
        entries: 3,
        bobs: BOBS_OF_V3_TO_V5,
        waiting_bytes: 1_000_000,
    },
    // Has an act of an operator.
    Fixture {
        directory: "v5",
        rpc: 5,
        entries: 4,
        bobs: BOBS_OF_V3_TO_V5,
        waiting_bytes: 1_000_000,
    },
    // Has a message that was sent once, and all that is in `format_6.rs`.
    Fixture {
        directory: "v6",
        rpc: 7,
        entries: 7,
        bobs: BOBS_SINCE_V6,
        waiting_bytes: 1_000_000,
    },
    // Has a host that takes part, with a worker.
    Fixture {
        directory: "v7",
        rpc: 8,
        entries: 7,
        bobs: BOBS_SINCE_V6,
        waiting_bytes: 1_000_000,
    },
];
const V1: &Fixture = &FIXTURES[0];
const NEWEST: &Fixture = &FIXTURES[6];

impl Fixture {
    fn path(&self, name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(self.directory)
            .join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }
}

fn queue(state: &State, name: &str) -> Vec<String> {
    let (account, _) = state.account(name).unwrap();
    let all = SliceLimits {
        messages: usize::MAX,
        text_bytes: usize::MAX,
        names_groups: false,
    };
    let slice = state.read_queue(
        Reader::first(account),
        MessageNumber(0),
        MessageNumber(u64::MAX),
        all,
    );
    let messages = slice.messages.iter();
    messages
        .map(|message| format!("{} {}: {}", message.number.0, message.sender, message.text))
        .collect()
}

/// What a fixture's entries come to.
fn check_state(fixture: &Fixture, stored: &StoredState) {
    let state = &stored.state;
    assert_eq!((stored.checkpoint.0, stored.last.0), (4, 6));
    assert_eq!(stored.entries, fixture.entries);
    let of_format_6 = match fixture.directory {
        "v6" | "v7" => format_6::check(state),
        _ => 0,
    };
    if fixture.directory == "v7" {
        check_hosts(state);
    }
    assert_eq!(state.account_count(), 4 + of_format_6);
    for name in ["alice", "bob", "carol", "dave"] {
        assert_eq!(&*state.account(name).unwrap().1.secret, SECRET);
    }
    assert_eq!(state.waiting_limits().bytes, fixture.waiting_bytes);
    let bobs = fixture.bobs.iter();
    let bobs: Vec<String> = bobs
        .map(|(number, text)| format!("{number} alice: {text}"))
        .collect();
    assert_eq!(queue(state, "bob"), bobs);
    assert_eq!(queue(state, "carol"), bobs[1..]);
    assert_eq!(queue(state, "alice"), [""; 0]);
    assert_eq!(queue(state, "dave"), [""; 0]);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let carol = AccountId(2);
    assert_eq!(state.block_seconds_left(carol, address, &STAMP), Some(60));
    let connection = ConnectionId {
        worker_session: WorkerSessionId(1),
        serial: ConnectionSerial(1),
    };
    assert_eq!(state.account_on(connection), Some(AccountId(0)));
    assert_eq!(
        state.worker_session(WorkerSessionId(1)).unwrap().secret,
        CREDENTIAL.secret
    );
}

fn check_hosts(state: &State) {
    let hosts: Vec<_> = state.hosts().iter().collect();
    assert_eq!(hosts, [(HostId(300), "here")]);
    assert_ne!(state.hosts().decisions(), 0);
    let of_host = state.worker_sessions();
    let of_host: Vec<_> = of_host.map(|(id, session)| (id.0, session.host)).collect();
    assert_eq!(of_host, [(1, None), (2, Some(HostId(300)))]);
}

#[test]
fn databases_of_every_version_are_read() {
    for fixture in &FIXTURES {
        let installation = Installation::with_files_of(&fixture.path(""));
        let state_dir = installation.path("state");
        let checkpoint = StoredCheckpoint::read(&state_dir).unwrap().unwrap();
        let stored = checkpoint.with_journal(&state_dir).unwrap().unwrap();
        check_state(fixture, &stored);
    }
}

#[test]
fn backups_of_every_version_are_read() {
    for fixture in &FIXTURES {
        let backup = StoredBackup::read(&fixture.path("chat.backup")).unwrap();
        check_state(fixture, &backup.stored);
        assert_eq!(backup.head.taken_wall_ms, STAMP.wall_ms);
        assert_eq!(backup.account_file, fixture.read("user_pass.txt"));
    }
}

#[test]
fn account_file_is_read() {
    let parsed = parse(&V1.read("user_pass.txt"));
    assert_eq!(parsed.unreadable_total, 0);
    let names = parsed.accounts.iter().map(|(name, _)| &name[..]);
    assert!(names.eq(["alice", "bob", "carol", "dave"]));
    assert!(parsed.accounts.iter().all(|(_, secret)| secret == SECRET));
}

#[test]
fn every_stored_version_is_served() {
    for (fixture, installation) in FIXTURES.iter().flat_map(|fixture| {
        let stored = Installation::with_files_of(&fixture.path(""));
        let restored = Installation::to_restore(&fixture.path("chat.backup"));
        [(fixture, stored), (fixture, restored)]
    }) {
        installation.start();
        let mut worker = Worker::attach(&installation);
        let (_, bobs) = worker.log_in_when_free("bob");
        let wanted: Vec<&str> = fixture.bobs.iter().map(|(_, text)| *text).collect();
        assert_eq!(texts(&bobs.messages), wanted);
        let (mut alice, _) = worker.log_in_when_free("alice");
        worker.send(&mut alice, "dave", "hello");
        let (_, daves) = worker.log_in_when_free("dave");
        assert_eq!(daves.messages.len(), 1);
    }
}

#[test]
fn first_frames_of_all_versions_are_read() {
    for fixture in &FIXTURES {
        let hello = Hello { resume: None };
        let wanted = if fixture.rpc == VERSION {
            Ok(hello)
        } else {
            Err(HelloError::Version(fixture.rpc))
        };
        assert_eq!(Hello::decode(&fixture.read("hello.frame")), wanted);
        // A hello is the same but for its version, which stands behind eight bytes.
        let hello_of_today = |name: &str| {
            let mut bytes = fixture.read(name);
            bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
            Hello::decode(&bytes)
        };
        assert_eq!(hello_of_today("hello.frame"), Ok(hello));
        let resume = Hello {
            resume: Some(CREDENTIAL),
        };
        assert_eq!(hello_of_today("hello_resume.frame"), Ok(resume));
        let attached = Greeting::Attached(CREDENTIAL);
        let said = Greeting::decode(&fixture.read("attached.frame"));
        assert_eq!(said, Ok(attached));
        let refused = Greeting::Refused(Refusal::Version {
            daemon_version: fixture.rpc,
        });
        let said = Greeting::decode(&fixture.read("refused.frame"));
        assert_eq!(said, Ok(refused));
    }
}

/// So that older programs name the format, and do not take for damage what they do not know.
#[test]
fn first_checkpoint_has_newest_format() {
    let installation = Installation::with_files_of(&V1.path(""));
    let version = || {
        let bytes = fs::read(installation.path("state/checkpoint.db")).unwrap();
        let field = bytes[USER_VERSION_OFFSET..][..4].try_into().unwrap();
        i32::from_be_bytes(field)
    };
    assert_eq!(version(), 1);
    let started = installation.run(&["--checkpoint-every-entries=1", "--detach"]);
    assert!(started.status.success(), "{}", text(&started.stderr));
    let end = Instant::now() + TIMEOUT;
    while version() != RECORD_FORMAT {
        assert!(Instant::now() < end, "{}", installation.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn unknown_database_version_is_refused() {
    for (name, known) in [("journal.db", 1), ("checkpoint.db", RECORD_FORMAT)] {
        let installation = Installation::with_files_of(&NEWEST.path(""));
        let path = installation.path("state").join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[USER_VERSION_OFFSET..][..4].copy_from_slice(&9_i32.to_be_bytes());
        fs::write(&path, &bytes).unwrap();
        let wanted = format!("{name} has format 9, this program knows formats up to {known}");
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
fn unknown_backup_version_is_refused() {
    let installation = Installation::to_restore(&V1.path("chat.backup"));
    let path = installation.path("restore.backup");
    let mut bytes = fs::read(&path).unwrap();
    bytes[16] = 9;
    fs::write(&path, &bytes).unwrap();
    let wanted = "restore.backup has format 9, this program knows formats up to 2";
    let started = installation.try_start();
    assert!(text(&started.stderr).contains(wanted), "{started:?}");
    let checked = installation.run(&["check", path.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(2), "{checked:?}");
    assert!(text(&checked.stderr).contains(wanted), "{checked:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// What is answered to a first frame.
fn first_answer(socket: &Path, frame: &[u8]) -> Vec<u8> {
    let mut link = Link::open(socket);
    link.write_frame(frame);
    link.read_frame().expect("an answer")
}

#[test]
fn other_hello_version_is_refused() {
    let installation = Installation::with_accounts(&["alice"]);
    installation.start();
    let socket = installation.path("chat-stated.sock");
    let mut hello = V1.read("hello.frame");
    hello[8..12].copy_from_slice(&9_u32.to_le_bytes());
    hello.extend_from_slice(b"what a later version adds");
    let greeting = first_answer(&socket, &hello);
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
