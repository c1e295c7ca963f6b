//! How fast a client's lines are taken. What comes faster waits, unread; nothing is lost.

use chat_shared::token_bucket::{Rate, TokenBucket};

#[derive(Debug)]
pub(crate) struct Pace {
    rate: Rate,
    bucket: TokenBucket,
    /// No line is taken before.
    until_ms: Option<u64>,
    /// As good as a new one, when that was looked at last.
    is_full: bool,
}

impl Pace {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            bucket: TokenBucket::default(),
            until_ms: None,
            is_full: true,
        }
    }

    /// Whether nothing is lost by forgetting it.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// When it is to be looked at again.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let full_at_ms = (!self.is_full).then(|| self.bucket.full_at_ms());
        self.until_ms.or(full_at_ms)
    }

    /// Whether the next line has to wait.
    pub(super) fn holds_back(&mut self, now_ms: u64) -> bool {
        self.until_ms = self.until_ms.filter(|until_ms| *until_ms > now_ms);
        self.is_full = self.bucket.is_full(now_ms);
        self.until_ms.is_some()
    }

    /// A line was taken, which was not to be held back.
    pub(super) fn took_line(&mut self, now_ms: u64) {
        // It was looked before whether there is one.
        let _ = self.bucket.take(self.rate, now_ms);
        self.is_full = false;
        self.until_ms = self.bucket.ready_at_ms(self.rate, now_ms);
    }

    pub(super) fn until_ms(&self) -> Option<u64> {
        self.until_ms
    }
}
