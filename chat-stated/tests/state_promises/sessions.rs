//! Who is logged in, where, and for how long.

use chat_model::{Outcome, WorkerSessionId};
use chat_stated::entry::{Action, Entry};
use chat_stated::state::WrittenNames;

use super::world::{ELSEWHERE, HERE, SENT, World, connection, register_action};

#[test]
fn who_is_logged_in_anywhere_is_connected() {
    let mut world = World::with_online(&["ann"]);
    world.begin_worker_session();
    let action = world.log_in_action("ann", ELSEWHERE);
    let decision = world.request_at((2, 0, 10), 0, action);
    assert_eq!(decision, Some(Outcome::AlreadyLoggedIn));
    world.log_out(0);
    assert_eq!(world.look_up("ann"), Outcome::PasswordNeeded);
}

#[test]
fn connection_has_one_session_at_most() {
    let mut world = World::with_online(&["ann"]);
    world.set_account("bob", "bob");
    assert_eq!(world.log_in(0, "bob"), Outcome::Refused);
    assert_eq!(world.fail(0, "bob", HERE), Outcome::Refused);
    assert_eq!(world.request(0, register_action("cy")), Outcome::Refused);
    assert_eq!(world.online(), "ann");
}

#[test]
fn nobody_acts_without_session() {
    let mut world = World::with_accounts(&["ann"]);
    assert_eq!(world.send(1, &["ann"], "hello"), Outcome::Refused);
    assert_eq!(world.broadcast(1, "hello"), Outcome::Refused);
    assert_eq!(world.request(1, Action::LogOut), Outcome::Refused);
    world.progress(1, 5, 5);
    assert!(world.queue("ann").is_empty());
}

#[test]
fn worker_session_end_logs_out_users() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.set_account("cy", "cy");
    world.begin_worker_session();
    let action = world.log_in_action("cy", HERE);
    assert_eq!(
        world.request_at((2, 0, 10), 0, action),
        Some(Outcome::LoggedIn)
    );
    world.apply(Entry::EndWorkerSession {
        worker_session: WorkerSessionId(1),
    });
    assert_eq!(world.online(), "cy");
    assert_eq!(world.state.connections(WorkerSessionId(1)).count(), 0);
    assert!(world.state.worker_session(WorkerSessionId(1)).is_none());
}

#[test]
fn ended_worker_session_cannot_act() {
    let mut world = World::with_online(&["ann"]);
    world.send(0, &["ann"], "kept");
    world.apply(Entry::EndWorkerSession {
        worker_session: WorkerSessionId(1),
    });
    world.restart();
    let action = world.log_in_action("ann", HERE);
    assert_eq!(world.request_at((1, 5, 1_000), 0, action), None);
    world.progress(0, 1, 1);
    world.close(0);
    assert_eq!(world.queue("ann"), ["kept"]);
    assert_eq!(world.online(), "");
    world.begin_worker_session();
    assert_eq!(
        world.last_effects.worker_sessions_begun,
        [(WorkerSessionId(2), [9; 16])]
    );
}

#[test]
fn close_logs_out_and_forgets() {
    let mut world = World::with_online(&["ann"]);
    world.close(0);
    assert_eq!(world.look_up("ann"), Outcome::PasswordNeeded);
    assert!(!world.state.knows(connection(1, 0)));
}

#[test]
fn sessions_outlive_process() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.restart();
    assert_eq!(world.online(), "ann bob");
    assert_eq!(world.look_up("ann"), Outcome::AlreadyLoggedIn);
    assert_eq!(world.send(0, &["bob"], "hello"), SENT);
}

#[test]
fn users_online_are_sorted() {
    let world = World::with_online(&["cy", "ann", "bob"]);
    assert_eq!(world.online(), "ann bob cy");
    assert_eq!(world.last_minutes(0), "ann bob cy");
}

#[test]
fn last_counts_from_end_of_session() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.set_account("never", "never");
    world.pass_ms(600_000);
    world.log_out(0);
    world.pass_ms(120_000);
    assert_eq!(world.last_minutes(1), "bob");
    assert_eq!(world.last_minutes(2), "ann bob");
    assert_eq!(world.last_minutes(u64::MAX), "ann bob");
    world.restart();
    world.pass_ms(1);
    assert_eq!(world.last_minutes(2), "bob");
    assert_eq!(world.last_minutes(3), "ann bob");
    assert_eq!(world.log_in(5, "ann"), Outcome::LoggedIn);
    assert_eq!(world.last_minutes(0), "ann bob");
}

#[test]
fn list_in_pieces_has_all_who_stayed() {
    let names: Vec<String> = (0..100).map(|number| format!("u{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Every other one has left.
    let world = || {
        let mut world = World::with_online(&names);
        world.pass_ms(60_000);
        for serial in (0..100).step_by(2) {
            world.log_out(serial);
        }
        world.pass_ms(60_000);
        world
    };
    let mut world_at_rest = world();
    assert_eq!(world_at_rest.last_minutes(5), names.join(" "));
    world_at_rest.pass_ms(600_000);
    for (minutes, are_gone_shown) in [(Some(20), true), (Some(5), false), (None, false)] {
        for steps in [1, 7, 60] {
            let mut world = world();
            world.pass_ms(600_000);
            let since = world.state.listed_since(minutes, &world.timestamp);
            let mut list = world.state.begin_user_list(since);
            let mut written = WrittenNames::default();
            let mut step = 0;
            while !list.gather(&world.state, &mut 12) {
                step += 1;
                world.pass_ms(1);
                match step {
                    // One who is online leaves before his turn, one after it, and one comes back.
                    _ if step == steps => world.log_out(99),
                    _ if step == steps + 1 => world.log_out(1),
                    _ if step == steps + 2 => {
                        assert_eq!(world.log_in(200, "u000"), Outcome::LoggedIn)
                    }
                    _ => {}
                }
            }
            while !list.write(since, &mut written, &mut 9) {}
            let expected = |name: &str| match name {
                "u000" | "u099" | "u001" => None,
                _ => Some(name[1..].parse::<u32>().unwrap() % 2 == 1 || are_gone_shown),
            };
            let shown: Vec<&str> = written.names.iter().collect();
            assert!(shown.is_sorted());
            for name in &names {
                if let Some(expected) = expected(name) {
                    assert_eq!(shown.contains(name), expected, "{name} {minutes:?}");
                } else if minutes.is_some() {
                    let is_shown = shown.contains(name);
                    assert!(is_shown || *name == "u000", "{name} was there all the time");
                }
            }
            while !list.clear(&mut 10) {}
        }
    }
}
