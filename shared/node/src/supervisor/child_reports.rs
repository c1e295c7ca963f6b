//! What a child tells its parent over their link: each report is one line of JSON.
//!
//! Parent and child run the same binary, so the reports need no version. A child may be compromised, so the parent
//! bounds what it keeps of each report: see [`super::child_link::ChildLink`].

use std::io::{self, Write};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use crate::control::protocol::Answer;
use crate::control::reload_result::ReloadReport;
use crate::logs::log_format::one_line;
use crate::metrics::refusals::Refusals;

/// Longest text of a failure, in bytes.
pub(super) const MAX_FAILURE_BYTES: usize = 4096;

/// Longest other text, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 1024;

/// With this many unsent bytes, because its parent does not read, a child queues no more reports.
pub(super) const MAX_UNSENT_BYTES: usize = 16 * 1024;

/// The same for answers. A parent has few questions under way, so it is never reached unless the parent stands still.
const MAX_UNSENT_ANSWER_BYTES: usize = 1024 * 1024;

/// Shortest time between two reports of refusals.
pub(super) const BETWEEN_REPORTS_MS: u64 = 500;
/// How often a process that has nothing else to report gives a sign of life.
pub const BETWEEN_SIGNS_OF_LIFE_MS: u64 = 1_000;

/// One report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ChildReport {
    /// The child serves.
    Ready,
    /// A summary of its sandbox.
    Sandbox(String),
    /// All that it has refused so far.
    Refusals(Refusals),
    /// It has read its files.
    Reload(ReloadReport),
    /// Its current warning.
    Warning(ChildWarning),
    /// It lives, and has nothing to say.
    Alive,
    /// Why it is about to end.
    Failure(String),
    /// What it answers to the question of this ticket.
    Answer {
        /// Names the question.
        ticket: u64,
        /// The answer, or for people the reason why there is none.
        answer: Result<Answer, String>,
    },
}

impl ChildReport {
    /// The line, with its end.
    pub(super) fn encode(&self) -> Vec<u8> {
        // Strings, numbers and maps with strings as keys: there is nothing that JSON cannot hold.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// A problem of a child that serves, for as long as it lasts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

    pub(super) fn bounded(&self) -> Self {
        Self {
            text: bounded(&self.text, MAX_TEXT_BYTES),
            ..*self
        }
    }
}

/// A text without control characters and of no more than `max_bytes`.
pub(super) fn bounded(text: &str, max_bytes: usize) -> String {
    let text = one_line(text);
    text[..text.floor_char_boundary(max_bytes)].to_owned()
}

/// Reports the current warning to the parent.
pub fn report_warning(mut parent: &UnixStream, warning: &ChildWarning) -> io::Result<()> {
    parent.write_all(&ChildReport::Warning(warning.bounded()).encode())
}

/// Reports to the parent that this process serves.
pub fn report_ready(mut parent: &UnixStream) -> io::Result<()> {
    parent.write_all(&ChildReport::Ready.encode())
}

/// Reports a summary of the sandbox to the parent, in one line.
pub fn report_sandbox(mut parent: &UnixStream, text: &str) -> io::Result<()> {
    parent.write_all(&ChildReport::Sandbox(bounded(text, MAX_TEXT_BYTES)).encode())
}

/// Reports to the parent why this process is about to end. Nothing may be reported after this.
pub fn report_failure(mut parent: &UnixStream, text: &str) -> io::Result<()> {
    parent.write_all(&ChildReport::Failure(bounded(text, MAX_FAILURE_BYTES)).encode())
}

/// What a child has to report while it serves: signs of life, counts of refusals, reload reports, warnings and answers.
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
        self.queue(&ChildReport::Reload(report.clone()), MAX_UNSENT_BYTES);
    }

    /// Queues a changed warning for the next call of [`Self::report_if_due`].
    pub fn warn_of(&mut self, warning: ChildWarning) {
        if warning != self.warning
            && self.queue(&ChildReport::Warning(warning.bounded()), MAX_UNSENT_BYTES)
        {
            self.warning = warning;
        }
    }

    /// Queues an answer for the next call of [`Self::report_if_due`].
    pub fn answer(&mut self, ticket: u64, answer: Result<Answer, String>) {
        let report = ChildReport::Answer { ticket, answer };
        self.queue(&report, MAX_UNSENT_ANSWER_BYTES);
    }

    #[cfg(test)]
    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent.len()
    }

    /// Whether there was room for it.
    fn queue(&mut self, report: &ChildReport, max_unsent_bytes: usize) -> bool {
        let has_room = self.unsent.len() < max_unsent_bytes;
        if has_room {
            self.unsent.extend(report.encode());
            self.next_ms = 0;
        }
        has_room
    }

    /// When [`Self::report_if_due`] is due.
    pub fn next_due_ms(&self, refusals: &Refusals) -> u64 {
        let news_ms = self.report_due_ms(refusals).unwrap_or(u64::MAX);
        news_ms.min(self.sign_of_life_at_ms)
    }

    pub(super) fn report_due_ms(&self, refusals: &Refusals) -> Option<u64> {
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
            self.unsent = ChildReport::Refusals(refusals.clone()).encode();
            self.reported_total = refusals.total();
        }
        // Every report is a sign of life, too.
        self.sign_of_life_at_ms = now_ms + BETWEEN_SIGNS_OF_LIFE_MS;
        if self.unsent.is_empty() {
            self.unsent = ChildReport::Alive.encode();
        }
        match parent.write(&self.unsent) {
            Ok(sent) => drop(self.unsent.drain(..sent)),
            // The event loop notices that the parent is gone.
            Err(error) => log::debug!("reporting to the parent: {error}"),
        }
    }
}
