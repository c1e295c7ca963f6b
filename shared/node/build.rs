//! Gives release builds the commit that they are made from. Packagers, whose sources have no history, set
//! `CHAT_COMMIT`.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CHAT_COMMIT");
    // Otherwise each commit would compile everything again for the next test.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = env::var("CHAT_COMMIT")
        .ok()
        .filter(|commit| !commit.is_empty());
    let commit = commit.or_else(|| {
        if is_release {
            commit_of_checkout()
        } else {
            None
        }
    });
    let shown = commit.map_or_else(String::new, |commit| format!(" (commit {commit})"));
    println!("cargo:rustc-env=CHAT_SHOWN_COMMIT={shown}");
}

/// The commit of the checkout; none where there is no git or no history.
fn commit_of_checkout() -> Option<String> {
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
