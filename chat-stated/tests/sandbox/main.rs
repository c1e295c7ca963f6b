//! A state process that was taken over tries every way out, from inside the sandbox that it has.

#![allow(clippy::unwrap_used)]

#[cfg(test)]
#[path = "../../../shared/node/tests/support/ways_out.rs"]
mod ways_out;

use std::fs;

use chat_node::sandbox::{ChildUser, Sandbox};
use chat_stated::ownership;
use chat_stated::server::confinement;
use chat_stated::settings::Settings;
use clap::Parser;
use ways_out::{Attempt, Layers, Outcome, attempt};

/// Denied by more than the filter of system calls.
const CLOSED: [&str; 13] = [
    "read",
    "read-process",
    "list",
    "write-elsewhere",
    "make-link",
    "make-directory",
    "execute",
    "connect",
    "listen",
    "signal",
    "trace",
    "become-root",
    "memory",
];

fn settings(directory: &str) -> Settings {
    Settings::parse_from([
        "chat-stated",
        "--sandbox=require",
        &format!("--run-dir={directory}"),
    ])
}

fn confine(directory: &str, layers: Layers) {
    let settings = settings(directory);
    let mut sandbox = Sandbox::enter(&settings.process.sandbox, ChildUser::State).unwrap();
    confinement::restrict_files(&mut sandbox, &settings).unwrap();
    confinement::restrict_resources(&mut sandbox).unwrap();
    if layers == Layers::All {
        confinement::restrict_system_calls(&mut sandbox).unwrap();
    }
}

fn run_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::create_dir(path.join("state")).unwrap();
    fs::write(path.join("user_pass.txt"), "").unwrap();
    fs::write(path.join("x.pid"), "1").unwrap();
    let settings = settings(&path.to_string_lossy());
    if let Some(users) = settings.process.sandbox.separation().unwrap().users() {
        ownership::give_files(&settings, users).unwrap();
    }
    directory
}

#[test]
fn ways_out_are_closed() {
    if let Some(attempt) = Attempt::of_this_process() {
        confine(&attempt.directory, attempt.layers);
        attempt.go();
    }
    let directory = run_directory();
    let tried = |way: &str, layers| {
        let test = "ways_out_are_closed";
        attempt(test, way, layers, directory.path())
    };
    for layers in [Layers::All, Layers::WithoutFilter] {
        for way in CLOSED {
            let outcome = tried(way, layers);
            assert!(
                matches!(outcome, Outcome::Denied(_)),
                "{layers:?} {way}: {outcome:?}"
            );
        }
        for way in ["read-inside", "write-inside"] {
            assert_eq!(tried(way, layers), Outcome::Done, "{layers:?} {way}");
        }
    }
    for way in ["thread", "datagram"] {
        let outcome = tried(way, Layers::All);
        assert!(matches!(outcome, Outcome::Denied(_)), "{way}: {outcome:?}");
    }
    if nix::unistd::geteuid().is_root() {
        let outcome = tried("replace-pid-file", Layers::WithoutFilter);
        assert!(matches!(outcome, Outcome::Denied(_)), "{outcome:?}");
    }
}
