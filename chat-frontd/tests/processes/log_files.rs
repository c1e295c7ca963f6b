//! Log files that were renamed or deleted, and a reload.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::installation::{CHATCTL, FRONTD, Installation, STATED, kill, wait_until};

/// The files that all processes of a daemon write their output to.
fn outputs(installation: &Installation, daemon: &str) -> Vec<PathBuf> {
    let mut processes = installation.children(daemon);
    processes.push(installation.parent(daemon));
    let mut files: Vec<PathBuf> = processes
        .iter()
        .flat_map(|process| [1, 2].map(|number| format!("/proc/{}/fd/{number}", process.pid)))
        .filter_map(|link| fs::read_link(link).ok())
        .collect();
    files.dedup();
    files
}

fn log_of(installation: &Installation, daemon: &str) -> PathBuf {
    installation.file(&format!("{daemon}.log"))
}

/// All processes log to the log file by now.
fn wait_until_anew(installation: &Installation, daemon: &str) {
    let log = fs::canonicalize(log_of(installation, daemon)).unwrap();
    wait_until("all processes log to the new file", || {
        outputs(installation, daemon) == [log.clone()]
    });
}

#[test]
fn reload_opens_renamed_logs_anew() {
    let installation = Installation::started();
    for (round, daemon) in [STATED, FRONTD].into_iter().enumerate() {
        let (log, kept) = (log_of(&installation, daemon), installation.file("kept"));
        let before = fs::read_to_string(&log).unwrap();
        fs::rename(&log, &kept).unwrap();
        match round {
            0 => drop(installation.program(CHATCTL, &["reload"]).expect_status(0)),
            _ => drop(installation.script("reload").expect_status(0)),
        }
        wait_until_anew(&installation, daemon);
        assert!(fs::read_to_string(&kept).unwrap().starts_with(&before));
        let anew = fs::read_to_string(&log).unwrap();
        assert!(anew.contains(" INFO "), "{anew}");
        fs::remove_file(&log).unwrap();
        kill(installation.parent(daemon), Signal::SIGHUP);
        wait_until("the deleted log is there again", || log.exists());
        wait_until_anew(&installation, daemon);
    }
    // A child that is started later has the new one too.
    let worker = installation.children(FRONTD)[0];
    kill(worker, Signal::SIGKILL);
    wait_until("another worker serves", || {
        let children = installation.children(FRONTD);
        children.len() == 2 && !children.contains(&worker)
    });
    wait_until_anew(&installation, FRONTD);
    assert_eq!(installation.ask(), "register\n");
}

#[test]
fn rotation_loses_no_line() {
    let installation = Installation::started();
    let log = log_of(&installation, STATED);
    for round in 0..10 {
        installation
            .program(CHATCTL, &["checkpoint"])
            .expect_status(0);
        fs::rename(&log, installation.file(&format!("log.{round}"))).unwrap();
        installation
            .program(CHATCTL, &["checkpoint"])
            .expect_status(0);
        installation.program(STATED, &["--reload"]).expect_status(0);
    }
    let files = (0..10).map(|round| installation.file(&format!("log.{round}")));
    let lines: String = files
        .chain([log])
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let requests = lines.matches("event=checkpoint-requested").count();
    let reloads = lines.matches("reading the account file again").count();
    assert_eq!((requests, reloads), (20, 10), "{lines}");
}

#[test]
fn log_that_cannot_be_opened_fails_reload() {
    let installation = Installation::started();
    let (log, kept) = (log_of(&installation, FRONTD), installation.file("kept"));
    fs::rename(&log, &kept).unwrap();
    fs::create_dir(&log).unwrap();
    installation
        .program(FRONTD, &["--reload"])
        .expect_status(1)
        .expect_err("there are no files to read; but cannot write to the log ");
    let lines = fs::read_to_string(&kept).unwrap();
    assert!(
        lines.contains("; the log goes on in the old file"),
        "{lines}"
    );
    installation
        .program(CHATCTL, &["status", "--summary"])
        .expect_status(1)
        .expect_out("reason: chat-frontd: TLS is off");
    fs::remove_dir(&log).unwrap();
    installation.program(FRONTD, &["--reload"]).expect_status(0);
    wait_until_anew(&installation, FRONTD);
    installation.program(CHATCTL, &["status"]).expect_status(0);
}

#[test]
fn chosen_log_file_is_opened_anew() {
    let installation = Installation::new();
    fs::create_dir(&installation.run_dir).unwrap();
    fs::write(installation.file("user_pass.txt"), "").unwrap();
    let log = installation.run_dir.with_file_name("chosen.log");
    let mut command = installation.command(crate::installation::bin_dir().join(STATED));
    // A relative path keeps its meaning, although the daemon changes its directory.
    command.current_dir(log.parent().unwrap());
    command.args(["--detach", "--log-file", "chosen.log"]);
    installation.run(command).expect_status(0);
    fs::rename(&log, log.with_extension("1")).unwrap();
    installation.program(STATED, &["--reload"]).expect_status(0);
    let log = fs::canonicalize(log).unwrap();
    wait_until("all processes log to the new file", || {
        outputs(&installation, STATED) == [log.clone()]
    });
}
