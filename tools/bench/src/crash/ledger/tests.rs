//! A pair first, then rooms.

use super::*;

/// The sender of the pair, over all of its sessions.
const SENDER: Origin = Origin {
    account: 0,
    stream: 0,
};

/// One sender, one reader.
fn pair() -> Ledger {
    Ledger::new([1])
}

fn ledger_of(messages: u32) -> Ledger {
    let mut ledger = pair();
    for sequence in 0..messages {
        assert_eq!(ledger.ask(SENDER), sequence);
        ledger.acknowledge(sequence);
    }
    ledger.begin_session(0, MayRepeat::Nothing);
    ledger.caught_up(0);
    ledger
}

fn receive_all(ledger: &mut Ledger, sequences: &[u32]) {
    for sequence in sequences {
        ledger.receive(0, *sequence, None);
    }
}

fn begin_after_break(ledger: &mut Ledger, waiting: &[u32]) {
    ledger.begin_session(0, MayRepeat::Everything);
    receive_all(ledger, waiting);
    ledger.caught_up(0);
}

fn begin_after_death(ledger: &mut Ledger, waiting: &[u32]) {
    ledger.begin_session(0, MayRepeat::Unconfirmed);
    receive_all(ledger, waiting);
    ledger.caught_up(0);
}

fn violations(ledger: Ledger) -> (u64, u64, u64) {
    let Closed {
        counts, findings, ..
    } = ledger.close();
    let violations = (counts.lost, counts.doubled, counts.out_of_order);
    assert_eq!(violations == (0, 0, 0), findings.is_empty(), "{findings:?}");
    violations
}

#[test]
fn all_in_order_once_is_well() {
    let mut ledger = ledger_of(3);
    assert!(!ledger.is_complete());
    receive_all(&mut ledger, &[0, 1, 2]);
    assert!(ledger.is_complete());
    assert_eq!(violations(ledger), (0, 0, 0));
}

#[test]
fn acknowledged_message_that_never_came_is_lost() {
    let mut ledger = ledger_of(3);
    receive_all(&mut ledger, &[0, 2]);
    assert_eq!(violations(ledger), (1, 0, 0));
}

#[test]
fn refused_message_must_not_arrive() {
    let mut ledger = pair();
    for _ in 0..3 {
        ledger.ask(SENDER);
    }
    ledger.refuse(2, true);
    receive_all(&mut ledger, &[1, 2]);
    let Closed {
        counts, findings, ..
    } = ledger.close();
    assert_eq!((counts.unanswered_received, counts.unanswered_gone), (1, 1));
    assert_eq!((counts.doubled, findings.len()), (1, 1));
}

#[test]
fn message_twice_in_session_is_doubled() {
    let mut ledger = ledger_of(3);
    receive_all(&mut ledger, &[0, 1, 1, 2]);
    assert_eq!(violations(ledger), (0, 1, 0));
}

#[test]
fn message_again_after_good_end_is_doubled() {
    let mut ledger = ledger_of(2);
    receive_all(&mut ledger, &[0, 1]);
    ledger.begin_session(0, MayRepeat::Nothing);
    ledger.receive(0, 1, None);
    ledger.caught_up(0);
    assert_eq!(violations(ledger), (0, 1, 0));
}

#[test]
fn last_ones_may_come_again_after_break() {
    let mut ledger = ledger_of(5);
    receive_all(&mut ledger, &[0, 1, 2]);
    begin_after_break(&mut ledger, &[1, 2, 3]);
    begin_after_break(&mut ledger, &[3, 4]);
    begin_after_break(&mut ledger, &[]);
    assert_eq!(ledger.counts.repeated, 3);
    assert_eq!(violations(ledger), (0, 0, 0));
}

#[test]
fn repeats_must_be_last_ones() {
    let mut skipped = ledger_of(5);
    receive_all(&mut skipped, &[0, 1, 2, 3]);
    begin_after_break(&mut skipped, &[1, 3, 4]);
    assert_ne!(violations(skipped), (0, 0, 0));
    let mut cut = ledger_of(5);
    receive_all(&mut cut, &[0, 1, 2]);
    begin_after_break(&mut cut, &[1]);
    receive_all(&mut cut, &[3, 4]);
    assert_eq!(violations(cut), (0, 0, 1));
}

#[test]
fn what_came_again_twice_is_doubled() {
    let mut ledger = ledger_of(2);
    receive_all(&mut ledger, &[0, 1]);
    begin_after_break(&mut ledger, &[1, 1]);
    assert_eq!(violations(ledger), (0, 1, 0));
}

#[test]
fn after_death_only_unconfirmed_may_repeat() {
    let mut ledger = ledger_of(5);
    receive_all(&mut ledger, &[0, 1, 2, 3]);
    ledger.confirm(0, 1);
    begin_after_death(&mut ledger, &[2, 3]);
    begin_after_death(&mut ledger, &[3, 4]);
    assert_eq!(violations(ledger), (0, 0, 0));
    let mut doubled = ledger_of(3);
    receive_all(&mut doubled, &[0, 1, 2]);
    doubled.confirm(0, 1);
    begin_after_death(&mut doubled, &[1, 2]);
    assert_ne!(violations(doubled), (0, 0, 0));
}

#[test]
fn logout_confirms_and_broken_worker_forgets() {
    let mut ledger = ledger_of(2);
    receive_all(&mut ledger, &[0, 1]);
    ledger.begin_session(0, MayRepeat::Nothing);
    begin_after_death(&mut ledger, &[1]);
    assert_eq!(violations(ledger), (0, 1, 0));
    let mut ledger = ledger_of(2);
    receive_all(&mut ledger, &[0, 1]);
    ledger.confirm(0, 1);
    begin_after_break(&mut ledger, &[0, 1]);
    begin_after_death(&mut ledger, &[0, 1]);
    assert_eq!(violations(ledger), (0, 0, 0));
}

#[test]
fn missing_messages_are_skipped_in_repeats() {
    let mut ledger = pair();
    for _ in 0..4 {
        ledger.ask(SENDER);
    }
    ledger.acknowledge(0);
    ledger.acknowledge(3);
    receive_all(&mut ledger, &[0, 3]);
    begin_after_break(&mut ledger, &[0, 3]);
    assert_eq!(violations(ledger), (0, 0, 0));
}

#[test]
fn late_message_is_out_of_order() {
    let mut ledger = ledger_of(3);
    receive_all(&mut ledger, &[0, 2, 1]);
    assert_eq!(violations(ledger), (0, 0, 1));
}

#[test]
fn numbers_grow_and_are_never_same() {
    let mut ledger = ledger_of(3);
    for (sequence, number) in [(0, 5), (1, 5), (2, 4)] {
        ledger.receive(0, sequence, Some(number));
    }
    assert_eq!(violations(ledger), (0, 1, 1));
}

#[test]
fn message_nobody_sent_is_foreign() {
    let mut ledger = ledger_of(1);
    receive_all(&mut ledger, &[0, 1]);
    let counts = ledger.close().counts;
    assert_eq!(counts.foreign, 1);
}

/// A room of three accounts: the first two send, and each has two readers.
fn room() -> Ledger {
    Ledger::new([0, 0, 1, 1, 2, 2])
}

fn origin(account: u32, stream: u32) -> Origin {
    Origin { account, stream }
}

/// Asks for and acknowledges messages of these origins, and has these readers receive all but their own.
fn room_of(origins: &[Origin], readers: &[usize]) -> Ledger {
    let mut ledger = room();
    for origin in origins {
        let sequence = ledger.ask(*origin);
        ledger.acknowledge(sequence);
    }
    for reader in readers {
        for (sequence, origin) in (0..).zip(origins) {
            if origin.account as usize != reader / 2 {
                ledger.receive(*reader, sequence, None);
            }
        }
    }
    ledger
}

const BOTH: [Origin; 2] = [
    Origin {
        account: 0,
        stream: 0,
    },
    Origin {
        account: 1,
        stream: 1,
    },
];

#[test]
fn all_but_own_messages_are_complete() {
    let ledger = room_of(&BOTH, &[0, 1, 2, 3, 4, 5]);
    assert!(ledger.is_complete());
    let counts = ledger.close().counts;
    assert_eq!((counts.received, counts.delivered), (2, 8));
    assert_eq!((counts.lost, counts.out_of_order), (0, 0));
    let mut ledger = room_of(&BOTH, &[]);
    ledger.receive(1, 0, None);
    assert_eq!(ledger.close().counts.foreign, 1);
}

#[test]
fn message_missing_at_one_place_is_lost() {
    let ledger = room_of(&BOTH, &[0, 1, 2, 3, 4]);
    assert!(!ledger.is_complete());
    assert_eq!(violations(ledger), (2, 0, 0));
}

#[test]
fn unanswered_message_reaches_all_or_nobody() {
    let mut ledger = room_of(&BOTH, &[0, 1, 2, 3, 4, 5]);
    ledger.ask(BOTH[0]);
    let unanswered = ledger.ask(BOTH[1]);
    ledger.receive(4, unanswered, None);
    let counts = ledger.close().counts;
    assert_eq!((counts.unanswered_received, counts.unanswered_gone), (1, 1));
    assert_eq!(counts.lost, 3);
}

#[test]
fn order_is_the_same_for_all() {
    let mut ledger = room_of(&BOTH, &[0, 1, 2, 3, 4]);
    receive_all_at(&mut ledger, 5, &[1, 0]);
    assert_eq!(violations(ledger), (0, 0, 1));
}

#[test]
fn message_has_one_number_for_all() {
    let mut ledger = room_of(&BOTH, &[0, 1, 2, 3]);
    for (reader, numbers) in [(4, [7, 8]), (5, [7, 9])] {
        for (sequence, number) in (0..).zip(numbers) {
            ledger.receive(reader, sequence, Some(number));
        }
    }
    let Closed {
        counts, numbers, ..
    } = ledger.close();
    assert_eq!((counts.doubled, numbers), (1, vec![7, 8]));
}

#[test]
fn streams_overtake_only_unanswered_messages() {
    for (is_answered, out_of_order) in [(false, 0), (true, 1)] {
        let mut ledger = room();
        let first = ledger.ask(origin(0, 0));
        if is_answered {
            ledger.acknowledge(first);
        }
        let second = ledger.ask(origin(0, 1));
        ledger.acknowledge(second);
        for reader in 2..6 {
            receive_all_at(&mut ledger, reader, &[second, first]);
        }
        assert_eq!(violations(ledger), (0, 0, out_of_order));
    }
}

#[test]
fn one_stream_never_overtakes_itself() {
    let mut ledger = room();
    let (first, second) = (ledger.ask(origin(0, 0)), ledger.ask(origin(0, 0)));
    for reader in 2..6 {
        receive_all_at(&mut ledger, reader, &[second, first]);
    }
    assert_eq!(violations(ledger), (0, 0, 1));
}

fn receive_all_at(ledger: &mut Ledger, reader: usize, sequences: &[u32]) {
    for sequence in sequences {
        ledger.receive(reader, *sequence, None);
    }
}

#[test]
fn busy_repeat_leaves_first_line_open() {
    for (is_temporary, doubled) in [(true, 0), (false, 1)] {
        let mut ledger = pair();
        let sequence = ledger.ask(SENDER);
        ledger.ask_again(sequence);
        ledger.refuse(sequence, is_temporary);
        ledger.receive(0, sequence, None);
        assert_eq!(violations(ledger), (0, doubled, 0));
    }
}

#[test]
fn history_has_everything_once() {
    for (kept, violation) in [
        (&[0, 1][..], (0, 0, 0)),
        (&[0], (1, 0, 0)),
        (&[0, 1, 1], (0, 1, 0)),
        (&[1, 0], (0, 0, 2)),
    ] {
        let mut ledger = room_of(&BOTH, &[0, 1, 2, 3, 4, 5]);
        let history = ledger.add_reader();
        receive_all_at(&mut ledger, history, kept);
        assert_eq!(violations(ledger), violation);
    }
}
