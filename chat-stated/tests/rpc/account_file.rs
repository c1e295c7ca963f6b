//! The account file and the accounts, in step.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use chat_model::{ConnectionSerial, Outcome, Request};
use chat_rpc::ToWorker;
use nix::sys::signal::Signal;

use super::daemon::{CHEAP_SECRET, Daemon, PASSWORD, SHA1_SECRET, account_lines, wait_for};
use super::worker::{SENT, Worker, log_in, register, send, texts};

#[test]
fn registered_follows_line() {
    const CLIENTS: u64 = 50;
    let daemon = Daemon::with_file(Some("# nobody yet"), &[]);
    let mut worker = Worker::attach(&daemon);
    let user_names: Vec<String> = (1..=CLIENTS).map(|number| format!("u{number}")).collect();
    let mut requests = Vec::new();
    for user in &user_names {
        requests.push(worker.client().request(register(user, PASSWORD)));
    }
    worker.request(requests);
    for _ in 0..CLIENTS {
        let reply = worker.next_reply();
        assert_eq!(reply.answer, Outcome::Registered);
        let ConnectionSerial(number) = reply.connection;
        assert_eq!(daemon.account_lines(&format!("u{number}")).len(), 1);
    }
    let content = fs::read_to_string(daemon.account_file()).unwrap();
    assert!(content.starts_with("# nobody yet\nu"), "{content}");
}

#[test]
fn first_account_creates_file() {
    let daemon = Daemon::with_file(None, &[]);
    let mut worker = Worker::attach(&daemon);
    assert!(!daemon.account_file().exists());
    let mut client = worker.client();
    let answer = worker.answer(&mut client, register("ann", PASSWORD));
    assert_eq!(answer, Outcome::Registered);
    assert!(!daemon.account_lines("ann").is_empty());
    // Nothing is wrong, and nothing is to be done.
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
    let mode = fs::metadata(daemon.account_file()).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[test]
fn vanished_file_is_recreated() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    fs::remove_file(daemon.account_file()).unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for_log("the accounts stay as they are");
    assert_eq!(worker.look_up("ann"), Outcome::PasswordNeeded);
    let mut client = worker.client();
    let answer = worker.answer(&mut client, register("carl", PASSWORD));
    assert_eq!(answer, Outcome::Registered);
    for user in ["ann", "bob", "carl"] {
        assert!(!daemon.account_lines(user).is_empty(), "{user}");
        worker.log_in(user);
    }
}

#[test]
fn sighup_applies_changes() {
    let daemon = Daemon::with_accounts(&["ann", "bob", "carl"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let bob = worker.log_in("bob");
    assert_eq!(worker.answer(&mut ann, send("bob", "kept")), SENT);
    // Carl's password is another one now: "abc".
    let changed = "carl,a9993e364706816aba3e25717850c26c9cd0d89d\n";
    let without_bob = account_lines(&["ann", "dora"]) + changed;
    fs::write(daemon.account_file(), without_bob).unwrap();
    daemon.signal(Signal::SIGHUP);
    let connection = bob.serial;
    assert_eq!(worker.next_item(), Some(ToWorker::Kick { connection }));
    assert_eq!(worker.look_up("bob"), Outcome::NameUnavailable);
    assert_eq!(worker.look_up("dora"), Outcome::PasswordNeeded);
    assert_eq!(worker.who(&mut ann), "ann");
    let mut carl = worker.client();
    let answer = worker.answer(&mut carl, log_in("carl", PASSWORD));
    assert_eq!(answer, Outcome::PasswordNeeded);
    let answer = worker.answer(&mut carl, log_in("carl", b"abc"));
    assert_eq!(answer, Outcome::LoggedIn);
    let mut disabled = worker.client();
    let answer = worker.answer(&mut disabled, log_in("bob", PASSWORD));
    assert_eq!(answer, Outcome::PasswordNeeded);
    let answer = worker.answer(&mut disabled, register("bob", PASSWORD));
    assert_eq!(answer, Outcome::NameUnavailable);
    // A disabled account keeps its queue, and gets what is sent to it.
    assert_eq!(worker.answer(&mut ann, send("bob", "while away")), SENT);
    let with_bob = account_lines(&["ann", "bob", "carl", "dora"]);
    fs::write(daemon.account_file(), with_bob).unwrap();
    daemon.signal(Signal::SIGHUP);
    // Carl's password changes once more, which ends the session.
    let connection = carl.serial;
    assert_eq!(worker.next_item(), Some(ToWorker::Kick { connection }));
    worker.wait_for_answer("bob", &Outcome::PasswordNeeded);
    let (_, welcome) = worker.log_in_reading("bob");
    assert_eq!(texts(&welcome.messages), ["kept", "while away"]);
}

#[test]
fn unreadable_lines_are_named() {
    let mut content = account_lines(&["ann"]);
    content.push_str("no comma\nbob,not a secret\n");
    content.push_str(&account_lines(&["carl"]));
    let daemon = Daemon::with_file(Some(&content), &[]);
    let mut worker = Worker::attach(&daemon);
    for user in ["ann", "carl"] {
        assert_eq!(worker.look_up(user), Outcome::PasswordNeeded);
    }
    assert_eq!(worker.look_up("bob"), Outcome::NameFree);
    for line in ["line 2 skipped", "line 3 skipped"] {
        assert!(daemon.log().contains(line), "{line}");
    }
    let kept = fs::read_to_string(daemon.account_file()).unwrap();
    assert_eq!(kept, content);
}

#[test]
fn first_login_replaces_old_secret() {
    let daemon = Daemon::with_file(Some(&format!("ann,{SHA1_SECRET}")), &[]);
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    let answer = worker.answer(&mut client, log_in("ann", b"wrong"));
    assert_eq!(answer, Outcome::PasswordNeeded);
    assert_eq!(daemon.account_lines("ann").len(), 1);
    for _ in 0..2 {
        let ann = worker.log_in("ann");
        let lines = daemon.account_lines("ann");
        let [old, new] = &lines[..] else {
            panic!("{lines:?}");
        };
        assert_eq!(*old, format!("ann,{SHA1_SECRET}"));
        assert!(new.starts_with("ann,$argon2id$"), "{new}");
        worker.log_out(ann);
    }
}

/// With a file that cannot be written: logins go on, registrations are refused after some tries, and an
/// account that was made all the same gets its line later.
fn goes_on_without_its_file(break_file: impl FnOnce(&Daemon), mend_file: impl FnOnce(&Daemon)) {
    let accounts = format!("ann,{SHA1_SECRET}\n");
    let mut daemon = Daemon::with_file(Some(&accounts), &[]);
    let mut worker = Worker::attach(&daemon);
    break_file(&daemon);
    let mut ann = worker.log_in("ann");
    let mut client = worker.client();
    let mut answer = worker.answer(&mut client, register("bob", PASSWORD));
    assert_eq!(answer, Outcome::DiskFull);
    answer = worker.answer(&mut ann, Request::Fetch);
    assert_eq!(answer, Outcome::Done);
    mend_file(&daemon);
    fs::write(daemon.account_file(), &accounts).unwrap();
    daemon.signal(Signal::SIGHUP);
    wait_for("the line", || {
        (!daemon.account_lines("bob").is_empty()).then_some(())
    });
    assert!(daemon.stop().success());
    daemon.start_again();
    let mut worker = Worker::attach(&daemon);
    worker.log_in("bob");
}

#[test]
fn file_that_cannot_be_written_or_made() {
    // Both wait for seconds, so they wait together.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            goes_on_without_its_file(
                |daemon| {
                    fs::remove_file(daemon.account_file()).unwrap();
                    fs::create_dir(daemon.account_file()).unwrap();
                },
                |daemon| fs::remove_dir(daemon.account_file()).unwrap(),
            );
        });
        scope.spawn(|| {
            goes_on_without_its_file(
                |daemon| {
                    fs::remove_file(daemon.account_file()).unwrap();
                    symlink("nowhere/at/all", daemon.account_file()).unwrap();
                },
                |daemon| fs::remove_file(daemon.account_file()).unwrap(),
            );
        });
    });
}

#[test]
fn higher_cost_upgrades_secret_at_login() {
    let daemon = Daemon::with_flags(&["ann"], &["--argon2-memory-kib=16", "--argon2-lanes=2"]);
    assert_eq!(daemon.account_lines("ann"), [format!("ann,{CHEAP_SECRET}")]);
    let mut worker = Worker::attach(&daemon);
    let mut wrong = worker.client();
    let answer = worker.answer(&mut wrong, log_in("ann", b"wrong"));
    assert_eq!(answer, Outcome::PasswordNeeded);
    worker.log_in("ann");
    let lines = daemon.account_lines("ann");
    let [_, stronger] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    let parameters = "ann,$argon2id$v=19$m=16,t=1,p=2$";
    assert!(stronger.starts_with(parameters), "{stronger}");
}

#[test]
fn insecure_files_are_closed() {
    let daemon = Daemon::with_accounts(&["ann"]);
    Worker::attach(&daemon);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    // The test made it readable by all.
    daemon.wait_for_log("user_pass.txt; its mode is 0600 now");
    assert_eq!(mode(&daemon.account_file()), 0o600);
    let journal = daemon.account_file().with_file_name("state/journal.db");
    fs::set_permissions(&journal, Permissions::from_mode(0o644)).unwrap();
    daemon.kill_child();
    Worker::attach(&daemon);
    daemon.wait_for_log("journal.db; its mode is 0600 now");
    assert_eq!(mode(&journal), 0o600);
}

#[test]
fn strict_permissions_refuse_insecure_files() {
    let daemon = Daemon::with_flags(&["ann"], &["--strict-permissions"]);
    daemon.wait_for_log("state does not start: others can get at ");
    fs::set_permissions(daemon.account_file(), Permissions::from_mode(0o600)).unwrap();
    let mut daemon = daemon;
    daemon.start_again();
    let mut worker = Worker::attach(&daemon);
    fs::write(daemon.account_file(), "").unwrap();
    fs::set_permissions(daemon.account_file(), Permissions::from_mode(0o640)).unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for_log("the accounts stay as they are");
    assert_eq!(worker.look_up("ann"), Outcome::PasswordNeeded);
}
