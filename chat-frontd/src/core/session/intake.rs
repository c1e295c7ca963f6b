//! What comes from the client: its bytes, cut into lines, how fast these are taken, and the end of them.

use chat_line_protocol::server::LineBuffer;
use chat_model::StreamOffset;

use super::Pace;

/// A client's stream, as far as it was not taken.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) lines: LineBuffer,
    /// The client will send nothing more, or the worker will take nothing more.
    is_over: bool,
    /// The client's FIN has come, read or not; or the worker stops.
    has_fin: bool,
    /// `None` for those whose lines are taken as fast as they come.
    pace: Option<Box<Pace>>,
    has_logged_delay: bool,
    /// When bytes came last, by the host's boot clock.
    pub(super) heard_boot_ms: u64,
    /// When a line was taken last, or its answer was complete.
    pub(super) idle_since_ms: u64,
}

impl Intake {
    /// The beginning of a stream.
    pub(super) fn new(max_line_bytes: usize, now_ms: u64) -> Self {
        Self::of(LineBuffer::new(max_line_bytes), now_ms)
    }

    /// A stream of which so much came, and was answered.
    pub(super) fn at(total: StreamOffset, max_line_bytes: usize, idle_since_ms: u64) -> Self {
        Self::of(LineBuffer::at(total, max_line_bytes), idle_since_ms)
    }

    fn of(lines: LineBuffer, idle_since_ms: u64) -> Self {
        Self {
            lines,
            is_over: false,
            has_fin: false,
            pace: None,
            has_logged_delay: false,
            heard_boot_ms: 0,
            idle_since_ms,
        }
    }

    /// Whether nothing came that was not taken, more may come, and no line has to wait.
    pub(super) fn is_idle(&self) -> bool {
        let Self {
            lines,
            is_over,
            has_fin,
            pace,
            // It may be logged again.
            has_logged_delay: _,
            // It is of use until the login is done.
            heard_boot_ms: _,
            idle_since_ms: _,
        } = self;
        lines.is_empty() && !is_over && !has_fin && pace.as_ref().is_none_or(|pace| pace.is_full())
    }

    /// Lines are taken no faster than this from now on.
    pub(super) fn slow_down(&mut self, pace: Pace) {
        self.pace = Some(Box::new(pace));
    }

    /// Lines are taken as fast as they come from now on.
    pub(super) fn hurry(&mut self) {
        self.pace = None;
    }

    pub(super) fn pace(&self) -> Option<&Pace> {
        self.pace.as_deref()
    }

    pub(super) fn pace_mut(&mut self) -> Option<&mut Pace> {
        self.pace.as_deref_mut()
    }

    /// Until when no more lines are taken, because they came too fast.
    pub(super) fn paced_until_ms(&self) -> Option<u64> {
        self.pace.as_ref()?.until_ms()
    }

    /// Whether the next line has to wait for its time, and whether that is to be logged.
    pub(super) fn is_held_back(&mut self, now_ms: u64) -> (bool, bool) {
        let Some(pace) = &mut self.pace else {
            return (false, false);
        };
        pace.pass(now_ms);
        let is_held_back = pace.until_ms().is_some();
        let is_to_be_logged = is_held_back && !self.lines.needs_more() && !self.has_logged_delay;
        self.has_logged_delay |= is_to_be_logged;
        (is_held_back, is_to_be_logged)
    }

    /// A line was taken.
    pub(super) fn took_line(&mut self, now_ms: u64) {
        self.idle_since_ms = now_ms;
        if let Some(pace) = &mut self.pace {
            pace.took_line(now_ms);
        }
    }

    /// A FIN was seen, but may not be read yet.
    pub(super) fn saw_fin(&mut self) {
        self.has_fin = true;
    }

    pub(super) fn has_fin(&self) -> bool {
        self.has_fin
    }

    /// Nothing more will come.
    pub(super) fn end(&mut self) {
        self.is_over = true;
        self.has_fin = true;
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}
