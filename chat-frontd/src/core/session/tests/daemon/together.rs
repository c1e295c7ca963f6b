//! Answers to several messages in a row that travel as one.

use chat_model::{MessageNumber, Outcome, StreamOffset};
use chat_rpc::{ToWorker, decode_items};

use super::{Daemon, SERIAL, frame};

impl Daemon {
    /// Puts answers together that say no more than that a message was stored.
    pub(super) fn answer_together(&mut self, from: usize) {
        let answers = self.out.split_off(from);
        let mut together: Option<(StreamOffset, StreamOffset, MessageNumber, bool)> = None;
        for answer in answers {
            let sent = sent_alone(&answer);
            if let (Some((_, last, through, is_more)), Some((offset, reached, more))) =
                (&mut together, sent)
                && *is_more == more
                && (!more || *through == reached)
            {
                (*last, *through) = (offset, reached);
                continue;
            }
            self.tell_together(together.take());
            match sent {
                Some((offset, through, more)) => together = Some((offset, offset, through, more)),
                None => self.out.push_back(answer),
            }
        }
        self.tell_together(together);
    }

    fn tell_together(&mut self, sent: Option<(StreamOffset, StreamOffset, MessageNumber, bool)>) {
        if let Some((first, last, through, more)) = sent {
            let connection = SERIAL;
            self.out.push_back(frame(&ToWorker::Stored {
                connection,
                first,
                last,
                through,
                more,
            }));
        }
    }
}

/// Where an answer says no more than that a message was stored: to which line, and what goes with it.
fn sent_alone(answer: &[u8]) -> Option<(StreamOffset, MessageNumber, bool)> {
    match decode_items::<ToWorker<'_>>(answer).next()?.ok()? {
        ToWorker::Reply {
            offset,
            outcome: Outcome::Stored { unknown },
            messages,
            through,
            more,
            ..
        } if unknown.is_empty() && messages.is_empty() => Some((offset, through, more)),
        _ => None,
    }
}
