//! A worker that was taken over tries every way out, from inside the sandbox that workers have.

#![allow(clippy::unwrap_used)]

#[cfg(test)]
#[path = "../../../shared/node/tests/support/ways_out.rs"]
mod ways_out;

use chat_frontd::settings::Settings;
use chat_frontd::worker::confinement;
use chat_node::sandbox::{ChildUser, Sandbox};
use clap::Parser;
use nix::sys::signal::Signal;
use ways_out::{Attempt, Layers, Outcome, attempt};

const WAYS: [&str; 12] = [
    "read",
    "read-process",
    "list",
    "write-elsewhere",
    "read-inside",
    "write-inside",
    "execute",
    "connect",
    "listen",
    "signal",
    "trace",
    "memory",
];

fn confine(directory: &str, layers: Layers) {
    let settings = Settings::parse_from([
        "chat-frontd",
        "--sandbox=require",
        &format!("--run-dir={directory}"),
    ]);
    let mut sandbox = Sandbox::enter(&settings.process.sandbox, ChildUser::Worker).unwrap();
    confinement::restrict_resources(&mut sandbox, &settings).unwrap();
    if layers == Layers::All {
        confinement::restrict_system_calls(&mut sandbox).unwrap();
    }
}

fn run_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("state")).unwrap();
    std::fs::write(directory.path().join("user_pass.txt"), "").unwrap();
    directory
}

#[test]
fn worker_dies_on_every_way_out() {
    if let Some(attempt) = Attempt::of_this_process() {
        confine(&attempt.directory, attempt.layers);
        attempt.go();
    }
    let directory = run_directory();
    let shared_sockets = [
        "block-accepting",
        "block-accepting-by-ioctl",
        "socket-option",
        "hand-on-descriptor",
    ];
    for way in WAYS
        .into_iter()
        .chain(["thread", "datagram", "become-root"])
        .chain(shared_sockets)
    {
        let test = "worker_dies_on_every_way_out";
        let outcome = attempt(test, way, Layers::All, directory.path());
        match way {
            // Not a matter of calls.
            "memory" => assert!(matches!(outcome, Outcome::Denied(_)), "{way}: {outcome:?}"),
            _ => assert_eq!(outcome, Outcome::Killed(Signal::SIGSYS), "{way}"),
        }
    }
}

#[test]
fn ways_out_are_closed_without_filter() {
    if let Some(attempt) = Attempt::of_this_process() {
        confine(&attempt.directory, attempt.layers);
        attempt.go();
    }
    let directory = run_directory();
    for way in WAYS {
        let test = "ways_out_are_closed_without_filter";
        let outcome = attempt(test, way, Layers::WithoutFilter, directory.path());
        assert!(matches!(outcome, Outcome::Denied(_)), "{way}: {outcome:?}");
    }
    let test = "ways_out_are_closed_without_filter";
    let outcome = attempt(test, "become-root", Layers::WithoutFilter, directory.path());
    assert!(matches!(outcome, Outcome::Denied(_)), "{outcome:?}");
    // That it is the sandbox: nothing is denied to this process itself.
    assert!(std::fs::read("/etc/passwd").is_ok());
}
