//! Well-formed items of the RPC with whatever in them.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chat_model::{ConnectionSerial, MessageNumber, Progress, StreamOffset};
use chat_rpc::{
    Answer, Call, FrameWriter, FromWorker, Message, MessageBatchBuilder, Request,
    ResumedConnection, SendBatch, ToWorker, UsersRequest,
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
        3 => writer.push(&FromWorker::Close {
            connection,
            progress: progress(choices),
        }),
        4 => writer.push(&FromWorker::Opened {
            connection,
            address: address(choices),
            is_known: choices.flip(),
        }),
        5 => {
            let mut packer = MessageBatchBuilder::default();
            let mut offset = StreamOffset(choices.number());
            for _ in 0..choices.below(8) {
                packer.push(offset, &name(choices), &choices.text());
                offset.0 = offset.0.saturating_add(choices.number());
            }
            writer.push(&FromWorker::SendBatch(SendBatch {
                connection,
                answered: StreamOffset(choices.number()),
                progress: progress(choices),
                lines: Cow::Borrowed(packer.sends()),
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
    let call = match choices.below(12) {
        0 => Call::Name {
            name: &typed,
            address,
        },
        1 => Call::Register {
            name: &typed,
            password,
            address,
        },
        2 | 3 => Call::LogIn {
            name: &typed,
            password,
            address,
        },
        4 | 5 => Call::Send {
            recipients: &typed,
            text: &text,
        },
        6 => Call::Broadcast { text: &text },
        7 => Call::Fetch,
        8 => Call::Who,
        9 => Call::Last {
            minutes: choices.number(),
        },
        10 => Call::Push { on: choices.flip() },
        _ => Call::LogOut,
    };
    let request = Request {
        connection,
        offset: StreamOffset(choices.number()),
        answered: StreamOffset(choices.number()),
        progress: progress(choices),
        call,
    };
    assert_eq!(writer.push(&FromWorker::Request(request)), Ok(()));
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
        wall_s: choices.number() as i64,
        sender: "bob",
        text,
    });
    let messages: Vec<Message<'_>> = messages.collect();
    let (through, more) = (number(choices), choices.flip());
    let names = texts.join(" ");
    let item = match choices.below(9) {
        0..=2 => ToWorker::Reply {
            connection,
            offset: match asked {
                Some((_, offset)) => offset,
                None => StreamOffset(choices.number()),
            },
            answer: answer(choices, &texts),
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
            ToWorker::Sent {
                connection,
                first: StreamOffset(first),
                last: StreamOffset(first.saturating_add(choices.number())),
                through,
                more,
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
                names: &names,
            }
        }
        _ => ToWorker::End { connection },
    };
    assert_eq!(writer.push(&item), Ok(()));
}

fn answer<'a>(choices: &mut Choices<'_>, texts: &'a [String]) -> Answer<'a> {
    let seconds_left = choices.number();
    match choices.below(15) {
        0 => Answer::Password,
        1 => Answer::Register,
        2 => Answer::Username,
        3 => Answer::Connected,
        4 => Answer::Blocked { seconds_left },
        5 => Answer::Registered,
        6 => Answer::Welcome,
        7 => Answer::Locked { seconds_left },
        8 => Answer::Sent {
            unknown: texts.iter().map(String::as_str).collect(),
        },
        9 => Answer::Fetched,
        10 => Answer::LoggedOut,
        11 => Answer::Quota,
        12 => Answer::Full,
        13 => Answer::Busy,
        _ => Answer::Refused,
    }
}
