//! The installation that is put under load: one of its own in a temporary directory, or one that runs already.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use chat_node::control::status_file::Status;
use chat_node::files::run_dir::RunDir;
use chat_node::logs::output::complain;
use chat_node::process::identity::ProcessIdentity;
use chat_stated::passwords::cost::HashingCost;
use chat_stated::passwords::secret::{HashingMemory, hash};
use tempfile::TempDir;

/// How long a start, a stop or a reload may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of the two daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// `chat-stated`.
    State,
    /// `chat-frontd`.
    Front,
}

impl Daemon {
    /// The name of its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::State => "chat-stated",
            Self::Front => "chat-frontd",
        }
    }
}

/// The living processes of a daemon.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    /// The one that watches over the others.
    pub parent: Option<ProcessIdentity>,
    /// Those that do the work.
    pub children: Vec<ProcessIdentity>,
}

/// What the hash of a password costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hashing {
    /// The least that argon2 can do, so that logging in thousands of clients measures the server and not the hash.
    #[default]
    Least,
    /// What the server takes unless it is told otherwise.
    Standard,
}

impl Hashing {
    /// Memory in KiB and passes over it.
    fn cost(self) -> (u32, u32) {
        match self {
            Self::Least => (8, 1),
            Self::Standard => (19_456, 2),
        }
    }

    fn flags(self) -> [String; 2] {
        let (memory_kib, iterations) = self.cost();
        [
            format!("--argon2-memory-kib={memory_kib}"),
            format!("--argon2-iterations={iterations}"),
        ]
    }
}

/// What is special about an installation of one's own.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Where its directory is made [default: where temporary files are].
    pub parent_dir: Option<PathBuf>,
    /// Flags of the state daemon besides.
    pub state_flags: Vec<String>,
    /// Flags of the front end besides.
    pub front_flags: Vec<String>,
    /// The cost of passwords.
    pub hashing: Hashing,
}

/// Accounts that clients log in with. They all have the same password.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// A name is this and a number.
    pub prefix: String,
    /// The numbers are below this.
    pub count: usize,
}

impl Accounts {
    /// The password of each.
    pub const PASSWORD: &str = "load";

    /// The name of one.
    pub fn name(&self, number: usize) -> String {
        format!("{}{number}", self.prefix)
    }

    /// All the names, in the order of their numbers.
    pub fn names(&self) -> Vec<String> {
        (0..self.count).map(|number| self.name(number)).collect()
    }

    /// Their lines in the account file.
    fn lines(&self, hashing: Hashing) -> anyhow::Result<String> {
        let (memory_kib, iterations) = hashing.cost();
        let cost = HashingCost::new(memory_kib, iterations, 1)?;
        let secret = hash(
            Self::PASSWORD.as_bytes(),
            cost,
            &mut HashingMemory::default(),
        )?;
        let lines = (0..self.count).map(|number| format!("{},{secret}\n", self.name(number)));
        Ok(lines.collect())
    }
}

/// Where both daemons run, and how they are started.
#[derive(Debug)]
pub struct Installation {
    run_dir: PathBuf,
    programs: PathBuf,
    address: SocketAddr,
    workers: usize,
    plan: Plan,
    /// Present if it is ours: then it is stopped and removed in the end.
    own_dir: Option<TempDir>,
}

impl Installation {
    /// Makes one in a temporary directory, with these accounts, and starts it.
    pub fn create(programs: &Path, workers: usize, accounts: &Accounts) -> anyhow::Result<Self> {
        Self::create_as(Plan::default(), programs, workers, accounts)
    }

    /// The same, with what is special about it.
    pub fn create_as(
        plan: Plan,
        programs: &Path,
        workers: usize,
        accounts: &Accounts,
    ) -> anyhow::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("chat-bench-");
        let dir = match &plan.parent_dir {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        }
        .context("cannot make a directory for the installation")?;
        let lines = accounts.lines(plan.hashing)?;
        let installation = Self {
            run_dir: dir.path().to_owned(),
            programs: programs.to_owned(),
            address: free_address()?,
            workers,
            plan,
            own_dir: Some(dir),
        };
        let path = installation.run_dir.join("user_pass.txt");
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(lines.as_bytes())?;
        for daemon in [Daemon::State, Daemon::Front] {
            installation.start(daemon)?;
        }
        Ok(installation)
    }

    /// Takes one that runs in `run_dir`, and adds these accounts to its account file. They stay there.
    pub fn adopt(run_dir: &Path, programs: &Path, accounts: &Accounts) -> anyhow::Result<Self> {
        let status = status_of(run_dir, Daemon::Front).with_context(|| {
            let dir = run_dir.display();
            format!(
                "nothing runs in {dir}: start it there first (CHAT_RUN_DIR={dir} scripts/start)"
            )
        })?;
        let addresses = status.addresses.iter().filter_map(|text| text.parse().ok());
        let address = addresses
            .filter(SocketAddr::is_ipv4)
            .map(reachable)
            .next()
            .context("it listens on no IPv4 address")?;
        let installation = Self {
            run_dir: run_dir.to_owned(),
            programs: programs.to_owned(),
            address,
            workers: status.children.len().max(1),
            plan: Plan::default(),
            own_dir: None,
        };
        installation.add_accounts(accounts)?;
        Ok(installation)
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether nobody else uses it.
    pub fn is_own(&self) -> bool {
        self.own_dir.is_some()
    }

    /// The directory it runs in.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// Those processes of a daemon that live.
    pub fn processes(&self, daemon: Daemon) -> Processes {
        let Some(status) = status_of(&self.run_dir, daemon) else {
            return Processes::default();
        };
        let children = status.children.iter().filter_map(|child| child.process);
        Processes {
            parent: ProcessIdentity::of(status.pid).filter(|parent| is_program(*parent, daemon)),
            children: children.filter(ProcessIdentity::is_alive).collect(),
        }
    }

    /// Begins to start a daemon. The process ends when the daemon serves (0) or cannot (1); what it says goes to
    /// `start.log` in the run directory.
    pub fn begin_start(&self, daemon: Daemon) -> anyhow::Result<Child> {
        let mut command = self.command(daemon);
        command.arg("--detach");
        match daemon {
            Daemon::State => command
                .args(self.plan.hashing.flags())
                .args(&self.plan.state_flags),
            Daemon::Front => command
                .arg(format!("--listen={}", self.address))
                .arg(format!("--workers={}", self.workers))
                .args(&self.plan.front_flags),
        };
        let log = File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.start_log())?;
        command.stdout(log.try_clone()?).stderr(log);
        self.spawn(command, daemon)
    }

    /// What the last starts said.
    pub fn start_log(&self) -> PathBuf {
        self.run_dir.join("start.log")
    }

    /// All that a daemon has logged.
    pub fn log(&self, daemon: Daemon) -> anyhow::Result<String> {
        let path = RunDir::new(&self.run_dir, daemon.program()).log_file();
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Stops it if it is ours. With `keep`, its directory stays, and is returned.
    pub fn end(mut self, keep: bool) -> anyhow::Result<Option<PathBuf>> {
        let Some(dir) = self.own_dir.take() else {
            return Ok(None);
        };
        let stopped = self.stop();
        let kept = keep.then(|| dir.keep());
        stopped?;
        Ok(kept)
    }

    /// Stops both daemons; returns when their processes are gone.
    pub fn stop(&self) -> anyhow::Result<()> {
        for daemon in [Daemon::Front, Daemon::State] {
            self.run(daemon, "--stop")?;
        }
        Ok(())
    }

    /// Starts a daemon; returns when it serves.
    pub fn start(&self, daemon: Daemon) -> anyhow::Result<()> {
        let child = self.begin_start(daemon)?;
        await_success(child, daemon.program()).with_context(|| {
            let said = fs::read_to_string(self.start_log()).unwrap_or_default();
            format!("cannot start {}: {}", daemon.program(), said.trim_end())
        })
    }

    fn run(&self, daemon: Daemon, flag: &str) -> anyhow::Result<()> {
        let mut command = self.command(daemon);
        command.arg(flag).stdout(Stdio::null());
        let child = self.spawn(command, daemon)?;
        await_success(child, &format!("{} {flag}", daemon.program()))
    }

    fn command(&self, daemon: Daemon) -> Command {
        let mut command = Command::new(self.programs.join(daemon.program()));
        command
            .arg("--run-dir")
            .arg(&self.run_dir)
            .stdin(Stdio::null());
        command
    }

    fn spawn(&self, mut command: Command, daemon: Daemon) -> anyhow::Result<Child> {
        command.spawn().with_context(|| {
            let program = self.programs.join(daemon.program());
            format!(
                "cannot run {} (build it, or name its directory with --programs)",
                program.display()
            )
        })
    }

    fn add_accounts(&self, accounts: &Accounts) -> anyhow::Result<()> {
        let path = self.run_dir.join("user_pass.txt");
        let context = || format!("cannot add accounts to {}", path.display());
        let mut file = File::options()
            .append(true)
            .open(&path)
            .with_context(context)?;
        file.lock().with_context(context)?;
        // An empty line harms nobody, and ends a last line that has no end.
        let lines = format!("\n{}", accounts.lines(Hashing::Least)?);
        file.write_all(lines.as_bytes()).with_context(context)?;
        file.unlock().with_context(context)?;
        self.run(Daemon::State, "--reload")?;
        let last = accounts.name(accounts.count.saturating_sub(1));
        let deadline = Instant::now() + PATIENCE;
        while first_answer(self.address, &last).is_none_or(|answer| answer != "password") {
            ensure!(
                Instant::now() < deadline,
                "the accounts that were added to {} are not known to the server",
                path.display()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if self.own_dir.is_some()
            && let Err(error) = self.stop()
        {
            complain(format_args!(
                "chat-bench: cannot stop what runs in {}: {error:#}",
                self.run_dir.display()
            ));
        }
    }
}

/// What the server answers to a name.
fn first_answer(address: SocketAddr, name: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(format!("{name}\n").as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    Some(line.trim_end().to_owned())
}

fn status_of(run_dir: &Path, daemon: Daemon) -> Option<Status> {
    Status::read(&RunDir::new(run_dir, daemon.program()).status_file())
}

/// A number in an old status file may belong to anybody by now.
fn is_program(process: ProcessIdentity, daemon: Daemon) -> bool {
    let name = fs::read_to_string(format!("/proc/{}/comm", process.pid)).unwrap_or_default();
    name.trim_end() == daemon.program()
}

fn await_success(mut child: Child, what: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "{what}: {status}");
            return Ok(());
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            bail!("{what} took more than {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    }
}

/// An address nobody listens at. It lies below the ports that are given to outgoing connections, so that it is still
/// free when a daemon that was killed listens there again.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    // Installations that one process makes at the same time would else choose the same one.
    static CHOSEN: AtomicU32 = AtomicU32::new(0);
    let chosen = CHOSEN.fetch_add(1, Ordering::Relaxed);
    let begin = std::process::id()
        .wrapping_mul(89)
        .wrapping_add(chosen.wrapping_mul(1_009))
        % COUNT;
    (0..1_000)
        .filter_map(|step| u16::try_from(FIRST + (begin + step * 7) % COUNT).ok())
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .context("a thousand ports are all in use")
}

/// The directory of the programs that were built together with this one.
pub fn programs_beside_this() -> io::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let dir = this.parent().map(Path::to_owned).unwrap_or_default();
    Ok(dir)
}
