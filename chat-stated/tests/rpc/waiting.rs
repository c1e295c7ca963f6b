//! A flood of messages to large groups in a process that may have little memory.

use chat_model::Outcome;
use std::fs;

use super::daemon::{Daemon, account_lines};
use super::worker::{Client, SENT, Worker, send, send_group, texts};

const READERS: usize = 1_900;
const SENDERS: usize = 7;
/// Well below what the flood would take if all of it were stored.
const DATA_KIB: u64 = 160 * 1024;

/// Most memory that a process ever had.
fn peak_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = line.unwrap().trim().trim_end_matches(" kB");
    peak.parse().unwrap()
}

/// Sends to a group until the first refusal, and a few times more; gives what was stored, and the refusals.
fn flood(worker: &mut Worker, sender: &mut Client, group: &str) -> (usize, Vec<Outcome<'static>>) {
    const AT_ONCE: usize = 50;
    let (mut stored, mut refused) = (0, Vec::new());
    while refused.is_empty() {
        let requests: Vec<_> = (0..AT_ONCE)
            .map(|_| sender.request(send_group(group, "x")))
            .collect();
        worker.request(requests);
        for _ in 0..AT_ONCE {
            let reply = worker.next_reply();
            sender.answered = reply.offset;
            match reply.answer {
                Outcome::Stored { .. } => stored += 1,
                refusal => refused.push(refusal),
            }
        }
        assert!(stored < 5_000, "nothing is refused");
    }
    (stored, refused)
}

#[test]
fn flood_ends_in_refusals_within_memory() {
    let readers: Vec<String> = (0..READERS).map(|number| format!("{number:x}")).collect();
    let senders: Vec<String> = (0..SENDERS).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = readers.iter().chain(&senders).map(String::as_str).collect();
    let daemon = Daemon::with_memory(&account_lines(&names), DATA_KIB);
    let mut worker = Worker::attach(&daemon);
    let first = daemon.child();
    let group = readers.join(" ");
    let (mut stored, mut refused) = (0, Vec::new());
    for sender in &senders {
        let mut sender = worker.log_in(sender);
        let (more, refusals) = flood(&mut worker, &mut sender, &group);
        stored += more;
        refused.extend(refusals);
    }
    assert!(stored > 300, "{stored} messages");
    let is_quota = |answer: &Outcome<'_>| *answer == Outcome::QueueFull;
    assert!(refused.iter().all(is_quota), "{refused:?}");
    assert_eq!(daemon.child(), first, "no process has ended");
    // Others log in and write meanwhile.
    let mut other = worker.log_in(&readers[0]);
    assert_eq!(worker.answer(&mut other, send("s0", "hi")), SENT);

    let ran_kib = peak_kib(first);
    daemon.kill_child();
    let mut worker = Worker::attach(&daemon);
    let started_kib = peak_kib(daemon.child());
    assert!(
        started_kib <= ran_kib + ran_kib / 8,
        "{started_kib} KiB for the start of what ran with {ran_kib} KiB"
    );
    let (mut reader, welcome) = worker.log_in_reading(&readers[1]);
    assert_eq!(texts(&welcome.messages), vec!["x"; welcome.messages.len()]);
    assert!(welcome.more || welcome.messages.len() == stored);
    assert_eq!(worker.answer(&mut reader, send("s0", "hi")), SENT);
}
