//! The maintainer scripts of the Debian package on a host without systemd. `scripts/test-package` tries the package.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::{packaged, run};

/// Calls `prerm` with programs in the place of those of the system. `runuser` notes its arguments and ends with
/// `status`. Returns exit status and output, and what was noted.
fn prerm(argument: &str, status: i32) -> ((i32, String), String) {
    let dir = tempfile::tempdir().unwrap();
    let called = dir.path().join("called");
    let note = format!("printf '%s\\n' \"$*\" >>'{}'", called.display());
    put(dir.path(), "runuser", &format!("{note}\nexit {status}"));
    for name in ["getent", "chat-frontd", "chat-stated"] {
        put(dir.path(), name, "exit 0");
    }
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new(packaged("debian/prerm"));
    command
        .arg(argument)
        .env("PATH", format!("{}:{path}", dir.path().display()));
    let said = run(&mut command);
    (said, fs::read_to_string(called).unwrap_or_default())
}

fn put(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
}

fn is_systemd_there() -> bool {
    Path::new("/run/systemd/system").exists()
}

#[test]
fn removal_without_systemd_stops_both_daemons() {
    if is_systemd_there() {
        return;
    }
    let (said, called) = prerm("remove", 0);
    assert_eq!(said, (0, String::new()));
    let calls: Vec<&str> = called.lines().collect();
    assert_eq!(calls.len(), 2, "{called}");
    for (call, program) in calls.into_iter().zip(["chat-frontd", "chat-stated"]) {
        let end = format!(" {program} --run-dir /var/lib/chatserv --stop");
        assert!(
            call.starts_with("-u chatserv -- ") && call.ends_with(&end),
            "{called}"
        );
    }
}

#[test]
fn removal_fails_while_a_daemon_runs() {
    if is_systemd_there() {
        return;
    }
    let ((status, said), _) = prerm("remove", 1);
    assert_eq!(status, 1);
    assert!(said.contains("chat-frontd could not be stopped"), "{said}");
}

#[test]
fn upgrade_stops_no_daemon() {
    let (said, called) = prerm("upgrade", 0);
    assert_eq!((said, called), ((0, String::new()), String::new()));
}
