//! Naming a user, registering one, logging in and out.

use std::thread::available_parallelism;

use chat_model::{Message, MessageNumber, Outcome, Request};

use super::daemon::{Daemon, PASSWORD};
use super::worker::{
    ELSEWHERE, HERE, SENT, Worker, broadcast, log_in, log_in_from, name, register, send, users,
};

const BLOCK_TIME_S: u64 = 1_000;

fn with_long_blocks(names: &[&str]) -> Daemon {
    Daemon::with_flags(names, &[&format!("--block-time={BLOCK_TIME_S}")])
}

#[test]
fn name_is_answered_with_next_step() {
    let daemon = with_long_blocks(&["ann", "bob", "änne"]);
    let mut worker = Worker::attach(&daemon);
    worker.log_in("bob");
    let too_long = "x".repeat(33);
    for (user, answer) in [
        ("ann", Outcome::PasswordNeeded),
        ("änne", Outcome::PasswordNeeded),
        ("bob", Outcome::AlreadyLoggedIn),
        ("carl", Outcome::NameFree),
        ("", Outcome::NameUnavailable),
        ("Done", Outcome::NameUnavailable),
        ("örn", Outcome::NameUnavailable),
        ("c\u{1b}", Outcome::NameUnavailable),
        (&too_long, Outcome::NameUnavailable),
    ] {
        assert_eq!(worker.look_up(user), answer, "{user}");
    }
}

#[test]
fn password_may_have_any_bytes() {
    let daemon = Daemon::with_accounts(&[]);
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    let password = b"\xff\0 \n\x1b";
    assert_eq!(worker.answer(&mut client, name("ann")), Outcome::NameFree);
    let answer = worker.answer(&mut client, register("ann", password));
    assert_eq!(answer, Outcome::Registered);
    assert_eq!(
        worker.answer(&mut client, name("ann")),
        Outcome::PasswordNeeded
    );
    let wrong = &password[..password.len() - 1];
    let answer = worker.answer(&mut client, log_in("ann", wrong));
    assert_eq!(answer, Outcome::PasswordNeeded);
    let answer = worker.answer(&mut client, log_in("ann", password));
    assert_eq!(answer, Outcome::LoggedIn);
}

#[test]
fn taken_or_invalid_name_is_not_registered() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    for user in ["ann", "", "goodbye", "a b", "a,b", "x\u{7f}"] {
        let answer = worker.answer(&mut client, register(user, PASSWORD));
        assert_eq!(answer, Outcome::NameUnavailable, "{user:?}");
    }
    let answer = worker.answer(&mut client, register("carl", b""));
    assert_eq!(answer, Outcome::Refused);
    assert_eq!(worker.look_up("carl"), Outcome::NameFree);
}

#[test]
fn account_limit_is_kept() {
    let daemon = Daemon::with_flags(&["ann"], &["--max-accounts=2"]);
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    let answer = worker.answer(&mut client, register("bob", PASSWORD));
    assert_eq!(answer, Outcome::Registered);
    let answer = worker.answer(&mut client, register("carl", PASSWORD));
    assert_eq!(answer, Outcome::NameUnavailable);
    assert_eq!(daemon.account_lines("carl"), [""; 0]);
}

#[test]
fn third_wrong_password_blocks_address() {
    let daemon = with_long_blocks(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    for _ in 0..2 {
        let mut client = worker.client();
        let answer = worker.answer(&mut client, log_in("ann", b"wrong"));
        assert_eq!(answer, Outcome::PasswordNeeded);
        worker.close(&client);
    }
    let mut client = worker.client();
    let seconds_left = BLOCK_TIME_S;
    let answer = worker.answer(&mut client, log_in("ann", b"wrong"));
    assert_eq!(answer, Outcome::Locked { seconds_left });
    for password in [PASSWORD, b"wrong"] {
        match worker.answer(&mut client, log_in("ann", password)) {
            Outcome::Locked { seconds_left } => assert!((1..=BLOCK_TIME_S).contains(&seconds_left)),
            other => panic!("{other:?}"),
        }
    }
    let mut elsewhere = worker.client();
    let answer = worker.answer(&mut elsewhere, log_in_from(ELSEWHERE, "ann", PASSWORD));
    assert_eq!(answer, Outcome::LoggedIn);
    // A block is looked at before `Connected`.
    match worker.look_up("ann") {
        Outcome::Blocked { seconds_left } => assert!((1..=BLOCK_TIME_S).contains(&seconds_left)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn block_ends() {
    let daemon = Daemon::with_flags(&["ann"], &["--block-time=1"]);
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    // On a slow machine the first failures may be forgotten before the third.
    let is_locked = |answer| matches!(answer, Outcome::Locked { seconds_left: 1 });
    while !is_locked(worker.answer(&mut client, log_in("ann", b"wrong"))) {}
    worker.wait_for_answer("ann", &Outcome::PasswordNeeded);
    worker.log_in("ann");
}

#[test]
fn right_password_clears_failures() {
    let daemon = with_long_blocks(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    for _ in 0..3 {
        let mut client = worker.client();
        for _ in 0..2 {
            let answer = worker.answer(&mut client, log_in("ann", b"wrong"));
            assert_eq!(answer, Outcome::PasswordNeeded);
        }
        let answer = worker.answer(&mut client, log_in("ann", PASSWORD));
        assert_eq!(answer, Outcome::LoggedIn);
        worker.log_out(client);
    }
}

#[test]
fn who_is_logged_in_elsewhere_is_connected() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let ann = worker.log_in("ann");
    let mut other_worker = Worker::attach(&daemon);
    let mut second = other_worker.client();
    let answer = other_worker.answer(&mut second, log_in("ann", PASSWORD));
    assert_eq!(answer, Outcome::AlreadyLoggedIn);
    let answer = other_worker.answer(&mut second, log_in("ann", b"wrong"));
    assert_eq!(answer, Outcome::PasswordNeeded);
    worker.log_out(ann);
    let answer = other_worker.answer(&mut second, log_in("ann", PASSWORD));
    assert_eq!(answer, Outcome::LoggedIn);
}

#[test]
fn one_connection_is_logged_in_once() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    for user in ["ann", "bob"] {
        let answer = worker.answer(&mut ann, log_in(user, PASSWORD));
        assert_eq!(answer, Outcome::Refused);
        let answer = worker.answer(&mut ann, log_in(user, b"wrong"));
        assert_eq!(answer, Outcome::Refused);
    }
    let answer = worker.answer(&mut ann, register("carl", PASSWORD));
    assert_eq!(answer, Outcome::Refused);
    assert_eq!(worker.who(&mut ann), "ann");
    assert_eq!(worker.look_up("carl"), Outcome::NameFree);
}

#[test]
fn password_without_account_answers_username() {
    let daemon = Daemon::with_accounts(&[]);
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    let answer = worker.answer(&mut client, log_in("nobody", PASSWORD));
    assert_eq!(answer, Outcome::NameUnavailable);
}

#[test]
fn unauthenticated_client_is_refused() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    assert_eq!(worker.answer(&mut ann, send("ann", "secret")), SENT);
    let stranger = worker.client();
    let mut logged_out = ann;
    let answer = worker.answer(&mut logged_out, Request::LogOut);
    assert_eq!(answer, Outcome::LoggedOut);
    for mut client in [stranger, logged_out] {
        for call in [
            send("ann", "text"),
            broadcast("text"),
            Request::Fetch,
            Request::ListUsers {
                seen_within_minutes: None,
            },
            Request::ListUsers {
                seen_within_minutes: Some(5),
            },
            Request::SetPush { on: true },
            Request::LogOut,
        ] {
            let reply = worker.ask(&mut client, call);
            assert_eq!(reply.answer, Outcome::Refused);
            assert_eq!(reply.messages, [] as [Message<'_>; 0]);
            assert_eq!((reply.through, reply.more), (MessageNumber(0), false));
        }
    }
}

#[test]
fn closed_connection_is_logged_out() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut bob = worker.log_in("bob");
    let ann = worker.log_in("ann");
    worker.close(&ann);
    // Had there been an answer to it, it would come before this one.
    assert_eq!(worker.ask(&mut bob, Request::Fetch).connection, bob.serial);
    worker.wait_for_answer("ann", &Outcome::PasswordNeeded);
    assert_eq!(worker.who(&mut bob), "bob");
}

#[test]
fn last_lists_online_and_recent() {
    let daemon = Daemon::with_accounts(&["ann", "bob", "carl", "dora"]);
    let mut worker = Worker::attach(&daemon);
    let mut carl = worker.log_in("carl");
    let bob = worker.log_in("bob");
    worker.log_in("ann");
    worker.log_out(bob);
    assert_eq!(worker.who(&mut carl), "ann carl");
    for minutes in [1_000, u64::MAX] {
        let reply = worker.ask(
            &mut carl,
            Request::ListUsers {
                seen_within_minutes: Some(minutes),
            },
        );
        assert_eq!(users(&reply), "ann bob carl");
    }
}

#[test]
fn full_password_queue_answers_busy() {
    const MAX_WAITING_PER_SOURCE: usize = 1_024;
    // A hash takes long beside a request, and yet not so long that a busy machine never comes to its end.
    let slow = ["--argon2-memory-kib=65536", "--argon2-iterations=12"];
    let daemon = Daemon::with_flags(&["ann"], &slow);
    let mut worker = Worker::attach(&daemon);
    let at_work = available_parallelism().map_or(1, usize::from);
    // Names are looked up in the account file first, and hashes end meanwhile: so there are far more than places.
    let user_names: Vec<String> = (0..MAX_WAITING_PER_SOURCE + at_work + 100)
        .map(|number| format!("user{number}"))
        .collect();
    let mut requests = Vec::new();
    for user in &user_names {
        requests.push(worker.client().request(register(user, PASSWORD)));
    }
    worker.request(requests);
    while worker.next_reply().answer != Outcome::Busy {}
    // Each hash that ends frees a place, and on a busy machine one may end before any given request. A login that takes
    // such a place waits behind all others and fills the queue again, so the next one finds none.
    let mut logins = Vec::new();
    for _ in 0..1_000 {
        let mut login = worker.client();
        logins.push(login.serial);
        worker.request(vec![login.request(log_in_from(HERE, "ann", PASSWORD))]);
        let mut behind = worker.client();
        worker.request(vec![behind.request(name("ann"))]);
        loop {
            let reply = worker.next_reply();
            if reply.answer == Outcome::Busy && logins.contains(&reply.connection) {
                return;
            }
            if reply.connection == behind.serial {
                assert_eq!(
                    reply.answer,
                    Outcome::PasswordNeeded,
                    "it waits for no hash"
                );
                break;
            }
        }
    }
    panic!("every login found a place");
}
