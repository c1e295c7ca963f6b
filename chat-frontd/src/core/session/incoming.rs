//! What the daemon says to a session: answers, and messages with them, unasked, or page by page.

use std::sync::Arc;

use chat_line_protocol::words;
use chat_model::{Message, MessageNumber, Outcome, StreamOffset};
use chat_rpc::UsersRequest;

use super::message_line::MessageLines;
use super::slot::{Question, Setting, Slot, Stage};
use super::{QueuePart, Session, Step};
use crate::core::list_line::ListLine;

impl Session {
    /// The next part of the queue to be asked for: after which message, and up to which. It is taken to have
    /// been asked for by this.
    pub(crate) fn next_page(&mut self) -> Option<(MessageNumber, MessageNumber)> {
        if self.output.pending_bytes() > self.limits.max_unread_bytes {
            return None;
        }
        if self.page_asked.is_some() || self.step != Step::Chat || self.is_logging_out() {
            return None;
        }
        let for_answer = match self.slots.front() {
            Some(Slot {
                stage: Stage::Answered { through, .. },
                ..
            }) => Some(*through),
            _ => None,
        };
        let through = for_answer.max(self.pushed_through)?;
        if through <= self.taken {
            return None;
        }
        self.page_asked = Some(through);
        Some((self.taken, through))
    }

    /// The daemon answered a line.
    pub(crate) fn reply(
        &mut self,
        offset: StreamOffset,
        outcome: &Outcome<'_>,
        part: QueuePart<'_>,
        lines: &mut MessageLines,
        now_ms: u64,
    ) {
        let index = self.slots.asked(offset, offset).next();
        let Some(index) = index else {
            return log::error!(
                "the state daemon answered what nobody asked (offset {})",
                offset.0
            );
        };
        self.answered = self.answered.max(offset);
        let part = self.without_leap(part);
        let text = self.understand(index, outcome);
        let through = self.promised_by(part);
        let slot = self.slots.get_mut(index);
        slot.answer = text;
        slot.stage = Stage::Answered {
            through,
            is_shown: false,
        };
        if index == 0 {
            self.show_front_answer();
            self.add_part(part, lines);
        }
        self.show_answers(now_ms);
    }

    /// Up to where the queue has to be taken before an answer is complete with which this came.
    fn promised_by(&mut self, part: QueuePart<'_>) -> MessageNumber {
        let through = if part.more {
            part.through
        } else {
            MessageNumber::default()
        };
        self.promised_through = self.promised_through.max(through);
        through
    }

    /// The daemon stored what all lines from one to another say, for everybody they name. The queue as it was goes to
    /// `through`; there may be more to be asked for.
    pub(crate) fn stored(
        &mut self,
        first: StreamOffset,
        last: StreamOffset,
        (through, more): (MessageNumber, bool),
        now_ms: u64,
    ) {
        let asked = self.slots.asked(first, last);
        if asked.is_empty() {
            return log::error!(
                "the state daemon answered what nobody asked (offsets {} to {})",
                first.0,
                last.0
            );
        }
        self.answered = self.answered.max(last);
        let part = self.without_leap(QueuePart {
            messages: &[],
            through,
            more,
        });
        let through = self.promised_by(part);
        let is_first = asked.start == 0;
        for slot in self.slots.range_mut(asked) {
            if slot.stage != Stage::Asked {
                continue;
            }
            if !matches!(
                slot.question,
                Question::SendBatch(_) | Question::Broadcast { .. }
            ) {
                log::error!("the state daemon says that `{}` was sent", slot.word);
            }
            slot.answer = Some(words::SENT_TO_ALL.into());
            slot.stage = Stage::Answered {
                through,
                is_shown: false,
            };
        }
        if is_first {
            self.show_front_answer();
            self.take_through(part);
        }
        self.show_answers(now_ms);
    }

    /// The daemon answered a line, and perhaps those of others, with names.
    pub(crate) fn listed(&mut self, request: &UsersRequest, list: &Arc<ListLine>, now_ms: u64) {
        let offset = request.offset;
        let asked = self.slots.asked(offset, offset).next();
        let Some(index) = asked else {
            return log::error!(
                "the state daemon gave names to who asked for none (offset {})",
                offset.0
            );
        };
        self.answered = self.answered.max(offset);
        let part = self.without_leap(QueuePart {
            messages: &[],
            through: request.through,
            more: request.more,
        });
        let through = self.promised_by(part);
        if let Some(pace) = &mut self.pace {
            pace.got_list(list.line().len(), now_ms);
        }
        let slot = self.slots.get_mut(index);
        if !slot.question.is_for_list() {
            log::error!("the state daemon gave names to `{}`", slot.word);
        }
        slot.list = Some(Arc::clone(list));
        slot.stage = Stage::Answered {
            through,
            is_shown: false,
        };
        if index == 0 {
            self.show_front_answer();
            self.take_through(part);
        }
        self.show_answers(now_ms);
    }

    /// Messages came that were not asked for.
    pub(crate) fn pushed(&mut self, part: QueuePart<'_>, lines: &mut MessageLines) {
        // After the logout was asked, what is written could not be reported any more, and would come again.
        if self.step != Step::Chat || self.is_logging_out() {
            return;
        }
        let part = self.without_leap(part);
        self.add_part(part, lines);
        if part.more {
            self.pushed_through = self.pushed_through.max(Some(part.through));
        }
    }

    pub(super) fn is_logging_out(&self) -> bool {
        matches!(self.slots.front(), Some(slot) if slot.question == Question::LogOut)
    }

    /// A daemon that came back sends what is new behind what it had promised before it died. While something
    /// promised is still to be asked for, nothing else is taken: it would be out of order. It is asked for, too.
    fn without_leap<'a>(&self, part: QueuePart<'a>) -> QueuePart<'a> {
        if Some(self.promised_through).max(self.pushed_through) <= Some(self.taken) {
            return part;
        }
        QueuePart {
            messages: &[],
            more: true,
            ..part
        }
    }

    /// A part of the queue came that was asked for.
    pub(crate) fn page(
        &mut self,
        messages: &[Message<'_>],
        more: bool,
        lines: &mut MessageLines,
        now_ms: u64,
    ) {
        let Some(through) = self.page_asked.take() else {
            return log::error!("the state daemon sent a page that nobody asked for");
        };
        if self.step != Step::Chat || self.is_logging_out() {
            return;
        }
        let part = QueuePart {
            messages,
            through,
            more,
        };
        self.add_part(part, lines);
        if self.pushed_through <= Some(self.taken) {
            self.pushed_through = None;
        }
        self.show_answers(now_ms);
    }

    fn add_part(&mut self, part: QueuePart<'_>, lines: &mut MessageLines) {
        self.add_messages(part.messages, lines);
        self.take_through(part);
    }

    fn take_through(&mut self, part: QueuePart<'_>) {
        if !part.more {
            self.taken = self.taken.max(part.through);
        }
    }

    fn add_messages(&mut self, messages: &[Message<'_>], lines: &mut MessageLines) {
        for message in messages {
            if message.number <= self.taken {
                continue;
            }
            lines.append(self.output.buffer(), message, self.has_ids);
            self.taken = message.number;
            self.delivery
                .sent(self.output.end_position(), message.number);
        }
    }

    /// Shows all answers that are there, in the order of their lines.
    pub(super) fn show_answers(&mut self, now_ms: u64) {
        while matches!(self.slots.front(), Some(slot) if slot.stage.is_answered()) {
            self.show_front_answer();
            let taken = self.taken;
            if !self
                .slots
                .front()
                .is_some_and(|slot| slot.is_complete(taken))
            {
                return;
            }
            self.end_front_answer();
            self.idle_since_ms = now_ms;
        }
    }

    /// The first slot's first answer is shown, and complete.
    fn end_front_answer(&mut self) {
        let Some(slot) = self.slots.pop_front() else {
            return;
        };
        let is_in_chat = self.step == Step::Chat;
        if is_in_chat {
            self.output.line(words::DONE);
        }
        // A run has as many answers as lines; nothing has come in between that would have to stand there.
        for _ in 1..slot.lines() {
            if let Some(line) = &slot.answer {
                self.output.line(line);
            }
            if is_in_chat {
                self.output.line(words::DONE);
            }
        }
        self.slots.recycle(slot);
    }

    fn show_front_answer(&mut self) {
        let Some(slot) = self.slots.front_mut() else {
            return;
        };
        if let Stage::Answered { is_shown, .. } = &mut slot.stage
            && !std::mem::replace(is_shown, true)
        {
            match slot.setting {
                Some(Setting::Push(mode)) => self.push = mode,
                Some(Setting::Ids(has_ids)) => self.has_ids = has_ids,
                None => {}
            }
            if let Some(line) = &slot.answer {
                self.output.line(line);
            }
            if let Some(list) = slot.list.take() {
                self.output.list(list);
            }
        }
    }
}
