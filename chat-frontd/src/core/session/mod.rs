//! One client's dialogue: bytes and daemon's words in, bytes and questions out. Knows no socket and no clock.

mod asking;
mod chat;
mod command;
mod delivery;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod incoming;
mod line_buffer;
mod login;
mod message_line;
mod output;
mod pace;
mod parked;
mod slot;
mod slots;

#[cfg(test)]
mod interruption_tests;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use chat_line_protocol::words;
use chat_model::{ConnectionSerial, Message, MessageNumber, Password, Progress, StreamOffset};
use chat_node::logs::security_log::Event;
use memchr::memrchr;

pub(crate) use command::PushMode;
pub(crate) use delivery::Delivery;
pub(crate) use message_line::MessageLines;
pub use output::Output;
pub(crate) use pace::Pace;
pub(crate) use parked::ParkedSession;

use line_buffer::{Line, LineBuffer};
use slot::{Question, Slot};
use slots::Slots;

/// Lines of one client that may be on their way at once. The daemon keeps answers for more than that.
const MAX_LINES: usize = 512;
/// While more than this is held of them, no other line is taken.
const MAX_HELD_BYTES: usize = 128 * 1024;

/// What a session refuses to go beyond.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// A line, its end included.
    pub max_line_bytes: usize,
    /// What waits for a client before no more of its lines are taken.
    pub max_unread_bytes: usize,
    /// Names that a message may be sent to at once.
    pub max_recipients: usize,
}

/// Where in the dialogue a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name,
    OfferRegistration {
        name: String,
    },
    NewPassword {
        name: String,
        first: Option<Password<'static>>,
    },
    Password {
        name: String,
    },
    Chat,
    /// The last line was written, or waits to be.
    Over,
}

/// Why a dialogue is coming to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client said `logout`.
    LogOut,
    /// The client was silent for too long.
    TimeOut,
    /// The client will send nothing more, or the worker will take nothing more.
    EndOfInput,
}

/// A part of the reader's queue, as it came from the daemon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueuePart<'a> {
    pub(crate) messages: &'a [Message<'a>],
    pub(crate) through: MessageNumber,
    pub(crate) more: bool,
}

/// One client's dialogue.
#[derive(Debug)]
pub(crate) struct Session {
    serial: ConnectionSerial,
    address: IpAddr,
    limits: SessionLimits,
    input: LineBuffer,
    is_input_over: bool,
    /// The client's FIN has come, read or not; or the worker stops.
    has_fin: bool,
    step: Step,
    slots: Slots,
    pub(crate) output: Output,
    pub(crate) delivery: Delivery,
    has_ids: bool,
    push: PushMode,
    /// The last message of the queue that was put into the output.
    taken: MessageNumber,
    /// The answers that were begun are complete once the queue was taken up to here.
    promised_through: MessageNumber,
    /// More was pushed than fitted: the rest up to here has to be asked for.
    pushed_through: Option<MessageNumber>,
    /// A part of the queue was asked for, up to here.
    page_asked: Option<MessageNumber>,
    answered: StreamOffset,
    /// The daemon knows of this connection.
    has_asked: bool,
    /// The daemon has been away for long: what did not reach it is refused.
    is_daemon_lost: bool,
    ending: Option<Ending>,
    idle_since_ms: u64,
    /// `None` for those whose lines are taken as fast as they come.
    pace: Option<Box<Pace>>,
    has_told_delay: bool,
    /// Happened, and nobody was told yet.
    event: Option<Event>,
    is_rejected: bool,
}

impl Session {
    pub(crate) fn new(
        serial: ConnectionSerial,
        address: IpAddr,
        limits: SessionLimits,
        now_ms: u64,
    ) -> Self {
        Self {
            serial,
            address,
            limits,
            input: LineBuffer::new(limits.max_line_bytes),
            is_input_over: false,
            has_fin: false,
            step: Step::Name,
            slots: Slots::default(),
            output: Output::default(),
            delivery: Delivery::default(),
            has_ids: false,
            push: PushMode::Off,
            taken: MessageNumber::default(),
            promised_through: MessageNumber::default(),
            pushed_through: None,
            page_asked: None,
            answered: StreamOffset(0),
            has_asked: false,
            is_daemon_lost: false,
            ending: None,
            idle_since_ms: now_ms,
            pace: None,
            has_told_delay: false,
            event: None,
            is_rejected: false,
        }
    }

    /// An untrusted client's: where it comes from, and how fast its lines are taken.
    pub(crate) fn become_untrusted(&mut self, address: IpAddr, pace: Pace) {
        self.address = address;
        self.pace = Some(Box::new(pace));
    }

    /// Bytes came from the client.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        self.input.extend(bytes);
        if let Some(at) = memrchr(b'\n', bytes) {
            let behind = (bytes.len() - at - 1) as u64;
            self.delivery.line_came(self.input.stream_total() - behind);
        }
    }

    /// Whether what comes from the client may be a password.
    pub(crate) fn expects_secret(&self) -> bool {
        self.step != Step::Chat
    }

    /// Whether the client has sent its password without waiting to be asked for it: the question, which it needs no more,
    /// can go with what the daemon says to that.
    pub(crate) fn is_ahead_of_question(&self) -> bool {
        matches!(self.step, Step::Password { .. }) && !self.slots.is_empty()
    }

    /// Nothing more will come: whole lines are still answered, and then the dialogue ends.
    pub(crate) fn end_input(&mut self) {
        self.is_input_over = true;
        self.has_fin = true;
    }

    /// A look at the connection, which is whole: the peer's TCP has the output stream up to `position`, and
    /// `unread_bytes` have come in that were not given to [`Session::received`], and a FIN behind them or not.
    pub(crate) fn observed(
        &mut self,
        position: u64,
        unread_bytes: u64,
        has_fin: bool,
        now_ms: u64,
    ) {
        let input_total = self.input.stream_total() + unread_bytes;
        self.delivery.acknowledged(position, input_total, now_ms);
        self.has_fin |= has_fin;
        if self.counts_silence() {
            self.delivery.stayed_whole(now_ms);
        }
        if self.waits_to_log_out() && !self.delivery.awaits_acknowledgement() {
            self.delivery.logged_out();
        }
    }

    /// Whether more of the client's bytes can be taken now.
    pub(crate) fn wants_input(&self) -> bool {
        !self.is_input_over
            && self.can_take_line()
            && self.paced_until_ms().is_none()
            && self.input.needs_more()
    }

    /// Whether lines wait that came already and can be taken now.
    pub(crate) fn has_line_to_take(&self) -> bool {
        !self.input.needs_more() && self.can_take_line()
    }

    fn can_take_line(&self) -> bool {
        let max_lines = if self.step == Step::Chat {
            MAX_LINES
        } else {
            1
        };
        self.ending.is_none()
            && self.step != Step::Over
            && self.slots.lines() < max_lines
            && self.slots.held_bytes() <= MAX_HELD_BYTES
            && self.output.pending_bytes() <= self.limits.max_unread_bytes
    }

    /// Takes the lines that can be taken now.
    pub(crate) fn advance(&mut self, now_ms: u64) {
        if let Some(pace) = &mut self.pace {
            pace.pass(now_ms);
        }
        while self.can_take_line() && !self.is_held_back(now_ms) {
            // No name has such an end. Without an answer its user would wait, and not know for what.
            let is_of_telnet = self.step == Step::Name && self.input.skip_telnet_line();
            if is_of_telnet {
                self.output.line(words::USERNAME);
            } else if let Some(line) = self.input.next_line() {
                self.take_line(&line);
            } else {
                if self.is_input_over && self.slots.is_empty() {
                    self.begin_ending(Ending::EndOfInput);
                }
                return;
            }
            self.idle_since_ms = now_ms;
            if let Some(pace) = &mut self.pace {
                pace.took_line(now_ms);
            }
            self.show_answers(now_ms);
        }
    }

    fn is_held_back(&mut self, now_ms: u64) -> bool {
        let Some(pace) = &mut self.pace else {
            return false;
        };
        pace.pass(now_ms);
        let is_held_back = pace.until_ms().is_some();
        if is_held_back && !self.input.needs_more() && !self.has_told_delay {
            self.has_told_delay = true;
            self.event = Some(Event::LinesDelayed);
        }
        is_held_back
    }

    /// Until when no more lines are taken, because they came too fast.
    pub(crate) fn paced_until_ms(&self) -> Option<u64> {
        self.pace.as_ref()?.until_ms()
    }

    /// When the pace is to be looked at again.
    pub(crate) fn pace_due_ms(&self) -> Option<u64> {
        self.pace.as_ref()?.due_ms()
    }

    /// Lines are taken as fast as they come from now on.
    pub(crate) fn hurry(&mut self) {
        self.pace = None;
    }

    /// What happened that the security log is to have.
    pub(crate) fn take_event(&mut self) -> Option<Event> {
        self.event.take()
    }

    pub(crate) fn serial(&self) -> ConnectionSerial {
        self.serial
    }

    /// Where the client comes from.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether the login is done, or will not be.
    pub(crate) fn is_past_login(&self) -> bool {
        matches!(self.step, Step::Chat | Step::Over)
    }

    /// What is held for this client: what it sent, what is asked, what is to be written.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.input.held_bytes() + self.slots.held_bytes() + self.output.held_bytes()
    }

    /// There are too many connections for this one to be served.
    pub(crate) fn reject(&mut self) {
        if self.step != Step::Over {
            self.cut_off();
            self.output.line(&refusal("busy", ""));
            self.is_rejected = true;
        }
    }

    /// Whether the client was rejected.
    pub(crate) fn is_rejected(&self) -> bool {
        self.is_rejected
    }

    fn take_line(&mut self, line: &Line) {
        if self.step == Step::Chat {
            self.take_chat_line(line);
        } else if line.is_too_long {
            self.output.line(&refusal("length", ""));
            self.step = Step::Over;
        } else {
            self.take_login_line(line);
        }
    }

    /// The daemon ended the session.
    pub(crate) fn cut_off(&mut self) {
        self.slots.clear();
        self.step = Step::Over;
    }

    /// Nothing more of the client is taken; what was asked is answered first.
    pub(crate) fn begin_ending(&mut self, ending: Ending) {
        if self.ending.is_none() {
            self.ending = Some(ending);
        }
    }

    /// Whether nothing more of the client is taken.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether all is answered, and the dialogue can be concluded.
    pub(crate) fn can_conclude(&self) -> bool {
        self.ending.is_some() && self.slots.is_empty() && self.step != Step::Over
    }

    /// Whether a `logout` is only to be answered, but does not yet confirm all that was sent.
    pub(crate) fn waits_to_log_out(&self) -> bool {
        self.can_conclude()
            && self.ending == Some(Ending::LogOut)
            && (!self.output.pending().is_empty() || self.delivery.awaits_confirmation())
    }

    /// Ends the dialogue. Only a `logout` confirms with it what the client's TCP has acknowledged.
    pub(crate) fn conclude(&mut self) {
        let Some(ending) = self.ending else {
            return;
        };
        if ending == Ending::LogOut {
            self.delivery.logged_out();
        }
        self.pushed_through = None;
        if self.step == Step::Chat {
            let offset = StreamOffset(self.input.stream_total().max(self.answered.0) + 1);
            self.ask(Slot::new(offset, words::LOGOUT.into(), Question::LogOut));
        } else {
            self.finish(ending);
        }
    }

    fn finish(&mut self, ending: Ending) {
        if let Some(word) = words_for(ending) {
            self.output.line(word);
        }
        self.step = Step::Over;
    }

    /// Whether nothing more will be said, and the connection is to be closed once all is written.
    pub(crate) fn is_over(&self) -> bool {
        self.step == Step::Over
    }

    /// Since when the client has owed a line; `None` while it is owed an answer.
    pub(crate) fn idle_since_ms(&self) -> Option<u64> {
        let is_owed = !self.slots.is_empty() || self.paced_until_ms().is_some();
        (!is_owed && self.ending.is_none()).then_some(self.idle_since_ms)
    }

    /// Whether silence can be a sign of having read: `push on` holds, and no FIN has come.
    pub(crate) fn counts_silence(&self) -> bool {
        self.push == PushMode::On && !self.has_fin
    }

    /// How far the reader is.
    pub(crate) fn progress(&self) -> Progress {
        self.delivery.progress()
    }
}

fn words_for(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::LogOut => Some(words::GOODBYE),
        Ending::TimeOut => Some(words::TIMEOUT),
        Ending::EndOfInput => None,
    }
}

fn refusal(kind: &str, word: &str) -> String {
    format!("{}:{kind}:{word}", words::ERROR)
}
