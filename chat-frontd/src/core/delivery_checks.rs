//! Looking whether clients' TCP has what was sent: no event tells of it.

use chat_rpc::FromWorker;

use super::Core;
use super::timers::{ClientKey, Reason};

/// When a sent message's acknowledgement is looked for first, and at the latest after it was missing before.
const FIRST_CHECK_MS: u64 = 100;
const MAX_CHECK_MS: u64 = 2_000;
/// The same where a logout waits for it.
const FIRST_CONCLUDING_CHECK_MS: u64 = 1;
const MAX_CONCLUDING_CHECK_MS: u64 = 50;
/// How long a logout waits for what was sent to be acknowledged.
const CONCLUDE_MS: u64 = 5_000;

impl Core {
    /// Clients for which an observation is wanted now, because no bytes of theirs bring one. To be asked
    /// for after every [`Core::begin_turn`].
    pub fn take_wanted_observations(&mut self) -> Vec<ClientKey> {
        std::mem::take(&mut self.wanted_observations)
    }

    /// The time to look after a client's messages.
    pub(super) fn check_delivery(&mut self, key: ClientKey) {
        if self.wants_observation(key) {
            self.wanted_observations.push(key);
        }
        self.list(key);
    }

    /// Takes what observations and time have shown, reports it, and sets the next time to look.
    pub(super) fn follow_delivery(&mut self, key: ClientKey) {
        let Some(client) = self.clients.active_mut(key) else {
            return;
        };
        let session = &mut client.session;
        let next_ms = if session.is_over() {
            None
        } else if session.waits_to_log_out() {
            let after_ms = client.concluding_check_after_ms * 2;
            let after_ms = after_ms.clamp(FIRST_CONCLUDING_CHECK_MS, MAX_CONCLUDING_CHECK_MS);
            client.concluding_check_after_ms = after_ms;
            Some(self.now_ms + after_ms)
        } else if session.delivery.awaits_acknowledgement() {
            Some(self.now_ms + client.check_after_ms.max(FIRST_CHECK_MS))
        } else if session.counts_silence() {
            session.delivery.healthy_at_ms()
        } else {
            None
        };
        if !session.delivery.awaits_acknowledgement() {
            client.check_after_ms = 0;
        }
        if let Some(next_ms) = next_ms
            && self.timers.set_by(key, Reason::Delivery, next_ms)
        {
            client.check_after_ms = (client.check_after_ms * 2).clamp(FIRST_CHECK_MS, MAX_CHECK_MS);
        }
        self.report_progress(key);
    }

    /// Tells the daemon how far a reader came, where no request of his does. What was merely written rides
    /// along with the next.
    fn report_progress(&mut self, key: ClientKey) {
        let Some(client) = self.clients.active_mut(key) else {
            return;
        };
        let progress = client.session.progress();
        let is_news = progress.confirmed > client.reported.confirmed
            || progress.acknowledged > client.reported.acknowledged;
        if is_news && !client.session.is_ending() && self.link.has_room() {
            client.reported = progress;
            self.link.push(&FromWorker::Progress {
                connection: client.session.serial(),
                progress,
            });
        }
    }

    /// Ends a dialogue in which all is answered. A `logout` waits for the client's TCP to have everything.
    pub(super) fn conclude_if_possible(&mut self, key: ClientKey) {
        let Some(client) = self.clients.active_mut(key) else {
            return;
        };
        if !client.session.can_conclude() {
            return;
        }
        let since_ms = *client.concluding_since_ms.get_or_insert(self.now_ms);
        if !client.session.waits_to_log_out() || since_ms + CONCLUDE_MS <= self.now_ms {
            client.session.conclude();
            self.ask(key);
        }
    }
}
