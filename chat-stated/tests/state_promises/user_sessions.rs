//! Several sessions of one user.

use chat_model::{Outcome, SessionName, UserSession};
use chat_stated::entry::{Action, Entry, SessionLimits};
use chat_stated::state::{QueueState, QuotaLimit};

use super::world::{HERE, SENT, World, connection};

const DAY_MS: u64 = 86_400_000;

fn drop_session(name: &str) -> Action {
    let name = SessionName::parse(name).expect("a name");
    let session = UserSession::Named(name);
    Action::DropSession { session }
}

const DROP_PLAIN: Action = Action::DropSession {
    session: UserSession::Plain,
};

/// `bob` sends on connection 9; `ann` is logged in on 0 and `ann/phone` on 1.
fn ann_twice() -> World {
    let mut world = World::with_accounts(&["ann", "bob"]);
    assert_eq!(world.log_in(9, "bob"), Outcome::LoggedIn);
    assert_eq!(world.log_in(0, "ann"), Outcome::LoggedIn);
    assert_eq!(world.log_in(1, "ann/phone"), Outcome::LoggedIn);
    world
}

fn waiting(world: &World, name: &str) -> QueueState {
    let id = world.id(name);
    world.state.accounts_page(id.0).rows[0].queue
}

#[test]
fn each_session_gets_every_message_once() {
    let mut world = ann_twice();
    assert_eq!(world.send(9, &["ann"], "one"), SENT);
    assert_eq!(world.broadcast(9, "two"), SENT);
    world.progress(0, 2, 2);
    assert_eq!(world.queue("ann"), [""; 0]);
    assert_eq!(world.queue("ann/phone"), ["one", "two"]);
    assert_eq!(world.state.waiting_messages(), 2);
    world.restart();
    assert_eq!(world.queue("ann"), [""; 0]);
    assert_eq!(world.queue("ann/phone"), ["one", "two"]);
    world.progress(1, 2, 1);
    assert_eq!(world.queue("ann/phone"), ["two"]);
    world.progress(1, 2, 2);
    assert_eq!(world.state.waiting_messages(), 0);
    assert_eq!(world.state.waiting_bytes(), 0);
}

#[test]
fn first_session_gets_what_waited() {
    let mut world = World::with_online(&["bob"]);
    world.set_account("ann", "ann");
    assert_eq!(world.send(0, &["ann"], "before"), SENT);
    assert_eq!(world.log_in(1, "ann/phone"), Outcome::LoggedIn);
    assert_eq!(world.queue("ann/phone"), ["before"]);
    assert_eq!(world.log_in(2, "ann"), Outcome::LoggedIn);
    assert_eq!(world.queue("ann"), [""; 0], "it begins with what comes");
    assert_eq!(world.send(0, &["ann"], "after"), SENT);
    assert_eq!(world.queue("ann"), ["after"]);
    assert_eq!(world.queue("ann/phone"), ["before", "after"]);
}

#[test]
fn named_session_takes_over() {
    let mut world = ann_twice();
    assert_eq!(world.send(9, &["ann"], "one"), SENT);
    world.progress(1, 1, 0);
    assert_eq!(world.look_up("ann"), Outcome::AlreadyLoggedIn);
    assert_eq!(world.look_up("ann/phone"), Outcome::PasswordNeeded);
    assert_eq!(world.log_in(2, "ann/phone"), Outcome::LoggedIn);
    assert_eq!(world.last_effects.replaced, [connection(1, 1)]);
    assert!(world.state.was_replaced(connection(1, 1)));
    world.restart();
    assert!(world.state.was_replaced(connection(1, 1)));
    // What the older connection says comes too late.
    world.progress(1, 1, 1);
    assert_eq!(world.queue("ann/phone"), ["one"]);
    assert_eq!(world.send(1, &["bob"], "no"), Outcome::Refused);
    world.close(1);
    assert_eq!(world.online(), "ann bob");
    world.progress(2, 1, 1);
    assert_eq!(world.queue("ann/phone"), [""; 0]);
}

#[test]
fn older_login_does_not_take_over() {
    let mut world = ann_twice();
    let boot_ms = world.timestamp.boot_ms;
    let asked_at = |world: &World, boot_ms| {
        let mut action = world.log_in_action("ann/phone", HERE);
        if let Action::LogIn { asked_boot_ms, .. } = &mut action {
            *asked_boot_ms = Some(boot_ms);
        }
        action
    };
    world.pass_ms(1_000);
    let newer = asked_at(&world, boot_ms + 700);
    assert_eq!(world.request(2, newer), Outcome::LoggedIn);
    world.restart();
    world.pass_ms(1_000);
    let older = asked_at(&world, boot_ms + 699);
    assert_eq!(world.request(3, older), Outcome::Refused);
    assert!(world.state.was_replaced(connection(1, 3)));
    assert!(world.last_effects.replaced.is_empty());
    assert_eq!(world.send(2, &["bob"], "still here"), SENT);
    let newest = asked_at(&world, boot_ms + 701);
    assert_eq!(world.request(4, newest), Outcome::LoggedIn);
    assert_eq!(world.last_effects.replaced, [connection(1, 2)]);
}

#[test]
fn user_is_online_with_any_session() {
    let mut world = ann_twice();
    world.log_out(0);
    assert_eq!(world.online(), "ann bob");
    assert_eq!(world.look_up("ann"), Outcome::PasswordNeeded);
    world.log_out(1);
    assert_eq!(world.online(), "bob");
    assert_eq!(world.state.session_count(), 1);
}

#[test]
fn received_by_all_counts_no_longer() {
    let mut world = ann_twice();
    assert_eq!(world.send(9, &["ann"], "12345"), SENT);
    world.progress(0, 1, 1);
    assert_eq!(waiting(&world, "ann").bytes, 5);
    world.progress(1, 1, 0);
    assert_eq!(waiting(&world, "ann").bytes, 0);
    world.log_out(1);
    assert_eq!(waiting(&world, "ann").bytes, 5, "it is not confirmed");
}

#[test]
fn send_only_session_gets_nothing() {
    let mut world = World::with_online(&["bob"]);
    world.set_account("ann", "ann");
    for serial in 1..4 {
        assert_eq!(world.log_in(serial, "ann/-"), Outcome::LoggedIn);
        assert_eq!(world.send(serial, &["bob"], "hello"), SENT);
    }
    assert_eq!(world.send(0, &["ann"], "one"), SENT);
    assert_eq!(world.state.reader_on(connection(1, 1)), None);
    assert_eq!(world.online(), "bob");
    world.progress(1, 9, 9);
    world.restart();
    assert_eq!(world.log_in(5, "ann"), Outcome::LoggedIn);
    assert_eq!(world.queue("ann"), ["one"]);
    world.disable("ann");
    let ended = [5, 1, 2, 3].map(|serial| connection(1, serial));
    assert_eq!(world.last_effects.cut_off, ended);
    assert_eq!(world.send(2, &["bob"], "no"), Outcome::Refused);
}

#[test]
fn dropped_session_gives_up_its_messages() {
    let mut world = ann_twice();
    world.log_out(1);
    assert_eq!(world.send(9, &["ann"], "one"), SENT);
    world.progress(0, 1, 1);
    let dropped = Outcome::SessionDropped;
    assert_eq!(world.request(0, drop_session("phone")), dropped);
    assert_eq!(world.state.waiting_messages(), 0);
    assert_eq!(world.request(0, drop_session("phone")), Outcome::NotFound);
    assert_eq!(world.request(0, DROP_PLAIN), Outcome::Denied);
    assert_eq!(world.log_in(1, "ann/phone"), Outcome::LoggedIn);
    assert_eq!(world.request(1, drop_session("phone")), Outcome::Denied);
    let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let sessions = world.state.sessions_of(world.id("ann"));
    assert_eq!(sessions, (names(&["ann", "ann/phone"]), Vec::new()));
}

#[test]
fn unused_place_is_given_up() {
    let mut world = ann_twice();
    world.apply(Entry::LimitSessions(SessionLimits {
        unused_ms: 10 * DAY_MS,
    }));
    world.log_out(0);
    world.pass_ms(DAY_MS);
    world.log_out(1);
    assert_eq!(world.send(9, &["ann"], "one"), SENT);
    world.pass_ms(9 * DAY_MS - 1);
    assert_eq!(world.queue("ann"), ["one"]);
    world.restart();
    world.pass_ms(1);
    let readers = world.state.readers(world.id("ann"));
    assert_eq!(readers.count(), 1, "the older one is given up");
    assert_eq!(world.queue("ann/phone"), ["one"]);
    world.pass_ms(1_000 * DAY_MS);
    assert_eq!(world.queue("ann/phone"), ["one"], "the last one stays");
    world.progress(1, 1, 1);
}

#[test]
fn named_sessions_are_limited() {
    let mut world = World::with_accounts(&["ann"]);
    for serial in 0..16 {
        let name = format!("ann/s{serial}");
        assert_eq!(world.log_in(serial, &name), Outcome::LoggedIn);
    }
    assert_eq!(world.look_up("ann/s16"), Outcome::NameUnavailable);
    assert_eq!(world.log_in(16, "ann/s16"), Outcome::NameUnavailable);
    let exceeded = world.last_effects.decided[0].exceeded;
    let limit = exceeded.map(|exceeded| exceeded.limit);
    assert_eq!(limit, Some(QuotaLimit::NamedSessions));
    assert_eq!(world.log_in(16, "ann"), Outcome::LoggedIn, "the plain one");
    assert_eq!(world.look_up("ann/s7"), Outcome::PasswordNeeded);
    world.log_out(3);
    assert_eq!(
        world.request(16, drop_session("s3")),
        Outcome::SessionDropped
    );
    assert_eq!(world.log_in(17, "ann/s16"), Outcome::LoggedIn);
    world.restart();
    assert_eq!(world.state.readers(world.id("ann")).count(), 17);
}

#[test]
fn account_with_slash_wins() {
    let mut world = World::with_accounts(&["ann", "ann/phone"]);
    assert_eq!(world.log_in(0, "ann/phone"), Outcome::LoggedIn);
    assert_eq!(world.online(), "ann/phone");
    assert_eq!(world.look_up("ann/phone"), Outcome::AlreadyLoggedIn);
    assert_eq!(world.look_up("ann/phone/a"), Outcome::PasswordNeeded);
    assert_eq!(world.look_up("nobody/a"), Outcome::NameUnavailable);
    assert_eq!(world.look_up("ann/A"), Outcome::NameUnavailable);
}
