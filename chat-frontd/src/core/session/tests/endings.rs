//! How dialogues end, at each step.

use super::talk::Talk;
use crate::core::session::Ending;

/// What a client says to come to a step, and what is answered.
const STEPS: [(&str, &str); 6] = [
    ("", ""),
    ("dave\n", "register\n"),
    ("dave\ny\n", "register\npassword\n"),
    ("dave\ny\npw\n", "register\npassword\n"),
    ("foobar\n", "password\n"),
    ("foobar\npasspass\n", "password\nwelcome\nDONE\n"),
];

fn at(step: &(&str, &str)) -> Talk {
    let mut talk = Talk::new();
    assert_eq!(talk.ask(step.0), step.1);
    talk
}

#[test]
fn fin_closes_silently() {
    for step in &STEPS {
        let mut talk = at(step);
        talk.say("unfinished");
        talk.finish();
        assert_eq!(talk.ask(""), "");
        assert!(talk.session.is_over());
        assert!(!talk.daemon.is_online("foobar"));
    }
}

#[test]
fn timeout_is_told_at_every_step() {
    for step in &STEPS {
        let mut talk = at(step);
        talk.say("unfinished");
        talk.time_out();
        assert_eq!(talk.heard(), "timeout\n");
        assert!(talk.session.is_over());
        assert!(!talk.daemon.is_online("foobar"));
    }
}

#[test]
fn goodbye_only_after_the_session_has_ended() {
    let mut talk = Talk::logged_in();
    talk.say("send bob hi\nlogout\nsend bob no\n");
    talk.serve(usize::MAX);
    assert!(talk.daemon_takes());
    assert_eq!(talk.heard(), "", "the line before is not answered");
    assert!(talk.daemon_is_heard());
    talk.serve(usize::MAX);
    assert_eq!(talk.heard(), "sent:\nDONE\n");
    assert!(talk.daemon.is_online("foobar"));
    assert!(talk.daemon_takes());
    assert!(!talk.daemon.is_online("foobar"));
    assert_eq!(talk.ask(""), "goodbye\n");
    assert_eq!(talk.daemon.count_stored("no"), 0);
}

#[test]
fn stopping_worker_answers_its_lines() {
    for step in &STEPS {
        let mut talk = at(step);
        talk.session.end_input();
        talk.say("who\n");
        talk.settle();
        assert!(talk.session.is_over());
        assert_eq!(talk.heard(), "", "what was not read is not answered");
    }
    let mut talk = Talk::logged_in();
    talk.say("send bob 1\nwho\nhalf");
    talk.serve(usize::MAX);
    talk.session.end_input();
    assert_eq!(talk.ask("fetch\n"), "sent:\nDONE\nfoobar\nDONE\n");
    assert!(talk.session.is_over());
}

#[test]
fn kicked_client_gets_no_answers() {
    let mut talk = Talk::logged_in();
    talk.say("who\nfetch\n");
    talk.serve(usize::MAX);
    assert!(talk.daemon_takes());
    talk.session.cut_off();
    assert!(talk.session.is_over());
    assert_eq!(talk.ask("who\n"), "");
}

#[test]
fn first_end_decides() {
    let mut talk = Talk::logged_in();
    talk.say("who\nlogout\n");
    talk.serve(usize::MAX);
    talk.session.begin_ending(Ending::TimeOut);
    talk.finish();
    assert_eq!(talk.ask(""), "foobar\nDONE\ngoodbye\n");
}

#[test]
fn logout_request_has_its_own_name() {
    for behind in ["", "x", "who\nwho\n", "\n"] {
        let mut talk = Talk::logged_in();
        // The daemon of the tests takes no request that is not after the one before.
        assert_eq!(
            talk.ask(format!("who\nlogout\n{behind}")),
            "foobar\nDONE\ngoodbye\n"
        );
        let mut talk = Talk::logged_in();
        talk.say(format!("who\n{behind}"));
        talk.serve(usize::MAX);
        talk.time_out();
        assert!(talk.heard().ends_with("timeout\n"));
    }
    // A line over the limit, whose rest is being skipped.
    let mut talk = Talk::logged_in();
    assert_eq!(talk.ask("x".repeat(64)).lines().count(), 2);
    talk.say("x".repeat(100));
    talk.time_out();
    assert_eq!(talk.heard(), "timeout\n");
}

#[test]
fn logout_waits_for_acknowledgement() {
    let mut talk = Talk::logged_in();
    talk.is_reading = false;
    talk.daemon.bob_writes("hi");
    talk.say("fetch\nlogout\n");
    talk.settle();
    assert!(talk.daemon.is_online("foobar"));
    talk.is_reading = true;
    assert!(talk.ask("").ends_with("DONE\ngoodbye\n"));
    assert_eq!(talk.daemon.queue("foobar"), []);
}

#[test]
fn late_logout_leaves_messages_queued() {
    let mut talk = Talk::logged_in();
    talk.is_reading = false;
    talk.daemon.bob_writes("hi");
    talk.is_timeout_over = true;
    talk.say("fetch\nlogout\n");
    talk.settle();
    assert!(!talk.daemon.is_online("foobar"));
    assert_eq!(talk.daemon.queue("foobar"), [(1, "hi")]);
}

#[test]
fn logout_ends_pushes() {
    let mut talk = Talk::logged_in();
    assert_eq!(talk.ask("push on\n"), "push:on\nDONE\n");
    talk.say("logout\n");
    talk.serve(usize::MAX);
    // On its way when the logout was asked: it would be written, and come again at the next login.
    talk.daemon.bob_writes("late");
    assert_eq!(talk.ask(""), "goodbye\n");
    assert_eq!(talk.daemon.queue("foobar"), [(1, "late")]);
}

#[test]
fn logout_ends_fetching_of_pages() {
    for is_page_on_its_way in [false, true] {
        let mut talk = Talk::logged_in();
        talk.ask("push ack\n");
        talk.is_reading = false;
        talk.is_timeout_over = true;
        for number in 1..=40 {
            talk.daemon.bob_writes(&number.to_string());
            talk.settle();
        }
        for _ in 0..5 {
            talk.daemon.store_quietly("more");
        }
        talk.daemon.bob_writes("and more");
        assert!(talk.daemon_is_heard() || talk.session.output.pending().len() > 512);
        if is_page_on_its_way {
            talk.is_reading = true;
            talk.serve(0);
        }
        talk.say("logout\n");
        talk.session.begin_ending(Ending::LogOut);
        talk.is_reading = true;
        talk.settle();
        assert!(talk.heard().ends_with("goodbye\n"));
        assert!(talk.session.is_over());
    }
}
