//! How fast a client's lines are taken. What comes faster waits, unread; nothing is lost.

use chat_shared::token_bucket::{Rate, TokenBucket};

#[derive(Debug)]
pub(crate) struct Pace {
    rate: Rate,
    bucket: TokenBucket,
    /// No line is taken before.
    until_ms: Option<u64>,
}

impl Pace {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            bucket: TokenBucket::default(),
            until_ms: None,
        }
    }

    /// Whether the next line has to wait.
    pub(super) fn holds_back(&mut self, now_ms: u64) -> bool {
        self.until_ms = self.until_ms.filter(|until_ms| *until_ms > now_ms);
        self.until_ms.is_some()
    }

    /// A line was taken, which was not to be held back.
    pub(super) fn took_line(&mut self, now_ms: u64) {
        // It was looked before whether there is one.
        let _ = self.bucket.take(self.rate, now_ms);
        self.until_ms = self.bucket.ready_at_ms(self.rate, now_ms);
    }

    pub(super) fn until_ms(&self) -> Option<u64> {
        self.until_ms
    }
}
