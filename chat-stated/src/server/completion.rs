//! What the daemon's other threads report to its loop.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use mio::Waker;

use crate::account_file::writer::FileOutcome;
use crate::checkpoint::{CheckpointEvent, TextEvent};
use crate::disk_reserve::ReserveOutcome;
use crate::journal::JournalEvent;
use crate::passwords::pool::PasswordOutcome;

/// Work that another thread has done.
#[derive(Debug)]
pub(super) enum Completion {
    Journal(JournalEvent),
    Checkpoint(CheckpointEvent),
    Texts(TextEvent),
    Password(PasswordOutcome),
    AccountFile(FileOutcome),
    Reserve(ReserveOutcome),
}

/// Given to the threads: takes what they have done, and wakes the loop.
#[derive(Clone)]
pub(super) struct CompletionQueue {
    sender: Sender<Completion>,
    waker: Arc<Waker>,
}

impl CompletionQueue {
    pub(super) fn new(waker: Waker) -> (Self, Receiver<Completion>) {
        let (sender, receiver) = channel();
        let waker = Arc::new(waker);
        (Self { sender, waker }, receiver)
    }

    pub(super) fn report(&self, completion: Completion) {
        // The loop is gone only when the process ends; nobody is left then to be told.
        if self.sender.send(completion).is_ok()
            && let Err(error) = self.waker.wake()
        {
            log::error!("cannot wake the loop: {error}");
        }
    }
}
