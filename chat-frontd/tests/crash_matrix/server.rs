//! An installation in which a process can be killed at a named moment.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

use chat_node::process::identity::ProcessIdentity;

use crate::Victim;
use crate::certificate::{Certificate, SERVER_NAME};
use crate::connection::Connection;
use crate::installation::{FRONTD, Installation, STATED, wait_until};

/// All passwords are `secret`.
const SECRET: &str = "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4";

pub(crate) struct Server {
    installation: Installation,
    pub(crate) address: SocketAddr,
    /// The certificate, if clients use TLS.
    pub(crate) certificate: Option<Certificate>,
}

/// An armed crash point.
pub(crate) struct Armed {
    candidates: Vec<ProcessIdentity>,
    reached: PathBuf,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_as(|_, _| None)
    }

    /// The server uses TLS only.
    pub(crate) fn start_with_tls() -> Self {
        Self::start_as(|run_dir, address| {
            let names = [SERVER_NAME.to_owned(), address.ip().to_string()];
            Some(Certificate::make_for(run_dir, names))
        })
    }

    fn start_as(make: impl Fn(&Path, SocketAddr) -> Option<Certificate>) -> Self {
        let mut installation = Installation::new();
        let address = own_address();
        installation.listen = address.to_string();
        fs::create_dir(&installation.run_dir).unwrap();
        let certificate = make(&installation.run_dir, address);
        if let Some(certificate) = &certificate {
            for (variable, value) in certificate.settings(&address.to_string()) {
                installation = installation.with(&variable, &value);
            }
        }
        let accounts = ["alice", "bob", "carol"].map(|name| format!("{name},{SECRET}\n"));
        fs::write(installation.file("user_pass.txt"), accounts.concat()).unwrap();
        installation.script("start").expect_status(0);
        Self {
            installation,
            address,
            certificate,
        }
    }

    /// Opens a connection of a client.
    pub(crate) fn connect(&self) -> Connection {
        let connection = Connection::open(self.address, None).unwrap();
        let Some(certificate) = &self.certificate else {
            return connection;
        };
        let config = certificate.client(rustls::ALL_VERSIONS);
        connection.with_tls(&config, SERVER_NAME).unwrap()
    }

    /// Arms a crash point: the victim dies when the point is next reached, with this mark if it uses one.
    pub(crate) fn arm(&self, point: &str, victim: Victim, mark: &str) -> Armed {
        let candidates = match victim {
            Victim::StateDaemon => self.installation.children(STATED),
            Victim::Worker => self.installation.children(FRONTD),
            Victim::FrontMaster => vec![self.installation.parent(FRONTD)],
            Victim::StateSupervisor => vec![self.installation.parent(STATED)],
        };
        let whom = if victim.is_parent() { "parent" } else { "self" };
        let file = self.installation.file("crash-point");
        // Renamed, so that the file is complete or missing.
        let passing = self.installation.file("crash-point.arming");
        fs::write(&passing, format!("{point} {whom} {mark}")).unwrap();
        fs::rename(passing, file).unwrap();
        Armed {
            candidates,
            reached: self.installation.file("crash-point.reached"),
        }
    }

    /// Stops everything, and says what a check of the files comes to.
    pub(crate) fn checked_at_end(&self) -> String {
        self.installation.script("stop").expect_status(0);
        let checked = self.installation.program(STATED, &["check"]);
        checked.expect_status(0);
        checked.out.clone()
    }

    /// Does what an operator does after the death of a parent.
    pub(crate) fn mend(&self) {
        self.installation.script("start").expect_status(0);
    }
}

impl Armed {
    /// Expects that the point is reached and one of the victims dies.
    pub(crate) fn expect_death(self) {
        let mut pid = None;
        wait_until("the moment is reached", || {
            pid = fs::read_to_string(&self.reached).ok();
            pid.is_some()
        });
        let pid: i32 = pid.unwrap().parse().unwrap();
        let victim = self.candidates.iter().find(|process| process.pid == pid);
        let victim = victim.unwrap_or_else(|| panic!("{pid} was not among {:?}", self.candidates));
        wait_until("the victim is dead", || !victim.is_alive());
    }
}

/// An address of this test only, so that no client reaches the server of another test.
fn own_address() -> SocketAddr {
    static LAST: AtomicU8 = AtomicU8::new(0);
    const FIRST_PORT: u16 = 12_000;
    let [first, second, ..] = std::process::id().to_le_bytes();
    let host = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    SocketAddr::from(([127, 77, first, host], FIRST_PORT + u16::from(second)))
}
