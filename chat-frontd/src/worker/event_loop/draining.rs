//! A drain: no new connections, and after a time the clients that are left are disconnected as at an orderly stop.

use chat_node::supervisor::child_configuration::Drain;

use super::EventLoop;
use crate::core::ClientKey;

/// How far a drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DrainStage {
    /// There is none: new connections are taken.
    Off,
    /// Clients may stay; until this time, if there is one.
    Draining { until_ms: Option<u64> },
    /// Clients were disconnected.
    Drained,
}

impl EventLoop {
    pub(super) fn take_drain(&mut self, drain: Drain) {
        self.drain = match drain {
            Drain::Begin { within_ms } => {
                log::info!(
                    "draining: {} clients are connected",
                    self.core.client_count()
                );
                DrainStage::Draining {
                    until_ms: within_ms.map(|within_ms| self.now_ms + within_ms),
                }
            }
            Drain::End => {
                log::info!("taking connections again");
                DrainStage::Off
            }
        };
        self.accept_from_ms = Some(self.now_ms);
    }

    /// When clients are to be disconnected.
    pub(super) fn drained_at_ms(&self) -> Option<u64> {
        match self.drain {
            DrainStage::Draining { until_ms } => until_ms,
            DrainStage::Off | DrainStage::Drained => None,
        }
    }

    /// Disconnects the clients if their time is over.
    pub(super) fn end_drained(&mut self) {
        if self
            .drained_at_ms()
            .is_some_and(|at_ms| at_ms <= self.now_ms)
        {
            self.drain = DrainStage::Drained;
            let count = self.core.client_count();
            log::info!("drained: {count} clients are disconnected");
            self.core.end_clients();
        }
    }

    /// Whoever was in the middle of a handshake when clients were disconnected is disconnected after it.
    pub(super) fn end_late_client(&mut self, key: ClientKey) {
        if self.drain == DrainStage::Drained {
            self.core.ended(key);
        }
    }
}
