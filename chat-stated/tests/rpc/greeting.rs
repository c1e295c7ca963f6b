//! The first frame of each side.

use std::time::{Duration, Instant};

use chat_model::{Outcome, Request, WorkerSessionId};
use chat_rpc::{FrameWriter, FromWorker, Greeting, Hello, Refusal, ResumeToken, VERSION};

use super::daemon::{Daemon, wait_for};
use super::worker::{Link, Worker};

#[test]
fn other_worker_version_is_refused() {
    let daemon = Daemon::with_accounts(&[]);
    for version in [0, VERSION + 1, u32::MAX] {
        let mut link = Link::open(&daemon.socket());
        let mut hello = b"chatserv".to_vec();
        hello.extend(version.to_le_bytes());
        hello.extend(b"whatever that version has here");
        link.write_frame(&hello);
        let greeting = Greeting::decode(&link.read_frame().unwrap()).unwrap();
        assert_eq!(
            greeting,
            Greeting::Refused(Refusal::Version {
                daemon_version: VERSION
            })
        );
        assert_eq!(link.read_frame(), None);
    }
    Worker::attach(&daemon);
}

#[test]
fn garbage_hello_is_closed_silently() {
    let daemon = Daemon::with_accounts(&[]);
    let hello = Hello { resume: None }.encode().unwrap();
    let with_more = [hello.as_slice(), b"x"].concat();
    let frames: [&[u8]; 5] = [
        b"x",
        b"chatserv",
        b"Chatserv\x01\0\0\0\0",
        &hello[..hello.len() - 1],
        &with_more,
    ];
    for frame in frames {
        let mut link = Link::open(&daemon.socket());
        link.write_frame(frame);
        assert_eq!(link.read_frame(), None, "{frame:?}");
    }
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        &[0, 0, 0, 0],
        &[0xff; 4],
    ] {
        let mut link = Link::open(&daemon.socket());
        link.write(bytes);
        assert_eq!(link.read_frame(), None, "{bytes:?}");
    }
    Worker::attach(&daemon);
}

#[test]
fn silent_connection_is_closed() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut quiet_worker = Worker::attach(&daemon);
    let began = Instant::now();
    let mut silent = Link::open(&daemon.socket());
    let mut halting = Link::open(&daemon.socket());
    halting.write(&[17, 0, 0, 0, b'c', b'h']);
    assert_eq!(silent.read_frame(), None);
    assert_eq!(halting.read_frame(), None);
    // Closed in time is a matter of the machine; closed too soon is one of the daemon.
    assert!(began.elapsed() > Duration::from_millis(4_500));
    assert_eq!(quiet_worker.look_up("ann"), Outcome::PasswordNeeded);
}

#[test]
fn who_speaks_before_being_attached_is_closed() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut items = FrameWriter::default();
    let mut client = worker.client();
    let request = FromWorker::Request(client.request(Request::ListUsers {
        seen_within_minutes: None,
    }));
    items.push_frame(&Hello { resume: None }.encode().unwrap());
    items.push(&request).unwrap();
    let mut hasty = Link::open(&daemon.socket());
    hasty.write(items.pending());
    assert_eq!(hasty.read_frame(), None);

    let mut without_hello = Link::open(&daemon.socket());
    let mut items = FrameWriter::default();
    items.push(&request).unwrap();
    without_hello.write(items.pending());
    assert_eq!(without_hello.read_frame(), None);
    assert_eq!(worker.look_up("ann"), Outcome::PasswordNeeded);
}

#[test]
fn every_worker_has_own_session() {
    let daemon = Daemon::with_accounts(&[]);
    let first = Worker::attach(&daemon).credential;
    let second = Worker::attach(&daemon).credential;
    daemon.kill_child();
    let third = Worker::attach(&daemon).credential;
    assert!(
        first.worker_session < second.worker_session
            && second.worker_session < third.worker_session
    );
    assert!(first.secret != second.secret && second.secret != third.secret);
}

#[test]
fn worker_session_that_ended_is_never_revived() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    worker.log_in("ann");
    let credential = worker.credential;
    drop(worker);
    let resumed = Worker::resume(&daemon, credential);
    assert_eq!(resumed.err(), Some(Refusal::WorkerSessionEnded));
    // Its end is durable before a later worker session's beginning.
    drop(Worker::attach(&daemon));
    daemon.kill_child();
    let resumed = Worker::resume(&daemon, credential);
    assert_eq!(resumed.err(), Some(Refusal::WorkerSessionEnded));
    Worker::attach(&daemon).wait_for_answer("ann", &Outcome::PasswordNeeded);
}

#[test]
fn attached_worker_session_cannot_be_taken() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let resumed = Worker::resume(&daemon, worker.credential);
    assert_eq!(resumed.err(), Some(Refusal::WorkerSessionEnded));
    assert_eq!(worker.who(&mut ann), "ann");
}

#[test]
fn resume_needs_right_token() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    daemon.kill_child();
    let right = worker.credential;
    let mut secret = right.secret;
    secret[15] ^= 1;
    for wrong in [
        ResumeToken { secret, ..right },
        ResumeToken {
            worker_session: WorkerSessionId(right.worker_session.0 + 1),
            ..right
        },
    ] {
        let resumed = Worker::resume(&daemon, wrong);
        assert_eq!(resumed.err(), Some(Refusal::WorkerSessionEnded));
    }
    worker.come_back(&daemon, vec![ann.resumed()]);
    assert_eq!(worker.who(&mut ann), "ann");
}

#[test]
fn too_many_workers_are_refused() {
    const MAX_WORKERS: usize = 256;
    let daemon = Daemon::with_accounts(&[]);
    let mut workers: Vec<Worker> = (0..MAX_WORKERS).map(|_| Worker::attach(&daemon)).collect();
    let mut one_more = Link::open(&daemon.socket());
    let greeting = one_more.read_frame().map(|frame| Greeting::decode(&frame));
    assert_eq!(
        greeting,
        Some(Ok(Greeting::Refused(Refusal::TooManyWorkers)))
    );
    assert_eq!(one_more.read_frame(), None);
    assert_eq!(workers[0].look_up("nobody"), Outcome::NameFree);
    workers.pop();
    wait_for("a place", || {
        let greeting = Link::open(&daemon.socket()).greet(None)?;
        matches!(greeting, Greeting::Attached(_)).then_some(())
    });
}
