use chat_model::room::MAX_TOPIC_BYTES;
use chat_model::{Audience, HistorySpan, MessageNumber};

use super::*;

fn send<'a>(recipients: &[&str], text: &'a str) -> Result<Intent<'a>, CommandError> {
    Ok(Intent::Request(Request::Send {
        audience: Audience::Accounts(recipients.iter().copied().collect()),
        text: text.into(),
    }))
}

#[test]
fn commands_of_rooms() {
    let change = |act| {
        let room = "#a".into();
        Ok(Intent::Request(Request::ChangeRoom { room, act }))
    };
    let treat = |treatment| {
        let user = "bob".into();
        change(RoomAct::Treat { treatment, user })
    };
    assert_eq!(parse(b"join #a"), change(RoomAct::Join));
    assert_eq!(parse(b" leave\t#a "), change(RoomAct::Leave));
    let topic = parse(b"topic #a  x y ");
    assert_eq!(topic, change(RoomAct::SetTopic(" x y ".into())));
    let room = "#a".into();
    let shown = Ok(Intent::Request(Request::ShowTopic { room }));
    assert_eq!(parse(b"topic #a"), shown);
    assert_eq!(parse(b"topic #a  "), shown);
    assert_eq!(parse(b"room #a private"), change(RoomAct::SetPrivate(true)));
    assert_eq!(
        parse(b"room #a public "),
        change(RoomAct::SetPrivate(false))
    );
    let retention = change(RoomAct::SetRetention { days: 90 });
    assert_eq!(parse(b"room #a retention 90"), retention);
    assert_eq!(parse(b"room #a drop"), change(RoomAct::Drop));
    assert_eq!(parse(b"invite #a bob"), treat(Treatment::Invite));
    assert_eq!(parse(b"deop #a  bob "), treat(Treatment::Deop));
    let rooms = |all| Ok(Intent::Request(Request::ListRooms { all }));
    assert_eq!(parse(b"rooms"), rooms(false));
    assert_eq!(parse(b"rooms all"), rooms(true));
    let Ok(Intent::Request(Request::Send { audience, .. })) = parse(b"send (#a bob) x") else {
        panic!("a message");
    };
    assert_eq!(
        audience,
        Audience::Mixed(["#a", "bob"].into_iter().collect())
    );
}

#[test]
fn wrong_arguments_of_commands_of_rooms() {
    let long = format!("topic #a {}", "x".repeat(MAX_TOPIC_BYTES + 1));
    for line in [
        "join",
        "join a",
        "join #",
        "join #A",
        "join #a b",
        "leave",
        "members",
        "members a",
        "members #a b",
        "rooms none",
        "topic",
        "topic a",
        "room #a",
        "room #a secret",
        "room #a retention",
        "room #a retention 0",
        "room #a retention -1",
        "room #a drop it",
        "invite #a",
        "invite #a bob eve",
        "kick bob",
        "ban #a a,b",
        "unban",
        "op",
        "deop",
        &long,
    ] {
        let word = line.split(' ').next().unwrap_or_default();
        let found = parse(line.as_bytes());
        let expected = matches!(found, Err(CommandError::Arguments { word: at }) if at == word);
        assert!(expected, "{line}");
    }
}

fn broadcast(text: &str) -> Result<Intent<'_>, CommandError> {
    Ok(Intent::Request(Request::Send {
        audience: Audience::Everyone,
        text: text.into(),
    }))
}

fn last(minutes: u64) -> Result<Intent<'static>, CommandError> {
    Ok(list_users(Some(minutes)))
}

const FETCH: Intent<'_> = Intent::Request(Request::Fetch);
const WHO: Intent<'_> = Intent::Request(Request::ListUsers {
    seen_within_minutes: None,
});

#[test]
fn every_command_as_it_is_meant() {
    assert_eq!(parse(b"who"), Ok(WHO));
    assert_eq!(parse(b"  who  "), Ok(WHO));
    assert_eq!(parse(b"last 0"), last(0));
    assert_eq!(parse(b"last 090 "), last(90));
    let endless = parse(b"last 99999999999999999999999");
    assert_eq!(endless, last(u64::MAX));
    assert_eq!(parse(b"send bob hi there"), send(&["bob"], "hi there"));
    assert_eq!(parse(b"send  bob  hi  "), send(&["bob"], " hi  "));
    let group = send(&["a", "b", "a"], "hi  all");
    assert_eq!(parse(b"send ( a  b a) hi  all"), group);
    assert_eq!(parse(b"send bob ) x"), send(&["bob"], ") x"));
    assert_eq!(parse(b"broadcast hey  you"), broadcast("hey  you"));
    assert_eq!(parse(b"fetch"), Ok(FETCH));
    assert_eq!(parse(b"logout"), Ok(Intent::LogOut));
    assert_eq!(parse(b"push on"), Ok(Intent::Push(PushMode::On)));
    assert_eq!(parse(b"push ack"), Ok(Intent::Push(PushMode::Ack)));
    assert_eq!(parse(b"push off"), Ok(Intent::Push(PushMode::Off)));
    assert_eq!(parse(b"ids on"), Ok(Intent::Ids(true)));
    assert_eq!(parse(b"ids off"), Ok(Intent::Ids(false)));
    assert_eq!(parse(b"to on"), Ok(Intent::To(true)));
    assert_eq!(parse(b" to  off "), Ok(Intent::To(false)));
    assert_eq!(parse(b"features"), Ok(Intent::Features));
    assert_eq!(parse(b" passwd "), Ok(Intent::Passwd));
    let request = |request| Ok(Intent::Request(request));
    assert_eq!(parse(b"sessions "), request(Request::ListSessions));
    for (line, name) in [
        (&b"sessions drop"[..], None),
        (b"sessions  drop  phone ", Some("phone".into())),
    ] {
        assert_eq!(parse(line), request(Request::DropSession { name }));
    }
    assert_eq!(parse(b"token  new  a-1 "), Ok(Intent::NewToken("a-1")));
    let drop = Request::DropToken { name: "a".into() };
    assert_eq!(parse(b"token drop a"), Ok(Intent::Request(drop)));
    let tokens = Intent::Request(Request::ListTokens);
    assert_eq!(parse(b"tokens"), Ok(tokens));
}

#[test]
fn message_sent_once_is_message_with_identifier() {
    let once = |id: &'static str, audience, text: &'static str| {
        Ok(Intent::Request(Request::SendOnce {
            id: id.into(),
            audience,
            text: text.into(),
        }))
    };
    let group = Audience::Accounts(["a", "b"].into_iter().collect());
    let line = parse(b" once\t a:1  send (a b)  hi ");
    assert_eq!(line, once("a:1", group, " hi "));
    let line = parse(b"once ~ broadcast hi");
    assert_eq!(line, once("~", Audience::Everyone, "hi"));
    let long = "x".repeat(64);
    assert!(parse(format!("once {long} send a b").as_bytes()).is_ok());
    for (line, word) in [
        ("once".to_owned(), "once"),
        ("once 1".to_owned(), "once"),
        ("once 1 who".to_owned(), "once"),
        ("once 1 once 1 send a b".to_owned(), "once"),
        ("once \u{e9} send a b".to_owned(), "once"),
        (format!("once {long}x send a b"), "once"),
        ("once 1 send a".to_owned(), "send"),
        ("once 1 broadcast".to_owned(), "broadcast"),
    ] {
        let error = Err(CommandError::Arguments { word });
        assert_eq!(parse(line.as_bytes()), error, "{line}");
    }
}

#[test]
fn history_is_asked_for_in_many_ways() {
    let history = |span, count| {
        Ok(Intent::Request(Request::History {
            of: "bob".into(),
            span,
            count,
        }))
    };
    let (before, after) = (HistorySpan::Before, HistorySpan::After);
    for (line, expected) in [
        ("history bob", history(HistorySpan::Newest, 50)),
        (" history\tbob  7 ", history(HistorySpan::Newest, 7)),
        ("history bob 99999", history(HistorySpan::Newest, 1_000)),
        (
            "history bob before 12",
            history(before(MessageNumber(12)), 50),
        ),
        ("history bob 7 after 0", history(after(MessageNumber(0)), 7)),
    ] {
        assert_eq!(parse(line.as_bytes()), expected, "{line}");
    }
    let search = |of: Option<&'static str>, words: &'static str| {
        Ok(Intent::Request(Request::Search {
            of: of.map(Into::into),
            words: words.into(),
        }))
    };
    assert_eq!(
        parse(b"search bob  tea  at "),
        search(Some("bob"), "tea  at")
    );
    assert_eq!(parse(b"search * tea"), search(None, "tea"));
}

#[test]
fn white_space_round_a_command_means_nothing() {
    for line in ["who", " who", "who ", "\twho\t", " \t who \t "] {
        assert_eq!(parse(line.as_bytes()), Ok(WHO), "{line:?}");
    }
    assert_eq!(parse(b"\tlast\t 5\t"), last(5));
    assert_eq!(parse(b" push\t ack\t"), Ok(Intent::Push(PushMode::Ack)));
    assert_eq!(parse(b"ids\ton "), Ok(Intent::Ids(true)));
    assert_eq!(parse(b"\tlogout\t"), Ok(Intent::LogOut));
    for line in [
        "send bob hi",
        "\tsend bob hi",
        " send\tbob\thi",
        "send \tbob hi",
    ] {
        assert_eq!(parse(line.as_bytes()), send(&["bob"], "hi"), "{line:?}");
    }
    let group = parse(b"send\t(\ta \tb\t)\thi");
    assert_eq!(group, send(&["a", "b"], "hi"));
}

#[test]
fn a_text_keeps_all_its_white_space() {
    assert_eq!(parse(b"send bob \ta\tb  \t"), send(&["bob"], "\ta\tb  \t"));
    assert_eq!(parse(b"send (a b)\t\t"), send(&["a", "b"], "\t"));
    assert_eq!(parse(b"send bob  "), send(&["bob"], " "));
    assert_eq!(parse(b"broadcast\t a\t "), broadcast(" a\t "));
}

#[test]
fn wrong_arguments_are_named_by_their_command() {
    for (line, word) in [
        ("who is there", "who"),
        ("last", "last"),
        ("last x", "last"),
        ("last -1", "last"),
        ("last +1", "last"),
        ("last 1.5", "last"),
        ("last 5 6", "last"),
        ("send", "send"),
        ("send ", "send"),
        ("send windows", "send"),
        ("send windows ", "send"),
        ("send () hi", "send"),
        ("send (  ) hi", "send"),
        ("send (windows", "send"),
        ("send (windows hi", "send"),
        ("send (windows)", "send"),
        ("send (windows) ", "send"),
        ("send (windows)hi", "send"),
        ("send\twindows", "send"),
        ("send windows\t", "send"),
        ("send (windows)\t", "send"),
        ("broadcast\t", "broadcast"),
        ("push on\r", "push"),
        ("send a,b hi", "send"),
        ("send (windows a,) hi", "send"),
        ("broadcast", "broadcast"),
        ("broadcast ", "broadcast"),
        ("fetch it", "fetch"),
        ("logout now", "logout"),
        ("push", "push"),
        ("push maybe", "push"),
        ("push on off", "push"),
        ("ids", "ids"),
        ("ids yes", "ids"),
        ("to", "to"),
        ("to bob", "to"),
        ("to on off", "to"),
        ("features all", "features"),
        ("passwd secret", "passwd"),
        ("sessions phone", "sessions"),
        ("sessions drop Phone", "sessions"),
        ("sessions drop a b", "sessions"),
        ("sessions drop -", "sessions"),
        ("token", "token"),
        ("token new", "token"),
        ("token new -", "token"),
        ("token new A", "token"),
        ("token new a b", "token"),
        ("token new 12345678901234567", "token"),
        ("token show a", "token"),
        ("tokens a", "tokens"),
        ("history", "history"),
        ("history #A", "history"),
        ("search # tea", "search"),
        ("history bob 0", "history"),
        ("history bob x", "history"),
        ("history bob 7 7", "history"),
        ("history bob before", "history"),
        ("history bob before x", "history"),
        ("history bob after 1 2", "history"),
        ("search", "search"),
        ("search bob", "search"),
        ("search * ", "search"),
    ] {
        let error = Err(CommandError::Arguments { word });
        assert_eq!(parse(line.as_bytes()), error, "{line}");
    }
}

#[test]
fn unknown_commands_are_repeated_clean() {
    for (line, word) in [
        (&b"dance"[..], "dance"),
        (b"dance with me", "dance"),
        (b"", ""),
        (b"   ", ""),
        (b"WHO", "WHO"),
        (b"\x1b[2J", "\u{fffd}[2J"),
        (b"\xffx", "\u{fffd}x"),
        (b" \t ", ""),
        (b"who\r", "who\u{fffd}"),
        (b"who\x0b", "who\u{fffd}"),
        ("who\u{a0}".as_bytes(), "who\u{a0}"),
    ] {
        let word = word.to_owned();
        assert_eq!(parse(line), Err(CommandError::Unknown { word }));
    }
}

#[test]
fn control_characters_are_replaced() {
    let clean = send(&["b\u{fffd}b"], "\u{fffd}[0m\t\u{fffd}");
    assert_eq!(parse(b"send b\x07b \x1b[0m\t\x0b"), clean);
}
