//! How fast a client's lines are taken. What comes faster waits, unread; nothing is lost.

use chat_node::limits::token_bucket::{Rate, TokenBucket};

/// So much of a list of names counts as one line.
const BYTES_PER_LINE: usize = 4 * 1024;

#[derive(Debug)]
pub(crate) struct Pace {
    rate: Rate,
    bucket: TokenBucket,
    /// No line is taken before.
    until_ms: Option<u64>,
    /// As good as a new one, when that was looked at last.
    is_full: bool,
    /// More was got than lines were left for, when that was looked at last.
    is_in_debt: bool,
}

impl Pace {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            bucket: TokenBucket::default(),
            until_ms: None,
            is_full: true,
            is_in_debt: false,
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

    /// It is this late now.
    pub(super) fn pass(&mut self, now_ms: u64) {
        self.until_ms = self.until_ms.filter(|until_ms| *until_ms > now_ms);
        self.is_full = self.bucket.is_full(now_ms);
        self.is_in_debt = self.bucket.is_in_debt(self.rate, now_ms);
    }

    /// Whether no other list may be asked for.
    pub(super) fn is_in_debt(&self) -> bool {
        self.is_in_debt
    }

    /// A line got a list of names for an answer: it counts as many lines as are about as dear.
    pub(super) fn got_list(&mut self, bytes: usize, now_ms: u64) {
        let lines = (bytes / BYTES_PER_LINE) as u64;
        self.bucket.spend(self.rate, lines, now_ms);
        self.is_full = false;
        self.is_in_debt = self.bucket.is_in_debt(self.rate, now_ms);
        self.until_ms = self.bucket.ready_at_ms(self.rate, now_ms);
    }

    /// A line was taken, which had not to wait.
    pub(super) fn took_line(&mut self, now_ms: u64) {
        // It was looked before whether there is one.
        let _ = self.bucket.take(self.rate, now_ms);
        self.is_full = false;
        self.until_ms = self.bucket.ready_at_ms(self.rate, now_ms);
    }

    /// Until when the next line has to wait.
    pub(super) fn until_ms(&self) -> Option<u64> {
        self.until_ms
    }
}
