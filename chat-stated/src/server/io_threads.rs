//! The I/O threads and the hashing threads, which wait so that the loop does not.

use std::num::NonZeroUsize;

use anyhow::Context;

use super::completion::{Completion, CompletionQueue};
use super::recovery::Recovered;
use crate::account_file::writer::AccountFileWriter;
use crate::checkpoint::{Checkpoint, CheckpointWriter, TextRequest, start_text_reader};
use crate::core::{Action, Core, HistoryStart, LinkId};
use crate::disk_reserve::ReserveRequest;
use crate::entry::Batch;
use crate::history::{HistoryRequest, start_history};
use crate::io_thread::IoThread;
use crate::journal::{Journal, LogIndex};
use crate::passwords::pool::{PasswordPool, PoolSettings};
use crate::settings::{Settings, disk_reserve, hashing_cost, on_insecure_permissions};
use crate::state::State;

/// Performs the actions of the core that take time.
pub(super) struct IoThreads {
    journal: Box<dyn Journal>,
    checkpoints: CheckpointWriter,
    texts: IoThread<TextRequest>,
    history: IoThread<HistoryRequest>,
    passwords: PasswordPool,
    account_file: AccountFileWriter,
    reserve: IoThread<ReserveRequest>,
}

impl IoThreads {
    /// Starts the threads on the recovered files. Returns the rest: the state, the index of its last batch, and what
    /// was found of the history.
    pub(super) fn start(
        recovered: Recovered,
        settings: &Settings,
        hashing_threads: NonZeroUsize,
        completion_queue: &CompletionQueue,
    ) -> anyhow::Result<(Self, State, LogIndex, HistoryStart)> {
        let queue = completion_queue;
        let journal = recovered
            .journal
            .start(Box::new(queue.sink(Completion::Journal)))
            .context("cannot start the journal's thread")?;
        let texts = start_text_reader(
            recovered.checkpoint.reader()?,
            Box::new(queue.sink(Completion::Texts)),
        )
        .context("cannot start the thread that reads texts")?;
        let checkpoints = CheckpointWriter::start(
            recovered.checkpoint,
            Box::new(queue.sink(Completion::Checkpoint)),
        )
        .context("cannot start the checkpoint's thread")?;
        let history_dir = recovered.history.dir().to_owned();
        let (store, history_start) = recovered.history.begin(settings.direct_history);
        let history = start_history(
            history_dir,
            store,
            Box::new(queue.sink(Completion::History)),
        )
        .context("cannot start the thread of the history")?;
        let passwords = PasswordPool::start(
            PoolSettings {
                threads: hashing_threads,
                cost: hashing_cost(settings)?,
                ..PoolSettings::default()
            },
            Box::new(queue.sink(Completion::Password)),
        )
        .context("cannot start the threads that hash passwords")?;
        let account_file = AccountFileWriter::start(
            settings.account_file(),
            on_insecure_permissions(settings),
            Box::new(queue.sink(Completion::AccountFile)),
        )
        .context("cannot start the account file's thread")?;
        let reserve = disk_reserve(settings)
            .start_thread(Box::new(queue.sink(Completion::Reserve)))
            .context("cannot start the thread of the disk reserve")?;
        let io_threads = Self {
            journal: Box::new(journal),
            checkpoints,
            texts,
            history,
            passwords,
            account_file,
            reserve,
        };
        let (state, position) = (recovered.state, recovered.position);
        Ok((io_threads, state, position, history_start))
    }

    /// Puts a batch into the journal.
    pub(super) fn submit(&mut self, batch: Batch) {
        self.journal.submit(batch);
    }

    /// Starts an action. Returns the connection to close, if the action is to close one.
    pub(super) fn perform(&mut self, action: Action, core: &mut Core) -> Option<LinkId> {
        match action {
            Action::Submit(batch) => self.journal.submit(batch),
            Action::Hash {
                ticket,
                source,
                job,
            } => {
                let refused = match self.passwords.submit(source, ticket, job) {
                    Ok(None) => return None,
                    Ok(Some(pushed_out)) => pushed_out,
                    Err(_) => ticket,
                };
                log::warn!("too many passwords wait to be hashed: refused one");
                core.password_refused(refused);
            }
            Action::CancelHash { ticket } => {
                self.passwords.cancel(ticket);
            }
            Action::File(request) => {
                if let Err(refused) = self.account_file.submit(request) {
                    core.lines_refused(refused.ticket);
                }
            }
            Action::Checkpoint { position, records } => self.checkpoints.write(Checkpoint {
                position,
                changes: records,
            }),
            Action::ReadTexts { ticket, places } => self.texts.send(TextRequest { ticket, places }),
            Action::History(request) => self.history.send(request),
            Action::ForgetJournal(position) => self.journal.forget_through(position),
            Action::GiveUpReserve => self.reserve.send(ReserveRequest::GiveUp),
            Action::TakeReserve => self.reserve.send(ReserveRequest::Take),
            Action::CloseLink(link) => return Some(link),
        }
        None
    }
}
