//! When messages are sent, acknowledged and confirmed, what is pushed when, and how much a client may leave unread.

use chat_model::{MessageNumber, Progress};

use super::talk::{TIME, Talk};
use crate::core::session::Ending;
use crate::core::session::delivery::HEALTHY_MS;

fn progress(sent: u64, acknowledged: u64, confirmed: u64) -> Progress {
    Progress {
        sent: MessageNumber(sent),
        acknowledged: MessageNumber(acknowledged),
        confirmed: MessageNumber(confirmed),
    }
}

#[test]
fn message_is_sent_acknowledged_confirmed() {
    let mut talk = Talk::logged_in();
    talk.daemon.bob_writes("hi");
    talk.is_reading = false;
    talk.ask("fetch\n");
    assert_eq!(talk.session.progress(), progress(0, 0, 0));
    let message_end = "fetching\n".len() + TIME.len() + " bob: hi\n".len();
    talk.write_some(message_end - 1);
    talk.observe();
    assert_eq!(talk.session.progress(), progress(0, 0, 0));
    talk.write_some(1);
    assert_eq!(talk.session.progress(), progress(1, 0, 0));
    talk.observe();
    assert_eq!(talk.session.progress(), progress(1, 1, 0));
    talk.say("who");
    talk.serve(usize::MAX);
    assert_eq!(talk.session.progress(), progress(1, 1, 0));
    talk.say("\n");
    talk.serve(usize::MAX);
    assert_eq!(talk.session.progress(), progress(1, 1, 1));
    assert!(talk.daemon_takes());
    assert_eq!(talk.daemon.progress, progress(1, 1, 1));
    assert_eq!(talk.daemon.queue("foobar"), []);
}

/// A client with a message that is sent and acknowledged, in the answer to a `fetch`.
fn with_a_message() -> Talk {
    let mut talk = Talk::logged_in();
    talk.daemon.bob_writes("hi");
    talk.ask("fetch\n");
    talk.observe();
    assert_eq!(talk.session.progress(), progress(1, 1, 0));
    talk
}

#[test]
fn earlier_lines_confirm_nothing() {
    let mut talk = Talk::logged_in();
    talk.daemon.bob_writes("hi");
    talk.is_reading = false;
    talk.ask("fetch\n");
    talk.write_some(usize::MAX);
    talk.say("not read yet when it was looked\n");
    talk.observe();
    talk.serve(usize::MAX);
    assert_eq!(talk.session.progress(), progress(1, 1, 0));
    talk.say("x\n");
    talk.serve(usize::MAX);
    assert_eq!(talk.session.progress(), progress(1, 1, 1));
}

#[test]
fn only_a_whole_line_confirms() {
    let mut talk = with_a_message();
    talk.ask("w");
    assert_eq!(talk.session.progress(), progress(1, 1, 0));
    talk.ask("ho");
    assert_eq!(talk.session.progress(), progress(1, 1, 0));
    talk.ask("\nfet");
    assert_eq!(talk.session.progress(), progress(1, 1, 1));
}

#[test]
fn end_of_a_line_counts() {
    let mut talk = Talk::logged_in();
    talk.daemon.bob_writes("hi");
    talk.is_reading = false;
    talk.ask("fetch\nwho");
    talk.write_some(usize::MAX);
    talk.observe();
    talk.ask(" is");
    assert_eq!(talk.session.progress(), progress(1, 1, 0));
    talk.ask(" there\n");
    assert_eq!(talk.session.progress(), progress(1, 1, 1));
}

/// How far its reader was, as the daemon was told, when the session was over.
fn had_at_the_end(mut talk: Talk) -> u64 {
    talk.settle();
    assert!(talk.session.is_over());
    assert!(!talk.daemon.is_online("foobar"));
    talk.daemon.progress.confirmed.0
}

#[test]
fn the_end_of_a_connection_confirms_nothing() {
    let mut talk = with_a_message();
    talk.finish();
    assert_eq!(had_at_the_end(talk), 0, "a FIN");
    let mut talk = with_a_message();
    talk.say("who");
    talk.finish();
    assert_eq!(had_at_the_end(talk), 0, "half a line and a FIN");
    let mut talk = with_a_message();
    talk.session.begin_ending(Ending::TimeOut);
    assert_eq!(had_at_the_end(talk), 0, "a time-out");
    let mut talk = with_a_message();
    talk.session.end_input();
    assert_eq!(had_at_the_end(talk), 0, "the worker stops");
}

#[test]
fn lines_before_fin_confirm() {
    let mut talk = with_a_message();
    talk.say("who\nwho");
    talk.finish();
    assert_eq!(had_at_the_end(talk), 1);
}

#[test]
fn logout_sent_ahead_confirms() {
    for said in ["fetch\nlogout\n", "fetch\nlogout\nwho\n"] {
        let mut talk = Talk::logged_in();
        talk.daemon.bob_writes("hi");
        talk.say(said);
        assert_eq!(had_at_the_end(talk), 1);
    }
    let mut talk = with_a_message();
    talk.say("logout");
    talk.finish();
    assert_eq!(had_at_the_end(talk), 0, "half a logout");
}

#[test]
fn healthy_second_counts_only_without_fin() {
    for is_read in [false, true] {
        let mut talk = Talk::logged_in();
        talk.ask("push on\n");
        talk.daemon.bob_writes("hi");
        talk.ask("");
        talk.observe();
        assert!(talk.session.counts_silence());
        if is_read {
            talk.finish();
            talk.serve(usize::MAX);
        } else {
            // It has come, and was not read.
            talk.finish();
            talk.observe();
        }
        assert!(!talk.session.counts_silence());
        talk.now_ms += HEALTHY_MS;
        talk.observe();
        assert_eq!(talk.session.progress(), progress(1, 1, 0));
        assert_eq!(had_at_the_end(talk), 0);
    }
}

/// A second after a message was acknowledged, as the worker does it.
fn a_second_later(mode: &str) -> Progress {
    let mut talk = Talk::logged_in();
    talk.ask(format!("push {mode}\n"));
    talk.daemon.bob_writes("hi");
    talk.ask(if mode == "off" { "fetch\n" } else { "" });
    talk.observe();
    if talk.session.counts_silence() {
        let healthy_at_ms = talk.session.delivery.healthy_at_ms();
        assert_eq!(healthy_at_ms, Some(talk.now_ms + HEALTHY_MS));
        talk.now_ms += HEALTHY_MS;
        talk.observe();
    }
    talk.session.progress()
}

#[test]
fn healthy_second_needs_push_on() {
    assert_eq!(a_second_later("on"), progress(1, 1, 1));
    assert_eq!(a_second_later("ack"), progress(1, 1, 0));
    assert_eq!(a_second_later("off"), progress(1, 1, 0));
}

#[test]
fn push_applies_from_its_answer() {
    for mode in ["on", "ack"] {
        let mut talk = Talk::logged_in();
        talk.say(format!("push {mode}\n"));
        talk.serve(usize::MAX);
        assert!(!talk.session.counts_silence());
        talk.settle();
        assert_eq!(talk.session.counts_silence(), mode == "on");
        talk.daemon.bob_writes("hi");
        talk.settle();
        assert_eq!(talk.heard(), format!("push:{mode}\nDONE\n{TIME} bob: hi\n"));
        assert_eq!(talk.ask("who\n"), "foobar\nDONE\n");
        assert_eq!(talk.ask("push off\n"), "push:off\nDONE\n");
        talk.daemon.bob_writes("later");
        assert_eq!(talk.ask(""), "");
        assert_eq!(
            talk.ask("fetch\n"),
            format!("fetching\n{TIME} bob: later\nDONE\n")
        );
    }
}

#[test]
fn ids_apply_from_their_answer() {
    let mut talk = Talk::logged_in();
    for text in ["1", "2", "3", "4", "5"] {
        talk.daemon.bob_writes(text);
    }
    // The fetch is not complete when `ids on` is answered by the daemon: its pages bear no numbers.
    let heard = talk.ask("fetch\nids on\n");
    let plain: String = (1..=5).map(|n| format!("{TIME} bob: {n}\n")).collect();
    assert_eq!(heard, format!("fetching\n{plain}DONE\nids:on\nDONE\n"));
    talk.daemon.bob_writes("6");
    assert_eq!(
        talk.ask("ids off\n"),
        format!("ids:off\n{TIME} bob: 6\nDONE\n")
    );
    talk.daemon.bob_writes("7");
    assert_eq!(
        talk.ask("ids on\n"),
        format!("ids:on\n{TIME} #7 bob: 7\nDONE\n")
    );
}

#[test]
fn pushes_come_between_answers_in_order() {
    let mut talk = Talk::logged_in();
    talk.ask("push on\n");
    talk.say("who\nfetch\n");
    talk.serve(usize::MAX);
    talk.daemon.bob_writes("1");
    talk.settle();
    talk.daemon.bob_writes("2");
    talk.settle();
    let line = |text: &str| format!("{TIME} bob: {text}\n");
    assert_eq!(
        talk.heard(),
        format!("{}foobar\nDONE\nfetching\nDONE\n{}", line("1"), line("2"))
    );
}

#[test]
fn long_push_is_fetched_in_pages() {
    let mut talk = Talk::logged_in();
    talk.ask("push on\n");
    for number in 1..=7 {
        talk.daemon.store_quietly(&number.to_string());
    }
    talk.daemon.bob_writes("8");
    // More comes while the rest is asked for, and a line is answered meanwhile.
    talk.say("who\n");
    talk.serve(usize::MAX);
    talk.daemon.bob_writes("9");
    talk.settle();
    let heard = talk.heard();
    let messages: Vec<&str> = heard.lines().filter(|line| line.starts_with('[')).collect();
    let expected: Vec<String> = (1..=9).map(|n| format!("{TIME} bob: {n}")).collect();
    assert_eq!(messages, expected);
    let answers: Vec<&str> = heard
        .lines()
        .filter(|line| !line.starts_with('['))
        .collect();
    assert_eq!(answers, ["foobar", "DONE"]);
}

#[test]
fn slow_reader_has_no_lines_taken() {
    let mut talk = Talk::logged_in();
    talk.is_reading = false;
    let lines = 1_000;
    for _ in 0..lines {
        talk.say("who\n");
    }
    for _ in 0..100 {
        // Sixteen bytes at a time: four lines.
        talk.serve(16);
        while talk.daemon_takes() || talk.daemon_is_heard() {}
    }
    assert!(!talk.session.wants_input());
    let pending = talk.session.output.pending().len();
    assert!((512..1_024).contains(&pending), "{pending}");
    assert!(talk.unread_bytes() > 3_000, "{}", talk.unread_bytes());
    talk.is_reading = true;
    talk.settle();
    assert_eq!(talk.heard(), "foobar\nDONE\n".repeat(lines));
    assert!(talk.session.wants_input());
}

#[test]
fn slow_reader_causes_no_more_pages() {
    let mut talk = Talk::logged_in();
    for number in 1..=200 {
        talk.daemon.bob_writes(&number.to_string());
    }
    talk.is_reading = false;
    talk.say("fetch\n");
    talk.settle();
    let pending = talk.session.output.pending().len();
    assert!((512..1_024).contains(&pending), "{pending}");
    talk.is_reading = true;
    talk.settle();
    assert_eq!(talk.heard().lines().count(), 202);
}

#[test]
fn answered_login_is_not_ahead_of_prompt() {
    let mut talk = Talk::new();
    for _ in 0..200 {
        talk.daemon.bob_writes(&"x".repeat(1_000));
    }
    talk.session.received(b"foobar\npasspass\n", 0);
    loop {
        talk.session.advance(&mut talk.shared, 0);
        talk.request();
        if !talk.daemon_takes() || !talk.daemon_is_heard() {
            break;
        }
    }
    // The client has read nothing yet, so not all that waits for it was taken. What it was sent must not wait for that.
    assert!(
        !talk.session.pipeline.is_empty(),
        "the answer is not complete"
    );
    assert!(!talk.session.is_ahead_of_prompt());
}
