//! Requests that are sent again.

use chat_model::Outcome;
use chat_stated::entry::Action;
use chat_stated::state::MAX_REQUESTS_IN_FLIGHT;

use super::world::{SENT, World, register_action, send_action, sent_but_for};

#[test]
fn repeated_request_changes_nothing() {
    let mut world = World::with_online(&["ann", "bob"]);
    let line = (1, 0, 1_000);
    let names = ["bob", "zoe"];
    let first = world.request_at(line, 0, send_action(&names, "once"));
    assert_eq!(first, Some(sent_but_for(&["zoe"])));
    world.set_account("zoe", "zoe");
    world.restart();
    let again = world.request_at(line, 0, send_action(&names, "once"));
    assert_eq!(again, first);
    assert_eq!(world.queue("bob"), ["once"]);
    assert_eq!(world.queue("zoe"), [""; 0]);
    assert!(world.last_effects.reached.is_empty());
}

#[test]
fn repeated_logout_is_answered_as_one() {
    let mut world = World::with_online(&["ann"]);
    let line = (1, 0, 1_000);
    let first = world.request_at(line, 0, Action::LogOut);
    assert_eq!(first, Some(Outcome::LoggedOut));
    assert_eq!(world.log_in(1, "ann"), Outcome::LoggedIn);
    let again = world.request_at(line, 0, Action::LogOut);
    assert_eq!(again, first);
    assert_eq!(world.online(), "ann");
}

#[test]
fn confirmed_answer_is_forgotten() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.request_at((1, 0, 1_000), 0, send_action(&["bob"], "1"));
    world.request_at((1, 0, 1_010), 1_000, send_action(&["bob"], "2"));
    let forgotten = world.request_at((1, 0, 1_000), 0, send_action(&["bob"], "1"));
    assert_eq!(forgotten, Some(Outcome::Refused));
    let kept = world.request_at((1, 0, 1_010), 0, send_action(&["bob"], "2"));
    assert_eq!(kept, Some(SENT));
    assert_eq!(world.queue("bob"), ["1", "2"]);
}

#[test]
fn kept_answers_are_bounded() {
    let mut world = World::with_accounts(&["ann"]);
    for offset in 1..=MAX_REQUESTS_IN_FLIGHT as u64 {
        let decision = world.request_at((1, 0, offset), 0, register_action("ann"));
        assert_eq!(decision, Some(Outcome::NameUnavailable));
    }
    let over = world.request_at((1, 0, 2_000), 0, register_action("bob"));
    assert_eq!(over, Some(Outcome::Refused));
    assert!(world.state.account("bob").is_none());
    let next = world.request_at((1, 0, 2_010), 1, register_action("bob"));
    assert_eq!(next, Some(Outcome::Registered));
}
