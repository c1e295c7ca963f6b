//! What format 6 has and no other: sessions, tokens, rooms, passwords that users change, and limits of all that.
//!
//! `erin` owns the room, `frank` is a member, `grace` is only spoken to.

use chat_model::{Audience, RoomAct, SessionName, Treatment, UserSession};
use chat_stated::entry::{
    Action, Entry, HistoryLimits, HistoryRules, OnceId, RoomLimits, SessionLimits, TokenDigest,
};

use super::{ADDRESS, BOOT_MS, SECRET, log_in, request};

const ERIN: u32 = 3;
const FRANK: u32 = 4;

/// The connection of erin.
const E: u64 = 4;
const PHONE: u64 = 5;
const DESK: u64 = 6;
/// The connection of frank.
const F: u64 = 7;
const SEND_ONLY: u64 = 8;
/// Takes the session of [`PHONE`] over.
const NEW_PHONE: u64 = 9;

/// A checkpoint has what comes of it.
pub(super) fn before() -> Vec<Entry> {
    let mut entries = limits();
    entries.extend(sessions());
    entries.extend(rooms());
    entries.extend(secrets());
    entries
}

fn limits() -> Vec<Entry> {
    vec![
        Entry::LimitSessions(SessionLimits {
            unused_ms: 1_000_000,
        }),
        Entry::LimitRooms(RoomLimits {
            queue_messages: 3,
            ..RoomLimits::INITIAL
        }),
        Entry::LimitHistory(HistoryLimits {
            room_bytes: 1_000_000,
            ..HistoryLimits::INITIAL
        }),
        Entry::KeepHistory(HistoryRules { keeps_direct: true }),
    ]
}

fn sessions() -> Vec<Entry> {
    let desk = named("desk");
    let phone = log_in_to(ERIN, named("phone"), Some(BOOT_MS - 5));
    vec![
        request(E, 1, log_in(ERIN)),
        request(PHONE, 1, phone),
        request(DESK, 1, log_in_to(ERIN, desk, None)),
        request(F, 1, log_in(FRANK)),
        request(SEND_ONLY, 1, log_in_to(FRANK, UserSession::SendOnly, None)),
        request(DESK, 2, Action::LogOut),
        request(E, 2, Action::DropSession { session: desk }),
    ]
}

fn rooms() -> Vec<Entry> {
    let tea = |act| change("#tea", act);
    let treat = |treatment, user: &str| RoomAct::Treat {
        treatment,
        user: user.to_owned().into(),
    };
    vec![
        request(E, 3, tea(RoomAct::Join)),
        request(F, 2, tea(RoomAct::Join)),
        request(E, 4, tea(RoomAct::SetPrivate(true))),
        request(E, 5, tea(RoomAct::SetTopic("green".into()))),
        request(E, 6, tea(RoomAct::SetRetention { days: 7 })),
        request(E, 7, tea(treat(Treatment::Op, "frank"))),
        request(E, 8, tea(treat(Treatment::Invite, "grace"))),
        request(E, 9, tea(treat(Treatment::Kick, "grace"))),
        request(E, 10, change("#milk", RoomAct::Join)),
        request(E, 11, change("#milk", treat(Treatment::Ban, "grace"))),
        request(E, 12, send(&["#tea"], "one")),
        request(E, 13, send(&["#tea"], "two")),
        request(E, 14, send(&["#tea"], "three")),
        request(F, 3, send(&["grace", "#tea", "erin"], "mixed")),
        request(SEND_ONLY, 2, send(&["#tea", "nobody"], "a job")),
        request(F, 4, change("#cocoa", RoomAct::Leave)),
    ]
}

fn secrets() -> Vec<Entry> {
    let token = |name: &str| Action::NewToken {
        name: name.into(),
        digest: TokenDigest([7; 32]),
    };
    let drop = Action::DropToken { name: "old".into() };
    let change = Action::ChangePassword {
        address: ADDRESS,
        password_version: 0,
        secret: SECRET.into(),
    };
    vec![
        request(E, 15, token("cron")),
        request(E, 16, token("old")),
        request(E, 17, drop),
        request(F, 5, Action::FailPasswordChange { address: ADDRESS }),
        request(F, 6, change),
    ]
}

/// The journal has it behind the checkpoint.
pub(super) fn after() -> Vec<Entry> {
    let once = Action::SendOnce {
        id: OnceId([9; 16]),
        audience: mixed(&["#tea", "grace"]),
        text: "once".into(),
    };
    let phone = log_in_to(ERIN, named("phone"), Some(BOOT_MS - 3));
    vec![
        request(NEW_PHONE, 1, phone),
        request(E, 18, once),
        request(E, 19, change("#milk", RoomAct::Drop)),
    ]
}

fn named(name: &str) -> UserSession {
    SessionName::parse(name).map_or(UserSession::Plain, UserSession::Named)
}

fn log_in_to(account: u32, to: UserSession, asked: Option<u64>) -> Action {
    let mut action = log_in(account);
    if let Action::LogIn {
        session,
        asked_boot_ms,
        ..
    } = &mut action
    {
        (*session, *asked_boot_ms) = (to, asked);
    }
    action
}

fn change(room: &str, act: RoomAct<'static>) -> Action {
    let room = room.to_owned();
    Action::ChangeRoom { room, act }
}

fn mixed(names: &[&str]) -> Audience<'static> {
    Audience::Mixed(names.iter().copied().collect())
}

fn send(names: &[&str], text: &str) -> Action {
    let (audience, text) = (mixed(names), text.into());
    Action::Send { audience, text }
}
