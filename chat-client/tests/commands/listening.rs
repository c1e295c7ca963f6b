//! `listen` gives each message once, over several connections.

use std::fs;

use crate::{Home, MESSAGE, NUMBERED, login, serve};

/// What `listen` asks for once the waiting messages have come. New ones come with the answer to `fetch`.
const SET_UP: &str = "< DONE
    > ids on\n < ids:on\n < DONE
    > fetch\n < fetching\n";

#[test]
fn listen_gives_each_message_once() {
    let home = Home::new();
    let first = login(
        "/listen",
        &format!(
            "< {MESSAGE}one\n {SET_UP} < {NUMBERED}two\n < DONE\n > fetch\n < fetching\n < DONE\n ! reset"
        ),
    );
    let second = login(
        "/listen",
        &format!("< {}two\n < {MESSAGE}three\n ! end", unnumbered()),
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
        format!("{MESSAGE}one\n{}two\n{MESSAGE}three\n", unnumbered())
    );
    let run = home.run_at(&server, &["listen", "--count=1"], "");
    assert_eq!(run.stdout, format!("{MESSAGE}four\n"));
    server.finish();
}

/// The same message behind `welcome`, where messages have no number.
fn unnumbered() -> String {
    NUMBERED.replace("#5 ", "")
}

#[test]
fn message_just_before_fetch_is_kept() {
    let home = Home::new();
    // It arrives after the last answer. It waits for the next one, so no line confirms it unread.
    let killed = login("/listen", &format!("{SET_UP} < DONE\n > fetch\n ! reset"));
    let again = login(
        "/listen",
        &format!("< {}two\n {SET_UP} < {NUMBERED}three\n ! end", unnumbered()),
    );
    let run = home.run(&[killed, again], &["listen", "--count=2"], "");
    let both = format!("{0}two\n{0}three\n", unnumbered());
    assert_eq!((run.status, run.stdout), (Some(0), both));
}

#[test]
fn killed_command_gets_its_message_again() {
    let home = Home::new();
    let killed = login("/listen", &format!("{SET_UP} < {NUMBERED}two\n ! end"));
    let again = login(
        "/listen",
        &format!("< {}two\n < {MESSAGE}three\n ! end", unnumbered()),
    );
    let server = serve(&[killed, again]);
    let script = "cat >>out; test -e ok || { : >ok; kill -9 $PPID; }";
    let listen = ["listen", "--count=2", "--exec", script];
    assert_eq!(home.run_at(&server, &listen, "").status, None);
    let run = home.run_at(&server, &listen, "");
    assert_eq!(run.status, Some(0), "{run:?}");
    let out = fs::read_to_string(home.path("out")).expect("a file");
    assert_eq!(out, "two\ntwo\nthree\n");
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
