//! Since when a client has been silent. The clock stands while it is owed an answer.

use super::talk::Talk;

fn at(talk: &mut Talk, now_ms: u64) -> Option<u64> {
    talk.now_ms = now_ms;
    talk.settle();
    talk.session.idle_since_ms()
}

#[test]
fn idle_clock_starts_at_last_answer() {
    let mut talk = Talk::new();
    assert_eq!(at(&mut talk, 5), Some(0));
    talk.say("dave\n");
    assert_eq!(at(&mut talk, 10), Some(10));
    talk.say("y\n");
    assert_eq!(at(&mut talk, 20), Some(20), "answered without the daemon");
    talk.say("pw\n");
    assert_eq!(at(&mut talk, 30), Some(30), "a line without an answer");
    talk.say("half a line");
    assert_eq!(at(&mut talk, 40), Some(30));
}

#[test]
fn idle_clock_stops_while_answer_owed() {
    let mut talk = Talk::logged_in();
    talk.now_ms = 100;
    talk.say("who\nfetch\n");
    talk.serve(usize::MAX);
    assert_eq!(talk.session.idle_since_ms(), None);
    while talk.daemon_takes() {}
    assert!(talk.daemon_is_heard());
    assert_eq!(talk.session.idle_since_ms(), None, "one of two is owed");
    assert_eq!(at(&mut talk, 900), Some(900));
}

#[test]
fn idle_clock_stops_during_an_answer() {
    let mut talk = Talk::logged_in();
    for text in ["1", "2", "3"] {
        talk.daemon.bob_writes(text);
    }
    talk.say("fetch\n");
    talk.serve(usize::MAX);
    assert!(talk.daemon_takes() && talk.daemon_is_heard());
    assert_eq!(talk.session.idle_since_ms(), None);
    assert_eq!(at(&mut talk, 700), Some(700));
}

#[test]
fn idle_clock_stops_without_daemon() {
    let mut talk = Talk::logged_in();
    talk.daemon_dies();
    talk.say("who\n");
    assert_eq!(at(&mut talk, 9_000), None);
    talk.now_ms = 10_000;
    talk.daemon_is_lost();
    assert_eq!(at(&mut talk, 10_000), Some(10_000));
}

#[test]
fn push_does_not_reset_idle_clock() {
    let mut talk = Talk::logged_in();
    talk.ask("push on\n");
    talk.now_ms = 500;
    talk.daemon.bob_writes("hi");
    assert_eq!(at(&mut talk, 600), Some(0));
}

#[test]
fn who_is_ending_is_not_idle() {
    let mut talk = Talk::logged_in();
    talk.is_reading = false;
    talk.say("logout\n");
    talk.serve(usize::MAX);
    assert_eq!(talk.session.idle_since_ms(), None);
}
