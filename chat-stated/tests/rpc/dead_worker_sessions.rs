//! Workers that did not come back after the daemon's process died.

use chat_model::Outcome;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use chat_rpc::Refusal;
use nix::sys::signal::Signal;

use super::daemon::{Daemon, send_signal, wait_for_end};
use super::worker::Worker;

/// Where the worker in a process of its own finds the daemon.
const SOCKET_VARIABLE: &str = "CHAT_TEST_WORKER_SOCKET";

#[test]
fn missing_worker_is_logged_out() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    worker.log_in("ann");
    daemon.kill_child();
    // Its process lives: it is this one.
    let mut other_worker = Worker::attach(&daemon);
    other_worker.wait_for_answer("ann", &Outcome::PasswordNeeded);
    let worker_session = worker.credential.worker_session.0;
    daemon.wait_for_log(&format!(
        "worker session {worker_session} did not come back in time"
    ));
    let resumed = Worker::resume(&daemon, worker.credential);
    assert_eq!(resumed.err(), Some(Refusal::WorkerSessionEnded));
    other_worker.log_in("ann");
}

#[test]
fn dead_worker_is_logged_out_at_once() {
    if let Some(socket) = std::env::var_os(SOCKET_VARIABLE) {
        return log_in_and_wait(socket.as_ref());
    }
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut other_worker = Worker::attach(&daemon);
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("dead_worker_sessions::dead_worker_is_logged_out_at_once")
        .env(SOCKET_VARIABLE, daemon.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(process.stdout.take().unwrap()).lines();
    let worker_session = said
        .map_while(Result::ok)
        .find_map(|line| {
            Some(
                line.split_once("logged in on worker session ")?
                    .1
                    .to_owned(),
            )
        })
        .unwrap();
    assert_eq!(other_worker.look_up("ann"), Outcome::AlreadyLoggedIn);

    // The daemon must not see its worker die, or it would end the worker session itself.
    let child = daemon.child();
    send_signal(child, Signal::SIGSTOP);
    process.kill().unwrap();
    process.wait().unwrap();
    send_signal(child, Signal::SIGKILL);
    wait_for_end(child);
    let mut other_worker = Worker::attach(&daemon);
    other_worker.wait_for_answer("ann", &Outcome::PasswordNeeded);
    // Not by the time that workers are given to come back.
    daemon.wait_for_log(&format!(
        "worker session {worker_session} did not outlive the state daemon"
    ));
}

/// The worker in a process of its own: waits to be killed, or for the end of the test.
#[allow(clippy::print_stdout)]
fn log_in_and_wait(socket: &Path) {
    let mut worker = Worker::attach_at(socket);
    worker.log_in("ann");
    println!(
        "logged in on worker session {}",
        worker.credential.worker_session.0
    );
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
