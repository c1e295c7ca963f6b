//! The threads that wait for disks and hashes, so that the loop does not.

use std::num::NonZeroUsize;

use anyhow::Context;

use super::completion::{Completion, CompletionQueue};
use super::recovery::Recovered;
use crate::account_file::writer::AccountFileWriter;
use crate::checkpoint::{Checkpoint, CheckpointWriter, TextReader};
use crate::core::{Action, Core, FileRequest, LinkId};
use crate::disk_reserve::ReserveKeeper;
use crate::entry::Batch;
use crate::journal::{Journal, LogIndex};
use crate::passwords::pool::{PasswordPool, PoolSettings};
use crate::settings::Settings;
use crate::state::State;

/// Does what the core wants to have done outside.
pub(super) struct IoThreads {
    journal: Box<dyn Journal>,
    checkpoints: CheckpointWriter,
    texts: TextReader,
    passwords: PasswordPool,
    account_file: AccountFileWriter,
    reserve: ReserveKeeper,
}

impl IoThreads {
    /// Starts the threads; gives back what was recovered, but the files.
    pub(super) fn start(
        recovered: Recovered,
        settings: &Settings,
        hashing_threads: NonZeroUsize,
        completion_queue: &CompletionQueue,
    ) -> anyhow::Result<(Self, State, LogIndex)> {
        let report = completion_queue.clone();
        let journal = recovered
            .journal
            .start(Box::new(move |event| {
                report.report(Completion::Journal(event))
            }))
            .context("cannot start the journal's thread")?;
        let report = completion_queue.clone();
        let texts = TextReader::start(
            recovered.checkpoint.reader()?,
            Box::new(move |event| report.report(Completion::Texts(event))),
        )
        .context("cannot start the thread that reads texts")?;
        let report = completion_queue.clone();
        let checkpoints = CheckpointWriter::start(
            recovered.checkpoint,
            Box::new(move |event| report.report(Completion::Checkpoint(event))),
        )
        .context("cannot start the checkpoint's thread")?;
        let report = completion_queue.clone();
        let passwords = PasswordPool::start(
            PoolSettings {
                threads: hashing_threads,
                cost: settings.hashing_cost()?,
                ..PoolSettings::default()
            },
            Box::new(move |outcome| report.report(Completion::Password(outcome))),
        )
        .context("cannot start the threads that hash passwords")?;
        let report = completion_queue.clone();
        let account_file = AccountFileWriter::start(
            settings.account_file(),
            settings.on_exposure(),
            Box::new(move |outcome| report.report(Completion::AccountFile(outcome))),
        )
        .context("cannot start the account file's thread")?;
        let report = completion_queue.clone();
        let reserve = ReserveKeeper::start(
            settings.disk_reserve(),
            Box::new(move |outcome| report.report(Completion::Reserve(outcome))),
        )
        .context("cannot start the thread of the disk reserve")?;
        let io_threads = Self {
            journal: Box::new(journal),
            checkpoints,
            texts,
            passwords,
            account_file,
            reserve,
        };
        Ok((io_threads, recovered.state, recovered.position))
    }

    /// Puts a batch into the journal.
    pub(super) fn submit(&mut self, batch: Batch) {
        self.journal.submit(batch);
    }

    /// Begins what the core wants; gives back the connection it wants to have closed.
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
            Action::File(request) => self.use_account_file(request, core),
            Action::Checkpoint { position, records } => self.checkpoints.write(Checkpoint {
                position,
                changes: records,
            }),
            Action::ReadTexts { ticket, places } => self.texts.read(ticket, places),
            Action::ForgetJournal(position) => self.journal.forget_through(position),
            Action::GiveUpReserve => self.reserve.give_up(),
            Action::TakeReserve => self.reserve.take(),
            Action::CloseLink(link) => return Some(link),
        }
        None
    }

    fn use_account_file(&mut self, request: FileRequest, core: &mut Core) {
        match request {
            FileRequest::Append { ticket, lines } => {
                if self.account_file.append(ticket, lines).is_err() {
                    core.lines_refused(ticket);
                }
            }
            FileRequest::Create { ticket, lines } => self.account_file.create(ticket, lines),
            FileRequest::Look {
                ticket,
                name,
                was_taken_in,
            } => self.account_file.look(ticket, name, was_taken_in),
            FileRequest::Read { ticket } => self.account_file.read(ticket),
        }
    }
}
