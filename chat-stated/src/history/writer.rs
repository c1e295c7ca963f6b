//! The I/O thread of the history: writes what is to be kept, and reads what is asked.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use chat_model::{HistorySpan, MessageNumber};
use chat_node::crash_point;

use super::{Forgotten, Found, Gap, HistoryReader, HistoryStore, Retention, Scope, Sweep, Words};
use crate::database::{NamedFiles, NoRoom, StorageError};
use crate::io_thread::{CompletionSink, IoThread};
use crate::state::KeptMessage;

/// Messages wait so long for others to be written with. Each write has a sync.
const GATHERING_TIME: Duration = Duration::from_millis(200);
/// Messages of so many bytes are written at once.
const WRITTEN_AT_ONCE_BYTES: usize = 1024 * 1024;
/// While the disk has no space, messages of so many bytes wait in memory. More of them become a gap.
pub const PAUSED_BYTES: usize = 16 * 1024 * 1024;
/// How long what the disk had no space for waits to be tried again.
const RETRY_TIME: Duration = Duration::from_secs(1);

/// What the history is asked for.
#[derive(Debug)]
pub enum HistoryRequest {
    /// Keep messages. Their numbers rise from one request to the next.
    Keep(Vec<KeptMessage>),
    /// Answer a question once all before it is written.
    Ask {
        /// Names the question.
        ticket: u64,
        /// What it is.
        question: Question,
    },
    /// Delete all that has not to stay.
    Retain(Retention),
    /// Delete what has to stay no longer. All of it was to be kept before.
    Forget(Vec<Forgotten>),
    /// Wait no longer for space: what waits becomes a gap.
    GiveUpWaiting,
}

/// A question of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// A page of a conversation or of a room.
    Page {
        /// Whose.
        scope: Scope,
        /// Where it begins.
        span: HistorySpan,
        /// Messages at most.
        count: usize,
    },
    /// The newest messages with some words.
    Search {
        /// Among which.
        scope: Scope,
        /// The words.
        words: Words,
        /// Messages at most.
        count: usize,
    },
}

/// What comes of it.
#[derive(Debug)]
pub enum HistoryEvent {
    /// What was to be kept up to here is durable, or in a gap that was told.
    Settled {
        /// The last message.
        through: MessageNumber,
        /// Bytes of messages that wait no longer, as [`KeptMessage::bytes`] counts them.
        bytes: usize,
        /// Messages in the history.
        rows: u64,
        /// Bytes of its file that hold something.
        file_bytes: u64,
    },
    /// The disk has no space; it is tried again, and told when there is some (`None`).
    Paused(Option<NoRoom>),
    /// The history lacks these messages.
    Gap(Gap),
    /// A question was answered.
    Answered {
        /// Names the question.
        ticket: u64,
        /// Nothing if the history cannot be read.
        found: Option<Found>,
    },
    /// The history cannot be written, or read. Nothing more is kept.
    Failed {
        /// What was tried and what went wrong, for people.
        error: String,
    },
}

/// Starts the thread on a history, or on a state directory where one is made for the first message. One thread is
/// enough: a question waits for what is to be written before it, and takes 200 ms at most.
pub fn start_history(
    dir: PathBuf,
    store: Option<HistoryStore>,
    sink: CompletionSink<HistoryEvent>,
) -> anyhow::Result<IoThread<HistoryRequest>> {
    let mut writer = Writer {
        dir,
        store: None,
        has_failed: false,
        reader: None,
        sink,
        retention: Retention::default(),
        pending: Vec::new(),
        pending_bytes: 0,
        gap: None,
        is_paused: false,
        act_at: None,
        sweeps: VecDeque::new(),
    };
    if let Some(store) = store {
        writer.open(store)?;
    }
    Ok(IoThread::start("history", move |requests| {
        writer.run(&requests)
    })?)
}

struct Writer {
    dir: PathBuf,
    /// None until there is something to be kept, and once it has failed.
    store: Option<(HistoryStore, NamedFiles)>,
    has_failed: bool,
    reader: Option<HistoryReader>,
    sink: CompletionSink<HistoryEvent>,
    pending: Vec<KeptMessage>,
    pending_bytes: usize,
    /// What is lacking and not written down yet.
    gap: Option<Gap>,
    /// The disk has no space.
    is_paused: bool,
    /// When what waits is to be written.
    act_at: Option<Instant>,
    /// What has to stay, and the passes that delete the rest.
    retention: Retention,
    sweeps: VecDeque<Sweep>,
}

impl Writer {
    fn open(&mut self, store: HistoryStore) -> Result<(), StorageError> {
        self.reader = Some(store.reader()?);
        let files = store.named_files()?;
        self.store = Some((store, files));
        Ok(())
    }

    fn make(&mut self) -> Result<(), StorageError> {
        let store = HistoryStore::create(&self.dir, MessageNumber(0))?;
        self.open(store)
    }

    fn run(&mut self, requests: &Receiver<HistoryRequest>) {
        loop {
            let request = match self.wait_time() {
                Some(time) => requests.recv_timeout(time),
                None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match request {
                Ok(request) => self.take(request),
                Err(RecvTimeoutError::Timeout) => self.act(),
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
        }
    }

    fn end(&mut self) {
        self.write();
        if let Some((store, _)) = &self.store
            && let Err(error) = store.database().write_back_whole_wal()
        {
            log::warn!("{error}. The next start takes longer");
        }
    }

    fn wait_time(&self) -> Option<Duration> {
        if !self.sweeps.is_empty() && !self.is_paused {
            return Some(Duration::ZERO);
        }
        let act_at = self.act_at?;
        Some(act_at.saturating_duration_since(Instant::now()))
    }

    fn take(&mut self, request: HistoryRequest) {
        match request {
            HistoryRequest::Keep(messages) => self.keep(messages),
            HistoryRequest::Ask { ticket, question } => {
                self.write_unless_paused();
                self.answer(ticket, question);
            }
            HistoryRequest::Retain(retention) => self.retain(retention),
            HistoryRequest::Forget(forgotten) => self.forget(forgotten),
            HistoryRequest::GiveUpWaiting => {
                if self.is_paused {
                    self.give_up();
                }
            }
        }
        if self.act_at.is_some_and(|at| at <= Instant::now()) {
            self.act();
        }
    }

    fn answer(&mut self, ticket: u64, question: Question) {
        let reader = self.reader.as_ref();
        let found = reader.map(|reader| match question {
            Question::Page { scope, span, count } => reader.page(&scope, span, count),
            Question::Search {
                scope,
                words,
                count,
            } => reader.search(&scope, &words, count),
        });
        let found = found.transpose().unwrap_or_else(|error| {
            (self.sink)(HistoryEvent::Failed {
                error: error.to_string(),
            });
            None
        });
        (self.sink)(HistoryEvent::Answered { ticket, found });
    }

    fn keep(&mut self, messages: Vec<KeptMessage>) {
        if self.has_failed {
            return;
        }
        self.pending_bytes += messages.iter().map(KeptMessage::bytes).sum::<usize>();
        self.pending.extend(messages);
        if !self.is_paused && self.pending_bytes >= WRITTEN_AT_ONCE_BYTES {
            return self.write();
        }
        if self.is_paused && (self.gap.is_some() || self.pending_bytes > PAUSED_BYTES) {
            return self.give_up();
        }
        if self.act_at.is_none() {
            self.act_at = Some(Instant::now() + GATHERING_TIME);
        }
    }

    /// The time has come to write, or nothing else is to be done.
    fn act(&mut self) {
        let has_waited = self.act_at.is_some_and(|at| at <= Instant::now());
        if has_waited {
            return self.write();
        }
        if let (Some(sweep), Some((store, _))) = (self.sweeps.pop_front(), &mut self.store) {
            match store.delete_old(sweep, &self.retention) {
                Ok(Some(left)) => self.sweeps.push_front(left),
                Ok(None) if self.sweeps.is_empty() => self.settle(0),
                Ok(None) => {}
                Err(error) => {
                    self.sweeps.push_front(sweep);
                    self.failed(error);
                }
            }
        }
    }

    fn retain(&mut self, retention: Retention) {
        self.write_unless_paused();
        self.retention = retention;
        let store = self.store.as_ref();
        match store.map(|(store, _)| store.sweeps(&self.retention)) {
            Some(Ok(sweeps)) => self.sweeps = sweeps.into(),
            Some(Err(error)) => self.failed(error),
            None => {}
        }
    }

    /// What is to be deleted, or asked for, may wait to be written.
    fn write_unless_paused(&mut self) {
        if !self.is_paused {
            self.write();
        }
    }

    fn forget(&mut self, forgotten: Vec<Forgotten>) {
        self.write_unless_paused();
        for forgotten in forgotten {
            self.retention.forget(&forgotten);
            if self.store.is_some() {
                self.sweeps.push_back(forgotten.into());
            }
        }
    }

    /// Writes what waits.
    fn write(&mut self) {
        self.act_at = None;
        if self.has_failed || self.pending.is_empty() && self.gap.is_none() {
            return;
        }
        match self.append() {
            Ok(()) => {
                self.gap = None;
                self.pending.clear();
                if std::mem::take(&mut self.is_paused) {
                    (self.sink)(HistoryEvent::Paused(None));
                }
                let bytes = std::mem::take(&mut self.pending_bytes);
                self.settle(bytes);
            }
            Err(error) => self.failed(error),
        }
    }

    fn append(&mut self) -> Result<(), StorageError> {
        if self.store.is_none() {
            self.make()?;
        }
        let Some((store, files)) = &mut self.store else {
            return Ok(());
        };
        files.check()?;
        crash_point::reach("state:before-history");
        store.append(self.gap, &self.pending)?;
        crash_point::reach("state:after-history");
        Ok(())
    }

    fn failed(&mut self, error: StorageError) {
        if let Some(cause) = error.no_room() {
            self.act_at = Some(Instant::now() + RETRY_TIME);
            if !std::mem::replace(&mut self.is_paused, true) {
                log::error!("{error}. The history waits for space");
                (self.sink)(HistoryEvent::Paused(Some(cause)));
            }
            return;
        }
        self.has_failed = true;
        if let Some((store, _)) = self.store.take() {
            store.note_failure(&error);
        }
        self.act_at = None;
        self.sweeps = VecDeque::new();
        self.pending = Vec::new();
        (self.sink)(HistoryEvent::Failed {
            error: error.to_string(),
        });
    }

    /// Has what waits become a gap, so that nobody else waits.
    fn give_up(&mut self) {
        let (Some(first), Some(last)) = (self.pending.first(), self.pending.last()) else {
            return;
        };
        let first = self.gap.map_or(first.number, |gap| gap.first);
        let gap = Gap {
            first,
            last: last.number,
        };
        self.gap = Some(gap);
        self.pending = Vec::new();
        (self.sink)(HistoryEvent::Gap(gap));
        let bytes = std::mem::take(&mut self.pending_bytes);
        self.settle(bytes);
    }

    fn settle(&mut self, bytes: usize) {
        let store = self.store.as_ref().map(|(store, _)| store);
        let through = store.map(HistoryStore::through);
        let Some(through) = self.gap.map(|gap| gap.last).or(through) else {
            return;
        };
        let settled = HistoryEvent::Settled {
            through,
            bytes,
            rows: store.map_or(0, HistoryStore::rows),
            file_bytes: store.map_or(0, |store| store.used_bytes().unwrap_or_default()),
        };
        (self.sink)(settled);
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
