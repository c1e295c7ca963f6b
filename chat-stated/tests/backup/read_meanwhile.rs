//! A backup whose records are without the texts of what was read by the time they were written: its batches have to say
//! so.

use std::fs::File;
use std::path::Path;

use chat_model::{AccountId, Audience, ConnectionId, NameList, RequestName};
use chat_model::{
    ConnectionSerial, MessageNumber, Progress, StreamOffset, UserSession, WorkerSessionId,
};
use chat_stated::backup::format::{BackupWriter, Head, Item};
use chat_stated::checkpoint::{MemoryCheckpoint, StateSnapshot};
use chat_stated::entry::{AccountChange, Action, Batch, Entry, Timestamp};
use chat_stated::journal::LogIndex;
use chat_stated::journal::format::{Digest, LogBase, encode};
use chat_stated::state::State;
use chat_stated::stored_state::{StoredBackup, replay};

use super::installation::SECRET;

const ANN: ConnectionId = ConnectionId {
    worker_session: WorkerSessionId(1),
    serial: ConnectionSerial(1),
};

fn batch(entries: Vec<Entry>) -> Batch {
    let timestamp = Timestamp {
        wall_ms: 1_795_000_000_000,
        boot_ms: 1_000_000,
        boot_id: [1; 16],
    };
    Batch {
        timestamp,
        origin: None,
        entries,
    }
}

fn request(offset: u64, action: Action) -> Entry {
    Entry::Request {
        name: RequestName {
            connection: ANN,
            offset: StreamOffset(offset),
        },
        answered: StreamOffset(offset - 1),
        progress: Progress::default(),
        action,
    }
}

/// Ann has written to herself.
fn written() -> Batch {
    batch(vec![
        Entry::BeginWorkerSession {
            secret: [1; 16],
            pid: 1,
            host: None,
        },
        Entry::ChangeAccounts(vec![AccountChange::Set {
            name: "ann".into(),
            secret: SECRET.into(),
        }]),
        request(
            1,
            Action::LogIn {
                account: AccountId(0),
                session: UserSession::Plain,
                address: [127, 0, 0, 1].into(),
                password_version: 0,
                new_secret: None,
                asked_boot_ms: None,
            },
        ),
        request(
            2,
            Action::Send {
                audience: Audience::Accounts(NameList::one("ann")),
                text: "read meanwhile".into(),
            },
        ),
    ])
}

/// And has read it.
fn read() -> Batch {
    let all = MessageNumber(1);
    batch(vec![Entry::Progress {
        connection: ANN,
        progress: Progress {
            sent: all,
            acknowledged: all,
            confirmed: all,
        },
    }])
}

/// A checkpoint that holds the first batch, and was written after the second.
fn checkpoint() -> MemoryCheckpoint {
    let mut state = State::default();
    replay(&mut state, written());
    let mut snapshot = StateSnapshot::begin(&mut state);
    replay(&mut state, read());
    assert!(snapshot.take_piece(&mut state, usize::MAX), "all at once");
    let records = snapshot.into_changes();
    let mut checkpoint = MemoryCheckpoint::default();
    checkpoint.write(&records).expect("it moves no texts");
    checkpoint
}

fn write(file: &Path, batches: &[Batch]) {
    write_after(
        file,
        Digest::of(LogIndex(1), Digest::START, b"batch 1"),
        batches,
    );
}

fn write_after(file: &Path, digest: Digest, batches: &[Batch]) {
    let log_base = LogBase {
        position: LogIndex(1),
        digest,
    };
    let head = Head {
        taken_wall_ms: 1_795_000_000_000,
        record_format: chat_stated::checkpoint::RECORD_FORMAT,
        checkpoint: LogIndex(1),
        log_base,
        last: LogIndex(1 + batches.len() as u64),
        has_history: false,
    };
    let mut writer = BackupWriter::new(File::create(file).unwrap(), &head).unwrap();
    let mut last = log_base;
    for batch in batches {
        let mut body = Vec::new();
        encode(batch, &mut body).unwrap();
        let position = LogIndex(last.position.0 + 1);
        let digest = Digest::of(position, last.digest, &body);
        let item = Item::Batch {
            position,
            digest,
            body: &body,
        };
        writer.add(&item).unwrap();
        last = LogBase { position, digest };
    }
    for (table, key, value) in checkpoint().records() {
        let value = &value;
        writer.add(&Item::Record { table, key, value }).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn backup_without_delivery_of_textless_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("whole.backup");
    write(&file, &[read()]);
    let backup = StoredBackup::read(&file).unwrap();
    assert_eq!(backup.stored.state.waiting_messages(), 0);
    let file = dir.path().join("cut.backup");
    write(&file, &[]);
    let error = StoredBackup::read(&file).unwrap_err().to_string();
    assert!(error.contains("cut.backup is damaged"), "{error}");
    assert!(error.contains("its end is missing"), "{error}");
}

/// Of an installation whose journal was moved away.
#[test]
fn new_journal_marks_textless_as_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("anew.backup");
    write_after(&file, Digest::START, &[]);
    let backup = StoredBackup::read(&file).unwrap();
    assert_eq!(backup.stored.state.waiting_messages(), 0);
}
