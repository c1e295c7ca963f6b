//! The journal: whatever a body holds, it is read or not; what was read is written and read again the same, and can be
//! applied to a state; what comes of it can be saved and restored.

use std::net::IpAddr;

use chat_model::message::may_be_recipient;
use chat_model::{AccountId, Audience, ConnectionId, NameList, RequestName};
use chat_model::{
    ConnectionSerial, MessageNumber, Progress, RoomId, SessionName, StreamOffset, UserSession,
    WorkerSessionId,
};
use chat_stated::checkpoint::{MemoryCheckpoint, Restoration, StateSnapshot};
use chat_stated::entry::{
    AccountChange, Action, Batch, Entry, Limits, OnceId, OperatorAct, SecretInFile, SessionLimits,
    TokenDigest, WaitingLimits,
};
use chat_stated::journal::format::{decode, encode};
use chat_stated::state::State;
use chat_stated::stored_state::replay;

use super::items::{self, NAMES};
use super::timestamps::timestamp;
use crate::choices::Choices;

/// The body of a batch; or choices of which batches are made.
pub fn run(bytes: &[u8]) {
    check_body(bytes);
    let mut choices = Choices::new(bytes);
    let mut state = State::default();
    let mut checkpoint = MemoryCheckpoint::default();
    let mut boot_ms = 0;
    while !choices.is_over() {
        boot_ms += u64::from(choices.byte()) * 10;
        let entries = (0..1 + choices.below(4))
            .map(|_| entry(&mut choices))
            .collect();
        let mut timestamp = timestamp(boot_ms);
        if choices.byte() == 0xff {
            timestamp.wall_ms = choices.number() as i64;
            timestamp.boot_id[0] = choices.byte();
        }
        let batch = Batch {
            timestamp,
            origin: None,
            entries,
        };
        let mut body = Vec::new();
        assert_eq!(encode(&batch, &mut body), Ok(()));
        assert_eq!(decode(&body), Ok(batch.clone()));
        replay(&mut state, batch);
        if choices.below(8) == 7 {
            save(&mut state, &mut checkpoint);
        }
    }
    save(&mut state, &mut checkpoint);
}

/// Any bytes as a body.
fn check_body(bytes: &[u8]) {
    let Ok(batch) = decode(bytes) else {
        return;
    };
    let mut body = Vec::new();
    assert_eq!(encode(&batch, &mut body), Ok(()));
    assert_eq!(decode(&body), Ok(batch.clone()));
    let mut state = State::default();
    replay(&mut state, batch);
    save(&mut state, &mut MemoryCheckpoint::default());
}

/// The state as a checkpoint, from which one is restored that has the same to show.
fn save(state: &mut State, checkpoint: &mut MemoryCheckpoint) {
    let records = StateSnapshot::take_whole(state);
    assert_eq!(checkpoint.write(&records), Ok(()));
    state.checkpoint_is_current();
    let restored = match Restoration::of_all(checkpoint.records()) {
        Ok(restored) => restored,
        Err(error) => panic!("what was saved cannot be restored: {error}"),
    };
    assert!(restored.records().eq(state.records()));
    assert_eq!(restored.waiting_messages(), state.waiting_messages());
    assert_eq!(restored.last_message(), state.last_message());
    assert_eq!(restored.limits(), state.limits());
    assert_eq!(restored.waiting_limits(), state.waiting_limits());
    assert_eq!(restored.waiting_bytes(), state.waiting_bytes());
}

fn account(choices: &mut Choices<'_>) -> AccountId {
    AccountId(match choices.byte() {
        0xff => choices.number() as u32,
        byte => u32::from(byte) % 5,
    })
}

fn connection(choices: &mut Choices<'_>) -> ConnectionId {
    ConnectionId {
        worker_session: WorkerSessionId(choices.number() % 4),
        serial: ConnectionSerial(choices.number() % 4),
    }
}

fn progress(choices: &mut Choices<'_>) -> Progress {
    let number = |choices: &mut Choices<'_>| MessageNumber(choices.number());
    Progress {
        sent: number(choices),
        acknowledged: number(choices),
        confirmed: number(choices),
    }
}

fn name(choices: &mut Choices<'_>) -> String {
    match choices.below(8) {
        7 => choices.text(),
        at => NAMES[at % NAMES.len()].to_owned(),
    }
}

fn entry(choices: &mut Choices<'_>) -> Entry {
    match choices.below(15) {
        0 => Entry::Configure(limits(choices)),
        1 => Entry::BeginWorkerSession {
            secret: [choices.byte(); 16],
            pid: 1,
            host: None,
        },
        2 => Entry::EndWorkerSession {
            worker_session: connection(choices).worker_session,
        },
        3 => Entry::ChangeAccounts((0..choices.below(4)).map(|_| change(choices)).collect()),
        4 => Entry::FileStatus(vec![SecretInFile {
            account: account(choices),
            secret_version: choices.number() as u32,
        }]),
        5 => Entry::Progress {
            connection: connection(choices),
            progress: progress(choices),
        },
        6 => Entry::Close {
            connection: connection(choices),
            progress: progress(choices),
        },
        7 => Entry::LimitWaiting(WaitingLimits {
            bytes: choices.number(),
            sender_percent: choices.number() as u32,
        }),
        9 => Entry::LimitSessions(SessionLimits {
            unused_ms: choices.number(),
        }),
        8 => Entry::Operate {
            ticket: choices.number(),
            act: operator_act(choices),
        },
        _ => Entry::Request {
            name: RequestName {
                connection: connection(choices),
                offset: StreamOffset(choices.number()),
            },
            answered: StreamOffset(choices.number()),
            progress: progress(choices),
            action: action(choices),
        },
    }
}

fn operator_act(choices: &mut Choices<'_>) -> OperatorAct {
    let account = account(choices);
    match choices.below(11) {
        0 => OperatorAct::TakeAccountFile((0..choices.below(4)).map(|_| change(choices)).collect()),
        1 => OperatorAct::AddAccount {
            name: name(choices),
            secret: choices.text(),
        },
        2 => OperatorAct::SetPassword {
            account,
            secret: choices.text(),
        },
        3 => OperatorAct::DisableAccount { account },
        4 => OperatorAct::EnableAccount { account },
        5 => OperatorAct::ForgetAccount { account },
        6 => OperatorAct::Announce {
            sender: account,
            text: choices.text(),
        },
        7 => OperatorAct::DropRoom {
            room: RoomId(choices.number() as u32),
        },
        8 => OperatorAct::SetRoomRetention {
            room: RoomId(choices.number() as u32),
            days: choices.number() as u32,
        },
        9 => OperatorAct::DropToken {
            account,
            name: name(choices),
        },
        _ => OperatorAct::LiftBlocks {
            account: (choices.below(2) == 1).then_some(account),
            address: (choices.below(2) == 1).then(|| items::address(choices)),
        },
    }
}

fn limits(choices: &mut Choices<'_>) -> Limits {
    Limits {
        block_time_ms: choices.number(),
        accounts: choices.number() as u32,
        queue_messages: choices.number() as u32,
        queue_bytes: choices.number(),
        sender_share_percent: choices.number() as u32,
        broadcast_messages: choices.number() as u32,
        broadcast_bytes: choices.number(),
        broadcasts_per_minute: choices.number() as u32,
    }
}

fn change(choices: &mut Choices<'_>) -> AccountChange {
    let name = name(choices);
    match choices.below(3) {
        0 => AccountChange::Disable { name },
        _ => AccountChange::Set {
            name,
            secret: choices.text(),
        },
    }
}

fn audience(choices: &mut Choices<'_>) -> Audience<'static> {
    let names: Vec<String> = (0..1 + choices.below(3)).map(|_| name(choices)).collect();
    let names = names.iter().map(String::as_str);
    let recipients: NameList<'_> = names.filter(|name| may_be_recipient(name)).collect();
    // A list that no client can send has no form of its own in the journal.
    match recipients.is_empty() {
        true => Audience::Everyone,
        false => Audience::Accounts(recipients),
    }
}

fn session(choices: &mut Choices<'_>) -> UserSession {
    let named = ["a", "phone"].map(|name| SessionName::parse(name).expect("a name"));
    match choices.below(6) {
        at @ (0 | 1) => UserSession::Named(named[at]),
        2 => UserSession::SendOnly,
        _ => UserSession::Plain,
    }
}

fn action(choices: &mut Choices<'_>) -> Action {
    let address: IpAddr = items::address(choices);
    match choices.below(14) {
        0 => Action::Register {
            name: name(choices),
            secret: choices.text(),
        },
        1 | 2 => {
            let session = session(choices);
            // Only a login that may take a session over has it, and only of those it is recorded.
            let takes_over = matches!(session, UserSession::Named(_));
            Action::LogIn {
                account: account(choices),
                session,
                address,
                password_version: u32::from(choices.byte() / 64),
                new_secret: choices.flip().then(|| choices.text()),
                asked_boot_ms: (takes_over && choices.flip()).then(|| u64::from(choices.byte())),
            }
        }
        3 => Action::FailedLogIn {
            account: account(choices),
            address,
        },
        4 | 5 => Action::Send {
            audience: audience(choices),
            text: choices.text(),
        },
        9 => Action::NewToken {
            name: choices.below(20).to_string(),
            digest: TokenDigest([choices.byte(); 32]),
        },
        12 => Action::ChangePassword {
            address,
            password_version: u32::from(choices.byte() / 64),
            secret: choices.text(),
        },
        13 => Action::FailPasswordChange { address },
        10 => Action::DropToken {
            name: choices.below(20).to_string(),
        },
        8 => Action::SendOnce {
            id: OnceId([choices.byte(); 16]),
            audience: audience(choices),
            text: choices.text(),
        },
        6 => Action::Send {
            audience: Audience::Everyone,
            text: choices.text(),
        },
        7 => Action::DropSession {
            session: session(choices),
        },
        _ => Action::LogOut,
    }
}
