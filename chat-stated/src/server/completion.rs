//! What I/O threads and hashing threads report to the loop.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use mio::Waker;

use crate::account_file::writer::FileOutcome;
use crate::checkpoint::{CheckpointEvent, TextEvent};
use crate::disk_reserve::ReserveOutcome;
use crate::history::HistoryEvent;
use crate::journal::JournalEvent;
use crate::passwords::pool::PasswordOutcome;

/// What a thread reports once it has served a request.
#[derive(Debug)]
pub(super) enum Completion {
    Journal(JournalEvent),
    Checkpoint(CheckpointEvent),
    Texts(TextEvent),
    History(HistoryEvent),
    Password(PasswordOutcome),
    AccountFile(FileOutcome),
    Reserve(ReserveOutcome),
}

/// The threads' end of the queue. A report wakes the loop.
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

    /// Reports the completions of one kind of thread.
    pub(super) fn sink<C: 'static>(
        &self,
        completion: fn(C) -> Completion,
    ) -> impl Fn(C) + Send + Sync + use<C> {
        let queue = self.clone();
        move |outcome| queue.report(completion(outcome))
    }

    fn report(&self, completion: Completion) {
        // Sending fails only when the process ends, because the loop is gone then.
        if self.sender.send(completion).is_ok()
            && let Err(error) = self.waker.wake()
        {
            log::error!("cannot wake the loop: {error}");
        }
    }
}
