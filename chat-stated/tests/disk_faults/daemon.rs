//! A real chat-stated above the shim.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chat_stated::state_lock::StateLock;

use crate::control::Control;

/// Long enough for any machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// SHA-1 of the password `x`: the hash is made anew, and filed, at the first login.
pub(crate) const SHA1_OF_X: &str = "11f6ad8ec52a2984abaafd7c3b516503785c2072";

/// The files of an installation and, beside them, what the shim needs.
pub(crate) struct Installation {
    dir: tempfile::TempDir,
    pub(crate) control: Control,
    /// Further flags of the daemon.
    pub(crate) flags: Vec<String>,
}

/// A supervisor and its child; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
}

/// Waits, as the next daemon would, for the child of a killed supervisor: nobody writes while this is held.
pub(crate) fn state_at_rest(state_dir: &Path) -> StateLock {
    StateLock::acquire(state_dir, TIMEOUT).unwrap()
}

/// A directory in memory where there is one.
pub(crate) fn quick_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

impl Installation {
    /// With these accounts; each has the password `x`.
    pub(crate) fn new(accounts: &[&str]) -> Self {
        let dir = quick_directory();
        fs::create_dir(dir.path().join("run")).unwrap();
        let lines: String = accounts
            .iter()
            .map(|name| format!("{name},{SHA1_OF_X}\n"))
            .collect();
        fs::write(dir.path().join("run/user_pass.txt"), lines).unwrap();
        fs::write(dir.path().join("trace"), "").unwrap();
        Self {
            control: Control::create(&dir.path().join("control")),
            dir,
            flags: Vec::new(),
        }
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    pub(crate) fn trace(&self) -> PathBuf {
        self.dir.path().join("trace")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn start(&self) -> Daemon {
        self.start_with(None)
    }

    pub(crate) fn start_traced(&self) -> Daemon {
        self.start_with(Some(&self.trace()))
    }

    fn start_with(&self, trace: Option<&Path>) -> Daemon {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.dir.path().join("log"))
            .unwrap();
        let run_dir = self.run_dir();
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-stated"));
        // Clients come from anywhere in these tests.
        command.env("CHAT_TRUSTED", "0.0.0.0/0,::/0");
        command
            .args(["--argon2-memory-kib=8", "--argon2-iterations=1"])
            .args(&self.flags)
            .arg("--run-dir")
            .arg(&run_dir)
            .env_remove("CHAT_LOG")
            .env_remove("BLOCK_TIME")
            // The shim opens files of its own and makes calls of its own.
            .env("CHAT_SANDBOX", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0);
        self.control.preload(&mut command, &run_dir, trace);
        Daemon {
            child: command.spawn().unwrap(),
        }
    }

    /// A connection to the daemon's socket, which is there from soon after the start.
    pub(crate) fn connect(&self) -> std::io::Result<UnixStream> {
        UnixStream::connect(self.run_dir().join("chat-stated.sock"))
    }

    /// Kills the process that holds the state, if there is one at the moment.
    pub(crate) fn kill_state_process(&self, supervisor: u32) {
        let children = format!("/proc/{supervisor}/task/{supervisor}/children");
        let children = fs::read_to_string(children).unwrap_or_default();
        if let Some(process) = children.split_whitespace().next() {
            signal(process.parse().unwrap(), "KILL");
        }
    }
}

impl Daemon {
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it in order; whether it did so without an error.
    pub(crate) fn stop(mut self) -> bool {
        signal(self.child.id(), "TERM");
        self.child.wait().unwrap().success()
    }

    /// The supervisor's process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

fn signal(process: u32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "cannot signal process {process}");
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Its child writes until it notices: whoever looks at the state next takes its lock first.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
