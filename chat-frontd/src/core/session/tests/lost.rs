//! No daemon for ten seconds: what certainly did not reach it is refused, and only that.

use super::talk::Talk;

/// The link went before anything new was said.
fn lose(talk: &mut Talk) {
    talk.daemon_dies();
    talk.daemon_is_lost();
}

#[test]
fn unasked_requests_are_refused_as_busy() {
    let mut talk = Talk::logged_in();
    talk.daemon_dies();
    assert_eq!(talk.ask("send bob one\nwho\n"), "");
    talk.daemon_is_lost();
    assert_eq!(
        talk.ask("dance\nsend bob two\n"),
        "error:busy:send\nDONE\nerror:busy:who\nDONE\nerror:busy:dance\nDONE\nerror:busy:send\nDONE\n"
    );
    talk.daemon_returns();
    assert_eq!(talk.ask("send bob three\n"), "sent:\nDONE\n");
    assert_eq!(talk.daemon.queue("bob"), [(1, "three")]);
}

#[test]
fn request_that_may_have_arrived_waits() {
    for has_reached_it in [false, true] {
        let mut talk = Talk::logged_in();
        talk.say("send bob one\n");
        talk.serve(usize::MAX);
        if has_reached_it {
            assert!(talk.daemon_takes());
        }
        lose(&mut talk);
        assert_eq!(
            talk.ask("who\n"),
            "",
            "it stands behind what is not decided"
        );
        talk.daemon_returns();
        assert_eq!(talk.ask(""), "sent:\nDONE\nerror:busy:who\nDONE\n");
        assert_eq!(talk.daemon.queue("bob"), [(1, "one")]);
    }
}

#[test]
fn requests_survive_a_short_return() {
    let mut talk = Talk::logged_in();
    talk.say("send bob one\n");
    talk.serve(usize::MAX);
    assert!(talk.daemon_takes());
    talk.daemon_dies();
    talk.daemon_returns();
    // It went again before anything could be asked again.
    lose(&mut talk);
    assert_eq!(talk.ask(""), "");
    talk.daemon_returns();
    assert_eq!(talk.ask(""), "sent:\nDONE\n");
    assert_eq!(talk.daemon.queue("bob"), [(1, "one")]);
}

#[test]
fn login_continues_after_busy() {
    for (before, line, behind, after) in [
        ("", "foobar\n", "foobar\n", "password\n"),
        ("foobar\n", "passpass\n", "passpass\n", "welcome\nDONE\n"),
        ("dave\ny\npw\n", "pw\n", "dave\n", "register\n"),
    ] {
        let mut talk = Talk::new();
        talk.ask(before);
        lose(&mut talk);
        assert_eq!(talk.ask(line), "error:busy:\n");
        talk.daemon_returns();
        assert_eq!(talk.ask(behind), after);
    }
}

#[test]
fn login_steps_work_without_daemon() {
    let mut talk = Talk::new();
    talk.ask("dave\n");
    lose(&mut talk);
    assert_eq!(talk.ask("y\none\ntwo\n"), "password\npassword\n");
    talk.daemon_returns();
    assert_eq!(talk.ask("pw\npw\n"), "registered\n");
}

#[test]
fn a_logout_waits_for_the_daemon() {
    let mut talk = Talk::logged_in();
    lose(&mut talk);
    assert_eq!(talk.ask("logout\n"), "");
    assert!(!talk.session.is_over());
    talk.daemon_returns();
    assert_eq!(talk.ask(""), "goodbye\n");
    assert!(!talk.daemon.is_online("foobar"));
}

#[test]
fn refused_settings_do_not_apply() {
    let mut talk = Talk::logged_in();
    lose(&mut talk);
    assert_eq!(
        talk.ask("push on\nids on\n"),
        "error:busy:push\nDONE\nerror:busy:ids\nDONE\n"
    );
    assert!(!talk.session.counts_silence());
    talk.daemon_returns();
    talk.daemon.bob_writes("hi");
    assert_eq!(
        talk.ask("fetch\n"),
        "fetching\n[1970-01-01T00:00:00Z] bob: hi\nDONE\n"
    );
}

#[test]
fn answer_resumes_with_the_daemon() {
    let mut talk = Talk::new();
    for text in ["1", "2", "3"] {
        talk.daemon.bob_writes(text);
    }
    talk.say("foobar\npasspass\n");
    talk.serve(usize::MAX);
    while !talk.received().ends_with(b": 2\n") {
        talk.daemon_takes();
        talk.daemon_is_heard();
        talk.serve(usize::MAX);
    }
    lose(&mut talk);
    talk.heard();
    assert_eq!(talk.ask("who\n"), "");
    talk.daemon_returns();
    assert_eq!(
        talk.ask(""),
        "[1970-01-01T00:00:00Z] bob: 3\nDONE\nerror:busy:who\nDONE\n"
    );
}
