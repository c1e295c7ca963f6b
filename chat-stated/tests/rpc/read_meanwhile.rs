//! Messages that are read while a checkpoint waits for that: it has no texts of them.

use std::time::{Duration, Instant};

use chat_shared::rpc::{Call, ToWorker};
use chat_stated::checkpoint::CheckpointSnapshot;

use super::daemon::{Daemon, wait_for};
use super::pages::{read_reply, send_all};
use super::texts_on_disk::numbered;
use super::worker::{SENT, Worker, texts};

/// More than a checkpoint takes at once without waiting.
const MESSAGES: usize = 3_000;

/// Records of the current checkpoint, of pages with texts and of pages whose messages were read meanwhile; nothing while
/// there is none that holds messages.
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

#[test]
fn what_is_read_while_a_checkpoint_waits_for_it_stays_read_and_all_else_is_there_after_a_kill() {
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
    let began = Instant::now();
    // The one with which the checkpoint is due.
    send_all(&mut worker, &mut ann, "cy", &numbered(100, 20));
    bob.has(through);
    worker.ask(&mut bob, Call::Fetch);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "too slow a machine"
    );
    let (with_texts, read) = wait_for("a checkpoint with messages", || pages(&daemon));
    assert!(read > 0 && with_texts > 0, "{read} {with_texts}");
    assert!(with_texts <= 2, "{with_texts} pages of 200 messages");

    daemon.kill_child();
    worker.come_back(&daemon, vec![ann.resumed(), bob.resumed()]);
    assert_eq!(
        texts(&worker.ask(&mut bob, Call::Fetch).messages),
        [] as [&str; 0]
    );
    let (cy, welcome) = worker.log_in_reading("cy");
    let all = [for_cy, &numbered(100, 20)].concat();
    assert_eq!(texts(&read_reply(&mut worker, &cy, welcome)), all);
    let request = ann.request(Call::Broadcast { text: "to all" });
    worker.request([request]);
    match worker.next_item() {
        Some(ToWorker::Reply { answer, .. }) => assert_eq!(answer, SENT),
        other => panic!("{other:?}"),
    }
}
