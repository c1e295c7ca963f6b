//! The configuration of logrotate, for a server that root has started, and for the run directory of a user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use nix::unistd::geteuid;

use crate::installation::{FRONTD, Installation, STATED, bin_dir};
use crate::{has_tool, packaged, run};

/// Rotates the logs of a run directory now, as a user and group. Returns what logrotate printed.
fn rotate(run_dir: &Path, user: Option<&str>) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(packaged("logrotate.conf")).unwrap();
    // The path of a test has a space.
    let logs = format!("\"{}/*.log\"", run_dir.display());
    // A copy, which every user can execute.
    let chatctl = scratch.path().join("chatctl");
    fs::copy(bin_dir().join("chatctl"), &chatctl).unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let command = format!("{} --run-dir='{}' ", chatctl.display(), run_dir.display());
    let text = text
        .replace("/var/lib/chatserv/*.log", &logs)
        .replace("/usr/bin/chatctl --run-dir=/var/lib/chatserv ", &command);
    assert!(text.contains(&command), "{text}");
    let own = "    su chatserv chatserv\n";
    assert!(text.contains(own) && text.contains(&logs), "{text}");
    let text = text.replace(
        own,
        &user.map_or(String::new(), |user| format!("    su {user}\n")),
    );
    let configuration = scratch.path().join("chatserv");
    fs::write(&configuration, text).unwrap();
    // logrotate refuses a configuration that others can write to.
    fs::set_permissions(&configuration, fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = Command::new("/usr/sbin/logrotate");
    command.args(["--force", "--state"]);
    command
        .arg(scratch.path().join("state"))
        .arg(&configuration);
    run(&mut command).1
}

#[test]
fn logs_of_root_are_rotated() {
    if !has_tool("logrotate", "logrotate") || !geteuid().is_root() {
        return;
    }
    let installation = Installation::started();
    let before = installation.log(STATED);
    assert!(before.contains(" ready, listening on "), "{before}");
    // The run directory is open to the groups of the children.
    chown(&installation.run_dir, None, Some(64_190)).unwrap();
    let refusal = rotate(&installation.run_dir, None);
    assert!(refusal.contains("insecure permissions"), "{refusal}");
    assert_eq!(installation.log(STATED), before);

    assert_eq!(rotate(&installation.run_dir, Some("root root")), "");
    let rotated = fs::read_to_string(installation.file("chat-stated.log.1")).unwrap();
    assert!(rotated.starts_with(&before), "{rotated}");
    let after = installation.log(STATED);
    assert!(after.contains(" reloading\n"), "{after}");
    let before = installation.log(FRONTD);
    assert!(before.contains(" reloading\n"), "{before}");
    assert_eq!(rotate(&installation.run_dir, Some("root root")), "");
    assert!(installation.file("chat-stated.log.2.gz").exists());
    let rotated = fs::read_to_string(installation.file("chat-frontd.log.1")).unwrap();
    assert!(rotated.starts_with(&before), "{rotated}");
    installation.script("status").expect_status(0);
}

#[test]
fn logs_of_user_are_rotated() {
    if !has_tool("logrotate", "logrotate") || !geteuid().is_root() {
        return;
    }
    const NOBODY: u32 = 65_534;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let run_dir = dir.path().join("a run");
    fs::create_dir(&run_dir).unwrap();
    let log = run_dir.join("chat-stated.log");
    fs::write(&log, "a line\n").unwrap();
    for (path, mode) in [(&run_dir, 0o700), (&log, 0o600)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    assert_eq!(rotate(&run_dir, Some("nobody nogroup")), "");
    // The server makes the next one.
    assert!(!log.exists());
    assert_eq!(
        fs::read(run_dir.join("chat-stated.log.1")).unwrap(),
        b"a line\n"
    );
}
