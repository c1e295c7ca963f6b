//! The I/O threads of the history: one writes what is to be kept, one reads what is asked.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use chat_model::{HistorySpan, MessageNumber};

use super::{Found, Gap, HistoryReader, HistoryStore, Scope, Words};
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
    /// Delete what the server took before this time, in milliseconds since 1970-01-01T00:00:00Z.
    DeleteBefore(i64),
    /// Wait no longer for space: what waits becomes a gap.
    GiveUpWaiting,
}

/// A question of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// A page of a conversation.
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

/// Starts the threads. What comes of requests goes to `sink`, what comes of questions to `answers`.
pub fn start_history(
    store: HistoryStore,
    sink: CompletionSink<HistoryEvent>,
    answers: CompletionSink<HistoryEvent>,
) -> anyhow::Result<IoThread<HistoryRequest>> {
    let reader = store.reader()?;
    let files = store.named_files()?;
    let reader = start_reader(reader, answers)?;
    let mut writer = Writer {
        store: Some(store),
        files,
        reader,
        sink,
        pending: Vec::new(),
        pending_bytes: 0,
        gap: None,
        is_paused: false,
        act_at: None,
        delete_before_ms: None,
    };
    Ok(IoThread::start("history", move |requests| {
        writer.run(&requests)
    })?)
}

fn start_reader(
    reader: HistoryReader,
    mut sink: CompletionSink<HistoryEvent>,
) -> io::Result<IoThread<(u64, Question)>> {
    IoThread::start(
        "history-reader",
        move |questions: Receiver<(u64, Question)>| {
            for (ticket, question) in questions {
                let found = match question {
                    Question::Page { scope, span, count } => reader.page(&scope, span, count),
                    Question::Search {
                        scope,
                        words,
                        count,
                    } => reader.search(&scope, &words, count),
                };
                let found = found.map_err(|error| {
                    sink(HistoryEvent::Failed {
                        error: error.to_string(),
                    });
                });
                let found = found.ok();
                sink(HistoryEvent::Answered { ticket, found });
            }
        },
    )
}

struct Writer {
    /// None once it has failed.
    store: Option<HistoryStore>,
    files: NamedFiles,
    reader: IoThread<(u64, Question)>,
    sink: CompletionSink<HistoryEvent>,
    pending: Vec<KeptMessage>,
    pending_bytes: usize,
    /// What is lacking and not written down yet.
    gap: Option<Gap>,
    /// The disk has no space.
    is_paused: bool,
    /// When what waits is to be written.
    act_at: Option<Instant>,
    delete_before_ms: Option<i64>,
}

impl Writer {
    fn run(&mut self, requests: &Receiver<HistoryRequest>) {
        loop {
            let request = match self.wait_time() {
                Some(time) => requests.recv_timeout(time),
                None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match request {
                Ok(request) => self.take(request),
                Err(RecvTimeoutError::Timeout) => self.act(),
                Err(RecvTimeoutError::Disconnected) => return self.write(),
            }
        }
    }

    fn wait_time(&self) -> Option<Duration> {
        if self.delete_before_ms.is_some() && !self.is_paused {
            return Some(Duration::ZERO);
        }
        let act_at = self.act_at?;
        Some(act_at.saturating_duration_since(Instant::now()))
    }

    fn take(&mut self, request: HistoryRequest) {
        match request {
            HistoryRequest::Keep(messages) => self.keep(messages),
            HistoryRequest::Ask { ticket, question } => {
                if !self.is_paused {
                    self.write();
                }
                self.reader.send((ticket, question));
            }
            HistoryRequest::DeleteBefore(time_ms) => {
                self.delete_before_ms = self.store.is_some().then_some(time_ms);
            }
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

    fn keep(&mut self, messages: Vec<KeptMessage>) {
        if self.store.is_none() {
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
        if let (Some(time_ms), Some(store)) = (self.delete_before_ms, &mut self.store) {
            match store.delete_before(time_ms) {
                Ok(true) => {}
                Ok(false) => {
                    self.delete_before_ms = None;
                    self.settle(0);
                }
                Err(error) => self.failed(error),
            }
        }
    }

    /// Writes what waits.
    fn write(&mut self) {
        self.act_at = None;
        let Some(store) = &mut self.store else {
            return;
        };
        if self.pending.is_empty() && self.gap.is_none() {
            return;
        }
        let result = self
            .files
            .check()
            .and_then(|()| store.append(self.gap, &self.pending));
        match result {
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

    fn failed(&mut self, error: StorageError) {
        if let Some(cause) = error.no_room() {
            self.act_at = Some(Instant::now() + RETRY_TIME);
            if !std::mem::replace(&mut self.is_paused, true) {
                log::error!("{error}. The history waits for space");
                (self.sink)(HistoryEvent::Paused(Some(cause)));
            }
            return;
        }
        if let Some(store) = self.store.take() {
            store.note_failure(&error);
        }
        self.act_at = None;
        self.delete_before_ms = None;
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
        let Some(store) = &self.store else {
            return;
        };
        let settled = HistoryEvent::Settled {
            through: self.gap.map_or(store.through(), |gap| gap.last),
            bytes,
            rows: store.rows(),
            file_bytes: store.used_bytes().unwrap_or_default(),
        };
        (self.sink)(settled);
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
