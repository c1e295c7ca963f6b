//! Messages that come by themselves, and what is said when they were shown.

use super::{ASKED, Play};

#[test]
fn what_was_pushed_is_acknowledged_only_after_it_was_shown() {
    let mut play = Play::new(true, true).in_chat();
    play.server_says("[2026-11-22T11:18:31Z] eve: 1")
        .server_says("[2026-11-22T11:18:32Z] eve: 2");
    play.is_asked(ASKED).came_out(&[
        "* [2026-11-22T11:18:31Z] eve: 1",
        "* [2026-11-22T11:18:32Z] eve: 2",
    ]);
    assert!(play.conversation.deadline().is_some());
    play.seconds_pass(2).came_out(&["-> fetch"]);
    // The person goes on typing meanwhile, and what is typed waits for its turn.
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
    play.seconds_pass(50).came_out(&[]);
    assert_eq!(play.conversation.deadline(), None);
}

#[test]
fn a_command_of_the_person_acknowledges_too() {
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
fn a_server_without_push_is_lived_with() {
    let mut play = Play::new(true, true).logging_in();
    play.server_says("welcome").server_says("DONE");
    play.log.clear();
    play.server_says("error:command:push")
        .server_says("DONE")
        .is_asked(ASKED);
    play.came_out(&["* This server does not send messages by itself; an empty line fetches them."]);
}

#[test]
fn a_message_may_come_before_the_answer() {
    let mut play = Play::person().in_chat();
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
