//! The link between a child and its parent, a socket pair. The child reports readiness, failure and more.
//!
//! The bytes are `R` for ready, `N` and a line for the summary of the sandbox, `C` with a length and a text for the
//! counts of refusals, `F` for a reload report, `W` with `+` or `-` and a line for the current warning, `A` for a sign
//! of life, and `E` with a text, up to the end of the stream, for a failure. A reload report is `+` or `-` (success or
//! not), `a` or `s` (requested or not) and a line. The parent pushes configuration the other way (see
//! [`crate::supervisor::child_configuration`]). From the end of the stream the child learns that its parent is gone.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::control::reload_result::ReloadReport;
use crate::logs::log_format::one_line;
use crate::metrics::refusals::Refusals;
use crate::supervisor::child_configuration::Outbox;

/// Longest text of a failure, in bytes.
const MAX_FAILURE_BYTES: usize = 4096;

/// Most bytes that are read from a child at once: a child that never stops sending must not block its parent.
const MAX_READ_BYTES: usize = 64 * 1024;

/// A socket buffer holds less than this many times [`MAX_READ_BYTES`].
const MAX_REMAINING_READS: usize = 64;

/// Longest line of a child that is kept, in bytes.
const MAX_LINE_BYTES: usize = 1024;

/// Most reload reports that are kept for a busy parent.
const MAX_RELOAD_REPORTS: usize = 64;

/// With this many unsent bytes, because its parent does not read, a child queues no more reports.
const MAX_UNSENT_BYTES: usize = 16 * 1024;

const READY: u8 = b'R';
const SANDBOX: u8 = b'N';
const RELOAD_REPORT: u8 = b'F';
const WARNING: u8 = b'W';
const SUCCESS: u8 = b'+';
const PROBLEM: u8 = b'-';
const REQUESTED: u8 = b'a';
const UNREQUESTED: u8 = b's';
const LINE_END: u8 = b'\n';
const FAILURE: u8 = b'E';
const ALIVE: u8 = b'A';
const REFUSALS: u8 = b'C';
/// Shortest time between two reports of refusals.
const BETWEEN_REPORTS_MS: u64 = 500;
/// How often a process that has nothing else to report gives a sign of life.
pub const BETWEEN_SIGNS_OF_LIFE_MS: u64 = 1_000;

/// A problem of a child that serves, for as long as it lasts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChildWarning {
    /// For people; empty if there is no problem.
    pub text: String,
    /// Whether the child refuses something to clients because of it.
    pub is_refusing: bool,
}

impl ChildWarning {
    /// A warning about something that affects no client now.
    pub fn of(text: String) -> Self {
        Self {
            text,
            is_refusing: false,
        }
    }

    /// Joins two warnings.
    pub fn and(mut self, other: Self) -> Self {
        if !self.text.is_empty() && !other.text.is_empty() {
            self.text += "; ";
        }
        self.text += &other.text;
        self.is_refusing |= other.is_refusing;
        self
    }

    fn line(&self) -> Vec<u8> {
        let verdict = match self.is_refusing {
            true => PROBLEM,
            false => SUCCESS,
        };
        line(&[WARNING, verdict], &self.text)
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let (verdict, text) = line.split_first()?;
        Some(Self {
            text: one_line(&String::from_utf8_lossy(text)).into_owned(),
            is_refusing: *verdict == PROBLEM,
        })
    }
}

/// Reports the current warning to the parent.
pub fn report_warning(mut parent: &UnixStream, warning: &ChildWarning) -> io::Result<()> {
    parent.write_all(&warning.line())
}

/// Reports to the parent that this process serves.
pub fn report_ready(mut parent: &UnixStream) -> io::Result<()> {
    parent.write_all(&[READY])
}

/// Reports a summary of the sandbox to the parent, in one line.
pub fn report_sandbox(mut parent: &UnixStream, text: &str) -> io::Result<()> {
    parent.write_all(&line(&[SANDBOX], text))
}

fn line(beginning: &[u8], text: &str) -> Vec<u8> {
    let mut message = beginning.to_vec();
    message.extend(one_line(text).bytes().take(MAX_LINE_BYTES));
    message.push(LINE_END);
    message
}

/// Reports to the parent why this process is about to end. Nothing may be reported after this.
pub fn report_failure(mut parent: &UnixStream, text: &str) -> io::Result<()> {
    let mut message = vec![FAILURE];
    message.extend(text.bytes().take(MAX_FAILURE_BYTES));
    parent.write_all(&message)
}

/// The periodic reports of a child: signs of life, counts of refusals, reload reports and warnings.
#[derive(Debug, Default)]
pub struct Reports {
    reported_total: u64,
    warning: ChildWarning,
    unsent: Vec<u8>,
    next_ms: u64,
    sign_of_life_at_ms: u64,
}

impl Reports {
    /// Queues a reload report for the next call of [`Self::report_if_due`].
    pub fn report_reload(&mut self, report: &ReloadReport) {
        let (verdict, words) = match &report.result {
            Ok(words) => (SUCCESS, words),
            Err(words) => (PROBLEM, words),
        };
        let why = match report.was_requested {
            true => REQUESTED,
            false => UNREQUESTED,
        };
        if self.unsent.len() < MAX_UNSENT_BYTES {
            self.unsent
                .extend(line(&[RELOAD_REPORT, verdict, why], words));
            self.next_ms = 0;
        }
    }

    /// Queues a changed warning for the next call of [`Self::report_if_due`].
    pub fn warn_of(&mut self, warning: ChildWarning) {
        if warning != self.warning && self.unsent.len() < MAX_UNSENT_BYTES {
            self.unsent.extend(warning.line());
            self.next_ms = 0;
            self.warning = warning;
        }
    }

    /// When [`Self::report_if_due`] is due.
    pub fn next_due_ms(&self, refusals: &Refusals) -> u64 {
        let news_ms = self.report_due_ms(refusals).unwrap_or(u64::MAX);
        news_ms.min(self.sign_of_life_at_ms)
    }

    fn report_due_ms(&self, refusals: &Refusals) -> Option<u64> {
        let has_news = !self.unsent.is_empty() || self.reported_total != refusals.total();
        has_news.then_some(self.next_ms)
    }

    /// Sends what has changed, if the last report is old enough. The stream must be non-blocking; unsent bytes are kept
    /// for the next call.
    pub fn report_if_due(&mut self, parent: &mut impl Write, refusals: &Refusals, now_ms: u64) {
        if self.next_due_ms(refusals) > now_ms {
            return;
        }
        let has_news = self
            .report_due_ms(refusals)
            .is_some_and(|due_ms| due_ms <= now_ms);
        if has_news {
            self.next_ms = now_ms + BETWEEN_REPORTS_MS;
        }
        if has_news && self.unsent.is_empty() {
            let text = refusals.render();
            let Ok(length) = u16::try_from(text.len()) else {
                return;
            };
            self.unsent.push(REFUSALS);
            self.unsent.extend(length.to_le_bytes());
            self.unsent.extend(text.bytes());
            self.reported_total = refusals.total();
        }
        // Every report is a sign of life, too.
        self.sign_of_life_at_ms = now_ms + BETWEEN_SIGNS_OF_LIFE_MS;
        if self.unsent.is_empty() {
            self.unsent.push(ALIVE);
        }
        match parent.write(&self.unsent) {
            Ok(sent) => drop(self.unsent.drain(..sent)),
            // The event loop notices that the parent is gone.
            Err(error) => log::debug!("reporting to the parent: {error}"),
        }
    }
}

/// The parent's end of the link. Collects the reports of the child.
#[derive(Debug)]
pub struct ChildLink {
    stream: UnixStream,
    /// Bytes have arrived since [`Self::take_heard`] was last called.
    is_heard: bool,
    ready: bool,
    sandbox_line: Vec<u8>,
    /// The line that is arriving, and the reports that nobody has taken.
    reload_line: Vec<u8>,
    reload_reports: Vec<ReloadReport>,
    warning_line: Vec<u8>,
    in_line: Option<Line>,
    failure: Option<Vec<u8>>,
    ended: bool,
    outbox: Outbox,
    /// A report of refusals that is incomplete.
    report: Option<Vec<u8>>,
    refusals: Refusals,
}

/// The kind of an incomplete line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Sandbox,
    ReloadStatus,
    Warning,
}

impl ChildLink {
    /// Creates a link. Returns the parent's end and the child's.
    pub fn pair() -> io::Result<(Self, UnixStream)> {
        let (stream, child) = UnixStream::pair()?;
        stream.set_nonblocking(true)?;
        let link = Self {
            stream,
            is_heard: false,
            ready: false,
            sandbox_line: Vec::new(),
            reload_line: Vec::new(),
            reload_reports: Vec::new(),
            warning_line: Vec::new(),
            in_line: None,
            failure: None,
            ended: false,
            outbox: Outbox::default(),
            report: None,
            refusals: Refusals::default(),
        };
        Ok((link, child))
    }

    /// Reads without blocking, up to [`MAX_READ_BYTES`].
    pub fn read_available(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1024];
        let mut read_bytes = 0;
        while !self.ended && read_bytes < MAX_READ_BYTES {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    read_bytes += count;
                    self.take_bytes(&buffer[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Reads all remaining bytes of a child that has ended.
    pub fn read_remaining(&mut self) -> io::Result<()> {
        for _ in 0..MAX_REMAINING_READS {
            self.read_available()?;
        }
        Ok(())
    }

    fn take_bytes(&mut self, bytes: &[u8]) {
        self.is_heard |= !bytes.is_empty();
        for &byte in bytes {
            if let Some(report) = &mut self.report {
                report.push(byte);
                self.take_complete_report();
                continue;
            }
            match &mut self.failure {
                Some(text) if text.len() < MAX_FAILURE_BYTES => text.push(byte),
                Some(_) => {}
                None if self.in_line.is_some() => self.take_byte_of_line(byte),
                None if byte == SANDBOX => {
                    self.in_line = Some(Line::Sandbox);
                    self.sandbox_line.clear();
                }
                None if byte == RELOAD_REPORT => {
                    self.in_line = Some(Line::ReloadStatus);
                    self.reload_line.clear();
                }
                None if byte == WARNING => {
                    self.in_line = Some(Line::Warning);
                    self.warning_line.clear();
                }
                None if byte == READY => self.ready = true,
                None if byte == FAILURE => self.failure = Some(Vec::new()),
                None if byte == REFUSALS => self.report = Some(Vec::new()),
                None => {}
            }
        }
    }

    fn take_complete_report(&mut self) {
        if let Some(report) = &self.report
            && let Some((length, text)) = report.split_first_chunk()
            && text.len() == usize::from(u16::from_le_bytes(*length))
        {
            self.refusals = Refusals::parse(&String::from_utf8_lossy(text));
            self.report = None;
        }
    }

    /// The counts of refusals that the child reported last.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Queues a configuration for the child: see [`Self::flush`].
    pub fn push_configuration(&mut self, configuration: &[u8]) {
        self.outbox.put(configuration);
    }

    /// Writes as much as possible without blocking. Errors are ignored: the supervisor notices the end of the child.
    pub fn flush(&mut self) {
        if let Err(error) = self.outbox.write_to(&mut self.stream) {
            log::debug!("pushing configuration to a child: {error}");
        }
    }

    /// Whether [`Self::flush`] has to be called when the link becomes writable.
    pub fn has_unsent(&self) -> bool {
        !self.ended && self.outbox.has_unsent()
    }

    fn take_byte_of_line(&mut self, byte: u8) {
        if byte == LINE_END {
            if self.in_line == Some(Line::ReloadStatus)
                && self.reload_reports.len() < MAX_RELOAD_REPORTS
            {
                self.reload_reports
                    .extend(reload_report_of(&self.reload_line));
            }
            self.in_line = None;
            return;
        }
        let line = match self.in_line {
            Some(Line::ReloadStatus) => &mut self.reload_line,
            Some(Line::Warning) => &mut self.warning_line,
            _ => &mut self.sandbox_line,
        };
        if line.len() < MAX_LINE_BYTES {
            line.push(byte);
        }
    }

    /// Takes the reload reports that have arrived since the last call.
    pub fn take_reload_reports(&mut self) -> Vec<ReloadReport> {
        std::mem::take(&mut self.reload_reports)
    }

    /// The summary of the sandbox; empty until it has arrived.
    pub fn sandbox(&self) -> String {
        match self.in_line == Some(Line::Sandbox) {
            true => String::new(),
            false => String::from_utf8_lossy(&self.sandbox_line).into_owned(),
        }
    }

    /// Whether bytes have arrived since the last call.
    pub fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.is_heard)
    }

    /// The current warning; nothing while it is arriving.
    pub fn warning(&self) -> Option<ChildWarning> {
        match self.in_line == Some(Line::Warning) {
            true => None,
            false => ChildWarning::parse(&self.warning_line),
        }
    }

    /// Whether the child has reported that it serves.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether the child's end is closed.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The failure that the child has reported, in one line. It is complete at the end of the stream.
    pub fn failure(&self) -> Option<String> {
        let text = self.failure.as_ref().filter(|_| self.ended)?;
        Some(one_line(&String::from_utf8_lossy(text)).into_owned())
    }
}

fn reload_report_of(line: &[u8]) -> Option<ReloadReport> {
    let ([verdict, why], words) = line.split_first_chunk()?;
    let words = one_line(&String::from_utf8_lossy(words)).into_owned();
    Some(ReloadReport {
        result: match *verdict {
            SUCCESS => Ok(words),
            _ => Err(words),
        },
        was_requested: *why == REQUESTED,
    })
}

impl AsFd for ChildLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
#[path = "child_link_tests.rs"]
mod tests;
