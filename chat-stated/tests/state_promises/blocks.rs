//! Wrong passwords, and the blocks that follow.

use std::net::IpAddr;

use chat_model::{Outcome, WorkerSessionId};
use chat_stated::entry::{Action, Entry, OperatorAct};
use chat_stated::state::OperatorOutcome;

use super::world::{ELSEWHERE, HERE, TEN_YEARS_MS, World};

const LOCKED: Outcome<'static> = Outcome::Locked { seconds_left: 60 };

#[test]
fn third_failure_blocks_over_all_connections() {
    let mut world = World::with_accounts(&["ann"]);
    assert_eq!(world.fail(1, "ann", HERE), Outcome::PasswordNeeded);
    assert_eq!(world.fail(2, "ann", HERE), Outcome::PasswordNeeded);
    assert_eq!(world.look_up("ann"), Outcome::PasswordNeeded);
    assert_eq!(world.fail(3, "ann", HERE), LOCKED);
    assert_eq!(world.look_up("ann"), Outcome::Blocked { seconds_left: 60 });
}

#[test]
fn failures_count_over_worker_sessions_of_workers() {
    let mut world = World::with_accounts(&["ann"]);
    world.fail(1, "ann", HERE);
    world.fail(2, "ann", HERE);
    world.apply(Entry::EndWorkerSession {
        worker_session: WorkerSessionId(1),
    });
    world.begin_worker_session();
    let account = world.id("ann");
    let third = Action::FailedLogIn {
        account,
        address: HERE,
    };
    assert_eq!(world.request_at((2, 1, 10), 0, third), Some(LOCKED));
}

#[test]
fn block_is_per_user_and_address() {
    let mut world = World::with_accounts(&["ann", "bob"]);
    world.block("ann");
    assert_eq!(world.look_up("bob"), Outcome::PasswordNeeded);
    let from_elsewhere = world.state.look_up("ann", ELSEWHERE, &world.timestamp);
    assert_eq!(from_elsewhere, Outcome::PasswordNeeded);
    let action = world.log_in_action("ann", ELSEWHERE);
    assert_eq!(world.request(5, action), Outcome::LoggedIn);
}

#[test]
fn block_is_not_prolonged() {
    let mut world = World::with_accounts(&["ann"]);
    world.block("ann");
    world.pass_ms(59_001);
    let locked = Outcome::Locked { seconds_left: 1 };
    assert_eq!(world.log_in(1, "ann"), locked);
    assert_eq!(world.fail(1, "ann", HERE), locked);
    world.pass_ms(998);
    assert_eq!(world.look_up("ann"), Outcome::Blocked { seconds_left: 1 });
    world.pass_ms(1);
    assert_eq!(world.look_up("ann"), Outcome::PasswordNeeded);
    assert_eq!(world.log_in(1, "ann"), Outcome::LoggedIn);
}

#[test]
fn block_is_said_before_connected() {
    let mut world = World::with_online(&["ann"]);
    assert_eq!(world.look_up("ann"), Outcome::AlreadyLoggedIn);
    world.block("ann");
    assert_eq!(world.look_up("ann"), Outcome::Blocked { seconds_left: 60 });
    assert_eq!(world.log_in(1, "ann"), LOCKED);
    assert_eq!(world.online(), "ann", "the session goes on");
}

#[test]
fn login_clears_failures_of_its_address() {
    let mut world = World::with_accounts(&["ann"]);
    for address in [HERE, ELSEWHERE, HERE, ELSEWHERE] {
        assert_eq!(world.fail(1, "ann", address), Outcome::PasswordNeeded);
    }
    assert_eq!(world.log_in(1, "ann"), Outcome::LoggedIn);
    assert_eq!(world.fail(2, "ann", HERE), Outcome::PasswordNeeded);
    assert_eq!(world.fail(2, "ann", ELSEWHERE), LOCKED);
}

#[test]
fn refused_login_clears_failures_too() {
    let mut world = World::with_online(&["ann"]);
    world.fail(1, "ann", HERE);
    world.fail(1, "ann", HERE);
    assert_eq!(world.log_in(1, "ann"), Outcome::AlreadyLoggedIn);
    assert_eq!(world.fail(1, "ann", HERE), Outcome::PasswordNeeded);
}

#[test]
fn password_that_was_right_once_clears_nothing() {
    let mut world = World::with_accounts(&["ann"]);
    world.fail(1, "ann", HERE);
    world.fail(1, "ann", HERE);
    let outdated = world.log_in_action("ann", HERE);
    world.set_account("ann", "another");
    assert_eq!(world.request(1, outdated), Outcome::PasswordNeeded);
    assert_eq!(world.fail(1, "ann", HERE), LOCKED);
}

#[test]
fn failures_older_than_block_time_are_forgotten() {
    let mut world = World::with_accounts(&["ann"]);
    world.fail(1, "ann", HERE);
    world.pass_ms(30_000);
    world.fail(1, "ann", HERE);
    world.pass_ms(30_000);
    assert_eq!(world.fail(1, "ann", HERE), Outcome::PasswordNeeded);
    assert_eq!(world.fail(1, "ann", HERE), LOCKED);
}

#[test]
fn end_of_block_clears_failures_before_it() {
    let mut world = World::with_accounts(&["ann"]);
    world.block("ann");
    world.pass_ms(60_000);
    assert_eq!(world.fail(1, "ann", HERE), Outcome::PasswordNeeded);
    assert_eq!(world.fail(1, "ann", HERE), Outcome::PasswordNeeded);
    assert_eq!(world.fail(1, "ann", HERE), LOCKED);
}

#[test]
fn clock_jumps_change_no_block() {
    let mut world = World::with_accounts(&["ann"]);
    world.block("ann");
    for jump_ms in [TEN_YEARS_MS, -2 * TEN_YEARS_MS, TEN_YEARS_MS] {
        world.jump_wall_ms(jump_ms);
        assert_eq!(world.look_up("ann"), Outcome::Blocked { seconds_left: 60 });
    }
    world.pass_ms(60_000);
    assert_eq!(world.look_up("ann"), Outcome::PasswordNeeded);
}

#[test]
fn block_never_grows_across_boots() {
    let mut world = World::with_accounts(&["ann"]);
    world.block("ann");
    world.boot_after_wall_ms(20_000);
    assert_eq!(world.look_up("ann"), Outcome::Blocked { seconds_left: 40 });
    world.boot_after_wall_ms(-TEN_YEARS_MS);
    assert_eq!(world.look_up("ann"), Outcome::Blocked { seconds_left: 40 });
    world.boot_after_wall_ms(TEN_YEARS_MS);
    assert_eq!(world.look_up("ann"), Outcome::PasswordNeeded);
}

#[test]
fn failures_and_blocks_outlive_process() {
    let mut world = World::with_accounts(&["ann", "bob"]);
    world.block("ann");
    world.fail(1, "bob", HERE);
    world.fail(1, "bob", HERE);
    world.restart();
    world.pass_ms(10_000);
    assert_eq!(world.look_up("ann"), Outcome::Blocked { seconds_left: 50 });
    assert_eq!(world.fail(1, "bob", HERE), LOCKED);
}

fn lift(world: &mut World, name: Option<&str>, address: Option<IpAddr>) -> OperatorOutcome {
    let account = name.map(|name| world.id(name));
    let act = OperatorAct::LiftBlocks { account, address };
    world.apply(Entry::Operate { ticket: 7, act });
    let operated = world.last_effects.operated.pop();
    operated.expect("an act has an outcome").outcome
}

#[test]
fn operator_lifts_blocks_of_one_account() {
    let mut world = World::with_accounts(&["ann", "bob"]);
    world.block("ann");
    world.block("bob");
    world.fail(1, "ann", ELSEWHERE);
    assert_eq!(
        lift(&mut world, Some("ann"), Some(ELSEWHERE)),
        OperatorOutcome::Lifted(0)
    );
    assert_eq!(
        lift(&mut world, Some("ann"), None),
        OperatorOutcome::Lifted(1)
    );
    assert_eq!(world.look_up("ann"), Outcome::PasswordNeeded);
    assert_eq!(world.look_up("bob"), Outcome::Blocked { seconds_left: 60 });
    assert_eq!(world.log_in(1, "ann"), Outcome::LoggedIn);
}

#[test]
fn lifted_block_stays_lifted_after_restart() {
    let mut world = World::with_accounts(&["ann", "bob"]);
    world.block("ann");
    world.block("bob");
    assert_eq!(lift(&mut world, None, None), OperatorOutcome::Lifted(2));
    world.restart();
    assert_eq!(world.look_up("ann"), Outcome::PasswordNeeded);
    assert_eq!(world.fail(1, "bob", HERE), Outcome::PasswordNeeded);
    assert_eq!(lift(&mut world, None, None), OperatorOutcome::Lifted(0));
}
