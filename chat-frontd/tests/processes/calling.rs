//! How scripts and programs are called, and what they say if that is wrong.

use std::fs;
use std::process::{Command, Stdio};

use crate::installation::{FRONTD, Installation, STATED, bin_dir, repository};

#[test]
fn a_wrong_value_from_the_environment_names_its_variable() {
    let installation = Installation::new();
    for (program, variable) in [(FRONTD, "CHAT_WORKERS"), (STATED, "BLOCK_TIME")] {
        let mut command = installation.command(bin_dir().join(program));
        command.arg("--detach").env(variable, "many");
        let said = installation.run(command);
        said.expect_status(2)
            .expect_err("many")
            .expect_err(&format!("from the environment variable {variable}"));
    }
    let said = installation.program(FRONTD, &["--detach", "--workers=many"]);
    said.expect_status(2);
    assert!(!said.err.contains("environment variable"), "{}", said.err);
}

#[test]
fn who_reads_only_the_beginning_of_a_status_is_told_nothing_more() {
    let installation = Installation::new();
    installation.script("start").expect_status(0);
    for _ in 0..20 {
        let mut command = installation.command(repository().join("scripts").join("status"));
        let mut status = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Nobody reads at all.
        drop(status.stdout.take());
        let output = status.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, "", "a reader who has left is no failure");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn a_script_may_be_called_through_a_link() {
    let installation = Installation::new();
    let dir = tempfile::tempdir().unwrap();
    for name in ["status", "stop", "reload", "restart", "start", "build"] {
        let link = dir.path().join(name);
        std::os::unix::fs::symlink(repository().join("scripts").join(name), &link).unwrap();
    }
    let call = |name: &str| installation.run(installation.command(dir.path().join(name)));
    call("status").expect_status(3);
    call("start").expect_status(0);
    call("status").expect_status(0);
    call("restart").expect_status(0);
    call("reload").expect_status(0);
    call("stop").expect_status(0);
    // And by a shell that is given its name.
    let mut command = installation.command("/bin/sh");
    command.arg(dir.path().join("status"));
    installation.run(command).expect_status(3);
}

#[test]
fn a_front_end_without_a_state_daemon_gives_up_and_says_why() {
    let installation = Installation::new();
    let said = installation.program(FRONTD, &["--detach", "--start-patience=1"]);
    said.expect_status(1)
        .expect_err("not ready after 1 s, and stopped again")
        .expect_err("is chat-stated running in the same run directory?");
    installation.expect_nothing_left(&[]);
    installation.script("status").expect_status(3);
}

#[test]
fn every_script_is_a_shell_script_that_finds_its_environment() {
    for entry in fs::read_dir(repository().join("scripts")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() || path.ends_with("environment.sh") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(". \"$(dirname -- \"$(readlink -f -- \"$0\")\")/environment.sh\""),
            "{}",
            path.display()
        );
        let checked = Command::new("sh").arg("-n").arg(&path).status().unwrap();
        assert!(checked.success());
    }
}
