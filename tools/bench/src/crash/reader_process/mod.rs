//! A reader that is a process of its own, so that it can be killed with -9: the storm's side of it.
//!
//! The process hands what it handled to the storm through a pipe, message by message. What is in the pipe survives it.

mod connection;
pub mod program;
mod report;

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use mio::unix::pipe::Receiver;
use nix::time::{ClockId, clock_gettime};

pub(super) use self::report::Report;
use super::person::Mode;

/// A reader to which messages are pushed is killed only if it was seen so shortly before. One that the system keeps
/// from running has messages in its kernel that it did not handle, and `push on` confirms them after a second.
const SEEN_LATELY: Duration = Duration::from_millis(50);
/// What has reached a reader since it was seen so shortly before its death is certainly not confirmed.
const NOTHING_CONFIRMED_WITHIN: Duration = Duration::from_millis(900);
/// What it is told when it is to empty its queue and leave.
const LEAVE: &[u8] = b"leave\n";

/// How all readers of a storm are started.
#[derive(Clone, Debug)]
pub(super) struct Launcher {
    /// chat-bench itself.
    pub(super) program: PathBuf,
    pub(super) plain: SocketAddr,
    pub(super) tls: Option<TlsAddress>,
    /// What the payloads begin with.
    pub(super) seed: u64,
    pub(super) text_bytes: usize,
}

/// Where TLS is spoken.
#[derive(Clone, Debug)]
pub(super) struct TlsAddress {
    pub(super) address: SocketAddr,
    pub(super) certificate_file: PathBuf,
}

/// What distinguishes a reader from the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) mode: Mode,
    pub(super) speaks_tls: bool,
}

impl Launcher {
    /// The address that a reader connects to.
    pub(super) fn address(&self, manner: Manner) -> SocketAddr {
        match &self.tls {
            Some(tls) if manner.speaks_tls => tls.address,
            _ => self.plain,
        }
    }

    /// Starts the reader with this login, to whose audience labels have `reader`.
    pub(super) fn start(
        &self,
        manner: Manner,
        login: &str,
        reader: u32,
        random_seed: u64,
    ) -> anyhow::Result<ReaderProcess> {
        let mut command = Command::new(&self.program);
        command
            .arg("crash-reader")
            .arg(format!("--server={}", self.address(manner)))
            .arg(format!("--login={login}"))
            .arg(format!("--reader={reader}"))
            .arg(format!("--mode={}", manner.mode.word()))
            .arg(format!("--seed={}", self.seed))
            .arg(format!("--text-bytes={}", self.text_bytes))
            .arg(format!("--random-seed={random_seed}"));
        if let (Some(tls), true) = (&self.tls, manner.speaks_tls) {
            command.arg("--certificate").arg(&tls.certificate_file);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run {} as a reader", self.program.display()))?;
        let pipes = (child.stdin.take(), child.stdout.take());
        let (Some(orders), Some(reports)) = pipes else {
            bail!("a reader was started without its pipes");
        };
        let reports = Receiver::from(reports);
        reports.set_nonblocking(true)?;
        Ok(ReaderProcess {
            child,
            orders,
            reports,
            unread: Vec::new(),
            mode: manner.mode,
            seen_at: monotonic(),
        })
    }
}

/// One that runs.
#[derive(Debug)]
pub(super) struct ReaderProcess {
    child: Child,
    orders: ChildStdin,
    reports: Receiver,
    /// The beginning of a report.
    unread: Vec<u8>,
    mode: Mode,
    /// It has handled everything that had reached it by then.
    seen_at: Duration,
}

impl ReaderProcess {
    /// What it has reported since this was asked last, and whether it has ended.
    pub(super) fn take_reports(&mut self) -> anyhow::Result<(Vec<Report>, bool)> {
        let mut has_ended = false;
        let mut bytes = [0; 16 * 1024];
        loop {
            match self.reports.read(&mut bytes) {
                Ok(0) => {
                    has_ended = true;
                    break;
                }
                Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot read what a reader reports"),
            }
        }
        let whole = memchr::memrchr(b'\n', &self.unread).map_or(0, |end| end + 1);
        let text = String::from_utf8(self.unread.drain(..whole).collect())?;
        let reports = text.lines().map(str::parse);
        let reports = reports.collect::<Result<Vec<Report>, _>>()?;
        for report in &reports {
            if let Report::Seen(at) = report {
                self.seen_at = *at;
            }
        }
        Ok((reports, has_ended))
    }

    /// Tells it to empty its queue and leave.
    pub(super) fn tell_to_leave(&mut self) {
        // One that has just ended is told when it is started again.
        let _ = self.orders.write_all(LEAVE);
    }

    /// Whether its death now would leave no doubt about what it has confirmed.
    pub(super) fn may_die(&self) -> bool {
        self.mode == Mode::Fetch || monotonic().saturating_sub(self.seen_at) < SEEN_LATELY
    }

    /// kill -9. Returns what it had reported.
    pub(super) fn kill(mut self) -> anyhow::Result<Vec<Report>> {
        self.child.kill()?;
        let died_at = monotonic();
        self.child.wait()?;
        let (reports, _) = self.take_reports()?;
        let unseen = died_at.saturating_sub(self.seen_at);
        if self.mode != Mode::Fetch && unseen >= NOTHING_CONFIRMED_WITHIN {
            bail!(
                "the machine stood still for {} ms while a reader was killed, so that nobody can tell what it has \
                 confirmed; run the storm again",
                unseen.as_millis()
            );
        }
        Ok(reports)
    }
}

impl Drop for ReaderProcess {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A time that the processes of a host agree about.
fn monotonic() -> Duration {
    // This clock exists everywhere, so reading it cannot fail.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}
