//! Messages that the server may not have yet.

use std::collections::VecDeque;
use std::time::Duration;

use chat_line_protocol::{DEFAULT_MAX_LINE_BYTES, words};

/// How long to wait after the server was busy.
const BUSY_PAUSE: Duration = Duration::from_secs(2);
/// Digits that a run may number its messages with.
const ID_DIGITS: usize = 12;

struct Outgoing {
    id: u64,
    line: String,
}

/// Messages in the order in which they were typed. The first one may be under way.
pub(crate) struct Outbox {
    unique: String,
    last_id: u64,
    waiting: VecDeque<Outgoing>,
    is_first_under_way: bool,
    not_before: Duration,
    /// Longest line that the server takes, without its end.
    pub(super) max_line_bytes: usize,
}

impl Outbox {
    pub(super) fn new(unique: &str) -> Self {
        Self {
            unique: unique.to_owned(),
            last_id: 0,
            waiting: VecDeque::new(),
            is_first_under_way: false,
            not_before: Duration::ZERO,
            max_line_bytes: DEFAULT_MAX_LINE_BYTES - 1,
        }
    }

    /// Adds a line that sends a message; gives its id.
    pub(super) fn add(&mut self, line: String) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        self.waiting.push_back(Outgoing { id, line });
        id
    }

    /// The next line to send, with its id. It is under way from now on.
    pub(super) fn send_next(&mut self, now: Duration) -> Option<(u64, String)> {
        if self.is_first_under_way || now < self.not_before {
            return None;
        }
        let first = self.waiting.front()?;
        self.is_first_under_way = true;
        let line = format!(
            "{} {}-{} {}",
            words::ONCE,
            self.unique,
            first.id,
            first.line
        );
        Some((first.id, line))
    }

    /// The line under way is answered for good.
    pub(super) fn answered(&mut self) {
        self.waiting.pop_front();
        self.is_first_under_way = false;
    }

    /// The server was busy: the same line is sent again later.
    pub(super) fn server_was_busy(&mut self, now: Duration) {
        self.is_first_under_way = false;
        self.not_before = now + BUSY_PAUSE;
    }

    /// The connection has ended. What was under way is sent again.
    pub(super) fn connection_ended(&mut self) {
        self.is_first_under_way = false;
    }

    /// When the next line may be sent, if one waits.
    pub(super) fn due(&self) -> Option<Duration> {
        let waits = !self.waiting.is_empty() && !self.is_first_under_way;
        waits.then_some(self.not_before)
    }

    /// How many messages the server may not have.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Their lines.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.waiting.iter().map(|outgoing| outgoing.line.as_str())
    }

    /// Bytes that a line gets before it is sent.
    pub(super) fn added_bytes(&self) -> usize {
        words::ONCE.len() + self.unique.len() + ID_DIGITS + "  -".len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::ZERO;

    #[test]
    fn line_is_sent_again_by_same_once() {
        let mut outbox = Outbox::new("abc");
        outbox.add("send bob hi".to_owned());
        outbox.add("send bob there".to_owned());
        let first = outbox.send_next(START).expect("a line");
        assert_eq!(first, (1, "once abc-1 send bob hi".to_owned()));
        assert_eq!(outbox.send_next(START), None);
        outbox.connection_ended();
        assert_eq!(outbox.send_next(START), Some(first));
        outbox.answered();
        let second = (2, "once abc-2 send bob there".to_owned());
        assert_eq!(outbox.send_next(START), Some(second));
        assert_eq!(outbox.len(), 1);
    }

    #[test]
    fn busy_server_gets_pause() {
        let mut outbox = Outbox::new("abc");
        outbox.add("send bob hi".to_owned());
        outbox.send_next(START);
        outbox.server_was_busy(START);
        assert_eq!(outbox.send_next(START), None);
        assert_eq!(outbox.due(), Some(BUSY_PAUSE));
        assert!(outbox.send_next(BUSY_PAUSE).is_some());
    }
}
