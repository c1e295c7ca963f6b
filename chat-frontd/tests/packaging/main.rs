//! The files of `packaging/` and the scripts that install them, tried with the tools that will read them.
#![allow(clippy::unwrap_used)]

mod activation;
mod certbot;
#[allow(dead_code)]
#[path = "../support/certificate.rs"]
mod certificate;
mod container;
mod debian;
mod fail2ban;
#[path = "../support/free_port.rs"]
mod free_port;
mod install;
#[allow(dead_code)]
#[path = "../processes/installation.rs"]
mod installation;
mod logrotate;
mod pages;
mod static_build;
mod systemd;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use installation::repository;

/// A file of `packaging/`.
fn packaged(name: &str) -> PathBuf {
    repository().join("packaging").join(name)
}

/// Whether a tool of the system is there. Without it, its tests end here; in CI, `.ci/run` installs it.
#[track_caller]
fn has_tool(name: &str, package: &str) -> bool {
    let is_there = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
        .iter()
        .any(|dir| Path::new(dir).join(name).exists());
    if !is_there {
        let words = format!("{name} is missing (Debian package {package}): not tested");
        assert!(std::env::var_os("CI").is_none(), "{words}");
        eprintln!("{words}");
    }
    is_there
}

/// Runs a command. Returns its exit status, and what it printed to both outputs.
fn run(command: &mut Command) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [stdout, stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (status.code().unwrap_or(-1), text)
}

/// The names of the files in a directory of `packaging/`.
fn names(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(packaged(directory)).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
