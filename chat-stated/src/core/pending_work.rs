//! The actions of a core that runs without threads and disks, as simulation and fuzzing drive it: what it wants done
//! waits until it is completed, in any order of kinds, by a host in memory.

use std::collections::VecDeque;
use std::mem::discriminant;

use super::{Action, Core};
use crate::account_file::disable::without;
use crate::account_file::format::parse;
use crate::account_file::writer::{AccountFileContent, FileRequest};
use crate::checkpoint::Change;
use crate::disk_reserve::ReserveRequest;
use crate::entry::Batch;
use crate::history::{HistoryEvent, HistoryRequest};
use crate::journal::LogIndex;
use crate::passwords::pool::{PasswordJob, PasswordResult};
use crate::text_page::{TextPlace, Texts};

/// What a core wants done, or what was done and not reported yet.
#[derive(Debug)]
pub enum Work {
    /// Put a batch into the journal.
    Commit(Batch),
    /// Make a checkpoint current: the last batch in it, and its changes.
    WriteCheckpoint(LogIndex, Vec<Change>),
    /// A checkpoint has become current.
    CheckpointWritten(LogIndex),
    /// Read texts from the current checkpoint, under a ticket.
    ReadTexts(u64, Vec<TextPlace>),
    /// Texts were read.
    TextsRead(u64, Texts),
    /// Hash or verify a password, under a ticket.
    Hash(u64, PasswordJob),
    /// Use the account file.
    File(FileRequest),
    /// Keep messages, or find them.
    History(HistoryRequest),
    /// Free or hold back the space of the disk reserve.
    Reserve(ReserveRequest),
}

/// Disk and hashes in memory.
pub trait MemoryHost {
    /// Makes a batch durable.
    fn commit(&mut self, batch: &Batch) -> LogIndex;
    /// Makes a checkpoint current.
    fn write_checkpoint(&mut self, position: LogIndex, records: &[Change]) -> Result<(), String>;
    /// Reads texts from the current checkpoint.
    fn read_texts(&mut self, places: &[TextPlace]) -> Result<Texts, String>;
    /// Keeps, finds or deletes messages.
    fn history(&mut self, _request: HistoryRequest) -> Option<HistoryEvent> {
        None
    }
    /// Hashes or verifies a password.
    fn hash(&mut self, job: &PasswordJob) -> PasswordResult;
    /// The bytes of the account file.
    fn account_file(&mut self) -> &mut Vec<u8>;
}

/// Work in the order in which the core asked for it.
#[derive(Debug, Default)]
pub struct PendingWork {
    queue: VecDeque<Work>,
}

impl PendingWork {
    /// Queues an action. Returns it if it is done at once, and reports nothing.
    pub fn add(&mut self, action: Action) -> Option<Action> {
        let work = match action {
            Action::Submit(batch) => Work::Commit(batch),
            Action::Checkpoint { position, records } => Work::WriteCheckpoint(position, records),
            Action::ReadTexts { ticket, places } => Work::ReadTexts(ticket, places),
            Action::Hash { ticket, job, .. } => Work::Hash(ticket, job),
            Action::File(request) => Work::File(request),
            Action::History(request) => Work::History(request),
            Action::GiveUpReserve => Work::Reserve(ReserveRequest::GiveUp),
            Action::TakeReserve => Work::Reserve(ReserveRequest::Take),
            Action::CancelHash { .. } | Action::ForgetJournal(_) | Action::CloseLink(_) => {
                return Some(action);
            }
        };
        self.queue.push_back(work);
        None
    }

    /// How much waits.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes the first work of the kind that the work at `index` has: each kind keeps its order.
    pub fn take(&mut self, index: usize) -> Option<Work> {
        let kind = discriminant(self.queue.get(index)?);
        let first = self
            .queue
            .iter()
            .position(|work| discriminant(work) == kind);
        first.and_then(|first| self.queue.remove(first))
    }

    /// Takes all work, as a host does that dies.
    pub fn take_all(&mut self) -> VecDeque<Work> {
        std::mem::take(&mut self.queue)
    }

    /// Does a piece of work on the host. Reports it to the core, or queues the report.
    pub fn complete(
        &mut self,
        work: Work,
        core: &mut Core,
        host: &mut impl MemoryHost,
    ) -> Result<(), String> {
        match work {
            Work::Commit(batch) => {
                let position = host.commit(&batch);
                core.committed(position, batch, BATCH_BYTES);
            }
            Work::WriteCheckpoint(position, records) => {
                host.write_checkpoint(position, &records)?;
                // Texts may be read from it before the core is told.
                self.queue.push_front(Work::CheckpointWritten(position));
            }
            Work::CheckpointWritten(position) => core.checkpoint_written(position),
            Work::ReadTexts(ticket, places) => {
                let texts = host.read_texts(&places)?;
                self.queue.push_back(Work::TextsRead(ticket, texts));
            }
            Work::TextsRead(ticket, texts) => core
                .texts_read(ticket, &texts.into())
                .map_err(|error| error.to_string())?,
            Work::Hash(ticket, job) => core.password_done(ticket, host.hash(&job)),
            Work::File(request) => serve_file_request(request, core, host.account_file()),
            Work::History(request) => {
                if let Some(event) = host.history(request) {
                    core.take_history(event);
                }
            }
            Work::Reserve(ReserveRequest::GiveUp) => core.reserve_given_up(),
            Work::Reserve(ReserveRequest::Take) => core.reserve_taken(Ok(())),
        }
        Ok(())
    }
}

/// What a batch is said to take in the journal.
const BATCH_BYTES: usize = 500;

fn serve_file_request(request: FileRequest, core: &mut Core, file: &mut Vec<u8>) {
    match request {
        FileRequest::Append { ticket, lines } => {
            if file.last().is_some_and(|last| *last != b'\n') {
                file.push(b'\n');
            }
            file.extend_from_slice(lines.as_bytes());
            core.lines_appended(&[ticket]);
        }
        FileRequest::Create { lines, .. } => {
            *file = lines.into_bytes();
            core.account_file_created(Ok(()));
        }
        FileRequest::Disable { ticket, accounts } => {
            if let Some(content) = without(file, &accounts) {
                *file = content;
            }
            core.lines_removed(ticket, Ok(()));
        }
        FileRequest::Look { ticket, name, .. } => {
            let accounts = parse(file).accounts;
            let stands = accounts.iter().any(|(known, _)| *known == name);
            core.name_looked_for(ticket, Ok(stands));
        }
        FileRequest::Read { ticket } => {
            let content = AccountFileContent {
                parsed: parse(file),
                is_accepted: false,
            };
            core.account_file_read(ticket, Ok(content));
        }
    }
}
