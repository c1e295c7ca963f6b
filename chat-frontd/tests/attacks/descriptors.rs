//! Processes that have no descriptor left for those who knock.

use std::process::Command;

use chat_node::process::identity::ProcessIdentity;

use crate::connection::Connection;
use crate::installation::{FRONTD, open_files, wait_until};
use crate::one_worker::expect_rest_of;
use crate::server::{Server, expect, says, source};

/// Only what has our own user may be given a limit.
pub(crate) const MAY_BE_LIMITED: (&str, &str) = ("CHAT_SANDBOX", "off");

/// From now on the process may have no more than `more` besides those it has.
pub(crate) fn limit_descriptors(process: ProcessIdentity, more: usize) {
    let limit = open_files(&process).len() + more;
    let status = Command::new("prlimit")
        .arg(format!("--pid={}", process.pid))
        .arg(format!("--nofile={limit}:{limit}"))
        .status();
    assert!(status.unwrap().success(), "the limit cannot be set");
}

#[test]
fn worker_without_descriptors_does_not_spin() {
    let server = Server::start(&[MAY_BE_LIMITED, ("CHAT_WORKERS", "1")]);
    let worker = server.installation.children(FRONTD)[0];
    let mut good = server.log_in(source(2), "foobar", "passpass");
    limit_descriptors(worker, 15);
    let clients: Vec<Connection> = (0..25).map(|_| server.connect(source(3))).collect();
    let cannot = "cannot accept a client";
    let log = || server.installation.log(FRONTD);
    wait_until("a refusal in the log", || log().contains(cannot));
    expect_rest_of(worker);
    says(&mut good, "fetch", "fetching");
    expect(&mut good, "DONE");
    // Of those who wait the next is served as soon as another goes, with nobody else connecting. It is the limit's turn
    // again each time: the log says it once.
    let mut clients = clients.into_iter();
    let gone: Vec<_> = clients.by_ref().take(15).collect();
    for (gone, mut waiting) in gone.into_iter().zip(clients) {
        drop(gone);
        says(&mut waiting, "nobody-yet", "register");
    }
    let lines = log().matches(cannot).count();
    assert_eq!(lines, 1, "{}", log());
}
