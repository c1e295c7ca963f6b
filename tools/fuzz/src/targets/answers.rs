//! A daemon that keeps to the RPC, and decides by choices; its decisions outlive it.

use std::collections::{BTreeMap, VecDeque};

use chat_model::message::may_be_text;
use chat_model::room::may_be_room;
use chat_model::text::is_clean;
use chat_model::{
    Audience, ConnectionSerial, Message, MessageNumber, NameList, Outcome, Progress, Request,
    StreamOffset, WorkerSessionId,
};
use chat_rpc::{
    FrameReader, FrameWriter, FromWorker, Greeting, Hello, RequestItem, ResumeToken, ToWorker,
    UsersRequest, decode_items,
};

use crate::choices::Choices;

/// Messages in one part of a queue.
const PART_MESSAGES: u64 = 3;
/// Lines of one client that may be under way, and a page.
const MAX_PENDING: usize = 513;
/// Messages that one reader gets at most.
const MAX_MESSAGES: u64 = 200;

/// What was asked and not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Name,
    Register,
    LogIn,
    Sessions,
    DropSession,
    Send,
    Users,
    Token,
    Tokens,
    Kept,
    Passwd,
    Read,
    Push(bool),
    LogOut,
    Room,
    List,
    Topic,
    Page {
        after: MessageNumber,
        through: MessageNumber,
    },
}

/// What is known of a client's connection.
#[derive(Debug, Default)]
struct Connection {
    // What a daemon that died leaves behind.
    is_logged_in: bool,
    is_logged_out: bool,
    newest: u64,
    decided: BTreeMap<StreamOffset, Outcome<'static>>,
    had: MessageNumber,
    // What dies with it.
    pending: VecDeque<(StreamOffset, Question)>,
    last_asked: StreamOffset,
    sent_through: u64,
    promised_through: Option<u64>,
    is_pushed: bool,
}

impl Connection {
    /// Takes the next part of the queue.
    fn part(&mut self) -> (Vec<(u64, String)>, bool) {
        let end = self.newest.min(self.sent_through + PART_MESSAGES);
        let texts = (self.sent_through + 1..=end).map(|number| (number, format!("m{number}")));
        let texts = texts.collect();
        self.sent_through = end;
        let more = end < self.newest;
        self.promised_through = more.then_some(self.newest);
        (texts, more)
    }

    /// Whether a message has yet to be decided, and no others go with its answer.
    fn can_answer_together(&self, offset: StreamOffset) -> bool {
        self.sent_through == self.newest
            && self.promised_through.is_none()
            && !self.decided.contains_key(&offset)
    }

    fn keep_sent(&mut self, offset: StreamOffset) {
        let unknown = NameList::new();
        self.decided.insert(offset, Outcome::Stored { unknown });
    }
}

/// The daemon, and its connection to the worker.
#[derive(Debug, Default)]
pub(super) struct Daemon {
    connections: BTreeMap<ConnectionSerial, Connection>,
    reader: FrameReader,
    /// What it says.
    pub(super) said: FrameWriter,
    has_hello: bool,
    is_resumed: bool,
}

impl Daemon {
    /// Dies; the next one has the same journal.
    pub(super) fn die(&mut self) {
        self.reader = FrameReader::default();
        self.said = FrameWriter::default();
        self.has_hello = false;
        self.is_resumed = false;
        for connection in self.connections.values_mut() {
            connection.pending.clear();
            connection.last_asked = StreamOffset(0);
            connection.is_pushed = false;
            connection.promised_through = None;
        }
    }

    /// How many questions wait for an answer.
    pub(super) fn pending(&self) -> usize {
        let pending = self.connections.values().map(|found| found.pending.len());
        pending.sum()
    }

    /// Hears what the worker wrote. A worker without a fault never says what is refused here.
    pub(super) fn hear(&mut self, output: &mut FrameWriter) {
        let pending = output.pending().to_vec();
        output.advance(pending.len());
        self.reader.extend(&pending);
        let mut reader = std::mem::take(&mut self.reader);
        loop {
            match reader.next_frame() {
                Ok(Some(payload)) if !self.has_hello => self.take_hello(payload),
                Ok(Some(payload)) => self.take_items(payload),
                Ok(None) => break,
                Err(error) => panic!("the worker wrote no frame: {error}"),
            }
        }
        self.reader = reader;
    }

    fn take_hello(&mut self, payload: &[u8]) {
        let credential = ResumeToken {
            worker_session: WorkerSessionId(7),
            secret: [7; 16],
        };
        // Who died before it was heard has not given out a worker session.
        let resume = match Hello::decode(payload) {
            Ok(hello) => hello.resume,
            Err(error) => panic!("the worker said no hello: {error}"),
        };
        assert!(resume.is_none() || resume == Some(credential));
        assert!(resume.is_some() || self.connections.is_empty());
        self.has_hello = true;
        self.is_resumed = resume.is_none();
        if let Ok(greeting) = Greeting::Attached(credential).encode() {
            self.said.push_frame(&greeting);
        }
    }

    fn take_items(&mut self, payload: &[u8]) {
        for item in decode_items::<FromWorker<'_>>(payload) {
            let item = match item {
                Ok(item) => item,
                Err(error) => panic!("the worker wrote what cannot be read: {error}"),
            };
            match item {
                FromWorker::Resume { connections } => {
                    assert!(!std::mem::replace(&mut self.is_resumed, true));
                    for resumed in connections {
                        let found = self.connections.entry(resumed.connection).or_default();
                        found.sent_through = resumed.taken.0;
                        found.is_pushed = resumed.push;
                        assert!(resumed.taken.0 <= found.newest);
                        note(found, resumed.progress);
                    }
                }
                FromWorker::Request(request) => self.take_request(&request),
                FromWorker::SendBatch(sends) => {
                    assert!(sends.lines.is_well_formed() && sends.lines.len() > 1);
                    for request in sends.requests() {
                        self.take_request(&request);
                    }
                }
                FromWorker::ClientConnected {
                    connection,
                    is_known,
                    ..
                } => {
                    let is_new = !self.connections.contains_key(&connection);
                    assert!(is_new || is_known, "opened twice");
                    self.connections.entry(connection).or_default();
                }
                FromWorker::Page {
                    connection,
                    after,
                    through,
                } => {
                    let found = self.connections.entry(connection).or_default();
                    assert!(found.is_logged_in && after < through && through.0 <= found.newest);
                    let question = Question::Page { after, through };
                    let is_page =
                        |(_, asked): &(_, Question)| matches!(asked, Question::Page { .. });
                    assert!(!found.pending.iter().any(is_page), "two pages at once");
                    found.pending.push_front((StreamOffset(0), question));
                }
                FromWorker::Progress {
                    connection,
                    progress,
                } => note(self.connections.entry(connection).or_default(), progress),
                FromWorker::ClientClosed {
                    connection,
                    progress,
                } => {
                    note(self.connections.entry(connection).or_default(), progress);
                    self.connections.remove(&connection);
                }
            }
        }
    }

    fn take_request(&mut self, request: &RequestItem<'_>) {
        assert!(self.is_resumed, "asked before it resumed");
        let found = self.connections.entry(request.connection).or_default();
        assert!(
            request.offset > found.last_asked,
            "asked twice, or out of order"
        );
        assert!(request.answered < request.offset);
        found.last_asked = request.offset;
        note(found, request.progress);
        let is_login = matches!(
            request.request,
            Request::Identify { .. } | Request::Register { .. } | Request::LogIn { .. }
        );
        let is_known = found.decided.contains_key(&request.offset);
        assert!(is_known || is_login != found.is_logged_in, "{request:?}");
        assert!(is_known || !found.is_logged_out);
        let question = match &request.request {
            Request::Identify { name, .. } => {
                assert!(is_clean(name));
                Question::Name
            }
            Request::Register { password, .. } => {
                assert!(!password.is_empty());
                Question::Register
            }
            Request::LogIn { password, .. } => {
                assert!(!password.is_empty());
                Question::LogIn
            }
            Request::Send { audience, text } | Request::SendOnce { audience, text, .. } => {
                assert!(may_be_text(text));
                if let Audience::Accounts(recipients) | Audience::Mixed(recipients) = audience {
                    assert!(recipients.may_be_recipients());
                }
                Question::Send
            }
            Request::NewToken { .. } | Request::DropToken { .. } => Question::Token,
            Request::ListTokens => Question::Tokens,
            Request::ChangePassword { new, .. } => {
                let is_page = |(_, asked): &(_, Question)| matches!(asked, Question::Page { .. });
                assert!(!new.is_empty() && found.pending.iter().all(is_page));
                Question::Passwd
            }
            Request::Fetch | Request::NameGroups => Question::Read,
            Request::SetPush { on } => Question::Push(*on),
            Request::ListUsers { .. } => Question::Users,
            Request::ListSessions => Question::Sessions,
            Request::DropSession { .. } => Question::DropSession,
            Request::History { .. } | Request::Search { .. } => Question::Kept,
            Request::LogOut => Question::LogOut,
            Request::ChangeRoom { room, .. } => {
                assert!(may_be_room(room));
                Question::Room
            }
            Request::ListRooms { .. } => Question::List,
            Request::ListMembers { room } => {
                assert!(may_be_room(room));
                Question::List
            }
            Request::ShowTopic { room } => {
                assert!(may_be_room(room));
                Question::Topic
            }
        };
        found.pending.push_back((request.offset, question));
        assert!(found.pending.len() <= MAX_PENDING);
    }

    /// Messages come for somebody.
    pub(super) fn write_to_somebody(&mut self, choices: &mut Choices<'_>) {
        let at = choices.below(4);
        let Some((serial, found)) = self.connections.iter_mut().nth(at) else {
            return;
        };
        if !found.is_logged_in || found.is_logged_out || found.newest >= MAX_MESSAGES {
            return;
        }
        found.newest += 1 + choices.below(8) as u64;
        if found.is_pushed && found.promised_through.is_none() && self.is_resumed {
            let (texts, more) = found.part();
            let push = ToWorker::Push {
                connections: vec![*serial],
                messages: messages(&texts),
                through: MessageNumber(found.newest),
                more,
            };
            assert_eq!(self.said.push(&push), Ok(()));
        }
    }

    /// Answers the first question of somebody.
    pub(super) fn answer(&mut self, choices: &mut Choices<'_>) {
        let asking: Vec<ConnectionSerial> = self
            .connections
            .iter()
            .filter(|(_, found)| !found.pending.is_empty())
            .map(|(serial, _)| *serial)
            .collect();
        if asking.is_empty() {
            return;
        }
        let connection = asking[choices.below(asking.len())];
        if let Some(found) = self.connections.get_mut(&connection)
            && let Some((offset, question)) = found.pending.pop_front()
        {
            let said = &mut self.said;
            match question {
                Question::Page { after, through } => {
                    send_page(connection, found, after, through, said);
                }
                Question::Send if found.can_answer_together(offset) && choices.flip() => {
                    send_answer_to_several(connection, found, offset, said);
                }
                _ => send_reply(connection, found, (offset, question), choices, said),
            }
        }
    }
}

fn note(found: &mut Connection, progress: Progress) {
    assert!(progress.confirmed >= found.had, "a reader unread something");
    assert!(progress.confirmed.0 <= found.newest && progress.sent.0 <= found.newest);
    assert!(progress.confirmed <= progress.acknowledged && progress.acknowledged <= progress.sent);
    found.had = progress.confirmed;
}

fn messages(texts: &[(u64, String)]) -> Vec<Message<'_>> {
    texts.iter().map(message_of).collect()
}

fn message_of((number, text): &(u64, String)) -> Message<'_> {
    Message {
        number: MessageNumber(*number),
        time_ms: 1_795_346_311_000,
        sender: "bob",
        sent_to: chat_model::SentTo::People,
        text,
    }
}

fn send_page(
    connection: ConnectionSerial,
    found: &mut Connection,
    after: MessageNumber,
    through: MessageNumber,
    said: &mut FrameWriter,
) {
    let end = through.0.min(after.0 + PART_MESSAGES);
    let texts: Vec<_> = (after.0 + 1..=end)
        .map(|number| (number, format!("m{number}")))
        .collect();
    let more = end < through.0;
    found.sent_through = found.sent_through.max(end);
    found.promised_through = found.promised_through.filter(|promised| *promised > end);
    let page = ToWorker::Page {
        connection,
        messages: messages(&texts),
        more,
    };
    assert_eq!(said.push(&page), Ok(()));
}

/// Says of a message, and of all that wait behind it and were not decided before, that they were stored.
fn send_answer_to_several(
    connection: ConnectionSerial,
    found: &mut Connection,
    first: StreamOffset,
    said: &mut FrameWriter,
) {
    let mut last = first;
    found.keep_sent(first);
    while let Some((offset, Question::Send)) = found.pending.front().copied()
        && !found.decided.contains_key(&offset)
    {
        found.pending.pop_front();
        found.keep_sent(offset);
        last = offset;
    }
    let sent = ToWorker::Stored {
        connection,
        first,
        last,
        through: MessageNumber(found.sent_through),
        more: false,
    };
    assert_eq!(said.push(&sent), Ok(()));
}

fn send_reply(
    connection: ConnectionSerial,
    found: &mut Connection,
    (offset, question): (StreamOffset, Question),
    choices: &mut Choices<'_>,
    said: &mut FrameWriter,
) {
    let is_long = matches!(question, Question::Users | Question::Kept) && choices.below(4) > 0;
    let answer = match found.decided.get(&offset) {
        Some(decided) => decided.clone(),
        None => decide(question, choices),
    };
    let is_change = !matches!(
        question,
        Question::Name
            | Question::Users
            | Question::Tokens
            | Question::Read
            | Question::Push(_)
            | Question::List
            | Question::Topic
            | Question::Kept
            | Question::Sessions
    );
    if is_change && answer != Outcome::Busy && answer != Outcome::DiskFull {
        found.decided.insert(offset, answer.clone());
    }
    match answer {
        Outcome::LoggedIn => found.is_logged_in = true,
        Outcome::LoggedOut => found.is_logged_out = true,
        Outcome::Locked { .. } if question == Question::Passwd => found.is_logged_out = true,
        _ => {}
    }
    if let Question::Push(on) = question {
        found.is_pushed = on;
    }
    let has_queue = found.is_logged_in && !found.is_logged_out;
    if is_long && has_queue {
        let more = found.sent_through < found.newest || found.promised_through.is_some();
        let through = found.newest;
        found.promised_through = more.then_some(through);
        let request = UsersRequest {
            connection,
            offset,
            through: MessageNumber(through),
            more,
        };
        if question == Question::Kept {
            let texts = [(1, "hi".to_owned())];
            let kept = ToWorker::Kept {
                request,
                is_search: choices.flip(),
                has_more: choices.flip(),
                messages: messages(&texts),
            };
            assert_eq!(said.push(&kept), Ok(()));
            return;
        }
        let requests = vec![request];
        let names = ["bob", "foobar"].into_iter().collect();
        assert_eq!(said.push(&ToWorker::Users { requests, names }), Ok(()));
        return;
    }
    let (texts, more) = match has_queue && found.promised_through.is_none() {
        true => found.part(),
        false => (Vec::new(), found.promised_through.is_some()),
    };
    let through = if has_queue { found.newest } else { 0 };
    if more {
        found.promised_through = Some(through);
    }
    let reply = ToWorker::Reply {
        connection,
        offset,
        outcome: answer,
        messages: messages(&texts),
        through: MessageNumber(through),
        more: more && has_queue,
    };
    assert_eq!(said.push(&reply), Ok(()));
}

/// One of the answers that a question can have.
fn decide(question: Question, choices: &mut Choices<'_>) -> Outcome<'static> {
    let seconds_left = 1 + u64::from(choices.byte());
    let kind = choices.below(6);
    match (question, kind) {
        (Question::Name, 0 | 1) => Outcome::PasswordNeeded,
        (Question::Name, 2) => Outcome::NameFree,
        (Question::Name, 3) => Outcome::NameUnavailable,
        (Question::Name, 4) => Outcome::AlreadyLoggedIn,
        (Question::Name, _) => Outcome::Blocked { seconds_left },
        (Question::Register, 0 | 1) => Outcome::Registered,
        (Question::Register, 2) => Outcome::NameUnavailable,
        (Question::LogIn, 0 | 1) => Outcome::LoggedIn,
        (Question::LogIn, 2) => Outcome::PasswordNeeded,
        (Question::LogIn, 3) => Outcome::Locked { seconds_left },
        (Question::LogIn, 4) => Outcome::AlreadyLoggedIn,
        (Question::Register | Question::LogIn, 5) => Outcome::DiskFull,
        (Question::Register | Question::LogIn, _) => Outcome::Busy,
        (Question::Send, 0 | 1) => Outcome::Stored {
            unknown: NameList::new(),
        },
        (Question::Send, 2) => Outcome::Stored {
            unknown: ["zoe", "\u{fffd}"].into_iter().collect(),
        },
        (Question::Send, 3) => Outcome::DiskFull,
        (Question::Send, _) => Outcome::QueueFull,
        (Question::Room, 0 | 1) => Outcome::Done,
        (Question::Room, 2) => Outcome::NotFound,
        (Question::Room, 3) => Outcome::QueueFull,
        (Question::List | Question::Topic | Question::Room, 4) => Outcome::Denied,
        (Question::Room, _) => Outcome::DiskFull,
        (Question::List, _) => Outcome::Users(["bob", "~foobar"].into_iter().collect()),
        (Question::Topic, _) => Outcome::Topic("a topic".into()),
        (Question::Users | Question::Kept, _) => Outcome::Busy,
        (Question::DropSession, 0) => Outcome::NotFound,
        (Question::DropSession, 1) => Outcome::Denied,
        (Question::Sessions | Question::DropSession, _) => Outcome::Sessions {
            online: NameList::one("foobar"),
            offline: NameList::one("foobar/phone"),
        },
        (Question::Token, 0 | 1) => Outcome::Stored {
            unknown: NameList::new(),
        },
        (Question::Token, 2 | 3) => Outcome::NameUnavailable,
        (Question::Token, 4) => Outcome::DiskFull,
        (Question::Token, _) => Outcome::QueueFull,
        (Question::Passwd, 0 | 1) => Outcome::Stored {
            unknown: NameList::new(),
        },
        (Question::Passwd, 2) => Outcome::PasswordNeeded,
        (Question::Passwd, 3) => Outcome::Locked { seconds_left },
        (Question::Passwd, 4) => Outcome::DiskFull,
        (Question::Passwd, _) => Outcome::Busy,
        (Question::Tokens, _) => Outcome::Users(["a", "b-1"].into_iter().collect()),
        (Question::LogOut, _) => Outcome::LoggedOut,
        (Question::Read | Question::Push(_) | Question::Page { .. }, _) => Outcome::Done,
    }
}
