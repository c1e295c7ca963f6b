//! Processes without free descriptors for new connections.

use std::process::Command;

use chat_node::process::identity::ProcessIdentity;

use crate::connection::Connection;
use crate::installation::{FRONTD, open_files, wait_until};
use crate::one_worker::expect_rest_of;
use crate::server::{Server, expect, says, source};

/// Limits can only be set on processes of our own user.
pub(crate) const MAY_BE_LIMITED: (&str, &str) = ("CHAT_SANDBOX", "off");

/// Limits the process to `more` descriptors in addition to its current ones.
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
    // The next waiting client is served as soon as another leaves, without a new connection. The limit is reached again
    // each time, but logged once.
    let mut clients = clients.into_iter();
    let gone: Vec<_> = clients.by_ref().take(15).collect();
    for (gone, mut waiting) in gone.into_iter().zip(clients) {
        drop(gone);
        says(&mut waiting, "nobody-yet", "register");
    }
    let lines = log().matches(cannot).count();
    assert_eq!(lines, 1, "{}", log());
}
