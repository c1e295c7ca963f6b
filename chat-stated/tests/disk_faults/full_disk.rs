//! A full disk refuses what adds to it, and nothing else; when space returns, all goes on by itself.

use chat_model::Outcome;
use std::time::Instant;

use crate::daemon::{Installation, TIMEOUT};
use crate::history;
use crate::run::{ACCOUNTS, Fate, Told};
use crate::worker::{Ask, Worker};

const ALICE: u64 = 1;
const BOB: u64 = 2;
const CAROL: u64 = 3;
const DAVE: u64 = 4;

/// What the disk has room for beside the reserve of 1 MiB, which is not enough to hold that back again.
const FREE_BYTES: i64 = 200 * 1024;
/// Enough for a checkpoint beside some hundred small commits, of several pages of 16 KiB each.
const RESERVE_MIB: i64 = 4;
const RESERVE_BYTES: i64 = RESERVE_MIB * 1024 * 1024;
const MUCH_BYTES: i64 = 64 * 1024 * 1024;

fn answer(worker: &mut Worker<'_>, client: u64, ask: Ask) -> String {
    worker.ask(client, ask).unwrap().answer
}

fn is(answer: &str, expected: &Outcome<'_>) -> bool {
    answer == format!("{expected:?}")
}

/// More at once would not go into one answer.
const READ_AFTER_MESSAGES: usize = 100;

/// Sends one message to bob, who reads from time to time; says whether it was accepted.
fn send(worker: &mut Worker<'_>, told: &mut Told) -> bool {
    if told.sent.len().is_multiple_of(READ_AFTER_MESSAGES) {
        read(worker, told);
    }
    let text = format!("message {} {}", told.sent.len(), "x".repeat(800));
    told.sent.push((text.clone(), Fate::Open));
    let reply = worker.ask(ALICE, Ask::Send("bob", text)).unwrap();
    let is_sent = reply.is_sent();
    assert!(is_sent || reply.is(&Outcome::DiskFull), "{}", reply.answer);
    let fate = if is_sent {
        Fate::Accepted
    } else {
        Fate::Refused
    };
    told.sent.last_mut().unwrap().1 = fate;
    is_sent
}

/// All that is small goes on.
fn expect_small_things(worker: &mut Worker<'_>, told: &mut Told, rounds: usize) {
    for round in 0..rounds {
        let wrong = answer(worker, DAVE, Ask::LogIn("dave", "wrong"));
        assert!(is(&wrong, &Outcome::PasswordNeeded), "{round}: {wrong}");
        let right = answer(worker, DAVE, Ask::LogIn("dave", "x"));
        assert!(is(&right, &Outcome::LoggedIn), "{round}: {right}");
        let end = answer(worker, DAVE, Ask::LogOut);
        assert!(is(&end, &Outcome::LoggedOut), "{round}: {end}");
    }
    read(worker, told);
    let reply = worker.ask(BOB, Ask::Fetch).unwrap();
    assert!(reply.messages.is_empty(), "{:?}", reply.messages);
}

/// Bob reads everything that was accepted, and says that he has it.
fn read(worker: &mut Worker<'_>, told: &mut Told) {
    let reply = worker.ask(BOB, Ask::Fetch).unwrap();
    told.check_queue(reply.messages.iter().map(|(_, text)| &text[..]));
    for (number, text) in &reply.messages {
        told.read.insert(text.clone());
        worker.has_read(BOB, *number);
    }
}

/// Fills the disk and expects that everything that adds is refused. Space that returns meanwhile, as when a log
/// is shortened, is room that may be used: then the disk is filled again.
fn expect_refusals(installation: &Installation, worker: &mut Worker<'_>, told: &mut Told) {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        assert!(
            Instant::now() < deadline,
            "never full: {}",
            installation.log()
        );
        while send(worker, told) {}
        // What the reserve gave back, and no more.
        installation.control.set_budget(RESERVE_BYTES);
        let username = answer(worker, DAVE, Ask::Register("bob"));
        assert!(is(&username, &Outcome::NameUnavailable), "{username}");
        let register = answer(worker, CAROL, Ask::Register("carol"));
        let is_refused = is(&register, &Outcome::DiskFull) && !send(worker, told);
        if is_refused {
            return;
        }
    }
}

#[test]
fn full_disk_refuses_additions_and_recovers() {
    fill_disk(&[]);
}

#[test]
fn full_disk_with_history_recovers() {
    let (installation, told) = fill_disk(&["--direct-history"]);
    history::check(&installation, &told);
    let log = installation.log();
    assert!(!log.contains("the history lacks"), "{log}");
}

fn fill_disk(flags: &[&str]) -> (Installation, Told) {
    let mut installation = Installation::new(&ACCOUNTS);
    installation.flags = vec![
        "--checkpoint-every-entries=500".into(),
        format!("--disk-reserve={RESERVE_MIB}"),
    ];
    installation
        .flags
        .extend(flags.iter().map(|flag| (*flag).to_owned()));
    let control = &installation.control;
    control.set_budget(MUCH_BYTES);
    let mut daemon = installation.start();
    let supervisor = daemon.id();
    let mut told = Told::default();
    let mut worker = Worker::new(&installation, &mut daemon);
    for (client, name) in [(ALICE, "alice"), (BOB, "bob")] {
        let welcome = answer(&mut worker, client, Ask::LogIn(name, "x"));
        assert!(is(&welcome, &Outcome::LoggedIn), "{welcome}");
    }
    let reserve = installation.run_dir().join("state/reserve");
    let has_reserve =
        || std::fs::metadata(&reserve).is_ok_and(|found| found.len() == RESERVE_BYTES as u64);
    wait_until(has_reserve);
    for turn in 0..2 {
        control.set_budget(FREE_BYTES);
        let accepted = (0..10_000)
            .take_while(|_| send(&mut worker, &mut told))
            .count();
        assert!((1..10_000).contains(&accepted), "{accepted}");
        expect_small_things(&mut worker, &mut told, 40);
        expect_refusals(&installation, &mut worker, &mut told);
        assert!(!has_reserve());
        // A start takes some room, too.
        installation.kill_state_process(supervisor);
        expect_small_things(&mut worker, &mut told, 40);
        expect_refusals(&installation, &mut worker, &mut told);
        control.set_budget(MUCH_BYTES);
        let deadline = Instant::now() + TIMEOUT;
        while !send(&mut worker, &mut told) {
            assert!(
                Instant::now() < deadline,
                "turn {turn}: {}",
                installation.log()
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        wait_until(has_reserve);
    }
    let registered = answer(&mut worker, CAROL, Ask::Register("carol"));
    let is_there = [Outcome::Registered, Outcome::NameUnavailable];
    assert!(
        is_there.iter().any(|answer| is(&registered, answer)),
        "{registered}"
    );
    let log = installation.log();
    for words in [
        "no room on its file system",
        "the disk is full",
        "there is room",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert!(daemon.stop());
    told.check_disk(&installation.run_dir());
    (installation, told)
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// With nothing left at all, not even of the reserve, what is there can still be read, and nothing is answered wrong.
#[test]
fn readers_read_without_any_space() {
    let mut installation = Installation::new(&ACCOUNTS);
    installation.flags = vec!["--disk-reserve=1".into()];
    let control = &installation.control;
    let mut daemon = installation.start();
    let mut told = Told::default();
    let mut worker = Worker::new(&installation, &mut daemon);
    for (client, name) in [(ALICE, "alice"), (BOB, "bob")] {
        let welcome = answer(&mut worker, client, Ask::LogIn(name, "x"));
        assert!(is(&welcome, &Outcome::LoggedIn), "{welcome}");
    }
    for _ in 0..10 {
        assert!(send(&mut worker, &mut told));
    }
    // So little that giving up the reserve does not make up for it.
    control.set_budget(-(1 << 30));
    while send(&mut worker, &mut told) {}
    for _ in 0..3 {
        read(&mut worker, &mut told);
        assert!(!send(&mut worker, &mut told));
    }
    assert!(!told.read.is_empty());
    let full = answer(&mut worker, DAVE, Ask::LogIn("dave", "x"));
    assert!(is(&full, &Outcome::DiskFull), "{full}");
    control.set_budget(MUCH_BYTES);
    let deadline = Instant::now() + TIMEOUT;
    while !is(
        &answer(&mut worker, DAVE, Ask::LogIn("dave", "x")),
        &Outcome::LoggedIn,
    ) {
        assert!(Instant::now() < deadline, "{}", installation.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(daemon.stop());
    told.check_disk(&installation.run_dir());
}
