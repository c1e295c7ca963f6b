//! What an operator has to know of the state although everything is served.

use std::borrow::Cow;

use super::Core;

/// From here on a limit is nearly reached.
const NEARLY_PERCENT: u64 = 90;

impl Core {
    /// The warnings that hold now, for people. Those of a full disk are [`Core::space_warning`].
    pub fn warnings(&self) -> impl Iterator<Item = Cow<'static, str>> {
        // On a full disk, it is one of many things.
        let has_failed = self.checkpoints.has_failed() && self.space_warning().is_none();
        let checkpoint = has_failed.then_some(
            "the last checkpoint did not succeed: the journal grows until one does; the log says why",
        );
        let broadcasts = self.are_broadcasts_nearly_full().then_some(
            "broadcasts that wait are at 90 % of their limit or more: chatctl queues names who holds them",
        );
        let damage = self.damage.warning(&self.state).map(Cow::Owned);
        let history = self.history.warning().map(Cow::Owned);
        let known = [checkpoint, broadcasts].into_iter().flatten();
        damage
            .into_iter()
            .chain(history)
            .chain(known.map(Cow::Borrowed))
    }

    fn are_broadcasts_nearly_full(&self) -> bool {
        let (messages, bytes) = self.state.waiting_broadcasts();
        let limits = self.state.limits();
        let is_near = |part: u64, limit: u64| {
            part > 0 && part.saturating_mul(100) >= limit.saturating_mul(NEARLY_PERCENT)
        };
        is_near(messages.into(), limits.broadcast_messages.into())
            || is_near(bytes, limits.broadcast_bytes)
    }
}
