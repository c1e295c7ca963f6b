//! What the state process tells of itself to those who ask for metrics.

use chat_node::metrics::catalogue::{
    ACCOUNTS, BROADCAST_BYTES, BROADCASTS, CHECKPOINT_FAILED, CHECKPOINT_PENDING, CONFIRMED,
    DAMAGED_TEXTS, DISK_REFUSING, HISTORY_BYTES, HISTORY_DAMAGED, HISTORY_FAILED, HISTORY_LACKS,
    HISTORY_LAG, HISTORY_MESSAGES, HISTORY_PENDING_BYTES, MAX_ACCOUNTS, MAX_BROADCAST_BYTES,
    MAX_BROADCASTS, MAX_ROOMS, MAX_WAITING_BYTES, PASSWORDS_WAITING, ROOMS, SESSIONS, STORED,
    WAITING, WAITING_BYTES,
};
use chat_node::metrics::samples::Samples;

use super::Core;

impl Core {
    /// What the state holds now, and its limits.
    pub fn samples(&self) -> Samples {
        let mut samples = Samples::default();
        let state = &self.state;
        let limits = state.limits();
        samples.add(&STORED, &[], state.last_message().0);
        let confirmed = state.confirmed_messages() - self.confirmed_before;
        samples.add(&CONFIRMED, &[], confirmed);
        samples.add_size(&WAITING, &[], state.waiting_messages());
        samples.add(&WAITING_BYTES, &[], state.waiting_bytes());
        samples.add(&MAX_WAITING_BYTES, &[], state.waiting_limits().bytes);
        samples.add_size(&ACCOUNTS, &[], state.account_count());
        samples.add(&MAX_ACCOUNTS, &[], limits.accounts.into());
        samples.add_size(&SESSIONS, &[], state.session_count());
        samples.add_size(&ROOMS, &[], state.room_count());
        samples.add(&MAX_ROOMS, &[], state.room_limits().rooms.into());
        let (broadcasts, broadcast_bytes) = state.waiting_broadcasts();
        samples.add(&BROADCASTS, &[], broadcasts.into());
        samples.add(&MAX_BROADCASTS, &[], limits.broadcast_messages.into());
        samples.add(&BROADCAST_BYTES, &[], broadcast_bytes);
        samples.add(&MAX_BROADCAST_BYTES, &[], limits.broadcast_bytes);
        samples.add_size(&PASSWORDS_WAITING, &[], self.logins.waiting_count());
        samples.add(&CHECKPOINT_PENDING, &[], self.checkpoints.entries());
        let has_failed = u64::from(self.checkpoints.has_failed());
        samples.add(&CHECKPOINT_FAILED, &[], has_failed);
        samples.add_size(&DAMAGED_TEXTS, &[], self.damage.count());
        let (messages, bytes, pending_bytes) = self.history.sizes();
        samples.add(&HISTORY_MESSAGES, &[], messages);
        samples.add(&HISTORY_BYTES, &[], bytes);
        samples.add_size(&HISTORY_PENDING_BYTES, &[], pending_bytes);
        samples.add(&HISTORY_LAG, &[], self.history.lag(state.keeping().last));
        samples.add(&HISTORY_LACKS, &[], self.history.is_incomplete().into());
        samples.add_size(&HISTORY_DAMAGED, &[], self.history.damaged_count());
        let is_off = u64::from(self.history.has_failed());
        samples.add(&HISTORY_FAILED, &[], is_off);
        let is_refusing = u64::from(self.space_warning().is_some());
        samples.add(&DISK_REFUSING, &[], is_refusing);
        samples
    }
}
