//! What the daemon says to a session: answers, and messages with them, unasked, or page by page.

use std::sync::Arc;

use chat_model::{
    Message, MessageNumber, Outcome, OutcomeKind, Request, RequestKind, StreamOffset,
};
use chat_rpc::UsersRequest;

use super::slot::{Answer, Requests, STORED, Slot, Stage};
use super::{Phase, QueuePart, Session, SessionCounts, Shared};
use crate::core::dialect::Dialect;
use crate::core::list_line::ListLine;

impl<D: Dialect> Session<D> {
    /// The next part of the queue to be asked for: after which message, and up to which. It is taken to have
    /// been asked for by this.
    pub(crate) fn next_page(&mut self) -> Option<(MessageNumber, MessageNumber)> {
        if self.output.pending_bytes() > self.limits.max_unread_bytes {
            return None;
        }
        if self.phase != Phase::Chat || self.is_logging_out() {
            return None;
        }
        let promised = match self.pipeline.front() {
            Some(Slot {
                stage: Stage::Answered { through, .. },
                ..
            }) => Some(*through),
            _ => None,
        };
        self.inbox.next_page(promised)
    }

    /// The daemon answered a line.
    pub(crate) fn reply(
        &mut self,
        offset: StreamOffset,
        outcome: &Outcome<'_>,
        part: QueuePart<'_>,
        shared: &mut Shared<D>,
        now_ms: u64,
    ) {
        let index = self.pipeline.asked(offset, offset).next();
        let Some(index) = index else {
            return log::error!(
                "the state daemon answered what nobody asked (offset {})",
                offset.0
            );
        };
        self.pipeline.note_answered(offset);
        let part = self.inbox.without_gap(part);
        self.follow_outcome(index, outcome);
        let through = self.inbox.promise(part);
        let answer = Answer::Outcome(outcome.clone().into_owned());
        self.pipeline.get_mut(index).answered(answer, through);
        if index == 0 {
            self.show_front_answer();
            self.add_part(part, shared);
        }
        self.show_answers(&mut shared.counts, now_ms);
    }

    /// What an outcome means for the session itself.
    fn follow_outcome(&mut self, index: usize, outcome: &Outcome<'_>) {
        match &self.pipeline.get_mut(index).requests {
            Requests::One(Request::LogOut) => {
                if let Some(ending) = self.ending {
                    self.finish(ending);
                }
            }
            Requests::One(
                Request::Identify { .. } | Request::Register { .. } | Request::LogIn { .. },
            ) => {
                match outcome {
                    Outcome::LoggedIn => self.phase = Phase::Chat,
                    Outcome::Blocked { .. } | Outcome::Locked { .. } => self.phase = Phase::Over,
                    _ => {}
                }
                // Once logged in, what comes is no password.
                self.intake.lines.keeps_secrets(self.phase != Phase::Chat);
            }
            Requests::One(Request::ChangePassword { .. }) => {
                if matches!(outcome, Outcome::Locked { .. }) {
                    self.phase = Phase::Over;
                }
                self.intake.lines.keeps_secrets(false);
            }
            _ => {}
        }
    }

    /// The daemon stored what all lines from one to another say, for everybody they name. The queue as it was goes to
    /// `through`; there may be more to be asked for.
    pub(crate) fn stored(
        &mut self,
        first: StreamOffset,
        last: StreamOffset,
        (through, more): (MessageNumber, bool),
        shared: &mut Shared<D>,
        now_ms: u64,
    ) {
        let asked = self.pipeline.asked(first, last);
        if asked.is_empty() {
            return log::error!(
                "the state daemon answered what nobody asked (offsets {} to {})",
                first.0,
                last.0
            );
        }
        self.pipeline.note_answered(last);
        let part = self.inbox.without_gap(QueuePart::empty(through, more));
        let through = self.inbox.promise(part);
        let is_first = asked.start == 0;
        for slot in self.pipeline.range_mut(asked) {
            if slot.stage != Stage::Asked {
                continue;
            }
            if !slot.requests.is_message() {
                log::error!("the state daemon stored a message for {:?}", slot.memo);
            }
            slot.answered(STORED, through);
        }
        self.settle(is_first, part, shared, now_ms);
    }

    /// The daemon answered a line, and perhaps those of others, with names.
    pub(crate) fn listed(
        &mut self,
        request: &UsersRequest,
        list: &Arc<ListLine>,
        shared: &mut Shared<D>,
        now_ms: u64,
    ) {
        let offset = request.offset;
        let asked = self.pipeline.asked(offset, offset).next();
        let Some(index) = asked else {
            return log::error!(
                "the state daemon sent a list that nobody asked for (offset {})",
                offset.0
            );
        };
        self.pipeline.note_answered(offset);
        let part = QueuePart::empty(request.through, request.more);
        let part = self.inbox.without_gap(part);
        let through = self.inbox.promise(part);
        if let Some(pace) = self.intake.pace_mut() {
            pace.got_list(list.line().len(), now_ms);
        }
        let slot = self.pipeline.get_mut(index);
        if !slot.requests.is_for_list() {
            log::error!("the state daemon sent a list for {:?}", slot.memo);
        }
        slot.answered(Answer::List(Arc::clone(list)), through);
        self.settle(index == 0, part, shared, now_ms);
    }

    /// Lines were answered without messages, the first one too or not.
    fn settle(&mut self, is_first: bool, part: QueuePart<'_>, shared: &mut Shared<D>, now_ms: u64) {
        if is_first {
            self.show_front_answer();
            self.inbox.took(part);
        }
        self.show_answers(&mut shared.counts, now_ms);
    }

    /// Messages came that were not asked for.
    pub(crate) fn pushed(&mut self, part: QueuePart<'_>, shared: &mut Shared<D>) {
        // After the logout was asked, what is written could not be reported any more, and would come again.
        if self.phase != Phase::Chat || self.is_logging_out() {
            return;
        }
        let part = self.inbox.without_gap(part);
        self.add_part(part, shared);
        if part.more {
            self.inbox.promise_pushed(part.through);
        }
    }

    fn is_logging_out(&self) -> bool {
        let log_out = Requests::One(Request::LogOut);
        matches!(self.pipeline.front(), Some(slot) if slot.requests == log_out)
    }

    /// A page of the queue came that was asked for.
    pub(crate) fn page(
        &mut self,
        messages: &[Message<'_>],
        more: bool,
        shared: &mut Shared<D>,
        now_ms: u64,
    ) {
        let Some(through) = self.inbox.page_came() else {
            return log::error!("the state daemon sent a page that nobody asked for");
        };
        if self.phase != Phase::Chat || self.is_logging_out() {
            return;
        }
        let part = QueuePart {
            messages,
            through,
            more,
        };
        self.add_part(part, shared);
        self.show_answers(&mut shared.counts, now_ms);
    }

    fn add_part(&mut self, part: QueuePart<'_>, shared: &mut Shared<D>) {
        shared.counts.wrote_messages(part.messages.len());
        for message in part.messages {
            if self.inbox.take(message.number) {
                self.dialect
                    .message(&mut shared.scratch, message, self.output.buffer());
                let end = self.output.end_position();
                self.delivery.added(end, message.number);
            }
        }
        self.inbox.took(part);
    }

    /// Shows all answers that are there, in the order of their lines.
    pub(super) fn show_answers(&mut self, counts: &mut SessionCounts, now_ms: u64) {
        while matches!(self.pipeline.front(), Some(slot) if slot.stage.is_answered()) {
            self.show_front_answer();
            let taken = self.inbox.taken();
            let first = self.pipeline.front();
            if !first.is_some_and(|slot| slot.is_complete(taken)) {
                return;
            }
            self.end_front_answer(counts);
            self.intake.idle_since_ms = now_ms;
        }
    }

    /// The first slot's first answer is shown, and complete.
    fn end_front_answer(&mut self, counts: &mut SessionCounts) {
        let Some(slot) = self.pipeline.pop_front() else {
            return;
        };
        if slot.is_prompt {
            return;
        }
        if let Some(answer) = &slot.answer {
            let is_refused = slot.memo.as_ref().is_some_and(D::is_refused);
            let (request, outcome) = match is_refused {
                true => (RequestKind::Refused, OutcomeKind::Refused),
                false => (slot.requests.kind(), answer.kind()),
            };
            counts.answered(request, outcome, slot.lines());
        }
        if self.phase == Phase::Chat {
            self.dialect.end_answer(self.output.buffer());
        }
        if slot.lines() > 1 {
            self.repeat_answer(&slot);
        }
        self.pipeline.recycle(slot);
    }

    /// A batch has as many answers as lines, all alike: memos in a batch are equal, and no message comes in between.
    fn repeat_answer(&mut self, slot: &Slot<D::Memo>) {
        let (Some(memo), Some(Answer::Outcome(outcome))) = (&slot.memo, &slot.answer) else {
            return;
        };
        let output = self.output.buffer();
        let start = output.len();
        self.dialect.answer(memo, outcome, output);
        self.dialect.end_answer(output);
        let answer = start..output.len();
        let repeated = slot.lines() - 2;
        output.reserve(repeated * answer.len());
        for _ in 0..repeated {
            output.extend_from_within(answer.clone());
        }
    }

    fn show_front_answer(&mut self) {
        let Some(slot) = self.pipeline.front_mut() else {
            return;
        };
        let Stage::Answered { is_shown, .. } = &mut slot.stage else {
            return;
        };
        if std::mem::replace(is_shown, true) {
            return;
        }
        if let Some(mode) = slot.push_set() {
            self.push = mode;
        }
        match (&slot.memo, &slot.answer) {
            (Some(memo), Some(Answer::Outcome(outcome))) => {
                self.dialect.answer(memo, outcome, self.output.buffer());
            }
            (_, Some(Answer::List(list))) => self.output.list(Arc::clone(list)),
            _ => {}
        }
    }
}
