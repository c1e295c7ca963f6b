//! A `chat-stated` in the background, in a run directory of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use chat_node::control::status_file::Status;
use chat_stated::stored_state::StoredBackup;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::{Served, TIMEOUT};

/// `password`, as older account files have it.
pub(crate) const SECRET: &str = "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8";

const FLAGS: [&str; 5] = [
    "--argon2-memory-kib=8",
    "--argon2-iterations=1",
    "--block-time=100000",
    "--queue-bytes=1000000000",
    "--sender-share-percent=100",
];

/// Stopped when dropped, and its directory removed.
pub(crate) struct Installation {
    run_dir: TempDir,
}

impl Installation {
    /// One with these accounts; not started.
    pub(crate) fn with_accounts(names: &[&str]) -> Self {
        let installation = Self::empty();
        let lines: String = names.iter().map(|n| format!("{n},{SECRET}\n")).collect();
        fs::write(installation.path("user_pass.txt"), lines).unwrap();
        installation
    }

    /// An empty run directory.
    pub(crate) fn empty() -> Self {
        let run_dir = tempfile::Builder::new()
            .prefix("chat-backup-")
            .tempdir()
            .unwrap();
        Self { run_dir }
    }

    /// One into which this backup was put to be restored; not started.
    pub(crate) fn to_restore(backup: &Path) -> Self {
        let installation = Self::empty();
        fs::copy(backup, installation.path("restore.backup")).unwrap();
        installation
    }

    /// One with copies of the files in a directory; those but the account file go into the state directory.
    pub(crate) fn with_files_of(fixture: &Path) -> Self {
        let installation = Self::empty();
        fs::create_dir(installation.path("state")).unwrap();
        for name in ["journal.db", "checkpoint.db", "journal.mark"] {
            let to = installation.path("state").join(name);
            fs::copy(fixture.join(name), to).unwrap();
        }
        let accounts = installation.path("user_pass.txt");
        fs::copy(fixture.join("user_pass.txt"), accounts).unwrap();
        installation
    }

    /// A file of the run directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.run_dir.path().join(name)
    }

    /// Runs the program for this run directory.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The program for this run directory, not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-stated"));
        command
            .env("CHAT_TRUSTED", "0.0.0.0/0,::/0")
            .arg("--run-dir")
            .arg(self.run_dir.path())
            .args(arguments)
            .env_remove("BLOCK_TIME")
            .env_remove("CHAT_RUN_DIR")
            .env_remove("CHAT_LOG")
            .stdin(Stdio::null());
        command
    }

    /// Starts it; returns when it serves.
    pub(crate) fn start(&self) {
        let started = self.try_start();
        assert!(started.status.success(), "{}", self.said(&started));
    }

    /// Starts it with messages to users kept in the history.
    pub(crate) fn start_with_history(&self) {
        let started = self.run(&[&FLAGS[..], &["--direct-history", "--detach"]].concat());
        assert!(started.status.success(), "{}", self.said(&started));
    }

    /// Tries to start it.
    pub(crate) fn try_start(&self) -> Output {
        self.run(&[&FLAGS[..], &["--detach"]].concat())
    }

    pub(crate) fn stop(&self) {
        let stopped = self.run(&["--stop"]);
        assert!(stopped.status.success(), "{}", self.said(&stopped));
    }

    /// kill -9 of the process that holds the state; returns when the next one is named.
    pub(crate) fn kill_child(&self) {
        let child = self.child();
        kill(Pid::from_raw(child), Signal::SIGKILL).unwrap();
        let end = Instant::now() + TIMEOUT;
        while self.child() == child {
            assert!(Instant::now() < end, "no other process came");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The process that holds the state.
    pub(crate) fn child(&self) -> i32 {
        let status = Status::read(&self.path("chat-stated.status")).unwrap();
        status.children[0].process.map_or(0, |process| process.pid)
    }

    /// kill -9 of the supervisor and its child, the child first.
    pub(crate) fn kill_all(&self) {
        let status = Status::read(&self.path("chat-stated.status")).unwrap();
        for (pid, signal) in [
            (status.pid, Signal::SIGSTOP),
            (self.child(), Signal::SIGKILL),
            (status.pid, Signal::SIGKILL),
        ] {
            kill(Pid::from_raw(pid), signal).unwrap();
        }
    }

    /// Takes a backup, which must succeed, and reads it.
    pub(crate) fn back_up(&self, file: &Path) -> StoredBackup {
        let done = self.run(&["backup", file.to_str().unwrap()]);
        assert!(done.status.success(), "{}", self.said(&done));
        StoredBackup::read(file).unwrap()
    }

    /// All that was logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("chat-stated.log")).unwrap_or_default()
    }

    fn said(&self, output: &Output) -> String {
        format!(
            "{}{}\n{}",
            text(&output.stdout),
            text(&output.stderr),
            self.log()
        )
    }
}

impl Served for Installation {
    fn socket_path(&self) -> PathBuf {
        self.path("chat-stated.sock")
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of the daemon:\n{}", self.log());
        }
        self.run(&["--stop"]);
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
