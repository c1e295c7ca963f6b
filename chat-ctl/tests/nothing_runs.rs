//! What `chatctl` says where no server runs. Tests of a running server are those of chat-frontd.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn chatctl(run_dir: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chatctl"))
        .env_clear()
        .env("CHAT_RUN_DIR", run_dir)
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn status_of_nothing_exits_with_three() {
    let run_dir = tempfile::tempdir().unwrap();
    let output = chatctl(run_dir.path(), &["status"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(!output.stdout.is_empty(), "{output:?}");
}

#[test]
fn wrong_usage_has_its_own_status() {
    let run_dir = tempfile::tempdir().unwrap();
    let output = chatctl(run_dir.path(), &["no-such-command"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
}
