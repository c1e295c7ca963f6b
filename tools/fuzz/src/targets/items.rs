//! Well-formed items of the RPC with whatever in them.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chat_model::{
    Audience, ConnectionSerial, HistorySpan, Message, MessageBatchBuilder, MessageNumber, NameList,
    Outcome, Password, Progress, Request, RoomAct, SentTo, StreamOffset, Treatment,
};
use chat_rpc::{
    FrameWriter, FromWorker, RequestItem, ResumedConnection, SendBatch, ToWorker, UsersRequest,
};

use crate::choices::Choices;

/// Names that mostly exist.
pub(super) const NAMES: [&str; 6] = ["foobar", "bob", "carol", "dave", "", "who\u{1b}"];
/// Passwords; the first is right.
pub(super) const PASSWORDS: [&[u8]; 3] = [b"passpass", b"wrong", b"\xff"];
/// Connections that there may be.
const SERIALS: u64 = 4;

pub(super) fn address(choices: &mut Choices<'_>) -> IpAddr {
    match choices.below(4) {
        0 | 1 => Ipv4Addr::LOCALHOST.into(),
        2 => Ipv4Addr::new(192, 0, 2, choices.byte()).into(),
        _ => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(choices.byte())).into(),
    }
}

pub(super) fn serial(choices: &mut Choices<'_>) -> ConnectionSerial {
    match choices.byte() {
        0xff => ConnectionSerial(choices.number()),
        byte => ConnectionSerial(1 + u64::from(byte) % SERIALS),
    }
}

fn number(choices: &mut Choices<'_>) -> MessageNumber {
    MessageNumber(choices.number())
}

pub(super) fn progress(choices: &mut Choices<'_>) -> Progress {
    match choices.below(3) {
        0 => Progress::default(),
        1 => {
            let all = number(choices);
            Progress {
                sent: all,
                acknowledged: all,
                confirmed: all,
            }
        }
        _ => Progress {
            sent: number(choices),
            acknowledged: number(choices),
            confirmed: number(choices),
        },
    }
}

fn name(choices: &mut Choices<'_>) -> String {
    match choices.below(8) {
        7 => choices.text(),
        at => NAMES[at % NAMES.len()].to_owned(),
    }
}

/// Names as a sender may type them, and sometimes a list that no sender can have typed.
pub(super) fn names(choices: &mut Choices<'_>) -> NameList<'static> {
    let names: Vec<String> = (0..choices.below(4)).map(|_| name(choices)).collect();
    names.iter().map(String::as_str).collect()
}

/// Adds something a worker says; most of it is what a worker without a fault could say.
pub(super) fn push_from_worker(choices: &mut Choices<'_>, writer: &mut FrameWriter) {
    let connection = serial(choices);
    let result = match choices.below(12) {
        0 => {
            let connections = (0..choices.below(4)).map(|_| ResumedConnection {
                connection: serial(choices),
                answered: StreamOffset(choices.number()),
                progress: progress(choices),
                taken: number(choices),
                push: choices.flip(),
                names_groups: false,
            });
            writer.push(&FromWorker::Resume {
                connections: connections.collect(),
            })
        }
        1 => writer.push(&FromWorker::Page {
            connection,
            after: number(choices),
            through: number(choices),
        }),
        2 => writer.push(&FromWorker::Progress {
            connection,
            progress: progress(choices),
        }),
        3 => writer.push(&FromWorker::ClientClosed {
            connection,
            progress: progress(choices),
        }),
        4 => writer.push(&FromWorker::ClientConnected {
            connection,
            address: address(choices),
            is_known: choices.flip(),
        }),
        5 => {
            let mut packer = MessageBatchBuilder::default();
            let mut offset = StreamOffset(choices.number());
            for _ in 0..choices.below(8) {
                let names = names(choices);
                packer.push(offset, names.names(), &choices.text());
                offset.0 = offset.0.saturating_add(choices.number());
            }
            writer.push(&FromWorker::SendBatch(SendBatch {
                connection,
                answered: StreamOffset(choices.number()),
                progress: progress(choices),
                lines: Cow::Borrowed(packer.batch()),
            }))
        }
        _ => return push_request(choices, connection, writer),
    };
    assert_eq!(result, Ok(()));
}

fn push_request(choices: &mut Choices<'_>, connection: ConnectionSerial, writer: &mut FrameWriter) {
    let (typed, text) = (name(choices), choices.text());
    let password = choices.one_of(&PASSWORDS);
    let address = address(choices);
    let call = match choices.below(26) {
        0 => Request::Identify {
            name: typed.into(),
            address,
        },
        1 => Request::Register {
            name: typed.into(),
            password: Password::borrowed(password),
            address,
        },
        2 | 3 => Request::LogIn {
            name: typed.into(),
            password: Password::borrowed(password),
            address,
            asked_boot_ms: u64::from(choices.byte()),
        },
        4 | 5 => Request::Send {
            audience: Audience::Accounts(names(choices)),
            text: text.into(),
        },
        6 => Request::Send {
            audience: Audience::Everyone,
            text: text.into(),
        },
        7 => Request::Fetch,
        8 => Request::ListUsers {
            seen_within_minutes: None,
        },
        9 => Request::ListUsers {
            seen_within_minutes: Some(choices.number()),
        },
        10 if choices.flip() => Request::NameGroups,
        10 => Request::SetPush { on: choices.flip() },
        19 => Request::NewToken {
            name: typed.into(),
            secret: Password::borrowed(password),
        },
        20 => Request::DropToken { name: typed.into() },
        21 => Request::ListTokens,
        24 => Request::ChangePassword {
            current: Password::borrowed(password),
            new: Password::borrowed(choices.one_of(&PASSWORDS)),
            address,
        },
        16 => Request::SendOnce {
            id: typed.into(),
            audience: Audience::Accounts(names(choices)),
            text: text.into(),
        },
        17 => Request::ListSessions,
        18 => Request::DropSession {
            name: choices.flip().then(|| typed.into()),
        },
        11 => Request::Send {
            audience: Audience::Mixed(names(choices)),
            text: text.into(),
        },
        12 | 13 => Request::ChangeRoom {
            room: room(choices),
            act: room_act(choices, &text, &typed),
        },
        14 => Request::ListRooms {
            all: choices.flip(),
        },
        15 => match choices.flip() {
            true => Request::ListMembers {
                room: room(choices),
            },
            false => Request::ShowTopic {
                room: room(choices),
            },
        },
        22 => Request::History {
            of: typed.into(),
            span: HistorySpan::Before(number(choices)),
            count: choices.number() as u16,
        },
        23 => Request::Search {
            of: choices.flip().then(|| typed.into()),
            words: text.into(),
        },
        _ => Request::LogOut,
    };
    let request = RequestItem {
        connection,
        offset: StreamOffset(choices.number()),
        answered: StreamOffset(choices.number()),
        progress: progress(choices),
        request: call,
    };
    assert_eq!(writer.push(&FromWorker::Request(request)), Ok(()));
}

fn room<'a>(choices: &mut Choices<'_>) -> Cow<'a, str> {
    choices.one_of(&["#a", "#b", "#room", "#", "A"]).into()
}

fn room_act<'a>(choices: &mut Choices<'_>, text: &'a str, user: &'a str) -> RoomAct<'a> {
    const TREATMENTS: [Treatment; 6] = [
        Treatment::Invite,
        Treatment::Kick,
        Treatment::Ban,
        Treatment::Unban,
        Treatment::Op,
        Treatment::Deop,
    ];
    match choices.below(8) {
        0 | 1 => RoomAct::Join,
        2 => RoomAct::Leave,
        3 => RoomAct::SetTopic(text.into()),
        4 => RoomAct::SetPrivate(choices.flip()),
        5 => RoomAct::SetRetention { days: 1 },
        6 => RoomAct::Drop,
        _ => RoomAct::Treat {
            treatment: TREATMENTS[choices.below(TREATMENTS.len())],
            user: user.into(),
        },
    }
}

fn sent_to(choices: &mut Choices<'_>) -> SentTo<'static> {
    match choices.below(8) {
        0 => SentTo::Room("#a"),
        1 => SentTo::NoticeOf("#a"),
        2 => SentTo::GapIn("#a", choices.number()),
        3 => SentTo::Everyone,
        4 => SentTo::Group("ann #a".into()),
        _ => SentTo::People,
    }
}

/// Adds something a daemon says, true or not, of connections it was told of or others.
pub(super) fn push_to_worker(
    choices: &mut Choices<'_>,
    known: &[ConnectionSerial],
    asked: Option<(ConnectionSerial, StreamOffset)>,
    writer: &mut FrameWriter,
) {
    let serial = |choices: &mut Choices<'_>| match choices.byte() {
        0xff => ConnectionSerial(choices.number()),
        _ if known.is_empty() => ConnectionSerial(0),
        byte => known[usize::from(byte) % known.len()],
    };
    let chosen = serial(choices);
    let connection = asked.map_or(chosen, |(connection, _)| connection);
    let texts: Vec<String> = (0..choices.below(4)).map(|_| choices.text()).collect();
    let messages = texts.iter().map(|text| Message {
        number: number(choices),
        time_ms: choices.number() as i64,
        sender: "bob",
        sent_to: sent_to(choices),
        text,
    });
    let messages: Vec<Message<'_>> = messages.collect();
    let (through, more) = (number(choices), choices.flip());
    let item = match choices.below(10) {
        0..=2 => ToWorker::Reply {
            connection,
            offset: match asked {
                Some((_, offset)) => offset,
                None => StreamOffset(choices.number()),
            },
            outcome: outcome(choices, &texts),
            messages,
            through,
            more,
        },
        3 => ToWorker::Push {
            connections: (0..choices.below(4)).map(|_| serial(choices)).collect(),
            messages,
            through,
            more,
        },
        4 => ToWorker::Page {
            connection,
            messages,
            more,
        },
        5 => ToWorker::Reject { connection },
        6 => {
            let first = asked.map_or_else(|| choices.number(), |(_, offset)| offset.0);
            ToWorker::Stored {
                connection,
                first: StreamOffset(first),
                last: StreamOffset(first.saturating_add(choices.number())),
                through,
                more,
            }
        }
        8 => {
            let offset = asked.map_or_else(|| choices.number(), |(_, offset)| offset.0);
            let request = UsersRequest {
                connection,
                offset: StreamOffset(offset),
                through,
                more,
            };
            ToWorker::Kept {
                request,
                is_search: choices.flip(),
                has_more: choices.flip(),
                messages,
            }
        }
        7 => {
            let offset = asked.map_or_else(|| choices.number(), |(_, offset)| offset.0);
            let request = UsersRequest {
                connection,
                offset: StreamOffset(offset),
                through,
                more,
            };
            ToWorker::Users {
                requests: vec![request; choices.below(3)],
                names: texts.iter().map(String::as_str).collect(),
            }
        }
        _ if more => ToWorker::Replaced { connection },
        _ => ToWorker::Kick { connection },
    };
    assert_eq!(writer.push(&item), Ok(()));
}

fn outcome<'a>(choices: &mut Choices<'_>, texts: &'a [String]) -> Outcome<'a> {
    let seconds_left = choices.number();
    match choices.below(19) {
        0 => Outcome::PasswordNeeded,
        1 => Outcome::NameFree,
        2 => Outcome::NameUnavailable,
        3 => Outcome::AlreadyLoggedIn,
        4 => Outcome::Blocked { seconds_left },
        5 => Outcome::Registered,
        6 => Outcome::LoggedIn,
        7 => Outcome::Locked { seconds_left },
        8 => Outcome::Stored {
            unknown: texts.iter().map(String::as_str).collect(),
        },
        9 => Outcome::Done,
        10 => Outcome::LoggedOut,
        11 => Outcome::QueueFull,
        12 => Outcome::DiskFull,
        13 => Outcome::Busy,
        14 => Outcome::Sessions {
            online: texts.iter().map(String::as_str).collect(),
            offline: NameList::one("a"),
        },
        15 => Outcome::NotFound,
        16 => Outcome::Denied,
        17 => Outcome::Topic("about".into()),
        _ => Outcome::Refused,
    }
}
