//! What a started process tells the process that started it, over a socket pair: that it is ready, or why it failed.
//!
//! The bytes are `R` for ready, `N` followed by a line of what there is to know of it, `C` with a length and a text for
//! how often what was refused, `F` followed by `+` or `-`, `a` or `s` (asked for, or by itself) and a line of what came
//! of the files that it read, `W` followed by `+` or `-` and a line of what it warns of now, `A` for a sign of life, and
//! `E` followed by a text that ends with the stream. The other way go handouts (see [`crate::supervisor::child_configuration`]); and by the end of the stream the child learns that its parent is gone.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::control::reload_result::Reading;
use crate::logs::log_format::one_line;
use crate::metrics::refusals::Refusals;
use crate::supervisor::child_configuration::Outbox;

/// Longest text of a failure that is passed on, in bytes.
const MAX_FAILURE_BYTES: usize = 4096;

/// Most that is read of a child at once: one that says something all the time must not keep its parent from anything else.
const MAX_READ_BYTES: usize = 64 * 1024;

/// Sockets hold less than so many times that.
const MAX_RESTS: usize = 64;

/// Longest line that is kept of what a child says of itself or of files, in bytes.
const MAX_NOTE_BYTES: usize = 1024;

/// More readings than these are not kept for a parent that is busy.
const MAX_READINGS: usize = 64;

/// A child that has so many bytes to say to a parent that does not listen says nothing more of files.
const MAX_UNSENT_BYTES: usize = 16 * 1024;

const READY: u8 = b'R';
const NOTE: u8 = b'N';
const FILES_READ: u8 = b'F';
const WARNING: u8 = b'W';
const SUCCESS: u8 = b'+';
const NO_SUCCESS: u8 = b'-';
const ASKED_FOR: u8 = b'a';
const BY_ITSELF: u8 = b's';
const LINE_END: u8 = b'\n';
const FAILURE: u8 = b'E';
const ALIVE: u8 = b'A';
const REFUSALS: u8 = b'C';
/// The least time between two reports of what was refused.
const BETWEEN_REPORTS_MS: u64 = 500;
/// How often a process that has nothing else to say gives a sign of life.
pub const BETWEEN_SIGNS_OF_LIFE_MS: u64 = 1_000;

/// What an operator should know of a child that serves, for as long as that is so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChildWarning {
    /// For people; empty if there is nothing.
    pub text: String,
    /// Whether something is refused to clients because of it.
    pub is_refusing: bool,
}

impl ChildWarning {
    /// One of something that limits nobody now.
    pub fn of(text: String) -> Self {
        Self {
            text,
            is_refusing: false,
        }
    }

    /// This and what is to be said besides.
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
            true => NO_SUCCESS,
            false => SUCCESS,
        };
        line(&[WARNING, verdict], &self.text)
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let (verdict, text) = line.split_first()?;
        Some(Self {
            text: one_line(&String::from_utf8_lossy(text)).into_owned(),
            is_refusing: *verdict == NO_SUCCESS,
        })
    }
}

/// Tells the parent what it should warn of from now on.
pub fn report_warning(mut parent: &UnixStream, warning: &ChildWarning) -> io::Result<()> {
    parent.write_all(&warning.line())
}

/// Tells the parent that this process can serve.
pub fn report_ready(mut parent: &UnixStream) -> io::Result<()> {
    parent.write_all(&[READY])
}

/// Tells the parent in one line what there is to know of this process.
pub fn report_note(mut parent: &UnixStream, text: &str) -> io::Result<()> {
    parent.write_all(&line(&[NOTE], text))
}

fn line(beginning: &[u8], text: &str) -> Vec<u8> {
    let mut message = beginning.to_vec();
    message.extend(one_line(text).bytes().take(MAX_NOTE_BYTES));
    message.push(LINE_END);
    message
}

/// Tells the parent why this process is about to end. Must be the last thing that it says.
pub fn report_failure(mut parent: &UnixStream, text: &str) -> io::Result<()> {
    let mut message = vec![FAILURE];
    message.extend(text.bytes().take(MAX_FAILURE_BYTES));
    parent.write_all(&message)
}

/// Tells the parent, now and then, that this process goes on, how often what was refused since it began, what came
/// of files that it read, and what is to be warned of.
#[derive(Debug, Default)]
pub struct Reports {
    reported_total: u64,
    warning: ChildWarning,
    unsent: Vec<u8>,
    next_ms: u64,
    sign_of_life_at_ms: u64,
}

impl Reports {
    /// What came of the files that this process reads; reported as soon as [`Self::report_if_due`] is called.
    pub fn files_were_read(&mut self, reading: &Reading) {
        let (verdict, words) = match &reading.outcome {
            Ok(words) => (SUCCESS, words),
            Err(words) => (NO_SUCCESS, words),
        };
        let why = match reading.was_asked_for {
            true => ASKED_FOR,
            false => BY_ITSELF,
        };
        if self.unsent.len() < MAX_UNSENT_BYTES {
            self.unsent.extend(line(&[FILES_READ, verdict, why], words));
            self.next_ms = 0;
        }
    }

    /// What is to be warned of from now on; reported, if it has changed, as soon as [`Self::report_if_due`] is called.
    pub fn warn_of(&mut self, warning: ChildWarning) {
        if warning != self.warning && self.unsent.len() < MAX_UNSENT_BYTES {
            self.unsent.extend(warning.line());
            self.next_ms = 0;
            self.warning = warning;
        }
    }

    /// When [`Self::report_if_due`] has something to do.
    pub fn next_due_ms(&self, refusals: &Refusals) -> u64 {
        let news_ms = self.news_due_ms(refusals).unwrap_or(u64::MAX);
        news_ms.min(self.sign_of_life_at_ms)
    }

    fn news_due_ms(&self, refusals: &Refusals) -> Option<u64> {
        let is_news = !self.unsent.is_empty() || self.reported_total != refusals.total();
        is_news.then_some(self.next_ms)
    }

    /// Reports what is news, if the last report is old enough. The parent's end must not block; what it does not take is
    /// sent the next time.
    pub fn report_if_due(&mut self, parent: &mut impl Write, refusals: &Refusals, now_ms: u64) {
        if self.next_due_ms(refusals) > now_ms {
            return;
        }
        let is_news = self
            .news_due_ms(refusals)
            .is_some_and(|due_ms| due_ms <= now_ms);
        if is_news {
            self.next_ms = now_ms + BETWEEN_REPORTS_MS;
        }
        if is_news && self.unsent.is_empty() {
            let text = refusals.render();
            let Ok(length) = u16::try_from(text.len()) else {
                return;
            };
            self.unsent.push(REFUSALS);
            self.unsent.extend(length.to_le_bytes());
            self.unsent.extend(text.bytes());
            self.reported_total = refusals.total();
        }
        // Whatever is said is a sign of life, too.
        self.sign_of_life_at_ms = now_ms + BETWEEN_SIGNS_OF_LIFE_MS;
        if self.unsent.is_empty() {
            self.unsent.push(ALIVE);
        }
        match parent.write(&self.unsent) {
            Ok(sent) => drop(self.unsent.drain(..sent)),
            // That it is gone is learned elsewhere.
            Err(error) => log::debug!("reporting to the parent: {error}"),
        }
    }
}

/// The parent's end: collects what the child has said so far.
#[derive(Debug)]
pub struct ChildLink {
    stream: UnixStream,
    /// Something has come since that was last asked.
    is_heard: bool,
    ready: bool,
    note: Vec<u8>,
    /// What it is saying of files, and what it has said that nobody has taken.
    files_line: Vec<u8>,
    readings: Vec<Reading>,
    warning_line: Vec<u8>,
    in_line: Option<Line>,
    failure: Option<Vec<u8>>,
    ended: bool,
    outbox: Outbox,
    /// A report of which not all has come.
    report: Option<Vec<u8>>,
    refusals: Refusals,
}

/// What a line says that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Note,
    FilesRead,
    Warning,
}

impl ChildLink {
    /// The parent's end of a new pair, and the child's.
    pub fn pair() -> io::Result<(Self, UnixStream)> {
        let (stream, child) = UnixStream::pair()?;
        stream.set_nonblocking(true)?;
        let link = Self {
            stream,
            is_heard: false,
            ready: false,
            note: Vec::new(),
            files_line: Vec::new(),
            readings: Vec::new(),
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

    /// Reads what has come, without waiting, and not all of it if it is a lot.
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

    /// Reads all that a child has left that has ended: what a socket holds, and no more.
    pub fn read_rest(&mut self) -> io::Result<()> {
        for _ in 0..MAX_RESTS {
            self.read_available()?;
        }
        Ok(())
    }

    fn take_bytes(&mut self, bytes: &[u8]) {
        self.is_heard |= !bytes.is_empty();
        for &byte in bytes {
            if let Some(report) = &mut self.report {
                report.push(byte);
                self.take_report_if_whole();
                continue;
            }
            match &mut self.failure {
                Some(text) if text.len() < MAX_FAILURE_BYTES => text.push(byte),
                Some(_) => {}
                None if self.in_line.is_some() => self.take_byte_of_line(byte),
                None if byte == NOTE => {
                    self.in_line = Some(Line::Note);
                    self.note.clear();
                }
                None if byte == FILES_READ => {
                    self.in_line = Some(Line::FilesRead);
                    self.files_line.clear();
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

    fn take_report_if_whole(&mut self) {
        if let Some(report) = &self.report
            && let Some((length, text)) = report.split_first_chunk()
            && text.len() == usize::from(u16::from_le_bytes(*length))
        {
            self.refusals = Refusals::parse(&String::from_utf8_lossy(text));
            self.report = None;
        }
    }

    /// How often what was refused, as the child said last.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Hands something to the child, as soon as it takes it: see [`Self::flush`].
    pub fn hand_out(&mut self, handout: &[u8]) {
        self.outbox.put(handout);
    }

    /// Writes what the child takes without waiting. A child that is gone takes nothing; that is learned elsewhere.
    pub fn flush(&mut self) {
        if let Err(error) = self.outbox.write_to(&mut self.stream) {
            log::debug!("handing something to a child: {error}");
        }
    }

    /// Whether [`Self::flush`] is to be called once the child takes more.
    pub fn has_unsent(&self) -> bool {
        !self.ended && self.outbox.has_unsent()
    }

    fn take_byte_of_line(&mut self, byte: u8) {
        if byte == LINE_END {
            if self.in_line == Some(Line::FilesRead) && self.readings.len() < MAX_READINGS {
                self.readings.extend(reading_of(&self.files_line));
            }
            self.in_line = None;
            return;
        }
        let line = match self.in_line {
            Some(Line::FilesRead) => &mut self.files_line,
            Some(Line::Warning) => &mut self.warning_line,
            _ => &mut self.note,
        };
        if line.len() < MAX_NOTE_BYTES {
            line.push(byte);
        }
    }

    /// What came of the files that the child read, each time that it has said so since this was last asked.
    pub fn take_readings(&mut self) -> Vec<Reading> {
        std::mem::take(&mut self.readings)
    }

    /// What the child has said of itself last; empty if it has not.
    pub fn note(&self) -> String {
        match self.in_line == Some(Line::Note) {
            true => String::new(),
            false => String::from_utf8_lossy(&self.note).into_owned(),
        }
    }

    /// Whether the child has said anything since this was last asked.
    pub fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.is_heard)
    }

    /// What the child warns of, unless it is just saying that.
    pub fn warning(&self) -> Option<ChildWarning> {
        match self.in_line == Some(Line::Warning) {
            true => None,
            false => ChildWarning::parse(&self.warning_line),
        }
    }

    /// Whether the child has said that it can serve.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether the child's end is closed.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Why the child failed, in its own words, once all of them have come. One line: whoever reads it has a terminal.
    pub fn failure(&self) -> Option<String> {
        let text = self.failure.as_ref().filter(|_| self.ended)?;
        Some(one_line(&String::from_utf8_lossy(text)).into_owned())
    }
}

fn reading_of(line: &[u8]) -> Option<Reading> {
    let ([verdict, why], words) = line.split_first_chunk()?;
    let words = one_line(&String::from_utf8_lossy(words)).into_owned();
    Some(Reading {
        outcome: match *verdict {
            SUCCESS => Ok(words),
            _ => Err(words),
        },
        was_asked_for: *why == ASKED_FOR,
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
