//! A client, its session and the daemon, with everything between them that can be late: what the worker does,
//! without sockets.

use std::collections::VecDeque;

use chat_node::limits::token_bucket::Rate;
use chat_rpc::{FromWorker, ToWorker, decode_items};

use super::daemon::{Daemon, Frame, SERIAL, frame};
use crate::core::dialect::{Dialect, LineProtocol};
use crate::core::list_line::{HeldLists, ListLine};
use crate::core::session::{
    Ending, MAX_HELD_BYTES, MAX_LINES, Pace, QueuePart, Session, SessionLimits, Shared, Slot,
};

pub(super) const LIMITS: SessionLimits = SessionLimits {
    max_line_bytes: 64,
    max_unread_bytes: 512,
    max_recipients: 100,
    time_out_ms: 60_000,
};

/// What is read at once.
const READ_BYTES: usize = 256;

/// What a message of 1970 begins with.
pub(super) const TIME: &str = "[1970-01-01T00:00:00Z]";

pub(super) struct Talk<D: Dialect = LineProtocol> {
    pub(super) session: Session<D>,
    pub(super) daemon: Daemon,
    pub(super) now_ms: u64,
    pub(super) shared: Shared<D>,
    /// On the way to the daemon.
    pub(super) asked: VecDeque<Frame>,
    pub(super) is_attached: bool,
    /// Sent by the client and not read yet.
    unread: VecDeque<u8>,
    has_finished: bool,
    /// Whether the client's TCP takes, and acknowledges, what is written.
    pub(super) is_reading: bool,
    /// Whether a logout waits for the client no longer.
    pub(super) is_timeout_over: bool,
    received: Vec<u8>,
    shown: usize,
    /// Everything that was ever asked, if it is to be kept.
    pub(super) asked_ever: Option<Vec<Frame>>,
    /// The session is parked and restored at every chance, and becomes this one by it, whatever this was before.
    pub(super) restored_as: Option<Session<D>>,
    pub(super) parked_times: usize,
}

impl Talk {
    pub(super) fn new() -> Self {
        Self::with(Daemon::new(), LIMITS)
    }

    /// Logged in as foobar.
    pub(super) fn logged_in() -> Self {
        let mut talk = Self::new();
        assert_eq!(talk.ask("foobar\npasspass\n"), "password\nwelcome\nDONE\n");
        talk
    }

    /// With lines taken no faster than this.
    pub(super) fn paced(rate: Rate) -> Self {
        let mut talk = Self::new();
        let address = [192, 0, 2, 1].into();
        talk.session.become_untrusted(address, Pace::new(rate));
        talk
    }
}

impl<D: Dialect> Talk<D> {
    pub(super) fn with(daemon: Daemon, limits: SessionLimits) -> Self {
        let address = [127, 0, 0, 1].into();
        Self {
            session: Session::new(SERIAL, address, limits, 0),
            daemon,
            now_ms: 0,
            shared: Shared::default(),
            asked: VecDeque::new(),
            is_attached: true,
            unread: VecDeque::new(),
            has_finished: false,
            is_reading: true,
            is_timeout_over: false,
            received: Vec::new(),
            shown: 0,
            asked_ever: None,
            restored_as: None,
            parked_times: 0,
        }
    }

    pub(super) fn park(&mut self) {
        if let Some(other) = &mut self.restored_as
            && let Some(parked) = self.session.park()
        {
            let limits = self.session.limits;
            let is_daemon_lost = self.session.pipeline.is_daemon_lost();
            other.restore(&parked, limits, is_daemon_lost);
            assert_eq!(other.park(), Some(parked));
            std::mem::swap(other, &mut self.session);
            self.parked_times += 1;
        }
    }

    fn will_ask(&mut self, frame: Frame) {
        if let Some(asked_ever) = &mut self.asked_ever {
            asked_ever.push(frame.clone());
        }
        self.asked.push_back(frame);
    }

    pub(super) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.unread.extend(bytes.as_ref());
    }

    pub(super) fn finish(&mut self) {
        self.has_finished = true;
    }

    /// Says this and waits for all there is to be answered.
    pub(super) fn ask(&mut self, bytes: impl AsRef<[u8]>) -> String {
        self.say(bytes);
        self.settle();
        self.heard()
    }

    /// What was received since this was asked last.
    pub(super) fn heard(&mut self) -> String {
        let heard = String::from_utf8(self.received[self.shown..].to_vec()).unwrap();
        self.shown = self.received.len();
        heard
    }

    pub(super) fn received(&self) -> &[u8] {
        &self.received
    }

    pub(super) fn unread_bytes(&self) -> usize {
        self.unread.len()
    }

    /// All that can happen without time passing.
    pub(super) fn settle(&mut self) {
        const MOST_TURNS: usize = 10_000;
        for _ in 0..MOST_TURNS {
            let before = (self.unread.len(), self.received.len());
            let wanted_input = self.session.wants_input();
            self.serve(usize::MAX);
            // As the loop does: who takes more after having been served is served again.
            let mut is_busy = before != (self.unread.len(), self.received.len())
                || (!wanted_input && self.session.wants_input());
            while self.daemon_takes() || self.daemon_is_heard() {
                is_busy = true;
            }
            if !is_busy {
                return;
            }
        }
        panic!("worker and daemon go on for ever");
    }

    /// The daemon takes one item; whether there was one.
    pub(super) fn daemon_takes(&mut self) -> bool {
        let item = self.asked.pop_front();
        if let Some(item) = &item {
            self.daemon.take(item);
        }
        item.is_some()
    }

    /// One item of the daemon's arrives; whether there was one.
    pub(super) fn daemon_is_heard(&mut self) -> bool {
        let Some(item) = self.daemon.out.pop_front() else {
            return false;
        };
        for item in decode_items::<ToWorker<'_>>(&item) {
            self.park();
            self.take(item.unwrap());
        }
        self.check_bounds();
        true
    }

    fn take(&mut self, item: ToWorker<'_>) {
        let Self {
            session, shared, ..
        } = self;
        match item {
            ToWorker::Reply {
                offset,
                outcome,
                messages,
                through,
                more,
                ..
            } => {
                let messages = &messages;
                let part = QueuePart {
                    messages,
                    through,
                    more,
                };
                session.reply(offset, &outcome, part, shared, self.now_ms);
            }
            ToWorker::Push {
                messages,
                through,
                more,
                ..
            } => {
                let messages = &messages;
                let part = QueuePart {
                    messages,
                    through,
                    more,
                };
                session.pushed(part, shared);
            }
            ToWorker::Page { messages, more, .. } => {
                session.page(&messages, more, shared, self.now_ms);
            }
            ToWorker::Kick { .. } => session.cut_off(),
            ToWorker::Replaced { .. } => session.replaced(),
            ToWorker::Reject { .. } => session.reject(),
            ToWorker::Stored {
                first,
                last,
                through,
                more,
                ..
            } => {
                session.stored(first, last, (through, more), shared, self.now_ms);
            }
            ToWorker::Kept {
                request, messages, ..
            } => {
                let lines = ListLine::new(D::kept(&messages, false, false), &HeldLists::default());
                session.listed(&request, &lines, shared, self.now_ms);
            }
            ToWorker::Users { requests, names } => {
                let list = ListLine::new(D::users(&names), &HeldLists::default());
                session.listed(&requests[0], &list, shared, self.now_ms);
            }
        }
    }

    /// One turn of the worker for this client, which reads so many bytes at most.
    pub(super) fn serve(&mut self, most_bytes: usize) {
        self.park();
        self.read(most_bytes);
        self.park();
        self.session.advance(&mut self.shared, self.now_ms);
        self.request();
        self.write();
        self.park();
        self.session.advance(&mut self.shared, self.now_ms);
        self.request();
        self.conclude_if_possible();
        self.write();
        self.park();
        self.check_bounds();
    }

    fn read(&mut self, most_bytes: usize) {
        if !self.session.wants_input() {
            return;
        }
        self.observe();
        let count = most_bytes.min(READ_BYTES).min(self.unread.len());
        let bytes: Vec<u8> = self.unread.drain(..count).collect();
        if !bytes.is_empty() {
            self.session.received(&bytes, self.now_ms);
        } else if self.has_finished && self.unread.is_empty() {
            self.session.end_input();
        }
    }

    /// Looks what the client's TCP has acknowledged: all that was written.
    pub(super) fn observe(&mut self) {
        let position = self.session.output.written_position();
        let (unread, has_fin) = (self.unread.len() as u64, self.has_finished);
        self.session
            .observed(position, unread, has_fin, self.now_ms);
    }

    pub(super) fn request(&mut self) {
        if !self.is_attached {
            return;
        }
        while let Some(item) = self.session.next_request() {
            let item = frame(&item);
            self.will_ask(item);
        }
        if let Some((after, through)) = self.session.next_page() {
            let page = FromWorker::Page {
                connection: SERIAL,
                after,
                through,
            };
            self.will_ask(frame(&page));
        }
    }

    fn write(&mut self) {
        if self.is_reading {
            self.write_some(usize::MAX);
        }
    }

    /// The client's TCP takes so many bytes at most.
    pub(super) fn write_some(&mut self, most_bytes: usize) {
        let pending = self.session.output.pending();
        let count = most_bytes.min(pending.len());
        self.received.extend_from_slice(&pending[..count]);
        self.session.output.advance(count);
        let position = self.session.output.written_position();
        self.session.delivery.sent(position);
    }

    fn conclude_if_possible(&mut self) {
        if !self.session.can_conclude() {
            return;
        }
        if self.session.waits_to_log_out() {
            self.observe();
        }
        if !self.session.waits_to_log_out() || self.is_timeout_over {
            self.session.conclude();
            self.request();
        }
    }

    pub(super) fn time_out(&mut self) {
        self.session.begin_ending(Ending::TimeOut);
        self.settle();
    }

    /// What was on the way, in both directions, is lost.
    pub(super) fn daemon_dies(&mut self) {
        self.daemon.die();
        self.asked.clear();
        self.is_attached = false;
    }

    /// The link is there again. What is to be asked again was not asked yet.
    pub(super) fn daemon_returns(&mut self) {
        self.is_attached = true;
        let connections = self.session.resume().into_iter().collect();
        self.will_ask(frame(&FromWorker::Resume { connections }));
        self.park();
    }

    /// Ten seconds have passed since it went.
    pub(super) fn daemon_is_lost(&mut self) {
        self.session
            .daemon_is_lost(&mut self.shared.counts, self.now_ms);
        self.park();
    }

    /// What a session holds stays within what its limits say.
    fn check_bounds(&self) {
        // A slot's answer and one slice of messages, of which each is shorter than a line and a header.
        const SLOT_BYTES: usize = 4 * 128;
        assert!(self.session.pipeline.lines() <= MAX_LINES);
        let slots = || self.session.pipeline.iter();
        let lines: usize = slots().map(Slot::lines).sum();
        assert_eq!(lines, self.session.pipeline.lines());
        let held_bytes: usize = slots().map(|slot| slot.held_bytes).sum();
        assert_eq!(held_bytes, self.session.pipeline.held_bytes());
        assert!(held_bytes <= MAX_HELD_BYTES + 3 * self.session.limits.max_line_bytes);
        let input = self.session.intake.lines.held_bytes();
        assert!(input <= READ_BYTES + self.session.limits.max_line_bytes);
        let output = self.session.output.pending().len();
        assert!(output <= self.session.limits.max_unread_bytes + MAX_LINES * SLOT_BYTES);
    }
}
