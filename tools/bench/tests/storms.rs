//! Short storms over real processes: promises 1 to 4 of the protocol, while processes are killed with -9.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use chat_bench::crash::kills::Victim;
use chat_bench::crash::report::Report;
use chat_bench::crash::{Options, run};
use clap::Parser;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

/// Each storm keeps every core busy; side by side they would only wait for each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The directory of the programs that were built with this test.
fn programs() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_BIN_EXE_chat-bench"));
    let dir = dir
        .parent()
        .expect("a program is in a directory")
        .to_owned();
    for program in ["chat-stated", "chat-frontd"] {
        assert!(
            dir.join(program).is_file(),
            "{program} is not in {}: run scripts/test, or first cargo build -p chat-stated -p chat-frontd",
            dir.display()
        );
    }
    dir
}

fn storm(flags: &str) -> Report {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let programs = programs();
    let programs = [
        "--programs",
        programs.to_str().expect("a path of UTF-8"),
        "--reader-program",
        env!("CARGO_BIN_EXE_chat-bench"),
    ];
    let flags = ["crash"]
        .into_iter()
        .chain(flags.split(' '))
        .chain(programs);
    let report = run(&Arguments::parse_from(flags).options).expect("the storm goes on to its end");
    assert!(report.is_success(), "{}", report.text());
    report
}

#[test]
fn killed_worker_disconnects_own_clients() {
    let report =
        storm("--seed=11 --kill=worker --kills=40 --messages=20000 --kill-interval-ms=150");
    let measured = &report.outcome.measured;
    assert!(measured.closed_by_kill > 0);
    assert_eq!(measured.closed_unexpectedly, 0);
}

#[test]
fn killed_state_process_disconnects_nobody() {
    let report = storm("--seed=12 --kill=state --kills=40 --messages=20000 --kill-interval-ms=150");
    let outcome = &report.outcome;
    assert_eq!(outcome.measured.relogins.total(), 0);
    assert_eq!(outcome.counts.repeated, 0);
    assert_eq!(outcome.counts.asked, outcome.counts.acknowledged);
}

#[test]
fn of_everything_nothing_acknowledged_is_lost() {
    let report = storm(
        "--seed=13 --kill=worker=5,state=4,supervisor=1,master=1,all=1,reader=6 --kills=40 --messages=20000 \
         --kill-interval-ms=150",
    );
    assert!(report.outcome.measured.relogins.total() > 0);
}

#[test]
fn readers_that_die_confirm_nothing_by_that() {
    let report = storm(
        "--seed=14 --kill=reader --kills=100 --messages=20000 --kill-interval-ms=50 --pairs=30 \
         --reader-processes=18",
    );
    let measured = &report.outcome.measured;
    assert!(measured.kills[Victim::Reader as usize] >= 100);
    assert_eq!(measured.closed_unexpectedly, 0);
}

#[test]
fn rooms_keep_order_for_every_session() {
    let report = storm(
        "--seed=15 --kill=worker=5,state=4,supervisor=1,master=1,all=1,reader=4 --kills=40 --messages=8000 \
         --kill-interval-ms=150 --rooms=4 --room-members=5 --sessions=2 --once-percent=50",
    );
    let counts = &report.outcome.counts;
    assert!(counts.asked_again > 0);
    assert!(counts.delivered >= counts.acknowledged * 8);
}
