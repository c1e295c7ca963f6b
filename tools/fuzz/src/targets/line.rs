//! The line parser: a stream in pieces is cut into the lines that a plain model finds, each is understood, and what is
//! understood can be written down again.

use chat_line_protocol::server::{CommandError, Intent, LineBuffer, command_word, parse};
use chat_model::message::may_be_once_id;
use chat_model::room::{MAX_TOPIC_BYTES, may_be_room};
use chat_model::text::is_clean;
use chat_model::{Audience, HistorySpan, PushMode, Request, RoomAct, Treatment};

use crate::choices::Choices;

/// A line that was cut out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CutLine {
    /// What it says, without its end; of one over the limit, what came before the limit.
    content: Vec<u8>,
    /// How many bytes of the stream had come when it was complete.
    end: u64,
    is_too_long: bool,
}

/// The limit of a line, how long what is secret goes on, the length of each piece; then the stream.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let max_line_bytes = 1 + choices.below(64) * 4;
    let secret_lines = choices.below(4);
    let piece_bytes = [choices.byte(), choices.byte(), choices.byte()];
    let stream = choices.rest();
    let wanted = lines_of(stream, max_line_bytes);
    let pieces = in_pieces(stream, &piece_bytes);
    let found = cut_lines(&pieces, max_line_bytes, secret_lines);
    assert_eq!(found, wanted);
    for line in found {
        assert!(is_clean(&command_word(&line.content)));
        if !line.is_too_long {
            check_meaning(&line.content);
        }
    }
}

/// Cuts a stream that comes in these pieces into lines. What may be secret ends with the line of this number.
fn cut_lines(pieces: &[&[u8]], max_line_bytes: usize, secret_lines: usize) -> Vec<CutLine> {
    let mut buffer = LineBuffer::new(max_line_bytes);
    let mut lines = Vec::new();
    for piece in pieces {
        assert!(buffer.needs_more());
        buffer.extend(piece);
        while let Some(line) = buffer.next_line() {
            lines.push(CutLine {
                content: buffer.content(&line).to_vec(),
                end: line.end.0,
                is_too_long: line.is_too_long,
            });
            buffer.keeps_secrets(lines.len() < secret_lines);
        }
    }
    let total: usize = pieces.iter().map(|piece| piece.len()).sum();
    assert_eq!(buffer.stream_total(), total as u64);
    lines
}

fn in_pieces<'a>(mut stream: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (piece, rest) = stream.split_at(usize::from(*length).clamp(1, stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}

/// The lines of a whole stream, one byte after the other.
fn lines_of(stream: &[u8], max_line_bytes: usize) -> Vec<CutLine> {
    let mut lines = Vec::new();
    let mut content = Vec::new();
    let mut is_skipping = false;
    for (end, byte) in (1..).zip(stream) {
        if *byte == b'\n' {
            if !std::mem::take(&mut is_skipping) {
                content.pop_if(|last| *last == b'\r');
                let content = std::mem::take(&mut content);
                lines.push(CutLine {
                    content,
                    end,
                    is_too_long: false,
                });
            }
        } else if !is_skipping {
            content.push(*byte);
            if content.len() == max_line_bytes {
                is_skipping = true;
                let content = std::mem::take(&mut content);
                lines.push(CutLine {
                    content,
                    end,
                    is_too_long: true,
                });
            }
        }
    }
    lines
}

fn check_meaning(line: &[u8]) {
    let meaning = parse(line);
    let again = match &meaning {
        Ok(Intent::Request(Request::SendOnce { id, audience, text })) => {
            assert!(may_be_once_id(id));
            let (audience, text) = (audience.clone(), text.clone());
            format!("once {id} {}", written(&Request::Send { audience, text }))
        }
        Ok(Intent::Request(request)) => written(request),
        Ok(Intent::Push(PushMode::On)) => "push on".into(),
        Ok(Intent::Push(PushMode::Ack)) => "push ack".into(),
        Ok(Intent::Push(PushMode::Off)) => "push off".into(),
        Ok(Intent::Ids(true)) => "ids on".into(),
        Ok(Intent::Ids(false)) => "ids off".into(),
        Ok(Intent::To(true)) => "to on".into(),
        Ok(Intent::To(false)) => "to off".into(),
        Ok(Intent::NewToken(name)) => format!("token new {name}"),
        Ok(Intent::Passwd) => "passwd".into(),
        Ok(Intent::Features) => "features".into(),
        Ok(Intent::LogOut) => "logout".into(),
        Err(CommandError::Unknown { word }) => {
            assert!(is_clean(word) && !word.contains([' ', '\t']));
            return;
        }
        Err(CommandError::Arguments { .. }) => return,
    };
    assert_eq!(parse(again.as_bytes()), meaning);
}

fn written(request: &Request<'_>) -> String {
    match request {
        Request::Send {
            audience: Audience::Accounts(names) | Audience::Mixed(names),
            text,
        } => {
            assert!(names.may_be_recipients());
            assert!(is_clean(text) && !text.is_empty());
            match names.only() {
                Some(name) if !name.starts_with('(') => format!("send {name} {text}"),
                _ => {
                    let names: Vec<&str> = names.iter().collect();
                    format!("send ({}) {text}", names.join(" "))
                }
            }
        }
        Request::Send {
            audience: Audience::Everyone,
            text,
        } => {
            assert!(is_clean(text) && !text.is_empty());
            format!("broadcast {text}")
        }
        Request::ListSessions => "sessions".into(),
        Request::DropSession { name: None } => "sessions drop".into(),
        Request::DropSession { name: Some(name) } => format!("sessions drop {name}"),
        Request::ListUsers {
            seen_within_minutes: None,
        } => "who".into(),
        Request::ListUsers {
            seen_within_minutes: Some(minutes),
        } => format!("last {minutes}"),
        Request::ChangeRoom { room, act } => written_act(room, act),
        Request::ListRooms { all } => if *all { "rooms all" } else { "rooms" }.into(),
        Request::ListMembers { room } => format!("members {room}"),
        Request::ShowTopic { room } => format!("topic {room}"),
        Request::DropToken { name } => format!("token drop {name}"),
        Request::ListTokens => "tokens".into(),
        Request::History { of, span, count } => {
            assert!((1..=1_000).contains(count) && is_clean(of));
            let from = match span {
                HistorySpan::Newest => String::new(),
                HistorySpan::Before(number) => format!(" before {}", number.0),
                HistorySpan::After(number) => format!(" after {}", number.0),
            };
            format!("history {of} {count}{from}")
        }
        Request::Search { of, words } => {
            assert!(is_clean(words) && !words.is_empty());
            format!("search {} {words}", of.as_deref().unwrap_or("*"))
        }
        other => {
            assert_eq!(*other, Request::Fetch);
            "fetch".into()
        }
    }
}

fn written_act(room: &str, act: &RoomAct<'_>) -> String {
    assert!(may_be_room(room));
    match act {
        RoomAct::Join => format!("join {room}"),
        RoomAct::Leave => format!("leave {room}"),
        RoomAct::SetTopic(topic) => {
            assert!(is_clean(topic) && topic.len() <= MAX_TOPIC_BYTES);
            format!("topic {room} {topic}")
        }
        RoomAct::SetPrivate(true) => format!("room {room} private"),
        RoomAct::SetPrivate(false) => format!("room {room} public"),
        RoomAct::SetRetention { days } => format!("room {room} retention {days}"),
        RoomAct::Drop => format!("room {room} drop"),
        RoomAct::Treat { treatment, user } => {
            let word = match treatment {
                Treatment::Invite => "invite",
                Treatment::Kick => "kick",
                Treatment::Ban => "ban",
                Treatment::Unban => "unban",
                Treatment::Op => "op",
                Treatment::Deop => "deop",
            };
            format!("{word} {room} {user}")
        }
    }
}
