//! What is asked of the daemon: line by line or several at once, again when it came back, not at all while it is lost.

use std::borrow::Cow;

use chat_shared::rpc::{FromWorker, Request, ResumedConnection, Sends, SendsPacker};

use super::slot::{Question, Setting, Slot, Stage};
use super::{PushMode, Session, refusal};

impl Session {
    pub(super) fn ask(&mut self, mut slot: Slot) {
        if self.is_daemon_lost {
            refuse_busy(&mut slot);
        }
        self.held_bytes += slot.held_bytes;
        self.slots.push_back(slot);
    }

    /// The next question for the daemon, or several in `packer`, which it is taken to have been asked by this.
    pub(crate) fn next_question<'a>(
        &'a mut self,
        packer: &'a mut SendsPacker,
    ) -> Option<FromWorker<'a>> {
        let next = (self.next_to_ask..self.slots.len())
            .find(|index| self.slots[*index].stage.is_to_be_asked());
        self.next_to_ask = next.unwrap_or(self.slots.len());
        let first = next?;
        self.has_asked = true;
        let together = self.pack_sends(first, packer);
        let slots = self.slots.range_mut(first..first + together.max(1));
        for slot in slots {
            slot.stage = Stage::Asked;
        }
        self.next_to_ask += together.max(1);
        let progress = self.delivery.progress();
        if together > 1 {
            return Some(FromWorker::Sends(Sends {
                connection: self.serial,
                answered: self.answered,
                progress,
                lines: Cow::Borrowed(packer.sends()),
            }));
        }
        let slot = &self.slots[first];
        Some(FromWorker::Request(Request {
            connection: self.serial,
            offset: slot.offset,
            answered: self.answered,
            progress,
            call: slot.question.to_call(self.address),
        }))
    }

    /// How many questions from this one on are messages to some accounts, and went into `packer`.
    fn pack_sends(&self, first: usize, packer: &mut SendsPacker) -> usize {
        packer.clear();
        let fits = |slot: &&Slot| match &slot.question {
            Question::Send(letter) if slot.stage.is_to_be_asked() => {
                packer.push(slot.offset, letter.recipients(), letter.text())
            }
            _ => false,
        };
        self.slots.range(first..).take_while(fits).count()
    }

    /// The daemon came back: what it may not have decided is asked again, under the same names.
    pub(crate) fn resume(&mut self) -> Option<ResumedConnection> {
        self.is_daemon_lost = false;
        self.next_to_ask = 0;
        for slot in &mut self.slots {
            if slot.stage == Stage::Asked {
                slot.stage = Stage::AskedBefore;
            }
        }
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
        for slot in &mut self.slots {
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
