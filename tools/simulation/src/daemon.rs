//! The state daemon's process: its real core, with the threads beside it simulated.

use std::collections::BTreeMap;

use chat_rpc::FrameReader;
use chat_stated::account_file::writer::FileRequest;
use chat_stated::checkpoint::Change;
use chat_stated::core::pending_work::{MemoryHost, PendingWork, Work};
use chat_stated::core::{Action, Core, CoreSettings, LinkId, SourceLimits};
use chat_stated::database::{NoRoom, StorageError};
use chat_stated::disk_reserve::ReserveRequest;
use chat_stated::entry::{Batch, HistoryLimits, HistoryRules, Limits, SessionLimits, Timestamp};
use chat_stated::history::{HistoryEvent, HistoryRequest};
use chat_stated::journal::LogIndex;
use chat_stated::passwords::pool::{PasswordJob, PasswordResult};
use chat_stated::passwords::remembered::RememberedPasswords;
use chat_stated::state::KeptMessage;
use chat_stated::text_page::{TextPlace, Texts};
use fastrand::Rng;

use crate::account_file;
use crate::disk::Disk;
use crate::oracle::UNUSED_MS;
use crate::pipe::Pipe;

/// How long a block lasts in the simulation.
pub(crate) const BLOCK_TIME_MS: u64 = 4_000;

/// So long that much is read while a checkpoint waits for it, and so short that most do come to be written.
const CHECKPOINT_READING_MS: u64 = 300;
/// So little that most of what waits is read from the checkpoint.
const RESIDENT_TEXT_BYTES: u64 = 40;

/// So little that much of the history has to go.
const KEPT_BYTES: u64 = 10_000;

/// A worker's connection.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) to_daemon: Pipe,
    pub(crate) to_worker: Pipe,
    /// Either side is gone; what is under way to the other still arrives.
    pub(crate) is_closed: bool,
    /// The daemon does not come to read it before.
    pub(crate) unread_until_ms: u64,
    reader: FrameReader,
    is_open_in_core: bool,
    pid: u32,
}

impl Link {
    pub(crate) fn new(pid: u32) -> Self {
        Self {
            pid,
            ..Self::default()
        }
    }
}

pub(crate) struct Daemon {
    pub(crate) core: Core,
    /// By the worker's number in the world and its connections' count.
    pub(crate) links: BTreeMap<LinkId, Link>,
    work: PendingWork,
    was_ready: bool,
    /// Texts that were read from the checkpoint.
    pub(crate) texts_read: usize,
}

impl Daemon {
    /// Starts from what is on the disk.
    pub(crate) fn start(disk: &Disk, timestamp: Timestamp) -> Result<Self, String> {
        let (state, position, history) = disk.recover(RESIDENT_TEXT_BYTES)?;
        let settings = CoreSettings {
            limits: Limits {
                block_time_ms: BLOCK_TIME_MS,
                queue_messages: 60,
                sender_share_percent: 60,
                broadcast_messages: 40,
                ..Limits::default()
            },
            session_limits: SessionLimits {
                unused_ms: UNUSED_MS,
            },
            checkpoint_every_entries: 40,
            checkpoint_reading_ms: CHECKPOINT_READING_MS,
            checkpoint_few_messages: 0,
            sources: SourceLimits {
                trusted: "0.0.0.0/0".parse().map_err(|_| "no network")?,
                ..SourceLimits::default()
            },
            resident_text_bytes: RESIDENT_TEXT_BYTES,
            few_answers: 1,
            history_rules: HistoryRules { keeps_direct: true },
            history_limits: HistoryLimits {
                direct_bytes: KEPT_BYTES,
                room_bytes: KEPT_BYTES,
                ..HistoryLimits::INITIAL
            },
            ..CoreSettings::default()
        };
        let remembered = RememberedPasswords::new(100).map_err(|error| error.to_string())?;
        let mut core = Core::new(settings, state, position, remembered, timestamp);
        core.history_opened(history);
        Ok(Self {
            core,
            links: BTreeMap::new(),
            work: PendingWork::default(),
            was_ready: false,
            texts_read: 0,
        })
    }

    /// Whether workers' connections are accepted.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.was_ready |= self.core.is_ready();
        self.was_ready
    }

    /// One turn of its loop: reads some of what came, in pieces.
    pub(crate) fn turn(&mut self, timestamp: Timestamp, disk: &mut Disk, rng: &mut Rng) {
        self.core.begin_turn(timestamp);
        if self.is_ready() {
            let links = self.links.iter();
            let read = links.filter(|(_, link)| link.unread_until_ms <= timestamp.boot_ms);
            let ids: Vec<LinkId> = read.map(|(id, _)| *id).collect();
            for id in ids {
                self.read_link(id, rng);
            }
        }
        for action in self.core.end_turn() {
            match &action {
                Action::History(HistoryRequest::Keep(messages)) => {
                    disk.note_given_to_history(messages);
                }
                Action::History(HistoryRequest::Forget(forgotten)) => {
                    disk.note_forgotten(forgotten);
                }
                _ => {}
            }
            let action = match action {
                Action::Hash { ticket, .. } if rng.u8(..20) == 0 => {
                    self.core.password_refused(ticket);
                    continue;
                }
                action => self.work.add(action),
            };
            match action {
                Some(Action::ForgetJournal(position)) => disk.forget_journal(position),
                Some(Action::CloseLink(link)) => {
                    if let Some(link) = self.links.get_mut(&link) {
                        link.is_closed = true;
                    }
                }
                _ => {}
            }
        }
        self.write_links();
    }

    fn read_link(&mut self, id: LinkId, rng: &mut Rng) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if !link.is_open_in_core {
            link.is_open_in_core = true;
            self.core.link_opened(id, link.pid);
        }
        // The event queue may tell of the end later.
        if link.is_closed && rng.bool() {
            self.core.link_hung_up(id);
        }
        let bytes = link.to_daemon.read(rng.usize(..600));
        link.reader.extend(&bytes);
        while let Ok(Some(payload)) = link.reader.next_frame() {
            if self.core.expects_hello(id) {
                let mut secret = [0; 16];
                rng.fill(&mut secret);
                self.core.hello(id, payload, secret);
            } else {
                self.core.received(id, payload);
            }
        }
        if link.is_closed && link.to_daemon.len() == 0 {
            self.links.remove(&id);
            self.core.link_closed(id);
        }
    }

    fn write_links(&mut self) {
        for id in self.core.links_with_output() {
            if let (Some(output), Some(link)) = (self.core.output(id), self.links.get_mut(&id)) {
                let pending = output.pending().to_vec();
                output.advance(pending.len());
                link.to_worker.write(&pending);
            }
        }
    }

    /// Whether there is work to be finished.
    pub(crate) fn has_work(&self) -> bool {
        !self.work.is_empty()
    }

    /// Finishes some work that is under way: commits among themselves in order, and so the file's requests.
    pub(crate) fn finish_work(
        &mut self,
        disk: &mut Disk,
        rng: &mut Rng,
        is_kind: bool,
    ) -> Result<(), String> {
        if self.work.is_empty() {
            return Ok(());
        }
        let Some(work) = self.work.take(rng.usize(..self.work.len())) else {
            return Ok(());
        };
        match work {
            Work::Commit(batch) if !is_kind && rng.u16(..400) == 0 => {
                self.core.no_room(batch, NoRoom::Full);
            }
            Work::WriteCheckpoint(_, records) if !is_kind && rng.u8(..10) == 0 => {
                self.core.checkpoint_no_room(records, NoRoom::Full);
            }
            Work::Reserve(ReserveRequest::Take) if !is_kind && rng.bool() => {
                self.core.reserve_taken(Err(StorageError::NoRoom {
                    action: "hold back space in",
                    file: "reserve".into(),
                    cause: NoRoom::Full,
                }));
            }
            work => {
                let mut host = Host {
                    disk,
                    rng,
                    texts_read: &mut self.texts_read,
                };
                self.work.complete(work, &mut self.core, &mut host)?;
            }
        }
        Ok(())
    }

    /// Dies: of what was being written some is durable, some is torn, some is gone.
    pub(crate) fn die(mut self, disk: &mut Disk, rng: &mut Rng) -> Result<(), String> {
        // Its thread writes one after the other.
        let mut is_history_written = true;
        for work in self.work.take_all() {
            match work {
                // A commit that had reached the disk, though nobody was told; the next ones had not begun.
                Work::Commit(batch) if rng.bool() => {
                    disk.commit(&batch);
                }
                Work::WriteCheckpoint(position, records) if rng.bool() => {
                    disk.write_checkpoint(position, &records)?;
                }
                Work::History(HistoryRequest::Keep(messages)) => {
                    is_history_written &= rng.bool();
                    if is_history_written {
                        disk.history.keep(messages);
                    }
                }
                Work::File(FileRequest::Append { lines, .. }) if rng.bool() => {
                    let torn = rng.usize(..=lines.len());
                    disk.account_file
                        .extend_from_slice(&lines.as_bytes()[..torn]);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What completes the daemon's work.
struct Host<'a> {
    disk: &'a mut Disk,
    rng: &'a mut Rng,
    texts_read: &'a mut usize,
}

impl MemoryHost for Host<'_> {
    fn commit(&mut self, batch: &Batch) -> LogIndex {
        self.disk.commit(batch)
    }

    fn write_checkpoint(&mut self, position: LogIndex, records: &[Change]) -> Result<(), String> {
        self.disk.write_checkpoint(position, records)
    }

    fn read_texts(&mut self, places: &[TextPlace]) -> Result<Texts, String> {
        let texts = self.disk.read_texts(places)?;
        *self.texts_read += texts.len();
        Ok(texts)
    }

    fn history(&mut self, request: HistoryRequest) -> Option<HistoryEvent> {
        let history = &mut self.disk.history;
        // The thread deletes between its other work.
        if self.rng.bool() {
            history.sweep();
        }
        match request {
            HistoryRequest::Keep(messages) => Some(HistoryEvent::Settled {
                bytes: messages.iter().map(KeptMessage::bytes).sum(),
                through: history.keep(messages),
                rows: 0,
                file_bytes: 0,
            }),
            HistoryRequest::Ask { ticket, question } => {
                let found = (self.rng.u8(..50) > 0).then(|| history.answer(&question));
                Some(HistoryEvent::Answered { ticket, found })
            }
            HistoryRequest::Retain(retention) => {
                history.retain(retention);
                None
            }
            HistoryRequest::Forget(forgotten) => {
                history.forget(&forgotten);
                None
            }
            HistoryRequest::GiveUpWaiting => None,
        }
    }

    fn hash(&mut self, job: &PasswordJob) -> PasswordResult {
        hash(job, self.rng)
    }

    fn account_file(&mut self) -> &mut Vec<u8> {
        &mut self.disk.account_file
    }
}

fn hash(job: &PasswordJob, rng: &mut Rng) -> PasswordResult {
    match job {
        PasswordJob::Hash { password } => {
            PasswordResult::Hashed(account_file::secret(rng.u32(..), password.as_bytes()))
        }
        PasswordJob::Verify { secret, password } => {
            let right = account_file::is_right(secret, password.as_bytes());
            let new_secret = (right && rng.u8(..4) == 0)
                .then(|| account_file::secret(rng.u32(..), password.as_bytes()));
            PasswordResult::Verified { right, new_secret }
        }
    }
}
