//! Checks of the run directory: links in it, directories of other users, and insecure permissions.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use nix::unistd::geteuid;

use crate::installation::{FRONTD, Installation, STATED, repository};
use crate::namespaces::{ORDINARY, are_programs_open_to_all, of_ordinary_user};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode_of(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

/// All files that parents create or write in the run directory, and files whose owner they change.
const NAMES: [&str; 13] = [
    "chat-stated.pid",
    "chat-frontd.pid",
    "chat-stated.lock",
    "chat-frontd.lock",
    "chat-stated.log",
    "chat-frontd.log",
    "chat-stated.status",
    "chat-frontd.status.new",
    "chat-stated.sock",
    "user_pass.txt",
    ".user_pass.txt.new",
    "state",
    "restore.backup",
];

#[test]
fn links_change_no_other_file() {
    if !geteuid().is_root() {
        return;
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let precious = elsewhere.path().join("precious");
    fs::write(&precious, "precious\n").unwrap();
    set_mode(&precious, 0o600);
    let before = precious.metadata().unwrap();
    for name in NAMES {
        for is_symbolic in [true, false] {
            let installation = Installation::new();
            fs::create_dir(&installation.run_dir).unwrap();
            let link = installation.file(name);
            match is_symbolic {
                true => {
                    symlink(&precious, &link).unwrap();
                    // As the user of the state process could have created it.
                    std::os::unix::fs::lchown(&link, Some(64_190), None).unwrap();
                }
                false => fs::hard_link(&precious, &link).unwrap(),
            }
            chown(&installation.run_dir, Some(64_190), Some(64_190)).unwrap();
            let said = installation.script("start");
            installation.script("stop");
            let after = precious.metadata().unwrap();
            let shown = format!("{name}, symbolic: {is_symbolic}: {said:?}");
            assert_eq!(fs::read(&precious).unwrap(), b"precious\n", "{shown}");
            assert_eq!(
                (after.uid(), after.gid(), after.mode()),
                (before.uid(), before.gid(), before.mode()),
                "{shown}"
            );
            if said.status != 0 {
                assert!(said.err.contains(name), "{shown}");
            }
            fs::remove_file(&link)
                .or_else(|_| fs::remove_dir_all(&link))
                .ok();
        }
    }
}

#[test]
fn open_run_directory_is_closed_or_refused() {
    let installation = Installation::new();
    fs::create_dir(&installation.run_dir).unwrap();
    let strict = |name: &str| {
        let mut command = installation.command(repository().join("scripts").join(name));
        command.env("CHAT_STRICT_PERMISSIONS", "true");
        installation.run(command)
    };
    set_mode(&installation.run_dir, 0o777);
    strict("start")
        .expect_status(1)
        .expect_err("others can write");
    for program in [STATED, FRONTD] {
        let said = installation.program(program, &["--strict-permissions"]);
        said.expect_status(1)
            .expect_err("(mode 0777): chmod go-w it");
    }
    assert_eq!(mode_of(&installation.run_dir), 0o777);
    let said = installation.script("start");
    said.expect_status(0)
        .expect_err("chat-stated: warning: others could write to the run directory")
        .expect_err("check that all files in it are yours");
    assert_eq!(mode_of(&installation.run_dir) & 0o002, 0);
    // The running daemons continue: a changed mode is reported before anything is stopped.
    set_mode(&installation.run_dir, 0o777);
    let processes = installation.all_processes();
    strict("restart")
        .expect_status(1)
        .expect_err("nothing was stopped");
    assert_eq!(installation.all_processes(), processes);
}

#[test]
fn foreign_run_directory_is_refused() {
    if !geteuid().is_root() {
        return;
    }
    let installation = Installation::new();
    fs::create_dir(&installation.run_dir).unwrap();
    chown(&installation.run_dir, Some(1_234), None).unwrap();
    let said = installation.script("start");
    said.expect_status(1).expect_err("belongs to user 1234");
    let left = fs::read_dir(&installation.run_dir).unwrap().count();
    assert_eq!(left, 0, "nothing was written there");
    for program in [STATED, FRONTD] {
        let said = installation.program(program, &[]);
        said.expect_status(1).expect_err("belongs to user 1234");
        let log = installation.file(&format!("{program}.log"));
        assert!(!log.exists(), "nothing was written there");
    }
    chown(&installation.run_dir, Some(0), None).unwrap();
    installation.script("start").expect_status(0);
}

#[test]
fn foreign_account_file_is_ignored() {
    if !are_programs_open_to_all() {
        return;
    }
    let installation = of_ordinary_user();
    let script = |name: &str| {
        let mut command = installation.command("setpriv");
        command.args(["--reuid", ORDINARY, "--regid", ORDINARY, "--clear-groups"]);
        command.arg(repository().join("scripts").join(name));
        installation.run(command)
    };
    script("start").expect_status(0);
    let accounts = installation.file("user_pass.txt");
    fs::write(&accounts, format!("eve,{}\n", "0".repeat(40))).unwrap();
    chown(&accounts, Some(4_321), None).unwrap();
    script("reload")
        .expect_status(1)
        .expect_err("belongs to user 4321");
    assert_eq!(installation.ask_as("eve"), "register\n");
    chown(&accounts, Some(ORDINARY.parse().unwrap()), None).unwrap();
    script("reload").expect_status(0);
    assert_eq!(installation.ask_as("eve"), "password\n");
}
