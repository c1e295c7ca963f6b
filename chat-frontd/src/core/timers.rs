//! What is to be done for clients at a later time.

use std::collections::BTreeSet;

/// Names a client among those of this worker; used again once the client is gone.
pub type ClientKey = usize;

/// Why a client is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// It may have been silent for too long.
    Idle,
    /// Its TCP may have acknowledged messages, or it stayed whole since.
    Delivery,
    /// It had time enough to take its last lines.
    Closing,
}

/// At most one time for each client and reason.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(u64, ClientKey, Reason)>,
    /// By client and reason.
    due_of: Vec<[Option<u64>; REASONS]>,
}

const REASONS: usize = 3;

impl Timers {
    /// Sets a time, in place of the one that was set before.
    pub(crate) fn set(&mut self, client: ClientKey, reason: Reason, due_ms: u64) {
        if self.due_of.len() <= client {
            self.due_of.resize(client + 1, [None; REASONS]);
        }
        if let Some(old) = self.due_of[client][reason as usize].replace(due_ms) {
            self.due.remove(&(old, client, reason));
        }
        self.due.insert((due_ms, client, reason));
    }

    /// Sets a time unless an earlier one is set; whether it was set.
    pub(crate) fn set_by(&mut self, client: ClientKey, reason: Reason, due_ms: u64) -> bool {
        let set_ms = self.due_of.get(client).and_then(|due| due[reason as usize]);
        let is_earlier = set_ms.is_none_or(|set_ms| due_ms < set_ms);
        if is_earlier {
            self.set(client, reason, due_ms);
        }
        is_earlier
    }

    pub(crate) fn forget(&mut self, client: ClientKey) {
        for reason in [Reason::Idle, Reason::Delivery, Reason::Closing] {
            let due = self.due_of.get_mut(client);
            if let Some(due_ms) = due.and_then(|due| due[reason as usize].take()) {
                self.due.remove(&(due_ms, client, reason));
            }
        }
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.due.first().map(|(due_ms, _, _)| *due_ms)
    }

    /// Takes out one that is due.
    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<(ClientKey, Reason)> {
        let (due_ms, client, reason) = *self.due.first()?;
        if due_ms > now_ms {
            return None;
        }
        self.due.pop_first();
        self.due_of[client][reason as usize] = None;
        Some((client, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_due_once_at_its_last_time() {
        let mut timers = Timers::default();
        timers.set(1, Reason::Idle, 50);
        timers.set(2, Reason::Idle, 20);
        timers.set(1, Reason::Idle, 30);
        timers.set_by(1, Reason::Idle, 40);
        timers.set_by(2, Reason::Delivery, 10);
        timers.set(3, Reason::Closing, 5);
        timers.forget(3);
        assert_eq!(timers.next_ms(), Some(10));
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.pop_due(30), Some((2, Reason::Delivery)));
        assert_eq!(timers.pop_due(30), Some((2, Reason::Idle)));
        assert_eq!(timers.pop_due(30), Some((1, Reason::Idle)));
        assert_eq!(timers.pop_due(u64::MAX), None);
    }
}
