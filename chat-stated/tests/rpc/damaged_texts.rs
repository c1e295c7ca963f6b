//! A text that is damaged on the disk: named, given to nobody, and nobody but its reader is concerned.

use std::fs;

use chat_model::{MessageNumber, Outcome, Request};
use chat_rpc::{FromWorker, ToWorker};

use super::daemon::{Daemon, PASSWORD, wait_for};
use super::pages::{ON_DISK, read_reply, send_all};
use super::texts_on_disk::numbered;
use super::worker::{Client, Reply, SENT, Worker, log_in, send, send_group, texts};

const DAMAGED: &[u8] = b"the damaged";

/// A stopped daemon in whose checkpoint a bit is flipped in the only text for bob; those on the same page are for dan.
fn with_a_damaged_text(flags: &[&str]) -> Daemon {
    let mut daemon = Daemon::with_flags(&["ann", "bob", "cy", "dan"], flags);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    assert_eq!(
        worker.answer(&mut ann, send("bob", "the damaged text")),
        SENT
    );
    send_all(&mut worker, &mut ann, "dan", &numbered(200, 10));
    drop(worker);
    let path = |name: &str| daemon.run_dir().join("state").join(name);
    let has_it = |bytes: &[u8]| place_of_damage(bytes).is_some();
    wait_for("the checkpoint", || {
        let log = fs::read(path("checkpoint.db-wal")).unwrap_or_default();
        let database = fs::read(path("checkpoint.db")).unwrap();
        (has_it(&log) || has_it(&database)).then_some(())
    });
    daemon.stop();
    // A start writes back what is in the log.
    daemon.start_again();
    Worker::attach(&daemon);
    daemon.stop();
    let file = daemon.run_dir().join("state/checkpoint.db");
    let mut bytes = fs::read(&file).unwrap();
    let place = place_of_damage(&bytes).expect("it is in the checkpoint");
    bytes[place] ^= 1;
    fs::write(&file, bytes).unwrap();
    daemon
}

fn place_of_damage(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(DAMAGED.len())
        .position(|window| window == DAMAGED)
}

fn assert_check_names_it(daemon: &Daemon) {
    let checked = daemon.run(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(said.contains("checkpoint.db is damaged: record "), "{said}");
}

/// Asks for the rest of what a client was welcomed with, and is told that its session is over.
fn read_until_the_end(worker: &mut Worker, client: &Client, welcome: &Reply) {
    assert_eq!((texts(&welcome.messages), welcome.more), (vec![], true));
    worker.say([FromWorker::Page {
        connection: client.serial,
        after: MessageNumber(0),
        through: welcome.through,
    }]);
    let connection = client.serial;
    assert_eq!(worker.next_item(), Some(ToWorker::Kick { connection }));
    worker.close(client);
}

/// The others send and are served, and it is the same process all the time.
fn assert_others_are_served(worker: &mut Worker, daemon: &Daemon, child: i32) {
    let mut ann = worker.log_in("ann");
    for text in ["one", "two"] {
        assert_eq!(worker.answer(&mut ann, send_group("bob cy", text)), SENT);
    }
    let (mut cy, welcome) = worker.log_in_reading("cy");
    let through = welcome.through;
    let read = read_reply(worker, &cy, welcome);
    assert_eq!(texts(&read), ["one", "two"]);
    cy.has(through);
    worker.log_out(cy);
    worker.log_out(ann);
    assert_eq!(daemon.child(), child);
}

#[test]
fn flipped_text_bit_affects_only_reader() {
    let mut daemon = with_a_damaged_text(&ON_DISK);
    assert_check_names_it(&daemon);
    daemon.start_again();
    let mut worker = Worker::attach(&daemon);
    let child = daemon.child();
    let (bob, welcome) = worker.log_in_reading("bob");
    read_until_the_end(&mut worker, &bob, &welcome);
    daemon.wait_for_log("checkpoint.db is damaged: record ");
    daemon.wait_for_log("its checksum does not match its content");
    daemon.wait_for_log("bob cannot get message ");

    let mut bob = worker.client();
    let busy = |worker: &mut Worker, bob: &mut Client| {
        let answer = worker.answer(bob, log_in("bob", PASSWORD));
        assert_eq!(answer, Outcome::Busy);
    };
    busy(&mut worker, &mut bob);
    assert_eq!(
        worker.answer(&mut bob, log_in("bob", b"wrong")),
        Outcome::PasswordNeeded,
        "a stranger is told nothing"
    );
    assert_others_are_served(&mut worker, &daemon, child);
    busy(&mut worker, &mut bob);
    assert_eq!(daemon.log().matches("is damaged: record").count(), 1);

    // The next process finds it again, and nothing was lost of what came since.
    drop(worker);
    daemon.kill_child();
    let mut worker = Worker::attach(&daemon);
    let child = daemon.child();
    let (bob, welcome) = worker.log_in_reading("bob");
    read_until_the_end(&mut worker, &bob, &welcome);
    assert_others_are_served(&mut worker, &daemon, child);
    drop(worker);
    daemon.stop();
    assert_check_names_it(&daemon);
}

#[test]
fn start_skips_damaged_text() {
    let mut daemon = with_a_damaged_text(&ON_DISK);
    daemon.forget_flags(&ON_DISK);
    daemon.start_again();
    let mut worker = Worker::attach(&daemon);
    daemon.wait_for_log("checkpoint.db is damaged: record ");
    let child = daemon.child();
    let (bob, welcome) = worker.log_in_reading("bob");
    read_until_the_end(&mut worker, &bob, &welcome);
    assert_others_are_served(&mut worker, &daemon, child);
}

#[test]
fn checkpoints_continue_beside_damaged_page() {
    let mut daemon = with_a_damaged_text(&ON_DISK);
    daemon.start_again();
    let mut worker = Worker::attach(&daemon);
    let child = daemon.child();
    // As if dan had read what is beside it before it was damaged.
    let (mut dan, welcome) = worker.log_in_reading("dan");
    dan.has(welcome.through);
    let mut ann = worker.log_in("ann");
    wait_for("a checkpoint that comes upon it", || {
        worker.ask(&mut dan, Request::Fetch);
        send_all(&mut worker, &mut ann, "cy", &numbered(60, 10));
        let log = daemon.log();
        log.contains("its texts stay where they are").then_some(())
    });
    send_all(&mut worker, &mut ann, "cy", &numbered(500, 10));
    worker.log_out(ann);
    assert_eq!(daemon.child(), child);
    drop(worker);
    for _ in 0..2 {
        daemon.stop();
        assert_check_names_it(&daemon);
        daemon.start_again();
        let mut worker = Worker::attach(&daemon);
        let (bob, welcome) = worker.log_in_reading("bob");
        read_until_the_end(&mut worker, &bob, &welcome);
        let (dan, welcome) = worker.log_in_reading("dan");
        assert_eq!((texts(&welcome.messages), welcome.more), (vec![], false));
        worker.log_out(dan);
    }
}
