//! Messages that are read while a checkpoint waits for that: it has no texts of them.

use chat_model::{Outcome, Request};
use chat_rpc::ToWorker;
use chat_stated::checkpoint::CheckpointSnapshot;

use super::daemon::{Daemon, wait_for};
use super::pages::{read_reply, send_all};
use super::texts_on_disk::numbered;
use super::worker::{Client, SENT, Worker, broadcast, texts};

/// More than a checkpoint takes at once without waiting.
const MESSAGES: usize = 3_000;

/// Records of the current checkpoint, of pages with texts and of pages whose messages were read meanwhile; nothing
/// while there is none that holds messages.
fn pages(daemon: &Daemon) -> Option<(usize, usize)> {
    let checkpoint = CheckpointSnapshot::of_running(&daemon.run_dir().join("state")).ok()?;
    let (mut with_texts, mut read) = (0, 0);
    checkpoint
        .read(|record| {
            with_texts += usize::from(record.table == 3);
            read += usize::from(record.table == 4);
            Ok(())
        })
        .unwrap();
    (with_texts + read > 0).then_some((with_texts, read))
}

/// Ann has sent to bob, who has read it by the time of the checkpoint, and to cy, who has not.
struct Played {
    daemon: Daemon,
    worker: Worker,
    ann: Client,
    bob: Client,
    for_cy: Vec<String>,
}

fn played() -> Played {
    let daemon = Daemon::with_flags(&["ann", "bob", "cy"], &["--checkpoint-every-entries=3000"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let sent = numbered(MESSAGES - 100, 10);
    let (for_cy, for_bob) = sent.split_at(100);
    send_all(&mut worker, &mut ann, "cy", for_cy);
    send_all(&mut worker, &mut ann, "bob", for_bob);
    let (mut bob, welcome) = worker.log_in_reading("bob");
    let through = welcome.through;
    assert_eq!(texts(&read_reply(&mut worker, &bob, welcome)), for_bob);
    // The one with which the checkpoint is due.
    send_all(&mut worker, &mut ann, "cy", &numbered(100, 20));
    bob.has(through);
    worker.ask(&mut bob, Request::Fetch);
    let (with_texts, read) = wait_for("a checkpoint with messages", || pages(&daemon));
    assert!(read > 0 && with_texts > 0, "{read} {with_texts}");
    assert!(with_texts <= 2, "{with_texts} pages of 200 messages");
    let for_cy = [for_cy, &numbered(100, 20)].concat();
    Played {
        daemon,
        worker,
        ann,
        bob,
        for_cy,
    }
}

/// What waits for cy, who logs in for it.
fn waiting_for_cy(worker: &mut Worker) -> Vec<String> {
    let (cy, welcome) = worker.log_in_reading("cy");
    let messages = read_reply(worker, &cy, welcome);
    texts(&messages).into_iter().map(str::to_owned).collect()
}

#[test]
fn kill_keeps_reads_during_checkpoint() {
    let Played {
        daemon,
        mut worker,
        mut ann,
        mut bob,
        for_cy,
    } = played();
    daemon.kill_child();
    worker.come_back(&daemon, vec![ann.resumed(), bob.resumed()]);
    assert_eq!(
        texts(&worker.ask(&mut bob, Request::Fetch).messages),
        [] as [&str; 0]
    );
    assert_eq!(waiting_for_cy(&mut worker), for_cy);
    let request = ann.request(broadcast("to all"));
    worker.request([request]);
    match worker.next_item() {
        Some(ToWorker::Reply { outcome, .. }) => assert_eq!(outcome, SENT),
        other => panic!("{other:?}"),
    }
}

/// As docs/runbook.md has it for a damaged journal.
#[test]
fn moved_journal_loses_no_deliveries() {
    let Played {
        mut daemon,
        worker,
        for_cy,
        ..
    } = played();
    drop(worker);
    daemon.kill_supervisor();
    let state = daemon.run_dir().join("state");
    for name in [
        "journal.db",
        "journal.db-wal",
        "journal.db-shm",
        "journal.mark",
        "journal.mark2",
    ] {
        let _ = std::fs::remove_file(state.join(name));
    }
    daemon.start_again();
    daemon.wait_for_log("marking 2800 messages as delivered");
    // The next process finds the same checkpoint, and a journal that was begun.
    daemon.kill_child();
    let mut worker = Worker::attach(&daemon);
    assert_eq!(waiting_for_cy(&mut worker), for_cy);
    // His session ends once its worker had time to come back.
    worker.wait_for_answer("bob", &Outcome::PasswordNeeded);
    let (bob, welcome) = worker.log_in_reading("bob");
    assert!(read_reply(&mut worker, &bob, welcome).is_empty());
    drop(worker);
    assert!(daemon.stop().success());
    let checked = daemon.run(&["check"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
}
