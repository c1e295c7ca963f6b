//! Messages that are sent, and what becomes of them.

use std::time::Duration;

use super::Run;
use crate::screen::model::request::Delivery;
use crate::screen::model::{Action, Input};

const LONG: Duration = Duration::from_secs(40);

fn deliveries(run: &Run) -> Vec<Delivery> {
    let entries = run.model.transcripts.current().entries.iter();
    entries.map(|entry| entry.delivery.clone()).collect()
}

/// A conversation with ann, without history.
fn with_ann() -> Run {
    let mut run = Run::logged_in();
    run.press("/query ann\r");
    run.answer("history ann 50", "error:denied:history");
    run
}

#[test]
fn plain_text_goes_to_current_conversation() {
    let mut run = with_ann();
    run.press("hi  there \r");
    assert_eq!(deliveries(&run), [Delivery::Waiting]);
    run.answer("once abc-1 send ann hi  there ", "sent:");
    assert_eq!(deliveries(&run), [Delivery::Stored]);
}

#[test]
fn command_typed_over_help_keeps_slash() {
    let mut run = with_ann();
    run.press("/help\r");
    assert!(run.model.help.is_some());
    run.press("/msg eve psst\r");
    assert!(run.model.help.is_none());
    assert_eq!(run.sent(), ["once abc-1 send eve psst"]);
}

#[test]
fn messages_wait_for_each_other() {
    let mut run = with_ann();
    for text in ["a\r", "b\r", "c\r"] {
        run.press(text);
    }
    for (id, text) in [(1, "a"), (2, "b"), (3, "c")] {
        run.answer(&format!("once abc-{id} send ann {text}"), "sent:");
    }
    assert!(run.sent().is_empty());
}

#[test]
fn message_without_answer_is_sent_again() {
    let mut run = with_ann();
    run.press("a\r");
    run.press("b\r");
    assert_eq!(run.sent(), ["once abc-1 send ann a"]);
    run.give(Input::Lost(None));
    run.press("c\r");
    run.wait(LONG);
    run.give(Input::Connected);
    run.hear("password");
    run.sent();
    run.hear("welcome");
    run.hear("DONE");
    for (line, answer) in super::SET_UP {
        run.answer(line, answer);
    }
    for (id, text) in [(1, "a"), (2, "b"), (3, "c")] {
        run.answer(&format!("once abc-{id} send ann {text}"), "sent:");
    }
    let stored = deliveries(&run)
        .iter()
        .filter(|delivery| **delivery == Delivery::Stored)
        .count();
    assert_eq!(stored, deliveries(&run).len());
}

#[test]
fn refused_message_says_why() {
    let mut run = with_ann();
    run.press("hi\r");
    run.answer("once abc-1 send ann hi", "send:ann");
    assert_eq!(
        deliveries(&run),
        [Delivery::Refused("Not sent: there is no user ann.".into())]
    );
    run.press("hi\r");
    run.answer("once abc-2 send ann hi", "error:quota:send");
    assert!(matches!(&deliveries(&run)[1], Delivery::Refused(why) if why.contains("queue")));
}

#[test]
fn group_tells_who_did_not_get_it() {
    let mut run = Run::logged_in();
    run.press("/msg (ann nemo) hi\r");
    run.answer("once abc-1 send (ann nemo) hi", "send:nemo");
    assert_eq!(run.current(), "ann+nemo");
    assert_eq!(
        deliveries(&run),
        [Delivery::StoredExcept(vec!["nemo".into()])]
    );
}

#[test]
fn busy_server_is_asked_again() {
    let mut run = with_ann();
    run.press("hi\r");
    run.answer("once abc-1 send ann hi", "error:busy:send");
    assert!(run.sent().is_empty());
    run.wait(Duration::from_secs(2));
    run.answer("once abc-1 send ann hi", "sent:");
    assert_eq!(deliveries(&run), [Delivery::Stored]);
}

#[test]
fn long_message_stays_in_composer() {
    let mut run = with_ann();
    let text = "x".repeat(8_200);
    run.press(&text);
    run.press("\r");
    assert!(run.sent().is_empty());
    assert_eq!(run.model.composer.text(), text);
    assert!(
        run.model
            .hint
            .as_ref()
            .is_some_and(|hint| hint.contains("bytes too long"))
    );
}

#[test]
fn text_for_nobody_is_kept() {
    let mut run = Run::logged_in();
    run.press("hi\r");
    assert!(run.sent().is_empty());
    assert_eq!(run.model.composer.text(), "hi");
}

#[test]
fn leaving_with_unsent_messages_asks_once() {
    let mut run = with_ann();
    run.give(Input::Lost(None));
    run.press("hi\r");
    run.actions.clear();
    run.press("/quit\r");
    assert!(run.actions.is_empty());
    assert!(
        run.model
            .hint
            .as_ref()
            .is_some_and(|hint| hint.starts_with("1 not sent"))
    );
    run.press("/quit\r");
    assert!(
        matches!(run.actions.last(), Some(Action::End(..))),
        "{:?}",
        run.actions
    );
    assert_eq!(run.model.unsent(), ["send ann hi"]);
}

#[test]
fn several_lines_are_one_message() {
    let mut run = with_ann();
    run.press("a\x1b\rb\r");
    assert_eq!(run.sent(), ["once abc-1 send ann a\u{2028}b"]);
}

#[test]
fn broadcast_goes_to_everyone() {
    let mut run = Run::logged_in();
    run.press("\x1b2");
    run.answer("who", "ann bob");
    run.press("tea is ready\r");
    run.answer("once abc-1 broadcast tea is ready", "sent:");
    assert_eq!(deliveries(&run), [Delivery::Stored]);
}
