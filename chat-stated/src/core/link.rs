//! The connections of workers, and what is known of their clients while they are attached.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use chat_model::{ConnectionSerial, MessageNumber, Progress, WorkerSessionId};
use chat_rpc::{FrameWriter, ToWorker};

use crate::connection_map::ConnectionMap;
use chat_model::ConnectionId;

/// Names a worker's connection for the loop and the core.
pub type LinkId = usize;

/// A worker that has left so much unread is behind: it is not read, and gets nothing that may be long, until it has
/// taken some of it.
const MAX_UNREAD_BYTES: usize = 8 * 1024 * 1024;

/// A worker's connection.
#[derive(Debug)]
pub(super) struct Link {
    /// The worker's process, as the kernel says.
    pid: u32,
    stage: Stage,
    output: FrameWriter,
    clients: ConnectionMap<Client>,
    /// Clients that asked for push.
    pushed: BTreeSet<ConnectionSerial>,
    /// Clients that asked for the names of groups.
    with_groups: BTreeSet<ConnectionSerial>,
    /// The worker has ended; what it said before is still read.
    pub(super) has_hung_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Has not said hello yet; must by then, in boot time.
    Silent { until_ms: u64 },
    /// Waits for its worker session to be durable.
    Beginning { secret: [u8; 16] },
    /// Speaks for a worker session.
    Attached(WorkerSessionId),
    /// Nothing it says counts any more.
    Closing,
}

/// What is known of a worker's client, for as long as the worker is attached. Nearly all are silent: it is kept small.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// The batch of its last entry.
    pub(super) last_batch: Option<NonZeroU64>,
    /// What its worker said last of what it received, and had.
    received: MessageNumber,
    had: MessageNumber,
    /// The last message that was sent to the worker for it.
    pub(super) sent_through: MessageNumber,
    /// `None` if it is as new.
    flow: Option<Box<Flow>>,
}

/// What is on its way to a client.
#[derive(Debug, Default)]
struct Flow {
    /// The worker was told of messages up to here that it has to ask for; nothing is sent unasked until then.
    promised_through: Option<MessageNumber>,
    /// The page that waits for its texts to be read.
    parked_page: Option<u64>,
    /// Bytes of text pushed that the worker has not said to be written: before and after the mark.
    pushed_bytes: PushedBytes,
}

/// How much was pushed to a client and not written yet, to about a window's accuracy.
#[derive(Debug, Default)]
struct PushedBytes {
    mark: MessageNumber,
    until_mark: usize,
    after_mark: usize,
}

impl PushedBytes {
    fn total(&self) -> usize {
        self.until_mark + self.after_mark
    }

    /// The worker wrote everything up to `written`; `sent_through` is the last it was sent.
    fn written(&mut self, written: MessageNumber, sent_through: MessageNumber) {
        if written >= self.mark {
            self.until_mark = std::mem::take(&mut self.after_mark);
            self.mark = sent_through;
            if written >= sent_through {
                self.until_mark = 0;
            }
        }
    }
}

impl Client {
    /// One that its worker came back with.
    pub(super) fn resumed(progress: Progress, sent_through: MessageNumber) -> Self {
        Self {
            received: progress.acknowledged,
            had: progress.confirmed,
            sent_through,
            ..Self::default()
        }
    }

    /// Takes how far the reader came; whether that is more than was known.
    pub(super) fn progressed(&mut self, progress: Progress) -> bool {
        let is_news = progress.confirmed > self.had || progress.acknowledged > self.received;
        self.had = progress.confirmed;
        self.received = progress.acknowledged;
        is_news
    }

    pub(super) fn promised_through(&self) -> Option<MessageNumber> {
        self.flow.as_ref()?.promised_through
    }

    /// The worker is told to ask for what there is up to here.
    pub(super) fn promise(&mut self, through: MessageNumber) {
        self.flow.get_or_insert_default().promised_through = Some(through);
    }

    /// The worker has asked for everything, and nothing is under way.
    pub(super) fn caught_up(&mut self, through: MessageNumber) {
        self.sent_through = self.sent_through.max(through);
        if let Some(flow) = &mut self.flow {
            flow.promised_through = None;
            flow.pushed_bytes = PushedBytes::default();
        }
        self.forget_idle_flow();
    }

    /// A page waits for its texts; the one that waited before, if any did.
    pub(super) fn park_page(&mut self, ticket: u64) -> Option<u64> {
        let flow = self.flow.get_or_insert_default();
        flow.parked_page.replace(ticket)
    }

    /// Whether it is this page that waits for its texts.
    pub(super) fn is_parked(&self, ticket: u64) -> bool {
        self.flow
            .as_ref()
            .is_some_and(|flow| flow.parked_page == Some(ticket))
    }

    /// The page does not wait any more; whether it did.
    pub(super) fn unpark_page(&mut self, ticket: u64) -> bool {
        let is_parked = self.is_parked(ticket);
        if is_parked && let Some(flow) = &mut self.flow {
            flow.parked_page = None;
            self.forget_idle_flow();
        }
        is_parked
    }

    fn forget_idle_flow(&mut self) {
        let is_idle = |flow: &Flow| {
            flow.promised_through.is_none()
                && flow.parked_page.is_none()
                && flow.pushed_bytes.total() == 0
        };
        self.flow.take_if(|flow| is_idle(flow));
    }

    pub(super) fn pushed_bytes(&self) -> usize {
        self.flow
            .as_ref()
            .map_or(0, |flow| flow.pushed_bytes.total())
    }

    pub(super) fn add_pushed(&mut self, bytes: usize) {
        if bytes > 0 {
            self.flow.get_or_insert_default().pushed_bytes.after_mark += bytes;
        }
    }

    /// The worker wrote everything up to here.
    pub(super) fn written(&mut self, written: MessageNumber) {
        if let Some(flow) = &mut self.flow {
            flow.pushed_bytes.written(written, self.sent_through);
            self.forget_idle_flow();
        }
    }
}

impl Link {
    pub(super) fn new(pid: u32, until_ms: u64) -> Self {
        Self {
            pid,
            stage: Stage::Silent { until_ms },
            output: FrameWriter::default(),
            clients: ConnectionMap::default(),
            pushed: BTreeSet::new(),
            with_groups: BTreeSet::new(),
            has_hung_up: false,
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// For [`super::links::Links`], which knows who is attached.
    pub(super) fn enter(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// Puts an item behind what waits to be written.
    pub(super) fn send(&mut self, item: &ToWorker<'_>) {
        if let Err(error) = self.output.push(item) {
            log::error!("cannot send to process {}: {error}", self.pid);
        }
    }

    /// Puts a frame behind what waits to be written.
    pub(super) fn send_frame(&mut self, payload: &[u8]) {
        self.output.push_frame(payload);
    }

    /// What waits to be written.
    pub(super) fn output(&mut self) -> &mut FrameWriter {
        &mut self.output
    }

    pub(super) fn has_output(&self) -> bool {
        self.output.pending_bytes() > 0
    }

    pub(super) fn is_behind(&self) -> bool {
        self.output.pending_bytes() > MAX_UNREAD_BYTES
    }

    pub(super) fn worker_session(&self) -> Option<WorkerSessionId> {
        match self.stage {
            Stage::Attached(worker_session) => Some(worker_session),
            _ => None,
        }
    }

    /// What is known of a client; nothing yet, if it is new.
    pub(super) fn client(&mut self, serial: ConnectionSerial) -> &mut Client {
        self.clients.get_or_insert_with(serial, Client::default)
    }

    /// What is known of a client, if anything is.
    pub(super) fn known(&self, serial: ConnectionSerial) -> Option<&Client> {
        self.clients.get(serial)
    }

    /// As [`Link::known`].
    pub(super) fn known_mut(&mut self, serial: ConnectionSerial) -> Option<&mut Client> {
        self.clients.get_mut(serial)
    }

    pub(super) fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// A client is gone; what was known of it.
    pub(super) fn forget(&mut self, serial: ConnectionSerial) -> Option<Client> {
        self.pushed.remove(&serial);
        self.with_groups.remove(&serial);
        self.clients.remove(serial)
    }

    /// Whether a client asked for push.
    pub(super) fn is_pushed(&self, serial: ConnectionSerial) -> bool {
        self.pushed.contains(&serial)
    }

    pub(super) fn set_pushed(&mut self, serial: ConnectionSerial, is_pushed: bool) {
        if is_pushed {
            self.pushed.insert(serial);
        } else {
            self.pushed.remove(&serial);
        }
    }

    /// Whether a client asked for the names of groups.
    pub(super) fn names_groups(&self, serial: ConnectionSerial) -> bool {
        self.with_groups.contains(&serial)
    }

    pub(super) fn name_groups(&mut self, serial: ConnectionSerial) {
        self.with_groups.insert(serial);
    }

    /// Clients that asked for push, by rising serial.
    pub(super) fn pushed(&self) -> Vec<ConnectionSerial> {
        self.pushed.iter().copied().collect()
    }

    pub(super) fn connection(&self, serial: ConnectionSerial) -> Option<ConnectionId> {
        let worker_session = self.worker_session()?;
        Some(ConnectionId {
            worker_session,
            serial,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_client_is_small() {
        assert_eq!(size_of::<Client>(), 40);
    }

    #[test]
    fn written_pushes_are_forgotten() {
        let mut client = Client::default();
        client.add_pushed(100);
        client.sent_through = MessageNumber(10);
        client.written(MessageNumber(5));
        assert_eq!(client.pushed_bytes(), 100, "not written yet");
        client.add_pushed(30);
        client.sent_through = MessageNumber(12);
        client.written(MessageNumber(10));
        assert_eq!(client.pushed_bytes(), 30);
        client.written(MessageNumber(12));
        assert_eq!(client.pushed_bytes(), 0);
        assert!(client.flow.is_none());
        client.promise(MessageNumber(20));
        client.written(MessageNumber(12));
        assert_eq!(client.promised_through(), Some(MessageNumber(20)));
        client.caught_up(MessageNumber(20));
        assert!(client.flow.is_none());
    }
}
