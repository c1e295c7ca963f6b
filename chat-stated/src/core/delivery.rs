//! Answers and messages on their way to workers.

use std::collections::BTreeMap;

use chat_model::{
    ConnectionId, ConnectionSerial, Message, MessageNumber, Outcome, RoomId, StreamOffset,
};
use chat_rpc::ToWorker;
use smallvec::SmallVec;

use super::Core;
use super::link::{Client, Link, LinkId};
use super::pushes::push_to_many;
use super::texts::AskedPage;
use crate::state::{Decided, Reader, SliceLimits, State};
use crate::text_page::Texts;

/// Messages that go with one answer, push or page.
pub(super) const SLICE: SliceLimits = SliceLimits {
    messages: 1_024,
    text_bytes: 128 * 1024,
    names_groups: false,
};

/// Nothing goes with an answer: the worker is told to ask, if there is something.
pub(super) const NO_MESSAGES: SliceLimits = SliceLimits {
    messages: 0,
    text_bytes: 0,
    names_groups: false,
};

/// What may be pushed to a client beyond what its worker said to be written.
pub(super) const PUSH_WINDOW_BYTES: usize = 128 * 1024;

/// What a message costs beside its text, for the push window.
const MESSAGE_OVERHEAD_BYTES: usize = 48;

impl Core {
    /// A worker's client among those of all workers; `None` while the worker has no worker session.
    pub(super) fn connection(
        &self,
        link: LinkId,
        serial: ConnectionSerial,
    ) -> Option<ConnectionId> {
        self.links.get(link)?.connection(serial)
    }

    pub(super) fn send(&mut self, link: LinkId, item: &ToWorker<'_>) {
        if let Some(link) = self.links.get_mut(link) {
            link.send(item);
        }
    }

    /// Tells what was decided about requests, save what has to wait for the account file.
    pub(super) fn tell_decisions(&mut self) {
        let block_began = self.effects.block_began.take();
        for decided in std::mem::take(&mut self.effects.decided) {
            let Decided {
                request,
                through,
                outcome,
                after,
                exceeded,
                is_repeated,
            } = decided;
            // What is told again happened once.
            if !is_repeated {
                self.note_decided(request, &outcome, block_began, exceeded);
            }
            match after {
                Some(line) => self.file_line(line, request, outcome),
                None if through > request.offset => self.answer_sends(request, through),
                None => self.answer_request(request, outcome),
            }
        }
    }

    /// Answers a client's line; with it goes what waits in the client's queue.
    pub(super) fn answer(
        &mut self,
        link: LinkId,
        serial: ConnectionSerial,
        offset: StreamOffset,
        outcome: Outcome<'_>,
    ) {
        let through = self.newest();
        let Some(link) = self.links.get_mut(link) else {
            return;
        };
        let connection = link.connection(serial);
        if outcome == Outcome::Refused && connection.is_some_and(|it| self.state.was_replaced(it)) {
            // What came behind the end of its session is told of that end, and of nothing else.
            return link.send(&ToWorker::Replaced { connection: serial });
        }
        let reader = connection.and_then(|connection| self.state.reader_on(connection));
        let limits = slice_limits(link, serial);
        let Some(client) = link.known_mut(serial) else {
            return;
        };
        let waiting = Waiting::next(&self.state, reader, client, through, limits);
        reply(link, serial, offset, outcome, waiting);
    }

    /// Gives a worker the part of a queue it asks for.
    pub(super) fn send_page(
        &mut self,
        link_id: LinkId,
        serial: ConnectionSerial,
        after: MessageNumber,
        through: MessageNumber,
    ) {
        let page = AskedPage {
            link: link_id,
            serial,
            after,
            // What is yet to come must not be taken for sent.
            through: through.min(self.newest()),
        };
        if !self.send_page_with(page, &Texts::new()) {
            self.park_page(page);
        }
    }

    /// The same with texts that were read from the checkpoint. False if the first one wanted is not there, and nothing
    /// was sent.
    pub(super) fn send_page_with(&mut self, page: AskedPage, texts: &Texts) -> bool {
        let AskedPage {
            link: link_id,
            serial,
            after,
            through,
        } = page;
        let Some(link) = self.links.get_mut(link_id) else {
            return true;
        };
        let reader = link
            .connection(serial)
            .and_then(|connection| self.state.reader_on(connection));
        let limits = slice_limits(link, serial);
        // What left a room's feed meanwhile is told by a line with the number of the last of it.
        let dropped = reader.and_then(|reader| self.state.dropped_through(reader.account));
        let through = through.max(dropped.unwrap_or_default());
        let Some(client) = link.known_mut(serial) else {
            return true;
        };
        let slice = reader.map(|reader| {
            self.state
                .read_queue_with(reader, after, through, limits, texts)
        });
        let (messages, more) =
            slice.map_or((Vec::new(), false), |slice| (slice.messages, slice.more));
        // With no room for any the worker gets none, and asks again.
        if messages.is_empty() && more && limits.messages > 0 {
            return false;
        }
        let is_caught_up = !more
            && client
                .promised_through()
                .is_none_or(|promised| promised <= through);
        if is_caught_up {
            client.caught_up(through);
        }
        let page = ToWorker::Page {
            connection: serial,
            messages,
            more,
        };
        link.send(&page);
        if is_caught_up && link.is_pushed(serial) {
            self.push_to(link_id, serial);
        }
        true
    }

    /// After a turn: readers who asked for push get what has come for them.
    pub(super) fn push_new_messages(&mut self) {
        let reached = std::mem::take(&mut self.effects.reached);
        let mut reached_rooms = std::mem::take(&mut self.effects.reached_rooms);
        if std::mem::take(&mut self.effects.broadcast) {
            self.push_to_all();
            return;
        }
        reached_rooms.sort_unstable();
        reached_rooms.dedup();
        for room in reached_rooms {
            self.push_to_room(room);
        }
        for account in reached {
            let record = self.state.record(account);
            let sessions = record.into_iter().flat_map(|it| it.places.sessions());
            let sessions: SmallVec<[ConnectionId; 1]> = sessions.collect();
            for session in sessions {
                if let Some(link) = self.links.of(session.worker_session) {
                    self.push_to(link, session.serial);
                }
            }
        }
    }

    fn push_to_all(&mut self) {
        let through = self.newest();
        for link in self.links.iter_mut() {
            let pushed = link.pushed();
            push_to_many(&self.state, link, pushed, through);
        }
    }

    /// What came into a room crosses to each worker once.
    fn push_to_room(&mut self, room: RoomId) {
        let through = self.newest();
        let mut by_link: BTreeMap<LinkId, Vec<ConnectionSerial>> = BTreeMap::new();
        for account in self.state.online_members(room) {
            let places = self.state.record(*account).map(|record| &record.places);
            for session in places.into_iter().flat_map(|places| places.sessions()) {
                if let Some(link) = self.links.of(session.worker_session) {
                    by_link.entry(link).or_default().push(session.serial);
                }
            }
        }
        for (link, mut serials) in by_link {
            if let Some(link) = self.links.get_mut(link) {
                serials.retain(|serial| link.is_pushed(*serial));
                push_to_many(&self.state, link, serials, through);
            }
        }
    }

    /// Pushes to one client what it has not been sent, if it asked for push and the window allows.
    pub(super) fn push_to(&mut self, link: LinkId, serial: ConnectionSerial) {
        let through = self.newest();
        let Some(link) = self.links.get_mut(link) else {
            return;
        };
        if !link.is_pushed(serial) {
            return;
        }
        if let Some((messages, more)) = next_push(&self.state, link, serial, through) {
            push(link, vec![serial], messages, through, more);
        }
    }
}

/// What goes with an answer.
pub(super) struct Waiting<'a> {
    pub(super) messages: Vec<Message<'a>>,
    pub(super) through: MessageNumber,
    pub(super) more: bool,
}

impl<'a> Waiting<'a> {
    /// What waits up to a number for a client, and was not sent to it.
    pub(super) fn next(
        state: &'a State,
        reader: Option<Reader>,
        client: &mut Client,
        through: MessageNumber,
        limits: SliceLimits,
    ) -> Self {
        match reader {
            Some(reader) => {
                let (messages, more) = next_slice(state, reader, client, through, limits);
                Self {
                    messages,
                    through,
                    more,
                }
            }
            None => Self {
                messages: Vec::new(),
                through: MessageNumber::default(),
                more: false,
            },
        }
    }
}

pub(super) fn reply(
    link: &mut Link,
    serial: ConnectionSerial,
    offset: StreamOffset,
    outcome: Outcome<'_>,
    waiting: Waiting<'_>,
) {
    let Waiting {
        messages,
        through,
        more,
    } = waiting;
    let reply = ToWorker::Reply {
        connection: serial,
        offset,
        outcome,
        messages,
        through,
        more,
    };
    link.send(&reply);
}

/// What may go with an answer, push or page: nothing to a worker that does not take what it was sent.
pub(super) fn slice_limits(link: &Link, serial: ConnectionSerial) -> SliceLimits {
    match link.is_behind() {
        true => NO_MESSAGES,
        false => SliceLimits {
            names_groups: link.names_groups(serial),
            ..SLICE
        },
    }
}

/// What a push counts for the push window.
pub(super) fn push_bytes(messages: &[Message<'_>]) -> usize {
    messages
        .iter()
        .map(|message| message.text.len() + message.sent_to.bytes() + MESSAGE_OVERHEAD_BYTES)
        .sum()
}

pub(super) fn push(
    link: &mut Link,
    connections: Vec<ConnectionSerial>,
    messages: Vec<Message<'_>>,
    through: MessageNumber,
    more: bool,
) {
    link.send(&ToWorker::Push {
        connections,
        messages,
        through,
        more,
    });
}

/// What a client has not been sent yet, as far as it fits; the client is then told to ask for the rest.
fn next_slice<'a>(
    state: &'a State,
    reader: Reader,
    client: &mut Client,
    through: MessageNumber,
    limits: SliceLimits,
) -> (Vec<Message<'a>>, bool) {
    if client.promised_through().is_some() {
        client.promise(through);
        return (Vec::new(), true);
    }
    let slice = state.read_queue(reader, client.sent_through, through, limits);
    if slice.more {
        client.promise(through);
    }
    client.sent_through = through;
    (slice.messages, slice.more)
}

/// What there is to be pushed to a client now; `None` if nothing, or if it has to ask for it.
pub(super) fn next_push<'a>(
    state: &'a State,
    link: &mut Link,
    serial: ConnectionSerial,
    through: MessageNumber,
) -> Option<(Vec<Message<'a>>, bool)> {
    let reader = state.reader_on(link.connection(serial)?)?;
    let limits = slice_limits(link, serial);
    let client = link.known_mut(serial)?;
    if client.promised_through().is_some() || client.sent_through >= through {
        return None;
    }
    if client.pushed_bytes() >= PUSH_WINDOW_BYTES {
        client.promise(through);
        client.sent_through = through;
        return Some((Vec::new(), true));
    }
    let (messages, more) = next_slice(state, reader, client, through, limits);
    client.add_pushed(push_bytes(&messages));
    (!messages.is_empty() || more).then_some((messages, more))
}
