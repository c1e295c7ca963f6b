//! What is to be done for clients at a later time.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use super::clients::KEY_BITS;

/// Names a client among those of this worker; used again once the client is gone.
pub type ClientKey = usize;

/// Why a client is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// Its TCP may have acknowledged messages, or its connection stayed healthy since.
    Delivery,
    /// It had time enough to take its last lines.
    Closing,
    /// Its login was to be done.
    Login,
    /// Its lines may be taken again.
    Pace,
}

const REASONS: usize = 4;

/// At most one time for each client and reason; and when to look whether a client has been silent for too long, which
/// every client has and which therefore takes little room.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(u64, ClientKey, Reason)>,
    /// By client and reason. Keys are our own, no peer can choose them to collide.
    due_of: HashMap<ClientKey, [Option<u64>; REASONS], foldhash::fast::RandomState>,
    idle: BinaryHeap<Reverse<IdleCheck>>,
    /// Keys that `idle` holds, each once.
    is_watched: Vec<bool>,
}

/// A time in the high bits, a client's key below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct IdleCheck(u64);

impl IdleCheck {
    fn new(key: ClientKey, due_ms: u64) -> Self {
        Self(due_ms << KEY_BITS | key as u64)
    }

    fn due_ms(self) -> u64 {
        self.0 >> KEY_BITS
    }

    fn key(self) -> ClientKey {
        (self.0 & ((1 << KEY_BITS) - 1)) as ClientKey
    }
}

impl Timers {
    /// Has a client's silence looked at, at this time or earlier: a key that is watched already, perhaps for a client
    /// that has left, stays so.
    pub(crate) fn watch_idle(&mut self, client: ClientKey, due_ms: u64) {
        if self.is_watched.len() <= client {
            self.is_watched.resize(client + 1, false);
        }
        if !std::mem::replace(&mut self.is_watched[client], true) {
            self.idle.push(Reverse(IdleCheck::new(client, due_ms)));
        }
    }

    /// Has the silence of every watched client looked at by this time.
    pub(crate) fn watch_all_idle_by(&mut self, due_ms: u64) {
        let checks = std::mem::take(&mut self.idle).into_iter();
        let sooner = checks.map(|Reverse(check)| {
            let due_ms = check.due_ms().min(due_ms);
            Reverse(IdleCheck::new(check.key(), due_ms))
        });
        self.idle = sooner.collect();
    }

    /// Takes out a client whose silence is to be looked at, if it is still there.
    pub(crate) fn pop_idle(&mut self, now_ms: u64) -> Option<ClientKey> {
        let Reverse(check) = *self.idle.peek()?;
        if check.due_ms() > now_ms {
            return None;
        }
        self.idle.pop();
        self.is_watched[check.key()] = false;
        Some(check.key())
    }

    /// Sets a time, in place of the one that was set before.
    pub(crate) fn set(&mut self, client: ClientKey, reason: Reason, due_ms: u64) {
        let due = self.due_of.entry(client).or_default();
        if let Some(old) = due[reason as usize].replace(due_ms) {
            self.due.remove(&(old, client, reason));
        }
        self.due.insert((due_ms, client, reason));
    }

    /// Sets a time unless an earlier one is set; whether it was set.
    pub(crate) fn set_by(&mut self, client: ClientKey, reason: Reason, due_ms: u64) -> bool {
        let set_ms = self
            .due_of
            .get(&client)
            .and_then(|due| due[reason as usize]);
        let is_earlier = set_ms.is_none_or(|set_ms| due_ms < set_ms);
        if is_earlier {
            self.set(client, reason, due_ms);
        }
        is_earlier
    }

    /// Forgets what was set for a client.
    pub(crate) fn forget(&mut self, client: ClientKey) {
        let due = self.due_of.remove(&client).unwrap_or_default();
        let reasons = [
            Reason::Delivery,
            Reason::Closing,
            Reason::Login,
            Reason::Pace,
        ];
        for reason in reasons {
            if let Some(due_ms) = due[reason as usize] {
                self.due.remove(&(due_ms, client, reason));
            }
        }
    }

    pub(crate) fn next_ms(&self) -> Option<u64> {
        let due_ms = self.due.first().map(|(due_ms, _, _)| *due_ms);
        let idle_ms = self.idle.peek().map(|Reverse(check)| check.due_ms());
        due_ms.into_iter().chain(idle_ms).min()
    }

    /// Takes out one that is due.
    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<(ClientKey, Reason)> {
        let (due_ms, client, reason) = *self.due.first()?;
        if due_ms > now_ms {
            return None;
        }
        self.cancel(client, reason);
        Some((client, reason))
    }

    /// Forgets a time, if it is set.
    pub(crate) fn cancel(&mut self, client: ClientKey, reason: Reason) {
        let Some(due) = self.due_of.get_mut(&client) else {
            return;
        };
        if let Some(due_ms) = due[reason as usize].take() {
            self.due.remove(&(due_ms, client, reason));
        }
        if due.iter().all(Option::is_none) {
            self.due_of.remove(&client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timer_is_due_once() {
        let mut timers = Timers::default();
        timers.set(1, Reason::Delivery, 50);
        timers.set(2, Reason::Delivery, 20);
        timers.set(1, Reason::Delivery, 30);
        timers.set_by(1, Reason::Delivery, 40);
        timers.set_by(2, Reason::Closing, 10);
        timers.set(3, Reason::Closing, 5);
        timers.forget(3);
        timers.set(4, Reason::Login, 3);
        timers.set(4, Reason::Pace, 40);
        timers.cancel(4, Reason::Login);
        timers.cancel(4, Reason::Closing);
        timers.cancel(5, Reason::Login);
        assert_eq!(timers.next_ms(), Some(10));
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.pop_due(30), Some((2, Reason::Closing)));
        assert_eq!(timers.pop_due(30), Some((2, Reason::Delivery)));
        assert_eq!(timers.pop_due(30), Some((1, Reason::Delivery)));
        assert_eq!(timers.pop_due(40), Some((4, Reason::Pace)));
        assert_eq!(timers.pop_due(u64::MAX), None);
        assert!(timers.due_of.is_empty());
    }

    #[test]
    fn key_is_watched_once() {
        let mut timers = Timers::default();
        timers.watch_idle(7, 100);
        timers.watch_idle(3, 50);
        timers.forget(7);
        timers.watch_idle(7, 150);
        assert_eq!(timers.next_ms(), Some(50));
        assert_eq!(timers.pop_idle(49), None);
        assert_eq!(timers.pop_idle(200), Some(3));
        assert_eq!(timers.pop_idle(200), Some(7));
        assert_eq!(timers.pop_idle(200), None);
        timers.watch_idle(7, 250);
        assert_eq!(timers.next_ms(), Some(250));
    }

    #[test]
    fn shorter_silence_holds_for_all() {
        let mut timers = Timers::default();
        timers.watch_idle(3, 1_000);
        timers.watch_idle(4, 20);
        timers.watch_all_idle_by(100);
        assert_eq!(timers.pop_idle(99), Some(4));
        assert_eq!(timers.pop_idle(99), None);
        assert_eq!(timers.pop_idle(100), Some(3));
        timers.watch_idle(3, 200);
        assert_eq!(timers.pop_idle(200), Some(3));
    }
}
