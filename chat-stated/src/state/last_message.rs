//! The newest message: number and time of the next one follow from it.

use chat_model::MessageNumber;

/// Number and time of the newest message. Both only rise, whatever the host's clock does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastMessage {
    /// 0 before the first.
    pub(crate) number: MessageNumber,
    /// In milliseconds since 1970-01-01T00:00:00Z; 0 before the first.
    pub(crate) time_ms: i64,
}

impl LastMessage {
    /// The number that the next message will have.
    pub(super) fn next_number(&self) -> MessageNumber {
        MessageNumber(self.number.0 + 1)
    }

    /// Makes the next message the newest, in a batch that was put together at `wall_ms`. Its time is that of the batch,
    /// or a millisecond after the message before if that is later: many messages in a batch, or a clock that was set
    /// back.
    pub(super) fn advance(&mut self, wall_ms: i64) -> Self {
        self.number.0 += 1;
        self.time_ms = wall_ms.max(self.time_ms.saturating_add(1));
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_rises_with_every_message() {
        let mut last = LastMessage::default();
        let times = [-5, 1_000, 1_000, 1_000, 2_000, 500, 2_001, 3_000];
        let times: Vec<i64> = times.map(|wall_ms| last.advance(wall_ms).time_ms).into();
        assert_eq!(times, [1, 1_000, 1_001, 1_002, 2_000, 2_001, 2_002, 3_000]);
        assert_eq!(last.number, MessageNumber(8));
        assert_eq!(last.advance(i64::MAX).time_ms, i64::MAX);
        assert_eq!(last.advance(0).time_ms, i64::MAX);
    }
}
