//! A second dialect in the same session: nothing else knows what a client speaks.

mod dialect;

use std::fmt::Write;

use super::daemon::Daemon;
use super::talk::{LIMITS, Talk};
use crate::core::session::SessionLimits;
use dialect::JsonLines;

/// Logged in as foobar.
fn talk() -> Talk<JsonLines> {
    let limits = SessionLimits {
        max_line_bytes: 256,
        ..LIMITS
    };
    let mut talk = Talk::with(Daemon::new(), limits);
    let login = r#"{"id":1,"log_in":{"user":"foobar","password":"passpass"}}"#;
    assert_eq!(say(&mut talk, login), "{\"id\":1,\"ok\":true}\n\".\"\n");
    talk
}

fn say(talk: &mut Talk<JsonLines>, line: &str) -> String {
    talk.ask(format!("{line}\n"))
}

fn messages(texts: impl IntoIterator<Item = u32>) -> String {
    let mut lines = String::new();
    for text in texts {
        writeln!(lines, "{{\"bob\":\"{text}\"}}").unwrap();
    }
    lines
}

#[test]
fn wrong_password_is_refused() {
    let mut talk = Talk::<JsonLines>::with(Daemon::new(), LIMITS);
    let login = r#"{"id":7,"log_in":{"user":"bob","password":"x"}}"#;
    let failed = "{\"failed\":\"PasswordNeeded\",\"id\":7}\n";
    assert_eq!(say(&mut talk, login), failed);
    assert!(!talk.session.is_past_login());
}

#[test]
fn each_line_is_answered_by_its_number() {
    let mut talk = talk();
    let lines = [
        r#"{"id":2,"say":{"to":["bob","carl"],"text":"hi\nyou"}}"#,
        r#"{"id":3,"online":null}"#,
        r#"{"id":4,"say":{"to":[],"text":"x"}}"#,
        "who",
        r#"{"id":5,"bye":null}"#,
    ];
    let answers = [
        r#"{"id":2,"unknown":["carl"]}"#,
        "\".\"",
        r#"{"online":["foobar"]}"#,
        "\".\"",
        r#"{"id":4,"refused":"recipients"}"#,
        "\".\"",
        r#"{"id":0,"refused":"syntax"}"#,
        "\".\"",
        r#"{"closed":"LoggedOut"}"#,
    ];
    assert_eq!(say(&mut talk, &lines.join("\n")), answers.join("\n") + "\n");
    assert!(talk.session.is_over());
    assert_eq!(talk.daemon.queue("bob"), [(1, "hi\u{fffd}you")]);
}

#[test]
fn pushed_messages_come_page_by_page() {
    let mut talk = talk();
    talk.restored_as = Some(crate::core::session::Session::unnamed(LIMITS));
    for number in 1..=5 {
        talk.daemon.store_quietly(&number.to_string());
    }
    let pushed = say(&mut talk, r#"{"id":2,"push":true}"#);
    let expected = format!("{{\"id\":2,\"ok\":true}}\n{}\".\"\n", messages(1..=5));
    assert_eq!(pushed, expected);
    for number in 6..=20 {
        talk.daemon.bob_writes(&number.to_string());
    }
    assert_eq!(talk.ask(""), messages(6..=20));
    assert!(talk.parked_times > 0);
}

#[test]
fn killed_daemon_is_asked_again() {
    let mut talk = talk();
    let line =
        |id: u32| format!("{{\"id\":{id},\"say\":{{\"to\":[\"bob\"],\"text\":\"{id}\"}}}}\n");
    talk.say(line(2) + &line(3) + &line(4));
    talk.serve(usize::MAX);
    assert!(talk.daemon_takes() && talk.daemon_is_heard());
    assert!(talk.daemon_takes(), "the answer to the second is lost");
    talk.daemon_dies();
    talk.daemon_returns();
    let answer = |id: u32| format!("{{\"id\":{id},\"unknown\":[]}}\n\".\"\n");
    assert_eq!(talk.ask(""), answer(2) + &answer(3) + &answer(4));
    assert_eq!(talk.daemon.queue("bob"), [(1, "2"), (2, "3"), (3, "4")]);
}

#[test]
fn slow_reader_gets_everything_in_order() {
    let mut talk = talk();
    say(&mut talk, r#"{"id":2,"push":true}"#);
    talk.is_reading = false;
    for number in 1..=200 {
        talk.daemon.bob_writes(&number.to_string());
        talk.settle();
    }
    talk.say("{\"id\":3,\"online\":null}\n".repeat(40));
    talk.settle();
    assert!(talk.unread_bytes() > 0, "no more lines are taken");
    talk.is_reading = true;
    let heard = talk.ask("");
    let (messages_heard, answers): (Vec<&str>, Vec<&str>) =
        heard.lines().partition(|line| line.starts_with("{\"bob\""));
    let expected = messages(1..=200);
    assert_eq!(messages_heard, expected.lines().collect::<Vec<_>>());
    assert_eq!(answers.len(), 80);
}
