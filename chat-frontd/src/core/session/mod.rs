//! One client's session: its bytes and what the daemon says go in; bytes and requests come out. Knows no socket, no
//! clock, and no word of what the client speaks.
//!
//! [`Intake`] holds what came and was not taken, [`Pipeline`] the requests under way, [`Inbox`] what of the reader's
//! queue was taken, [`Delivery`] what of it the reader surely has. The [`Dialect`] understands the client's lines and
//! writes the answers.

mod counts;
mod delivery;
mod inbox;
mod incoming;
mod intake;
mod output;
mod pace;
mod parked;
mod pipeline;
mod shared;
mod slot;

#[cfg(test)]
mod interruption_tests;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use chat_line_protocol::server::Line;
use chat_model::{Audience, ConnectionSerial, Progress, PushMode, Request, StreamOffset};
use chat_node::logs::security_log::Event;
use chat_rpc::{FromWorker, ResumedConnection};
use memchr::memrchr;

use super::dialect::{CloseReason, Dialect, Intent, LineContext};
use super::secrets::Secrets;

pub use counts::SessionCounts;
pub(crate) use delivery::Delivery;
pub(crate) use inbox::QueuePart;
pub use output::Output;
pub(crate) use pace::Pace;
pub(crate) use parked::ParkedSession;
pub(crate) use shared::Shared;

use inbox::Inbox;
use intake::Intake;
use pipeline::Pipeline;
use slot::{Requests, Slot};

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
    /// How long a client may be silent.
    pub time_out_ms: u64,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not logged in. One line is answered before the next is taken, and any may be a password.
    Login,
    Chat,
    /// The last line was written, or waits to be.
    Over,
}

/// Why a session is coming to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client said `logout`.
    LogOut,
    /// The client was silent for too long.
    TimeOut,
    /// The client will send nothing more, or the worker will take nothing more.
    EndOfInput,
}

/// One client's session.
#[derive(Debug)]
pub(crate) struct Session<D: Dialect> {
    serial: ConnectionSerial,
    address: IpAddr,
    limits: SessionLimits,
    phase: Phase,
    intake: Intake,
    dialect: D,
    pipeline: Pipeline<D::Memo>,
    inbox: Inbox,
    pub(crate) delivery: Delivery,
    pub(crate) output: Output,
    push: PushMode,
    /// The daemon names groups from now on.
    names_groups: bool,
    ending: Option<Ending>,
    /// Happened, and not logged yet.
    event: Option<Event>,
    is_rejected: bool,
}

impl<D: Dialect> Session<D> {
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
            phase: Phase::Login,
            intake: Intake::new(limits.max_line_bytes, now_ms),
            dialect: D::default(),
            pipeline: Pipeline::default(),
            inbox: Inbox::default(),
            delivery: Delivery::default(),
            output: Output::default(),
            push: PushMode::Off,
            names_groups: false,
            ending: None,
            event: None,
            is_rejected: false,
        }
    }

    /// A parked client's, which did not know it.
    pub(crate) fn comes_from(&mut self, address: IpAddr) {
        self.address = address;
    }

    /// An untrusted client's: where it comes from, and how fast its lines are taken.
    pub(crate) fn become_untrusted(&mut self, address: IpAddr, pace: Pace) {
        self.address = address;
        self.intake.slow_down(pace);
    }

    /// Bytes came from the client, at this time of the host's boot clock.
    pub(crate) fn received(&mut self, bytes: &[u8], boot_ms: u64) {
        self.intake.lines.extend(bytes);
        self.intake.heard_boot_ms = boot_ms;
        if let Some(at) = memrchr(b'\n', bytes) {
            let behind = (bytes.len() - at - 1) as u64;
            self.delivery
                .line_came(self.intake.lines.stream_total() - behind);
        }
    }

    /// Whether what comes from the client may be a password.
    pub(crate) fn expects_secret(&self) -> bool {
        self.phase != Phase::Chat || self.dialect.awaits_secret()
    }

    /// Whether the client has sent its password without waiting to be asked for it: what asks for it can go with the
    /// answer.
    pub(crate) fn is_ahead_of_prompt(&self) -> bool {
        // The answer to a login is not complete until all that waits for the user was taken: it must not wait for that.
        let first = self.pipeline.front().filter(|_| self.phase == Phase::Login);
        first.is_some_and(|slot| matches!(slot.requests, Requests::One(Request::LogIn { .. })))
    }

    /// Nothing more will come. Complete lines are still answered, and then the session ends.
    pub(crate) fn end_input(&mut self) {
        self.intake.end();
    }

    /// The connection was looked at, and is healthy: the peer's TCP has the output stream up to `position`.
    /// `unread_bytes` have come in that were not given to [`Session::received`], and a FIN behind them if `has_fin`.
    pub(crate) fn observed(
        &mut self,
        position: u64,
        unread_bytes: u64,
        has_fin: bool,
        now_ms: u64,
    ) {
        let input_total = self.intake.lines.stream_total() + unread_bytes;
        self.delivery.acknowledged(position, input_total, now_ms);
        if has_fin {
            self.intake.saw_fin();
        }
        if self.counts_silence() {
            self.delivery.stayed_healthy(now_ms);
        }
        if self.waits_to_log_out() && !self.delivery.awaits_acknowledgement() {
            self.delivery.logged_out();
        }
    }

    /// Whether more of the client's bytes can be taken now.
    pub(crate) fn wants_input(&self) -> bool {
        !self.intake.is_over()
            && self.can_take_line()
            && self.paced_until_ms().is_none()
            && self.intake.lines.needs_more()
    }

    /// Whether lines wait that came already and can be taken now.
    pub(crate) fn has_line_to_take(&self) -> bool {
        !self.intake.lines.needs_more() && self.can_take_line()
    }

    fn can_take_line(&self) -> bool {
        let max_lines = if self.phase == Phase::Chat {
            MAX_LINES
        } else {
            1
        };
        self.ending.is_none()
            && self.phase != Phase::Over
            && self.pipeline.lines() < max_lines
            && !self.pipeline.ends_with_password_change()
            && self.pipeline.held_bytes() <= MAX_HELD_BYTES
            && self.output.pending_bytes() <= self.limits.max_unread_bytes
    }

    /// Takes the lines that can be taken now.
    pub(crate) fn advance(&mut self, shared: &mut Shared<D>, now_ms: u64) {
        if let Some(pace) = self.intake.pace_mut() {
            pace.pass(now_ms);
        }
        while self.can_take_line() && !self.is_held_back(now_ms) {
            if self
                .dialect
                .take_stray(&mut self.intake.lines, &mut self.output)
            {
                // The dialect has answered.
            } else if let Some(line) = self.intake.lines.next_line() {
                self.take_line(&line, &mut shared.secrets);
            } else {
                if self.intake.is_over() && self.pipeline.is_empty() {
                    self.begin_ending(Ending::EndOfInput);
                }
                return;
            }
            self.intake.took_line(now_ms);
            self.show_answers(&mut shared.counts, now_ms);
        }
    }

    fn is_held_back(&mut self, now_ms: u64) -> bool {
        let (is_held_back, is_to_be_logged) = self.intake.is_held_back(now_ms);
        if is_to_be_logged {
            self.event = Some(Event::LinesDelayed);
        }
        is_held_back
    }

    /// Until when no more lines are taken, because they came too fast.
    pub(crate) fn paced_until_ms(&self) -> Option<u64> {
        self.intake.paced_until_ms()
    }

    /// When the pace is to be looked at again.
    pub(crate) fn pace_due_ms(&self) -> Option<u64> {
        self.intake.pace()?.due_ms()
    }

    /// Lines are taken as fast as they come from now on.
    pub(crate) fn hurry(&mut self) {
        self.intake.hurry();
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

    /// How long the client may be silent from now on, as far as it is told that.
    pub(crate) fn change_time_out(&mut self, time_out_ms: u64) {
        self.limits.time_out_ms = time_out_ms;
    }

    /// Whether the login is done, or will not be.
    pub(crate) fn is_past_login(&self) -> bool {
        self.phase != Phase::Login
    }

    /// What is held for this client: what it sent, what is asked, what is to be written.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.intake.lines.held_bytes() + self.pipeline.held_bytes() + self.output.held_bytes()
    }

    /// There are too many connections for this one to be served.
    pub(crate) fn reject(&mut self) {
        if self.phase != Phase::Over {
            self.cut_off();
            let reason = CloseReason::TooManyConnections;
            self.dialect.close(reason, self.output.buffer());
            self.is_rejected = true;
        }
    }

    /// Whether the client was rejected.
    pub(crate) fn is_rejected(&self) -> bool {
        self.is_rejected
    }

    fn take_line(&mut self, line: &Line, secrets: &mut Secrets) {
        let content = self.intake.lines.content(line);
        let output = &mut self.output;
        let intent = match line.is_too_long {
            true => self.dialect.take_long_line(content, output),
            false => {
                let mut context = LineContext {
                    address: self.address,
                    limits: &self.limits,
                    secrets,
                };
                self.dialect.take_line(content, &mut context, output)
            }
        };
        let (request, memo, push) = match intent {
            Intent::Handled => return,
            Intent::Prompt(memo) => {
                let memo_bytes = D::held_bytes(&memo);
                self.pipeline.push(Slot::prompt(line.end, memo, memo_bytes));
                return self.intake.lines.keeps_secrets(true);
            }
            Intent::Close => return self.phase = Phase::Over,
            Intent::LogOut => return self.begin_ending(Ending::LogOut),
            Intent::Push(mode, memo) => {
                let request = Request::SetPush { on: mode.is_on() };
                (request, memo, Some(mode))
            }
            // It is refused at once, and what it says is not kept.
            Intent::Request(_, memo) if self.pipeline.is_daemon_lost() => {
                (Request::Fetch, memo, None)
            }
            Intent::Request(
                Request::Send {
                    audience: Audience::Accounts(names),
                    text,
                },
                memo,
            ) => {
                if names.len() <= self.limits.max_recipients {
                    let memo_bytes = D::held_bytes(&memo);
                    let message = (names.names(), &*text);
                    return self
                        .pipeline
                        .push_message(line.end, (memo, memo_bytes), message);
                }
                self.event = Some(Event::GroupSize);
                (Request::Fetch, D::too_many_recipients(memo), None)
            }
            Intent::Request(
                Request::SendOnce {
                    audience: Audience::Accounts(names),
                    ..
                },
                memo,
            ) if names.len() > self.limits.max_recipients => {
                self.event = Some(Event::GroupSize);
                (Request::Fetch, D::too_many_recipients(memo), None)
            }
            Intent::Request(mut request, memo) => {
                self.names_groups |= request == Request::NameGroups;
                // Asked again of another daemon, it is as old as it is.
                request.note_asked_at(self.intake.heard_boot_ms);
                (request.into_owned(), memo, None)
            }
        };
        let memo_bytes = D::held_bytes(&memo);
        let mut slot = Slot::new(line.end, Requests::One(request), memo, memo_bytes);
        slot.push = push;
        self.pipeline.push(slot);
        if self.phase == Phase::Chat {
            let has_secrets = self.pipeline.ends_with_password_change();
            self.intake.lines.keeps_secrets(has_secrets);
        }
    }

    /// The daemon ended the session.
    pub(crate) fn cut_off(&mut self) {
        self.pipeline.clear();
        self.phase = Phase::Over;
    }

    /// The same session of the user has begun elsewhere.
    pub(crate) fn replaced(&mut self) {
        if self.phase != Phase::Over {
            let reason = CloseReason::Replaced;
            self.dialect.close(reason, self.output.buffer());
        }
        self.cut_off();
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
        self.ending.is_some() && self.pipeline.is_empty() && self.phase != Phase::Over
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
        self.inbox.forget_pushed();
        if self.phase == Phase::Chat {
            let end = self
                .intake
                .lines
                .stream_total()
                .max(self.pipeline.answered().0);
            let requests = Requests::One(Request::LogOut);
            let slot = Slot::without_answer(StreamOffset(end + 1), requests);
            self.pipeline.push(slot);
        } else {
            self.finish(ending);
        }
    }

    fn finish(&mut self, ending: Ending) {
        let reason = match ending {
            Ending::LogOut => Some(CloseReason::LoggedOut),
            Ending::TimeOut => Some(CloseReason::TimedOut),
            Ending::EndOfInput => None,
        };
        if let Some(reason) = reason {
            self.dialect.close(reason, self.output.buffer());
        }
        self.phase = Phase::Over;
    }

    /// Whether nothing more will be said, and the connection is to be closed once all is written.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Since when the client has owed a line; `None` while it is owed an answer.
    pub(crate) fn idle_since_ms(&self) -> Option<u64> {
        let is_owed = !self.pipeline.is_empty() || self.paced_until_ms().is_some();
        (!is_owed && self.ending.is_none()).then_some(self.intake.idle_since_ms)
    }

    /// Whether silence can be a sign of having read: `push on` holds, and no FIN has come.
    pub(crate) fn counts_silence(&self) -> bool {
        self.push == PushMode::On && !self.intake.has_fin()
    }

    /// How far the reader is.
    pub(crate) fn progress(&self) -> Progress {
        self.delivery.progress()
    }

    /// The next item for the daemon, which counts as sent by this.
    pub(crate) fn next_request(&mut self) -> Option<FromWorker<'_>> {
        let may_ask_for_list = self.may_ask_for_list();
        let progress = self.delivery.progress();
        self.pipeline
            .next_item(may_ask_for_list, self.serial, progress)
    }

    /// Whether a list of names can be taken: the one before it is written, as far as that was long, and paid for.
    fn may_ask_for_list(&self) -> bool {
        !self.output.holds_list()
            && self.output.pending_bytes() <= self.limits.max_unread_bytes
            && !self.intake.pace().is_some_and(Pace::is_in_debt)
    }

    /// Whether a list is to be asked for, and can be now.
    pub(crate) fn has_list_to_ask_for(&self) -> bool {
        self.pipeline.is_list_next() && self.may_ask_for_list()
    }

    /// The daemon came back: what it may not have decided is asked again, under the same names.
    pub(crate) fn resume(&mut self) -> Option<ResumedConnection> {
        self.pipeline.ask_again();
        self.inbox.forget_page();
        let push = self.pipeline.last_push_set().unwrap_or(self.push);
        self.pipeline.has_asked().then_some(ResumedConnection {
            connection: self.serial,
            answered: self.pipeline.answered(),
            progress: self.delivery.progress(),
            taken: self.inbox.taken(),
            push: push.is_on(),
            names_groups: self.names_groups,
        })
    }

    /// The daemon has been away for long: refuses what certainly did not reach it.
    pub(crate) fn daemon_is_lost(&mut self, counts: &mut SessionCounts, now_ms: u64) {
        self.pipeline.daemon_is_lost();
        self.show_answers(counts, now_ms);
    }
}
