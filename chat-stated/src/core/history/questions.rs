//! What clients ask of the history, and what they may read.

use chat_model::room::{ROOM_SENDER, is_of_room};
use chat_model::{
    AccountId, ConnectionSerial, Message, Outcome, Request, RequestName, SentTo, StreamOffset,
};
use chat_node::logs::security_log::Event;
use chat_rpc::{ToWorker, UsersRequest};

use super::{Asker, MAX_FOUND, MAX_QUESTIONS, Stage};
use crate::core::delivery::{NO_MESSAGES, Waiting};
use crate::core::link::LinkId;
use crate::core::{Action, Core};
use crate::history::{
    Found, HistoryRequest, KeptMessage, KeptRoom, MAX_LINES, OwnMessages, Question, Scope, Words,
};
use crate::state::State;

impl Core {
    /// A question of somebody who is logged in.
    pub(in crate::core) fn ask_history(
        &mut self,
        (link, serial, offset): (LinkId, ConnectionSerial, StreamOffset),
        request: &Request<'_>,
    ) {
        // What was committed before the question goes first.
        self.keep_messages();
        let scope = match self.scope(link, serial, request) {
            Ok(scope) => scope,
            Err(refusal) => return self.answer(link, serial, offset, refusal),
        };
        let asker = Asker {
            link,
            serial,
            offset,
            is_search: matches!(request, Request::Search { .. }),
            scope: scope.clone(),
        };
        let history = &mut self.history;
        match &history.stage {
            Stage::Absent => return self.answer_asker(&asker, &Found::default()),
            Stage::Failed { .. } => return self.answer(link, serial, offset, Outcome::Busy),
            Stage::Working if history.questions.len() >= MAX_QUESTIONS => {
                return self.refuse_question((link, serial, offset));
            }
            Stage::Working => {}
        }
        let Some(question) = scope.and_then(|scope| question(scope, request)) else {
            return self.answer_asker(&asker, &Found::default());
        };
        history.last_ticket += 1;
        let ticket = history.last_ticket;
        history.questions.insert(ticket, asker);
        let request = HistoryRequest::Ask { ticket, question };
        self.actions.push(Action::History(request));
    }

    /// Too many questions wait already.
    fn refuse_question(
        &mut self,
        (link, serial, offset): (LinkId, ConnectionSerial, StreamOffset),
    ) {
        if let Some(connection) = self.connection(link, serial) {
            let request = RequestName { connection, offset };
            self.note_sender(Event::HistoryBusy, request, None);
        }
        self.answer(link, serial, offset, Outcome::Busy);
    }

    /// Where is to be looked; nothing if there can be no such message.
    fn scope(
        &self,
        link: LinkId,
        serial: ConnectionSerial,
        request: &Request<'_>,
    ) -> Result<Option<Scope>, Outcome<'static>> {
        let connection = self.connection(link, serial);
        let Some(own) = connection.and_then(|it| self.state.account_on(it)) else {
            return Ok(None);
        };
        let of = match request {
            Request::History { of, .. } => Some(&**of),
            Request::Search { of, .. } => of.as_deref(),
            _ => return Ok(None),
        };
        of.map_or_else(|| Ok(self.whole_scope(own)), |of| self.scope_of(own, of))
    }

    /// All that an account may read.
    fn whole_scope(&self, own: AccountId) -> Option<Scope> {
        let rooms: Vec<KeptRoom> = self.state.kept_rooms_of(own).collect();
        let keeps_direct = self.state.keeping().rules.keeps_direct;
        let direct = keeps_direct.then(|| OwnMessages {
            account: own,
            after: self.state.direct_kept_after(),
        });
        let is_some = direct.is_some() || !rooms.is_empty();
        is_some.then_some(Scope::Own { direct, rooms })
    }

    /// What it may read of a room, or its conversation with a user.
    fn scope_of(&self, own: AccountId, of: &str) -> Result<Option<Scope>, Outcome<'static>> {
        if is_of_room(of) {
            let room = self.state.kept_room(own, of).ok_or(Outcome::Denied)?;
            return Ok(Some(Scope::Room(room)));
        }
        if !self.state.keeping().rules.keeps_direct {
            return Err(Outcome::Denied);
        }
        let other = self.state.account(of);
        let after = self.state.direct_kept_after();
        Ok(other.map(|(other, _)| Scope::Conversation { own, other, after }))
    }

    pub(super) fn answer_asker(&mut self, asker: &Asker, found: &Found) {
        self.note_damaged(&found.damaged);
        let (link_id, serial, offset) = (asker.link, asker.serial, asker.offset);
        if self.is_behind(link_id) {
            return self.answer(link_id, serial, offset, Outcome::Busy);
        }
        let through = self.newest();
        let Some(link) = self.links.get_mut(link_id) else {
            return;
        };
        let connection = link.connection(serial);
        let connection = connection.filter(|it| self.state.account_on(*it).is_some());
        // Whose session has ended meanwhile is told that, or is gone.
        let (Some(connection), Some(client)) = (connection, link.known_mut(serial)) else {
            return;
        };
        // A session that only sends reads nothing, and may ask all the same.
        let reader = self.state.reader_on(connection);
        let waiting = Waiting::next(&self.state, reader, client, through, NO_MESSAGES);
        let request = UsersRequest {
            connection: serial,
            offset,
            through: waiting.through,
            more: waiting.more,
        };
        let state = &self.state;
        let messages = found
            .messages
            .iter()
            .filter_map(|message| shown(state, message, asker.scope.as_ref()?));
        let item = ToWorker::Kept {
            request,
            is_search: asker.is_search,
            has_more: found.has_more,
            messages: messages.collect(),
        };
        link.send(&item);
    }
}

fn question(scope: Scope, request: &Request<'_>) -> Option<Question> {
    match request {
        Request::History { span, count, .. } => Some(Question::Page {
            scope,
            span: *span,
            count: usize::from(*count).min(MAX_LINES),
        }),
        Request::Search { words, .. } => Some(Question::Search {
            scope,
            words: Words::of(words)?,
            count: MAX_FOUND,
        }),
        _ => None,
    }
}

/// A message as it is shown; nothing if its room has ended meanwhile.
fn shown<'a>(state: &'a State, message: &'a KeptMessage, scope: &Scope) -> Option<Message<'a>> {
    let room = match scope.room_of(message) {
        Some(room) => Some(state.room_name(room)?),
        None => None,
    };
    let sender = state.record(message.sender);
    let sender = sender.map_or("?", |record| &record.name);
    let (sender, sent_to) = match room {
        Some(room) if message.is_notice => (ROOM_SENDER, SentTo::NoticeOf(room)),
        Some(room) => (sender, SentTo::Room(room)),
        None => (sender, SentTo::People),
    };
    Some(Message {
        number: message.number,
        time_ms: message.time_ms,
        sender,
        sent_to,
        text: &message.text,
    })
}
