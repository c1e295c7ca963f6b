//! Random steps, small enough to be shrunk.

use std::net::IpAddr;

use chat_model::{SessionName, Treatment, UserSession};
use chat_stated::entry::{HistoryLimits, HistoryRules, Limits, SessionLimits, WaitingLimits};
use proptest::prelude::*;
use proptest::sample::select;

pub(super) const NAMES: [&str; 7] = ["ann", "bob", "cy", "dan", "eve", "no-one", "\u{e9}lan"];
pub(super) const ROOMS: [&str; 2] = ["#a", "#b"];
pub(super) const WORKER_SESSIONS: u64 = 5;
pub(super) const SERIALS: u64 = 4;
/// How far one line of a connection ends behind the one before.
pub(super) const LINE_BYTES: usize = 10;

pub(super) fn address(host: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, host])
}

/// A number of a message, told from where the newest one is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    Nothing,
    Behind(u64),
    Beyond(u64),
}

/// A connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pick {
    This {
        worker_session: u64,
        serial: u64,
    },
    /// One of those that may do what is tried, as far as being logged in goes.
    Fitting(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Try {
    Register(usize),
    LogIn {
        name: usize,
        session: UserSession,
        host: u8,
        stale: bool,
        upgrade: bool,
        /// Negative if it was asked after the last stamp.
        waited_ms: i64,
    },
    DropSession(UserSession),
    FailedLogIn {
        name: usize,
        host: u8,
    },
    Send {
        names: Vec<usize>,
        bytes: usize,
    },
    Broadcast {
        bytes: usize,
    },
    NewToken(u8),
    DropToken(u8),
    ChangePassword {
        host: u8,
        stale: bool,
    },
    FailPasswordChange {
        host: u8,
    },
    /// No names: a broadcast.
    SendOnce {
        id: u8,
        names: Vec<usize>,
        bytes: usize,
    },
    /// What a member does, and to whom it may do it.
    ChangeRoom {
        room: usize,
        act: RoomTry,
        name: usize,
    },
    SendMixed {
        rooms: Vec<usize>,
        names: Vec<usize>,
        bytes: usize,
    },
    LogOut,
}

/// What a member does to a room.
#[derive(Clone, Copy, Debug)]
pub(super) enum RoomTry {
    Join,
    Leave,
    SetTopic,
    SetPrivate(bool),
    Drop,
    Treat(Treatment),
}

/// What an operator does.
#[derive(Clone, Debug)]
pub(super) enum Act {
    LiftBlocks {
        name: Option<usize>,
        host: Option<u8>,
    },
    TakeAccountFile(Vec<(usize, Option<u8>)>),
    Add(usize),
    SetPassword(usize),
    Disable(usize),
    Enable(usize),
    Forget(usize),
    Announce {
        name: usize,
        bytes: usize,
    },
    DropRoom(usize),
    SetRoomRetention {
        room: usize,
        days: u32,
    },
    DropToken {
        name: usize,
        token: u8,
    },
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Request {
        connection: Pick,
        /// `Some`: a request of before, so many decisions back.
        again: Option<usize>,
        /// How many of the newest decisions the worker does not have; `None`: it says nothing.
        unanswered: Option<usize>,
        progress: (Mark, Mark),
        action: Try,
    },
    /// Lines of names and bytes.
    SendBatch {
        connection: Pick,
        again: Option<usize>,
        unanswered: Option<usize>,
        progress: (Mark, Mark),
        lines: Vec<(Vec<usize>, usize)>,
    },
    Progress {
        connection: Pick,
        progress: (Mark, Mark),
    },
    Close {
        connection: Pick,
        progress: (Mark, Mark),
    },
    BeginWorkerSession(Option<u64>),
    BeginHost {
        is_new: bool,
    },
    EndHost(u64),
    EndWorkerSession(u64),
    ChangeAccounts(Vec<(usize, Option<u8>)>),
    FileStatus {
        name: usize,
        stale: bool,
    },
    Operate(Act),
    Configure(Limits),
    LimitWaiting(WaitingLimits),
    LimitSessions(SessionLimits),
    LimitHistory(HistoryLimits),
    KeepHistory(HistoryRules),
    Pass {
        boot_ms: u64,
        wall_ms: i64,
    },
    Boot {
        wall_ms: i64,
    },
    Checkpoint,
    /// The disk has no room for it.
    CheckpointWithoutRoom,
    DropTexts {
        until_bytes: u64,
    },
}

fn marks() -> impl Strategy<Value = Mark> {
    prop_oneof![
        1 => Just(Mark::Nothing),
        8 => (0u64..8).prop_map(Mark::Behind),
        1 => select(vec![1, 5, 1_000_000, u64::MAX]).prop_map(Mark::Beyond),
    ]
}

fn progress() -> impl Strategy<Value = (Mark, Mark)> {
    (marks(), marks())
}

fn connection() -> impl Strategy<Value = Pick> {
    prop_oneof![
        1 => (1..=WORKER_SESSIONS, 0..SERIALS)
            .prop_map(|(worker_session, serial)| Pick::This { worker_session, serial }),
        6 => (0usize..WORKER_SESSIONS as usize * SERIALS as usize).prop_map(Pick::Fitting),
    ]
}

fn name() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0usize..3, 1 => 0..NAMES.len()]
}

fn host() -> impl Strategy<Value = u8> {
    prop_oneof![4 => Just(1u8), 1 => Just(2u8)]
}

fn named(name: &str) -> UserSession {
    UserSession::Named(SessionName::parse(name).expect("a name"))
}

fn session() -> impl Strategy<Value = UserSession> {
    prop_oneof![
        4 => Just(UserSession::Plain),
        3 => select(vec![named("a"), named("b")]),
        1 => Just(UserSession::SendOnly),
    ]
}

fn text_bytes() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0usize..12, 1 => 12usize..80, 1 => 30_000usize..40_000]
}

fn room_tries() -> impl Strategy<Value = RoomTry> {
    let treatments = [
        Treatment::Invite,
        Treatment::Kick,
        Treatment::Ban,
        Treatment::Unban,
        Treatment::Op,
        Treatment::Deop,
    ];
    prop_oneof![
        8 => Just(RoomTry::Join),
        2 => Just(RoomTry::Leave),
        1 => Just(RoomTry::SetTopic),
        1 => any::<bool>().prop_map(RoomTry::SetPrivate),
        1 => Just(RoomTry::Drop),
        6 => select(treatments.to_vec()).prop_map(RoomTry::Treat),
    ]
}

fn tries() -> impl Strategy<Value = Try> {
    prop_oneof![
        2 => name().prop_map(Try::Register),
        8 => (
            name(), session(), host(), prop::bool::weighted(0.15), prop::bool::weighted(0.2),
            select(vec![0, 0, 1, 1_000, 100_000, -1, -100_000]),
        )
            .prop_map(|(name, session, host, stale, upgrade, waited_ms)| Try::LogIn {
                name, session, host, stale, upgrade, waited_ms,
            }),
        8 => prop_oneof![4 => Just(named("a")), 1 => session()].prop_map(Try::DropSession),
        6 => (name(), host()).prop_map(|(name, host)| Try::FailedLogIn { name, host }),
        16 => (prop::collection::vec(name(), 1..5), text_bytes())
            .prop_map(|(names, bytes)| Try::Send { names, bytes }),
        5 => text_bytes().prop_map(|bytes| Try::Broadcast { bytes }),
        1 => (0u8..20).prop_map(Try::NewToken),
        1 => (0u8..20).prop_map(Try::DropToken),
        2 => (host(), prop::bool::weighted(0.15))
            .prop_map(|(host, stale)| Try::ChangePassword { host, stale }),
        3 => host().prop_map(|host| Try::FailPasswordChange { host }),
        4 => (0u8..5, prop::collection::vec(name(), 0..4), text_bytes())
            .prop_map(|(id, names, bytes)| Try::SendOnce { id, names, bytes }),
        6 => (0..ROOMS.len(), room_tries(), name())
            .prop_map(|(room, act, name)| Try::ChangeRoom { room, act, name }),
        6 => (prop::collection::vec(0..ROOMS.len(), 1..3), prop::collection::vec(name(), 0..3), text_bytes())
            .prop_map(|(rooms, names, bytes)| Try::SendMixed { rooms, names, bytes }),
        3 => Just(Try::LogOut),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let of_file = prop::collection::vec((name(), prop::option::weighted(0.7, 0u8..3)), 1..3);
    prop_oneof![
        2 => (prop::option::of(name()), prop::option::of(host()))
            .prop_map(|(name, host)| Act::LiftBlocks { name, host }),
        2 => of_file.prop_map(Act::TakeAccountFile),
        1 => name().prop_map(Act::Add),
        1 => name().prop_map(Act::SetPassword),
        3 => name().prop_map(Act::Disable),
        3 => name().prop_map(Act::Enable),
        1 => name().prop_map(Act::Forget),
        2 => (name(), text_bytes()).prop_map(|(name, bytes)| Act::Announce { name, bytes }),
        1 => (0..ROOMS.len()).prop_map(Act::DropRoom),
        2 => (0..ROOMS.len(), 1u32..3).prop_map(|(room, days)| Act::SetRoomRetention { room, days }),
        1 => (name(), 0u8..3).prop_map(|(name, token)| Act::DropToken { name, token }),
    ]
}

pub(super) fn limits() -> impl Strategy<Value = Limits> {
    (
        (4u32..8, 0u32..9, select(vec![0u64, 20, 90_000, 10_000_000])),
        (select(vec![0u32, 25, 50, 100]), 0u32..5),
        (
            select(vec![0u64, 20, 90_000, 10_000_000]),
            select(vec![0u32, 1, 3, 60_000]),
        ),
    )
        .prop_map(
            |((accounts, queue_messages, queue_bytes), (share, broadcasts), (bytes, rate))| {
                Limits {
                    block_time_ms: 4_000,
                    accounts,
                    queue_messages,
                    queue_bytes,
                    sender_share_percent: share,
                    broadcast_messages: broadcasts,
                    broadcast_bytes: bytes,
                    broadcasts_per_minute: rate,
                }
            },
        )
}

fn waiting_limits() -> impl Strategy<Value = WaitingLimits> {
    let bytes = select(vec![0, 600, 2_000, 5_000, 100_000, u64::MAX]);
    (bytes, select(vec![0, 40, 100, 10_000])).prop_map(|(bytes, sender_percent)| WaitingLimits {
        bytes,
        sender_percent,
    })
}

fn history_limits() -> impl Strategy<Value = HistoryLimits> {
    let initial = HistoryLimits::INITIAL;
    let times = select(vec![0, 500, 3_000, initial.kept_ms]);
    let bytes = select(vec![0, 500, 5_000, initial.room_bytes]);
    (times, bytes.clone(), bytes).prop_map(|(kept_ms, room_bytes, direct_bytes)| HistoryLimits {
        kept_ms,
        most_kept_ms: kept_ms,
        room_bytes,
        direct_bytes,
    })
}

/// Limits that no sequence of steps reaches, but for the block time.
pub(super) fn wide_limits() -> Limits {
    Limits {
        block_time_ms: 4_000,
        sender_share_percent: 100,
        ..Limits::default()
    }
}

const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;

fn wall_jumps() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0i64..5_000,
        1 => -5_000i64..0,
        1 => select(vec![TEN_YEARS_MS, -TEN_YEARS_MS]),
    ]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => (
            connection(),
            prop::option::weighted(0.1, 0usize..3),
            prop::option::of(0usize..3),
            progress(),
            tries(),
        )
            .prop_map(|(connection, again, unanswered, progress, action)| Step::Request {
                connection, again, unanswered, progress, action,
            }),
        8 => (
            connection(),
            prop::option::weighted(0.1, 0usize..3),
            prop::option::of(0usize..3),
            progress(),
            prop::collection::vec((prop::collection::vec(name(), 1..3), text_bytes()), 1..6),
        )
            .prop_map(|(connection, again, unanswered, progress, lines)| Step::SendBatch {
                connection, again, unanswered, progress, lines,
            }),
        8 => (connection(), progress())
            .prop_map(|(connection, progress)| Step::Progress { connection, progress }),
        2 => (connection(), progress())
            .prop_map(|(connection, progress)| Step::Close { connection, progress }),
        1 => prop::option::weighted(0.5, 1u64..4).prop_map(Step::BeginWorkerSession),
        1 => prop::bool::weighted(0.3).prop_map(|is_new| Step::BeginHost { is_new }),
        1 => (1u64..6).prop_map(Step::EndHost),
        1 => (1..=WORKER_SESSIONS).prop_map(Step::EndWorkerSession),
        2 => prop::collection::vec((name(), prop::option::weighted(0.7, 0u8..3)), 1..3)
            .prop_map(Step::ChangeAccounts),
        1 => (name(), any::<bool>()).prop_map(|(name, stale)| Step::FileStatus { name, stale }),
        6 => act().prop_map(Step::Operate),
        1 => prop_oneof![limits(), Just(wide_limits())].prop_map(Step::Configure),
        1 => prop_oneof![waiting_limits(), Just(WaitingLimits::INITIAL)]
            .prop_map(Step::LimitWaiting),
        1 => select(vec![0, 500, 3_000, SessionLimits::INITIAL.unused_ms])
            .prop_map(|unused_ms| Step::LimitSessions(SessionLimits { unused_ms })),
        1 => history_limits().prop_map(Step::LimitHistory),
        1 => prop::bool::weighted(0.8)
            .prop_map(|keeps_direct| Step::KeepHistory(HistoryRules { keeps_direct })),
        6 => (0u64..1_500, wall_jumps())
            .prop_map(|(boot_ms, wall_ms)| Step::Pass { boot_ms, wall_ms }),
        1 => wall_jumps().prop_map(|wall_ms| Step::Boot { wall_ms }),
        3 => Just(Step::Checkpoint),
        1 => Just(Step::CheckpointWithoutRoom),
        2 => select(vec![0, 1, 100, 10_000]).prop_map(|until_bytes| Step::DropTexts { until_bytes }),
    ]
}

/// Two worker sessions and three accounts, two of them logged in, each with a session beside the plain one: most
/// sequences get somewhere from there.
pub(super) fn opening() -> Vec<Step> {
    let quiet = (Mark::Nothing, Mark::Nothing);
    let request = |(worker_session, serial), action| Step::Request {
        connection: Pick::This {
            worker_session,
            serial,
        },
        again: None,
        unanswered: None,
        progress: quiet,
        action,
    };
    let log_in = |name| Try::LogIn {
        name,
        session: UserSession::Plain,
        host: 1,
        stale: false,
        upgrade: false,
        waited_ms: 0,
    };
    let log_in_named = |name| Try::LogIn {
        name,
        session: named("a"),
        host: 1,
        stale: false,
        upgrade: false,
        waited_ms: 0,
    };
    vec![
        Step::Configure(wide_limits()),
        Step::BeginWorkerSession(None),
        Step::BeginWorkerSession(None),
        request((1, 0), Try::Register(0)),
        request((1, 1), Try::Register(1)),
        request((2, 0), Try::Register(2)),
        request((1, 0), log_in(0)),
        request((2, 0), log_in(1)),
        request((1, 1), log_in_named(0)),
        request((1, 1), Try::LogOut),
        request((1, 2), log_in_named(1)),
        request((1, 2), Try::LogOut),
    ]
}
