//! `listen` gives each message once, over several connections.

use std::fs;

use crate::{Home, MESSAGE, NUMBERED, login, serve};

/// What `listen` asks for once the waiting messages have come.
const SET_UP: &str = "< DONE
    > features\n < features:time_out=1800 line=8192 push ids\n < DONE
    > ids on\n < ids:on\n < DONE
    > push ack\n < push:ack\n < DONE\n";

#[test]
fn listen_gives_each_message_once() {
    let home = Home::new();
    let first = login(
        "/listen",
        &format!(
            "< {MESSAGE}one\n {SET_UP} < {NUMBERED}two\n > fetch\n < fetching\n < DONE\n ! reset"
        ),
    );
    let second = login(
        "/listen",
        &format!(
            "< {}two\n < {MESSAGE}three\n ! end",
            NUMBERED.replace("#5 ", "")
        ),
    );
    // Another process goes on there.
    let third = login(
        "/listen",
        &format!("< {MESSAGE}three\n < {MESSAGE}four\n ! end"),
    );
    let server = serve(&[first, second, third]);
    let run = home.run_at(&server, &["listen", "--count=3"], "");
    assert_eq!(run.status, Some(0), "{run:?}");
    assert_eq!(
        run.stdout,
        format!(
            "{MESSAGE}one\n{}two\n{MESSAGE}three\n",
            NUMBERED.replace("#5 ", "")
        )
    );
    let run = home.run_at(&server, &["listen", "--count=1"], "");
    assert_eq!(run.stdout, format!("{MESSAGE}four\n"));
    server.finish();
}

#[test]
fn command_gets_message_until_it_succeeds() {
    let home = Home::new();
    let script = "printf '%s|%s|%s|%s\\n' \"$CHAT_MESSAGE_FROM\" \"$CHAT_MESSAGE_ROOM\" \
                  \"$CHAT_MESSAGE_TIME\" \"$CHAT_MESSAGE_NUMBER\" >>out; cat >>out; test -e ok || { : >ok; exit 1; }";
    let dialogue = login(
        "/bot",
        &format!("{SET_UP} < {NUMBERED}$(touch x) `touch x`; a\u{2028}b\n ! end"),
    );
    let run = home.run(
        &[dialogue],
        &["listen", "--session=bot", "--count=1", "--exec", script],
        "",
    );
    assert_eq!((run.status, &*run.stdout), (Some(0), ""), "{run:?}");
    assert!(run.stderr.contains("it gets the message again"), "{run:?}");
    let once = "ann|#ops|2026-11-22T11:18:32Z|5\n$(touch x) `touch x`; a\nb\n";
    let out = fs::read_to_string(home.path("out")).expect("a file");
    assert_eq!(out, once.repeat(2));
    assert!(!home.path("x").exists());
}

#[test]
fn message_is_acknowledged_on_request() {
    let home = Home::new();
    let dialogue = || {
        login(
            "/listen",
            &format!("< {MESSAGE}one\n < {MESSAGE}two\n ! end"),
        )
    };
    let server = serve(&[dialogue(), dialogue()]);
    let run = home.run_at(&server, &["listen", "--ask"], "\n");
    let both = format!("{MESSAGE}one\n{MESSAGE}two\n");
    assert_eq!((run.status, run.stdout), (Some(0), both));
    let run = home.run_at(&server, &["listen", "--ask"], "");
    assert_eq!(
        run.stdout,
        format!("{MESSAGE}two\n"),
        "only one was handled"
    );
    server.finish();
}

#[test]
fn unwanted_messages_are_passed_over() {
    let home = Home::new();
    let waiting = format!(
        "< {MESSAGE}one\n < {}two\n < {}three\n < {}four\n ! end",
        MESSAGE.replace("ann", "eve"),
        MESSAGE.replace("ann", "eve #ops"),
        MESSAGE.replace("ann", "ann #ops"),
    );
    let run = home.run(
        &[login("/listen", &waiting)],
        &[
            "listen",
            "--count=1",
            "--from=ann,bob",
            "--in=#ops",
            "--json",
        ],
        "",
    );
    assert_eq!(
        run.stdout,
        "{\"type\":\"message\",\"time\":\"2026-11-22T11:18:31Z\",\"from\":\"ann\",\"room\":\"#ops\",\
         \"text\":\"four\",\"kept\":false}\n"
    );
}

#[test]
fn session_that_is_taken_over_ends() {
    let home = Home::new();
    let dialogue = login("/listen", &format!("{SET_UP} < replaced"));
    let run = home.run(&[dialogue], &["listen"], "");
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.stderr.contains("Another client"), "{run:?}");
}
