//! Which messages a reader surely has: the second promise of the protocol, without sockets or clocks.
//!
//! A message is *written* when it is handed to the kernel, *received* when the peer's TCP has acknowledged all of it,
//! and *had* when a whole line of the peer's came after that. "After" is told by byte counts: what had come in, read
//! or not, when the acknowledgement was seen, was perhaps sent before it and proves nothing. The end of a connection
//! proves nothing either: the kernel of a client that was killed sends the same FIN as that of one that has left.

use std::collections::VecDeque;

use chat_model::{MessageNumber, Progress};

/// While push is on, a connection that stays whole for so long after the acknowledgement is enough, if no FIN comes.
pub(crate) const WHOLE_MS: u64 = 1_000;

/// What is seen to be acknowledged within so much time is followed as one, as if all of it had been seen last: each has a look at the
/// socket of its own, and every look at a busy reader's would else begin another.
const SEEN_TOGETHER_MS: u64 = 250;

/// Messages that room is kept for when others are followed.
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

    /// What was received and what was had, if that is all there is to be known for as long as no more than `input_total`
    /// has come in, push being off or all being had.
    pub(crate) fn rest(&self, input_total: u64) -> Option<(MessageNumber, MessageNumber)> {
        let Progress {
            sent: written,
            acknowledged: received,
            confirmed: had,
        } = self.progress;
        let is_parked = self.unacknowledged.is_empty()
            && written == received
            && match self.unconfirmed.back() {
                Some(last) => last.through == received && last.input_total <= input_total,
                None => received == had,
            };
        is_parked.then_some((received, had))
    }

    /// Becomes one of which [`Delivery::rest`] told this.
    pub(crate) fn restore(
        &mut self,
        received: MessageNumber,
        had: MessageNumber,
        input_total: u64,
    ) {
        self.progress = Progress {
            sent: received,
            acknowledged: received,
            confirmed: had,
        };
        self.unacknowledged.clear();
        self.unacknowledged.shrink_to(KEPT_MESSAGES);
        self.unconfirmed.clear();
        self.unconfirmed.shrink_to(KEPT_MESSAGES);
        if received > had {
            self.unconfirmed.push_back(Acknowledged {
                through: received,
                input_total,
                // Time proves nothing while push is off, and the line that turns it on confirms.
                first_seen_ms: 0,
                seen_ms: 0,
            });
        }
    }

    /// A message was put into the output stream; it ends at this position.
    pub(crate) fn sent(&mut self, end: u64, number: MessageNumber) {
        self.unacknowledged.push_back((end, number));
    }

    /// The kernel has taken the output stream up to this position.
    pub(crate) fn written(&mut self, position: u64) {
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
        self.have_while(|acknowledged| acknowledged.input_total < end);
    }

    /// The connection is whole at this time, and no FIN has come; counts only while push is on.
    pub(crate) fn stayed_whole(&mut self, now_ms: u64) {
        self.have_while(|acknowledged| acknowledged.seen_ms + WHOLE_MS <= now_ms);
    }

    /// When [`Delivery::stayed_whole`] would be news.
    pub(crate) fn whole_at_ms(&self) -> Option<u64> {
        self.unconfirmed
            .front()
            .map(|acknowledged| acknowledged.seen_ms + WHOLE_MS)
    }

    /// Whether anything was sent that is not confirmed.
    pub(crate) fn awaits_confirmation(&self) -> bool {
        !self.unconfirmed.is_empty() || self.awaits_acknowledgement()
    }

    /// The client has said `logout`: that confirms all that is acknowledged.
    pub(crate) fn logged_out(&mut self) {
        self.have_while(|_| true);
    }

    fn have_while(&mut self, is_had: impl Fn(&Acknowledged) -> bool) {
        while let Some(acknowledged) = self.unconfirmed.front().copied()
            && is_had(&acknowledged)
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
        delivery.sent(10, MessageNumber(4));
        delivery.sent(20, MessageNumber(7));
        delivery
    }

    fn had(delivery: &Delivery) -> u64 {
        delivery.progress().confirmed.0
    }

    #[test]
    fn acknowledgement_of_every_byte_and_then_a_line() {
        let mut delivery = delivery();
        delivery.written(20);
        assert_eq!(delivery.progress().sent, MessageNumber(7));
        delivery.acknowledged(19, 100, 0);
        assert_eq!(delivery.progress().acknowledged, MessageNumber(4));
        delivery.line_came(100);
        assert_eq!(
            had(&delivery),
            0,
            "sent before the acknowledgement was seen"
        );
        delivery.line_came(101);
        assert_eq!(had(&delivery), 4);
        delivery.acknowledged(20, 101, 0);
        delivery.line_came(102);
        assert_eq!(had(&delivery), 7);
        assert!(!delivery.awaits_acknowledgement());
    }

    #[test]
    fn a_line_or_a_logout_alone_is_not_enough() {
        let mut delivery = delivery();
        delivery.written(20);
        delivery.line_came(1_000);
        delivery.logged_out();
        assert_eq!(had(&delivery), 0);
    }

    #[test]
    fn while_push_is_on_a_second_is_enough() {
        let mut delivery = delivery();
        delivery.acknowledged(20, 0, 500);
        assert_eq!(delivery.whole_at_ms(), Some(1_500));
        delivery.stayed_whole(1_499);
        assert_eq!(had(&delivery), 0);
        delivery.stayed_whole(1_500);
        assert_eq!(had(&delivery), 7);
        assert_eq!(delivery.whole_at_ms(), None);
    }

    #[test]
    fn what_is_seen_together_is_had_a_second_after_the_last_of_it() {
        let mut delivery = Delivery::default();
        let last = 2 * SEEN_TOGETHER_MS / 50;
        for number in 1..=last {
            delivery.sent(number, MessageNumber(number));
            delivery.acknowledged(number, 0, number * 50);
        }
        assert_eq!(delivery.unconfirmed.len(), 2);
        let first_ms = delivery.whole_at_ms().unwrap();
        assert!(first_ms <= 50 + SEEN_TOGETHER_MS + WHOLE_MS);
        delivery.stayed_whole(first_ms - 1);
        assert_eq!(had(&delivery), 0);
        delivery.stayed_whole(first_ms);
        assert_eq!(had(&delivery) * 50 + WHOLE_MS, first_ms);
        // A line that came meanwhile confirms what was seen before it, whatever is seen then.
        delivery.sent(100, MessageNumber(100));
        delivery.acknowledged(100, 7, last * 50);
        delivery.line_came(7);
        assert_eq!(had(&delivery), last);
    }

    #[test]
    fn logout_confirms_what_is_acknowledged() {
        let mut delivery = delivery();
        delivery.acknowledged(10, 0, 0);
        assert!(delivery.awaits_confirmation());
        delivery.logged_out();
        assert_eq!(had(&delivery), 4);
        assert!(delivery.awaits_confirmation(), "the second is on its way");
        delivery.acknowledged(20, 0, 0);
        delivery.logged_out();
        assert_eq!(had(&delivery), 7);
        assert!(!delivery.awaits_confirmation());
    }
}
