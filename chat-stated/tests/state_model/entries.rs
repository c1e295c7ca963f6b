//! What entry a random step comes to in a given state of the model.

use chat_model::{
    AccountId, Audience, ConnectionId, MessageBatch, NameList, RequestName, RoomAct, RoomId,
};
use chat_model::{
    ConnectionSerial, MessageNumber, Progress, StreamOffset, UserSession, WorkerSessionId,
};

use chat_stated::entry::{
    AccountChange, Action, Entry, HostId, OnceId, OperatorAct, SecretInFile, SendBatch, Timestamp,
    TokenDigest,
};

use super::model::Model;
use super::steps::{
    Act, LINE_BYTES, Mark, NAMES, Pick, ROOMS, RoomTry, SERIALS, Step, Try, address,
};

impl Mark {
    pub(super) fn number(self, last: u64) -> MessageNumber {
        MessageNumber(match self {
            Mark::Nothing => 0,
            Mark::Behind(by) => last.saturating_sub(by),
            Mark::Beyond(by) => last.saturating_add(by),
        })
    }
}

impl Pick {
    fn connection(self, model: &Model, logged_in: bool) -> ConnectionId {
        let id = |worker_session, serial| ConnectionId {
            worker_session: WorkerSessionId(worker_session),
            serial: ConnectionSerial(serial),
        };
        let fits = |connection: &ConnectionId| {
            let account = model
                .connection(*connection)
                .and_then(|found| found.account);
            account.is_some() == logged_in
        };
        match self {
            Pick::This {
                worker_session,
                serial,
            } => id(worker_session, serial),
            Pick::Fitting(index) => {
                let all: Vec<ConnectionId> = model
                    .worker_sessions
                    .keys()
                    .flat_map(|worker_session| {
                        (0..SERIALS).map(|serial| id(*worker_session, serial))
                    })
                    .filter(fits)
                    .collect();
                let found = all.get(index % all.len().max(1)).copied();
                found.unwrap_or(id(1, 0))
            }
        }
    }
}

fn text_of(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn names_of(names: &[usize]) -> NameList<'static> {
    names.iter().map(|name| NAMES[*name]).collect()
}

/// Where a request ends that is new or was made before, and what was answered.
fn offsets(
    connection: ConnectionId,
    again: Option<usize>,
    unanswered: Option<usize>,
    model: &Model,
) -> (StreamOffset, StreamOffset) {
    let offsets: Vec<u64> = model
        .connection(connection)
        .map(|found| found.decided.keys().copied().collect())
        .unwrap_or_default();
    let back = |count: usize| offsets.iter().rev().nth(count).copied();
    let next = back(0).unwrap_or(0) + LINE_BYTES as u64;
    (
        StreamOffset(again.and_then(back).unwrap_or(next)),
        StreamOffset(unanswered.and_then(back).unwrap_or(0)),
    )
}

/// What a step is to the state: an entry, or time that passes.
pub(super) fn entry_of(step: &Step, model: &Model) -> Option<Entry> {
    let progress = |(received, had): (Mark, Mark)| Progress {
        sent: MessageNumber(0),
        acknowledged: received.number(model.last_message),
        confirmed: had.number(model.last_message),
    };
    Some(match step {
        Step::Request {
            connection,
            again,
            unanswered,
            progress: marks,
            action,
        } => {
            let needs_login = matches!(
                action,
                Try::Send { .. }
                    | Try::Broadcast { .. }
                    | Try::SendOnce { .. }
                    | Try::DropSession(_)
                    | Try::ChangeRoom { .. }
                    | Try::SendMixed { .. }
                    | Try::NewToken(_)
                    | Try::DropToken(_)
                    | Try::ChangePassword { .. }
                    | Try::FailPasswordChange { .. }
                    | Try::LogOut
            );
            let connection = connection.connection(model, needs_login);
            let (offset, answered) = offsets(connection, *again, *unanswered, model);
            Entry::Request {
                name: RequestName { connection, offset },
                answered,
                progress: progress(*marks),
                action: action_of(action, connection, model),
            }
        }
        Step::SendBatch {
            connection,
            again,
            unanswered,
            progress: marks,
            lines,
        } => {
            let connection = connection.connection(model, true);
            let (first, answered) = offsets(connection, *again, *unanswered, model);
            let lines: Vec<_> = lines
                .iter()
                .map(|(names, bytes)| (names_of(names), text_of(*bytes)))
                .collect();
            let lines = lines
                .iter()
                .zip((first.0..).step_by(LINE_BYTES))
                .map(|((names, text), offset)| (StreamOffset(offset), names.names(), &**text));
            Entry::SendBatch(SendBatch {
                connection,
                answered,
                progress: progress(*marks),
                lines: MessageBatch::of(lines).expect("lines that follow each other"),
            })
        }
        Step::Progress {
            connection,
            progress: marks,
        } => Entry::Progress {
            connection: connection.connection(model, true),
            progress: progress(*marks),
        },
        Step::Close {
            connection,
            progress: marks,
        } => Entry::Close {
            connection: connection.connection(model, true),
            progress: progress(*marks),
        },
        Step::BeginWorkerSession(host) => Entry::BeginWorkerSession {
            secret: [7; 16],
            pid: 42,
            host: host.map(HostId),
        },
        Step::BeginHost { is_new } => Entry::BeginHost {
            host: HostId(model.last_host + u64::from(*is_new)),
            name: "a".into(),
        },
        Step::EndHost(host) => Entry::EndHost {
            host: HostId(*host),
        },
        Step::EndWorkerSession(worker_session) => Entry::EndWorkerSession {
            worker_session: WorkerSessionId(*worker_session),
        },
        Step::ChangeAccounts(changes) => {
            Entry::ChangeAccounts(changes.iter().map(change_of).collect())
        }
        Step::FileStatus { name, stale } => {
            let (account, version) = newest_secret(*name, model);
            Entry::FileStatus(vec![SecretInFile {
                account,
                secret_version: version.wrapping_sub(u32::from(*stale)),
            }])
        }
        Step::Operate(act) => Entry::Operate {
            ticket: model.now_ms,
            act: act_of(act, model),
        },
        Step::Configure(limits) => Entry::Configure(*limits),
        Step::LimitWaiting(limits) => Entry::LimitWaiting(*limits),
        Step::LimitSessions(limits) => Entry::LimitSessions(*limits),
        Step::LimitHistory(limits) => Entry::LimitHistory(*limits),
        Step::KeepHistory(rules) => Entry::KeepHistory(*rules),
        Step::Pass { .. }
        | Step::Boot { .. }
        | Step::Checkpoint
        | Step::CheckpointWithoutRoom
        | Step::DropTexts { .. } => return None,
    })
}

pub(super) fn stamp_after(step: &Step, timestamp: &Timestamp) -> Timestamp {
    match step {
        Step::Pass { boot_ms, wall_ms } => Timestamp {
            boot_ms: timestamp.boot_ms + boot_ms,
            wall_ms: timestamp.wall_ms + wall_ms,
            ..*timestamp
        },
        Step::Boot { wall_ms } => Timestamp {
            boot_ms: 3,
            wall_ms: timestamp.wall_ms + wall_ms,
            boot_id: [timestamp.boot_id[0].wrapping_add(1); 16],
        },
        _ => *timestamp,
    }
}

fn change_of((name, secret): &(usize, Option<u8>)) -> AccountChange {
    let name = NAMES[*name].to_owned();
    match secret {
        Some(secret) => AccountChange::Set {
            name,
            secret: format!("filed-{secret}"),
        },
        None => AccountChange::Disable { name },
    }
}

fn act_of(act: &Act, model: &Model) -> OperatorAct {
    match act {
        Act::LiftBlocks { name, host } => OperatorAct::LiftBlocks {
            account: name.map(|name| newest_secret(name, model).0),
            address: host.map(address),
        },
        Act::TakeAccountFile(changes) => {
            OperatorAct::TakeAccountFile(changes.iter().map(change_of).collect())
        }
        Act::Add(name) => OperatorAct::AddAccount {
            name: NAMES[*name].to_owned(),
            secret: "added".to_owned(),
        },
        Act::SetPassword(name) => {
            let (account, version) = newest_secret(*name, model);
            OperatorAct::SetPassword {
                account,
                secret: format!("set-{version}"),
            }
        }
        Act::Disable(name) => OperatorAct::DisableAccount {
            account: newest_secret(*name, model).0,
        },
        Act::Enable(name) => OperatorAct::EnableAccount {
            account: newest_secret(*name, model).0,
        },
        Act::Forget(name) => OperatorAct::ForgetAccount {
            account: newest_secret(*name, model).0,
        },
        Act::Announce { name, bytes } => OperatorAct::Announce {
            sender: newest_secret(*name, model).0,
            text: text_of(*bytes),
        },
        Act::DropRoom(room) => OperatorAct::DropRoom {
            room: newest_room(*room, model),
        },
        Act::SetRoomRetention { room, days } => OperatorAct::SetRoomRetention {
            room: newest_room(*room, model),
            days: *days,
        },
        Act::DropToken { name, token } => OperatorAct::DropToken {
            account: newest_secret(*name, model).0,
            name: token.to_string(),
        },
    }
}

/// The last room that was made with this name, or one that was never made.
fn newest_room(room: usize, model: &Model) -> RoomId {
    let mut rooms = model.rooms.iter();
    let made = rooms.rposition(|it| it.name == ROOMS[room]);
    RoomId(made.map_or(99, |made| made as u32 + 1))
}

fn newest_secret(name: usize, model: &Model) -> (AccountId, u32) {
    match model.id_of(NAMES[name]) {
        Some(id) => (AccountId(id as u32), model.accounts[id].version),
        None => (AccountId(99), 0),
    }
}

fn action_of(action: &Try, connection: ConnectionId, model: &Model) -> Action {
    match action {
        Try::Register(name) => Action::Register {
            name: NAMES[*name].to_owned(),
            secret: format!("registered-{name}"),
        },
        Try::LogIn {
            name,
            session,
            host,
            stale,
            upgrade,
            waited_ms,
        } => {
            let (account, version) = newest_secret(*name, model);
            let password_version = model
                .accounts
                .get(account.0 as usize)
                .map_or(0, |account| account.password_version);
            Action::LogIn {
                account,
                session: *session,
                address: address(*host),
                password_version: password_version.wrapping_sub(u32::from(*stale)),
                new_secret: upgrade.then(|| format!("upgraded-{version}")),
                asked_boot_ms: match session {
                    UserSession::Named(_) => model.boot_ms_before(*waited_ms),
                    UserSession::Plain | UserSession::SendOnly => None,
                },
            }
        }
        Try::FailedLogIn { name, host } => Action::FailedLogIn {
            account: newest_secret(*name, model).0,
            address: address(*host),
        },
        Try::Send { names, bytes } => Action::Send {
            audience: Audience::Accounts(names_of(names)),
            text: text_of(*bytes),
        },
        Try::Broadcast { bytes } => Action::Send {
            audience: Audience::Everyone,
            text: text_of(*bytes),
        },
        Try::NewToken(number) => Action::NewToken {
            name: number.to_string(),
            digest: TokenDigest([*number; 32]),
        },
        Try::ChangePassword { host, stale } => {
            let found = model.connection(connection).and_then(|found| found.account);
            let version = found.map_or(0, |account| model.accounts[account].password_version);
            Action::ChangePassword {
                address: address(*host),
                password_version: version.wrapping_sub(u32::from(*stale)),
                secret: format!("changed-{version}"),
            }
        }
        Try::FailPasswordChange { host } => Action::FailPasswordChange {
            address: address(*host),
        },
        Try::DropToken(number) => Action::DropToken {
            name: number.to_string(),
        },
        Try::SendOnce { id, names, bytes } => Action::SendOnce {
            id: OnceId([*id; 16]),
            audience: match names.is_empty() {
                true => Audience::Everyone,
                false => Audience::Accounts(names_of(names)),
            },
            text: text_of(*bytes),
        },
        Try::DropSession(session) => Action::DropSession { session: *session },
        Try::ChangeRoom {
            room,
            act: RoomTry::Drop,
            name: 1..,
        } => Action::DropRoom {
            room: ROOMS[*room].to_owned(),
        },
        Try::ChangeRoom { room, act, name } => Action::ChangeRoom {
            room: ROOMS[*room].to_owned(),
            act: match act {
                RoomTry::Join => RoomAct::Join,
                RoomTry::Leave => RoomAct::Leave,
                RoomTry::SetTopic => RoomAct::SetTopic(NAMES[*name].into()),
                RoomTry::SetPrivate(is_private) => RoomAct::SetPrivate(*is_private),
                RoomTry::Drop => RoomAct::Drop,
                RoomTry::Treat(treatment) => RoomAct::Treat {
                    treatment: *treatment,
                    user: NAMES[*name].into(),
                },
            },
        },
        Try::SendMixed {
            rooms,
            names,
            bytes,
        } => {
            let rooms = rooms.iter().map(|room| ROOMS[*room]);
            let names = names.iter().map(|name| NAMES[*name]);
            Action::Send {
                audience: Audience::Mixed(rooms.chain(names).collect()),
                text: text_of(*bytes),
            }
        }
        Try::LogOut => Action::LogOut,
    }
}
