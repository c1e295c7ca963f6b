//! The daemon told to stop, killed, and started again.

use chat_model::{Outcome, Request};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use chat_rpc::{FromWorker, ToWorker};
use nix::sys::signal::Signal;
use nix::unistd::{getegid, geteuid};

use super::daemon::{Daemon, PASSWORD, send_signal, wait_for_end};
use super::worker::{SENT, Worker, broadcast, log_in, name, register, send, texts, users};

/// The default of `--worker-user`.
const WORKER_GROUP: u32 = 64_191;

#[test]
fn socket_is_for_workers_only() {
    let mut daemon = Daemon::with_accounts(&[]);
    Worker::attach(&daemon);
    let metadata = fs::metadata(daemon.socket()).unwrap();
    assert!(metadata.file_type().is_socket());
    // Started as root, the workers have a user of their own, and so a group.
    let (mode, group) = match geteuid().is_root() {
        true => (0o660, WORKER_GROUP),
        false => (0o600, getegid().as_raw()),
    };
    assert_eq!(metadata.permissions().mode() & 0o7777, mode);
    assert_eq!(metadata.gid(), group);
    assert!(daemon.stop().success());
    assert!(!daemon.socket().exists());
}

#[test]
fn sigterm_waits_for_what_is_in_flight() {
    // Long enough not to be done before the signal comes, and far shorter than the daemon waits, on a busy machine too.
    let flags = ["--argon2-memory-kib=16384", "--argon2-iterations=2"];
    let mut daemon = Daemon::with_flags(&["ann"], &flags);
    let mut worker = Worker::attach(&daemon);
    let mut registering = worker.client();
    let mut naming = worker.client();
    let requests = [
        registering.request(register("bob", PASSWORD)),
        naming.request(name("ann")),
    ];
    worker.request(requests);
    // Answered out of turn, so the registration before it was taken.
    let mut answers = vec![worker.next_reply().answer];
    assert!(daemon.stop().success());
    while let Some(ToWorker::Reply { outcome, .. }) = worker.next_item() {
        answers.push(outcome);
    }
    assert_eq!(answers, [Outcome::PasswordNeeded, Outcome::Registered]);
    assert_eq!(daemon.account_lines("bob").len(), 1);
}

#[test]
fn stop_keeps_work_of_workers() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let child = daemon.child();
    // It comes upon all of it at once.
    send_signal(child, Signal::SIGSTOP);
    worker.request([ann.request(send("bob", "hi"))]);
    drop(worker);
    send_signal(child, Signal::SIGTERM);
    let told = Instant::now();
    send_signal(child, Signal::SIGCONT);
    wait_for_end(child);
    // Who is known to be gone is not waited for.
    assert!(told.elapsed() < Duration::from_secs(3));
    // Its worker session has ended with it, though its process, this one, lives.
    let mut worker = Worker::attach(&daemon);
    worker.log_in("ann");
    let (_, welcome) = worker.log_in_reading("bob");
    assert_eq!(texts(&welcome.messages), ["hi"]);
}

#[test]
fn restart_keeps_queues_and_blocks() {
    let mut daemon = Daemon::with_flags(&["ann", "bob", "carl"], &["--block-time=1000"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let mut bob = worker.log_in("bob");
    let read = worker.ask(&mut bob, send("bob", "read")).through;
    bob.has(read);
    worker.answer(&mut ann, send("bob", "direct"));
    let text = "to all";
    assert_eq!(worker.answer(&mut ann, broadcast(text)), SENT);
    let mut failing = worker.client();
    for _ in 0..3 {
        worker.answer(&mut failing, log_in("carl", b"wrong"));
    }
    worker.log_out(bob);
    worker.log_out(ann);

    // Once in order, once without warning.
    for is_in_order in [true, false] {
        if is_in_order {
            assert!(daemon.stop().success());
        } else {
            daemon.kill_supervisor();
        }
        daemon.start_again();
        worker.come_back(&daemon, Vec::new());
        assert!(matches!(
            worker.look_up("carl"),
            Outcome::Blocked {
                seconds_left: 1..=1_000
            }
        ));
        let (mut bob, welcome) = worker.log_in_reading("bob");
        assert_eq!(texts(&welcome.messages), ["direct", text]);
        let reply = worker.ask(
            &mut bob,
            Request::ListUsers {
                seen_within_minutes: Some(1_000),
            },
        );
        assert_eq!(users(&reply), "ann bob");
        worker.log_out(bob);
    }
}

#[test]
fn state_ends_with_its_supervisor() {
    let mut daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    worker.log_in("ann");
    let child = daemon.child();
    daemon.kill_supervisor();
    wait_for_end(child);
    assert_eq!(worker.next_item(), None);
    assert!(UnixStream::connect(daemon.socket()).is_err());
    daemon.start_again();
    assert_eq!(Worker::attach(&daemon).look_up("nobody"), Outcome::NameFree);
}

#[test]
fn second_daemon_leaves_first_alone() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let output = daemon.start_another().wait_with_output().unwrap();
    assert!(!output.status.success());
    assert_eq!(worker.look_up("ann"), Outcome::PasswordNeeded);
    Worker::attach(&daemon);
}

#[test]
fn kill_loses_nothing_answered() {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    for round in 0..5 {
        let text = round.to_string();
        assert_eq!(worker.answer(&mut ann, send("bob", &text)), SENT);
        daemon.kill_child();
        worker.come_back(&daemon, vec![ann.resumed()]);
    }
    // SIGHUP and a worker's end in between harm nothing either.
    daemon.signal(Signal::SIGHUP);
    worker.say([FromWorker::ClientClosed {
        connection: ann.serial,
        progress: ann.progress,
    }]);
    let (_, welcome) = worker.log_in_reading("bob");
    assert_eq!(texts(&welcome.messages), ["0", "1", "2", "3", "4"]);
}
