//! What the history has to have after faults: all that was acknowledged, but for what it says that it lacks.

use chat_stated::history::{HistorySource, HistoryStore};

use crate::daemon::{Installation, state_at_rest};
use crate::run::Told;
use crate::worker::{Ask, Worker};

const DAVE: u64 = 4;

/// Starts the daemon on a disk without faults, stops it, and compares its history with what was told.
pub(crate) fn check(installation: &Installation, told: &Told) {
    let mut daemon = installation.start();
    let mut worker = Worker::new(installation, &mut daemon);
    let reply = worker.ask(DAVE, Ask::LogIn("dave", "wrong"));
    assert!(reply.is_ok(), "{}", installation.log());
    assert!(daemon.stop(), "{}", installation.log());
    let state_dir = installation.run_dir().join("state");
    let _lock = state_at_rest(&state_dir);
    let wanted: Vec<&str> = told.accepted_of_people().collect();
    let checked = HistoryStore::check(&state_dir);
    let checked = checked.unwrap_or_else(|error| panic!("{error}: {}", installation.log()));
    assert!(
        checked.is_some() || wanted.is_empty(),
        "{}",
        installation.log()
    );
    let Some(source) = HistorySource::of_running(&state_dir).unwrap() else {
        return;
    };
    let mut texts = Vec::new();
    let read = source.read(|row| {
        texts.push(row.text.to_owned());
        Ok(())
    });
    assert_eq!(read.unwrap().1, None);
    let mut sorted = texts.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), texts.len(), "twice");
    let lost = wanted
        .iter()
        .filter(|wanted| !texts.iter().any(|text| text == *wanted));
    let lost: Vec<_> = lost.collect();
    let store = HistoryStore::open(&state_dir).unwrap();
    let has_gap = store.is_some_and(|store| !store.gaps().is_empty());
    assert!(
        lost.is_empty() || has_gap,
        "{lost:?}: {}",
        installation.log()
    );
}
