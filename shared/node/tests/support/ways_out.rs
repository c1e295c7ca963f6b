//! Attempts of an attacker who has compromised a confined process, and their results.
//!
//! A test tries each way in a process of its own: it starts its own program again for that one test, with the way in
//! the environment.

use std::fs::{self, File};
use std::io::{self, IoSlice, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::{Uid, getppid, setuid};

const WAY: &str = "CHAT_TEST_WAY_OUT";
const LAYERS: &str = "CHAT_TEST_LAYERS";
const DIRECTORY: &str = "CHAT_TEST_DIRECTORY";

/// Which layers there are: the filter of system calls hides what the others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layers {
    /// All of them.
    All,
    /// All but the filter of system calls.
    WithoutFilter,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was done.
    Done,
    /// It failed.
    Denied(String),
    /// The process was ended for it.
    Killed(Signal),
}

/// A process that is about to try one way.
pub(crate) struct Attempt {
    way: String,
    pub(crate) layers: Layers,
    /// The run directory.
    pub(crate) directory: String,
    /// Shared with processes that were not taken over.
    listener: TcpListener,
    pair: (UnixStream, UnixStream),
}

impl Attempt {
    /// The attempt of this process, if it was started for one.
    pub(crate) fn of_this_process() -> Option<Self> {
        let layers = match std::env::var(LAYERS).ok()?.as_str() {
            "all" => Layers::All,
            _ => Layers::WithoutFilter,
        };
        Some(Self {
            way: std::env::var(WAY).ok()?,
            layers,
            directory: std::env::var(DIRECTORY).ok()?,
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?,
            pair: UnixStream::pair().ok()?,
        })
    }

    /// Tries it, and ends this process.
    pub(crate) fn go(&self) -> ! {
        let said = match self.try_it() {
            Ok(()) => "done".to_owned(),
            Err(error) => format!("denied {error}"),
        };
        let _ = writeln!(io::stderr(), "way out: {said}");
        std::process::exit(0);
    }

    fn try_it(&self) -> io::Result<()> {
        let inside = Path::new(&self.directory);
        match self.way.as_str() {
            "read" => fs::read("/etc/passwd").map(drop),
            "read-process" => fs::read("/proc/self/status").map(drop),
            "list" => fs::read_dir("/").map(drop),
            "write-elsewhere" => File::create(inside.with_extension("elsewhere")).map(drop),
            "read-inside" => fs::read(inside.join("user_pass.txt")).map(drop),
            "write-inside" => fs::write(inside.join("state/new"), "x"),
            "make-link" => std::os::unix::fs::symlink("/etc", inside.join("link")),
            "make-directory" => fs::create_dir(inside.join("directory")),
            "replace-pid-file" => fs::remove_file(inside.join("x.pid")),
            "execute" => Command::new("/bin/true").spawn().map(drop),
            "thread" => thread::Builder::new().spawn(|| ()).map(drop),
            "connect" => TcpStream::connect(("127.0.0.1", 9)).map(drop),
            "listen" => TcpListener::bind(("127.0.0.1", 0)).map(drop),
            "datagram" => UdpSocket::bind(("127.0.0.1", 0)).map(drop),
            "signal" => kill(getppid(), Signal::SIGCONT).map_err(Into::into),
            "trace" => ptrace::attach(getppid()).map_err(Into::into),
            "become-root" => setuid(Uid::from_raw(0)).map_err(Into::into),
            // The others would wait in the middle of accepting, or not be reached from afar any more.
            "block-accepting" => fcntl(&self.listener, FcntlArg::F_SETFL(OFlag::empty()))
                .map(drop)
                .map_err(Into::into),
            "block-accepting-by-ioctl" => self.listener.set_nonblocking(false),
            "socket-option" => self.listener.set_ttl(1),
            "hand-on-descriptor" => {
                let descriptors = [self.listener.as_raw_fd()];
                let message = [ControlMessage::ScmRights(&descriptors)];
                let (to, text) = (self.pair.0.as_raw_fd(), [IoSlice::new(b"x")]);
                sendmsg::<()>(to, &text, &message, MsgFlags::empty(), None)
                    .map(drop)
                    .map_err(Into::into)
            }
            "memory" => Vec::<u8>::new()
                .try_reserve_exact(1 << 46)
                .map_err(io::Error::other),
            way => panic!("nobody knows the way {way}"),
        }
    }
}

/// Runs the test of this name again in a process of its own, to try `way`. The directory is the run directory.
pub(crate) fn attempt(test: &str, way: &str, layers: Layers, directory: &Path) -> Outcome {
    let layers = match layers {
        Layers::All => "all",
        Layers::WithoutFilter => "without filter",
    };
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(WAY, way)
        .env(LAYERS, layers)
        .env(DIRECTORY, directory)
        .output()
        .unwrap();
    outcome(&output).unwrap_or_else(|| panic!("{way}: {output:?}"))
}

fn outcome(output: &Output) -> Option<Outcome> {
    if let Some(signal) = output.status.signal() {
        return Some(Outcome::Killed(Signal::try_from(signal).ok()?));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said
        .lines()
        .find_map(|line| line.strip_prefix("way out: "))?;
    match said.split_once(' ') {
        None => Some(Outcome::Done),
        Some((_, error)) => Some(Outcome::Denied(error.to_owned())),
    }
}
