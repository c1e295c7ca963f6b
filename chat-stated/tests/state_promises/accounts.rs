//! Accounts, their secrets and the account file.

use chat_model::Outcome;
use chat_stated::entry::{Action, Entry, SecretInFile};
use chat_stated::state::FileStatus;

use super::world::{HERE, SENT, World, connection, register_action};

#[test]
fn registration_follows_its_line() {
    let mut world = World::new();
    assert_eq!(world.look_up("ann"), Outcome::NameFree);
    assert_eq!(
        world.request(1, register_action("ann")),
        Outcome::Registered
    );
    let line = world.last_effects.decided[0].after.clone();
    let line = line.expect("a new account gets a line");
    assert_eq!((&*line.name, &*line.secret), ("ann", "secret of ann"));
    let (_, record) = world.state.account("ann").expect("registered");
    assert_eq!(record.filed, FileStatus::No { previous: None });
    assert_eq!(
        world.request(2, register_action("ann")),
        Outcome::NameUnavailable
    );
    assert!(world.last_effects.decided[0].after.is_none());
    world.apply(Entry::FileStatus(vec![line.filed]));
    let (_, record) = world.state.account("ann").expect("registered");
    assert_eq!(record.filed, FileStatus::Yes);
    assert_eq!(world.look_up("ann"), Outcome::PasswordNeeded);
}

#[test]
fn old_names_may_only_log_in() {
    let world = World::with_accounts(&["\u{e9}lan"]);
    assert_eq!(world.look_up("\u{e9}lan"), Outcome::PasswordNeeded);
    for name in ["\u{e9}t\u{e9}", "who", "Done", ""] {
        assert_eq!(world.look_up(name), Outcome::NameUnavailable, "{name}");
    }
}

#[test]
fn there_are_no_more_accounts_than_limit() {
    let mut world = World::with_accounts(&["ann"]);
    world.configure(|limits| limits.accounts = 2);
    assert_eq!(
        world.request(1, register_action("bob")),
        Outcome::Registered
    );
    assert_eq!(
        world.request(1, register_action("cy")),
        Outcome::NameUnavailable
    );
    world.set_account("cy", "filed");
    assert_eq!(world.state.account_count(), 2);
}

#[test]
fn disabling_cuts_off_and_keeps_queue() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.send(0, &["bob"], "before");
    world.disable("bob");
    assert_eq!(world.last_effects.cut_off, [connection(1, 1)]);
    assert_eq!(world.state.account_on(connection(1, 1)), None);
    assert_eq!(world.send(1, &["ann"], "still here"), Outcome::Refused);
    assert_eq!(world.look_up("bob"), Outcome::NameUnavailable);
    assert_eq!(world.log_in(2, "bob"), Outcome::PasswordNeeded);
    assert_eq!(world.send(0, &["bob"], "meanwhile"), SENT);
    world.set_account("bob", "bob");
    assert_eq!(world.queue("bob"), ["before", "meanwhile"]);
    assert_eq!(world.log_in(2, "bob"), Outcome::LoggedIn);
}

#[test]
fn proof_for_old_secret_is_no_failure() {
    let mut world = World::with_accounts(&["ann"]);
    let outdated = world.log_in_action("ann", HERE);
    world.set_account("ann", "another");
    for serial in 1..6 {
        let decision = world.request(serial, outdated.clone());
        assert_eq!(decision, Outcome::PasswordNeeded);
    }
    assert_eq!(world.log_in(6, "ann"), Outcome::LoggedIn);
}

#[test]
fn only_newest_secret_counts_as_filed() {
    let mut world = World::with_accounts(&["ann"]);
    let account = world.id("ann");
    let secret_version = world
        .state
        .record(account)
        .expect("it exists")
        .secret_version;
    let mut upgrade = world.log_in_action("ann", HERE);
    if let Action::LogIn { new_secret, .. } = &mut upgrade {
        *new_secret = Some("stronger".into());
    }
    assert_eq!(world.request(1, upgrade), Outcome::LoggedIn);
    let line = world.last_effects.decided[0].after.clone();
    assert_eq!(line.map(|line| line.secret), Some("stronger".into()));
    let filed = |secret_version| {
        Entry::FileStatus(vec![SecretInFile {
            account,
            secret_version,
        }])
    };
    world.apply(filed(secret_version));
    let previous = Some("ann".into());
    let record = world.state.record(account).expect("it exists");
    assert_eq!(record.filed, FileStatus::No { previous });
    world.apply(filed(secret_version + 1));
    let record = world.state.record(account).expect("it exists");
    assert_eq!(
        (&record.filed, &*record.secret),
        (&FileStatus::Yes, "stronger")
    );
}

#[test]
fn proof_before_upgrade_still_logs_in() {
    let mut world = World::with_accounts(&["ann"]);
    let mut upgrade = world.log_in_action("ann", HERE);
    let proven_before = upgrade.clone();
    if let Action::LogIn { new_secret, .. } = &mut upgrade {
        *new_secret = Some("stronger".into());
    }
    assert_eq!(world.request(1, upgrade), Outcome::LoggedIn);
    assert_eq!(world.request(1, Action::LogOut), Outcome::LoggedOut);
    assert_eq!(world.request(2, proven_before), Outcome::LoggedIn);
}
