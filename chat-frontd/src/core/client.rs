//! A client's dialogue, and what the core keeps beside it.

use chat_model::{ConnectionSerial, Progress};
use chat_rpc::{FrameError, ToWorker, decode_items};

use super::Observation;
use super::clients::Clients;
use super::dialect::{Dialect, LineProtocol};
use super::list_line::{HeldLists, ListLine};
use super::session::{
    ParkedSession, QueuePart, Session, SessionLimits, Shared as SharedBySessions,
};
use super::timers::ClientKey;

/// What the clients of this worker speak.
pub(super) type Spoken = LineProtocol;
/// What is left of a client that is parked.
pub(super) type Parked = ParkedSession<<Spoken as Dialect>::Parked>;
/// What the sessions share.
pub(super) type Shared = SharedBySessions<Spoken>;

#[derive(Debug)]
pub(super) struct Client {
    pub(super) session: Session<Spoken>,
    /// Among those to be served in this turn.
    pub(super) is_listed: bool,
    /// Among those whose requests the link had no room for.
    pub(super) is_kept_back: bool,
    /// The client has closed its sending side.
    pub(super) has_ended: bool,
    /// Our sending side is closed.
    pub(super) is_shut: bool,
    /// Since when the dialogue only has to be concluded.
    pub(super) concluding_since_ms: Option<u64>,
    /// How long was waited last to look again whether the dialogue can be concluded.
    pub(super) concluding_check_after_ms: u64,
    /// What was reported last to the daemon of the reader's progress.
    pub(super) reported: Progress,
    /// How long until it is looked again whether messages were acknowledged; 0 if that is not waited for.
    pub(super) check_after_ms: u64,
    /// The daemon knows of it.
    pub(super) is_registered: bool,
    /// What the core last took into account of what is held for it.
    pub(super) held_bytes: usize,
}

impl Client {
    pub(super) fn new(session: Session<Spoken>) -> Self {
        Self {
            session,
            is_listed: false,
            is_kept_back: false,
            has_ended: false,
            is_shut: false,
            concluding_since_ms: None,
            concluding_check_after_ms: 0,
            reported: Progress::default(),
            check_after_ms: 0,
            is_registered: false,
            held_bytes: 0,
        }
    }

    /// What has to be kept of the client, if that is little.
    pub(super) fn park(&self) -> Option<Parked> {
        let Self {
            session,
            is_listed,
            is_kept_back,
            has_ended,
            is_shut,
            concluding_since_ms,
            concluding_check_after_ms,
            reported,
            check_after_ms,
            // The daemon knows of one that is logged in.
            is_registered: _,
            // Nothing is held then.
            held_bytes: _,
        } = self;
        let progress = session.progress();
        let is_parked = !(*is_listed || *is_kept_back || *has_ended || *is_shut)
            && concluding_since_ms.is_none()
            && *concluding_check_after_ms == 0
            && *check_after_ms == 0
            // What was merely written is no news.
            && (reported.acknowledged, reported.confirmed) == (progress.acknowledged, progress.confirmed);
        is_parked.then(|| session.park())?
    }

    /// Becomes the client that was parked; what this one was is forgotten.
    pub(super) fn restore(&mut self, parked: &Parked, limits: SessionLimits, is_daemon_lost: bool) {
        self.session.restore(parked, limits, is_daemon_lost);
        self.is_listed = false;
        self.is_kept_back = false;
        self.has_ended = false;
        self.is_shut = false;
        self.concluding_since_ms = None;
        self.concluding_check_after_ms = 0;
        self.reported = parked.progress();
        self.check_after_ms = 0;
        self.is_registered = true;
        self.held_bytes = 0;
    }

    pub(super) fn observed(&mut self, seen: Observation, now_ms: u64) {
        let session = &mut self.session;
        let position = session
            .output
            .written_position()
            .saturating_sub(seen.unacknowledged_bytes);
        let received_before = session.progress().acknowledged;
        session.observed(position, seen.unread_bytes, seen.has_fin, now_ms);
        if session.progress().acknowledged > received_before {
            self.check_after_ms = 0;
        }
    }
}

/// Takes what the daemon sent to the clients it is for; those go to `reached`, and to `rejected` whom it does not want.
pub(super) fn take_items(
    payload: &[u8],
    clients: &mut Clients,
    (shared, held_lists): (&mut Shared, &HeldLists),
    now_ms: u64,
    reached: &mut Vec<ClientKey>,
    rejected: &mut Vec<ConnectionSerial>,
) -> Result<(), FrameError> {
    // A client that has left meanwhile is passed over.
    let mut at = |connection, act: &mut dyn FnMut(&mut Session<Spoken>)| {
        if let Some((key, client)) = clients.restore_by_serial(connection) {
            act(&mut client.session);
            reached.push(key);
        }
    };
    for item in decode_items::<ToWorker<'_>>(payload) {
        match item? {
            ToWorker::Reply {
                connection,
                offset,
                outcome,
                messages,
                through,
                more,
            } => {
                let part = QueuePart {
                    messages: &messages,
                    through,
                    more,
                };
                at(connection, &mut |session| {
                    session.reply(offset, &outcome, part, shared, now_ms);
                });
            }
            ToWorker::Push {
                connections,
                messages,
                through,
                more,
            } => {
                let part = QueuePart {
                    messages: &messages,
                    through,
                    more,
                };
                for connection in connections {
                    at(connection, &mut |session| session.pushed(part, shared));
                }
            }
            ToWorker::Page {
                connection,
                messages,
                more,
            } => at(connection, &mut |session| {
                session.page(&messages, more, shared, now_ms);
            }),
            ToWorker::Kick { connection } => at(connection, &mut Session::cut_off),
            ToWorker::Replaced { connection } => at(connection, &mut Session::replaced),
            ToWorker::Reject { connection } => rejected.push(connection),
            ToWorker::Stored {
                connection,
                first,
                last,
                through,
                more,
            } => {
                at(connection, &mut |session| {
                    session.stored(first, last, (through, more), shared, now_ms);
                });
            }
            ToWorker::Kept {
                request,
                is_search,
                has_more,
                messages,
            } => {
                let lines = Spoken::kept(&messages, is_search, has_more);
                let lines = ListLine::new(lines, held_lists);
                at(request.connection, &mut |session| {
                    session.listed(&request, &lines, shared, now_ms);
                });
            }
            ToWorker::Users { requests, names } => {
                let list = ListLine::new(Spoken::users(&names), held_lists);
                for request in requests {
                    at(request.connection, &mut |session| {
                        session.listed(&request, &list, shared, now_ms);
                    });
                }
            }
        }
    }
    Ok(())
}
