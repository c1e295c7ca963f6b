//! Texts that are not in memory: bounded, and served after crashes.

use std::fs;

use chat_model::{MessageNumber, Request};
use chat_rpc::{FromWorker, ResumedConnection, ToWorker};

use super::daemon::Daemon;
use super::pages::{ON_DISK, read_reply, send_all};
use super::worker::{SENT, Worker, broadcast, texts};

pub(super) fn numbered(count: usize, text_bytes: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{number:0text_bytes$}"))
        .collect()
}

#[test]
fn pending_page_survives_kill() {
    let daemon = Daemon::with_flags(&["ann", "bob"], &ON_DISK);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let sent = numbered(2_000, 100);
    send_all(&mut worker, &mut ann, "bob", &sent);
    let (mut bob, welcome) = worker.log_in_reading("bob");
    assert!(welcome.more);
    let mut read = welcome.messages;
    let mut more = true;
    while more {
        let after = read.last().map_or(MessageNumber(0), |last| last.number);
        let page = FromWorker::Page {
            connection: bob.serial,
            after,
            through: welcome.through,
        };
        // Often enough it dies while the texts are read.
        worker.say([page]);
        daemon.kill_child();
        let resumed = [(&ann, after), (&bob, after)].map(|(client, taken)| ResumedConnection {
            connection: client.serial,
            answered: client.answered,
            progress: client.progress,
            taken,
            push: false,
            names_groups: false,
        });
        worker.come_back(&daemon, resumed.to_vec());
        let (page, page_more) = worker.page(&bob, after, welcome.through);
        assert!(!page.is_empty() || !page_more);
        read.extend(page);
        more = page_more;
    }
    assert_eq!(texts(&read), sent);
    bob.has(welcome.through);
    assert_eq!(
        texts(&worker.ask(&mut bob, Request::Fetch).messages),
        [] as [&str; 0]
    );
}

#[test]
fn push_works_with_texts_on_disk() {
    let daemon = Daemon::with_flags(&["ann", "bob", "cy"], &ON_DISK);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let sent = numbered(300, 100);
    send_all(&mut worker, &mut ann, "bob", &sent);
    let text = "to all";
    assert_eq!(worker.answer(&mut ann, broadcast(text)), SENT);
    let (mut bob, welcome) = worker.log_in_reading("bob");
    let read = read_reply(&mut worker, &bob, welcome);
    assert_eq!(texts(&read[..300]), sent);
    assert_eq!(texts(&read[300..]), [text]);
    bob.has(read[300].number);
    let (mut cy, welcome) = worker.log_in_reading("cy");
    assert_eq!(texts(&read_reply(&mut worker, &cy, welcome)), [text]);
    cy.has(read[300].number);
    for client in [&mut bob, &mut cy] {
        worker.ask(client, Request::SetPush { on: true });
    }
    let request = ann.request(broadcast("again"));
    worker.request([request]);
    let mut pushed_to = Vec::new();
    while pushed_to.len() < 2 {
        match worker.next_item().expect("a push") {
            ToWorker::Push {
                connections,
                messages,
                more,
                ..
            } => {
                assert_eq!((texts(&messages), more), (vec!["again"], false));
                pushed_to.extend(connections);
            }
            ToWorker::Reply { outcome, .. } => assert_eq!(outcome, SENT),
            other => panic!("{other:?}"),
        }
    }
}

/// Kilobytes of memory that a process has.
fn resident_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

#[test]
fn memory_is_bounded_whatever_waits() {
    let flags = [
        "--resident-text-bytes=1000000",
        "--checkpoint-every-entries=200",
        "--queue-bytes=1000000000",
        "--sender-share-percent=100",
    ];
    let mut daemon = Daemon::with_flags(&["ann", "bob"], &flags);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let sent = numbered(100, 16_000);
    let before_kib = resident_kib(daemon.child());
    const TIMES: usize = 100;
    for _ in 0..TIMES {
        send_all(&mut worker, &mut ann, "bob", &sent);
    }
    let text_kib = (TIMES * 100 * 16_000 / 1024) as u64;
    let grown_kib = resident_kib(daemon.child()) - before_kib;
    assert!(grown_kib < text_kib / 2, "{grown_kib} KiB of {text_kib}");
    drop(worker);
    daemon.stop();
    daemon.start_again();
    let mut worker = Worker::attach(&daemon);
    let (bob, welcome) = worker.log_in_reading("bob");
    let read = read_reply(&mut worker, &bob, welcome);
    assert_eq!(read.len(), TIMES * 100);
    for (index, message) in read.iter().enumerate() {
        assert_eq!(message.text, sent[index % 100]);
    }
    let started_kib = resident_kib(daemon.child());
    assert!(
        started_kib < before_kib + text_kib / 2,
        "{started_kib} KiB after the start"
    );
}
