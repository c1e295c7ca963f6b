//! Signals that daemons and their children get, and children that do nothing any more.

use nix::sys::signal::Signal;

use crate::installation::{FRONTD, Installation, STATED, kill, wait_until};

#[test]
fn signals_without_meaning_end_nobody() {
    let installation = Installation::started();
    let processes = installation.all_processes();
    for signal in [
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGALRM,
        Signal::SIGVTALRM,
        Signal::SIGPROF,
        Signal::SIGIO,
        Signal::SIGPIPE,
        Signal::SIGXFSZ,
        Signal::SIGXCPU,
        Signal::SIGPWR,
    ] {
        for process in &processes {
            kill(*process, signal);
        }
        assert_eq!(installation.ask(), "register\n");
    }
    // A signal that ended one would have been taken in before its parent's answer to this.
    installation.script("reload").expect_status(0);
    installation.script("status").expect_status(0);
    assert_eq!(installation.all_processes(), processes);
}

#[test]
fn stopped_child_is_reported() {
    let installation = Installation::started();
    let worker = installation.children(FRONTD)[0];
    let state = installation.children(STATED)[0];
    kill(worker, Signal::SIGSTOP);
    wait_until("its parent says so", || {
        installation.status(FRONTD).unwrap().children[0]
            .silent_since
            .is_some()
    });
    let said = installation.script("status");
    said.expect_status(1)
        .expect_out("no sign of life since ")
        .expect_out("kill -CONT");
    assert!(
        installation
            .log(FRONTD)
            .contains("worker 1: gives no sign of life")
    );
    kill(worker, Signal::SIGCONT);
    kill(state, Signal::SIGSTOP);
    wait_until("the other one's does", || {
        installation.status(STATED).unwrap().children[0]
            .silent_since
            .is_some()
    });
    kill(state, Signal::SIGCONT);
    wait_until("all is well again", || {
        installation.script("status").status == 0
    });
    assert_eq!(installation.children(FRONTD)[0], worker);
    assert_eq!(installation.children(STATED)[0], state);
}
