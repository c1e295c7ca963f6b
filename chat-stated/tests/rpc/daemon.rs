//! A `chat-stated` of the test's own, in the foreground, in a temporary run directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::Served;
pub(crate) use crate::support::{PASSWORD, wait_for};

/// `password`, hashed as cheaply as the daemon is told to hash here.
pub(crate) const CHEAP_SECRET: &str =
    "$argon2id$v=19$m=8,t=1,p=1$OKLOhTYIk3FoT/6OnRcJ8A$WQEJFbT9itJORi22BuA1Y2DkrxHvf3W+StfAXjWze0s";
/// `password`, as older account files have it.
pub(crate) const SHA1_SECRET: &str = "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8";

const CHEAP_HASHING: [&str; 2] = ["--argon2-memory-kib=8", "--argon2-iterations=1"];

/// Killed when dropped, and its directory removed.
pub(crate) struct Daemon {
    run_dir: TempDir,
    flags: Vec<String>,
    /// What the shell's `ulimit -d` is set to, in KiB.
    data_kib: Option<u64>,
    supervisor: Child,
}

impl Daemon {
    /// One with these accounts and cheap hashing.
    pub(crate) fn with_accounts(names: &[&str]) -> Self {
        Self::with_flags(names, &[])
    }

    /// The same with more flags; a later flag wins.
    pub(crate) fn with_flags(names: &[&str], flags: &[&str]) -> Self {
        Self::with_file(Some(&account_lines(names)), flags)
    }

    /// One with this account file, or none.
    pub(crate) fn with_file(account_file: Option<&str>, flags: &[&str]) -> Self {
        let run_dir = tempfile::Builder::new()
            .prefix("chat-rpc-")
            .tempdir()
            .unwrap();
        if let Some(content) = account_file {
            fs::write(run_dir.path().join("user_pass.txt"), content).unwrap();
        }
        let given = |name: &str| flags.iter().any(|flag| flag.starts_with(name));
        let hashing = CHEAP_HASHING
            .into_iter()
            .filter(|flag| !given(flag.split('=').next().unwrap_or(flag)));
        let flags: Vec<String> = hashing
            .chain(flags.iter().copied())
            .map(str::to_owned)
            .collect();
        let supervisor = start(&run_dir, &flags, None);
        Self {
            run_dir,
            flags,
            data_kib: None,
            supervisor,
        }
    }

    /// One with this account file, that may have little memory.
    pub(crate) fn with_memory(account_file: &str, data_kib: u64) -> Self {
        let mut daemon = Self::with_file(Some(account_file), &[]);
        daemon.stop();
        daemon.data_kib = Some(data_kib);
        daemon.start_again();
        daemon
    }

    /// Where workers connect.
    pub(crate) fn socket(&self) -> PathBuf {
        self.run_dir.path().join("chat-stated.sock")
    }

    pub(crate) fn run_dir(&self) -> &Path {
        self.run_dir.path()
    }

    /// Runs the program for this run directory.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_chat-stated"))
            // Clients come from anywhere in these tests.
            .env("CHAT_TRUSTED", "0.0.0.0/0,::/0")
            .arg("--run-dir")
            .arg(self.run_dir())
            .args(arguments)
            .output()
            .unwrap()
    }

    pub(crate) fn account_file(&self) -> PathBuf {
        self.run_dir.path().join("user_pass.txt")
    }

    /// Lines of the account file that belong to a name.
    pub(crate) fn account_lines(&self, name: &str) -> Vec<String> {
        let content = fs::read_to_string(self.account_file()).unwrap_or_default();
        let prefix = format!("{name},");
        content
            .lines()
            .filter(|line| line.starts_with(&prefix))
            .map(str::to_owned)
            .collect()
    }

    /// All that was logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.run_dir.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_for(&format!("`{text}` in the log"), || {
            self.log().contains(text).then_some(())
        });
    }

    /// The process that holds the state.
    pub(crate) fn child(&self) -> i32 {
        let supervisor = self.supervisor.id().cast_signed();
        wait_for("the child of the supervisor", || child_of(supervisor))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send_signal(self.supervisor.id().cast_signed(), signal);
    }

    /// kill -9 of the process that holds the state; the supervisor brings up another one.
    pub(crate) fn kill_child(&self) {
        let child = self.child();
        send_signal(child, Signal::SIGKILL);
        wait_for_end(child);
    }

    /// SIGTERM, and everything after it up to the end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// The end of the supervisor.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the end of the supervisor", || {
            self.supervisor.try_wait().unwrap()
        })
    }

    /// kill -9 of the supervisor; returns when its child is gone too.
    pub(crate) fn kill_supervisor(&mut self) {
        let child = child_of(self.supervisor.id().cast_signed());
        // It may have ended already.
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
        if let Some(child) = child {
            wait_for_end(child);
        }
    }

    /// A second one in the same run directory, while the first runs.
    pub(crate) fn start_another(&self) -> Child {
        start(&self.run_dir, &self.flags, self.data_kib)
    }

    /// From the next start on it is without these flags.
    pub(crate) fn forget_flags(&mut self, flags: &[&str]) {
        self.flags.retain(|flag| !flags.contains(&flag.as_str()));
    }

    /// The same again in the same run directory.
    pub(crate) fn start_again(&mut self) {
        self.supervisor = start(&self.run_dir, &self.flags, self.data_kib);
    }
}

impl Served for Daemon {
    fn socket_path(&self) -> PathBuf {
        self.socket()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of the daemon:\n{}", self.log());
            let _ = self.supervisor.kill();
            let _ = self.supervisor.wait();
        } else {
            self.kill_supervisor();
        }
    }
}

/// An account file of these accounts, all with [`PASSWORD`].
pub(crate) fn account_lines(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("{name},{CHEAP_SECRET}\n"))
        .collect()
}

fn start(run_dir: &TempDir, flags: &[String], data_kib: Option<u64>) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(run_dir.path().join("log"))
        .unwrap();
    let limit = data_kib.map_or_else(String::new, |kib| kib.to_string());
    Command::new("sh")
        .args([
            "-c",
            "[ -z \"$0\" ] || ulimit -d \"$0\"; exec \"$@\"",
            &limit,
        ])
        .arg(env!("CARGO_BIN_EXE_chat-stated"))
        // Clients come from anywhere in these tests.
        .env("CHAT_TRUSTED", "0.0.0.0/0,::/0")
        .arg("--run-dir")
        .arg(run_dir.path())
        .args(flags)
        .env_remove("BLOCK_TIME")
        .env_remove("CHAT_RUN_DIR")
        .env_remove("CHAT_LOG")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

pub(crate) fn send_signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

pub(crate) fn wait_for_end(pid: i32) {
    wait_for(&format!("the end of process {pid}"), || {
        status(pid).is_none().then_some(())
    });
}

/// The parent of a living process.
fn status(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name stands in parentheses and may hold anything, a parenthesis too.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let is_dead = matches!(fields.next()?, "Z" | "X");
    (!is_dead).then_some(fields.next()?.parse().ok()?)
}

fn child_of(parent: i32) -> Option<i32> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|pid| status(*pid) == Some(parent))
}
