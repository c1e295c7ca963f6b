//! Clients that are too fast, too many, or ask for too much.

use chat_node::limits::token_bucket::Rate;
use chat_node::logs::security_log::Event;

use super::talk::Talk;

/// Two at once, then one every hundred milliseconds.
fn rate() -> Rate {
    Rate::new(10, 1_000, 2)
}

#[test]
fn fast_lines_wait_and_none_is_lost() {
    let mut talk = Talk::paced(rate());
    talk.say("foobar\npasspass\nfetch\nbad\nwho\n");
    talk.settle();
    assert_eq!(talk.heard(), "password\nwelcome\nDONE\n");
    assert_eq!(talk.session.paced_until_ms(), Some(100));
    assert!(!talk.session.wants_input());
    assert_eq!(talk.session.idle_since_ms(), None, "it is owed an answer");
    assert_eq!(talk.session.take_event(), Some(Event::LinesDelayed));
    talk.now_ms = 99;
    talk.settle();
    assert_eq!(talk.heard(), "");
    for (now_ms, answer) in [
        (100, "fetching\nDONE\n"),
        (200, "error:command:bad\nDONE\n"),
        (300, "foobar\nDONE\n"),
    ] {
        talk.now_ms = now_ms;
        talk.settle();
        assert_eq!(talk.heard(), answer);
    }
    assert_eq!(talk.session.take_event(), None, "that is told once");
}

#[test]
fn lines_before_the_end_are_answered() {
    let mut talk = Talk::paced(rate());
    talk.say("foobar\npasspass\nfetch\n");
    talk.finish();
    talk.settle();
    assert!(!talk.session.is_ending());
    talk.now_ms = 100;
    talk.settle();
    assert!(talk.heard().ends_with("fetching\nDONE\n"));
}

#[test]
fn a_worker_that_stops_makes_nobody_wait() {
    let mut talk = Talk::paced(rate());
    talk.say("foobar\npasspass\nfetch\nwho\n");
    talk.settle();
    talk.session.hurry();
    talk.settle();
    assert!(talk.heard().ends_with("fetching\nDONE\nfoobar\nDONE\n"));
}

#[test]
fn recipients_are_limited() {
    let mut talk = Talk::logged_in();
    // As many as a line of the tests holds.
    let line = |count| format!("send ({}) hi\n", vec!["b"; count].join(" "));
    talk.session.limits.max_recipients = 10;
    assert_eq!(talk.ask(line(10)), "send:b\nDONE\n");
    assert_eq!(talk.session.take_event(), None);
    assert_eq!(talk.ask(line(11)), "error:args:send\nDONE\n");
    assert_eq!(talk.session.take_event(), Some(Event::GroupSize));
}

#[test]
fn rejected_client_gets_one_line() {
    let mut talk = Talk::new();
    talk.say("foobar\n");
    talk.serve(usize::MAX);
    talk.session.reject();
    talk.session.reject();
    assert!(talk.session.is_over() && talk.session.is_rejected());
    talk.settle();
    assert_eq!(talk.heard(), "error:busy:\n");
}

#[test]
fn held_memory_is_counted() {
    let mut talk = Talk::logged_in();
    assert_eq!(talk.session.memory_bytes(), 0);
    talk.say("send foobar 12345\nunfinished");
    talk.is_reading = false;
    talk.serve(usize::MAX);
    let asked = "send".len() + "foobar".len() + "12345".len();
    let unfinished = "send foobar 12345\nunfinished".len();
    assert_eq!(talk.session.memory_bytes(), asked + unfinished);
}
