//! Entries on their way to the journal, and the questions that must not overtake them.

use std::collections::VecDeque;

use chat_model::{ConnectionSerial, Request, StreamOffset, WorkerSessionId};

use super::{Action, Core, LinkId};
use crate::entry::{Action as Attempt, Batch, Entry};
use crate::journal::LogIndex;

/// A batch is closed once it has so many entries.
const MAX_BATCH_ENTRIES: usize = 8_192;
/// A batch is closed once its entries hold about so much.
const MAX_BATCH_BYTES: usize = 1024 * 1024;
/// While more than this waits for the journal, workers are not read.
const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;

/// A request that changes nothing, waiting for the entries before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WaitingRead {
    pub(super) link: LinkId,
    pub(super) serial: ConnectionSerial,
    pub(super) offset: StreamOffset,
    pub(super) read: Read,
}

/// A question about the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Of a client, who has to be logged in.
    Request(Request<'static>),
    /// What no client can have sent.
    Refuse,
    /// A request that found no room on the disk.
    Full,
    /// None: the worker of this worker session is to be told that the session has ended.
    End { worker_session: WorkerSessionId },
}

#[derive(Debug, Default)]
struct Waiting {
    sequence: u64,
    entries: Vec<Entry>,
    bytes: usize,
    reads: Reads,
}

/// Questions, each with the number of entries of the batch that come before it.
pub(super) type Reads = VecDeque<(usize, WaitingRead)>;

/// Batches that are being filled, and the one the journal has.
#[derive(Debug, Default)]
pub(super) struct Batches {
    last_sequence: u64,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    in_flight: Option<(u64, Reads)>,
    /// Durable, and about to be applied.
    committed: Option<(u64, Reads)>,
    /// Room for the entries of the next batch.
    spare: Vec<Entry>,
    /// The first of those that wait had no room on the disk, and is not tried again before this.
    held_until_ms: Option<u64>,
}

impl Batches {
    /// Adds an entry; gives the number of its batch.
    pub(super) fn push(&mut self, entry: Entry) -> u64 {
        let is_full = self.waiting.back().is_none_or(|batch| {
            batch.entries.len() >= MAX_BATCH_ENTRIES || batch.bytes >= MAX_BATCH_BYTES
        });
        if is_full {
            self.last_sequence += 1;
            self.waiting.push_back(Waiting {
                sequence: self.last_sequence,
                entries: std::mem::take(&mut self.spare),
                ..Waiting::default()
            });
        }
        let bytes = approximate_bytes(&entry);
        self.waiting_bytes += bytes;
        if let Some(batch) = self.waiting.back_mut() {
            batch.entries.push(entry);
            batch.bytes += bytes;
        }
        self.last_sequence
    }

    /// The number of the newest batch.
    pub(super) fn newest(&self) -> u64 {
        self.last_sequence
    }

    /// Whether a batch of this number is not decided yet.
    pub(super) fn is_undecided(&self, sequence: u64) -> bool {
        let with_the_journal = self.committed.as_ref().or(self.in_flight.as_ref());
        let first = with_the_journal.map(|(sequence, _)| *sequence);
        let first = first.or(self.waiting.front().map(|batch| batch.sequence));
        first.is_some_and(|first| sequence >= first)
    }

    /// Puts a question behind everything that is undecided. Gives the number of the batch with which it is
    /// answered: what the same client asks later must not be answered before that.
    pub(super) fn push_read(&mut self, read: WaitingRead) -> Option<u64> {
        if let Some(batch) = self.waiting.back_mut() {
            batch.reads.push_back((batch.entries.len(), read));
            return Some(batch.sequence);
        }
        let (sequence, reads) = self.in_flight.as_mut()?;
        reads.push_back((usize::MAX, read));
        Some(*sequence)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_none() && self.committed.is_none()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting_bytes >= MAX_WAITING_BYTES
    }

    /// Whether what waits has to wait for room on the disk, and tells nothing of accounts.
    pub(super) fn holds_but_small_things(&self) -> bool {
        let tells_of_accounts = |entry: &Entry| matches!(entry, Entry::ChangeAccounts(_));
        let mut entries = self.waiting.iter().flat_map(|batch| &batch.entries);
        self.held_until_ms.is_some() && !entries.any(tells_of_accounts)
    }

    pub(super) fn next_retry_ms(&self) -> Option<u64> {
        self.held_until_ms.filter(|until_ms| *until_ms < u64::MAX)
    }

    /// Lets go on what waits for room on the disk.
    pub(super) fn release(&mut self) {
        self.held_until_ms = None;
    }

    /// Puts entries that had no room, and the questions among them, in front of all that waits. Nothing goes on before
    /// that time.
    pub(super) fn put_back(
        &mut self,
        sequence: u64,
        entries: Vec<Entry>,
        reads: Reads,
        held_until_ms: u64,
    ) {
        let bytes = entries.iter().map(approximate_bytes).sum();
        self.waiting_bytes += bytes;
        self.held_until_ms = Some(held_until_ms);
        self.waiting.push_front(Waiting {
            sequence,
            entries,
            bytes,
            reads,
        });
    }

    fn take_ready(&mut self, now_ms: u64) -> Option<Vec<Entry>> {
        let is_held = self.held_until_ms.is_some_and(|until_ms| until_ms > now_ms);
        if self.in_flight.is_some() || is_held {
            return None;
        }
        self.held_until_ms = None;
        let batch = self.waiting.pop_front()?;
        self.waiting_bytes -= batch.bytes;
        self.in_flight = Some((batch.sequence, batch.reads));
        Some(batch.entries)
    }

    /// The number of the batch that the journal had first, and its questions.
    pub(super) fn take_decided(&mut self) -> Option<(u64, Reads)> {
        self.committed.take().or_else(|| self.in_flight.take())
    }
}

impl Core {
    /// Whether so much waits for the journal or the checkpoint that workers should not be read for now.
    pub fn is_full(&self) -> bool {
        self.batches.is_full() || self.has_too_many_texts()
    }

    pub(super) fn submit_ready_batch(&mut self) {
        if let Some(entries) = self.batches.take_ready(self.timestamp.boot_ms) {
            self.actions.push(Action::Submit(Batch {
                timestamp: self.timestamp,
                entries,
            }));
        }
    }

    /// A batch is durable and about to be given to [`Core::committed`]: the next one, so that the journal need not wait
    /// until this one is applied.
    pub fn next_batch(&mut self) -> Option<Batch> {
        let batches = &mut self.batches;
        if batches.committed.is_none() {
            batches.committed = batches.in_flight.take();
        }
        let entries = batches.take_ready(self.timestamp.boot_ms)?;
        let timestamp = self.timestamp;
        Some(Batch { timestamp, entries })
    }

    /// A batch is durable: applies its entries, and answers.
    pub fn committed(&mut self, position: LogIndex, batch: Batch, bytes: usize) {
        self.checkpoints
            .count(position, bytes as u64, batch.attempts());
        let mut reads = self
            .batches
            .take_decided()
            .map_or_else(Reads::new, |(_, reads)| reads);
        self.state.advance_clock(&batch.timestamp);
        let wall_ms = batch.timestamp.wall_ms;
        let mut entries = batch.entries;
        for (index, entry) in entries.drain(..).enumerate() {
            self.answer_reads_before(&mut reads, index);
            self.state.apply(entry, wall_ms, &mut self.effects);
            self.tell_decisions();
        }
        self.batches.spare = entries;
        self.answer_reads_before(&mut reads, usize::MAX);
        self.tell_worker_sessions_begun();
        self.tell_cut_off();
        self.dead_worker_sessions.forget_ended(&self.state);
    }

    fn answer_reads_before(&mut self, reads: &mut Reads, index: usize) {
        while reads.front().is_some_and(|(before, _)| *before <= index) {
            if let Some((_, read)) = reads.pop_front() {
                self.answer_read(read);
            }
        }
    }
}

/// What an entry takes in memory and in the journal, roughly; for limits only.
fn approximate_bytes(entry: &Entry) -> usize {
    const SMALL: usize = 64;
    match entry {
        Entry::Request { action, .. } => {
            SMALL
                + match action {
                    Attempt::Send { audience, text } => audience.bytes() + text.len(),
                    _ => SMALL,
                }
        }
        Entry::SendBatch(sends) => SMALL + sends.lines.len() * SMALL / 4 + sends.lines.bytes(),
        Entry::ChangeAccounts(changes) => changes.len() * 4 * SMALL,
        Entry::FileStatus(secrets) => SMALL + secrets.len() * 8,
        _ => SMALL,
    }
}
