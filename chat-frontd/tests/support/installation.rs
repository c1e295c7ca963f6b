//! A whole installation of its own: a temporary run directory, a free port, the scripts of the checkout.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use nix::unistd::geteuid;
use tempfile::TempDir;

use super::certificate::{Certificate, SERVER_NAME};
use super::connection::Connection;
use super::free_port::free_port;
use super::processes::{self, PATIENCE, wait_for};

/// How many there may be at a time: each is five processes.
const MOST_AT_ONCE: usize = 4;

/// Stopped when dropped, whatever happened; nothing of it is left then.
pub(crate) struct Installation {
    run_dir: TempDir,
    listen: SocketAddr,
    settings: Vec<(String, String)>,
    /// Clients speak TLS if there is one.
    certificate: Option<Certificate>,
    _place: Place,
}

/// How clients connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    Tls,
}

impl Installation {
    /// Prepares one with these accounts; `settings` are environment variables beyond the usual.
    pub(crate) fn prepare(
        accounts: &Path,
        settings: &[(String, String)],
        transport: Transport,
    ) -> Result<Self, String> {
        let place = Place::take();
        let run_dir = tempfile::Builder::new()
            .prefix("chat-transcript-")
            .tempdir()
            .map_err(|error| format!("cannot make a run directory: {error}"))?;
        fs::copy(accounts, run_dir.path().join("user_pass.txt"))
            .map_err(|error| format!("cannot copy {}: {error}", accounts.display()))?;
        let listen = free_port()?;
        let mut settings = settings.to_vec();
        let certificate = (transport == Transport::Tls).then(|| Certificate::make(run_dir.path()));
        if let Some(certificate) = &certificate {
            settings.extend(certificate.settings(&listen.to_string()));
        }
        Ok(Self {
            run_dir,
            listen,
            settings,
            certificate,
            _place: place,
        })
    }

    /// A client's connection, if wished from a source address.
    pub(crate) fn connect(&self, source: Option<IpAddr>) -> Result<Connection, String> {
        self.secured(Connection::open(self.listen, source)?)
    }

    /// With TLS, if that is spoken here.
    pub(crate) fn secured(&self, connection: Connection) -> Result<Connection, String> {
        match &self.certificate {
            None => Ok(connection),
            Some(certificate) => {
                connection.with_tls(&certificate.client(rustls::ALL_VERSIONS), SERVER_NAME)
            }
        }
    }

    /// Where clients connect.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The account file in use.
    pub(crate) fn accounts(&self) -> PathBuf {
        self.run_dir.path().join("user_pass.txt")
    }

    /// Runs one of the checkout's scripts for this installation.
    pub(crate) fn script(&self, name: &str) -> Result<(), String> {
        let log_path = self.run_dir.path().join(format!("script-{name}.log"));
        let log = fs::File::create(&log_path).map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let script = checkout().join("scripts").join(name);
        let mut child = Command::new(&script)
            .env("CHAT_RUN_DIR", self.run_dir.path())
            .env("CHAT_LISTEN", self.listen.to_string())
            .env("CHAT_BIN_DIR", programs()?)
            .env("CHAT_WORKERS", "2")
            .env("BLOCK_TIME", "4")
            .env("TIME_OUT", "3")
            .envs(observable())
            .envs(self.settings.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", script.display()))?;
        let end = Instant::now() + PATIENCE * 2;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                break status;
            }
            if Instant::now() > end {
                // Not reaping it is no harm: the test is about to fail.
                let _ = child.kill();
                return Err(format!("scripts/{name} does not end"));
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        };
        if status.success() {
            return Ok(());
        }
        let said = fs::read_to_string(&log_path).unwrap_or_default();
        Err(format!("scripts/{name}: {status}\n{said}"))
    }

    /// The process that holds the state; waits for one that is being restarted.
    pub(crate) fn state_daemon(&self) -> Result<i32, String> {
        let supervisor = self.supervisor()?;
        wait_for("the state daemon", || {
            processes::children(supervisor).first().copied()
        })
    }

    /// The workers there are at this moment; at least one.
    pub(crate) fn workers(&self) -> Result<Vec<i32>, String> {
        let master = self.master()?;
        wait_for("a worker", || {
            let workers = processes::children(master);
            (!workers.is_empty()).then_some(workers)
        })
    }

    /// The state daemon's parent.
    pub(crate) fn supervisor(&self) -> Result<i32, String> {
        self.pid_file("chat-stated.pid")
    }

    /// The workers' parent.
    pub(crate) fn master(&self) -> Result<i32, String> {
        self.pid_file("chat-frontd.pid")
    }

    fn pid_file(&self, name: &str) -> Result<i32, String> {
        let path = self.run_dir.path().join(name);
        fs::read_to_string(&path)
            .map_err(|error| error.to_string())
            .and_then(|text| text.trim().parse().map_err(|_| format!("{text:?}")))
            .map_err(|error| format!("{name}: {error}"))
    }

    /// The ends of all logs.
    pub(crate) fn log_tails(&self) -> String {
        const LINES: usize = 40;
        let mut tails = String::new();
        for path in files_below(self.run_dir.path(), 2) {
            if path.extension().is_none_or(|extension| extension != "log") {
                continue;
            }
            let text = fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<_> = text.lines().collect();
            let name = path.strip_prefix(self.run_dir.path()).unwrap_or(&path);
            tails.push_str(&format!("--- {}\n", name.display()));
            for line in &lines[lines.len().saturating_sub(LINES)..] {
                tails.push_str(line);
                tails.push('\n');
            }
        }
        tails
    }

    /// `scripts/stop`, then a look whether it left anything.
    pub(crate) fn end(&self) -> Result<(), String> {
        let stopped = self.script("stop");
        let left = self.processes();
        if left.is_empty() {
            return stopped;
        }
        let names: Vec<_> = left
            .iter()
            .map(|pid| processes::command_line(*pid))
            .collect();
        processes::kill_hard(&left)?;
        stopped.and(Err(format!(
            "scripts/stop left processes running:\n{}",
            names.join("\n")
        )))
    }

    fn processes(&self) -> Vec<i32> {
        processes::mentioning(&self.run_dir.path().to_string_lossy())
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if !self.processes().is_empty()
            && let Err(error) = self.end()
        {
            eprintln!("{error}");
        }
    }
}

/// What lets this process see whose a connection is: what has given up its privileges is hidden from its own user,
/// though not from root.
fn observable() -> Option<(&'static str, &'static str)> {
    (!geteuid().is_root()).then_some(("CHAT_SANDBOX", "off"))
}

fn files_below(dir: &Path, depth: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_file() {
            found.push(path);
        } else if depth > 1 && path.is_dir() {
            found.extend(files_below(&path, depth - 1));
        }
    }
    found.sort();
    found
}

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The directory of the programs that were built with this test.
fn programs() -> Result<PathBuf, String> {
    let frontd = Path::new(env!("CARGO_BIN_EXE_chat-frontd"));
    let dir = frontd.parent().unwrap_or(Path::new("."));
    let stated = dir.join("chat-stated");
    if stated.is_file() {
        return Ok(dir.to_owned());
    }
    Err(format!(
        "{} is not there: run scripts/test, or first cargo build -p chat-stated",
        stated.display()
    ))
}

/// One of the few places for installations.
struct Place;

static TAKEN: Mutex<usize> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

impl Place {
    fn take() -> Self {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken >= MOST_AT_ONCE {
            taken = GIVEN_BACK
                .wait(taken)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *taken += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        GIVEN_BACK.notify_one();
    }
}
