//! The daemon died and came back: what was asked is asked again under its name, and nothing is lost or doubled.

use chat_model::Request;
use chat_rpc::{FromWorker, RequestItem, decode_items};

use super::talk::{TIME, Talk};

/// Logged in, with so many messages of bob's waiting, of which the first slice has come with `fetch`.
fn in_the_middle_of_a_fetch(count: usize) -> Talk {
    let mut talk = Talk::logged_in();
    for number in 1..=count {
        talk.daemon.bob_writes(&number.to_string());
    }
    talk.say("fetch\n");
    talk.serve(usize::MAX);
    assert!(talk.daemon_takes() && talk.daemon_is_heard());
    talk
}

fn lines(texts: &[u32]) -> String {
    let line = |text| format!("{TIME} bob: {text}\n");
    texts.iter().map(line).collect()
}

#[test]
fn an_answer_that_was_lost_comes_once() {
    let mut talk = Talk::logged_in();
    talk.say("send bob one\nsend bob two\nwho\n");
    talk.serve(usize::MAX);
    while talk.daemon_takes() {}
    assert!(talk.daemon_is_heard());
    talk.daemon_dies();
    talk.daemon_returns();
    assert_eq!(talk.ask(""), "sent:\nDONE\nsent:\nDONE\nfoobar\nDONE\n");
    assert_eq!(talk.daemon.queue("bob"), [(1, "one"), (2, "two")]);
}

#[test]
fn what_was_written_is_not_written_again() {
    let mut talk = in_the_middle_of_a_fetch(5);
    talk.serve(0);
    talk.daemon_dies();
    talk.daemon_returns();
    let expected = format!("fetching\n{}DONE\n", lines(&[1, 2, 3, 4, 5]));
    assert_eq!(talk.ask(""), expected);
    assert_eq!(talk.ask("fetch\n"), "fetching\nDONE\n");
}

#[test]
fn later_answers_wait_for_an_owed_page() {
    for slice_messages in [1, 2, 10] {
        let mut talk = in_the_middle_of_a_fetch(5);
        talk.say("who\n");
        talk.serve(usize::MAX);
        talk.daemon_dies();
        talk.daemon.slice_messages = slice_messages;
        talk.daemon.bob_writes("6");
        talk.daemon_returns();
        // `who` is asked again before the rest of the fetch is: its answer brings messages.
        let heard = talk.ask("fetch\n");
        let fetched = format!("fetching\n{}DONE\n", lines(&[1, 2, 3, 4, 5]));
        let online = format!("foobar\n{}DONE\n", lines(&[6]));
        assert_eq!(heard, format!("{fetched}{online}fetching\nDONE\n"));
    }
}

#[test]
fn push_at_return_completes_an_answer() {
    for (count, slice_messages) in [(3, 2), (3, 10), (7, 2), (7, 10)] {
        let mut talk = Talk::logged_in();
        talk.ask("push ack\n");
        for number in 1..=count {
            talk.daemon.store_quietly(&number.to_string());
        }
        talk.say("fetch\n");
        talk.serve(usize::MAX);
        assert!(talk.daemon_takes() && talk.daemon_is_heard());
        talk.daemon_dies();
        talk.daemon.slice_messages = slice_messages;
        talk.daemon_returns();
        // The push arrives before the rest can be asked for.
        assert!(talk.daemon_takes() && talk.daemon_is_heard());
        let texts: Vec<u32> = (1..=count).collect();
        let expected = format!("fetching\n{}DONE\n", lines(&texts));
        assert_eq!(talk.ask(""), expected);
        assert_eq!(talk.ask("who\n"), "foobar\nDONE\n");
        talk.daemon.bob_writes("8");
        assert_eq!(talk.ask(""), lines(&[8]));
    }
}

#[test]
fn slow_reader_gets_pushes_once_in_order() {
    for slice_messages in [2, 100] {
        let mut talk = Talk::logged_in();
        talk.ask("push on\n");
        talk.is_reading = false;
        for number in 1..=40 {
            talk.daemon.bob_writes(&number.to_string());
            talk.settle();
        }
        for number in 41..=50 {
            talk.daemon.store_quietly(&number.to_string());
        }
        talk.say("who\n");
        talk.daemon_dies();
        talk.daemon.slice_messages = slice_messages;
        talk.daemon_returns();
        talk.settle();
        talk.is_reading = true;
        let heard = talk.ask("");
        let (messages, answers): (Vec<_>, Vec<_>) = heard
            .split_inclusive('\n')
            .partition(|line| line.starts_with(TIME));
        assert_eq!(messages.concat(), lines(&(1..=50).collect::<Vec<_>>()));
        assert_eq!(answers.concat(), "foobar\nDONE\n");
    }
}

#[test]
fn resume_reports_the_answered_push() {
    for (mode, other) in [("on", "off"), ("off", "on"), ("ack", "off")] {
        let mut talk = Talk::logged_in();
        talk.ask(format!("push {other}\n"));
        // The answer to `push` has come, but stands behind one that is not complete.
        for number in 1..=3 {
            talk.daemon.store_quietly(&number.to_string());
        }
        talk.say(format!("fetch\npush {mode}\n"));
        talk.serve(usize::MAX);
        while talk.daemon_takes() {}
        assert!(talk.daemon_is_heard());
        assert!(talk.daemon_is_heard());
        talk.daemon_dies();
        talk.daemon_returns();
        talk.settle();
        let heard = talk.heard();
        assert!(heard.ends_with(&format!("push:{mode}\nDONE\n")), "{heard}");
        talk.daemon.bob_writes("new");
        let is_pushed = !talk.ask("").is_empty();
        assert_eq!(is_pushed, mode != "off");
    }
}

#[test]
fn unasked_connection_is_not_resumed() {
    let mut talk = Talk::new();
    talk.say("foo");
    talk.serve(usize::MAX);
    assert_eq!(talk.session.resume(), None);
}

#[test]
fn logout_is_asked_again() {
    for has_reached_it in [false, true] {
        let mut talk = Talk::logged_in();
        talk.say("logout\n");
        talk.serve(usize::MAX);
        if has_reached_it {
            assert!(talk.daemon_takes());
        }
        talk.daemon_dies();
        assert!(!talk.session.is_over());
        talk.daemon_returns();
        assert_eq!(talk.ask(""), "goodbye\n");
    }
}

#[test]
fn login_asked_again_is_as_old() {
    let mut talk = Talk::new();
    assert_eq!(talk.ask("foobar\n"), "password\n");
    talk.now_ms = 100;
    talk.asked_ever = Some(Vec::new());
    talk.say("passpass\n");
    talk.serve(usize::MAX);
    talk.daemon_dies();
    talk.now_ms = 800;
    talk.daemon_returns();
    assert_eq!(talk.ask(""), "welcome\nDONE\n");
    let asked = talk.asked_ever.unwrap_or_default();
    let items = asked
        .iter()
        .flat_map(|frame| decode_items::<FromWorker<'_>>(frame));
    let asked_boot_ms = items.filter_map(|item| match item.unwrap() {
        FromWorker::Request(RequestItem {
            request: Request::LogIn { asked_boot_ms, .. },
            ..
        }) => Some(asked_boot_ms),
        _ => None,
    });
    assert_eq!(asked_boot_ms.collect::<Vec<_>>(), [100, 100]);
}

#[test]
fn groups_are_named_after_resumption() {
    let mut talk = Talk::logged_in();
    let names_groups = |talk: &mut Talk| {
        let resumed = talk.session.resume();
        resumed.is_some_and(|resumed| resumed.names_groups)
    };
    assert!(!names_groups(&mut talk));
    assert_eq!(talk.ask("to on\n"), "to:on\nDONE\n");
    assert!(names_groups(&mut talk));
}
