//! Account files as people save them by mistake: named, never half used, and nobody is put out.

use chat_model::Outcome;
use std::fs;

use super::daemon::{Daemon, PASSWORD, SHA1_SECRET, account_lines};
use super::worker::{Worker, register};

/// Saves this content, reloads, and gives the exit status with what was said.
fn reload(daemon: &Daemon, content: impl AsRef<[u8]>, flags: &[&str]) -> (i32, String) {
    fs::write(daemon.account_file(), content).unwrap();
    let output = daemon.run(&[&["--reload"], flags].concat());
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

fn status(daemon: &Daemon) -> String {
    String::from_utf8(daemon.run(&["--status"]).stdout).unwrap()
}

#[test]
fn utf16_changes_nothing() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut bytes = b"\xff\xfe".to_vec();
    bytes.extend(
        account_lines(&["ann", "bob"])
            .encode_utf16()
            .flat_map(u16::to_le_bytes),
    );
    let (code, said) = reload(&daemon, &bytes, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("it is UTF-16 text; save it as UTF-8"),
        "{said}"
    );
    assert!(status(&daemon).contains("UTF-16"));
    for user in ["ann", "bob"] {
        worker.log_in(user);
    }
}

#[test]
fn any_line_end_and_mark_are_taken() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    for (number, end) in ["\r", "\r\n", " \t\n"].into_iter().enumerate() {
        let new = format!("new{number}");
        let lines = account_lines(&["ann", "bob", &new]).replace('\n', end);
        let (code, said) = reload(&daemon, format!("\u{feff}{lines}"), &[]);
        assert_eq!(code, 0, "{end:?}: {said}");
        assert!(!said.contains("skipped"), "{end:?}: {said}");
        for user in ["ann", "bob", &new] {
            assert_eq!(
                worker.look_up(user),
                Outcome::PasswordNeeded,
                "{end:?} {user}"
            );
        }
    }
}

#[test]
fn unreadable_line_puts_nobody_out() {
    let daemon = Daemon::with_accounts(&["ann", "bob", "carol"]);
    let mut worker = Worker::attach(&daemon);
    let content = account_lines(&["ann"]) + &format!("bob:{SHA1_SECRET}\n");
    let (code, said) = reload(&daemon, content + &account_lines(&["carol"]), &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("1 lines skipped: 2; "), "{said}");
    assert!(said.contains("stay as they were: bob (line 2)"), "{said}");
    assert!(status(&daemon).contains("bob (line 2)"));
    assert!(daemon.log().contains("line 2 skipped: has no comma"));
    worker.log_in("bob");
    // A line that may be of nobody known is no problem of anybody's.
    let content = account_lines(&["ann", "bob", "carol"]) + "no comma\n";
    let (code, said) = reload(&daemon, content, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 lines skipped: 4\n"), "{said}");
    assert!(status(&daemon).contains("1 lines skipped: 4\n"));
}

#[test]
fn file_without_accounts_is_refused_unless_forced() {
    let mut daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let (code, said) = reload(&daemon, "", &[]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("would disable 2 of 2 accounts: ann, bob. "),
        "{said}"
    );
    assert!(said.contains("scripts/reload --force"), "{said}");
    assert_eq!(worker.look_up("ann"), Outcome::PasswordNeeded);
    // At a start nothing is changed either, and it is said.
    assert!(daemon.stop().success());
    daemon.start_again();
    let mut worker = Worker::attach(&daemon);
    assert_eq!(worker.look_up("ann"), Outcome::PasswordNeeded);
    assert!(status(&daemon).contains("warning: the account file would disable 2 of 2"));
    let (code, said) = reload(&daemon, "", &["--force"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(" 2 disabled: ann, bob"), "{said}");
    assert_eq!(worker.look_up("ann"), Outcome::NameUnavailable);
    // It was said of that content only, and once.
    reload(&daemon, account_lines(&["ann", "bob"]), &[]);
    assert_eq!(worker.look_up("ann"), Outcome::PasswordNeeded);
    assert_eq!(reload(&daemon, "", &[]).0, 1);
}

#[test]
fn most_accounts_are_disabled_only_if_forced() {
    let daemon = Daemon::with_accounts(&["a", "b", "c", "d"]);
    let mut worker = Worker::attach(&daemon);
    let (code, said) = reload(&daemon, account_lines(&["a"]), &[]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(worker.look_up("d"), Outcome::PasswordNeeded);
    let (code, said) = reload(&daemon, account_lines(&["a", "b"]), &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(worker.look_up("d"), Outcome::NameUnavailable);
    assert!(daemon.log().contains(" 2 disabled: c, d"));
}

#[test]
fn accounts_beyond_limit_are_named() {
    let daemon = Daemon::with_flags(&["ann", "bob"], &["--max-accounts=2"]);
    let mut worker = Worker::attach(&daemon);
    for _ in 0..2 {
        let (code, said) = reload(&daemon, account_lines(&["ann", "bob", "carol"]), &[]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(" 0 changes, "), "{said}");
        assert!(
            said.contains("no more than 2 (CHAT_MAX_ACCOUNTS): carol"),
            "{said}"
        );
    }
    assert_eq!(worker.look_up("carol"), Outcome::NameFree);
}

#[test]
fn unread_line_is_not_registered_over() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    // The daemon's own lines are no reason to read the file.
    let answer = worker.answer(&mut client, register("dave", PASSWORD));
    assert_eq!(answer, Outcome::Registered);
    let content = fs::read_to_string(daemon.account_file()).unwrap();
    fs::write(daemon.account_file(), content + &account_lines(&["bob"])).unwrap();
    let answer = worker.answer(&mut client, register("bob", b"another"));
    assert_eq!(answer, Outcome::NameUnavailable);
    assert_eq!(daemon.account_lines("bob").len(), 1);
    let answer = worker.answer(&mut client, register("carol", PASSWORD));
    assert_eq!(answer, Outcome::Registered);
    assert!(daemon.run(&["--reload"]).status.success());
    worker.log_in("bob");
    worker.log_in("carol");
}
