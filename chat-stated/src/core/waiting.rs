//! What may wait takes all it may: new messages are refused, and the log says so.

use super::Core;

/// How often the log says it while messages are refused.
const LOG_EVERY_MS: u64 = 60_000;
const MIB: u64 = 1024 * 1024;

/// When it was said last.
#[derive(Debug, Default)]
pub(super) struct WaitingLog {
    quiet_until_ms: u64,
}

impl Core {
    /// A message was refused because of what waits.
    pub(super) fn waiting_is_full(&mut self) {
        let now_ms = self.timestamp.boot_ms;
        if now_ms < self.waiting_log.quiet_until_ms {
            return;
        }
        self.waiting_log.quiet_until_ms = now_ms + LOG_EVERY_MS;
        log::warn!(
            "{} messages wait and take {} of the {} MiB that they may take (CHAT_WAITING_BYTES): what is sent is \
             answered error:full: until some are read",
            self.state.waiting_messages(),
            self.state.waiting_bytes() / MIB,
            self.state.waiting_limits().bytes / MIB,
        );
    }
}
