//! A session that is parked and restored at every chance does what one does that never is.

use proptest::collection::vec;
use proptest::prelude::*;

use super::daemon::Frame;
use super::random::{
    Event, World, chat_line, event_or_loss, finish, happen, logged_in_stream, world,
};
use super::talk::{LIMITS, Talk};
use crate::core::session::Session;

fn is_parked(talk: &mut Talk) {
    talk.restored_as = Some(Session::unnamed(LIMITS));
}

/// What the client hears and the daemon is asked, in all.
fn course(world: World, stream: &[u8], events: &[Event], is_parked: bool) -> (Vec<u8>, Vec<Frame>) {
    let mut talk = world.talk();
    talk.asked_ever = Some(Vec::new());
    if is_parked {
        talk.restored_as = Some(Session::unnamed(LIMITS));
    }
    let lines: Vec<&[u8]> = stream.split_inclusive(|byte| *byte == b'\n').collect();
    // Whoever says everything at once never comes to rest.
    let mut events = events.chunks(1 + events.len() / lines.len());
    for (number, line) in lines.into_iter().enumerate() {
        talk.now_ms = 100 * number as u64;
        talk.say(line);
        for event in events.next().into_iter().flatten() {
            happen(&mut talk, *event);
        }
    }
    finish(&mut talk);
    (
        talk.received().to_vec(),
        talk.asked_ever.unwrap_or_default(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn parked_session_behaves_like_any_other(
        world in world(),
        mode in prop::sample::select(&["on", "ack", "off"][..]),
        mut lines in vec(chat_line(), 0..30),
        events in vec(event_or_loss(), 0..400),
    ) {
        lines.insert(lines.len() / 4, format!("push {mode}").into_bytes());
        let stream = logged_in_stream(&lines);
        prop_assert_eq!(
            course(world, &stream, &events, true),
            course(world, &stream, &events, false)
        );
    }
}

#[test]
fn answered_session_is_parked_and_restored() {
    let mut talk = Talk::logged_in();
    is_parked(&mut talk);
    talk.settle();
    assert!(talk.parked_times > 0);
    talk.daemon.store_quietly("hi");
    let heard = talk.ask("fetch\n");
    assert!(heard.ends_with("hi\nDONE\n"), "{heard}");
    talk.observe();
    talk.park();
    let progress = talk.session.progress();
    assert!(talk.session.park().is_some());
    assert!(
        progress.acknowledged > progress.confirmed,
        "seen, but not heard of since"
    );
    talk.ask("who\n");
    let progress = talk.session.progress();
    assert_eq!(progress.acknowledged, progress.confirmed);
}

#[test]
fn busy_session_is_not_parked() {
    let mut talk = Talk::logged_in();
    assert!(talk.session.park().is_some());
    talk.say("wh");
    talk.settle();
    assert_eq!(talk.session.park(), None);
    talk.say("o\n");
    talk.serve(usize::MAX);
    assert_eq!(talk.session.park(), None);
    talk.settle();
    assert!(talk.session.park().is_some());
    assert_eq!(Talk::new().session.park(), None, "not logged in");
}
