//! Logging in, coming back, leaving.

use std::time::Duration;

use super::Run;
use crate::conversation::Prompt;
use crate::exit_status::ExitStatus;
use crate::report::Report;
use crate::screen::keys::Typed;
use crate::screen::model::{Action, Input};
use crate::wording::text_of;

const LONG: Duration = Duration::from_secs(40);

fn reconnected(run: &mut Run) {
    run.give(Input::Lost(None));
    assert!(run.actions.contains(&Action::Close));
    run.actions.clear();
    run.wait(LONG);
    assert_eq!(run.actions, [Action::Connect]);
    run.actions.clear();
    run.give(Input::Connected);
    assert_eq!(run.sent(), ["bob"]);
    run.hear("password");
    assert_eq!(run.sent(), ["secret"]);
}

#[test]
fn login_sets_session_up() {
    let mut run = Run::start();
    assert_eq!(run.model.prompt(), Some(Prompt::Name));
    run.press("bob\r");
    assert_eq!(run.sent(), ["bob"]);
    run.hear("password");
    run.press("wrong\r");
    assert_eq!(run.sent(), ["wrong"]);
    run.hear("password");
    assert_eq!(run.model.login_words, ["Wrong password."]);
    run.press("secret\r");
    run.welcome(&["[2026-11-22T11:18:31Z] ann: hi"]);
    assert!(run.sent().is_empty());
    assert_eq!(
        (run.current().as_str(), run.model.account.as_str()),
        ("chatserv", "bob")
    );
    let unread: Vec<_> = run
        .model
        .transcripts
        .all()
        .iter()
        .map(|all| all.unread)
        .collect();
    assert_eq!(unread, [0, 0, 1, 0]);
}

#[test]
fn account_is_made_at_first_login() {
    let mut run = Run::start();
    run.press("new\r");
    run.hear("register");
    assert_eq!(run.model.prompt(), Some(Prompt::MakeAccount));
    let question = "There is no account named new. Create one? [y/N] ";
    assert_eq!(
        run.model.shown_answer(),
        Some((question.to_owned(), String::new()))
    );
    run.press("y\r");
    run.hear("password");
    run.press("pw\r");
    run.press("pw\r");
    run.hear("registered");
    run.hear("password");
    assert_eq!(run.sent(), ["new", "y", "pw", "pw", "new", "pw"]);
    run.welcome(&[]);
    assert!(!run.model.is_logging_in());
}

#[test]
fn lost_connection_comes_back_by_itself() {
    let mut run = Run::logged_in();
    reconnected(&mut run);
    run.welcome(&[]);
    assert!(run.model.link.is_online());
    let texts = run.texts().join("|");
    assert!(
        texts.contains("Connection lost: the server closed it.|Connected again."),
        "{texts}"
    );
}

#[test]
fn what_was_shown_is_not_shown_again() {
    let mut run = Run::logged_in();
    run.press("/query ann\r");
    run.answer("history ann 50", "error:denied:history");
    for line in ["#4 ann: a", "#6 ann: b"] {
        run.hear(&format!("[2026-11-22T11:18:31Z] {line}"));
    }
    reconnected(&mut run);
    run.welcome(&[
        "[2026-11-22T11:18:31Z] ann: a",
        "[2026-11-22T11:18:31Z] ann: b",
        "[2026-11-22T11:18:32Z] ann: c",
    ]);
    let mut texts = run.texts();
    texts.retain(|text| !text.contains("onnect"));
    assert_eq!(texts, ["a", "b", "c"]);
}

#[test]
fn old_connection_is_waited_for() {
    let mut run = Run::logged_in();
    reconnected(&mut run);
    run.hear("connected");
    assert!(run.actions.contains(&Action::Close));
    run.actions.clear();
    run.wait(LONG);
    assert_eq!(run.actions, [Action::Connect]);
}

#[test]
fn failed_tries_are_repeated() {
    let mut run = Run::logged_in();
    run.give(Input::Lost(None));
    for _ in 0..20 {
        run.actions.clear();
        run.wait(LONG);
        assert_eq!(run.actions, [Action::Connect]);
        run.give(Input::Lost(Some("connection refused".to_owned())));
    }
    let (reason, until) = run.model.link.parted().expect("no connection");
    assert_eq!(reason, "connection refused");
    assert!(until.is_some_and(|until| until > run.now));
}

#[test]
fn session_taken_over_waits_for_user() {
    let mut run = Run::logged_in();
    run.hear("replaced");
    run.wait(LONG);
    assert_eq!(run.actions, [Action::Close]);
    assert!(run.model.link.waits_for_user());
    run.press("\r");
    assert_eq!(run.actions.last(), Some(&Action::Connect));
}

#[test]
fn session_is_kept_before_time_out() {
    let mut run = Run::logged_in();
    run.wait(Duration::from_secs(29));
    assert!(run.sent().is_empty());
    run.wait(Duration::from_secs(1));
    run.answer("fetch", "fetching");
    run.wait(Duration::from_secs(30));
    assert_eq!(run.sent(), ["fetch"]);
}

#[test]
fn message_is_confirmed_after_second() {
    let mut run = Run::logged_in();
    run.hear("[2026-11-22T11:18:31Z] #4 ann: a");
    run.wait(Duration::from_millis(900));
    assert!(run.sent().is_empty());
    run.wait(Duration::from_millis(100));
    assert_eq!(run.sent(), ["fetch"]);
}

#[test]
fn silent_server_is_given_up() {
    let mut run = Run::logged_in();
    run.press("/who\r");
    run.wait(Duration::from_secs(120));
    assert!(run.actions.contains(&Action::Close));
}

#[test]
fn quit_logs_out_in_order() {
    let mut run = Run::logged_in();
    run.press("/quit\r");
    run.answer("push off", "push:off");
    assert_eq!(run.sent(), ["logout"]);
    run.hear("goodbye");
    assert_eq!(run.actions, [Action::End(ExitStatus::Good, String::new())]);
}

#[test]
fn second_quit_does_not_wait() {
    let mut run = Run::logged_in();
    run.press("\x04");
    run.press("\x04");
    assert!(matches!(
        run.actions.last(),
        Some(Action::End(ExitStatus::Lost, _))
    ));
}

#[test]
fn one_interrupt_only_clears() {
    let mut run = Run::logged_in();
    run.press("half a line\x03");
    assert!(run.model.composer.is_empty());
    run.press("\x03");
    assert!(run.actions.is_empty());
    run.press("\x03");
    assert_eq!(run.sent(), ["push off"]);
}

#[test]
fn changed_password_serves_next_login() {
    let mut run = Run::logged_in();
    run.press("/passwd\r");
    run.hear("password");
    assert_eq!(run.model.prompt(), Some(Prompt::CurrentPassword));
    for password in ["secret\r", "other\r", "other\r"] {
        run.press(password);
    }
    run.hear("passwd:");
    run.hear("DONE");
    assert_eq!(run.sent(), ["passwd", "secret", "other", "other"]);
    run.give(Input::Lost(None));
    run.wait(LONG);
    run.give(Input::Connected);
    run.hear("password");
    assert_eq!(run.sent(), ["bob", "other"]);
}

#[test]
fn blocked_user_is_told_at_end() {
    let mut run = Run::start();
    run.press("bob\r");
    run.hear("blocked:30");
    let Some(Action::End(ExitStatus::Blocked, words)) = run.actions.last() else {
        panic!("{:?}", run.actions);
    };
    assert!(words.contains("30 seconds"), "{words}");
}

#[test]
fn dropped_characters_are_told() {
    let mut run = Run::start();
    for _ in 0..2 {
        run.give(Input::Typed(Typed::DroppedText));
    }
    let words = text_of(&Report::DroppedText);
    assert_eq!(run.model.login_words, [words.as_str()]);
    let mut run = Run::logged_in();
    run.give(Input::Typed(Typed::DroppedText));
    assert_eq!(run.model.hint, Some(words));
}
