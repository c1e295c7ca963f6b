//! Who takes a session over from whom: never a login that was asked for earlier.

use std::collections::BTreeMap;

use super::{Oracle, Seat};
use crate::worker::TcpId;

/// Logins to sessions: when a worker can have heard of them at the latest.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// Of connections that there are. Nothing if a worker may yet hear of it.
    latest_ms: BTreeMap<TcpId, (Seat, Option<u64>)>,
    /// Of those that are over.
    ended_ms: BTreeMap<Seat, u64>,
}

impl Logins {
    /// No worker hears any more of a login.
    pub(super) fn is_heard(&mut self, tcp: TcpId, now_ms: u64) {
        if let Some((_, latest_ms)) = self.latest_ms.get_mut(&tcp) {
            latest_ms.get_or_insert(now_ms);
        }
    }

    pub(super) fn closed(&mut self, tcp: TcpId, now_ms: u64) {
        if let Some((seat, latest_ms)) = self.latest_ms.remove(&tcp) {
            let ended_ms = self.ended_ms.entry(seat).or_default();
            *ended_ms = latest_ms.unwrap_or(now_ms).max(*ended_ms);
        }
    }
}

impl Oracle {
    /// A client says its password.
    pub(crate) fn asks_to_log_in(&mut self, tcp: TcpId, seat: Seat) {
        self.logins.latest_ms.insert(tcp, (seat, None));
    }

    /// The worker of a connection died: what it has not heard by now is lost.
    pub(crate) fn worker_died(&mut self, tcp: TcpId, now_ms: u64) {
        self.logins.is_heard(tcp, now_ms);
    }

    /// A client that said its password then was told that another one has its session.
    pub(crate) fn told_replaced(
        &mut self,
        tcp: TcpId,
        seat: Seat,
        sent_at_ms: u64,
    ) -> Result<(), String> {
        self.replaced += 1;
        let logins = &self.logins;
        let others = logins.latest_ms.iter().filter(|(other, _)| **other != tcp);
        let mut others = others.filter(|(_, (of, _))| *of == seat);
        let is_newer = |latest_ms: u64| latest_ms >= sent_at_ms;
        let by_other = others.any(|(_, (_, latest_ms))| latest_ms.is_none_or(is_newer));
        let by_ended = logins.ended_ms.get(&seat).copied().is_some_and(is_newer);
        match by_other || by_ended {
            true => Ok(()),
            false => Err("an older login took the session over".to_owned()),
        }
    }
}
