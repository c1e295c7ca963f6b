//! The parent's end of the link to a child, a socket pair. The child sends [reports](super::child_reports); the parent
//! sends [configuration and questions](super::child_configuration). From the end of the stream the child learns that
//! its parent is gone.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::child_configuration::{Drain, Outbox};
use super::child_reports::{ChildReport, ChildWarning, MAX_FAILURE_BYTES, MAX_TEXT_BYTES, bounded};
use crate::control::protocol::{Answer, Question};
use crate::control::reload_result::ReloadReport;
use crate::metrics::refusals::Refusals;

/// Most bytes that are read from a child at once: a child that never stops sending must not block its parent.
const MAX_READ_BYTES: usize = 64 * 1024;

/// A socket buffer holds less than this many times [`MAX_READ_BYTES`].
const MAX_REMAINING_READS: usize = 64;

/// Longest report of a child, in bytes. A longer one is passed over.
const MAX_REPORT_BYTES: usize = 128 * 1024;

/// Most reload reports that are kept for a busy parent.
const MAX_RELOAD_REPORTS: usize = 64;

/// The parent's end of the link. Collects the reports of the child.
#[derive(Debug)]
pub struct ChildLink {
    stream: UnixStream,
    /// The report that is arriving.
    line: Vec<u8>,
    /// Bytes have arrived since [`Self::take_heard`] was last called.
    is_heard: bool,
    ready: bool,
    sandbox: String,
    warning: Option<ChildWarning>,
    refusals: Refusals,
    failure: Option<String>,
    /// What nobody has taken.
    reload_reports: Vec<ReloadReport>,
    answers: Vec<(u64, Result<Answer, String>)>,
    ended: bool,
    outbox: Outbox,
}

impl ChildLink {
    /// Creates a link. Returns the parent's end and the child's.
    pub fn pair() -> io::Result<(Self, UnixStream)> {
        let (stream, child) = UnixStream::pair()?;
        stream.set_nonblocking(true)?;
        let link = Self {
            stream,
            line: Vec::new(),
            is_heard: false,
            ready: false,
            sandbox: String::new(),
            warning: None,
            refusals: Refusals::default(),
            failure: None,
            reload_reports: Vec::new(),
            answers: Vec::new(),
            ended: false,
            outbox: Outbox::default(),
        };
        Ok((link, child))
    }

    /// Reads without blocking, up to [`MAX_READ_BYTES`].
    pub fn read_available(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let mut read_bytes = 0;
        while !self.ended && read_bytes < MAX_READ_BYTES {
            let wanted_bytes = buffer.len().min(MAX_READ_BYTES - read_bytes);
            match self.stream.read(&mut buffer[..wanted_bytes]) {
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
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            // One byte more shows that the report is too long.
            let room = (MAX_REPORT_BYTES + 1).saturating_sub(self.line.len());
            self.line.extend(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                match serde_json::from_slice(&line) {
                    Ok(report) if line.len() <= MAX_REPORT_BYTES => self.take_report(report),
                    _ => log::debug!("a child sent {} bytes that are no report", line.len()),
                }
            }
        }
    }

    fn take_report(&mut self, report: ChildReport) {
        match report {
            ChildReport::Ready => self.ready = true,
            ChildReport::Sandbox(summary) => self.sandbox = bounded(&summary, MAX_TEXT_BYTES),
            ChildReport::Refusals(refusals) => self.refusals = refusals,
            ChildReport::Reload(report) => {
                if self.reload_reports.len() < MAX_RELOAD_REPORTS {
                    self.reload_reports.push(ReloadReport {
                        result: match report.result {
                            Ok(words) => Ok(bounded(&words, MAX_TEXT_BYTES)),
                            Err(words) => Err(bounded(&words, MAX_TEXT_BYTES)),
                        },
                        ..report
                    });
                }
            }
            ChildReport::Warning(warning) => self.warning = Some(warning.bounded()),
            ChildReport::Alive => {}
            ChildReport::Failure(reason) => {
                self.failure
                    .get_or_insert_with(|| bounded(&reason, MAX_FAILURE_BYTES));
            }
            // As many are asked for as there are control connections, and these are few.
            ChildReport::Answer { ticket, answer } if self.outbox.is_asked(ticket) => {
                self.outbox.answered(ticket);
                let answer = answer.map_err(|reason| bounded(&reason, MAX_TEXT_BYTES));
                self.answers.push((ticket, answer));
            }
            ChildReport::Answer { .. } => log::debug!("a child answers what nobody has asked"),
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

    /// Queues the settings file for the child: see [`Self::flush`].
    pub fn push_settings(&mut self, written: &str) {
        self.outbox.put_settings(written);
    }

    /// Queues a log file for the child: see [`Self::flush`].
    pub fn push_log_file(&mut self, file: OwnedFd) {
        self.outbox.put_log_file(file);
    }

    /// Queues for the child whether it takes new connections: see [`Self::flush`].
    pub fn push_drain(&mut self, drain: Drain) {
        self.outbox.put_drain(drain);
    }

    /// Queues a question for the child: see [`Self::flush`] and [`Self::take_answers`].
    pub fn ask(&mut self, ticket: u64, question: &Question) {
        self.outbox.ask(ticket, question);
    }

    /// Nobody waits for the answer to a question any more.
    pub fn give_up(&mut self, ticket: u64) {
        self.outbox.answered(ticket);
    }

    /// Writes as much as possible without blocking. Errors are ignored: the supervisor notices the end of the child.
    pub fn flush(&mut self) {
        if let Err(error) = self.outbox.write_to(&mut self.stream) {
            log::debug!("writing to a child: {error}");
        }
    }

    /// Whether [`Self::flush`] has to be called when the link becomes writable.
    pub fn has_unsent(&self) -> bool {
        !self.ended && self.outbox.has_unsent()
    }

    /// Takes the reload reports that have arrived since the last call.
    pub fn take_reload_reports(&mut self) -> Vec<ReloadReport> {
        std::mem::take(&mut self.reload_reports)
    }

    /// Takes the answers that have arrived since the last call, with the tickets of their questions.
    pub fn take_answers(&mut self) -> Vec<(u64, Result<Answer, String>)> {
        std::mem::take(&mut self.answers)
    }

    /// The summary of the sandbox; empty until it has arrived.
    pub fn sandbox(&self) -> &str {
        &self.sandbox
    }

    /// Whether bytes have arrived since the last call.
    pub fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.is_heard)
    }

    /// The current warning; nothing until one has arrived.
    pub fn warning(&self) -> Option<&ChildWarning> {
        self.warning.as_ref()
    }

    /// Whether the child has reported that it serves.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether the child's end is closed.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The failure that the child has reported, in one line, once its end is closed.
    pub fn failure(&self) -> Option<String> {
        self.failure.clone().filter(|_| self.ended)
    }
}

impl AsFd for ChildLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
#[path = "child_link_tests.rs"]
mod tests;
