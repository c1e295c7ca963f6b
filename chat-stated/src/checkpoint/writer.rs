//! The I/O thread that writes checkpoints, slice by slice.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::format::Header;
use super::store::{CheckpointStore, SliceLimits, Superseded};
use super::{Change, Checkpoint, CheckpointEvent};
use crate::database::StorageError;
use crate::io_thread::{CompletionSink, IoThread};
use crate::text_page::Content;

/// Pause before the next try while a backup reads the file.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// The thread that writes checkpoints. When it is dropped, a checkpoint that is not written yet is given up.
#[derive(Debug)]
pub struct CheckpointWriter {
    is_ending: Arc<AtomicBool>,
    thread: IoThread<Checkpoint>,
}

impl CheckpointWriter {
    /// Starts the thread. What comes of checkpoints goes to `sink`.
    pub fn start(
        store: CheckpointStore,
        sink: CompletionSink<CheckpointEvent>,
    ) -> io::Result<Self> {
        let is_ending = Arc::new(AtomicBool::new(false));
        let mut work = WriterThread {
            store,
            sink,
            is_ending: is_ending.clone(),
        };
        let thread = IoThread::start("checkpoint", move |checkpoints| {
            work.run_to_end(&checkpoints)
        })?;
        Ok(Self { is_ending, thread })
    }

    /// Has a checkpoint written. Give no other before the event of this one.
    pub fn write(&mut self, checkpoint: Checkpoint) {
        self.thread.send(checkpoint);
    }
}

impl Drop for CheckpointWriter {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }
}

struct WriterThread {
    store: CheckpointStore,
    sink: CompletionSink<CheckpointEvent>,
    is_ending: Arc<AtomicBool>,
}

impl WriterThread {
    fn run_to_end(&mut self, checkpoints: &Receiver<Checkpoint>) {
        if let Err(error) = self.run(checkpoints) {
            self.store.database().note_failure(&error);
            (self.sink)(CheckpointEvent::Failed {
                error: error.to_string(),
            });
        }
    }

    fn run(&mut self, checkpoints: &Receiver<Checkpoint>) -> Result<(), StorageError> {
        self.tidy()?;
        while let Ok(checkpoint) = checkpoints.recv() {
            let mut writing = CheckpointWriting::new(&self.store, checkpoint);
            while !writing.is_done() {
                if self.is_ending.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let Some(event) = writing.step(&mut self.store)? else {
                    continue;
                };
                (self.sink)(event);
            }
            self.tidy()?;
        }
        Ok(())
    }

    /// Deletes leftovers and gives space back, as far as the disk has space for that.
    fn tidy(&mut self) -> Result<(), StorageError> {
        loop {
            let result = match self.store.sweep_slice() {
                Ok(false) => self.store.database().give_back_space(),
                result => result,
            };
            let has_more = match result {
                Err(error) if error.is_no_room() => false,
                result => result?,
            };
            if !has_more || self.is_ending.load(Ordering::Relaxed) {
                return self.store.database().write_back_wal();
            }
            self.store.database().write_back_long_wal()?;
        }
    }
}

/// A checkpoint on its way to the disk. Each step is one transaction; after any of them the process may die.
#[derive(Debug)]
pub(super) struct CheckpointWriting {
    checkpoint: Checkpoint,
    header: Header,
    superseded: Vec<Superseded>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The file names an older format. A program that knows only that one would report newer records as damage.
    RaiseFormat,
    /// Rows that an earlier attempt left have to go first: they would become current with this one.
    Sweep,
    Add {
        next: usize,
    },
    Activate,
    Delete {
        next: usize,
    },
    Done,
}

impl CheckpointWriting {
    pub(super) fn new(store: &CheckpointStore, checkpoint: Checkpoint) -> Self {
        let current = store.current();
        Self {
            header: Header {
                generation: current.generation + 1,
                position: checkpoint.position,
                ..current
            },
            checkpoint,
            superseded: Vec::new(),
            stage: match store.is_of_old_format() {
                true => Stage::RaiseFormat,
                false => Stage::Sweep,
            },
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Does one slice; returns what there is to tell.
    pub(super) fn step(
        &mut self,
        store: &mut CheckpointStore,
    ) -> Result<Option<CheckpointEvent>, StorageError> {
        let result = self.advance(store);
        let damaged_page = store.take_damaged_page();
        if let Some(cause) = result.as_ref().err().and_then(StorageError::no_room) {
            if let Err(error) = result {
                log::error!("{error}");
            }
            let is_current = matches!(self.stage, Stage::Delete { .. });
            let checkpoint = self.give_up(store);
            return Ok((!is_current).then_some(CheckpointEvent::NoRoom { checkpoint, cause }));
        }
        match (result, damaged_page) {
            (Err(error), Some(page)) => {
                log::error!("{error}. Until then its texts stay where they are");
                let checkpoint = self.give_up(store);
                Ok(Some(CheckpointEvent::DamagedTexts { page, checkpoint }))
            }
            (result, _) => {
                let event = result?;
                store.database().write_back_long_wal()?;
                Ok(event)
            }
        }
    }

    /// Gives the changes back; what was written of them is to be cleared away.
    fn give_up(&mut self, store: &mut CheckpointStore) -> Checkpoint {
        store.note_leftovers();
        self.stage = Stage::Done;
        Checkpoint {
            position: self.header.position,
            changes: std::mem::take(&mut self.checkpoint.changes),
        }
    }

    fn advance(
        &mut self,
        store: &mut CheckpointStore,
    ) -> Result<Option<CheckpointEvent>, StorageError> {
        match self.stage {
            Stage::RaiseFormat => {
                store.raise_format()?;
                match store.is_of_old_format() {
                    true => std::thread::sleep(BETWEEN_TRIES),
                    false => self.stage = Stage::Sweep,
                }
            }
            Stage::Sweep => {
                if !store.sweep_slice()? {
                    self.stage = Stage::Add { next: 0 };
                }
            }
            Stage::Add { next } => {
                let slice = slice_of(&self.checkpoint.changes[next..], store.limits());
                store.add_slice(slice, &mut self.header, &mut self.superseded)?;
                let next = next + slice.len();
                self.stage = if next < self.checkpoint.changes.len() {
                    Stage::Add { next }
                } else {
                    Stage::Activate
                };
            }
            Stage::Activate => {
                store.activate(self.header)?;
                self.checkpoint.changes = Vec::new();
                self.stage = Stage::Delete { next: 0 };
                return Ok(Some(CheckpointEvent::Written {
                    position: self.header.position,
                }));
            }
            Stage::Delete { next } => {
                let end = self.superseded.len().min(next + store.limits().changes);
                store.delete_slice(&self.superseded[next..end])?;
                self.stage = if end < self.superseded.len() {
                    Stage::Delete { next: end }
                } else {
                    Stage::Done
                };
            }
            Stage::Done => {}
        }
        Ok(None)
    }
}

/// The changes that go into the next transaction: at least one, if there are any.
fn slice_of(changes: &[Change], limits: SliceLimits) -> &[Change] {
    let mut bytes = 0;
    let fitting = changes
        .iter()
        .take(limits.changes)
        .take_while(|change| {
            let fits = bytes < limits.bytes;
            bytes += change.value.as_ref().map_or(0, Content::approximate_len);
            fits
        })
        .count();
    &changes[..fitting]
}
