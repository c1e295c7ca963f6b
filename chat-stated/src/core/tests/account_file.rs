//! The account file where it is slow, wrong, away, or has no room.

use super::*;

#[test]
fn failed_account_file_is_retried_later() {
    let (mut core, ticket) = with_registration();
    for attempt in 0..3 {
        core.account_file_missing(vec![ticket]);
        let requests = settle(&mut core);
        assert!(matches!(requests[..], [FileRequest::Create { .. }]));
        let path = PathBuf::from("user_pass.txt");
        core.account_file_created(Err(CreateError::AlreadyThere(path)));
        assert!(settle(&mut core).is_empty(), "at once");
        let due_ms = core.next_deadline_ms().expect("it is tried again");
        assert!(due_ms >= START.boot_ms + (attempt + 1) * 1_000);
        core.begin_turn(after_ms((attempt + 1) * 1_000));
        let requests = settle(&mut core);
        assert!(matches!(requests[..], [FileRequest::Append { .. }]));
    }
}

#[test]
fn line_in_flight_is_not_added_twice() {
    let (mut core, ticket) = with_registration();
    // Read by the operator's wish just before the line was written.
    read_file(&mut core, "");
    assert!(settle(&mut core).is_empty());
    core.lines_appended(&[ticket]);
    assert!(settle(&mut core).is_empty());
}

/// A reload is asked for; gives the ticket of the reading.
fn reload(core: &mut Core) -> u64 {
    core.reload_account_file();
    match settle(core).as_slice() {
        [.., FileRequest::Read { ticket }] => *ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reload_result_follows_its_effects() {
    let mut core = core_of(State::default());
    let first = reload(&mut core);
    // The one of the start is still on its way.
    read_file(&mut core, "");
    let report = core.take_reload_report().expect("it holds");
    assert!(!report.was_requested);
    let lines = "ann,a9993e364706816aba3e25717850c26c9cd0d89d\nno comma\n";
    core.account_file_read(first, Ok(content_of(lines)));
    assert_eq!(core.take_reload_report(), None);
    settle(&mut core);
    let said = "account file: 1 accounts, 1 changes, 0 lines to be added, 1 lines skipped: 2";
    let wanted = ReloadReport {
        result: Ok(said.to_owned()),
        was_requested: true,
    };
    assert_eq!(core.take_reload_report(), Some(wanted));
    assert_eq!(core.take_reload_report(), None);
    let second = reload(&mut core);
    let missing = ReadError::Missing(PathBuf::from("user_pass.txt"));
    core.account_file_read(second, Err(missing));
    let report = core.take_reload_report().expect("nothing changes");
    let failure = report.result.unwrap_err();
    assert!(report.was_requested);
    assert!(
        failure.ends_with("the accounts stay as they are"),
        "{failure}"
    );
}

/// Nothing has room, not with the reserve given up either.
fn fill_disk(core: &mut Core) {
    for _ in 0..3 {
        for action in core.end_turn() {
            match action {
                Action::Submit(batch) => core.no_room(batch, NoRoom::Full),
                Action::GiveUpReserve => core.reserve_given_up(),
                _ => {}
            }
        }
    }
}

#[test]
fn account_file_without_space_fails() {
    let mut core = core_of(State::default());
    settle(&mut core);
    let ticket = reload(&mut core);
    let lines = "ann,a9993e364706816aba3e25717850c26c9cd0d89d\n";
    core.account_file_read(ticket, Ok(content_of(lines)));
    // What waits once goes on with the reserve; what that has no room for either is dropped.
    fill_disk(&mut core);
    let report = core.take_reload_report().expect("at once");
    assert!(report.was_requested);
    let failure = report.result.unwrap_err();
    assert!(failure.contains("no room"), "{failure}");
}

#[test]
fn reload_does_not_wait_for_space() {
    let mut core = core_of(State::default());
    settle(&mut core);
    let ticket = reload(&mut core);
    // There is no reserve, and what cannot be dropped waits in front of all else.
    core.batches.push(Entry::FileStatus(Vec::new()));
    fill_disk(&mut core);
    assert!(core.batches.next_retry_ms().is_some(), "it is held");
    let lines = "ann,a9993e364706816aba3e25717850c26c9cd0d89d\n";
    core.account_file_read(ticket, Ok(content_of(lines)));
    core.end_turn();
    let report = core.take_reload_report().expect("at once");
    assert!(report.was_requested && report.result.is_err());
    assert_eq!(core.take_reload_report(), None);
    core.begin_turn(after_ms(60_000));
    settle(&mut core);
    let report = core.take_reload_report().expect("it holds");
    assert!(!report.was_requested && report.result.is_ok());
}
