//! Accounts, their secrets and the account file.

use chat_model::Outcome;
use chat_stated::entry::{AccountChange, Action, Entry, OperatorAct, SecretInFile};
use chat_stated::state::{ActRefusal, FileStatus, OperatorOutcome, QuotaLimit};

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

fn operate(world: &mut World, act: OperatorAct) -> OperatorOutcome {
    world.apply(Entry::Operate { ticket: 7, act });
    let operated = world.last_effects.operated.pop();
    operated.expect("an act has an outcome").outcome
}

fn disable(world: &mut World, name: &str) -> OperatorOutcome {
    let account = world.id(name);
    operate(world, OperatorAct::DisableAccount { account })
}

fn enable(world: &mut World, name: &str) -> OperatorOutcome {
    let account = world.id(name);
    operate(world, OperatorAct::EnableAccount { account })
}

/// Broadcasts that only a disabled account had not read were refused to all, in the end.
#[test]
fn disabled_account_holds_no_broadcast() {
    let mut world = World::with_online(&["ann", "bob", "eve"]);
    world.configure(|limits| limits.broadcast_messages = 3);
    world.broadcast(0, "one");
    world.send(0, &["eve"], "direct");
    world.progress(1, 2, 2);
    assert!(matches!(
        disable(&mut world, "eve"),
        OperatorOutcome::Disabled { .. }
    ));
    assert_eq!(world.queue("eve"), ["direct"]);
    for round in 0..9 {
        assert_eq!(world.broadcast(0, "more"), SENT, "{round}");
        world.progress(1, 3 + round, 3 + round);
        world.restart();
    }
    enable(&mut world, "eve");
    world.broadcast(0, "after");
    assert_eq!(world.queue("eve"), ["direct", "after"]);
    assert_eq!(world.queue("bob"), ["after"]);
    world.restart();
    assert_eq!(world.queue("eve"), ["direct", "after"]);
    assert_eq!(world.log_in(9, "eve"), Outcome::LoggedIn);
    world.progress(9, 12, 12);
    world.progress(1, 12, 12);
    assert_eq!(world.state.waiting_messages(), 0);
}

#[test]
fn disabling_ends_session_and_is_told_once() {
    let mut world = World::with_online(&["ann", "bob"]);
    assert!(matches!(
        disable(&mut world, "bob"),
        OperatorOutcome::Disabled { .. }
    ));
    assert_eq!(world.last_effects.cut_off, [connection(1, 1)]);
    assert_eq!(world.look_up("bob"), Outcome::NameUnavailable);
    let filed = SecretInFile {
        account: world.id("bob"),
        secret_version: 0,
    };
    world.apply(Entry::FileStatus(vec![filed]));
    let again = OperatorOutcome::Refused(ActRefusal::AlreadySo);
    assert_eq!(disable(&mut world, "bob"), again);
    assert_eq!(enable(&mut world, "ann"), again);
    assert!(matches!(
        enable(&mut world, "bob"),
        OperatorOutcome::Added(_)
    ));
    assert_eq!(world.look_up("bob"), Outcome::PasswordNeeded);
    // Its line is not in the file yet.
    let on_its_way = OperatorOutcome::Refused(ActRefusal::LineOnItsWay);
    assert_eq!(disable(&mut world, "bob"), on_its_way);
}

#[test]
fn changed_password_ends_session() {
    let mut world = World::with_online(&["ann", "bob"]);
    let outdated = world.log_in_action("bob", HERE);
    let act = OperatorAct::SetPassword {
        account: world.id("bob"),
        secret: "new".into(),
    };
    assert!(matches!(
        operate(&mut world, act),
        OperatorOutcome::Added(_)
    ));
    assert_eq!(world.last_effects.cut_off, [connection(1, 1)]);
    assert_eq!(world.request(5, outdated), Outcome::PasswordNeeded);
    assert_eq!(world.log_in(5, "bob"), Outcome::LoggedIn);
    let set = |secret: &str| {
        OperatorAct::TakeAccountFile(vec![AccountChange::Set {
            name: "bob".into(),
            secret: secret.into(),
        }])
    };
    operate(&mut world, set("new"));
    assert_eq!(world.online(), "ann bob", "the password is the same");
    operate(&mut world, set("newer"));
    assert_eq!(world.last_effects.cut_off, [connection(1, 5)]);
    assert_eq!(world.online(), "ann");
}

#[test]
fn forgotten_account_gives_up_its_queue_only() {
    let mut world = World::with_online(&["ann", "bob", "eve"]);
    world.send(0, &["bob", "eve"], "shared");
    world.send(0, &["bob"], "own");
    world.broadcast(0, "all");
    let account = world.id("bob");
    let forgotten = operate(&mut world, OperatorAct::ForgetAccount { account });
    let OperatorOutcome::Forgotten { given_up, .. } = forgotten else {
        panic!("{forgotten:?}");
    };
    assert_eq!((given_up.messages, given_up.bytes), (2, 9));
    assert_eq!(given_up.broadcasts, 1);
    assert_eq!(world.queue("bob"), [""; 0]);
    assert_eq!(world.queue("eve"), ["shared", "all"]);
    assert_eq!(world.look_up("bob"), Outcome::NameUnavailable);
    assert_eq!(
        world.request(7, register_action("bob")),
        Outcome::NameUnavailable
    );
    world.restart();
    let no_secret = OperatorOutcome::Refused(ActRefusal::NoSecret);
    assert_eq!(enable(&mut world, "bob"), no_secret);
    let add = OperatorAct::AddAccount {
        name: "bob".into(),
        secret: "new".into(),
    };
    assert!(matches!(
        operate(&mut world, add),
        OperatorOutcome::Added(_)
    ));
    assert_eq!(world.id("bob"), account);
    assert_eq!(world.log_in(8, "bob"), Outcome::LoggedIn);
}

#[test]
fn announcement_is_broadcast_of_its_sender() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.configure(|limits| limits.broadcast_messages = 1);
    let announce = |world: &mut World, text: &str| {
        let act = OperatorAct::Announce {
            sender: world.id("ann"),
            text: text.into(),
        };
        operate(world, act)
    };
    assert_eq!(announce(&mut world, "hi"), OperatorOutcome::Announced);
    assert!(world.last_effects.broadcast);
    assert_eq!(world.queue("bob"), ["hi"]);
    assert_eq!(world.queue("ann"), [""; 0]);
    let full = OperatorOutcome::Refused(ActRefusal::Quota(QuotaLimit::BroadcastMessages));
    assert_eq!(announce(&mut world, "again"), full);
}
