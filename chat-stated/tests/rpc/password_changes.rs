//! Passwords that users change themselves.

use chat_model::{Outcome, Password, Request};

use super::daemon::{Daemon, PASSWORD, account_lines};
use super::worker::{HERE, SENT, Worker, log_in};

const NEW: &[u8] = b"tulip field";

fn change<'a>(current: &'a [u8], new: &'a [u8]) -> Request<'a> {
    Request::ChangePassword {
        current: Password::borrowed(current),
        new: Password::borrowed(new),
        address: HERE,
    }
}

#[test]
fn changed_password_is_in_file_when_answered() {
    let mut daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    assert_eq!(worker.answer(&mut ann, change(PASSWORD, NEW)), SENT);
    let lines = daemon.account_lines("ann");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(format!("{}\n", lines[0]), account_lines(&["ann"]));
    worker.log_out(ann);
    daemon.kill_supervisor();
    daemon.start_again();
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    for (password, answer) in [
        (PASSWORD, Outcome::PasswordNeeded),
        (NEW, Outcome::LoggedIn),
    ] {
        let found = worker.answer(&mut client, log_in("ann", password));
        assert_eq!(found, answer);
    }
    assert_eq!(daemon.account_lines("ann").len(), 2);
}

#[test]
fn wrong_current_passwords_end_session() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    for _ in 0..2 {
        let answer = worker.answer(&mut ann, change(b"wrong", NEW));
        assert_eq!(answer, Outcome::PasswordNeeded);
    }
    let answer = worker.answer(&mut ann, change(b"wrong", NEW));
    assert!(matches!(answer, Outcome::Locked { .. }), "{answer:?}");
    let found = worker.answer(&mut ann, Request::Fetch);
    assert_eq!(found, Outcome::Refused, "the session has ended");
    let found = worker.look_up("ann");
    assert!(matches!(found, Outcome::Blocked { .. }), "{found:?}");
    assert_eq!(daemon.account_lines("ann").len(), 1);
}

#[test]
fn malformed_changes_are_refused() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    let not_logged_in = worker.answer(&mut client, change(PASSWORD, NEW));
    assert_eq!(not_logged_in, Outcome::Refused);
    let mut ann = worker.log_in("ann");
    let empty = worker.answer(&mut ann, change(PASSWORD, b""));
    assert_eq!(empty, Outcome::Refused);
}
