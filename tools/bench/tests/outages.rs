//! A short version of the outages: the state process dies again and again, and clients only wait.

use std::path::PathBuf;

use chat_bench::outage;
use clap::Parser;

#[derive(Parser)]
struct Outage {
    #[command(flatten)]
    options: outage::Options,
}

#[test]
fn outage_closes_no_connection() {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_chat-bench"));
    let dir = program.parent().expect("a program is in a directory");
    let programs = format!("--programs={}", dir.display());
    let flags = [
        "outage",
        "--queued=5000",
        "--users=50",
        "--clients=40",
        "--kills=4",
        "--every-ms=300",
        &programs,
    ];
    let report = outage::run(&Outage::parse_from(flags).options).expect("nobody is cut off");
    assert!(report.is_success(), "{}", report.text());
    let outcome = &report.outcome;
    assert_eq!(outcome.longest_of_kill.total(), 4);
    assert_eq!(outcome.pauses.total(), 4 * 40);
    // Each was answered twice after each kill.
    assert!(outcome.answers >= 2 * 4 * 40, "{}", report.text());
    assert!(!outcome.pauses.longest().is_zero());
    assert!(
        report.json().contains("\"pause_p99_us\":"),
        "{}",
        report.json()
    );
}
