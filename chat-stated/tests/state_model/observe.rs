//! Everything that can be asked of a state, held against the model.

use std::collections::BTreeSet;

use chat_model::{AccountId, ConnectionId, Message, NameList, Outcome, RequestName};
use chat_model::{MessageNumber, SentTo, StreamOffset};
use chat_stated::checkpoint::MemoryCheckpoint;
use chat_stated::entry::{HostId, Timestamp, TokenDigest};
use chat_stated::state::{
    ActRefusal, Decided, Effects, Operated, OperatorOutcome, QueueState, Reader, SliceLimits, State,
};

use super::model::{ANY_LIMIT, Applied, Model, Place, Waiting};
use super::steps::{LINE_BYTES, NAMES, ROOMS, SERIALS, WORKER_SESSIONS, address};

/// What an entry led to, in the model's words. Accounts in `reached` may stand there twice.
pub(super) fn outcome(effects: &Effects) -> Applied {
    let line_of = |decided: &Decided| {
        let line = decided.after.as_ref()?;
        Some((
            line.name.to_string(),
            line.filed.secret_version,
            line.secret.to_string(),
        ))
    };
    Applied {
        decided: effects
            .decided
            .iter()
            .flat_map(|decided| {
                // The lines of several are as far apart as the steps put them.
                let offsets = decided.request.offset.0..=decided.through.0;
                offsets.step_by(LINE_BYTES).map(|offset| {
                    let connection = decided.request.connection;
                    let offset = StreamOffset(offset);
                    let name = RequestName { connection, offset };
                    (name, decided.outcome.clone())
                })
            })
            .collect(),
        file_line: effects.decided.iter().find_map(line_of),
        worker_sessions_begun: effects
            .worker_sessions_begun
            .iter()
            .map(|(worker_session, _)| worker_session.0)
            .collect(),
        reached: effects.reached.iter().map(|id| id.0).collect(),
        broadcast: effects.broadcast,
        cut_off: effects.cut_off.clone(),
        replaced: effects.replaced.clone(),
        operated: effects.operated.iter().map(operated).collect(),
    }
}

fn operated(operated: &Operated) -> (u64, OperatorOutcome) {
    let outcome = match operated.outcome.clone() {
        OperatorOutcome::Refused(ActRefusal::Quota(_)) => {
            OperatorOutcome::Refused(ActRefusal::Quota(ANY_LIMIT))
        }
        OperatorOutcome::Forgotten { filed, name, .. } => OperatorOutcome::Forgotten {
            filed,
            name,
            given_up: QueueState::default(),
        },
        outcome => outcome,
    };
    (operated.ticket, outcome)
}

/// Panics with what differs.
pub(super) fn compare(
    state: &State,
    checkpoint: &MemoryCheckpoint,
    model: &Model,
    timestamp: &Timestamp,
    seed: u64,
) {
    assert_eq!(state.limits(), &model.limits);
    assert_eq!(state.waiting_limits(), &model.waiting_limits);
    assert_eq!(state.session_limits(), &model.session_limits);
    assert_eq!(state.waiting_bytes(), model.waiting_bytes());
    assert_eq!(state.last_message(), MessageNumber(model.last_message));
    assert_eq!(state.account_count(), model.accounts.len());
    assert_eq!(state.waiting_messages(), model.waiting_messages());
    for id in 0..model.accounts.len() {
        compare_account(state, model, id);
        for place in &model.accounts[id].places {
            compare_queue((state, checkpoint), model, (id, place), seed);
        }
        compare_rooms(state, model, id);
    }
    compare_worker_sessions(state, model);
    compare_hosts(state, model);
    for later_ms in [0, 999, 4_000, 61_000] {
        let timestamp = Timestamp {
            boot_ms: timestamp.boot_ms + later_ms,
            ..*timestamp
        };
        compare_time(state, model, &timestamp);
    }
}

fn compare_account(state: &State, model: &Model, id: usize) {
    let account = &model.accounts[id];
    let (found, record) = state.account(&account.name).expect("the account exists");
    assert_eq!(found, AccountId(id as u32));
    assert_eq!(*record.name, *account.name);
    assert_eq!(*record.secret, *account.secret);
    assert_eq!(record.secret_version, account.version);
    assert_eq!(record.password_version, account.password_version);
    assert_eq!(record.filed, account.filed);
    assert_eq!(record.disabled, account.disabled);
    let names = state.token_names(found);
    assert!(names.iter().eq(account.tokens.keys()));
    for (number, digest) in (0..20).map(|number| (number, TokenDigest([number; 32]))) {
        let is_there = account.tokens.contains_key(&number.to_string());
        assert_eq!(state.has_token(found, &digest), is_there);
    }
    assert_eq!(
        record.broadcasts_after.get().is_some(),
        account.gets_broadcasts
    );
    let places = record.places.iter();
    let places = places.map(|place| (place.id().number(), place.user_session(), place.session()));
    let expected = account.places.iter();
    let expected = expected.map(|place| (place.id, place.user_session, place.session));
    assert!(places.eq(expected));
    let waiting = account.queue().iter().filter(|it| it.is_named).count();
    assert_eq!(
        state.accounts_page(id as u32).rows[0].queue.messages,
        waiting as u64
    );
}

/// A state and where its texts are that are not in memory.
type Stored<'a> = (&'a State, &'a MemoryCheckpoint);

fn compare_queue(stored: Stored<'_>, model: &Model, of: (usize, &Place), seed: u64) {
    let all = SliceLimits {
        messages: usize::MAX,
        text_bytes: usize::MAX,
        names_groups: false,
    };
    compare_slice(stored, model, of, (0, u64::MAX), all);
    let with_names = SliceLimits {
        names_groups: true,
        ..all
    };
    compare_slice(stored, model, of, (0, u64::MAX), with_names);
    let mut after = seed % (model.last_message + 3);
    let through = seed / 7 % (model.last_message + 3);
    let limits = SliceLimits {
        messages: (seed / 11 % 4) as usize,
        text_bytes: [0, 1, 10, 100_000][(seed / 13 % 4) as usize],
        names_groups: (seed / 17).is_multiple_of(2),
    };
    while let Some(last) = compare_slice(stored, model, of, (after, through), limits) {
        after = last;
    }
}

/// Returns the last number of the slice, if there is more behind it.
fn compare_slice(
    (state, checkpoint): Stored<'_>,
    model: &Model,
    (id, place): (usize, &Place),
    (after, through): (u64, u64),
    limits: SliceLimits,
) -> Option<u64> {
    let mut readers = state.readers(AccountId(id as u32));
    let reader = readers.find(|reader| reader.place.number() == place.id);
    let reader: Reader = reader.expect("a place of the account");
    let part = (MessageNumber(after), MessageNumber(through));
    let places = state.missing_texts(reader, part.0, part.1, limits, usize::MAX);
    let texts = checkpoint.read_texts(&places).expect("right pages");
    assert_eq!(
        texts.len(),
        places.len(),
        "texts that were dropped are there"
    );
    let slice = state.read_queue_with(reader, part.0, part.1, limits, &texts);
    let asked: Vec<&Waiting> = place
        .queue
        .iter()
        .filter(|message| message.number > after && message.number <= through)
        .collect();
    let mut text_bytes = 0;
    let fitting = asked
        .iter()
        .take(limits.messages)
        .take_while(|message| {
            let fits = text_bytes < limits.text_bytes;
            let (label, is_names) = model.label(message, limits.names_groups);
            text_bytes += message.text.len() + if is_names { label.len() } else { 0 };
            fits
        })
        .count();
    let expected: Vec<_> = asked[..fitting]
        .iter()
        .map(|message| {
            let (label, _) = model.label(message, limits.names_groups);
            let sender = match label.starts_with("notice") {
                true => "*",
                false => model.accounts[message.sender].name.as_str(),
            };
            (
                message.number,
                message.time_ms,
                sender,
                label,
                message.text.as_str(),
            )
        })
        .collect();
    let got: Vec<_> = slice
        .messages
        .iter()
        .map(|message| {
            (
                message.number.0,
                message.time_ms,
                message.sender,
                label(message),
                message.text,
            )
        })
        .collect();
    assert_eq!(
        got, expected,
        "queue of account {id} in ({after}, {through}]"
    );
    assert_eq!(slice.more, fitting < asked.len());
    let (last, ..) = got.last()?;
    slice.more.then_some(*last)
}

/// Where a message was sent, as the model tells it.
fn label(message: &Message<'_>) -> String {
    match &message.sent_to {
        SentTo::People => String::new(),
        SentTo::Everyone => "everyone".to_owned(),
        SentTo::Group(names) => names.clone().into_owned(),
        SentTo::Room(room) => (*room).to_owned(),
        SentTo::NoticeOf(room) => format!("notice of {room}"),
        SentTo::GapIn(room, messages) => format!("{messages} missing in {room}"),
    }
}

fn compare_rooms(state: &State, model: &Model, id: usize) {
    let account = AccountId(id as u32);
    assert!(state.rooms_of(account).iter().eq(model.rooms_of(id)));
    for room in ROOMS {
        let members = state.members_of(account, room);
        let members = members.map(|it| it.iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(members, model.members_of(id, room));
    }
}

fn compare_worker_sessions(state: &State, model: &Model) {
    let worker_sessions: Vec<u64> = state
        .worker_sessions()
        .map(|(worker_session, _)| worker_session.0)
        .collect();
    assert!(worker_sessions.iter().eq(model.worker_sessions.keys()));
    let mut known = BTreeSet::new();
    for (worker_session, found) in state.worker_sessions() {
        assert_eq!((found.secret, found.pid), ([7; 16], 42));
        known.extend(state.connections(worker_session));
    }
    assert!(known.iter().copied().eq(model.connections()));
    for worker_session in 1..=WORKER_SESSIONS {
        for serial in 0..SERIALS {
            let id = ConnectionId {
                worker_session: chat_model::WorkerSessionId(worker_session),
                serial: chat_model::ConnectionSerial(serial),
            };
            compare_connection(state, model, id);
        }
    }
}

fn compare_hosts(state: &State, model: &Model) {
    let workers = |host: HostId| {
        let of_host = state.worker_sessions().map(|(_, session)| session.host);
        of_host.filter(|it| *it == Some(host)).count()
    };
    let hosts = state.hosts().iter();
    let hosts = hosts.map(|(host, _)| (host.0, workers(host)));
    assert!(hosts.eq(model.hosts()));
}

fn compare_connection(state: &State, model: &Model, id: ConnectionId) {
    let Some(connection) = model.connection(id) else {
        assert!(!state.knows(id));
        assert_eq!(state.account_on(id), None);
        return;
    };
    assert!(state.knows(id));
    let account = connection.account.map(|account| AccountId(account as u32));
    assert_eq!(state.account_on(id), account);
    let reader = state.reader_on(id).map(|reader| reader.place.number());
    assert_eq!(reader, connection.place);
    assert_eq!(state.was_replaced(id), connection.was_replaced);
    for (offset, decision) in &connection.decided {
        let request = RequestName {
            connection: id,
            offset: StreamOffset(*offset),
        };
        let kept: Option<Outcome<'static>> = state.outcome(&request);
        assert_eq!(kept, *decision);
    }
}

fn compare_time(state: &State, model: &Model, timestamp: &Timestamp) {
    let joined = |names: NameList<'_>| names.iter().collect::<Vec<_>>().join(" ");
    assert_eq!(joined(state.online()), model.online(None));
    for minutes in [0, 1, 5, u64::MAX] {
        assert_eq!(
            joined(state.online_within(minutes, timestamp)),
            model.online(Some((minutes, timestamp))),
            "within {minutes} minutes"
        );
    }
    for host in 1..3 {
        for name in NAMES {
            for typed in [name.to_owned(), format!("{name}/a"), format!("{name}/-")] {
                assert_eq!(
                    state.look_up(&typed, address(host), timestamp),
                    model.look_up(&typed, address(host), timestamp),
                );
            }
        }
        for id in 0..model.accounts.len() {
            assert_eq!(
                state.block_seconds_left(AccountId(id as u32), address(host), timestamp),
                model.block_seconds_left(id, address(host), model.time_at(timestamp)),
            );
        }
    }
}
