use super::*;

fn at(clock_ms: u64) -> Now {
    Now {
        clock_ms,
        wall: Timestamp::from_millisecond(clock_ms as i64).unwrap(),
    }
}

fn process(pid: i32) -> ProcessIdentity {
    ProcessIdentity {
        pid,
        start_ticks: 1,
    }
}

fn actions(child_set: &mut ChildSet) -> Vec<Action> {
    std::iter::from_fn(|| child_set.next_action()).collect()
}

/// A child set whose children, processes 1 to `count`, all serve.
fn serving(count: usize) -> ChildSet {
    let mut child_set = ChildSet::new(count, at(0));
    child_set.at(at(0));
    for index in 0..count {
        child_set.started(index, process(index as i32 + 1), at(0));
        child_set.ready(index, at(0));
    }
    actions(&mut child_set);
    child_set
}

#[test]
fn readiness_is_announced_once() {
    let mut child_set = ChildSet::new(2, at(0));
    child_set.at(at(0));
    assert_eq!(
        actions(&mut child_set),
        [Action::Start(0), Action::Start(1)]
    );
    child_set.started(0, process(1), at(1));
    child_set.started(1, process(2), at(1));
    child_set.ready(1, at(2));
    assert_eq!(actions(&mut child_set), []);
    assert_eq!(child_set.phase(), Phase::Starting);
    child_set.ready(0, at(3));
    child_set.ready(0, at(3));
    assert_eq!(actions(&mut child_set), [Action::AnnounceReady]);
    assert_eq!(child_set.phase(), Phase::Serving);
    assert_eq!(child_set.next_due_ms(), None);
}

#[test]
fn dead_child_is_replaced_at_once() {
    let mut child_set = serving(3);
    child_set.ended(1, "killed".to_owned(), at(10));
    assert_eq!(child_set.next_due_ms(), Some(10));
    child_set.at(at(10));
    assert_eq!(actions(&mut child_set), [Action::Start(1)]);
    child_set.started(1, process(9), at(10));
    child_set.ready(1, at(11));
    assert_eq!(actions(&mut child_set), []);
    let restarts: Vec<_> = child_set.children().map(|c| c.restarts).collect();
    assert_eq!(restarts, [0, 1, 0]);
    assert_eq!(child_set.index_of(9), Some(1));
}

#[test]
fn three_failures_fail_start() {
    let mut child_set = ChildSet::new(2, at(0));
    child_set.started(0, process(1), at(0));
    for attempt in 0..3 {
        assert_eq!(child_set.failure(), None);
        child_set.started(1, process(10 + attempt), at(0));
        child_set.ended(1, format!("damaged, attempt {attempt}"), at(0));
    }
    assert_eq!(child_set.failure(), Some("damaged, attempt 2"));
    assert_eq!(actions(&mut child_set), [Action::Terminate(process(1))]);
    assert!(!child_set.is_finished());
    child_set.ended(0, "exited".to_owned(), at(5));
    assert!(child_set.is_finished());
    assert_eq!(child_set.failure(), Some("damaged, attempt 2"));
}

#[test]
fn failures_after_readiness_never_give_up() {
    let mut child_set = serving(1);
    let mut now_ms = 0;
    for attempt in 0..50 {
        child_set.ended(0, "failed".to_owned(), at(now_ms));
        now_ms = child_set.next_due_ms().unwrap();
        child_set.at(at(now_ms));
        assert_eq!(actions(&mut child_set), [Action::Start(0)]);
        child_set.started(0, process(100 + attempt), at(now_ms));
    }
    assert_eq!(child_set.failure(), None);
    assert!(now_ms > 40 * 5000 && child_set.phase() == Phase::Serving);
}

#[test]
fn stop_terminates_then_kills() {
    let mut child_set = serving(2);
    child_set.ended(0, "killed".to_owned(), at(0));
    child_set.stop(at(100));
    child_set.stop(at(101));
    assert_eq!(actions(&mut child_set), [Action::Terminate(process(2))]);
    assert_eq!(child_set.next_due_ms(), Some(100 + STOP_WAIT_MS));
    child_set.at(at(100 + STOP_WAIT_MS));
    assert_eq!(actions(&mut child_set), [Action::Kill(process(2))]);
    child_set.ended(1, "killed".to_owned(), at(9000));
    assert!(child_set.is_finished());
    assert_eq!(child_set.failure(), None);
    assert_eq!(child_set.next_due_ms(), None);
}

#[test]
fn reload_waits_until_child_is_ready() {
    let mut child_set = serving(2);
    child_set.ended(1, "killed".to_owned(), at(0));
    child_set.at(at(0));
    child_set.started(1, process(7), at(0));
    actions(&mut child_set);
    child_set.reload();
    assert_eq!(actions(&mut child_set), [Action::Reload(process(1))]);
    child_set.ready(1, at(1));
    assert_eq!(actions(&mut child_set), [Action::Reload(process(7))]);
    child_set.ended(1, "killed".to_owned(), at(2));
    child_set.reload();
    assert_eq!(actions(&mut child_set), [Action::Reload(process(1))]);
    child_set.at(at(100));
    child_set.started(1, process(8), at(100));
    child_set.ready(1, at(101));
    let last = actions(&mut child_set).pop();
    assert_eq!(last, Some(Action::Reload(process(8))));
}

#[test]
fn silence_is_announced_once() {
    let mut child_set = serving(2);
    for index in [0, 1] {
        assert!(!child_set.heard(index, at(10)));
    }
    assert_eq!(child_set.next_due_ms(), Some(10 + SILENCE_MS));
    assert!(!child_set.heard(1, at(1_000)));
    child_set.at(at(9 + SILENCE_MS));
    assert_eq!(actions(&mut child_set), []);
    child_set.at(at(10 + SILENCE_MS));
    assert_eq!(actions(&mut child_set), [Action::AnnounceSilence(0)]);
    let is_silent =
        |child_set: &ChildSet, index: usize| child_set.slots[index].status.silent_since.is_some();
    assert!(is_silent(&child_set, 0) && !is_silent(&child_set, 1));
    assert_eq!(child_set.next_due_ms(), Some(1_000 + SILENCE_MS));
    assert!(child_set.heard(0, at(20_000)));
    assert!(!is_silent(&child_set, 0));
    child_set.ended(0, "x".to_owned(), at(20_001));
    assert!(
        !child_set.heard(0, at(20_002)),
        "an ended child is not waited for"
    );
    child_set.at(at(1_000 + SILENCE_MS));
    assert_eq!(actions(&mut child_set)[0], Action::AnnounceSilence(1));
    child_set.ended(1, "x".to_owned(), at(30_000));
    assert!(!is_silent(&child_set, 1));
}
