//! The threads that hash passwords, inside the sandbox.

use chat_model::Outcome;
use std::fs;

use super::daemon::{Daemon, PASSWORD};
use super::worker::{Worker, log_in, register};

/// The default cost: some hundred pauses a hash. On a busy machine there may be few.
const USUAL_HASHING: [&str; 2] = ["--argon2-memory-kib=19456", "--argon2-iterations=2"];
const LEAST_PAUSES: u64 = 10;

#[test]
fn hashing_is_preempted_inside_sandbox() {
    let daemon = Daemon::with_flags(&[], &USUAL_HASHING);
    let mut worker = Worker::attach(&daemon);
    let mut client = worker.client();
    let before = sleeps_of_hashing_threads(daemon.child());
    let answer = worker.answer(&mut client, register("ann", PASSWORD));
    assert_eq!(answer, Outcome::Registered);
    let slept = sleeps_of_hashing_threads(daemon.child()) - before;
    assert!(slept >= LEAST_PAUSES, "{slept} times");
    let answer = worker.answer(&mut client, log_in("ann", b"another"));
    assert_eq!(answer, Outcome::PasswordNeeded);
    let answer = worker.answer(&mut client, log_in("ann", PASSWORD));
    assert_eq!(answer, Outcome::LoggedIn);
    assert!(!daemon.log().contains("cannot preempt threads"));
}

/// How often they have slept so far.
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
