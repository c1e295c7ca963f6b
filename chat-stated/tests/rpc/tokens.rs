//! Logins by a token.

use std::fs;

use chat_model::{Outcome, Password, Request};

use super::daemon::{Daemon, PASSWORD};
use super::worker::{SENT, Worker, joined, log_in};

const SECRET: &[u8] = b"token-0123456789abcdef0123456789abcdef";

fn new_token<'a>(name: &'a str, secret: &'a [u8]) -> Request<'a> {
    Request::NewToken {
        name: name.into(),
        secret: Password::borrowed(secret),
    }
}

/// A daemon whose user ann has a token.
fn with_token() -> Daemon {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    assert_eq!(worker.answer(&mut ann, new_token("job", SECRET)), SENT);
    worker.log_out(ann);
    daemon
}

#[test]
fn token_logs_in_after_kill_and_restart() {
    let mut daemon = with_token();
    for _ in 0..2 {
        let mut worker = Worker::attach(&daemon);
        let mut client = worker.client();
        let answer = worker.answer(&mut client, log_in("ann", SECRET));
        assert_eq!(answer, Outcome::LoggedIn);
        let Outcome::Users(names) = worker.answer(&mut client, Request::ListTokens) else {
            panic!("no names of tokens");
        };
        assert_eq!(joined(&names), "job");
        worker.log_out(client);
        daemon.kill_supervisor();
        daemon.start_again();
    }
}

#[test]
fn wrong_token_is_failed_login() {
    let daemon = with_token();
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    let wrong = b"token-0123456789abcdef0123456789abcdee";
    for answer in [Outcome::PasswordNeeded, Outcome::PasswordNeeded] {
        assert_eq!(worker.answer(&mut client, log_in("ann", wrong)), answer);
    }
    let last = worker.answer(&mut client, log_in("ann", wrong));
    assert!(matches!(last, Outcome::Locked { .. }), "{last:?}");
    let mut client = worker.client();
    let of_ann = worker.answer(&mut client, log_in("bob", SECRET));
    assert_eq!(of_ann, Outcome::PasswordNeeded, "it is not bob's");
}

#[test]
fn dropped_token_logs_nobody_in() {
    let daemon = with_token();
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    let answer = worker.answer(&mut client, log_in("ann", PASSWORD));
    assert_eq!(answer, Outcome::LoggedIn);
    let drop = || Request::DropToken { name: "job".into() };
    assert_eq!(worker.answer(&mut client, drop()), SENT);
    assert_eq!(worker.answer(&mut client, drop()), Outcome::NameUnavailable);
    worker.log_out(client);
    let mut client = worker.client();
    let answer = worker.answer(&mut client, log_in("ann", SECRET));
    assert_eq!(answer, Outcome::PasswordNeeded);
}

#[test]
fn state_directory_has_no_secret() {
    let mut daemon = with_token();
    daemon.stop();
    let files = fs::read_dir(daemon.run_dir().join("state")).unwrap();
    for file in files.map(|file| file.unwrap().path()) {
        let bytes = fs::read(&file).unwrap();
        let mut pieces = bytes.windows(SECRET.len());
        assert!(!pieces.any(|piece| piece == SECRET), "{}", file.display());
    }
}

#[test]
fn malformed_token_is_refused() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    for (name, secret) in [("A", SECRET), ("", SECRET), ("a", b"short"), ("a", b"")] {
        let answer = worker.answer(&mut ann, new_token(name, secret));
        assert_eq!(answer, Outcome::Refused, "{name}");
    }
}
