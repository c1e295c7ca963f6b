//! Messages that are sent once: decides whether one is new, and what remembering it costs.

use chat_model::{AccountId, Audience, Outcome};

use super::State;
use super::effects::Effects;
use super::once_page::{OncePage, RememberedSend, waiting_bytes};
use super::send::Draft;
use crate::entry::OnceId;

/// Pages that are forgotten at once because they are too old. A batch has few messages for each page that it adds.
const FORGOTTEN_AT_ONCE: usize = 16;

impl State {
    /// Sends a message, unless its sender has sent one with this identifier: then what came of that is the outcome.
    pub(super) fn send_once(
        &mut self,
        id: OnceId,
        audience: &Audience<'_>,
        draft: Draft<'_>,
        effects: &mut Effects,
    ) -> Outcome<'static> {
        let (sender, now) = (draft.sender, self.clock.now());
        if let Some(outcome) = self.remembered.outcome(sender, id, now) {
            return outcome;
        }
        let most_bytes = RememberedSend::most_waiting_bytes(audience);
        let waiting = &self.messages.waiting_bytes;
        if let Some(refusal) = waiting.refusal(sender, most_bytes, 0, &self.waiting_limits) {
            effects.exceeded = refusal.exceeded();
            return refusal.outcome();
        }
        // The message has to find room beside it.
        self.messages.waiting_bytes.add(sender, most_bytes);
        let outcome = self.send(audience, draft, effects);
        self.messages.waiting_bytes.remove(sender, most_bytes);
        // What was refused was not done, and may be tried again.
        if let Some(send) = RememberedSend::of(id, now, &outcome) {
            let bytes = send.waiting_bytes();
            self.messages.waiting_bytes.add(sender, bytes);
            if let Some(page) = self.remembered.remember(sender, send) {
                self.give_back(sender, &page);
            }
        }
        outcome
    }

    /// Forgets messages that are remembered no longer, a bounded number of them.
    pub(super) fn forget_old_sends(&mut self) {
        let now = self.clock.now();
        for _ in 0..FORGOTTEN_AT_ONCE {
            let Some((account, page)) = self.remembered.pop_old(now) else {
                return;
            };
            self.give_back(account, &page);
        }
    }

    /// Forgets all that an account has sent once.
    pub(super) fn forget_sends_of(&mut self, account: AccountId) {
        for page in self.remembered.forget_account(account) {
            self.give_back(account, &page);
        }
    }

    fn give_back(&mut self, sender: AccountId, page: &OncePage) {
        let bytes = waiting_bytes(page);
        self.messages.waiting_bytes.remove(sender, bytes);
    }
}
