//! Each operation of a run fails, in each way, once and for ever: what was acknowledged is there afterwards, and no
//! answer is wrong.

use std::time::{Duration, Instant};

use crate::cases::{are_all_wanted, try_each};
use crate::control::{Failure, Fault, Kind};
use crate::daemon::{Installation, TIMEOUT};
use crate::history;
use crate::run::{ACCOUNTS, Told, run};
use crate::worker::Worker;

const ROUNDS: usize = 12;
/// Entries after which a checkpoint is due, so that a run has some.
const CHECKPOINT_EVERY: usize = 8;

fn installation(with_history: bool) -> Installation {
    let mut installation = Installation::new(&ACCOUNTS);
    installation.flags = vec![
        format!("--checkpoint-every-entries={CHECKPOINT_EVERY}"),
        "--resident-text-bytes=0".into(),
        "--disk-reserve=1".into(),
    ];
    if with_history {
        installation.flags.push("--direct-history".into());
    }
    installation
}

/// How many operations of a kind a run has without faults.
fn count(kind: Kind, with_history: bool) -> i64 {
    let installation = installation(with_history);
    installation.control.count(kind);
    let mut daemon = installation.start();
    let mut told = Told::default();
    let mut worker = Worker::new(&installation, &mut daemon);
    run(&mut worker, ROUNDS, &mut told, &mut |_| ()).unwrap();
    assert!(daemon.stop());
    told.check_disk(&installation.run_dir());
    installation.control.seen()
}

fn run_with(fault: Fault, with_history: bool) {
    let installation = installation(with_history);
    installation.control.fail(fault);
    let mut daemon = installation.start();
    let mut told = Told::default();
    let mut worker = Worker::new(&installation, &mut daemon);
    // Where every process fails there is nothing to wait for but the word of it.
    if fault.for_ever && fault.failure != Failure::Short {
        worker.timeout_with_fault = Duration::from_millis(500);
    }
    let result = run(&mut worker, ROUNDS, &mut told, &mut |_| ());
    let failed = installation.control.failed();
    if result.is_err() {
        assert!(
            failed > 0,
            "it ended without a fault: {}",
            installation.log()
        );
        assert!(
            fault.for_ever,
            "it did not come back: {}",
            installation.log()
        );
        expect_clear_word(&installation, fault);
    }
    drop(daemon);
    installation.control.end_faults();
    told.check_disk(&installation.run_dir());
    if with_history {
        history::check(&installation, &told);
    }
}

/// The log says what could not be done, with which file, and why.
fn expect_clear_word(installation: &Installation, fault: Fault) {
    let why = match fault.failure {
        Failure::NoSpace => ["no room", "No space left", "disk I/O error"],
        _ => ["disk I/O error", "os error 5", "unable to open"],
    };
    let is_clear = |line: &str| {
        line.contains("cannot")
            && (line.contains("/state") || line.contains("user_pass.txt"))
            && why.iter().any(|why| line.contains(why))
    };
    let deadline = Instant::now() + TIMEOUT;
    while !installation.log().lines().any(is_clear) {
        let log = installation.log();
        assert!(Instant::now() < deadline, "{fault:?}: {log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs all cases, or of each kind, way and duration as many as `sample` says.
fn run_all(sample: Option<usize>, with_history: bool) {
    let mut faults = Vec::new();
    for kind in Kind::ALL {
        let operations = count(kind, with_history);
        for failure in [Failure::Io, Failure::NoSpace, Failure::Short] {
            if failure == Failure::Short && kind != Kind::Write {
                continue;
            }
            for for_ever in [false, true] {
                let step = sample.map_or(1, |sample| (operations as usize / sample).max(1));
                // Each combination samples other places.
                let first = 1 + faults.len() % step;
                faults.extend((first..=operations as usize).step_by(step).map(|at| Fault {
                    kind,
                    at: at as i64,
                    failure,
                    for_ever,
                }));
            }
        }
    }
    try_each(&faults, |fault| run_with(*fault, with_history));
}

#[test]
fn nothing_acknowledged_is_lost_whichever_operation_fails() {
    run_all((!are_all_wanted()).then_some(4), false);
}

#[test]
fn history_lacks_only_what_it_names() {
    run_all((!are_all_wanted()).then_some(4), true);
}
