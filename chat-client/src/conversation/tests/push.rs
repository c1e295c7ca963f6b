//! Messages that come by themselves, and what is said when they were shown.

use super::{ASKED, Play};
use crate::conversation::Input;

#[test]
fn push_is_acknowledged_after_display() {
    let mut play = Play::new(true, true).in_chat();
    play.server_says("[2026-11-22T11:18:31Z] eve: 1")
        .server_says("[2026-11-22T11:18:32Z] eve: 2");
    play.is_asked(ASKED).came_out(&[
        "* [2026-11-22T11:18:31Z] eve: 1",
        "* [2026-11-22T11:18:32Z] eve: 2",
    ]);
    assert!(play.conversation.deadline().is_some());
    play.seconds_pass(2).came_out(&["-> fetch"]);
    // The user continues typing meanwhile, and the line waits.
    play.is_asked(ASKED)
        .person_says("who")
        .is_asked(None)
        .came_out(&[]);
    play.server_says("fetching").came_out(&[]);
    play.server_says("DONE").came_out(&["-> who"]);
    play.server_says("bob")
        .server_says("DONE")
        .is_asked(ASKED)
        .came_out(&["* Online: bob"]);
    // From here on, only to prevent a time-out.
    play.seconds_pass(290).came_out(&[]);
    play.seconds_pass(10).came_out(&["-> fetch"]);
    play.server_says("fetching")
        .server_says("DONE")
        .is_asked(ASKED)
        .came_out(&[]);
    assert!(play.conversation.deadline().is_some());
}

#[test]
fn push_on_is_sent_as_push_ack() {
    let mut play = Play::script().in_chat();
    play.person_says(" push  on ").came_out(&["-> push ack"]);
    play.server_says("push:ack").server_says("DONE");
    play.log.clear();
    play.server_says("[2026-11-22T11:18:31Z] eve: 1")
        .seconds_pass(1)
        .came_out(&["* [2026-11-22T11:18:31Z] eve: 1", "-> fetch"]);
    play.server_says("fetching").server_says("DONE");
    // A script keeps itself alive, or means to be timed out.
    play.seconds_pass(1000).came_out(&[]);
}

#[test]
fn leaving_turns_push_off_first() {
    // `logout` confirms what comes before `goodbye`, shown or not: so nothing may come there.
    let mut play = Play::new(true, true).in_chat();
    play.handle(Input::Leave).came_out(&["-> push off"]);
    play.server_says("[2026-11-22T11:18:31Z] eve: 1")
        .server_says("push:off")
        .came_out(&["* [2026-11-22T11:18:31Z] eve: 1"]);
    play.server_says("DONE").came_out(&["-> logout"]);
    play.server_says("goodbye").came_out(&["* Goodbye.", "= 0"]);
    for answer in ["error:busy:push", "what?"] {
        let mut play = Play::new(true, true).in_chat();
        play.person_says("quit").server_says(answer);
        play.log.clear();
        play.server_says("DONE").came_out(&["-> logout"]);
    }
}

#[test]
fn leaving_waits_for_what_is_owed() {
    let mut play = Play::new(true, true).logging_in();
    play.server_says("welcome");
    play.log.clear();
    play.handle(Input::Leave).came_out(&[]);
    play.server_says("DONE").came_out(&["-> logout"]);
    let mut play = Play::interactive().in_chat();
    play.person_says("who")
        .handle(Input::Leave)
        .came_out(&["-> who"]);
    play.server_says("bob").server_says("DONE");
    play.came_out(&["* Online: bob", "-> logout"]);
    // But not for long.
    let mut play = Play::interactive().in_chat();
    play.person_says("who")
        .handle(Input::Leave)
        .seconds_pass(11);
    assert_eq!(play.log.last().expect("an end"), "= 1");
}

#[test]
fn waiting_line_is_sent_or_reported() {
    let waiting = || {
        let mut play = Play::new(true, true).in_chat();
        play.server_says("[2026-11-22T11:18:31Z] eve: 1")
            .seconds_pass(1)
            .person_says("send eve hi");
        play.log.clear();
        play
    };
    let mut play = waiting();
    play.handle(Input::Leave)
        .server_says("fetching")
        .server_says("DONE")
        .came_out(&["-> send eve hi"]);
    play.server_says("sent:").server_says("DONE");
    play.came_out(&["* Sent.", "-> push off"]);
    let mut play = waiting();
    play.handle(Input::ServerClosed(None));
    assert_eq!(
        play.log[1..],
        ["* Not sent: send eve hi".to_owned(), "= 1".to_owned()]
    );
}

#[test]
fn command_of_person_acknowledges_too() {
    let mut play = Play::new(true, true).in_chat();
    play.server_says("[2026-11-22T11:18:31Z] eve: 1")
        .person_says("who");
    play.server_says("bob").server_says("DONE");
    play.log.clear();
    play.seconds_pass(5).came_out(&[]);
    // Without push there is nothing to acknowledge: every message belongs to a command.
    play.person_says("push off")
        .server_says("push:off")
        .server_says("DONE");
    play.person_says("fetch").server_says("fetching");
    play.server_says("[2026-11-22T11:18:31Z] eve: 2")
        .server_says("DONE");
    play.log.clear();
    play.seconds_pass(5).came_out(&[]);
}

#[test]
fn server_without_push_is_lived_with() {
    let mut play = Play::new(true, true).logging_in();
    play.server_says("welcome").server_says("DONE");
    play.log.clear();
    play.server_says("error:command:push")
        .server_says("DONE")
        .is_asked(ASKED);
    play.came_out(&["* This server does not push messages. An empty line fetches them."]);
}

#[test]
fn message_may_come_before_answer() {
    let mut play = Play::interactive().in_chat();
    play.person_says("who")
        .server_says("[2026-11-22T11:18:31Z] eve: hi")
        .server_says("bob");
    play.server_says("DONE").is_asked(ASKED);
    play.came_out(&[
        "-> who",
        "* [2026-11-22T11:18:31Z] eve: hi",
        "* Online: bob",
    ]);
}
