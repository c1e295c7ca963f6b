//! What a started process tells the process that started it, over a socket pair: that it is ready, or why it failed.
//!
//! The bytes are `R` for ready, `N` followed by a line of what there is to know of it, `C` with a length and a text for
//! how often what was refused, `F` followed by `+` or `-`, `a` or `s` (asked for, or by itself) and a line of what came of the
//! files that it read, and `E` followed by a text that ends with the stream. The other way go handouts (see
//! [`crate::handouts`]); and by the end of the stream the child learns that its parent is gone.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::files_read::Reading;
use crate::handouts::Outbox;
use crate::log_format::one_line;
use crate::refusals::Refusals;

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
const SUCCESS: u8 = b'+';
const NO_SUCCESS: u8 = b'-';
const ASKED_FOR: u8 = b'a';
const BY_ITSELF: u8 = b's';
const LINE_END: u8 = b'\n';
const FAILURE: u8 = b'E';
const REFUSALS: u8 = b'C';
/// The least time between two reports of what was refused.
const BETWEEN_REPORTS_MS: u64 = 500;

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

/// Tells the parent, now and then, how often what was refused since this process began, and what came of files that it read.
#[derive(Debug, Default)]
pub struct Reports {
    reported_total: u64,
    unsent: Vec<u8>,
    next_ms: u64,
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

    /// When [`Self::report_if_due`] has something to do.
    pub fn next_due_ms(&self, refusals: &Refusals) -> Option<u64> {
        let is_news = !self.unsent.is_empty() || self.reported_total != refusals.total();
        is_news.then_some(self.next_ms)
    }

    /// Reports what is news, if the last report is old enough. The parent's end must not block; what it does not take is
    /// sent the next time.
    pub fn report_if_due(&mut self, parent: &mut impl Write, refusals: &Refusals, now_ms: u64) {
        if self
            .next_due_ms(refusals)
            .is_none_or(|due_ms| due_ms > now_ms)
        {
            return;
        }
        self.next_ms = now_ms + BETWEEN_REPORTS_MS;
        if self.unsent.is_empty() {
            let text = refusals.render();
            let Ok(length) = u16::try_from(text.len()) else {
                return;
            };
            self.unsent.push(REFUSALS);
            self.unsent.extend(length.to_le_bytes());
            self.unsent.extend(text.bytes());
            self.reported_total = refusals.total();
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
    ready: bool,
    note: Vec<u8>,
    /// What it is saying of files, and what it has said that nobody has taken.
    files_line: Vec<u8>,
    readings: Vec<Reading>,
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
}

impl ChildLink {
    /// The parent's end of a new pair, and the child's.
    pub fn pair() -> io::Result<(Self, UnixStream)> {
        let (stream, child) = UnixStream::pair()?;
        stream.set_nonblocking(true)?;
        let link = Self {
            stream,
            ready: false,
            note: Vec::new(),
            files_line: Vec::new(),
            readings: Vec::new(),
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
mod tests {
    use super::*;

    #[test]
    fn refusals_arrive_now_and_then_and_nothing_else_is_disturbed() {
        let (mut link, mut child) = ChildLink::pair().unwrap();
        let (mut reports, mut refusals) = (Reports::default(), Refusals::default());
        assert_eq!(reports.next_due_ms(&refusals), None);
        // `R` and `E` in it mean nothing.
        refusals.count("quota");
        reports.report_if_due(&mut child, &refusals, 0);
        refusals.count("login-failed");
        reports.report_if_due(&mut child, &refusals, 1);
        link.read_available().unwrap();
        assert_eq!(link.refusals().render(), "quota=1\n");
        assert_eq!(reports.next_due_ms(&refusals), Some(BETWEEN_REPORTS_MS));
        reports.report_if_due(&mut child, &refusals, BETWEEN_REPORTS_MS);
        report_ready(&child).unwrap();
        link.read_available().unwrap();
        assert_eq!(*link.refusals(), refusals);
        assert!(link.is_ready() && link.failure().is_none());
        assert_eq!(reports.next_due_ms(&refusals), None);
    }

    #[test]
    fn what_came_of_files_arrives_at_once_and_is_told_once() {
        let (mut link, mut child) = ChildLink::pair().unwrap();
        let (mut reports, mut refusals) = (Reports::default(), Refusals::default());
        refusals.count("quota");
        reports.report_if_due(&mut child, &refusals, 0);
        // `R` and `E` in it mean nothing.
        let good = Reading {
            outcome: Ok("READ".to_owned()),
            was_asked_for: true,
        };
        let bad = Reading {
            outcome: Err("it is missing".to_owned()),
            was_asked_for: false,
        };
        for reading in [&good, &bad] {
            reports.files_were_read(reading);
            assert_eq!(reports.next_due_ms(&refusals), Some(0));
            reports.report_if_due(&mut child, &refusals, 1);
        }
        link.read_available().unwrap();
        assert_eq!(link.take_readings(), [good.clone(), bad]);
        assert_eq!(link.take_readings(), []);
        assert!(!link.is_ready() && link.failure().is_none() && link.note().is_empty());
        assert_eq!(link.refusals().render(), "quota=1\n");
        for _ in 0..10_000 {
            reports.files_were_read(&good);
        }
        assert!(reports.unsent.len() < MAX_UNSENT_BYTES + MAX_NOTE_BYTES);
        reports.report_if_due(&mut child, &refusals, 1_000);
        link.read_available().unwrap();
        assert_eq!(link.take_readings().len(), MAX_READINGS);
        let forged = b"F-a\x1b]0;title\x07\nF\nF+\n";
        child.write_all(forged).unwrap();
        link.read_available().unwrap();
        let readings = link.take_readings();
        assert_eq!(readings.len(), 1, "two say nothing");
        let words = readings[0].outcome.clone().unwrap_err();
        assert!(!words.contains(char::is_control), "{words:?}");
    }

    #[test]
    fn readiness_and_a_later_failure_arrive() {
        let (mut link, child) = ChildLink::pair().unwrap();
        link.read_available().unwrap();
        assert!(!link.is_ready() && !link.has_ended());
        report_ready(&child).unwrap();
        link.read_available().unwrap();
        assert!(link.is_ready() && link.failure().is_none());
        report_failure(&child, "the journal is damaged: RE").unwrap();
        link.read_available().unwrap();
        assert_eq!(link.failure(), None, "the text may go on");
        drop(child);
        link.read_available().unwrap();
        assert_eq!(link.failure().unwrap(), "the journal is damaged: RE");
    }

    #[test]
    fn a_note_is_a_line_and_is_not_taken_for_anything_else() {
        let (mut link, child) = ChildLink::pair().unwrap();
        report_note(&child, &format!("NEVER\nREADY {}", "x".repeat(2000))).unwrap();
        link.read_available().unwrap();
        assert!(!link.is_ready());
        assert!(link.note().starts_with("NEVER"), "{}", link.note());
        assert_eq!(link.note().len(), MAX_NOTE_BYTES);
        report_note(&child, "again").unwrap();
        report_ready(&child).unwrap();
        drop(child);
        link.read_available().unwrap();
        assert_eq!((link.note().as_str(), link.is_ready()), ("again", true));
        assert_eq!(link.failure(), None);
    }

    #[test]
    fn a_child_that_never_stops_talking_keeps_its_parent_from_nothing() {
        let (mut link, mut child) = ChildLink::pair().unwrap();
        child.set_nonblocking(true).unwrap();
        let mut fill = || {
            let mut bytes = 0;
            while let Ok(written) = child.write(&[b'x'; 512]) {
                bytes += written;
            }
            bytes
        };
        assert!(fill() > MAX_READ_BYTES);
        for _ in 0..3 {
            link.read_available().unwrap();
            let said_meanwhile = fill();
            assert!((1..=MAX_READ_BYTES).contains(&said_meanwhile));
        }
        report_failure(&child, "").unwrap_err();
        drop(child);
        link.read_rest().unwrap();
        assert!(link.has_ended());
    }

    #[test]
    fn the_last_words_of_a_child_are_no_controls_of_a_terminal() {
        let (mut link, child) = ChildLink::pair().unwrap();
        report_failure(&child, "\x1b]0;title\x07\nready").unwrap();
        drop(child);
        link.read_available().unwrap();
        let said = link.failure().unwrap();
        assert!(!said.contains(char::is_control), "{said:?}");
    }

    #[test]
    fn a_failure_is_bounded_and_never_taken_for_readiness() {
        let (mut link, child) = ChildLink::pair().unwrap();
        report_failure(&child, &"R".repeat(100_000)).unwrap();
        drop(child);
        link.read_available().unwrap();
        assert!(!link.is_ready());
        assert_eq!(link.failure().unwrap().len(), MAX_FAILURE_BYTES);
    }
}
