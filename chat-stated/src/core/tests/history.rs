//! What goes to the history, and what a checkpoint waits for.

use chat_model::{AccountId, HistorySpan, MessageNumber};

use super::*;
use crate::core::history::MAX_PENDING_BYTES;
use crate::entry::HistoryRules;
use crate::history::{Gap, HistoryEvent, KeptMessage, Question};

/// With a history that is empty, and direct messages kept.
fn with_history() -> Attached {
    let mut worker = Attached::new();
    let rules = HistoryRules { keeps_direct: true };
    worker.core.batches.push(Entry::KeepHistory(rules));
    worker.core.history_opened(HistoryStart {
        through: Some(MessageNumber(0)),
        ..HistoryStart::default()
    });
    settle(&mut worker.core);
    worker
}

/// Ends a turn: what the history is asked for, and whether a checkpoint is to be written. What is to be journalled is.
fn turn(worker: &mut Attached) -> (Vec<HistoryRequest>, bool) {
    let (mut requests, mut has_checkpoint) = (Vec::new(), false);
    for _ in 0..3 {
        for action in worker.core.end_turn() {
            match action {
                Action::History(request) => requests.push(request),
                Action::Checkpoint { .. } => has_checkpoint = true,
                Action::Submit(batch) => worker.commit(batch),
                _ => {}
            }
        }
    }
    (requests, has_checkpoint)
}

fn settled(through: u64) -> HistoryEvent {
    HistoryEvent::Settled {
        through: MessageNumber(through),
        bytes: usize::MAX,
        rows: through,
        file_bytes: 0,
    }
}

#[test]
fn checkpoint_waits_until_history_is_durable() {
    let mut worker = with_history();
    worker.fill_queue(3);
    let (requests, _) = turn(&mut worker);
    assert!(matches!(&requests[..], [HistoryRequest::Keep(kept)] if kept.len() == 3));
    worker.core.begin_checkpoint_for_room();
    assert!(!turn(&mut worker).1);
    worker.core.take_history(settled(2));
    assert!(!turn(&mut worker).1);
    worker.core.take_history(settled(3));
    assert!(turn(&mut worker).1);
    assert_eq!(worker.core.history.warning(), None);
}

#[test]
fn history_begins_with_first_kept_message() {
    let mut worker = Attached::new();
    let rules = HistoryRules { keeps_direct: true };
    worker.core.batches.push(Entry::KeepHistory(rules));
    settle(&mut worker.core);
    assert!(turn(&mut worker).0.is_empty());
    worker.fill_queue(3);
    let (requests, _) = turn(&mut worker);
    assert!(matches!(&requests[..], [HistoryRequest::Keep(kept), ..] if kept.len() == 3));
    worker.core.begin_checkpoint_for_room();
    assert!(!turn(&mut worker).1);
    worker.core.take_history(settled(3));
    assert!(turn(&mut worker).1);
}

#[test]
fn failed_history_holds_up_no_checkpoint() {
    let mut worker = with_history();
    worker.fill_queue(3);
    turn(&mut worker);
    worker.core.take_history(settled(1));
    worker.core.begin_checkpoint_for_room();
    assert!(!turn(&mut worker).1);
    let error = "of the test".to_owned();
    worker.core.take_history(HistoryEvent::Failed { error });
    let (requests, has_checkpoint) = turn(&mut worker);
    assert!(requests.is_empty() && has_checkpoint);
    let warning = worker.core.history.warning().unwrap();
    assert_eq!(
        warning,
        "the history is off, the chat goes on without it: of the test; the history lacks messages 2 to 3"
    );
}

#[test]
fn paused_history_is_awaited_up_to_bound() {
    let mut worker = with_history();
    worker.fill_queue(3);
    turn(&mut worker);
    let cause = Some(NoRoom::Full);
    worker.core.take_history(HistoryEvent::Paused(cause));
    worker.core.begin_checkpoint_for_room();
    let (requests, has_checkpoint) = turn(&mut worker);
    assert!(requests.is_empty() && !has_checkpoint);
    let position = LogIndex(worker.position);
    worker.core.checkpoints.count(position, 65 * 1024 * 1024, 0);
    let (requests, _) = turn(&mut worker);
    assert!(matches!(&requests[..], [HistoryRequest::GiveUpWaiting]));
    let (first, last) = (MessageNumber(1), MessageNumber(3));
    worker
        .core
        .take_history(HistoryEvent::Gap(Gap { first, last }));
    worker.core.take_history(settled(3));
    assert!(turn(&mut worker).1);
    let warning = worker.core.history.warning().unwrap();
    assert!(warning.contains("lacks messages 1 to 3"), "{warning}");
}

#[test]
fn question_goes_behind_what_was_committed() {
    let mut worker = with_history();
    worker.ask(20, SEND());
    worker.ask(
        30,
        Request::History {
            of: "ann".into(),
            span: HistorySpan::Newest,
            count: 50,
        },
    );
    let (requests, _) = turn(&mut worker);
    let question = match &requests[..] {
        [
            HistoryRequest::Keep(_),
            HistoryRequest::Ask { question, .. },
        ] => question,
        other => panic!("{other:?}"),
    };
    assert!(matches!(question, Question::Page { count: 50, .. }));
    assert!(!worker.core.is_idle());
    let found = Some(Default::default());
    worker
        .core
        .take_history(HistoryEvent::Answered { ticket: 1, found });
    assert!(worker.core.is_idle());
}

#[test]
fn too_many_questions_are_refused() {
    let mut worker = with_history();
    let words = "tea";
    for offset in 0..100 {
        let words = words.into();
        worker.ask(20 + offset, Request::Search { of: None, words });
    }
    let (requests, _) = turn(&mut worker);
    assert_eq!(requests.len(), 64);
    let refused = worker.core.security.refusals().render();
    assert_eq!(refused, "history-busy=36\n");
}

#[test]
fn workers_wait_for_history_far_behind() {
    let mut worker = with_history();
    let message = |number| KeptMessage {
        number: MessageNumber(number),
        time_ms: 0,
        sender: AccountId(0),
        is_notice: false,
        rooms: [].into_iter().collect(),
        readers: [AccountId(0)].into_iter().collect(),
        text: "x".repeat(MAX_PENDING_BYTES / 4).into(),
    };
    for number in 1..=3 {
        worker.core.keep(vec![message(number)]);
        assert!(!worker.core.is_full());
    }
    worker.core.keep(vec![message(4)]);
    assert!(worker.core.is_full());
    worker.core.take_history(settled(4));
    assert!(!worker.core.is_full());
}
