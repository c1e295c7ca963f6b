//! An installation of its own for a test: a run directory, a free port, the scripts and the programs of this build.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use chat_node::control::status_file::Status;
use chat_node::process::identity::ProcessIdentity;
use chat_node::process::pid_file::is_locked;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, geteuid, getsid};

/// Far longer than any step takes, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const STATED: &str = "chat-stated";
pub(crate) const FRONTD: &str = "chat-frontd";
pub(crate) const CHATCTL: &str = "chatctl";

pub(crate) struct Installation {
    _dir: tempfile::TempDir,
    /// Has a space in its name, as directories may.
    pub(crate) run_dir: PathBuf,
    pub(crate) listen: String,
    settings: Vec<(String, String)>,
}

/// The output of a script, and its exit status.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Installation {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("a run");
        Self {
            _dir: dir,
            run_dir,
            listen: "127.0.0.1:0".to_owned(),
            settings: Vec::new(),
        }
    }

    /// Sets another variable.
    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.settings.push((variable.to_owned(), value.to_owned()));
        self
    }

    /// Lets this process inspect the descriptors of the children. Processes without privileges are hidden from their
    /// own user, but not from root.
    pub(crate) fn observable(self) -> Self {
        match geteuid().is_root() {
            true => self,
            false => self.with("CHAT_SANDBOX", "off"),
        }
    }

    /// An installation with the accounts ann and bob, whose password is `password`.
    pub(crate) fn of_ann_and_bob() -> Self {
        // The form of older account files.
        const SECRET: &str = "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8";
        let installation = Self::new();
        fs::create_dir(&installation.run_dir).unwrap();
        let accounts = format!("ann,{SECRET}\nbob,{SECRET}\n");
        fs::write(installation.file("user_pass.txt"), accounts).unwrap();
        installation
    }

    pub(crate) fn started() -> Self {
        let installation = Self::new();
        installation.script("start").expect_status(0);
        installation
    }

    pub(crate) fn script(&self, name: &str) -> Said {
        self.run(self.command(repository().join("scripts").join(name)))
    }

    pub(crate) fn program(&self, name: &str, flags: &[&str]) -> Said {
        let mut command = self.command(bin_dir().join(name));
        command.args(flags);
        self.run(command)
    }

    /// A command that runs `program` with this installation's environment, from another directory.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .current_dir("/")
            .env("CHAT_BIN_DIR", bin_dir())
            .env("CHAT_RUN_DIR", &self.run_dir)
            .env("CHAT_LISTEN", &self.listen)
            .env("CHAT_WORKERS", "2")
            // Only programs that are built for the crash matrix read it.
            .env("CHAT_CRASH_FILE", self.file("crash-point"))
            .env_remove("CHAT_LISTEN_TLS")
            .env_remove("CHAT_LOG")
            .env_remove("TIME_OUT")
            .env_remove("BLOCK_TIME");
        if cfg!(feature = "crash-points") {
            // Crash points are armed by a file, which is invisible in the sandbox.
            command.env("CHAT_SANDBOX", "off");
        }
        command.envs(self.settings.iter().cloned());
        command
    }

    /// Runs `command` until it has ended and no process holds its output.
    pub(crate) fn run(&self, mut command: Command) -> Said {
        let (sender, receiver) = mpsc::channel();
        let shown = format!("{command:?}");
        command.stdin(Stdio::null());
        thread::spawn(move || sender.send(command.output()));
        let output = receiver.recv_timeout(PATIENCE);
        let output = output.unwrap_or_else(|_| panic!("{shown} does not return"));
        Said::from(output.unwrap())
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.run_dir.join(name)
    }

    pub(crate) fn status(&self, daemon: &str) -> Option<Status> {
        Status::read(&self.file(&format!("{daemon}.status")))
    }

    /// The log of a daemon.
    pub(crate) fn log(&self, daemon: &str) -> String {
        fs::read_to_string(self.file(&format!("{daemon}.log"))).unwrap_or_default()
    }

    /// The process of the parent.
    pub(crate) fn parent(&self, daemon: &str) -> ProcessIdentity {
        ProcessIdentity::of(self.status(daemon).unwrap().pid).unwrap()
    }

    /// The live children of the daemon.
    pub(crate) fn children(&self, daemon: &str) -> Vec<ProcessIdentity> {
        let children = self.status(daemon).unwrap().children;
        children.iter().filter_map(|child| child.process).collect()
    }

    /// All processes of both daemons.
    pub(crate) fn all_processes(&self) -> Vec<ProcessIdentity> {
        let of = |daemon| [vec![self.parent(daemon)], self.children(daemon)].concat();
        [of(STATED), of(FRONTD)].concat()
    }

    pub(crate) fn address(&self) -> String {
        self.status(FRONTD).unwrap().addresses[0].clone()
    }

    /// Connects and sends the name of a new user. Returns the answer.
    pub(crate) fn ask(&self) -> String {
        self.ask_as("nobody-yet")
    }

    /// Registers an account as a client.
    pub(crate) fn register(&self, name: &str) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let lines = format!("{name}\ny\npass-{name}\npass-{name}\n");
        stream.write_all(lines.as_bytes()).unwrap();
        let said: Vec<String> = BufReader::new(stream)
            .lines()
            .map_while(Result::ok)
            .take(3)
            .collect();
        assert_eq!(said, ["register", "password", "registered"]);
    }

    /// Connects and sends the name of a user. Returns the answer.
    pub(crate) fn ask_as(&self, name: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{name}\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    }
}

impl Installation {
    /// Expects that none of `processes` lives, and that no lock, socket or pid file is left.
    #[track_caller]
    pub(crate) fn expect_nothing_left(&self, processes: &[ProcessIdentity]) {
        let left: Vec<_> = processes.iter().filter(|p| p.is_alive()).collect();
        assert!(left.is_empty(), "{left:?}");
        for name in [STATED, FRONTD] {
            for kind in ["pid", "lock"] {
                let file = self.file(&format!("{name}.{kind}"));
                assert!(!is_locked(&file).unwrap(), "{file:?}");
            }
            for kind in ["ctl", "pid", "sock", "status"] {
                let file = self.file(&format!("{name}.{kind}"));
                assert!(!file.exists(), "{file:?}");
            }
        }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // No process is left running, even after a failed test.
        let stop = repository().join("scripts/stop");
        let _ = self.command(stop).stdin(Stdio::null()).output();
    }
}

impl Said {
    #[track_caller]
    pub(crate) fn expect_status(&self, status: i32) -> &Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn expect_out(&self, text: &str) -> &Self {
        assert!(self.out.contains(text), "no {text:?} in {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn expect_err(&self, text: &str) -> &Self {
        assert!(self.err.contains(text), "no {text:?} in {self:#?}");
        self
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            status: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

pub(crate) fn kill(process: ProcessIdentity, signal: Signal) {
    process.signal(signal).unwrap();
}

#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn session_of(process: &ProcessIdentity) -> i32 {
    getsid(Some(Pid::from_raw(process.pid))).unwrap().as_raw()
}

/// The targets of the descriptors of `process`.
pub(crate) fn open_files(process: &ProcessIdentity) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{}/fd", process.pid)).unwrap();
    entries
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .map(|target| target.display().to_string())
        .collect()
}

pub(crate) fn repository() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("the crate stands in the workspace")
}

/// The directory of all programs, which are built like this test.
pub(crate) fn bin_dir() -> &'static Path {
    static BIN_DIR: OnceLock<PathBuf> = OnceLock::new();
    BIN_DIR.get_or_init(|| {
        let own = Path::new(env!("CARGO_BIN_EXE_chat-frontd"));
        let dir = own.parent().expect("a program stands in a directory");
        // `cargo test --workspace` has built them. A build here would have other features, and take minutes.
        if std::env::var_os("TEST_PROGRAMS").is_some_and(|value| value == "built") {
            return fs::canonicalize(dir).unwrap();
        }
        let target = dir.parent().expect("a profile stands in the target");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(repository());
        // With the features that the whole workspace has, so that little is built again.
        cargo.args(["build", "--quiet", "--locked", "--workspace"]);
        for program in ["chat-stated", "chat-frontd", "chat-client", "chatctl"] {
            cargo.args(["--bin", program]);
        }
        if cfg!(feature = "crash-points") {
            cargo.arg("--features=crash-points");
        }
        cargo.arg("--target-dir").arg(target);
        if dir.ends_with("release") {
            cargo.arg("--release");
        }
        // Cargo sets variables for tests. Build scripts that read them would build everything again.
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&variable);
            }
        }
        assert!(cargo.status().unwrap().success());
        fs::canonicalize(dir).unwrap()
    })
}
