//! Those who attack a server while others use it.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chat_node::logs::output::complain;
use chat_stated::passwords::thread_priority::set_idle;
use clap::ValueEnum;
use nix::libc;
use nix::sys::socket::{SockaddrIn, connect as connect_to};
use socket2::{Domain, Socket, Type};

use super::person::Person;

/// So many go at it at the same time.
const THREADS: usize = 4;
/// Connections that say nothing.
const SILENT: usize = 5_000;
/// A source may have so many that are not logged in.
const SILENT_OF_A_SOURCE: usize = 25;
/// A connection that is made and reset, on the wire: three of the shortest packets.
const RESET_BYTES: usize = 3 * 84;
/// One socket makes so many of them, one after the other.
const RESETS_OF_A_SOCKET: usize = 100;
const LOGIN_TRIES: usize = 500;
/// Lines that a server takes from a client before it has answered the first.
const LINES_UNDER_WAY: usize = 512;
/// How long somebody waits whose bytes are not taken; fifty times that for an answer.
const PAUSE: Duration = Duration::from_millis(20);

/// What they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Attack {
    /// Logged in, they ask all the time and read none of the answers.
    NeverReading,
    /// Logged in, they send a line that has no end.
    EndlessLine,
    /// They connect and reset, from many sources.
    Resets,
    /// They try passwords, from many sources.
    Logins,
    /// 5,000 connections say nothing, from many sources.
    Silent,
    /// Logged in, they ask for lists of names all the time, as many as may be under way, and read them.
    Lists,
}

impl Attack {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NeverReading,
        Self::EndlessLine,
        Self::Resets,
        Self::Logins,
        Self::Silent,
        Self::Lists,
    ];
    /// How many accounts attackers have.
    pub const ACCOUNTS: usize = THREADS;

    /// What names of accounts begin with. With such names 24 users who are online make a list of 90 KB, as 2,800 with
    /// usual ones.
    pub fn name_prefix(self) -> String {
        match self {
            Self::Lists => "list".repeat(950),
            _ => "att".to_owned(),
        }
    }

    /// Whether it goes on where nobody is served.
    pub fn needs_no_answers(self) -> bool {
        self == Self::Resets
    }

    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverReading => "never-reading",
            Self::EndlessLine => "endless-line",
            Self::Resets => "resets",
            Self::Logins => "logins",
            Self::Silent => "silent",
            Self::Lists => "lists",
        }
    }
}

/// What one of them may send.
struct Line {
    began_at: Instant,
    bytes_per_second: u64,
    sent_bytes: u64,
}

impl Line {
    /// A part of the line that they share.
    fn new(mbits: u64) -> Self {
        Self {
            began_at: Instant::now(),
            bytes_per_second: (mbits * 125_000 / THREADS as u64).max(1),
            sent_bytes: 0,
        }
    }

    /// So much is sent: waits for the time that it takes. What was not sent in time is not made up for.
    fn carry(&mut self, bytes: usize) {
        self.sent_bytes += bytes as u64;
        let due = Duration::from_secs_f64(self.sent_bytes as f64 / self.bytes_per_second as f64);
        let late = self.began_at.elapsed().saturating_sub(due);
        if late > PAUSE {
            self.began_at += late;
        }
        // Short waits take longer than they should.
        let early = due.saturating_sub(self.began_at.elapsed());
        if early > PAUSE / 20 {
            thread::sleep(early);
        }
    }
}

/// They go on until they are ended.
pub struct Attackers {
    began_at: Instant,
    is_over: Arc<AtomicBool>,
    /// Lines or pieces sent, connections made, passwords tried.
    deeds: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
    /// Kept open, and no more.
    _silent: Vec<TcpStream>,
}

impl Attackers {
    /// Begins. These names are theirs.
    pub fn begin(
        attack: Attack,
        server: SocketAddr,
        names: &[String],
        line_mbits: u64,
    ) -> anyhow::Result<Self> {
        let count = if attack == Attack::Silent { SILENT } else { 0 };
        let silent: anyhow::Result<Vec<_>> = (0..count)
            .map(|number| connect(server, source(number / SILENT_OF_A_SOURCE)))
            .collect();
        let mut attackers = Self {
            began_at: Instant::now(),
            is_over: Arc::default(),
            deeds: Arc::new(AtomicU64::new(count as u64)),
            threads: Vec::new(),
            _silent: silent?,
        };
        if attack != Attack::Silent {
            for (number, name) in names.iter().take(THREADS).enumerate() {
                let attacker = Attacker {
                    attack,
                    server,
                    name: name.clone(),
                    number,
                    line: Line::new(line_mbits),
                    is_over: Arc::clone(&attackers.is_over),
                    deeds: Arc::clone(&attackers.deeds),
                };
                attackers
                    .threads
                    .push(thread::spawn(move || attacker.run()));
            }
        }
        Ok(attackers)
    }

    /// Ends; what they did, in a second.
    pub fn end(self) -> f64 {
        let took = self.began_at.elapsed();
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            // It told what went wrong.
            let _ = thread.join();
        }
        self.deeds.load(Ordering::Relaxed) as f64 / took.as_secs_f64()
    }
}

/// One thread of them.
struct Attacker {
    attack: Attack,
    server: SocketAddr,
    name: String,
    number: usize,
    line: Line,
    is_over: Arc<AtomicBool>,
    deeds: Arc<AtomicU64>,
}

impl Attacker {
    fn run(mut self) {
        // In earnest it is another machine: the clients that are measured are not to wait for it.
        if let Err(error) = set_idle() {
            complain(format_args!("an attacker keeps its priority: {error}"));
        }
        let mut round = self.number;
        while !self.is_over.load(Ordering::Relaxed) {
            if let Err(error) = self.once(source(round)) {
                complain(format_args!("{}: {error:#}", self.attack.name()));
                return;
            }
            round += THREADS;
        }
    }

    fn once(&mut self, from: IpAddr) -> anyhow::Result<()> {
        match self.attack {
            Attack::NeverReading => self.send_for_ever(&[&[b'x'; 4_000][..], b"\n"].concat()),
            Attack::EndlessLine => self.send_for_ever(&[b'x'; 4_096]),
            Attack::Resets => self.reset(from),
            Attack::Logins => self.guess(from),
            Attack::Silent => Ok(()),
            Attack::Lists => self.ask_for_lists(),
        }
    }

    /// Does not wait where the server takes no more: the next one is tried.
    fn reset(&mut self, from: IpAddr) -> anyhow::Result<()> {
        let socket = bound(self.server, from)?;
        socket.set_nonblocking(true)?;
        for _ in 0..RESETS_OF_A_SOCKET {
            match socket.connect(&self.server.into()) {
                Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => {
                    return Err(error).context("an attacker cannot connect");
                }
                _ => {}
            }
            break_off(&socket)?;
            self.line.carry(RESET_BYTES);
            self.deeds.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Reads nothing. When nothing more is taken it tries again and again.
    fn send_for_ever(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        let mut stream = self.log_in()?.into_stream();
        stream.set_write_timeout(Some(PAUSE))?;
        let mut sent = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            if let Ok(count) = stream.write(&piece[sent..]) {
                sent = (sent + count) % piece.len();
                self.line.carry(count);
                self.deeds
                    .fetch_add(u64::from(sent == 0), Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// As many as may be under way, again and again.
    fn ask_for_lists(&mut self) -> anyhow::Result<()> {
        let mut stream = self.log_in()?.into_stream();
        stream.set_read_timeout(Some(PAUSE))?;
        let lines = b"last 99999999\n".repeat(LINES_UNDER_WAY);
        let mut buffer = vec![0; 64 * 1024];
        while !self.is_over.load(Ordering::Relaxed) {
            stream.write_all(&lines)?;
            self.line.carry(lines.len());
            // Each is a line, and `DONE`.
            let mut missing = 2 * LINES_UNDER_WAY;
            while missing > 0 && !self.is_over.load(Ordering::Relaxed) {
                let count = stream.read(&mut buffer).unwrap_or(0);
                let ends = buffer[..count].iter().filter(|byte| **byte == b'\n');
                let ends = ends.count();
                missing = missing.saturating_sub(ends);
                self.deeds.fetch_add(ends as u64 / 2, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// As soon as the server knows that it has left since the last round.
    fn log_in(&self) -> anyhow::Result<Person> {
        for _ in 0..LOGIN_TRIES {
            if let Some(person) = Person::log_in(self.server, &self.name)? {
                return Ok(person);
            }
            thread::sleep(PAUSE);
        }
        bail!("{} is logged in still", self.name)
    }

    /// Two wrong passwords, so that the next source comes before there is a block.
    fn guess(&mut self, from: IpAddr) -> anyhow::Result<()> {
        let mut connection = connect(self.server, from)?;
        connection.set_read_timeout(Some(PAUSE * 50))?;
        connection.write_all(format!("{}\nwrong\nwrong\n", self.name).as_bytes())?;
        let mut answers = Vec::new();
        let mut buffer = [0; 256];
        // A name's answer and two to passwords, or that it is too much.
        while answers.iter().filter(|byte| **byte == b'\n').count() < 3 {
            match connection.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => answers.extend_from_slice(&buffer[..count]),
            }
        }
        self.deeds.fetch_add(2, Ordering::Relaxed);
        Ok(())
    }
}

/// Resets a connection and keeps its socket for the next one. A socket that is closed is tidied up later by the kernel,
/// on the clients' core and the server's, which has them wait for what in earnest another machine does.
fn break_off(socket: &Socket) -> anyhow::Result<()> {
    let nobody = libc::sockaddr_in {
        sin_family: libc::AF_UNSPEC as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: 0 },
        sin_zero: [0; 8],
    };
    connect_to(socket.as_raw_fd(), &SockaddrIn::from(nobody))
        .context("an attacker cannot reset a connection")
}

/// One of 25,000 addresses of this host.
fn source(number: usize) -> IpAddr {
    let [network, host] = [1 + number / 250 % 100, 1 + number % 250].map(|part| part as u8);
    Ipv4Addr::new(127, 1, network, host).into()
}

fn bound(server: SocketAddr, from: IpAddr) -> anyhow::Result<Socket> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    Ok(socket)
}

fn connect(server: SocketAddr, from: IpAddr) -> anyhow::Result<TcpStream> {
    let socket = bound(server, from)?;
    socket
        .connect(&server.into())
        .with_context(|| format!("an attacker cannot connect from {from}"))?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn broken_connection_reconnects() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let socket = bound(server, source(7)).unwrap();
        for _ in 0..3 {
            socket.connect(&server.into()).unwrap();
            let (mut accepted, from) = listener.accept().unwrap();
            assert_eq!(from.ip(), source(7));
            break_off(&socket).unwrap();
            let error = accepted.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }

    #[test]
    fn line_carries_no_more_than_its_rate() {
        let mut line = Line::new(8);
        let began_at = Instant::now();
        for _ in 0..50 {
            line.carry(1_000);
        }
        // A quarter of a megabyte in a second.
        assert!(began_at.elapsed() >= Duration::from_millis(190));
    }
}
