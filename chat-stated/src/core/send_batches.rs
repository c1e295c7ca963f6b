//! Many messages of one client at once.

use chat_model::message::may_be_text;
use chat_model::{ConnectionId, MessageBatch, NameList, Outcome, RequestName, StreamOffset};
use chat_rpc::ToWorker;

use super::Core;
use super::delivery::{Waiting, reply, slice_limits};
use super::link::LinkId;
use crate::entry::{Entry, SendBatch};

impl Core {
    /// Several lines of a client.
    pub(super) fn take_send_batch(&mut self, link: LinkId, sends: chat_rpc::SendBatch<'_>) {
        let serial = sends.connection;
        if self.sources.is_rejected((link, serial)) {
            return;
        }
        if !sends.lines.is_well_formed() || !can_be_stored(&sends.lines) {
            return self.close_link(link, "it sent messages that no client can have written");
        }
        let Some(connection) = self.connection(link, serial) else {
            return;
        };
        if !self.can_go_together(connection, &sends.lines) {
            for request in sends.requests() {
                self.take_request(link, request);
            }
            return;
        }
        self.note_progress(link, serial, sends.progress);
        let entry = Entry::SendBatch(SendBatch {
            connection,
            answered: sends.answered,
            progress: sends.progress,
            lines: sends.lines.into_owned(),
        });
        self.push_entry_of(link, serial, entry);
    }

    /// Whether lines are all to be decided, and answered with no message between the answers.
    fn can_go_together(&self, connection: ConnectionId, lines: &MessageBatch) -> bool {
        let first = RequestName {
            connection,
            offset: lines.first(),
        };
        if self.space.refuses_messages() || self.state.is_past(&first) {
            return false;
        }
        let account = self.state.account_on(connection);
        let Some(user) = account.and_then(|account| self.state.record(account)) else {
            return false;
        };
        // What somebody writes to himself comes right behind its answer.
        !lines.iter().any(|send| {
            !send.has_same_recipients && send.recipients.iter().any(|name| *name == *user.name)
        })
    }

    /// Answers requests of a connection, all from one to another, whose messages were stored for all that were named.
    pub(super) fn answer_sends(&mut self, first: RequestName, last: StreamOffset) {
        let connection = first.connection;
        let through = self.newest();
        let link = self.links.of(connection.worker_session);
        let Some(link) = link.and_then(|link| self.links.get_mut(link)) else {
            return;
        };
        let limits = slice_limits(link, connection.serial);
        let Some(client) = link.known_mut(connection.serial) else {
            return;
        };
        let reader = self.state.reader_on(connection);
        let waiting = Waiting::next(&self.state, reader, client, through, limits);
        let (through, more) = (waiting.through, waiting.more);
        let mut first = first.offset;
        if !waiting.messages.is_empty() {
            let unknown = NameList::default();
            let outcome = Outcome::Stored { unknown };
            reply(link, connection.serial, first, outcome, waiting);
            first.0 += 1;
        }
        let stored = ToWorker::Stored {
            connection: connection.serial,
            first,
            last,
            through,
            more,
        };
        link.send(&stored);
    }
}

/// Whether every line could have come by itself.
fn can_be_stored(lines: &MessageBatch) -> bool {
    lines.iter().all(|send| {
        may_be_text(send.text) && (send.has_same_recipients || send.recipients.may_be_recipients())
    })
}
