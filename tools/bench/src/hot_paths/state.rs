//! The state, and what its journal holds.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, ensure};
use chat_model::{Audience, ConnectionId, NameList, RequestName};
use chat_model::{
    ConnectionSerial, MessageNumber, Progress, StreamOffset, UserSession, WorkerSessionId,
};
use chat_stated::entry::{AccountChange, Action, Batch, Entry, Timestamp};
use chat_stated::journal::LogIndex;
use chat_stated::journal::format::{Digest, encode};
use chat_stated::state::{Effects, State};

use super::{BATCH, text};

const STAMP: Timestamp = Timestamp {
    wall_ms: 1_800_000_000_000,
    boot_ms: 100_000,
    boot_id: [1; 16],
};
const SENDER: u64 = 0;
const READER: u64 = 1;

/// Ann sends to Bob, whose cursor follows.
pub(super) fn apply(rounds: u64) -> anyhow::Result<()> {
    let (mut state, text) = (logged_in()?, text());
    for round in 0..rounds {
        let mut effects = Effects::default();
        for number in 0..BATCH {
            let entry = black_box(send(round * BATCH + number, &text));
            state.apply(entry, STAMP.wall_ms, &mut effects);
        }
        let last = state.last_message();
        let had = Entry::Progress {
            connection: connection(READER),
            progress: Progress {
                sent: last,
                acknowledged: last,
                confirmed: last,
            },
        };
        state.apply(had, STAMP.wall_ms, &mut effects);
        ensure!(
            black_box(effects).reached.len() as u64 == BATCH,
            "not all were taken"
        );
    }
    ensure!(state.waiting_messages() == 0 && state.last_message() == MessageNumber(rounds * BATCH));
    Ok(())
}

pub(super) fn encode_batches(rounds: u64) -> anyhow::Result<()> {
    let text = text();
    let batch = Batch {
        timestamp: STAMP,
        origin: None,
        entries: (0..BATCH).map(|number| send(number, &text)).collect(),
    };
    let (mut body, mut digest) = (Vec::new(), Digest::START);
    for round in 0..rounds {
        body.clear();
        encode(black_box(&batch), &mut body)?;
        digest = Digest::of(LogIndex(round), digest, &body);
    }
    black_box(digest);
    Ok(())
}

fn logged_in() -> anyhow::Result<State> {
    let mut state = State::default();
    let effects = &mut Effects::default();
    let wall_ms = STAMP.wall_ms;
    state.advance_clock(&STAMP, None, effects);
    let worker_session = Entry::BeginWorkerSession {
        secret: [9; 16],
        pid: 7,
        host: None,
    };
    state.apply(worker_session, wall_ms, effects);
    for (serial, name) in [(SENDER, "ann"), (READER, "somebody")] {
        let change = AccountChange::Set {
            name: name.into(),
            secret: "secret".into(),
        };
        state.apply(Entry::ChangeAccounts(vec![change]), wall_ms, effects);
        let (account, record) = state.account(name).context("the account is there")?;
        let log_in = Action::LogIn {
            account,
            session: UserSession::Plain,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            password_version: record.password_version,
            new_secret: None,
            asked_boot_ms: None,
        };
        state.apply(request(serial, 1, log_in), wall_ms, effects);
    }
    Ok(state)
}

fn send(number: u64, text: &str) -> Entry {
    let action = Action::Send {
        audience: Audience::Accounts(NameList::one("somebody")),
        text: text.into(),
    };
    request(SENDER, 100 + number * 75, action)
}

fn request(serial: u64, offset: u64, action: Action) -> Entry {
    Entry::Request {
        name: RequestName {
            connection: connection(serial),
            offset: StreamOffset(offset),
        },
        answered: StreamOffset(offset - 1),
        progress: Progress::default(),
        action,
    }
}

fn connection(serial: u64) -> ConnectionId {
    ConnectionId {
        worker_session: WorkerSessionId(1),
        serial: ConnectionSerial(serial),
    }
}
