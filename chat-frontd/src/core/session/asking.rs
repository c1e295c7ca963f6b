//! What is asked of the daemon: line by line or several at once, again when it came back, not at all while it is lost.

use std::borrow::Cow;

use chat_rpc::{FromWorker, RequestItem, ResumedConnection, SendBatch};

use super::slot::{Asked, Question, Setting, Slot, Stage};
use super::{PushMode, Session, refusal};

impl Session {
    pub(super) fn ask(&mut self, mut slot: Slot) {
        if self.is_daemon_lost {
            refuse_busy(&mut slot);
        }
        self.slots.push(slot);
    }

    /// The next question for the daemon, which it is taken to have been asked by this.
    pub(crate) fn next_question(&mut self) -> Option<FromWorker<'_>> {
        let slot = self.slots.next_to_ask(self.may_ask_for_list())?;
        self.has_asked = true;
        let progress = self.delivery.progress();
        Some(match slot.question.to_asked(self.address) {
            Asked::Request(request) => FromWorker::Request(RequestItem {
                connection: self.serial,
                offset: slot.offset,
                answered: self.answered,
                progress,
                request,
            }),
            Asked::Together(batch) => FromWorker::SendBatch(SendBatch {
                connection: self.serial,
                answered: self.answered,
                progress,
                lines: Cow::Borrowed(batch),
            }),
        })
    }

    /// Whether a list of names can be taken: the one before it is written, as far as that was long, and paid for.
    fn may_ask_for_list(&self) -> bool {
        !self.output.holds_list()
            && self.output.pending_bytes() <= self.limits.max_unread_bytes
            && !self.pace.as_ref().is_some_and(|pace| pace.is_in_debt())
    }

    /// Whether a list is to be asked for, and can be now.
    pub(crate) fn has_list_to_ask_for(&self) -> bool {
        self.slots.is_list_next() && self.may_ask_for_list()
    }

    /// The daemon came back: what it may not have decided is asked again, under the same names.
    pub(crate) fn resume(&mut self) -> Option<ResumedConnection> {
        self.is_daemon_lost = false;
        self.slots.ask_again();
        self.page_asked = None;
        self.has_asked.then_some(ResumedConnection {
            connection: self.serial,
            answered: self.answered,
            progress: self.delivery.progress(),
            taken: self.taken,
            push: self.last_answered_push() != PushMode::Off,
        })
    }

    /// What the daemon last knew of `push`; the client may not have been shown it yet.
    fn last_answered_push(&self) -> PushMode {
        let answered = self
            .slots
            .iter()
            .rev()
            .filter(|slot| slot.stage.is_answered());
        answered
            .filter_map(|slot| match slot.setting {
                Some(Setting::Push(mode)) => Some(mode),
                _ => None,
            })
            .next()
            .unwrap_or(self.push)
    }

    /// The daemon has been away for long: refuses what certainly did not reach it.
    pub(crate) fn daemon_is_lost(&mut self, now_ms: u64) {
        self.is_daemon_lost = true;
        for slot in self.slots.iter_mut() {
            if slot.stage == Stage::Unasked {
                refuse_busy(slot);
            }
        }
        self.show_answers(now_ms);
    }
}

/// Refuses what did not reach the daemon, but a logout: that is done when the daemon is back.
fn refuse_busy(slot: &mut Slot) {
    if slot.question != Question::LogOut {
        slot.refuse(refusal("busy", &slot.word));
    }
}
