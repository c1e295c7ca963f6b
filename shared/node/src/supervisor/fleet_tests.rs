use super::*;

fn at(clock_ms: u64) -> Moment {
    Moment {
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

fn actions(fleet: &mut Fleet) -> Vec<Action> {
    std::iter::from_fn(|| fleet.next_action()).collect()
}

/// A fleet whose children, processes 1 to `count`, all serve.
fn serving(count: usize) -> Fleet {
    let mut fleet = Fleet::new(count, at(0));
    fleet.at(at(0));
    for index in 0..count {
        fleet.started(index, process(index as i32 + 1), at(0));
        fleet.ready(index, at(0));
    }
    actions(&mut fleet);
    fleet
}

#[test]
fn all_start_at_once_and_readiness_is_announced_once() {
    let mut fleet = Fleet::new(2, at(0));
    fleet.at(at(0));
    assert_eq!(actions(&mut fleet), [Action::Start(0), Action::Start(1)]);
    fleet.started(0, process(1), at(1));
    fleet.started(1, process(2), at(1));
    fleet.ready(1, at(2));
    assert_eq!(actions(&mut fleet), []);
    assert_eq!(fleet.phase(), Phase::Starting);
    fleet.ready(0, at(3));
    fleet.ready(0, at(3));
    assert_eq!(actions(&mut fleet), [Action::AnnounceReady]);
    assert_eq!(fleet.phase(), Phase::Serving);
    assert_eq!(fleet.next_due_ms(), None);
}

#[test]
fn a_child_that_served_is_replaced_at_once_and_the_others_are_left_alone() {
    let mut fleet = serving(3);
    fleet.ended(1, "killed".to_owned(), at(10));
    assert_eq!(fleet.next_due_ms(), Some(10));
    fleet.at(at(10));
    assert_eq!(actions(&mut fleet), [Action::Start(1)]);
    fleet.started(1, process(9), at(10));
    fleet.ready(1, at(11));
    assert_eq!(actions(&mut fleet), []);
    let restarts: Vec<_> = fleet.children().map(|c| c.restarts).collect();
    assert_eq!(restarts, [0, 1, 0]);
    assert_eq!(fleet.index_of(9), Some(1));
}

#[test]
fn three_failed_first_lives_fail_the_start_and_end_the_others() {
    let mut fleet = Fleet::new(2, at(0));
    fleet.started(0, process(1), at(0));
    for life in 0..3 {
        assert_eq!(fleet.failure(), None);
        fleet.started(1, process(10 + life), at(0));
        fleet.ended(1, format!("damaged, life {life}"), at(0));
    }
    assert_eq!(fleet.failure(), Some("damaged, life 2"));
    assert_eq!(actions(&mut fleet), [Action::Terminate(process(1))]);
    assert!(!fleet.is_finished());
    fleet.ended(0, "exited".to_owned(), at(5));
    assert!(fleet.is_finished());
    assert_eq!(fleet.failure(), Some("damaged, life 2"));
}

#[test]
fn once_ready_it_never_gives_up_but_waits() {
    let mut fleet = serving(1);
    let mut now_ms = 0;
    for life in 0..50 {
        fleet.ended(0, "failed".to_owned(), at(now_ms));
        now_ms = fleet.next_due_ms().unwrap();
        fleet.at(at(now_ms));
        assert_eq!(actions(&mut fleet), [Action::Start(0)]);
        fleet.started(0, process(100 + life), at(now_ms));
    }
    assert_eq!(fleet.failure(), None);
    assert!(now_ms > 40 * 5000 && fleet.phase() == Phase::Serving);
}

#[test]
fn stopping_terminates_then_kills_and_starts_nothing() {
    let mut fleet = serving(2);
    fleet.ended(0, "killed".to_owned(), at(0));
    fleet.stop(at(100));
    fleet.stop(at(101));
    assert_eq!(actions(&mut fleet), [Action::Terminate(process(2))]);
    assert_eq!(fleet.next_due_ms(), Some(100 + STOP_WAIT_MS));
    fleet.at(at(100 + STOP_WAIT_MS));
    assert_eq!(actions(&mut fleet), [Action::Kill(process(2))]);
    fleet.ended(1, "killed".to_owned(), at(9000));
    assert!(fleet.is_finished());
    assert_eq!(fleet.failure(), None);
    assert_eq!(fleet.next_due_ms(), None);
}

#[test]
fn a_reload_reaches_a_child_only_once_it_is_ready() {
    let mut fleet = serving(2);
    fleet.ended(1, "killed".to_owned(), at(0));
    fleet.at(at(0));
    fleet.started(1, process(7), at(0));
    actions(&mut fleet);
    fleet.reload();
    assert_eq!(actions(&mut fleet), [Action::Reload(process(1))]);
    fleet.ready(1, at(1));
    assert_eq!(actions(&mut fleet), [Action::Reload(process(7))]);
    fleet.ended(1, "killed".to_owned(), at(2));
    fleet.reload();
    assert_eq!(actions(&mut fleet), [Action::Reload(process(1))]);
    fleet.at(at(100));
    fleet.started(1, process(8), at(100));
    fleet.ready(1, at(101));
    let last = actions(&mut fleet).pop();
    assert_eq!(last, Some(Action::Reload(process(8))));
}

#[test]
fn silence_is_announced_once_until_the_child_is_heard() {
    let mut fleet = serving(2);
    for index in [0, 1] {
        assert!(!fleet.heard(index, at(10)));
    }
    assert_eq!(fleet.next_due_ms(), Some(10 + SILENCE_MS));
    assert!(!fleet.heard(1, at(1_000)));
    fleet.at(at(9 + SILENCE_MS));
    assert_eq!(actions(&mut fleet), []);
    fleet.at(at(10 + SILENCE_MS));
    assert_eq!(actions(&mut fleet), [Action::AnnounceSilence(0)]);
    let is_silent = |fleet: &Fleet, index: usize| fleet.slots[index].status.silent_since.is_some();
    assert!(is_silent(&fleet, 0) && !is_silent(&fleet, 1));
    assert_eq!(fleet.next_due_ms(), Some(1_000 + SILENCE_MS));
    assert!(fleet.heard(0, at(20_000)));
    assert!(!is_silent(&fleet, 0));
    fleet.ended(0, "x".to_owned(), at(20_001));
    assert!(
        !fleet.heard(0, at(20_002)),
        "who has ended is not waited for"
    );
    fleet.at(at(1_000 + SILENCE_MS));
    assert_eq!(actions(&mut fleet)[0], Action::AnnounceSilence(1));
    fleet.ended(1, "x".to_owned(), at(30_000));
    assert!(!is_silent(&fleet, 1));
}
