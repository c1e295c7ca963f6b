//! What is left of a dialogue while nothing is under way in it: most clients, most of the time.

use std::net::{IpAddr, Ipv4Addr};

use chat_model::{ConnectionSerial, MessageNumber, Progress, StreamOffset};
use chat_rpc::ResumedConnection;

use super::command::PushMode;
use super::line_buffer::LineBuffer;
use super::output::Output;
use super::{Session, SessionLimits, Step};

/// Of clients that are logged in nobody asks where they come from.
const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A logged in client that is owed nothing and owes nothing: what [`Session::restore`] makes the same session of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParkedSession {
    serial: ConnectionSerial,
    /// Length of the input stream; all of it is answered.
    stream_total: StreamOffset,
    /// Length of the output stream; all of it is written.
    output_total: u64,
    output_usual_bytes: u32,
    has_ids: bool,
    push: PushMode,
    taken: MessageNumber,
    received: MessageNumber,
    /// What was received after this is confirmed by the client's next line.
    had: MessageNumber,
    idle_since_ms: u64,
}

impl ParkedSession {
    pub(crate) fn serial(&self) -> ConnectionSerial {
        self.serial
    }

    pub(crate) fn idle_since_ms(&self) -> u64 {
        self.idle_since_ms
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            sent: self.received,
            acknowledged: self.received,
            confirmed: self.had,
        }
    }

    /// As [`Session::resume`].
    pub(crate) fn resumed(&self) -> ResumedConnection {
        ResumedConnection {
            connection: self.serial,
            answered: self.stream_total,
            progress: self.progress(),
            taken: self.taken,
            push: self.push != PushMode::Off,
        }
    }
}

impl Session {
    /// What has to be kept of the session, if that is little.
    pub(crate) fn rest(&self) -> Option<ParkedSession> {
        // Field by field, so that whoever adds one has to say what rest makes of it.
        let Self {
            serial,
            // Named at logins only.
            address: _,
            // The same for all.
            limits: _,
            input,
            is_input_over,
            has_fin,
            step,
            slots,
            output,
            delivery,
            has_ids,
            push,
            taken,
            promised_through,
            pushed_through,
            page_asked,
            answered,
            has_asked,
            // The same for all.
            is_daemon_lost: _,
            ending,
            idle_since_ms,
            pace,
            // It may be told again.
            has_told_delay: _,
            event,
            // It is over then.
            is_rejected: _,
        } = self;
        let is_parked = slots.is_empty()
            && *step == Step::Chat
            && !is_input_over
            && !has_fin
            && ending.is_none()
            && promised_through <= taken
            && pushed_through.is_none()
            && page_asked.is_none()
            && *has_asked
            && input.is_empty()
            && input.stream_total() == answered.0
            && output.is_empty()
            && pace.as_ref().is_none_or(|pace| pace.is_full())
            && event.is_none();
        if !is_parked {
            return None;
        }
        let (received, had) = delivery.rest(input.stream_total())?;
        if received > had && self.counts_silence() {
            return None;
        }
        Some(ParkedSession {
            serial: *serial,
            stream_total: *answered,
            output_total: output.end_position(),
            output_usual_bytes: output.usual_bytes(),
            has_ids: *has_ids,
            push: *push,
            taken: *taken,
            received,
            had,
            idle_since_ms: *idle_since_ms,
        })
    }

    /// One that is nobody's, to be woken as somebody's.
    pub(crate) fn unnamed(limits: SessionLimits) -> Self {
        Self::new(ConnectionSerial(0), NO_ADDRESS, limits, 0)
    }

    /// Becomes the session that went to rest; what this one was is forgotten.
    pub(crate) fn restore(
        &mut self,
        parked: &ParkedSession,
        limits: SessionLimits,
        is_daemon_lost: bool,
    ) {
        let total = parked.stream_total;
        let mut slots = std::mem::take(&mut self.slots);
        slots.clear();
        let mut delivery = std::mem::take(&mut self.delivery);
        delivery.restore(parked.received, parked.had, total.0);
        *self = Self {
            input: LineBuffer::at(total, limits.max_line_bytes),
            step: Step::Chat,
            slots,
            output: Output::at(parked.output_total, parked.output_usual_bytes),
            delivery,
            has_ids: parked.has_ids,
            push: parked.push,
            taken: parked.taken,
            answered: total,
            has_asked: true,
            is_daemon_lost,
            ..Self::new(parked.serial, NO_ADDRESS, limits, parked.idle_since_ms)
        };
    }
}
