//! A client's dialogue, and what the core keeps beside it.

use chat_shared::rpc::{ConnectionSerial, FrameError, Progress, ToWorker, decode_items};
use slab::Slab;

use super::Keys;
use super::session::{MessageLines, QueuePart, Session};
use super::timers::ClientKey;

#[derive(Debug)]
pub(super) struct Client {
    pub(super) serial: ConnectionSerial,
    pub(super) session: Session,
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
    /// What the daemon was told last of the reader's progress.
    pub(super) reported: Progress,
    /// How long until it is looked again whether messages were acknowledged; 0 if that is not waited for.
    pub(super) check_after_ms: u64,
}

impl Client {
    pub(super) fn new(serial: ConnectionSerial, session: Session) -> Self {
        Self {
            serial,
            session,
            is_listed: false,
            is_kept_back: false,
            has_ended: false,
            is_shut: false,
            concluding_since_ms: None,
            concluding_check_after_ms: 0,
            reported: Progress::default(),
            check_after_ms: 0,
        }
    }

    pub(super) fn observed(&mut self, unacknowledged_bytes: u64, unread_bytes: u64, now_ms: u64) {
        let position = self
            .session
            .output
            .written_position()
            .saturating_sub(unacknowledged_bytes);
        let input_total = self.session.input_total() + unread_bytes;
        let received_before = self.session.progress().received;
        self.session
            .delivery
            .acknowledged(position, input_total, now_ms);
        if self.session.counts_silence() {
            self.session.delivery.stayed_whole(now_ms);
        }
        if self.session.progress().received > received_before {
            self.check_after_ms = 0;
        }
    }
}

/// Takes what the daemon sent to the clients it is for; those go to `reached`.
pub(super) fn take_items(
    payload: &[u8],
    clients: &mut Slab<Client>,
    keys: &Keys,
    lines: &mut MessageLines,
    now_ms: u64,
    reached: &mut Vec<ClientKey>,
) -> Result<(), FrameError> {
    // A client that has left meanwhile is passed over.
    let mut at = |connection, act: &mut dyn FnMut(&mut Session)| {
        if let Some(key) = keys.get(&connection).copied()
            && let Some(client) = clients.get_mut(key)
        {
            act(&mut client.session);
            reached.push(key);
        }
    };
    for item in decode_items::<ToWorker<'_>>(payload) {
        match item? {
            ToWorker::Reply {
                connection,
                offset,
                answer,
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
                    session.reply(offset, &answer, part, lines, now_ms);
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
                    at(connection, &mut |session| session.pushed(part, lines));
                }
            }
            ToWorker::Page {
                connection,
                messages,
                more,
            } => at(connection, &mut |session| {
                session.page(&messages, more, lines, now_ms);
            }),
            ToWorker::End { connection } => at(connection, &mut Session::cut_off),
        }
    }
    Ok(())
}
