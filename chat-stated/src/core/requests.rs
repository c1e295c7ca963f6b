//! What attached workers say.

use std::num::NonZeroU64;

use chat_model::message::{may_be_once_id, may_be_recipient, may_be_text};
use chat_model::room::{MAX_TOPIC_BYTES, may_be_room};
use chat_model::{
    AccountId, Audience, ConnectionSerial, Outcome, Progress, Request, RequestName, RoomAct,
    SessionName, StreamOffset, UserSession,
};
use chat_node::logs::security_log::Event;
use chat_rpc::{FromWorker, RequestItem, ToWorker, decode_items};
use xxhash_rust::xxh3::xxh3_128;

use super::Core;
use super::batches::{Read, WaitingRead};
use super::link::{LinkId, Stage};
use super::lists::ListRequest;
use super::tokens::{drop_token_action, new_token_action};
use crate::entry::{Action as Attempt, Entry, OnceId};

/// Clients of a worker; more than its flags let it have.
const MAX_CLIENTS: usize = 1 << 20;

/// A worker's client and one of its lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) link: LinkId,
    pub(super) serial: ConnectionSerial,
    pub(super) offset: StreamOffset,
    pub(super) answered: StreamOffset,
    pub(super) progress: Progress,
}

impl Core {
    /// A frame of an attached worker.
    pub fn received(&mut self, link: LinkId, payload: &[u8]) {
        for item in decode_items::<FromWorker<'_>>(payload) {
            let attached = self
                .links
                .get(link)
                .filter(|link| matches!(link.stage(), Stage::Attached(_)));
            let Some(attached) = attached else {
                self.close_link(link, "it spoke before it was attached");
                return;
            };
            if attached.client_count() > MAX_CLIENTS {
                self.close_link(link, "it has more clients than a worker can have");
                return;
            }
            match item {
                Ok(item) => self.take_item(link, item),
                Err(error) => {
                    self.close_link(link, &error.to_string());
                    return;
                }
            }
        }
    }

    fn take_item(&mut self, link: LinkId, item: FromWorker<'_>) {
        match item {
            FromWorker::Resume { connections } => self.resume_connections(link, &connections),
            FromWorker::Request(request) => self.take_request(link, request),
            FromWorker::Page {
                connection,
                after,
                through,
            } => self.send_page(link, connection, after, through),
            FromWorker::Progress {
                connection,
                progress,
            } => self.take_progress(link, connection, progress),
            FromWorker::ClientClosed {
                connection,
                progress,
            } => self.close_client(link, connection, progress),
            FromWorker::ClientConnected {
                connection,
                address,
                is_known,
            } => self.open_client(link, connection, address, is_known),
            FromWorker::SendBatch(sends) => self.take_send_batch(link, sends),
        }
    }

    pub(super) fn take_request(&mut self, link: LinkId, item: RequestItem<'_>) {
        if self.sources.is_rejected((link, item.connection)) {
            return;
        }
        let asked = Asked {
            link,
            serial: item.connection,
            offset: item.offset,
            answered: item.answered,
            progress: item.progress,
        };
        self.note_progress(link, item.connection, item.progress);
        match item.request {
            Request::Identify { name, address } => {
                let outcome = match self.state.look_up(&name, address, &self.timestamp) {
                    Outcome::NameFree if !self.sources.is_registration_open() => {
                        Outcome::NameUnavailable
                    }
                    outcome => outcome,
                };
                if matches!(outcome, Outcome::Blocked { .. }) {
                    let key = (asked.link, asked.serial);
                    self.note(Event::Blocked, key, address, Some(&name));
                }
                self.answer(asked.link, asked.serial, asked.offset, outcome);
            }
            Request::Register {
                name,
                password,
                address,
            } => self.take_registration(asked, &name, &password, address),
            Request::LogIn {
                name,
                password,
                address,
                asked_boot_ms,
            } => self.take_password(asked, &name, &password, address, asked_boot_ms),
            Request::Send { audience, text } => {
                self.attempt_if(asked, send_action(audience, &text))
            }
            Request::DropSession { name } => {
                let session = session_to_drop(name.as_deref());
                let action = session.map(|session| Attempt::DropSession { session });
                self.attempt_if(asked, action);
            }
            Request::SendOnce { id, audience, text } => {
                self.attempt_if(asked, send_once_action(&id, audience, &text));
            }
            Request::NewToken { name, secret } => {
                self.logins.note_secret();
                self.attempt_if(asked, new_token_action(&name, &secret));
            }
            Request::ChangePassword {
                current,
                new,
                address,
            } => self.take_password_change(asked, (&current, &new), address),
            Request::DropToken { name } => self.attempt_if(asked, drop_token_action(&name)),
            Request::LogOut => self.attempt(asked, Attempt::LogOut),
            Request::ChangeRoom { room, act } => self.attempt_if(asked, room_action(&room, act)),
            read => self.read(asked, Read::Request(read.into_owned())),
        }
    }

    /// As [`Core::attempt`], if a worker without a fault can have asked for it.
    fn attempt_if(&mut self, asked: Asked, action: Option<Attempt>) {
        match action {
            Some(action) => self.attempt(asked, action),
            None => self.read(asked, Read::Refuse),
        }
    }

    /// Puts a request that may change the state on its way to the journal. One that was decided before its worker
    /// lost us is answered again instead: another entry for it could be refused for want of room.
    pub(super) fn attempt(&mut self, asked: Asked, action: Attempt) {
        if self.answer_again(asked) {
            return;
        }
        let Some(connection) = self.connection(asked.link, asked.serial) else {
            return;
        };
        if self.space.refuses(&action) {
            return self.read(asked, Read::Full);
        }
        let entry = Entry::Request {
            name: RequestName {
                connection,
                offset: asked.offset,
            },
            answered: asked.answered,
            progress: asked.progress,
            action,
        };
        self.push_entry_of(asked.link, asked.serial, entry);
    }

    pub(super) fn push_entry_of(&mut self, link: LinkId, serial: ConnectionSerial, entry: Entry) {
        let sequence = self.batches.push(entry);
        if let Some(link) = self.links.get_mut(link) {
            link.client(serial).last_batch = NonZeroU64::new(sequence);
        }
    }

    /// Answers a question at once, or when the entries of the same client before it are decided.
    fn read(&mut self, asked: Asked, read: Read) {
        let must_wait = self
            .links
            .get(asked.link)
            .and_then(|link| link.known(asked.serial)?.last_batch)
            .is_some_and(|batch| self.batches.is_undecided(batch.get()));
        self.journal_progress(asked.link, asked.serial, asked.progress);
        let read = WaitingRead {
            link: asked.link,
            serial: asked.serial,
            offset: asked.offset,
            read,
        };
        if !must_wait {
            return self.answer_read(read);
        }
        let sequence = self.batches.push_read(read);
        if let Some(link) = self.links.get_mut(asked.link) {
            link.client(asked.serial).last_batch = sequence.and_then(NonZeroU64::new);
        }
    }

    pub(super) fn answer_read(&mut self, waiting: WaitingRead) {
        let WaitingRead {
            link,
            serial,
            offset,
            read,
        } = waiting;
        let Some(found) = self.links.get_mut(link) else {
            return;
        };
        let request = match read {
            Read::Request(request) => request,
            Read::Refuse => return self.answer(link, serial, offset, Outcome::Refused),
            Read::Full => return self.refuse_for_full_disk(link, serial, offset),
            Read::End { worker_session } if found.worker_session() == Some(worker_session) => {
                return self.send(link, &ToWorker::Kick { connection: serial });
            }
            Read::End { .. } => return,
        };
        let connection = found.connection(serial);
        let account = connection.and_then(|it| self.state.account_on(it));
        let Some(account) = account else {
            return self.answer(link, serial, offset, Outcome::Refused);
        };
        let outcome = match request {
            Request::Fetch => Outcome::Done,
            Request::ListTokens => Outcome::Users(self.state.token_names(account)),
            Request::ListUsers {
                seen_within_minutes: minutes,
            } => {
                return self.lists.add(ListRequest {
                    link,
                    serial,
                    offset,
                    minutes,
                });
            }
            Request::ListSessions => self.sessions_of(account),
            Request::History { .. } | Request::Search { .. } => {
                return self.ask_history((link, serial, offset), &request);
            }
            Request::SetPush { on } => {
                found.set_pushed(serial, on);
                Outcome::Done
            }
            Request::NameGroups => {
                found.name_groups(serial);
                Outcome::Done
            }
            Request::ShowTopic { room } => self.state.topic_of(account, &room),
            Request::ListRooms { .. } | Request::ListMembers { .. } if found.is_behind() => {
                Outcome::Busy
            }
            Request::ListRooms { all: true } => Outcome::Users(self.state.public_rooms()),
            Request::ListRooms { all: false } => Outcome::Users(self.state.rooms_of(account)),
            Request::ListMembers { room } => {
                let members = self.state.members_of(account, &room);
                members.map_or(Outcome::Denied, Outcome::Users)
            }
            _ => Outcome::Refused,
        };
        self.answer(link, serial, offset, outcome);
    }

    /// Takes what a worker says of how far its reader came, for what is decided here and not journalled.
    pub(super) fn note_progress(
        &mut self,
        link: LinkId,
        serial: ConnectionSerial,
        progress: Progress,
    ) {
        if let Some(link) = self.links.get_mut(link) {
            link.client(serial).written(progress.sent);
        }
    }

    fn take_progress(&mut self, link: LinkId, serial: ConnectionSerial, progress: Progress) {
        self.note_progress(link, serial, progress);
        self.journal_progress(link, serial, progress);
    }

    /// Journals how far a reader came, if that is news. Nobody waits for it.
    fn journal_progress(&mut self, link: LinkId, serial: ConnectionSerial, progress: Progress) {
        let Some(found) = self.links.get_mut(link) else {
            return;
        };
        let Some(connection) = found.connection(serial) else {
            return;
        };
        if found.client(serial).progressed(progress) {
            let entry = Entry::Progress {
                connection,
                progress,
            };
            self.push_entry_of(link, serial, entry);
        }
    }

    fn close_client(&mut self, link: LinkId, serial: ConnectionSerial, progress: Progress) {
        let Some(found) = self.links.get_mut(link) else {
            return;
        };
        let closed = found.forget(serial);
        let connection = found.connection(serial);
        self.sources.close((link, serial));
        if closed.is_some() {
            self.logins.forget_client(link, serial, &mut self.actions);
        }
        let may_be_known = closed.is_some_and(|client| client.last_batch.is_some());
        if let Some(connection) = connection
            && (may_be_known || self.state.knows(connection))
        {
            self.batches.push(Entry::Close {
                connection,
                progress,
            });
        }
    }

    /// The disk has no room for a request. If it was done before its worker lost us, and is asked for again, it
    /// still is.
    fn refuse_for_full_disk(
        &mut self,
        link: LinkId,
        serial: ConnectionSerial,
        offset: StreamOffset,
    ) {
        let outcome = self
            .connection(link, serial)
            .and_then(|connection| self.state.outcome(&RequestName { connection, offset }));
        let outcome = outcome.unwrap_or(Outcome::DiskFull);
        self.answer(link, serial, offset, outcome);
    }

    fn sessions_of(&self, account: AccountId) -> Outcome<'static> {
        let (online, offline) = self.state.sessions_of(account);
        let names = |names: Vec<String>| names.iter().map(String::as_str).collect();
        Outcome::Sessions {
            online: names(online),
            offline: names(offline),
        }
    }

    pub(super) fn answer_request(&mut self, request: RequestName, outcome: Outcome<'_>) {
        if let Some(link) = self.links.of(request.connection.worker_session) {
            if outcome == Outcome::LoggedIn {
                self.note_login(link, request.connection.serial);
            }
            let outcome = match outcome {
                Outcome::SessionDropped => {
                    let account = self.state.account_on(request.connection);
                    account.map_or(outcome, |account| self.sessions_of(account))
                }
                outcome => outcome,
            };
            self.answer(link, request.connection.serial, request.offset, outcome);
        }
    }
}

/// Which session's place is to be given up; `None` if no client can have asked for that.
fn session_to_drop(name: Option<&str>) -> Option<UserSession> {
    match name {
        None => Some(UserSession::Plain),
        Some(name) => SessionName::parse(name).map(UserSession::Named),
    }
}

/// What a client's message tries; `None` if no client can have sent it.
fn send_action(audience: Audience<'_>, text: &str) -> Option<Attempt> {
    may_be_message(&audience, text).then(|| Attempt::Send {
        audience: audience.into_owned(),
        text: text.to_owned(),
    })
}

/// The same for a message that is sent once.
fn send_once_action(id: &str, audience: Audience<'_>, text: &str) -> Option<Attempt> {
    (may_be_once_id(id) && may_be_message(&audience, text)).then(|| Attempt::SendOnce {
        id: OnceId(xxh3_128(id.as_bytes()).to_le_bytes()),
        audience: audience.into_owned(),
        text: text.to_owned(),
    })
}

fn may_be_message(audience: &Audience<'_>, text: &str) -> bool {
    let is_addressed = match audience {
        Audience::Accounts(names) | Audience::Mixed(names) => names.may_be_recipients(),
        Audience::Everyone => true,
    };
    is_addressed && may_be_text(text)
}

/// What a client's act tries; `None` if no client can have sent it.
fn room_action(room: &str, act: RoomAct<'_>) -> Option<Attempt> {
    let may_be = match &act {
        RoomAct::SetTopic(topic) => topic.len() <= MAX_TOPIC_BYTES && may_be_text(topic),
        RoomAct::Treat { user, .. } => may_be_recipient(user),
        _ => true,
    };
    let room = (may_be && may_be_room(room)).then(|| room.to_owned())?;
    Some(match act {
        RoomAct::Drop => Attempt::DropRoom { room },
        act => Attempt::ChangeRoom {
            room,
            act: act.into_owned(),
        },
    })
}
