//! The connections of all workers, and which of them speaks for which worker session.

use std::collections::BTreeMap;

use chat_model::WorkerSessionId;

use super::link::{Link, LinkId, Stage};

/// By the loop's names of them, and by worker session.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_id: BTreeMap<LinkId, Link>,
    attached: BTreeMap<WorkerSessionId, LinkId>,
}

impl Links {
    /// A worker connected; gives how many are.
    pub(super) fn open(&mut self, id: LinkId, link: Link) -> usize {
        self.by_id.insert(id, link);
        self.by_id.len()
    }

    /// A connection is gone.
    pub(super) fn remove(&mut self, id: LinkId) -> Option<Link> {
        let link = self.by_id.remove(&id)?;
        if let Some(worker_session) = link.worker_session() {
            self.attached.remove(&worker_session);
        }
        Some(link)
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.by_id.get_mut(&id)
    }

    /// The one that speaks for a worker session.
    pub(super) fn of(&self, worker_session: WorkerSessionId) -> Option<LinkId> {
        self.attached.get(&worker_session).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.by_id.iter().map(|(id, link)| (*id, link))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.by_id.values_mut()
    }

    /// A connection waits for its worker session to be durable.
    pub(super) fn begin(&mut self, id: LinkId, secret: [u8; 16]) -> Option<&Link> {
        let link = self.by_id.get_mut(&id)?;
        link.enter(Stage::Beginning { secret });
        Some(link)
    }

    /// A connection speaks for a worker session from now on.
    pub(super) fn attach(&mut self, id: LinkId, worker_session: WorkerSessionId) -> Option<&Link> {
        let link = self.by_id.get_mut(&id)?;
        link.enter(Stage::Attached(worker_session));
        self.attached.insert(worker_session, id);
        Some(link)
    }

    /// Nothing that a connection says counts any more. Gives it, and the worker session it spoke for; `None` if that
    /// was so already.
    pub(super) fn begin_closing(&mut self, id: LinkId) -> Option<(&Link, Option<WorkerSessionId>)> {
        let link = self.by_id.get_mut(&id)?;
        if link.stage() == Stage::Closing {
            return None;
        }
        let worker_session = link.worker_session();
        if let Some(worker_session) = worker_session {
            self.attached.remove(&worker_session);
        }
        link.enter(Stage::Closing);
        Some((link, worker_session))
    }
}
