//! What the threads that hash passwords do in a daemon that has given up all it does not need.

use chat_model::Outcome;
use std::fs;

use super::daemon::{Daemon, PASSWORD};
use super::worker::{Worker, log_in, register};

/// As it is by default: some hundred breaks a hash. A test gets by with few of them, on a machine with much else to do.
const USUAL_HASHING: [&str; 2] = ["--argon2-memory-kib=19456", "--argon2-iterations=2"];
const LEAST_BREAKS: u64 = 10;

#[test]
fn a_thread_that_hashes_takes_breaks_inside_the_sandbox() {
    let daemon = Daemon::with_flags(&[], &USUAL_HASHING);
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    let before = sleeps_of_hashing_threads(daemon.child());
    let answer = worker.answer(&mut client, register("ann", PASSWORD));
    assert_eq!(answer, Outcome::Registered);
    let slept = sleeps_of_hashing_threads(daemon.child()) - before;
    assert!(slept >= LEAST_BREAKS, "{slept} times");
    let answer = worker.answer(&mut client, log_in("ann", b"another"));
    assert_eq!(answer, Outcome::PasswordNeeded);
    let answer = worker.answer(&mut client, log_in("ann", PASSWORD));
    assert_eq!(answer, Outcome::LoggedIn);
    assert!(!daemon.log().contains("cannot give breaks"));
}

/// How often they gave up a core of their own accord, so far.
fn sleeps_of_hashing_threads(process: i32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let sleeps = |status: String| {
        let is_one = status.starts_with("Name:\tpassword-");
        let count = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        is_one.then(|| count.trim().parse::<u64>().unwrap())
    };
    threads
        .filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).ok())
        .filter_map(sleeps)
        .sum()
}
