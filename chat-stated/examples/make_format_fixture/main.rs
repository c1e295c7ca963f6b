//! Writes one small example of everything that is stored or said in a format of its own, for `tests/fixtures/`.
//!
//! Run it once for each new version of a format, into a new directory, and never change an old one:
//! `cargo run -p chat-stated --example make_format_fixture -- chat-stated/tests/fixtures/v7`

mod format_6;
mod format_7;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chat_model::{AccountId, Audience, ConnectionId, RequestName};
use chat_model::{ConnectionSerial, MessageNumber, Progress, StreamOffset, WorkerSessionId};
use chat_rpc::{Greeting, Hello, Refusal, ResumeToken, VERSION};
use chat_stated::backup::take::{Source, take};
use chat_stated::checkpoint::{
    Checkpoint, CheckpointEvent, CheckpointStore, CheckpointWriter, StateSnapshot,
};
use chat_stated::entry::{
    AccountChange, Action, Batch, Entry, Limits, OnceId, OperatorAct, SecretInFile, Timestamp,
    WaitingLimits,
};
use chat_stated::journal::{Journal, JournalEvent, LocalJournal, LogIndex};
use chat_stated::state::State;
use chat_stated::stored_state::replay;

const SECRET: &str = "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8";
const WALL_MS: i64 = 1_795_000_000_000;
/// So often it is tried to write a database back.
const TRIES: usize = 1_000;
const BOOT_MS: u64 = 1_000_000;
/// Those that are there before dave registers.
const ACCOUNTS: [&str; 6] = ["alice", "bob", "carol", "erin", "frank", "grace"];
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CREDENTIAL: ResumeToken = ResumeToken {
    worker_session: WorkerSessionId(1),
    secret: [7; 16],
};

fn main() -> anyhow::Result<()> {
    let dir = std::env::args_os().nth(1).map(PathBuf::from);
    let dir = dir.context("name the directory to write to")?;
    ensure!(
        fs::read_dir(&dir).map_or(true, |mut files| files.next().is_none()),
        "{} is not empty",
        dir.display()
    );
    fs::create_dir_all(&dir)?;
    write_state(&dir)?;
    let accounts = "# accounts of the fixture\n".to_owned() + &lines();
    fs::write(dir.join("user_pass.txt"), accounts)?;
    let source = Source {
        state_dir: dir.clone(),
        with_history: false,
        account_file: dir.join("user_pass.txt"),
    };
    take(
        &source,
        &dir.join("chat.backup"),
        false,
        LogIndex(6),
        WALL_MS,
    )?;
    for name in ["journal.db", "checkpoint.db"] {
        write_back(&dir, name)?;
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(dir.join(format!("{name}{suffix}")));
        }
    }
    write_frames(&dir)
}

/// Puts what is only in a database's log into the database. The thread that wrote it may still have it open.
fn write_back(dir: &Path, name: &str) -> anyhow::Result<()> {
    let database = rusqlite::Connection::open(dir.join(name))?;
    for _ in 0..TRIES {
        let is_busy: bool =
            database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0))?;
        if !is_busy {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    bail!("{name} is in use")
}

fn lines() -> String {
    let names = ["alice", "bob", "carol", "erin", "frank", "grace", "dave"];
    names.map(|name| format!("{name},{SECRET}\n")).concat()
}

/// Four batches that a checkpoint has, of which the journal forgot some, and two after it. A message of the first four
/// is read before the checkpoint is written, and has no text in it.
fn write_state(dir: &Path) -> anyhow::Result<()> {
    let store = CheckpointStore::open(dir, |_| Ok(()))?.store;
    let (sender, events) = channel();
    let mut journal = LocalJournal::open(dir, LogIndex(0), |_| Ok(()))?.start(Box::new({
        move |event| {
            let _ = sender.send(event);
        }
    }))?;
    let mut state = State::default();
    let commit = |batch, journal: &mut LocalJournal, state: &mut State| {
        journal.submit(batch);
        match events.recv()? {
            JournalEvent::Committed { batch, .. } => drop(replay(state, batch)),
            other => bail!("{other:?}"),
        }
        Ok(())
    };
    for batch in batches_before() {
        commit(batch, &mut journal, &mut state)?;
    }
    let mut snapshot = StateSnapshot::begin(&mut state);
    commit(batch_meanwhile(), &mut journal, &mut state)?;
    ensure!(
        snapshot.take_piece(&mut state, usize::MAX),
        "a snapshot in one piece"
    );
    write_checkpoint(store, snapshot)?;
    // Forgotten along with the next commit.
    journal.forget_through(LogIndex(2));
    commit(batch_after(), &mut journal, &mut state)?;
    ensure!(
        state.waiting_messages() == 10,
        "{}",
        state.waiting_messages()
    );
    Ok(())
}

fn write_checkpoint(store: CheckpointStore, snapshot: StateSnapshot) -> anyhow::Result<()> {
    let (sender, events) = channel();
    let mut writer = CheckpointWriter::start(
        store,
        Box::new(move |event| {
            let _ = sender.send(event);
        }),
    )?;
    writer.write(Checkpoint {
        position: LogIndex(4),
        changes: snapshot.into_changes(),
    });
    match events.recv()? {
        CheckpointEvent::Written { .. } => Ok(()),
        other => bail!("{other:?}"),
    }
}

fn batches_before() -> Vec<Batch> {
    let filed = |account| SecretInFile {
        account: AccountId(account),
        secret_version: 0,
    };
    vec![
        batch(vec![
            Entry::Configure(Limits::default()),
            Entry::LimitWaiting(WaitingLimits {
                bytes: 1_000_000,
                sender_percent: 50,
            }),
            format_7::begin_host(),
            Entry::BeginWorkerSession {
                secret: CREDENTIAL.secret,
                pid: 1,
                host: None,
            },
            format_7::begin_worker_session(),
        ]),
        batch(vec![
            Entry::ChangeAccounts(ACCOUNTS.map(account).to_vec()),
            Entry::FileStatus([0, 1, 2, 3, 4, 5].map(filed).to_vec()),
        ]),
        batch(vec![
            request(1, 1, log_in(0)),
            request(1, 2, send_once(&["bob"], "first")),
            request(
                1,
                3,
                Action::Send {
                    audience: Audience::Everyone,
                    text: "to all".into(),
                },
            ),
            request(1, 4, send(&["alice"], "read meanwhile")),
            request(1, 5, send(&["bob", "carol"], "to both")),
            request(1, 6, send(&["bob", "carol"], "to both again")),
        ]),
        of_host(batch(failures().chain(format_6::before()).collect()), 1),
    ]
}

fn failures() -> impl Iterator<Item = Entry> {
    (1..=3).map(|offset| request(2, offset, failed(2)))
}

fn batch_meanwhile() -> Batch {
    let all = MessageNumber(3);
    batch(vec![
        Entry::Progress {
            connection: connection(1),
            progress: Progress {
                sent: all,
                acknowledged: all,
                confirmed: all,
            },
        },
        request(1, 7, send(&["bob", "carol"], "after it")),
    ])
}

fn batch_after() -> Batch {
    let register = Action::Register {
        name: "dave".into(),
        secret: SECRET.into(),
    };
    let lift = OperatorAct::LiftBlocks {
        account: Some(AccountId(1)),
        address: Some(ADDRESS),
    };
    let lift = Entry::Operate {
        ticket: 1,
        act: lift,
    };
    let entries = [request(3, 1, register), lift];
    of_host(
        batch(entries.into_iter().chain(format_6::after()).collect()),
        2,
    )
}

fn connection(serial: u64) -> ConnectionId {
    ConnectionId {
        worker_session: CREDENTIAL.worker_session,
        serial: ConnectionSerial(serial),
    }
}

fn batch(entries: Vec<Entry>) -> Batch {
    let timestamp = Timestamp {
        wall_ms: WALL_MS,
        boot_ms: BOOT_MS,
        boot_id: *b"fixture boot id ",
    };
    Batch {
        timestamp,
        origin: None,
        entries,
    }
}

fn of_host(batch: Batch, number: u64) -> Batch {
    Batch {
        origin: Some(format_7::origin(number)),
        ..batch
    }
}

fn account(name: &str) -> AccountChange {
    AccountChange::Set {
        name: name.into(),
        secret: SECRET.into(),
    }
}

fn request(serial: u64, offset: u64, action: Action) -> Entry {
    Entry::Request {
        name: RequestName {
            connection: connection(serial),
            offset: StreamOffset(offset),
        },
        answered: StreamOffset(offset - 1),
        progress: Progress {
            sent: MessageNumber(0),
            ..Progress::default()
        },
        action,
    }
}

fn log_in(account: u32) -> Action {
    Action::LogIn {
        account: AccountId(account),
        session: chat_model::UserSession::Plain,
        address: ADDRESS,
        password_version: 0,
        new_secret: None,
        asked_boot_ms: None,
    }
}

fn failed(account: u32) -> Action {
    Action::FailedLogIn {
        account: AccountId(account),
        address: ADDRESS,
    }
}

fn send(recipients: &[&str], text: &str) -> Action {
    Action::Send {
        audience: Audience::Accounts(recipients.iter().copied().collect()),
        text: text.into(),
    }
}

fn send_once(recipients: &[&str], text: &str) -> Action {
    Action::SendOnce {
        id: OnceId([6; 16]),
        audience: Audience::Accounts(recipients.iter().copied().collect()),
        text: text.into(),
    }
}

/// The first frames of either side, without their lengths.
fn write_frames(dir: &Path) -> anyhow::Result<()> {
    let resume = Some(CREDENTIAL);
    let refused = Greeting::Refused(Refusal::Version {
        daemon_version: VERSION,
    });
    let frames = [
        ("hello.frame", Hello { resume: None }.encode()?),
        ("hello_resume.frame", Hello { resume }.encode()?),
        ("attached.frame", Greeting::Attached(CREDENTIAL).encode()?),
        ("refused.frame", refused.encode()?),
    ];
    for (name, payload) in frames {
        fs::write(dir.join(name), payload)?;
    }
    Ok(())
}
