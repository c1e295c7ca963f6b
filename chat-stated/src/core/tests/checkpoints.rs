//! Checkpoints of which a turn gathers only a piece.

use chat_model::MessageNumber;

use super::*;
use crate::checkpoint::Change;
use crate::core::checkpoints::MOST_DUE;
use crate::stored_state::replay;

const MESSAGES: u64 = 10_000;

/// With messages that no checkpoint has.
fn with_a_queue() -> Attached {
    let mut worker = Attached::new();
    worker.fill_queue(MESSAGES);
    while let Some(batch) = worker.submitted() {
        worker.commit(batch);
    }
    assert_eq!(worker.core.state.waiting_messages() as u64, MESSAGES);
    worker
}

type Checkpoint = (LogIndex, Vec<Change>);

/// One turn, in which nothing comes in; gives what is to be journalled, and the checkpoint that is to be written.
fn turn(worker: &mut Attached) -> (Option<Batch>, Option<Checkpoint>) {
    let (mut batch, mut checkpoint) = (None, None);
    for action in worker.core.end_turn() {
        match action {
            Action::Submit(submitted) => batch = Some(submitted),
            Action::Checkpoint { position, records } => checkpoint = Some((position, records)),
            _ => {}
        }
    }
    (batch, checkpoint)
}

fn has(worker: &Attached, through: u64) -> Entry {
    let through = MessageNumber(through);
    Entry::Progress {
        connection: worker.connection,
        progress: Progress {
            sent: through,
            acknowledged: through,
            confirmed: through,
        },
    }
}

#[test]
fn busy_turn_captures_bounded_piece() {
    let mut worker = with_a_queue();
    worker.core.begin_checkpoint_for_room();
    let (mut turns, mut on_pages) = (0, worker.core.state.messages_on_pages());
    assert!(on_pages < 2_048 + 256, "{on_pages} messages at once");
    loop {
        assert!(worker.core.checkpoints.is_in_progress());
        let at_once = worker.core.next_deadline_ms();
        assert_eq!(at_once, Some(START.boot_ms), "nothing has to come in");
        let (_, checkpoint) = turn(&mut worker);
        turns += 1;
        let gathered = worker.core.state.messages_on_pages() - on_pages;
        assert!(gathered < 2_048 + 256, "{gathered} messages in one turn");
        on_pages += gathered;
        if checkpoint.is_some() {
            break;
        }
    }
    assert_eq!(on_pages as u64, MESSAGES);
    assert!(turns >= 4, "{turns} turns");
    assert_ne!(worker.core.next_deadline_ms(), Some(START.boot_ms));
}

#[test]
fn later_entries_are_replayed_on_checkpoint() {
    let mut worker = with_a_queue();
    let begun = LogIndex(worker.position);
    worker.core.begin_checkpoint_for_room();
    let mut journal = Vec::new();
    let (mut read, mut written) = (0, None);
    while written.is_none() {
        read += 1_500;
        let progress = has(&worker, read);
        worker.core.batches.push(progress);
        worker.ask(100_000 + read, SEND());
        let (batch, checkpoint) = turn(&mut worker);
        let batch = batch.expect("something came in");
        if checkpoint.is_none() {
            // What comes with the last piece is for the next one as well.
            worker.core.begin_checkpoint_for_room();
        }
        written = checkpoint;
        journal.push(batch.clone());
        worker.commit(batch);
    }
    assert!(journal.len() >= 4);
    let (position, records) = written.expect("it was gathered");
    assert_eq!(position, begun);
    worker.checkpoint.write(&records).unwrap();
    let mut state = Restoration::of_all(worker.checkpoint.records()).unwrap();
    assert_eq!(state.waiting_messages() as u64, MESSAGES);
    for batch in journal {
        replay(&mut state, batch);
    }
    let running = &worker.core.state;
    assert_eq!(state.last_message(), running.last_message());
    assert_eq!(state.waiting_messages(), running.waiting_messages());
    assert!(state.records().eq(running.records()));
    assert!(state.worker_sessions().eq(running.worker_sessions()));
}

/// With a checkpoint that leaves its readers time, and when it takes the messages, in boot time.
fn waiting_for_readers() -> (Attached, u64) {
    let mut worker = with_a_queue();
    worker.core.settings.checkpoint_every_entries = MESSAGES;
    assert!(turn(&mut worker).1.is_none());
    assert!(worker.core.checkpoints.is_in_progress());
    assert_eq!(worker.core.state.messages_on_pages(), 0);
    let due_ms = worker
        .core
        .next_deadline_ms()
        .expect("it goes on by itself");
    assert_eq!(
        due_ms,
        START.boot_ms + worker.core.settings.checkpoint_reading_ms
    );
    (worker, due_ms)
}

fn gathered(worker: &mut Attached) -> Vec<Change> {
    for _ in 0..10 {
        if let (_, Some((_, records))) = turn(worker) {
            return records;
        }
    }
    panic!("a turn that has nothing else to do gathers more");
}

#[test]
fn checkpoint_omits_texts_read_meanwhile() {
    let (mut worker, due_ms) = waiting_for_readers();
    let progress = has(&worker, MESSAGES - 100);
    worker.core.batches.push(progress);
    worker.core.begin_turn(after_ms(due_ms - START.boot_ms - 1));
    let (batch, checkpoint) = turn(&mut worker);
    assert!(checkpoint.is_none());
    worker.commit(batch.expect("somebody read"));
    assert_eq!(worker.core.next_deadline_ms(), Some(due_ms));
    worker.core.begin_turn(after_ms(due_ms - START.boot_ms));
    let records = gathered(&mut worker);
    let bytes: usize = records
        .iter()
        .flat_map(|record| &record.value)
        .map(|content| content.approximate_len())
        .sum();
    assert!(bytes < 20 * MESSAGES as usize, "{bytes} bytes");
    assert_eq!(worker.core.state.messages_on_pages(), 100);
}

#[test]
fn urgent_checkpoint_waits_for_no_reader() {
    let (mut worker, _) = waiting_for_readers();
    worker.core.begin_checkpoint_for_room();
    gathered(&mut worker);
    let (mut worker, _) = waiting_for_readers();
    worker.core.count_replayed(0, MOST_DUE * MESSAGES);
    gathered(&mut worker);
    let (mut worker, _) = waiting_for_readers();
    worker.core.settings.resident_text_bytes = 0;
    gathered(&mut worker);
}

/// Else one that dies again and again within the time left to readers would have more and more to replay.
#[test]
fn checkpoint_after_long_replay_is_urgent() {
    let mut worker = with_a_queue();
    worker.core.settings.checkpoint_every_entries = MESSAGES;
    worker.core.count_replayed(0, MESSAGES);
    gathered(&mut worker);
}

#[test]
fn failed_changes_join_next_checkpoint() {
    let mut worker = with_a_queue();
    worker.core.begin_checkpoint_for_room();
    let first = loop {
        if let (_, Some(checkpoint)) = turn(&mut worker) {
            break checkpoint;
        }
    };
    worker.core.checkpoint_no_room(first.1, NoRoom::Full);
    let progress = has(&worker, MESSAGES - 1);
    worker.core.batches.push(progress);
    worker.core.reserve_given_up();
    let second = loop {
        let (batch, checkpoint) = turn(&mut worker);
        if let Some(batch) = batch {
            worker.commit(batch);
        }
        if let Some(checkpoint) = checkpoint {
            break checkpoint;
        }
    };
    worker.checkpoint.write(&second.1).unwrap();
    let state = Restoration::of_all(worker.checkpoint.records()).unwrap();
    assert_eq!(state.waiting_messages() as u64, MESSAGES);
}
