//! Batches of other hosts in the order.

use super::*;
use crate::entry::{HostId, OperatorAct, Origin};

const THIS: HostId = HostId(1);
const OTHER: HostId = HostId(2);

/// A host that takes part, with a worker and its client, beside another.
fn beside_another() -> Attached {
    let mut core = Core::new(
        CoreSettings {
            host: Some(THIS),
            ..CoreSettings::default()
        },
        State::default(),
        LogIndex(10),
        RememberedPasswords::new(1).unwrap(),
        START,
    );
    for (host, name) in [(THIS, "a"), (OTHER, "b")] {
        let name = name.into();
        core.committed_elsewhere(
            LogIndex(10),
            batch(vec![Entry::BeginHost { host, name }]),
            0,
        );
    }
    Attached::of(core)
}

fn batch(entries: Vec<Entry>) -> Batch {
    Batch {
        timestamp: START,
        origin: Some(Origin {
            host: OTHER,
            number: 1,
            previous: 0,
            nonce: 0,
            revision: 1,
        }),
        entries,
    }
}

fn foreign_worker() -> Entry {
    Entry::BeginWorkerSession {
        secret: [9; 16],
        pid: 1,
        host: Some(OTHER),
    }
}

#[test]
fn batch_of_another_host_settles_no_question() {
    let mut worker = beside_another();
    worker.answered();
    worker.ask(10, SEND());
    let own = worker.submitted().unwrap();
    worker.ask(20, Request::ListSessions);
    worker.ask(30, SEND());
    worker
        .core
        .committed_elsewhere(LogIndex(11), batch(vec![foreign_worker()]), 0);
    assert!(worker.submitted().is_none(), "its own batch is undecided");
    assert!(!worker.core.is_idle());
    assert_eq!(worker.answered(), []);
    worker.commit(own);
    let offsets: Vec<u64> = worker
        .answered()
        .iter()
        .map(|(offset, _)| *offset)
        .collect();
    assert_eq!(offsets, [10, 20]);
    assert!(worker.submitted().is_some());
}

#[test]
fn worker_of_another_host_is_let_be() {
    let mut worker = beside_another();
    worker
        .core
        .committed_elsewhere(LogIndex(11), batch(vec![foreign_worker()]), 0);
    settle(&mut worker.core);
    assert_eq!(worker.core.state.worker_sessions().count(), 2);
}

#[test]
fn start_waits_for_own_workers_only() {
    let mut worker = beside_another();
    worker
        .core
        .committed_elsewhere(LogIndex(11), batch(vec![foreign_worker()]), 0);
    let settings = CoreSettings {
        host: Some(THIS),
        ..CoreSettings::default()
    };
    let state = worker.core.state;
    let remembered = RememberedPasswords::new(1).unwrap();
    let mut core = Core::new(settings, state, LogIndex(12), remembered, START);
    let own = worker.connection.worker_session;
    assert_eq!(core.dead_worker_sessions(), [(own, 1)]);
    core.serving_began();
    core.begin_turn(after_ms(60_000));
    settle(&mut core);
    let left = core
        .state
        .worker_sessions()
        .map(|(_, session)| session.host);
    assert_eq!(left.collect::<Vec<_>>(), [Some(OTHER)]);
}

#[test]
fn ended_host_loses_its_workers() {
    let mut worker = beside_another();
    let end = Entry::EndHost { host: OTHER };
    worker
        .core
        .committed_elsewhere(LogIndex(11), batch(vec![foreign_worker(), end]), 0);
    let left = worker
        .core
        .state
        .worker_sessions()
        .map(|(_, session)| session.host);
    assert_eq!(left.collect::<Vec<_>>(), [Some(THIS)]);
}

#[test]
fn host_that_goes_on_alone_ends_all() {
    let mut core = core_of(beside_another().core.state);
    settle(&mut core);
    assert_eq!(core.state.hosts().iter().count(), 0);
    assert_eq!(core.state.worker_sessions().count(), 0);
}

/// What an operator asks here has the same number as what one asks there.
#[test]
fn act_elsewhere_answers_no_operator_here() {
    let mut worker = beside_another();
    let act = OperatorAct::LiftBlocks {
        account: None,
        address: None,
    };
    worker.core.committed_elsewhere(
        LogIndex(11),
        batch(vec![Entry::Operate { ticket: 1, act }]),
        0,
    );
    assert!(worker.core.effects.operated.is_empty());
}
