//! Saying in the log that TLS handshakes fail, without letting untrusted clients fill it.

use std::net::SocketAddr;

/// A line at most this often.
const BETWEEN_LINES_MS: u64 = 10_000;

/// Failures that the log does not have yet.
#[derive(Debug, Default)]
pub(super) struct HandshakeFailures {
    unreported: u64,
    last: String,
    next_line_ms: u64,
}

impl HandshakeFailures {
    /// One more failed.
    pub(super) fn count(&mut self, peer: SocketAddr, reason: String, now_ms: u64) {
        self.unreported += 1;
        self.last = format!("{}: {reason}", peer.ip().to_canonical());
        self.report_if_due(now_ms);
    }

    /// When the log is to have what it does not have yet.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        (self.unreported > 0).then_some(self.next_line_ms)
    }

    /// Writes a line, if there is something to be said and the last one is old enough.
    pub(super) fn report_if_due(&mut self, now_ms: u64) {
        if let Some(line) = self.line(now_ms) {
            log::info!("{line}");
        }
    }

    fn line(&mut self, now_ms: u64) -> Option<String> {
        if self.unreported == 0 || now_ms < self.next_line_ms {
            return None;
        }
        self.next_line_ms = now_ms + BETWEEN_LINES_MS;
        let count = std::mem::take(&mut self.unreported);
        let last = &self.last;
        Some(match count {
            1 => format!("a TLS handshake failed, of {last}"),
            count => format!("{count} TLS handshakes failed, the last of {last}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_failure_is_logged_at_once() {
        let peer = "192.0.2.1:5".parse().unwrap();
        let mut failures = HandshakeFailures {
            unreported: 1,
            last: "x".to_owned(),
            ..HandshakeFailures::default()
        };
        assert_eq!(failures.line(0).unwrap(), "a TLS handshake failed, of x");
        for number in 0..1_000 {
            failures.count(peer, format!("reason {number}"), number);
        }
        assert_eq!(failures.line(9_999), None);
        assert_eq!(failures.next_due_ms(), Some(10_000));
        let line = failures.line(10_000).unwrap();
        assert_eq!(
            line,
            "1000 TLS handshakes failed, the last of 192.0.2.1: reason 999"
        );
        assert_eq!(
            (failures.line(99_999), failures.next_due_ms()),
            (None, None)
        );
    }
}
