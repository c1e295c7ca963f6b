//! A worker that was taken over, beside one that was not: what is the other's stays out of its reach.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use chat_model::{ConnectionSerial, MessageNumber, Outcome, Request};
use chat_rpc::{FromWorker, Refusal, ResumeToken, ResumedConnection};
use nix::unistd::geteuid;

use super::daemon::Daemon;
use super::worker::{
    Client, HERE, Link, SENT, Worker, broadcast, everything_up_to, log_in, register, send, texts,
};

/// Ann is logged in through the first worker; the second one knows the number of her connection.
fn scene(daemon: &Daemon) -> (Worker, Client, Worker, Client) {
    let mut honest = Worker::attach(daemon);
    let ann = honest.log_in("ann");
    let mut hostile = Worker::attach(daemon);
    let mut forged = hostile.client();
    forged.serial = ann.serial;
    (honest, ann, hostile, forged)
}

#[test]
fn worker_cannot_act_for_foreign_client() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let (mut honest, mut ann, mut hostile, mut forged) = scene(&daemon);
    let mut bob = honest.log_in("bob");
    assert_eq!(honest.answer(&mut bob, send("ann", "secret")), SENT);
    for call in [
        Request::Fetch,
        Request::ListUsers {
            seen_within_minutes: None,
        },
        Request::ListUsers {
            seen_within_minutes: Some(9),
        },
        Request::SetPush { on: true },
        send("bob", "as ann"),
        broadcast("as ann"),
        Request::LogOut,
    ] {
        let reply = hostile.ask(&mut forged, call);
        assert_eq!(reply.answer, Outcome::Refused);
        assert_eq!(texts(&reply.messages), [""; 0]);
    }
    let (messages, _) = hostile.page(&forged, MessageNumber(0), MessageNumber(u64::MAX));
    assert_eq!(texts(&messages), [""; 0]);
    // Nothing of it has come to ann or bob, and what waits for ann still does.
    let read = honest.ask(&mut ann, Request::Fetch);
    assert_eq!(texts(&read.messages), ["secret"]);
    assert_eq!(
        texts(&honest.ask(&mut bob, Request::Fetch).messages),
        [""; 0]
    );
    assert_eq!(honest.who(&mut bob), "ann bob");
}

#[test]
fn worker_cannot_confirm_for_foreign_client() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let (mut honest, mut ann, mut hostile, forged) = scene(&daemon);
    let mut bob = honest.log_in("bob");
    assert_eq!(honest.answer(&mut bob, send("ann", "secret")), SENT);
    let everything = everything_up_to(MessageNumber(u64::MAX));
    hostile.say([
        FromWorker::Progress {
            connection: forged.serial,
            progress: everything,
        },
        FromWorker::Resume {
            connections: vec![ResumedConnection {
                push: true,
                names_groups: false,
                ..forged.resumed()
            }],
        },
        FromWorker::ClientClosed {
            connection: forged.serial,
            progress: everything,
        },
    ]);
    // By the time this is answered, the daemon has seen all of it.
    hostile.look_up("ann");
    assert_eq!(honest.who(&mut bob), "ann bob");
    let read = honest.ask(&mut ann, Request::Fetch);
    assert_eq!(texts(&read.messages), ["secret"]);
}

#[test]
fn worker_cannot_make_session_without_password() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut hostile = Worker::attach(&daemon);
    // By claiming that there was one.
    let mut claimed = hostile.client();
    claimed.progress = everything_up_to(MessageNumber(7));
    hostile.say([FromWorker::Resume {
        connections: vec![claimed.resumed()],
    }]);
    assert_eq!(
        hostile.answer(&mut claimed, Request::Fetch),
        Outcome::Refused
    );
    // By a wrong password, an empty one, the stored secret, or by taking the name.
    let stored = daemon.account_lines("ann")[0].clone();
    let secret = stored.split_once(',').unwrap().1.as_bytes();
    let mut guessing = hostile.client();
    let guesses = [b"wrong".as_slice(), secret];
    for guess in guesses {
        let answer = hostile.answer(&mut guessing, log_in("ann", guess));
        assert_eq!(answer, Outcome::PasswordNeeded);
    }
    let answer = hostile.answer(&mut guessing, register("ann", b"mine"));
    assert_eq!(answer, Outcome::NameUnavailable);
    assert_eq!(
        hostile.answer(
            &mut guessing,
            Request::ListUsers {
                seen_within_minutes: None
            }
        ),
        Outcome::Refused
    );
    assert_eq!(hostile.look_up("ann"), Outcome::PasswordNeeded);
}

#[test]
fn worker_cannot_become_another_one() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let (honest, ann, hostile, _) = scene(&daemon);
    let forged = ResumeToken {
        worker_session: honest.credential.worker_session,
        secret: hostile.credential.secret,
    };
    let refused = Worker::resume(&daemon, forged).err();
    assert_eq!(refused, Some(Refusal::WorkerSessionEnded));
    // Neither while both are away: the worker session is there to be had, for who has its secret.
    daemon.kill_child();
    let refused = Worker::resume(&daemon, forged).err();
    assert_eq!(refused, Some(Refusal::WorkerSessionEnded));
    let mut honest = honest;
    honest.come_back(&daemon, vec![ann.resumed()]);
    let mut ann = ann;
    assert_eq!(honest.answer(&mut ann, Request::Fetch), Outcome::Done);
}

/// The longest line a client can say is 65,536 bytes.
#[test]
fn impossible_request_is_refused_early() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut hostile = Worker::attach(&daemon);
    let long = "x".repeat(65_537);
    let mut guessing = hostile.client();
    for call in [
        log_in("ann", long.as_bytes()),
        register("bob", long.as_bytes()),
    ] {
        assert_eq!(hostile.answer(&mut guessing, call), Outcome::Refused);
    }
    assert_eq!(hostile.look_up("bob"), Outcome::NameFree);
    let mut ann = hostile.log_in("ann");
    assert_eq!(
        hostile.answer(&mut ann, send(&long, "hi")),
        Outcome::Refused
    );
    assert_eq!(hostile.answer(&mut ann, send("ann", "hi")), SENT);
}

#[test]
fn worker_with_too_many_clients_is_closed() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut honest = Worker::attach(&daemon);
    let mut ann = honest.log_in("ann");
    let clients = || (1..=2_200_000).map(ConnectionSerial);
    let mut hostile = Worker::attach(&daemon);
    hostile.say(clients().map(|connection| FromWorker::Progress {
        connection,
        progress: everything_up_to(MessageNumber(0)),
    }));
    assert_eq!(hostile.next_item(), None);
    let mut hostile = Worker::attach(&daemon);
    hostile.say(clients().map(|connection| FromWorker::ClientConnected {
        connection,
        address: HERE,
        is_known: true,
    }));
    assert_eq!(hostile.next_item(), None);
    assert_eq!(honest.answer(&mut ann, Request::Fetch), Outcome::Done);
    daemon.wait_for_log("more connections than there can be");
}

const AS_ANOTHER: &str = "CHAT_TEST_SOCKET";

#[test]
fn foreign_process_is_not_served() {
    if let Ok(socket) = std::env::var(AS_ANOTHER) {
        assert_eq!(Link::open(Path::new(&socket)).greet(None), None);
        return;
    }
    if !geteuid().is_root() {
        return;
    }
    let daemon = Daemon::with_accounts(&[]);
    Worker::attach(&daemon);
    fs::set_permissions(daemon.socket(), Permissions::from_mode(0o666)).unwrap();
    let connect_as = |user: u32| {
        let test = "hostile_worker::foreign_process_is_not_served";
        let output = Command::new("/proc/self/exe")
            .args(["--exact", test, "--test-threads=1"])
            .env(AS_ANOTHER, daemon.socket())
            .uid(user)
            .gid(user)
            .output()
            .unwrap();
        output.status.success()
    };
    // The connection of another user is closed; a worker is greeted.
    assert!(connect_as(64_999));
    assert!(!connect_as(64_191));
    daemon.wait_for_log("of user 64999");
}
