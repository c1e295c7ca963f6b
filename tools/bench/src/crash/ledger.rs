//! What became of each message to one audience, and whether the promises were kept.

mod order;
#[cfg(test)]
mod tests;

use super::counts::{Counts, MAX_FINDINGS};
pub use super::reading::MayRepeat;
use super::reading::{Reading, Receipt};

/// What the sender knows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unanswered,
    Acknowledged,
    Refused,
}

/// No account.
const NOBODY: u32 = u32::MAX;

/// Where a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whose it is.
    pub account: u32,
    /// Messages of one stream are stored in the order in which they were sent, answered or not. Of several streams of
    /// an account that is so only of messages that were acknowledged before the next stream began.
    pub stream: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    origin: Origin,
    fate: Fate,
    is_asked_again: bool,
    /// Its number in the line of a reader with `ids on`.
    number: Option<u64>,
    is_received: bool,
}

/// The messages to one audience, numbered from 0 as they were sent, and those who read them.
#[derive(Debug)]
pub struct Ledger {
    entries: Vec<Entry>,
    readings: Vec<Reading>,
    counts: Counts,
    findings: Vec<String>,
}

/// What is left of a ledger in the end.
#[derive(Debug)]
pub struct Closed {
    /// The counts.
    pub counts: Counts,
    /// The first findings in words.
    pub findings: Vec<String>,
    /// The numbers of the messages, as far as they are known.
    pub numbers: Vec<u64>,
}

impl Ledger {
    /// An audience with a reader of each of these accounts.
    pub fn new(accounts: impl IntoIterator<Item = u32>) -> Self {
        Self {
            entries: Vec::new(),
            readings: accounts.into_iter().map(Reading::new).collect(),
            counts: Counts::default(),
            findings: Vec::new(),
        }
    }

    /// A sender writes one more; its sequence number.
    pub fn ask(&mut self, origin: Origin) -> u32 {
        self.entries.push(Entry {
            origin,
            fate: Fate::Unanswered,
            is_asked_again: false,
            number: None,
            is_received: false,
        });
        self.counts.asked += 1;
        // A run of four thousand million messages to one audience is out of reach.
        (self.entries.len() - 1) as u32
    }

    /// The sender writes the same line again, since its connection broke before the answer.
    pub fn ask_again(&mut self, sequence: u32) {
        self.counts.asked_again += 1;
        self.entries[sequence as usize].is_asked_again = true;
    }

    /// The sender was told `sent:`.
    pub fn acknowledge(&mut self, sequence: u32) {
        self.counts.acknowledged += 1;
        self.entries[sequence as usize].fate = Fate::Acknowledged;
    }

    /// The sender was told that nothing was done. If the server could not do anything with that line, an earlier one
    /// with the same message may have been stored.
    pub fn refuse(&mut self, sequence: u32, is_temporary: bool) {
        let entry = &mut self.entries[sequence as usize];
        if !(is_temporary && entry.is_asked_again) {
            self.counts.refused += 1;
            entry.fate = Fate::Refused;
        }
    }

    /// A reader that nobody's messages are kept from: the history.
    pub fn add_reader(&mut self) -> usize {
        self.readings.push(Reading::new(NOBODY));
        self.readings.len() - 1
    }

    /// A session of this reader begins.
    pub fn begin_session(&mut self, reader: usize, may_repeat: MayRepeat) {
        self.readings[reader].begin_session(may_repeat);
    }

    /// The reader has confirmed this message and all before it.
    pub fn confirm(&mut self, reader: usize, sequence: u32) {
        self.readings[reader].confirm(sequence);
    }

    /// Whether the last message that was sent is still to be received by this reader.
    pub fn is_last_awaited(&self, reader: usize) -> bool {
        let last = self.entries.len().checked_sub(1);
        last.is_some_and(|last| !self.readings[reader].has(last as u32))
    }

    /// What waited at the login has come.
    pub fn caught_up(&mut self, reader: usize) {
        self.end_repeats(reader);
    }

    /// The reader received a message; `number` is what stands in the line with `ids on`.
    pub fn receive(&mut self, reader: usize, sequence: u32, number: Option<u64>) {
        let Some(entry) = self.entries.get_mut(sequence as usize) else {
            return self.receive_foreign("a message that was not sent yet");
        };
        let reading = &mut self.readings[reader];
        if entry.origin.account == reading.account {
            return self.receive_foreign("a message of its own");
        }
        if let Some(number) = number {
            let known = *entry.number.get_or_insert(number);
            if known != number {
                self.counts.doubled += 1;
                let finding = format!("message {sequence} has the numbers {known} and {number}");
                return self.find(finding);
            }
        }
        match reading.receive(sequence) {
            Receipt::First => {
                self.counts.received += u64::from(!entry.is_received);
                self.counts.delivered += 1;
                entry.is_received = true;
                self.end_repeats(reader);
            }
            Receipt::Repeated => self.counts.repeated += 1,
            Receipt::Doubled(repeats) => {
                let (session, last) = (reading.sessions, reading.order().last().copied());
                self.counts.doubled += 1;
                self.find(format!(
                    "message {sequence} came again to reader {reader}, number {number:?} (repeats: {repeats:?}, \
                     session {session}, last {last:?})"
                ));
            }
        }
    }

    /// A reader received a text that nobody sent to it.
    pub fn receive_foreign(&mut self, what: &str) {
        self.counts.foreign += 1;
        self.find(format!("the reader was sent {what}"));
    }

    /// Whether every reader has what was acknowledged.
    pub fn is_complete(&self) -> bool {
        let is_missing = |(sequence, entry): (u32, &Entry)| {
            entry.fate == Fate::Acknowledged && self.missing(sequence, entry) > 0
        };
        !(0..).zip(&self.entries).any(is_missing)
    }

    /// All that can come has come.
    pub fn close(mut self) -> Closed {
        for (sequence, entry) in (0..).zip(self.entries.clone()) {
            match (entry.fate, entry.is_received) {
                (Fate::Refused, true) => {
                    self.counts.doubled += 1;
                    self.find(format!("message {sequence} was refused and came"));
                }
                (Fate::Unanswered, true) => self.counts.unanswered_received += 1,
                (Fate::Unanswered, false) => self.counts.unanswered_gone += 1,
                (Fate::Acknowledged, _) | (Fate::Refused, false) => {}
            }
            // A message that was stored is for everybody, whatever its sender knows of it.
            let is_stored = entry.fate == Fate::Acknowledged || entry.is_received;
            let missing = self.missing(sequence, &entry);
            if is_stored && missing > 0 {
                self.counts.lost += missing;
                self.find(format!(
                    "message {sequence} is lost to {missing} readers ({:?})",
                    entry.fate
                ));
            }
        }
        let order = order::check(&self.entries, &self.readings);
        self.counts.doubled += order.doubled;
        self.counts.out_of_order += order.out_of_order;
        for finding in order.findings {
            self.find(finding);
        }
        let numbers = self.entries.iter().filter_map(|entry| entry.number);
        Closed {
            numbers: numbers.collect(),
            counts: self.counts,
            findings: self.findings,
        }
    }

    /// How many readers a message has not come to.
    fn missing(&self, sequence: u32, entry: &Entry) -> u64 {
        let readings = self.readings.iter();
        let is_missing =
            |reading: &&Reading| reading.account != entry.origin.account && !reading.has(sequence);
        readings.filter(is_missing).count() as u64
    }

    /// Nothing more may be repeated; what began to be has to have been repeated to its end.
    fn end_repeats(&mut self, reader: usize) {
        if let Some(next) = self.readings[reader].end_repeats() {
            self.counts.out_of_order += 1;
            self.find(format!("earlier messages came again, but not {next}"));
        }
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}
