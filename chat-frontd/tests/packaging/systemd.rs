//! The units, checked by systemd's own tools, which need no running systemd.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::installation::bin_dir;
use crate::{has_tool, names, packaged, run};

const UNIT_KINDS: [&str; 4] = [".service", ".socket", ".target", ".timer"];

fn unit_names() -> Vec<String> {
    let is_unit = |name: &String| UNIT_KINDS.iter().any(|kind| name.ends_with(kind));
    names("systemd").into_iter().filter(is_unit).collect()
}

/// The units, calling the programs of this build.
fn units() -> (TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let bin_dir = format!("{}/", bin_dir().display());
    let mut paths = Vec::new();
    for name in unit_names() {
        let text = fs::read_to_string(packaged("systemd").join(&name)).unwrap();
        let path = dir.path().join(name);
        fs::write(&path, text.replace("/usr/bin/", &bin_dir)).unwrap();
        paths.push(path);
    }
    (dir, paths)
}

#[test]
fn systemd_accepts_units() {
    if !has_tool("systemd-analyze", "systemd") {
        return;
    }
    let (_dir, paths) = units();
    assert_eq!(paths.len(), 7, "{paths:?}");
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=no"]);
    let (status, said) = run(command.args(&paths));
    assert_eq!((status, &*said), (0, ""));
}

/// systemd's figure of what a service can do on the host, from 0 (nothing) to 100 (everything).
#[test]
fn services_are_little_exposed() {
    if !has_tool("systemd-analyze", "systemd") {
        return;
    }
    let (_dir, paths) = units();
    let is_service = |path: &&PathBuf| path.extension().is_some_and(|it| it == "service");
    for path in paths.iter().filter(is_service) {
        let mut command = Command::new("systemd-analyze");
        command.args(["security", "--offline=true", "--no-pager", "--threshold=20"]);
        let (status, said) = run(command.arg(path));
        assert_eq!(status, 0, "{said}");
    }
}

/// Both daemons need the calls by which they restrict their children.
#[test]
fn units_allow_own_sandbox() {
    for name in ["chat-stated.service", "chat-frontd.service"] {
        let text = fs::read_to_string(packaged("systemd").join(name)).unwrap();
        let filters = text
            .lines()
            .filter_map(|it| it.strip_prefix("SystemCallFilter="));
        let allowed: BTreeSet<&str> = filters.flat_map(str::split_whitespace).collect();
        let landlock = ["create_ruleset", "add_rule", "restrict_self"];
        let needed = landlock.map(|call| format!("landlock_{call}"));
        for call in needed
            .iter()
            .map(String::as_str)
            .chain(["seccomp", "@system-service"])
        {
            assert!(allowed.contains(call), "{name} does not allow {call}");
        }
    }
}

#[test]
fn directories_and_user_are_created() {
    if !has_tool("systemd-sysusers", "systemd") || !has_tool("systemd-tmpfiles", "systemd") {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("etc")).unwrap();
    let option = format!("--root={}", root.path().display());
    for (tool, file) in [("sysusers", "sysusers.conf"), ("tmpfiles", "tmpfiles.conf")] {
        let mut command = Command::new(format!("systemd-{tool}"));
        command.arg(&option);
        if tool == "tmpfiles" {
            command.arg("--create");
        }
        let (status, said) = run(command.arg(packaged("systemd").join(file)));
        assert_eq!(status, 0, "{tool}: {said}");
    }
    let users = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    assert!(users.contains("chatserv:x:"), "{users}");
    for directory in ["var/lib/chatserv", "var/backups/chatserv"] {
        assert!(root.path().join(directory).is_dir(), "{directory}");
    }
}
