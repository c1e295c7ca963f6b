//! Other servers, from Debian's packages, on loopback: flood limits, DNS, ident and TLS off.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

/// How long one may take to listen, or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// ngIRCd.
    Ngircd,
    /// InspIRCd.
    Inspircd,
}

impl PeerKind {
    /// The name of its program and of its package.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ngircd => "ngircd",
            Self::Inspircd => "inspircd",
        }
    }

    fn config(self, address: SocketAddr, dir: &Path) -> String {
        match self {
            Self::Ngircd => ngircd_config(address),
            Self::Inspircd => inspircd_config(address, dir),
        }
    }

    fn flags(self, config: &Path) -> Vec<String> {
        let config = config.display().to_string();
        match self {
            Self::Ngircd => vec!["--nodaemon".into(), "--config".into(), config],
            Self::Inspircd => {
                let mut flags = vec!["--nofork".into(), format!("--config={config}")];
                if geteuid().is_root() {
                    flags.push("--runasroot".into());
                }
                flags
            }
        }
    }
}

/// One that runs in a directory of its own, and ends with this value.
#[derive(Debug)]
pub struct Peer {
    process: Child,
    /// Keeps the directory.
    _dir: TempDir,
}

impl Peer {
    /// Starts one; returns when it listens.
    pub fn start(kind: PeerKind, address: SocketAddr) -> anyhow::Result<Self> {
        let name = kind.name();
        let dir = tempfile::Builder::new().prefix("chat-bench-").tempdir()?;
        // One that is started as root may become somebody else before it reads.
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path(), readable)?;
        let config = dir.path().join("config");
        fs::write(&config, kind.config(address, dir.path()))?;
        let log = File::create(dir.path().join("log"))?;
        let process = Command::new(name)
            .args(kind.flags(&config))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {name} (scripts/bench --peers installs it)"))?;
        let mut peer = Self { process, _dir: dir };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = peer.process.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(peer._dir.path().join("log")).unwrap_or_default();
                bail!("{name} does not start: {}", log.trim_end());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(peer)
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.process.id() as i32
    }

    /// Stops it.
    pub fn end(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.pid()), Signal::SIGTERM)?;
        let deadline = Instant::now() + PATIENCE;
        while self.process.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "a peer does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Peer {
    /// Nothing is left running if a measurement breaks off.
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

fn ngircd_config(address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "[Global]\nName = bench.example.net\nInfo = bench\nListen = {ip}\nPorts = {port}\nMotdPhrase = bench\n\
         ServerUID = {uid}\nServerGID = {uid}\n\
         [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxJoins = 0\nMaxNickLength = 32\nMaxPenaltyTime = 0\n\
         PingTimeout = 3600\nPongTimeout = 3600\n\
         [Options]\nDNS = no\nIdent = no\nPAM = no\nSyslogFacility = local1\nChrootDir =\n",
        uid = geteuid()
    )
}

fn inspircd_config(address: SocketAddr, dir: &Path) -> String {
    let (ip, port, dir) = (address.ip(), address.port(), dir.display());
    format!(
        "<server name=\"bench.example.net\" description=\"bench\" network=\"bench\" id=\"1BE\">\n\
         <admin name=\"bench\" nick=\"bench\" email=\"bench@example.net\">\n\
         <bind address=\"{ip}\" port=\"{port}\" type=\"clients\">\n\
         <connect allow=\"*\" timeout=\"3600\" pingfreq=\"3600\" softsendq=\"100M\" hardsendq=\"100M\" \
         recvq=\"10M\" threshold=\"1000000\" commandrate=\"1000000000\" fakelag=\"no\" localmax=\"30000\" \
         globalmax=\"30000\" maxconnwarn=\"no\" resolvehostnames=\"no\" useident=\"no\" maxchans=\"20\">\n\
         <class name=\"none\">\n\
         <performance softlimit=\"30000\" somaxconn=\"4096\" quietbursts=\"yes\" clonesonconnect=\"no\" \
         netbuffersize=\"65534\">\n\
         <options defaultmodes=\"\">\n\
         <limits maxnick=\"32\">\n\
         <dns enabled=\"no\" server=\"127.0.0.1\" timeout=\"1\">\n\
         <pid file=\"{dir}/inspircd.pid\">\n\
         <path datadir=\"{dir}\" logdir=\"{dir}\" runtimedir=\"{dir}\">\n"
    )
}
