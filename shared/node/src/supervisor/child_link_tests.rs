use std::io::Write;

use super::super::child_reports::{
    BETWEEN_REPORTS_MS, MAX_UNSENT_BYTES, Reports, report_failure, report_ready, report_sandbox,
};
use super::*;

#[test]
fn refusals_are_reported_periodically() {
    let (mut link, mut child) = ChildLink::pair().unwrap();
    let (mut reports, mut refusals) = (Reports::default(), Refusals::default());
    assert_eq!(reports.report_due_ms(&refusals), None);
    refusals.count("quota");
    reports.report_if_due(&mut child, &refusals, 0);
    refusals.count("login-failed");
    reports.report_if_due(&mut child, &refusals, 1);
    link.read_available().unwrap();
    assert_eq!(link.refusals().render(), "quota=1\n");
    assert_eq!(reports.report_due_ms(&refusals), Some(BETWEEN_REPORTS_MS));
    reports.report_if_due(&mut child, &refusals, BETWEEN_REPORTS_MS);
    report_ready(&child).unwrap();
    link.read_available().unwrap();
    assert_eq!(*link.refusals(), refusals);
    assert!(link.is_ready() && link.failure().is_none());
    assert_eq!(reports.report_due_ms(&refusals), None);
}

#[test]
fn idle_child_gives_signs_of_life() {
    let (mut link, mut child) = ChildLink::pair().unwrap();
    let (mut reports, mut refusals) = (Reports::default(), Refusals::default());
    let mut heard_at = |link: &mut ChildLink, refusals: &Refusals, now_ms| {
        reports.report_if_due(&mut child, refusals, now_ms);
        link.read_available().unwrap();
        (link.take_heard(), reports.next_due_ms(refusals))
    };
    assert_eq!(heard_at(&mut link, &refusals, 0), (true, 1_000));
    assert_eq!(heard_at(&mut link, &refusals, 999), (false, 1_000));
    assert_eq!(heard_at(&mut link, &refusals, 1_000), (true, 2_000));
    refusals.count("quota");
    assert_eq!(heard_at(&mut link, &refusals, 1_500), (true, 2_500));
    assert_eq!(link.refusals().render(), "quota=1\n");
    assert!(!link.is_ready() && link.failure().is_none() && link.sandbox().is_empty());
}

#[test]
fn reload_report_arrives_once() {
    let (mut link, mut child) = ChildLink::pair().unwrap();
    let (mut reports, mut refusals) = (Reports::default(), Refusals::default());
    refusals.count("quota");
    reports.report_if_due(&mut child, &refusals, 0);
    let good = ReloadReport {
        result: Ok("READ".to_owned()),
        was_requested: true,
    };
    let bad = ReloadReport {
        result: Err("it is missing".to_owned()),
        was_requested: false,
    };
    for report in [&good, &bad] {
        reports.report_reload(report);
        assert_eq!(reports.report_due_ms(&refusals), Some(0));
        reports.report_if_due(&mut child, &refusals, 1);
    }
    link.read_available().unwrap();
    assert_eq!(link.take_reload_reports(), [good.clone(), bad]);
    assert_eq!(link.take_reload_reports(), []);
    assert!(!link.is_ready() && link.failure().is_none() && link.sandbox().is_empty());
    assert_eq!(link.refusals().render(), "quota=1\n");
    for _ in 0..10_000 {
        reports.report_reload(&good);
    }
    assert!(reports.unsent_bytes() < MAX_UNSENT_BYTES + MAX_TEXT_BYTES);
    reports.report_if_due(&mut child, &refusals, 1_000);
    link.read_available().unwrap();
    assert_eq!(link.take_reload_reports().len(), MAX_RELOAD_REPORTS);
    let forged = br#"{"reload":{"result":{"Err":"\u001b]0;title"},"was_requested":true}}
{"reload":{}}
{"reload":
"#;
    child.write_all(forged).unwrap();
    link.read_available().unwrap();
    let reload_reports = link.take_reload_reports();
    assert_eq!(reload_reports.len(), 1, "two say nothing");
    let words = reload_reports[0].result.clone().unwrap_err();
    assert!(!words.contains(char::is_control), "{words:?}");
}

#[test]
fn warning_arrives_and_is_taken_back() {
    let (mut link, mut child) = ChildLink::pair().unwrap();
    let (mut reports, refusals) = (Reports::default(), Refusals::default());
    reports.warn_of(ChildWarning::default());
    let full = ChildWarning {
        text: "READY".to_owned(),
        is_refusing: true,
    };
    let both = ChildWarning::of("few".to_owned()).and(full.clone());
    assert_eq!((both.text.as_str(), both.is_refusing), ("few; READY", true));
    for warning in [full, ChildWarning::default()] {
        for _ in 0..2 {
            reports.warn_of(warning.clone());
            reports.report_if_due(&mut child, &refusals, 1);
        }
        link.read_available().unwrap();
        assert_eq!(link.warning(), Some(&warning));
        assert!(!link.is_ready() && link.failure().is_none());
    }
}

#[test]
fn readiness_and_later_failure_arrive() {
    let (mut link, child) = ChildLink::pair().unwrap();
    link.read_available().unwrap();
    assert!(!link.is_ready() && !link.has_ended());
    report_ready(&child).unwrap();
    link.read_available().unwrap();
    assert!(link.is_ready() && link.failure().is_none());
    report_failure(&child, "the journal is damaged: RE").unwrap();
    link.read_available().unwrap();
    assert_eq!(link.failure(), None, "the text may go on");
    drop(child);
    link.read_available().unwrap();
    assert_eq!(link.failure().unwrap(), "the journal is damaged: RE");
}

#[test]
fn sandbox_report_is_only_a_line() {
    let (mut link, child) = ChildLink::pair().unwrap();
    report_sandbox(&child, &format!("NEVER\nREADY {}", "x".repeat(2000))).unwrap();
    link.read_available().unwrap();
    assert!(!link.is_ready());
    assert!(link.sandbox().starts_with("NEVER"), "{}", link.sandbox());
    assert_eq!(link.sandbox().len(), MAX_TEXT_BYTES);
    report_sandbox(&child, "again").unwrap();
    report_ready(&child).unwrap();
    drop(child);
    link.read_available().unwrap();
    assert_eq!((link.sandbox(), link.is_ready()), ("again", true));
    assert_eq!(link.failure(), None);
}

#[test]
fn endless_child_does_not_block_parent() {
    let (mut link, mut child) = ChildLink::pair().unwrap();
    child.set_nonblocking(true).unwrap();
    let mut fill = || {
        let mut bytes = 0;
        while let Ok(written) = child.write(&[b'x'; 512]) {
            bytes += written;
        }
        bytes
    };
    assert!(fill() > MAX_READ_BYTES);
    for _ in 0..3 {
        link.read_available().unwrap();
        let said_meanwhile = fill();
        assert!((1..=MAX_READ_BYTES).contains(&said_meanwhile));
    }
    report_failure(&child, "").unwrap_err();
    drop(child);
    link.read_remaining().unwrap();
    assert!(link.has_ended());
}

#[test]
fn failure_has_no_control_characters() {
    let (mut link, child) = ChildLink::pair().unwrap();
    report_failure(&child, "\x1b]0;title\x07\nready").unwrap();
    drop(child);
    link.read_available().unwrap();
    let said = link.failure().unwrap();
    assert!(!said.contains(char::is_control), "{said:?}");
}

#[test]
fn failure_is_bounded() {
    let (mut link, child) = ChildLink::pair().unwrap();
    report_failure(&child, &"R".repeat(100_000)).unwrap();
    drop(child);
    link.read_available().unwrap();
    assert!(!link.is_ready());
    assert_eq!(link.failure().unwrap().len(), MAX_FAILURE_BYTES);
}

#[test]
fn only_asked_questions_are_answered() {
    let (mut link, mut child) = ChildLink::pair().unwrap();
    let (mut reports, refusals) = (Reports::default(), Refusals::default());
    link.ask(5, &Question::Ping);
    link.ask(6, &Question::Ping);
    link.give_up(6);
    for ticket in [5, 5, 6, 7] {
        reports.answer(ticket, Ok(Answer::Alive));
    }
    reports.report_if_due(&mut child, &refusals, 0);
    link.read_available().unwrap();
    assert_eq!(link.take_answers(), [(5, Ok(Answer::Alive))]);
    assert_eq!(link.take_answers(), []);
}

#[test]
fn oversized_report_is_passed_over() {
    let (mut link, mut child) = ChildLink::pair().unwrap();
    let long = format!("{{\"sandbox\":\"{}\"}}\n", "x".repeat(MAX_REPORT_BYTES));
    let sender = std::thread::spawn(move || {
        child.write_all(long.as_bytes()).unwrap();
        report_ready(&child).unwrap();
    });
    while !link.is_ready() {
        link.read_available().unwrap();
        assert!(link.line.len() <= MAX_REPORT_BYTES + 1);
    }
    sender.join().unwrap();
    assert_eq!(link.sandbox(), "");
}
