//! Lines of one client that come together.

use std::borrow::Cow;

use chat_model::{MessageBatch, MessageBatchBuilder};
use chat_rpc::SendBatch;

use super::*;

impl Attached {
    fn send(&mut self, lines: &MessageBatch) {
        self.say(&FromWorker::SendBatch(SendBatch {
            connection: ConnectionSerial(1),
            answered: StreamOffset(1),
            progress: Default::default(),
            lines: Cow::Borrowed(lines),
        }));
    }

    /// Everything that was said since this was last called.
    fn heard(&mut self) -> Vec<String> {
        let output = self.core.output(0).unwrap();
        let mut heard = Vec::new();
        for payload in take_frames(output) {
            let items = decode_items::<ToWorker<'_>>(&payload);
            // What cannot be read is the greeting.
            heard.extend(items.map_while(Result::ok).map(|item| in_short(&item)));
        }
        heard
    }
}

fn in_short(item: &ToWorker<'_>) -> String {
    match item {
        ToWorker::Reply {
            offset,
            outcome,
            messages,
            ..
        } => {
            let texts: Vec<_> = messages.iter().map(|message| message.text).collect();
            format!("{} {outcome:?} {texts:?}", offset.0)
        }
        ToWorker::Stored { first, last, .. } => format!("{} to {} sent", first.0, last.0),
        other => format!("{other:?}"),
    }
}

fn lines(lines: &[(u64, &str, &str)]) -> MessageBatch {
    let mut builder = MessageBatchBuilder::default();
    for (offset, names, text) in lines {
        let names: NameList<'_> = names.split(' ').collect();
        assert!(builder.push(StreamOffset(*offset), names.names(), text));
    }
    builder.batch().clone()
}

fn with_bob() -> Attached {
    let mut worker = Attached::new();
    let secret = "0".repeat(40);
    read_file(&mut worker.core, &format!("ann,{secret}\nbob,{secret}\n"));
    settle(&mut worker.core);
    worker.heard();
    worker
}

const THREE: [(u64, &str, &str); 3] = [(10, "bob", "a"), (20, "bob", "b"), (30, "bob", "c")];

#[test]
fn they_are_one_entry_and_one_answer() {
    let mut worker = with_bob();
    worker.send(&lines(&THREE));
    let batch = worker.submitted().unwrap();
    assert_eq!((batch.entries.len(), batch.attempts()), (1, 3));
    worker.commit(batch);
    assert_eq!(worker.heard(), ["10 to 30 sent"]);
    assert_eq!(worker.core.state.waiting_messages(), 3);
}

#[test]
fn waiting_messages_come_with_first_answer() {
    let mut worker = with_bob();
    worker.core.batches.push(Entry::Request {
        name: RequestName {
            connection: worker.connection,
            offset: StreamOffset(5),
        },
        answered: StreamOffset(1),
        progress: Default::default(),
        action: Attempt::Send {
            audience: Audience::Accounts(NameList::one("ann")),
            text: "waits".to_owned(),
        },
    });
    let batch = worker.submitted().unwrap();
    let link = worker.core.links.remove(0).unwrap();
    worker.commit(batch);
    worker.core.links.open(0, link);
    let worker_session = worker.connection.worker_session;
    worker.core.links.attach(0, worker_session).unwrap();
    worker.send(&lines(&THREE));
    let batch = worker.submitted().unwrap();
    worker.commit(batch);
    assert_eq!(
        worker.heard(),
        [r#"10 Stored { unknown: [] } ["waits"]"#, "11 to 30 sent"]
    );
}

#[test]
fn different_answers_are_sent_separately() {
    let mut worker = with_bob();
    let limits = Limits {
        queue_messages: 4,
        sender_share_percent: 50,
        ..Limits::default()
    };
    worker.core.configure(
        limits,
        WaitingLimits::INITIAL,
        SessionLimits::INITIAL,
        crate::entry::RoomLimits::INITIAL,
    );
    worker.send(&lines(&[
        (10, "bob", "a"),
        (20, "bob nobody", "b"),
        (30, "bob", "too much"),
        (40, "nobody", "c"),
    ]));
    let batch = worker.submitted().unwrap();
    worker.commit(batch);
    assert_eq!(
        worker.heard(),
        [
            "10 Stored { unknown: [] } []",
            r#"20 Stored { unknown: ["nobody"] } []"#,
            "30 QueueFull []",
            r#"40 Stored { unknown: ["nobody"] } []"#,
        ]
    );
}

#[test]
fn own_message_comes_with_its_answer() {
    let mut worker = with_bob();
    worker.send(&lines(&[
        (10, "ann", "a"),
        (20, "bob ann", "b"),
        (30, "bob", "c"),
    ]));
    let batch = worker.submitted().unwrap();
    assert_eq!(batch.entries.len(), 3);
    worker.commit(batch);
    assert_eq!(
        worker.heard(),
        [
            r#"10 Stored { unknown: [] } ["a"]"#,
            r#"20 Stored { unknown: [] } ["b"]"#,
            "30 Stored { unknown: [] } []",
        ]
    );
}

#[test]
fn repeated_batch_is_not_done_again() {
    let mut worker = with_bob();
    worker.send(&lines(&THREE[..2]));
    let batch = worker.submitted().unwrap();
    worker.commit(batch);
    let mut worker = worker.resumed();
    worker.heard();
    worker.send(&lines(&THREE));
    let batch = worker.submitted().expect("one is new");
    assert_eq!(batch.attempts(), 1);
    worker.commit(batch);
    let heard = worker.heard();
    assert_eq!(
        heard,
        [10, 20, 30].map(|offset| format!("{offset} Stored {{ unknown: [] }} []"))
    );
    assert_eq!(worker.core.state.waiting_messages(), 3);
}

#[test]
fn batch_sent_twice_is_done_once() {
    let mut worker = with_bob();
    worker.send(&lines(&THREE));
    worker.send(&lines(&THREE));
    let batch = worker.submitted().unwrap();
    worker.commit(batch);
    assert_eq!(worker.core.state.waiting_messages(), 3);
    let heard = worker.heard();
    assert_eq!((heard.len(), heard[0].as_str()), (4, "10 to 30 sent"));
}

#[test]
fn each_is_refused_where_disk_is_full() {
    let mut worker = with_bob();
    worker.send(&lines(&THREE));
    let refused = worker.submitted().unwrap();
    worker.core.no_room(refused, NoRoom::Full);
    let full = |offsets: [u64; 3]| offsets.map(|offset| format!("{offset} DiskFull []"));
    assert_eq!(worker.heard(), full([10, 20, 30]));
    worker.send(&lines(&[
        (40, "bob", "a"),
        (50, "bob", "b"),
        (60, "bob", "c"),
    ]));
    assert_eq!(worker.heard(), full([40, 50, 60]));
    assert_eq!(worker.core.state.waiting_messages(), 0);
}

#[test]
fn worker_with_impossible_text_is_closed() {
    for (names, text) in [
        ("bob", "two\nlines"),
        ("bob", ""),
        ("bob ", "text"),
        ("a,b", "text"),
    ] {
        let mut worker = with_bob();
        worker.send(&lines(&[(10, "bob", "a"), (20, names, text)]));
        let closes = |action: &Action| matches!(action, Action::CloseLink(0));
        assert!(
            worker.core.end_turn().iter().any(closes),
            "{names:?} {text:?}"
        );
    }
    let mut worker = with_bob();
    worker.send(MessageBatchBuilder::default().batch());
    let closes = |action: &Action| matches!(action, Action::CloseLink(0));
    assert!(worker.core.end_turn().iter().any(closes));
}

/// Refusals are told, counted and said, and what was refused is not stored.
#[test]
fn exhausted_waiting_budget_refuses() {
    let mut worker = with_bob();
    let waiting = WaitingLimits {
        bytes: 900,
        sender_percent: 10_000,
    };
    worker.core.configure(
        Limits::default(),
        waiting,
        SessionLimits::INITIAL,
        crate::entry::RoomLimits::INITIAL,
    );
    worker.send(&lines(&[
        (10, "bob", "a"),
        (20, "bob", "b"),
        (30, "bob", "c"),
        (40, "bob", "d"),
    ]));
    let batch = worker.submitted().unwrap();
    worker.commit(batch);
    let heard = worker.heard().join("; ");
    assert!(heard.ends_with("40 DiskFull []"), "{heard}");
    assert_eq!(worker.core.state().waiting_messages(), 3);
    assert_eq!(worker.core.refusals().render(), "full=1\n");
}
