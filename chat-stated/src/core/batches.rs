//! Entries on their way to the journal, and the questions that must not overtake them.

use std::collections::VecDeque;

use chat_model::{ConnectionSerial, Request, StreamOffset, WorkerSessionId};

use super::{Action, Core, LinkId};
use crate::entry::{Action as Attempt, Batch, Entry, OperatorAct};
use crate::journal::LogIndex;

/// A batch is closed once it has so many entries.
const MAX_BATCH_ENTRIES: usize = 8_192;
/// A batch is closed once its entries hold about so much.
const MAX_BATCH_BYTES: usize = 1024 * 1024;
/// While more than this waits for the journal, workers are not read.
const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;
/// A batch of fewer attempts is small: its commit costs more than what is in it.
const SMALL_BATCH_ATTEMPTS: usize = 64;
/// How long a small batch waits at most for what the answers before it bring about.
const PAUSE_MS: u64 = 1;

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
    attempts: usize,
    reads: Reads,
}

/// Whether a small batch waits. Clients that were answered send again at once, so one turn later the batch is larger,
/// and there are fewer commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pause {
    #[default]
    No,
    /// From the end of this turn on.
    Due,
    /// Until the end of the next turn.
    Underway,
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
    pause: Pause,
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
            batch.attempts += entry.attempts();
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
        let tells_of_accounts = |entry: &Entry| entry.of_account_file().is_some();
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
        let attempts = entries.iter().map(Entry::attempts).sum();
        self.waiting_bytes += bytes;
        self.held_until_ms = Some(held_until_ms);
        self.waiting.push_front(Waiting {
            sequence,
            entries,
            bytes,
            attempts,
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

    /// Whether the answers to so many attempts bring about more than the small batch that waits.
    fn is_worth_a_pause(&self, answers: usize, few_answers: usize) -> bool {
        let is_small = |batch: &Waiting| batch.attempts < SMALL_BATCH_ATTEMPTS;
        answers > few_answers && self.waiting.len() == 1 && self.waiting.iter().all(is_small)
    }

    /// Whether nothing is submitted at the end of this turn. A pause lasts until the end of the next one.
    fn pauses(&mut self) -> bool {
        self.pause = match self.pause {
            Pause::Due => Pause::Underway,
            Pause::No | Pause::Underway => Pause::No,
        };
        self.pause == Pause::Underway
    }

    /// When a small batch has waited long enough, even if nothing comes in.
    pub(super) fn pause_ends_ms(&self, now_ms: u64) -> Option<u64> {
        (self.pause == Pause::Underway).then_some(now_ms + PAUSE_MS)
    }

    /// The number of the batch that the journal had first, and its questions.
    pub(super) fn take_decided(&mut self) -> Option<(u64, Reads)> {
        self.committed.take().or_else(|| self.in_flight.take())
    }
}

impl Core {
    /// Whether so much waits for the journal or the checkpoint that workers should not be read for now.
    pub fn is_full(&self) -> bool {
        self.batches.is_full() || self.has_too_many_texts() || self.history.is_behind()
    }

    pub(super) fn submit_ready_batch(&mut self) {
        if self.batches.pauses() {
            return;
        }
        if let Some(entries) = self.batches.take_ready(self.timestamp.boot_ms) {
            self.actions.push(Action::Submit(Batch {
                timestamp: self.timestamp,
                origin: None,
                entries,
            }));
        }
    }

    /// A batch is durable and about to be given to [`Core::committed`]: the next one, so that the journal need not wait
    /// until this one is applied. None if a pause is worth more.
    pub fn next_batch(&mut self, committed: &Batch) -> Option<Batch> {
        let answers = committed.attempts() as usize;
        let few_answers = self.settings.few_answers;
        let batches = &mut self.batches;
        if batches.committed.is_none() {
            batches.committed = batches.in_flight.take();
        }
        if batches.is_worth_a_pause(answers, few_answers) {
            return None;
        }
        let entries = batches.take_ready(self.timestamp.boot_ms)?;
        let timestamp = self.timestamp;
        Some(Batch {
            timestamp,
            origin: None,
            entries,
        })
    }

    /// A batch is durable: applies its entries, and answers.
    pub fn committed(&mut self, position: LogIndex, batch: Batch, bytes: usize) {
        let attempts = batch.attempts();
        let mut reads = self
            .batches
            .take_decided()
            .map_or_else(Reads::new, |(_, reads)| reads);
        self.begin_batch(position, &batch, bytes);
        let wall_ms = batch.timestamp.wall_ms;
        let mut entries = batch.entries;
        for (index, entry) in entries.drain(..).enumerate() {
            self.answer_reads_before(&mut reads, index);
            self.state.apply(entry, wall_ms, &mut self.effects);
            self.tell_decisions();
        }
        self.batches.spare = entries;
        self.keep_messages();
        self.answer_reads_before(&mut reads, usize::MAX);
        self.tell_operated();
        self.end_batch();
        let few_answers = self.settings.few_answers;
        if self.batches.in_flight.is_none()
            && self
                .batches
                .is_worth_a_pause(attempts as usize, few_answers)
        {
            self.batches.pause = Pause::Due;
        }
    }

    /// A batch that this process did not submit is durable: applies its entries. What they decide is answered where
    /// they come from, and no question of a worker waits for them.
    pub fn committed_elsewhere(&mut self, position: LogIndex, batch: Batch, bytes: usize) {
        self.begin_batch(position, &batch, bytes);
        let wall_ms = batch.timestamp.wall_ms;
        for entry in batch.entries {
            self.state.apply(entry, wall_ms, &mut self.effects);
        }
        self.effects.decided.clear();
        self.effects.block_began = None;
        // A ticket names a question only in the process that journalled it.
        self.effects.operated.clear();
        self.keep_messages();
        self.end_batch();
    }

    fn begin_batch(&mut self, position: LogIndex, batch: &Batch, bytes: usize) {
        let attempts = batch.attempts();
        self.checkpoints.count(position, bytes as u64, attempts);
        self.state
            .advance_clock(&batch.timestamp, batch.host(), &mut self.effects);
    }

    fn end_batch(&mut self) {
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
                    Attempt::Send { audience, text } | Attempt::SendOnce { audience, text, .. } => {
                        audience.bytes() + text.len()
                    }
                    Attempt::ChangeRoom { act, .. } => SMALL + act.bytes(),
                    _ => SMALL,
                }
        }
        Entry::SendBatch(sends) => SMALL + sends.lines.len() * SMALL / 4 + sends.lines.bytes(),
        Entry::ChangeAccounts(changes)
        | Entry::Operate {
            act: OperatorAct::TakeAccountFile(changes),
            ..
        } => changes.len() * 4 * SMALL,
        Entry::Operate {
            act: OperatorAct::Announce { text, .. },
            ..
        } => SMALL + text.len(),
        Entry::FileStatus(secrets) => SMALL + secrets.len() * 8,
        _ => SMALL,
    }
}
