//! Passwords that users change themselves.

use chat_model::Outcome;
use chat_stated::entry::{Action, TokenDigest};

use super::world::{ELSEWHERE, HERE, SENT, World, connection};

impl World {
    fn version(&self) -> u32 {
        let record = self.state.record(self.id("ann"));
        record.expect("the account exists").password_version
    }

    fn change(&mut self, serial: u64, password_version: u32) -> Outcome<'static> {
        let change = Action::ChangePassword {
            address: HERE,
            password_version,
            secret: "changed".into(),
        };
        self.request(serial, change)
    }

    fn fail_change(&mut self, serial: u64) -> Outcome<'static> {
        self.request(serial, Action::FailPasswordChange { address: HERE })
    }
}

#[test]
fn changed_password_ends_other_sessions_and_tokens() {
    let mut world = World::with_online(&["ann", "bob"]);
    for (serial, session) in [(2, "ann/phone"), (3, "ann/-")] {
        assert_eq!(world.log_in(serial, session), Outcome::LoggedIn);
    }
    let (name, digest) = ("job".to_owned(), TokenDigest([7; 32]));
    assert_eq!(world.request(0, Action::NewToken { name, digest }), SENT);
    let old = world.log_in_action("ann", HERE);
    let version = world.version();
    assert_eq!(world.change(0, version), SENT);
    let decided = world.last_effects.decided.pop().expect("a decision");
    let line = decided.after.expect("a line for the account file");
    assert_eq!((&*line.name, &*line.secret), ("ann", "changed"));
    let ended = [2, 3].map(|serial| connection(1, serial));
    assert_eq!(world.last_effects.cut_off, ended);
    assert!(!world.state.has_token(world.id("ann"), &digest));
    assert_eq!(world.online(), "ann bob");
    world.restart();
    assert_eq!(world.send(0, &["bob"], "still there"), SENT);
    world.log_out(0);
    assert_eq!(world.request(5, old), Outcome::PasswordNeeded);
    assert_eq!(world.log_in(6, "ann"), Outcome::LoggedIn);
}

#[test]
fn password_of_before_changes_nothing() {
    let mut world = World::with_online(&["ann"]);
    let version = world.version();
    assert_eq!(world.change(0, version), SENT);
    assert_eq!(world.change(0, version), Outcome::PasswordNeeded);
    assert_eq!(world.version(), version + 1);
}

#[test]
fn wrong_changes_are_failed_logins() {
    let mut world = World::with_online(&["ann"]);
    assert_eq!(world.fail_change(0), Outcome::PasswordNeeded);
    assert_eq!(world.fail(1, "ann", HERE), Outcome::PasswordNeeded);
    let seconds_left = 60;
    assert_eq!(world.fail_change(0), Outcome::Locked { seconds_left });
    assert_eq!(world.online(), "", "the session has ended");
    let blocked = Outcome::Blocked { seconds_left };
    assert_eq!(world.look_up("ann"), blocked);
}

#[test]
fn changed_password_clears_failures() {
    let mut world = World::with_online(&["ann"]);
    for _ in 0..2 {
        assert_eq!(world.fail_change(0), Outcome::PasswordNeeded);
        assert_eq!(world.fail_change(0), Outcome::PasswordNeeded);
        let version = world.version();
        assert_eq!(world.change(0, version), SENT);
    }
}

#[test]
fn blocked_user_changes_no_password() {
    let mut world = World::with_online(&["ann"]);
    world.block("ann");
    let version = world.version();
    let locked = world.change(0, version);
    assert!(matches!(locked, Outcome::Locked { .. }), "{locked:?}");
    assert_eq!((world.version(), world.online()), (version, String::new()));
    let elsewhere = world.log_in_action("ann", ELSEWHERE);
    assert_eq!(world.request(7, elsewhere), Outcome::LoggedIn);
}
