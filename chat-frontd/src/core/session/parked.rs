//! What is left of a dialogue while nothing is under way in it: most clients, most of the time.

use std::net::{IpAddr, Ipv4Addr};

use chat_model::{ConnectionSerial, MessageNumber, Progress, PushMode, StreamOffset};
use chat_rpc::ResumedConnection;

use super::inbox::Inbox;
use super::intake::Intake;
use super::output::Output;
use super::{Phase, Session, SessionLimits};
use crate::core::dialect::Dialect;

/// Whoever restores a client says where it comes from.
const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A logged in client that is owed nothing and owes nothing: what [`Session::restore`] makes the same session of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParkedSession<Parked> {
    serial: ConnectionSerial,
    /// Length of the input stream; all of it is answered.
    stream_total: StreamOffset,
    /// Length of the output stream; all of it is written.
    output_total: u64,
    output_usual_bytes: u32,
    dialect: Parked,
    push: PushMode,
    names_groups: bool,
    taken: MessageNumber,
    acknowledged: MessageNumber,
    /// What was acknowledged after this is confirmed by the client's next line.
    confirmed: MessageNumber,
    idle_since_ms: u64,
}

impl<Parked> ParkedSession<Parked> {
    pub(crate) fn serial(&self) -> ConnectionSerial {
        self.serial
    }

    pub(crate) fn idle_since_ms(&self) -> u64 {
        self.idle_since_ms
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            sent: self.acknowledged,
            acknowledged: self.acknowledged,
            confirmed: self.confirmed,
        }
    }

    /// As [`Session::resume`].
    pub(crate) fn resumed(&self) -> ResumedConnection {
        ResumedConnection {
            connection: self.serial,
            answered: self.stream_total,
            progress: self.progress(),
            taken: self.taken,
            push: self.push.is_on(),
            names_groups: self.names_groups,
        }
    }
}

impl<D: Dialect> Session<D> {
    /// What has to be kept of the session, if that is little.
    pub(crate) fn park(&self) -> Option<ParkedSession<D::Parked>> {
        // Field by field, so that whoever adds one has to say what parking makes of it.
        let Self {
            serial,
            // Known to whoever restores it.
            address: _,
            // The same for all.
            limits: _,
            phase,
            intake,
            dialect,
            pipeline,
            inbox,
            delivery,
            output,
            push,
            names_groups,
            ending,
            event,
            // It is over then.
            is_rejected: _,
        } = self;
        let is_idle = pipeline.is_empty()
            && *phase == Phase::Chat
            && ending.is_none()
            && inbox.is_settled()
            && pipeline.has_asked()
            && intake.is_idle()
            && intake.lines.stream_total() == pipeline.answered().0
            && output.is_empty()
            && event.is_none();
        if !is_idle {
            return None;
        }
        let (acknowledged, confirmed) = delivery.summary(intake.lines.stream_total())?;
        if acknowledged > confirmed && self.counts_silence() {
            return None;
        }
        Some(ParkedSession {
            serial: *serial,
            stream_total: pipeline.answered(),
            output_total: output.end_position(),
            output_usual_bytes: output.usual_bytes(),
            dialect: dialect.park(),
            push: *push,
            names_groups: *names_groups,
            taken: inbox.taken(),
            acknowledged,
            confirmed,
            idle_since_ms: intake.idle_since_ms,
        })
    }

    /// A session of nobody, to become somebody's by [`Session::restore`].
    pub(crate) fn unnamed(limits: SessionLimits) -> Self {
        Self::new(ConnectionSerial(0), NO_ADDRESS, limits, 0)
    }

    /// Becomes the session that was parked; what this one was is forgotten.
    pub(crate) fn restore(
        &mut self,
        parked: &ParkedSession<D::Parked>,
        limits: SessionLimits,
        is_daemon_lost: bool,
    ) {
        let total = parked.stream_total;
        let mut pipeline = std::mem::take(&mut self.pipeline);
        pipeline.restore(total, is_daemon_lost);
        let mut delivery = std::mem::take(&mut self.delivery);
        delivery.restore(parked.acknowledged, parked.confirmed, total.0);
        *self = Self {
            phase: Phase::Chat,
            intake: Intake::at(total, limits.max_line_bytes, parked.idle_since_ms),
            dialect: D::restore(parked.dialect),
            pipeline,
            inbox: Inbox::at(parked.taken),
            delivery,
            output: Output::at(parked.output_total, parked.output_usual_bytes),
            push: parked.push,
            names_groups: parked.names_groups,
            ..Self::new(parked.serial, NO_ADDRESS, limits, parked.idle_since_ms)
        };
    }
}
