//! The state daemon's process: its real core, with the threads beside it simulated.

use std::collections::{BTreeMap, VecDeque};

use chat_rpc::FrameReader;
use chat_stated::account_file::writer::FileRequest;
use chat_stated::checkpoint::Change;
use chat_stated::core::{Action, Core, CoreSettings, LinkId, SourceLimits};
use chat_stated::database::{NoRoom, StorageError};
use chat_stated::entry::{Batch, Limits, Timestamp};
use chat_stated::journal::LogIndex;
use chat_stated::passwords::pool::{PasswordJob, PasswordResult};
use chat_stated::passwords::remembered::RememberedPasswords;
use chat_stated::text_page::{TextPlace, Texts};
use fastrand::Rng;

use crate::account_file;
use crate::disk::Disk;
use crate::pipe::Pipe;

/// How long a block lasts in the simulation.
pub(crate) const BLOCK_TIME_MS: u64 = 4_000;

/// So long that much is read while a checkpoint waits for it, and so short that most do come to be written.
const CHECKPOINT_READING_MS: u64 = 300;
/// So little that most of what waits is read from the checkpoint.
const RESIDENT_TEXT_BYTES: u64 = 40;

/// A worker's connection.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) to_daemon: Pipe,
    pub(crate) to_worker: Pipe,
    /// Either side is gone; what is under way to the other still arrives.
    pub(crate) is_closed: bool,
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

/// Work under way outside the core.
#[derive(Debug)]
enum Work {
    Commit(Batch),
    Checkpoint(LogIndex, Vec<Change>),
    /// The checkpoint is current; the core has not been told yet.
    Written(LogIndex),
    ReadTexts(u64, Vec<TextPlace>),
    /// Texts were read; the core has not been told yet.
    TextsRead(u64, Texts),
    Hash(u64, PasswordJob),
    File(FileRequest),
    Reserve {
        is_taken: bool,
    },
}

pub(crate) struct Daemon {
    pub(crate) core: Core,
    /// By the worker's number in the world and its connections' count.
    pub(crate) links: BTreeMap<LinkId, Link>,
    work: VecDeque<Work>,
    /// What the file requests see, in the order of the requests.
    was_ready: bool,
    /// Texts that were read from the checkpoint.
    pub(crate) texts_read: usize,
}

impl Daemon {
    /// Starts from what is on the disk.
    pub(crate) fn start(disk: &Disk, timestamp: Timestamp) -> Result<Self, String> {
        let (state, position) = disk.recover(RESIDENT_TEXT_BYTES)?;
        let settings = CoreSettings {
            limits: Limits {
                block_time_ms: BLOCK_TIME_MS,
                queue_messages: 60,
                sender_share_percent: 60,
                broadcast_messages: 40,
                ..Limits::default()
            },
            checkpoint_every_entries: 40,
            checkpoint_reading_ms: CHECKPOINT_READING_MS,
            checkpoint_few_messages: 0,
            sources: SourceLimits {
                trusted: "0.0.0.0/0".parse().map_err(|_| "no network")?,
                ..SourceLimits::default()
            },
            resident_text_bytes: RESIDENT_TEXT_BYTES,
            ..CoreSettings::default()
        };
        let remembered = RememberedPasswords::new(100).map_err(|error| error.to_string())?;
        Ok(Self {
            core: Core::new(settings, state, position, remembered, timestamp),
            links: BTreeMap::new(),
            work: VecDeque::new(),
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
            let ids: Vec<LinkId> = self.links.keys().copied().collect();
            for id in ids {
                self.read_link(id, rng);
            }
        }
        for action in self.core.end_turn() {
            match action {
                Action::Submit(batch) => self.work.push_back(Work::Commit(batch)),
                Action::Checkpoint { position, records } => {
                    self.work.push_back(Work::Checkpoint(position, records));
                }
                Action::ReadTexts { ticket, places } => {
                    self.work.push_back(Work::ReadTexts(ticket, places));
                }
                Action::Hash { ticket, job, .. } => {
                    if rng.u8(..20) == 0 {
                        self.core.password_refused(ticket);
                    } else {
                        self.work.push_back(Work::Hash(ticket, job));
                    }
                }
                Action::CancelHash { .. } => {}
                Action::File(request) => self.work.push_back(Work::File(request)),
                Action::GiveUpReserve => self.work.push_back(Work::Reserve { is_taken: false }),
                Action::TakeReserve => self.work.push_back(Work::Reserve { is_taken: true }),
                Action::ForgetJournal(position) => disk.forget_journal(position),
                Action::CloseLink(link) => {
                    if let Some(link) = self.links.get_mut(&link) {
                        link.is_closed = true;
                    }
                }
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
        let wanted = rng.usize(..self.work.len());
        let kind = std::mem::discriminant(&self.work[wanted]);
        let first = self
            .work
            .iter()
            .position(|work| std::mem::discriminant(work) == kind);
        let Some(work) = first.and_then(|first| self.work.remove(first)) else {
            return Ok(());
        };
        match work {
            Work::Commit(batch) if !is_kind && rng.u16(..400) == 0 => {
                self.core.no_room(batch, NoRoom::Full)
            }
            Work::Commit(batch) => {
                let position = disk.commit(&batch);
                self.core.committed(position, batch, 500);
            }
            Work::Checkpoint(_, records) if !is_kind && rng.u8(..10) == 0 => {
                self.core.checkpoint_no_room(records, NoRoom::Full);
            }
            Work::Checkpoint(position, records) => {
                disk.write_checkpoint(position, &records)?;
                // Its news may come after texts were read from it.
                self.work.push_front(Work::Written(position));
            }
            Work::Written(position) => self.core.checkpoint_written(position),
            Work::ReadTexts(ticket, places) => {
                let texts = disk.read_texts(&places)?;
                self.texts_read += texts.len();
                self.work.push_back(Work::TextsRead(ticket, texts));
            }
            Work::TextsRead(ticket, texts) => self
                .core
                .texts_read(ticket, &texts.into())
                .map_err(|error| error.to_string())?,
            Work::Hash(ticket, job) => self.core.password_done(ticket, hash(&job, rng)),
            Work::File(request) => self.finish_file_request(request, disk),
            Work::Reserve { is_taken: false } => self.core.reserve_given_up(),
            Work::Reserve { is_taken: true } if !is_kind && rng.bool() => {
                self.core.reserve_taken(Err(StorageError::NoRoom {
                    action: "hold back space in",
                    file: "reserve".into(),
                    cause: NoRoom::Full,
                }));
            }
            Work::Reserve { is_taken: true } => self.core.reserve_taken(Ok(())),
        }
        Ok(())
    }

    fn finish_file_request(&mut self, request: FileRequest, disk: &mut Disk) {
        match request {
            FileRequest::Append { ticket, lines } => {
                if disk.account_file.last().is_some_and(|last| *last != b'\n') {
                    disk.account_file.push(b'\n');
                }
                disk.account_file.extend_from_slice(lines.as_bytes());
                self.core.lines_appended(&[ticket]);
            }
            FileRequest::Create { lines, .. } => {
                disk.account_file = lines.into_bytes();
                self.core.account_file_created(Ok(()));
            }
            FileRequest::Look { ticket, name, .. } => {
                let stands = account_file::has(&disk.account_file, &name);
                self.core.name_looked_for(ticket, Ok(stands));
            }
            FileRequest::Read { ticket } => {
                let content = account_file::read(&disk.account_file);
                self.core.account_file_read(ticket, Ok(content));
            }
        }
    }

    /// Dies: of what was being written some is durable, some is torn, some is gone.
    pub(crate) fn die(mut self, disk: &mut Disk, rng: &mut Rng) -> Result<(), String> {
        while let Some(work) = self.work.pop_front() {
            match work {
                // A commit that had reached the disk, though nobody was told; the next ones had not begun.
                Work::Commit(batch) if rng.bool() => {
                    disk.commit(&batch);
                }
                Work::Checkpoint(position, records) if rng.bool() => {
                    disk.write_checkpoint(position, &records)?;
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
