//! A small batch waits for what the answers before it bring about.

use super::*;

/// A batch of so many sends is with the journal, and another send waits.
fn with_batch_of(sends: u64) -> (Attached, Batch) {
    let mut worker = Attached::new();
    worker.answered();
    for send in 1..=sends {
        worker.ask(10 * send, SEND());
    }
    let first = worker.submitted().unwrap();
    worker.ask(10_000, SEND());
    (worker, first)
}

#[test]
fn small_batch_waits_for_reaction() {
    let (mut worker, first) = with_batch_of(9);
    assert_eq!(worker.core.next_batch(&first), None);
    worker.commit(first);
    assert!(worker.submitted().is_none(), "the worker has not reacted");
    let due_ms = worker.core.next_deadline_ms();
    assert_eq!(due_ms, Some(START.boot_ms + 1));
    worker.ask(10_010, SEND());
    let second = worker.submitted().unwrap();
    assert_eq!(second.attempts(), 2);
    worker.commit(second);
    assert!(worker.core.is_idle());
}

#[test]
fn few_answers_cause_no_pause() {
    let (mut worker, first) = with_batch_of(8);
    let second = worker.core.next_batch(&first).unwrap();
    assert_eq!(second.attempts(), 1);
}

#[test]
fn large_batch_causes_no_pause() {
    let (mut worker, first) = with_batch_of(9);
    for send in 1..64 {
        worker.ask(10_000 + send, SEND());
    }
    let second = worker.core.next_batch(&first).unwrap();
    assert_eq!(second.attempts(), 64);
}
