//! What an operator is warned of although everything is served.

use super::*;
use crate::entry::Limits;

fn warnings(worker: &Attached) -> Vec<String> {
    worker.core.warnings().map(Into::into).collect()
}

fn commit_all(worker: &mut Attached) {
    while let Some(batch) = worker.submitted() {
        worker.commit(batch);
    }
}

#[test]
fn broadcasts_near_their_limit_are_told() {
    let mut worker = Attached::new();
    read_file(
        &mut worker.core,
        "ann,0000000000000000000000000000000000000000\nbob,0000000000000000000000000000000000000000\n",
    );
    let limits = Limits {
        broadcast_messages: 10,
        broadcasts_per_minute: 100,
        ..*worker.core.state.limits()
    };
    worker.core.batches.push(Entry::Configure(limits));
    commit_all(&mut worker);
    for number in 1..=9 {
        assert_eq!(warnings(&worker), [""; 0], "{number}");
        let audience = Audience::Everyone;
        let text = "x".into();
        worker.ask(10 * number, Request::Send { audience, text });
        commit_all(&mut worker);
    }
    assert_eq!(worker.core.state.waiting_broadcasts().0, 9);
    let said = warnings(&worker);
    assert!(
        matches!(&said[..], [one] if one.starts_with("broadcasts that wait are at 90 %")),
        "{said:?}"
    );
}

#[test]
fn failed_checkpoint_is_told_until_next() {
    let mut worker = Attached::new();
    worker.core.reserve_taken(Ok(()));
    worker.core.checkpoint_met_damage(1, Vec::new());
    let said = warnings(&worker);
    assert!(
        matches!(&said[..], [one] if one.starts_with("the last checkpoint did not succeed")),
        "{said:?}"
    );
    worker.core.checkpoint_written(LogIndex(10));
    assert_eq!(warnings(&worker), [""; 0]);
}
