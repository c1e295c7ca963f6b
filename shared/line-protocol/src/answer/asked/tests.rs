use chat_model::NameList;

use super::*;
use crate::server::parse;

const LIMITS: ServerLimits = ServerLimits {
    time_out_s: 1_800,
    max_line_bytes: 8_192,
};

fn answer(line: &str, outcome: &Outcome<'_>) -> (bool, String) {
    let mut output = Vec::new();
    let asked = Asked::of(&parse(line.as_bytes()), || LIMITS);
    let is_possible = asked.answer(outcome, &mut output);
    (is_possible, String::from_utf8(output).unwrap())
}

#[test]
fn outcomes_as_they_are_written() {
    let stored = |unknown: &[&str]| Outcome::Stored {
        unknown: unknown.iter().copied().collect(),
    };
    let sessions_of_nobody = Outcome::Sessions {
        online: NameList::new(),
        offline: NameList::new(),
    };
    for (line, outcome, expected) in [
        ("send bob hi", stored(&[]), "sent:\n"),
        ("send (a b) hi", stored(&["a", "b"]), "send:a,b\n"),
        (
            "broadcast hi",
            Outcome::QueueFull,
            "error:quota:broadcast\n",
        ),
        ("send bob hi", Outcome::DiskFull, "error:full:send\n"),
        ("once 1 send b hi", stored(&["b"]), "send:b\n"),
        ("once 1 broadcast hi", stored(&[]), "sent:\n"),
        ("once 1 send b hi", Outcome::Busy, "error:busy:send\n"),
        ("once 1 who", Outcome::Done, "error:args:once\n"),
        ("who", Outcome::Busy, "error:busy:who\n"),
        ("fetch", Outcome::Done, "fetching\n"),
        ("push ack", Outcome::Done, "push:ack\n"),
        ("push on", Outcome::Busy, "error:busy:push\n"),
        ("ids on", Outcome::Done, "ids:on\n"),
        ("to off", Outcome::Done, "to:off\n"),
        ("to on", Outcome::Busy, "error:busy:to\n"),
        ("token drop a", stored(&[]), "token:\n"),
        (
            "token drop a",
            Outcome::NameUnavailable,
            "error:args:token\n",
        ),
        ("token drop a", Outcome::DiskFull, "error:full:token\n"),
        (
            "tokens",
            Outcome::Users(["a", "b"].into_iter().collect()),
            "tokens:a b\n",
        ),
        (
            "features",
            Outcome::Done,
            "features:time_out=1800 line=8192 push ids to sessions tokens rooms history search once passwd\n",
        ),
        ("passwd", Outcome::Done, "password\n"),
        ("passwd x", Outcome::Done, "error:args:passwd\n"),
        ("dance", Outcome::Done, "error:command:dance\n"),
        (
            "sessions drop old",
            Outcome::Sessions {
                online: ["ann", "ann/phone"].into_iter().collect(),
                offline: NameList::one("ann/desk"),
            },
            "sessions:*ann *ann/phone ann/desk\n",
        ),
        ("sessions", sessions_of_nobody, "sessions:\n"),
        ("sessions drop", Outcome::Denied, "error:denied:sessions\n"),
        (
            "sessions drop x",
            Outcome::NotFound,
            "error:args:sessions\n",
        ),
        ("dance", Outcome::Busy, "error:busy:dance\n"),
        ("last x", Outcome::Done, "error:args:last\n"),
        ("join #a", Outcome::Done, "join:#a\n"),
        ("topic #a x y", Outcome::Done, "topic:x y\n"),
        ("room #a drop", Outcome::Denied, "error:denied:room\n"),
        ("ban #a bob", Outcome::Done, "ban:\n"),
        ("op #a bob", Outcome::NotFound, "error:args:op\n"),
        (
            "rooms all",
            Outcome::Users(["#a", "#b"].into_iter().collect()),
            "rooms:#a #b\n",
        ),
        ("topic #a", Outcome::Topic("t".into()), "topic:t\n"),
    ] {
        assert_eq!(answer(line, &outcome), (true, expected.into()));
    }
    let impossible = (false, "error:args:fetch\n".into());
    assert_eq!(answer("fetch", &Outcome::Registered), impossible);
}

#[test]
fn new_token_is_answered_with_secret() {
    let asked = Asked::NewToken(b"secret"[..].into());
    for (outcome, expected) in [
        (STORED, "token:secret\n"),
        (Outcome::NameUnavailable, "error:args:token\n"),
        (Outcome::QueueFull, "error:quota:token\n"),
    ] {
        let mut output = Vec::new();
        assert!(asked.answer(&outcome, &mut output));
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }
}

#[test]
fn changed_password_has_answers_of_its_own() {
    let asked = Asked::Command(Command::Passwd);
    let locked = Outcome::Locked { seconds_left: 60 };
    for (asked, outcome, expected) in [
        (&asked, STORED, "passwd:\n"),
        (&asked, Outcome::PasswordNeeded, "passwd:wrong\n"),
        (&asked, locked, "60\n"),
        (&asked, Outcome::DiskFull, "error:full:passwd\n"),
        (&asked, Outcome::Busy, "error:busy:passwd\n"),
        (&Asked::PasswordsDiffer, Outcome::Done, "passwd:differ\n"),
        (
            &Asked::PasswordsDiffer,
            Outcome::Busy,
            "error:busy:passwd\n",
        ),
    ] {
        let mut output = Vec::new();
        assert!(asked.answer(&outcome, &mut output));
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }
}

const STORED: Outcome<'static> = Outcome::Stored {
    unknown: NameList::new(),
};

#[test]
fn refusals_keep_the_word() {
    let mut output = Vec::new();
    Asked::too_long(b"\x1bx y").answer(&Outcome::Done, &mut output);
    let asked = Asked::of(&parse(b"send bob hi"), || LIMITS).with_wrong_arguments();
    asked.answer(&Outcome::Done, &mut output);
    let lines = "error:length:\u{fffd}x\nerror:args:send\n";
    assert_eq!(String::from_utf8(output).unwrap(), lines);
}
