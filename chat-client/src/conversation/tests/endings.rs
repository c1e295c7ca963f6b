//! Unusual behaviour of servers and users, and how conversations end.

use super::{ASKED, Play};
use crate::conversation::Input;
use crate::exit_status::ExitStatus;
use crate::report::Report;
use crate::wording::text_of;

#[test]
fn time_out_at_every_step() {
    let expected = "* The server closed the connection because nothing was sent for too long. You are offline.";
    Play::interactive()
        .server_says("timeout")
        .came_out(&[expected, "= 3"]);
    Play::interactive()
        .in_chat()
        .server_says("timeout")
        .came_out(&[expected, "= 3"]);
    let mut play = Play::interactive().in_chat();
    play.person_says("fetch")
        .server_says("timeout")
        .came_out(&["-> fetch", expected, "= 3"]);
    // It may have crossed a `who`, whose answer looks the same when a user is called so.
    let mut play = Play::interactive().in_chat();
    play.person_says("who")
        .server_says("timeout")
        .is_asked(None);
    play.handle(Input::ServerClosed(None));
    play.came_out(&["-> who", "* Online: timeout", expected, "= 3"]);
}

#[test]
fn old_account_may_have_protocol_word() {
    let mut play = Play::interactive().in_chat();
    for name in ["timeout", "DONE", "goodbye"] {
        play.person_says("who")
            .server_says(name)
            .server_says("DONE")
            .is_asked(ASKED);
        play.came_out(&["-> who", &format!("* Online: {name}")]);
    }
}

#[test]
fn lost_connection_is_reported_in_every_stage() {
    let reason = || Some("reset by the server".to_owned());
    let expected = "* Connection lost: reset by the server. You are offline. Commands without an answer may not \
        have been carried out.";
    let unheard = "* The server closed the connection without sending anything: reset by the server (does the server \
        speak TLS there? try --tls).";
    Play::interactive()
        .handle(Input::ServerClosed(reason()))
        .came_out(&[unheard, "= 1"]);
    let mut play = Play::interactive().in_chat();
    play.handle(Input::ServerClosed(reason()))
        .came_out(&[expected, "= 1"]);
    let mut play = Play::script().in_chat();
    play.person_says("who")
        .handle(Input::ServerClosed(reason()));
    play.came_out(&["-> who", expected, "= 1"]);
}

#[test]
fn silence_is_not_waited_for_without_end() {
    let mut play = Play::script().in_chat();
    play.seconds_pass(1000).came_out(&[]);
    play.person_says("who")
        .seconds_pass(99)
        .came_out(&["-> who"]);
    play.server_says("[2026-11-22T11:18:31Z] eve: hi")
        .seconds_pass(99);
    play.log.clear();
    play.seconds_pass(1);
    assert_eq!(play.log.last().expect("an end"), "= 1");
}

#[test]
fn server_cannot_send_control_characters() {
    let mut play = Play::interactive().in_chat();
    for line in [
        &b"\x1b[2J"[..],
        b"[2026-11-22T11:18:31Z] e\x1bve: \x1b]0;title\x07",
        b"\xff\xfe\x9b",
        b"[",
        b"error:",
        b"error::",
    ] {
        play.handle(Input::ServerLine(line));
    }
    play.person_says("who")
        .handle(Input::ServerLine(b"a\x1b[31m b"));
    let shown: Vec<&String> = play
        .log
        .iter()
        .filter(|line| line.starts_with('*'))
        .collect();
    assert_eq!(shown.len(), 7);
    assert!(shown.iter().all(|line| !line.contains(char::is_control)));
}

#[test]
fn completion_knows_commands_and_names_seen() {
    let mut play = Play::interactive().in_chat();
    play.person_says("who")
        .server_says("alice bob")
        .server_says("DONE");
    let completions = |before: &str| play.conversation.completions(before);
    assert_eq!(completions("br"), ["broadcast"]);
    assert_eq!(completions("se"), ["send", "sessions", "search"]);
    assert_eq!(completions("send (bob al"), ["alice"]);
    assert_eq!(completions("last al"), [""; 0]);
    assert!(
        Play::interactive()
            .conversation
            .completions("se")
            .is_empty()
    );
}

#[test]
fn completion_knows_rooms_seen() {
    let mut play = Play::interactive().in_chat();
    play.server_says("[2026-11-22T11:18:31Z] eve #tea: hi");
    for (command, answer) in [
        ("rooms", "rooms:#talk #work"),
        ("members #work", "members:~ann @bob"),
    ] {
        play.person_says(command)
            .server_says(answer)
            .server_says("DONE");
    }
    let completions = |before: &str| play.conversation.completions(before);
    assert_eq!(completions("send #t"), ["#talk", "#tea"]);
    assert_eq!(completions("send (bob #te"), ["#tea"]);
    assert_eq!(completions("join #w"), ["#work"]);
    assert_eq!(completions("invite #work an"), ["ann"]);
    assert_eq!(completions("who #"), [""; 0]);
}

#[test]
fn arbitrary_lines_neither_panic_nor_loop() {
    // A small generator with a fixed seed, so that a failure repeats.
    let mut state: u32 = 4119;
    let mut pick = |limit: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % limit
    };
    let lines = [
        "password",
        "register",
        "registered",
        "username",
        "connected",
        "welcome",
        "DONE",
        "sent:",
        "send:a",
        "fetching",
        "push:ack",
        "push:on",
        "goodbye",
        "timeout",
        "7",
        "blocked:2",
        "error:busy:x",
        "[2026-11-22T11:18:31Z] eve: hi",
        "y",
        "who",
        "send a b",
        "quit",
        "",
    ];
    for round in 0..3000 {
        let mut play = Play::new(round % 2 == 0, round % 3 == 0);
        for _ in 0..40 {
            let line = lines[pick(lines.len())];
            match pick(8) {
                0..=3 => play.server_says(line),
                4..=6 => play.handle(Input::Line(line.as_bytes())),
                _ => play.seconds_pass(1),
            };
        }
        play.handle(Input::ServerClosed(None));
        assert_eq!(play.conversation.prompt(), None);
        let ends = play
            .log
            .iter()
            .filter(|line| line.starts_with("= "))
            .count();
        assert_eq!(ends, 1, "{:?}", play.log);
    }
}

#[test]
fn script_reports_why_nothing_was_sent() {
    let mut play = Play::script();
    play.person_says("bob")
        .server_says("register")
        .person_says("secret");
    assert_eq!(
        play.log,
        [
            "-> bob".to_owned(),
            format!("* {}", text_of(&Report::NoSuchAccount("bob".into()))),
            format!("= {}", ExitStatus::NotLoggedIn.code()),
        ]
    );
}
