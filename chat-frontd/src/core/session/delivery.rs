//! Which messages a reader surely has: the second promise of the protocol, without sockets or clocks.
//!
//! A message is *sent* when it is handed to the kernel, *acknowledged* when the peer's TCP has acknowledged all of it,
//! and *confirmed* when a whole line of the peer's came after that. Byte counts tell what came after: bytes that had
//! come in, read or not, when the acknowledgement was seen, may be older and prove nothing. The end of a connection
//! proves nothing either: the kernel of a killed client sends the same FIN as that of a client that has left.

use std::collections::VecDeque;

use chat_model::{MessageNumber, Progress};

/// While push is on, a connection that stays healthy for so long after the acknowledgement confirms, if no FIN comes.
pub(crate) const HEALTHY_MS: u64 = 1_000;

/// Acknowledgements within this time are merged and dated to the last one. Otherwise each poll of a busy reader's
/// socket would schedule another poll.
const SEEN_TOGETHER_MS: u64 = 250;

/// Messages that memory is kept for while none is followed.
const KEPT_MESSAGES: usize = 16;

/// Follows the messages of one connection from the session to the reader.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    progress: Progress,
    /// Where each message ends in the output stream, and its number: not acknowledged yet.
    unacknowledged: VecDeque<(u64, MessageNumber)>,
    /// Acknowledged, and not confirmed yet.
    unconfirmed: VecDeque<Acknowledged>,
}

#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    through: MessageNumber,
    /// How much of the input stream had come in when it was seen.
    input_total: u64,
    first_seen_ms: u64,
    seen_ms: u64,
}

impl Delivery {
    /// How far the reader is known to be.
    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    /// What was acknowledged and what was confirmed, if these two numbers are all there is to know, so that the session
    /// can be parked. This holds while no more than `input_total` has come in, and push is off or all is confirmed.
    pub(crate) fn summary(&self, input_total: u64) -> Option<(MessageNumber, MessageNumber)> {
        let Progress {
            sent,
            acknowledged,
            confirmed,
        } = self.progress;
        let is_all = self.unacknowledged.is_empty()
            && sent == acknowledged
            && match self.unconfirmed.back() {
                Some(last) => last.through == acknowledged && last.input_total <= input_total,
                None => acknowledged == confirmed,
            };
        is_all.then_some((acknowledged, confirmed))
    }

    /// Becomes one whose [`Delivery::summary`] is this.
    pub(crate) fn restore(
        &mut self,
        acknowledged: MessageNumber,
        confirmed: MessageNumber,
        input_total: u64,
    ) {
        self.progress = Progress {
            sent: acknowledged,
            acknowledged,
            confirmed,
        };
        self.unacknowledged.clear();
        self.unacknowledged.shrink_to(KEPT_MESSAGES);
        self.unconfirmed.clear();
        self.unconfirmed.shrink_to(KEPT_MESSAGES);
        if acknowledged > confirmed {
            self.unconfirmed.push_back(Acknowledged {
                through: acknowledged,
                input_total,
                // Time proves nothing while push is off, and the line that turns it on confirms.
                first_seen_ms: 0,
                seen_ms: 0,
            });
        }
    }

    /// A message was put into the output stream; it ends at this position.
    pub(crate) fn added(&mut self, end: u64, number: MessageNumber) {
        self.unacknowledged.push_back((end, number));
    }

    /// The kernel has taken the output stream up to this position.
    pub(crate) fn sent(&mut self, position: u64) {
        let taken = self
            .unacknowledged
            .partition_point(|(end, _)| *end <= position);
        if taken > 0 {
            let (_, number) = self.unacknowledged[taken - 1];
            self.progress.sent = self.progress.sent.max(number);
        }
    }

    /// Whether there is anything that an acknowledgement would be news for.
    pub(crate) fn awaits_acknowledgement(&self) -> bool {
        !self.unacknowledged.is_empty()
    }

    /// The peer's TCP was seen to have the output stream up to `position`, when `input_total` bytes of its
    /// own stream had come in.
    pub(crate) fn acknowledged(&mut self, position: u64, input_total: u64, now_ms: u64) {
        let mut through = None;
        while let Some((end, number)) = self.unacknowledged.front().copied()
            && end <= position
        {
            through = Some(number);
            self.unacknowledged.pop_front();
        }
        if let Some(through) = through {
            self.progress.acknowledged = through;
            self.follow(through, input_total, now_ms);
        }
    }

    fn follow(&mut self, through: MessageNumber, input_total: u64, now_ms: u64) {
        match self.unconfirmed.back_mut() {
            Some(last)
                if last.input_total == input_total
                    && now_ms < last.first_seen_ms + SEEN_TOGETHER_MS =>
            {
                last.through = through;
                last.seen_ms = now_ms;
            }
            _ => self.unconfirmed.push_back(Acknowledged {
                through,
                input_total,
                first_seen_ms: now_ms,
                seen_ms: now_ms,
            }),
        }
    }

    /// A line of the peer's has come in; it ends at this position of the input stream.
    pub(crate) fn line_came(&mut self, end: u64) {
        self.confirm_while(|acknowledged| acknowledged.input_total < end);
    }

    /// The connection is healthy at this time, and no FIN has come; counts only while push is on.
    pub(crate) fn stayed_healthy(&mut self, now_ms: u64) {
        self.confirm_while(|acknowledged| acknowledged.seen_ms + HEALTHY_MS <= now_ms);
    }

    /// When [`Delivery::stayed_healthy`] would be news.
    pub(crate) fn healthy_at_ms(&self) -> Option<u64> {
        self.unconfirmed
            .front()
            .map(|acknowledged| acknowledged.seen_ms + HEALTHY_MS)
    }

    /// Whether anything was sent that is not confirmed.
    pub(crate) fn awaits_confirmation(&self) -> bool {
        !self.unconfirmed.is_empty() || self.awaits_acknowledgement()
    }

    /// The client has said `logout`: that confirms all that is acknowledged.
    pub(crate) fn logged_out(&mut self) {
        self.confirm_while(|_| true);
    }

    fn confirm_while(&mut self, is_confirmed: impl Fn(&Acknowledged) -> bool) {
        while let Some(acknowledged) = self.unconfirmed.front().copied()
            && is_confirmed(&acknowledged)
        {
            self.progress.confirmed = acknowledged.through;
            self.unconfirmed.pop_front();
        }
        if self.unconfirmed.is_empty() && self.unconfirmed.capacity() > 16 {
            self.unconfirmed = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery() -> Delivery {
        let mut delivery = Delivery::default();
        delivery.added(10, MessageNumber(4));
        delivery.added(20, MessageNumber(7));
        delivery
    }

    fn confirmed(delivery: &Delivery) -> u64 {
        delivery.progress().confirmed.0
    }

    #[test]
    fn line_after_the_acknowledgement_confirms() {
        let mut delivery = delivery();
        delivery.sent(20);
        assert_eq!(delivery.progress().sent, MessageNumber(7));
        delivery.acknowledged(19, 100, 0);
        assert_eq!(delivery.progress().acknowledged, MessageNumber(4));
        delivery.line_came(100);
        assert_eq!(
            confirmed(&delivery),
            0,
            "sent before the acknowledgement was seen"
        );
        delivery.line_came(101);
        assert_eq!(confirmed(&delivery), 4);
        delivery.acknowledged(20, 101, 0);
        delivery.line_came(102);
        assert_eq!(confirmed(&delivery), 7);
        assert!(!delivery.awaits_acknowledgement());
    }

    #[test]
    fn line_or_logout_alone_confirms_nothing() {
        let mut delivery = delivery();
        delivery.sent(20);
        delivery.line_came(1_000);
        delivery.logged_out();
        assert_eq!(confirmed(&delivery), 0);
    }

    #[test]
    fn healthy_second_confirms_while_push_is_on() {
        let mut delivery = delivery();
        delivery.acknowledged(20, 0, 500);
        assert_eq!(delivery.healthy_at_ms(), Some(1_500));
        delivery.stayed_healthy(1_499);
        assert_eq!(confirmed(&delivery), 0);
        delivery.stayed_healthy(1_500);
        assert_eq!(confirmed(&delivery), 7);
        assert_eq!(delivery.healthy_at_ms(), None);
    }

    #[test]
    fn merged_messages_confirm_after_the_last() {
        let mut delivery = Delivery::default();
        let last = 2 * SEEN_TOGETHER_MS / 50;
        for number in 1..=last {
            delivery.added(number, MessageNumber(number));
            delivery.acknowledged(number, 0, number * 50);
        }
        assert_eq!(delivery.unconfirmed.len(), 2);
        let first_ms = delivery.healthy_at_ms().unwrap();
        assert!(first_ms <= 50 + SEEN_TOGETHER_MS + HEALTHY_MS);
        delivery.stayed_healthy(first_ms - 1);
        assert_eq!(confirmed(&delivery), 0);
        delivery.stayed_healthy(first_ms);
        assert_eq!(confirmed(&delivery) * 50 + HEALTHY_MS, first_ms);
        // A line that came meanwhile confirms what was seen before it, whatever is seen then.
        delivery.added(100, MessageNumber(100));
        delivery.acknowledged(100, 7, last * 50);
        delivery.line_came(7);
        assert_eq!(confirmed(&delivery), last);
    }

    #[test]
    fn logout_confirms_what_is_acknowledged() {
        let mut delivery = delivery();
        delivery.acknowledged(10, 0, 0);
        assert!(delivery.awaits_confirmation());
        delivery.logged_out();
        assert_eq!(confirmed(&delivery), 4);
        assert!(delivery.awaits_confirmation(), "the second is on its way");
        delivery.acknowledged(20, 0, 0);
        delivery.logged_out();
        assert_eq!(confirmed(&delivery), 7);
        assert!(!delivery.awaits_confirmation());
    }
}
