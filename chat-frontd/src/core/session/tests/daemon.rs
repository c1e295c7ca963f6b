//! A state daemon for one client connection, so small that one sees that it is right. What is durable outlives
//! [`Daemon::die`]; all else is forgotten by it.

mod outgoing;
mod together;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chat_model::name;
use chat_model::{
    Audience, ConnectionSerial, MessageNumber, NameList, Outcome, Progress, Request, StreamOffset,
};
use chat_rpc::{FrameWriter, FromWorker, RequestItem, ResumedConnection, decode_items};
use serde::Serialize;

pub(super) const SERIAL: ConnectionSerial = ConnectionSerial(7);

/// An item as it travels.
pub(super) type Frame = Vec<u8>;

pub(super) fn frame<T: Serialize>(item: &T) -> Frame {
    let mut writer = FrameWriter::default();
    writer.push(item).unwrap();
    writer.pending()[4..].to_vec()
}

/// What was decided about a request, once and for all.
#[derive(Clone, Debug)]
enum Decision {
    Plain(Outcome<'static>),
    Users { names: NameList<'static> },
    Sent { unknown: Vec<String> },
}

#[derive(Clone, Debug, Default)]
struct Account {
    password: Vec<u8>,
    /// Logged in on the connection, or, for the tests, elsewhere.
    is_online: bool,
    failures: u32,
    cursor: MessageNumber,
}

#[derive(Clone, Debug)]
struct Stored {
    sender: String,
    text: String,
    readers: BTreeSet<String>,
}

/// What is forgotten when the daemon dies.
#[derive(Debug, Default)]
struct Volatile {
    sent_through: MessageNumber,
    /// The worker was told to ask for more, up to here.
    promised_through: Option<MessageNumber>,
    is_pushed: bool,
    last_offset: Option<StreamOffset>,
}

#[derive(Debug)]
pub(super) struct Daemon {
    accounts: BTreeMap<String, Account>,
    /// The number of a message is its index and one.
    messages: Vec<Stored>,
    decided: BTreeMap<StreamOffset, Decision>,
    decisions: u64,
    /// Who is logged in on the connection.
    user: Option<String>,
    volatile: Volatile,
    /// Messages in one reply, push or page.
    pub(super) slice_messages: usize,
    /// bob writes to foobar after every so many decisions.
    pub(super) bob_writes_every: Option<u64>,
    /// The next new requests get these answers, and nothing is done.
    pub(super) refusals: VecDeque<Outcome<'static>>,
    /// How far the reader was said to be last.
    pub(super) progress: Progress,
    /// On the way to the worker.
    pub(super) out: VecDeque<Frame>,
}

impl Daemon {
    /// With the accounts foobar, bob and carol.
    pub(super) fn new() -> Self {
        let account = |password: &str| Account {
            password: password.into(),
            ..Account::default()
        };
        let accounts = [("foobar", "passpass"), ("bob", "secret"), ("carol", "blue")];
        Self {
            accounts: accounts
                .map(|(name, password)| (name.to_owned(), account(password)))
                .into(),
            messages: Vec::new(),
            decided: BTreeMap::new(),
            decisions: 0,
            user: None,
            volatile: Volatile::default(),
            slice_messages: 2,
            bob_writes_every: None,
            refusals: VecDeque::new(),
            progress: Progress::default(),
            out: VecDeque::new(),
        }
    }

    /// Takes one item, and answers it.
    pub(super) fn take(&mut self, frame: &[u8]) {
        for item in decode_items::<FromWorker<'_>>(frame) {
            match item.unwrap() {
                FromWorker::Request(request) => self.take_request(&request),
                FromWorker::Page { after, through, .. } => self.send_page(after, through),
                FromWorker::Resume { connections } => self.resume(connections.first()),
                FromWorker::Progress { progress, .. }
                | FromWorker::ClientClosed { progress, .. } => {
                    self.note(progress);
                }
                FromWorker::ClientConnected { .. } => panic!("a session does not tell of itself"),
                FromWorker::SendBatch(sends) => {
                    assert!(sends.lines.len() > 1, "one goes by itself");
                    let before = self.out.len();
                    for request in sends.requests() {
                        self.take_request(&request);
                    }
                    self.answer_together(before);
                }
            }
        }
    }

    pub(super) fn die(&mut self) {
        self.volatile = Volatile::default();
        self.out.clear();
    }

    /// The connection is another one from now on.
    pub(super) fn forget_connection(&mut self) {
        self.die();
        self.decided.clear();
        self.user = None;
    }

    fn resume(&mut self, resumed: Option<&ResumedConnection>) {
        let Some(resumed) = resumed else { return };
        self.volatile.sent_through = resumed.taken;
        self.volatile.is_pushed = resumed.push;
        self.note(resumed.progress);
        self.push();
    }

    fn take_request(&mut self, request: &RequestItem<'_>) {
        assert_eq!(request.connection, SERIAL);
        assert!(
            Some(request.offset) > self.volatile.last_offset,
            "out of order"
        );
        assert!(request.offset > request.answered, "answered already");
        self.volatile.last_offset = Some(request.offset);
        self.note(request.progress);
        self.decided.retain(|offset, _| *offset > request.answered);
        match self.decided.get(&request.offset).cloned() {
            Some(decision) => self.reply(request.offset, &decision),
            None => self.take_new_request(request),
        }
        self.push();
    }

    fn take_new_request(&mut self, request: &RequestItem<'_>) {
        let is_durable = !matches!(
            request.request,
            Request::Identify { .. }
                | Request::Fetch
                | Request::ListUsers { .. }
                | Request::ListSessions
                | Request::SetPush { .. }
                | Request::ListTokens
                | Request::History { .. }
                | Request::Search { .. }
        );
        let decision = match self.refusals.pop_front() {
            Some(refusal) => Decision::Plain(refusal),
            None => self.decide(&request.request),
        };
        if is_durable {
            self.decided.insert(request.offset, decision.clone());
            self.decisions += 1;
        }
        self.reply(request.offset, &decision);
        if is_durable
            && self
                .bob_writes_every
                .is_some_and(|every| self.decisions.is_multiple_of(every))
        {
            self.store("bob", ["foobar"], &format!("from bob {}", self.decisions));
        }
    }

    fn decide(&mut self, request: &Request<'_>) -> Decision {
        let is_for_chat = !matches!(
            request,
            Request::Identify { .. } | Request::Register { .. } | Request::LogIn { .. }
        );
        if is_for_chat != self.user.is_some() {
            return Decision::Plain(Outcome::Refused);
        }
        let sender = self.user.clone().unwrap_or_default();
        Decision::Plain(match request {
            Request::Identify { name, .. } => self.look_up(name),
            Request::Register { name, password, .. } => self.register(name, password),
            Request::LogIn { name, password, .. } => self.log_in(name, password),
            Request::Send {
                audience: Audience::Accounts(recipients),
                text,
            } => return self.send(&sender, recipients, text),
            Request::Send {
                audience: Audience::Everyone,
                text,
            } => {
                let readers: Vec<_> = self.accounts.keys().cloned().collect();
                let readers = readers.iter().filter(|name| **name != sender);
                self.store(&sender, readers.map(String::as_str), text);
                Outcome::Stored {
                    unknown: NameList::new(),
                }
            }
            Request::SendOnce { audience, text, .. } => {
                let (audience, text) = (audience.borrowed(), text.clone());
                return self.decide(&Request::Send { audience, text });
            }
            Request::NewToken { .. } | Request::DropToken { .. } => Outcome::Stored {
                unknown: NameList::new(),
            },
            Request::ListTokens => Outcome::Users(NameList::new()),
            Request::ChangePassword { current, new, .. } => {
                self.change_password(&sender, current, new)
            }
            Request::Fetch | Request::NameGroups => Outcome::Done,
            Request::ListSessions => Outcome::Sessions {
                online: [sender.as_str()].into_iter().collect(),
                offline: NameList::new(),
            },
            Request::DropSession { .. } => Outcome::Denied,
            Request::SetPush { on } => {
                self.volatile.is_pushed = *on;
                Outcome::Done
            }
            Request::ListUsers { .. } => {
                let names = self.online();
                return Decision::Users { names };
            }
            Request::ChangeRoom { .. }
            | Request::ListRooms { .. }
            | Request::ListMembers { .. }
            | Request::ShowTopic { .. }
            | Request::Send { .. }
            | Request::History { .. }
            | Request::Search { .. } => Outcome::Denied,
            Request::LogOut => {
                self.account(&sender).is_online = false;
                self.user = None;
                Outcome::LoggedOut
            }
        })
    }

    fn look_up(&self, name: &str) -> Outcome<'static> {
        match self.accounts.get(name) {
            Some(account) if account.failures >= 3 => Outcome::Blocked { seconds_left: 59 },
            Some(account) if account.is_online => Outcome::AlreadyLoggedIn,
            Some(_) => Outcome::PasswordNeeded,
            None if name::may_be_registered(name) => Outcome::NameFree,
            None => Outcome::NameUnavailable,
        }
    }

    fn register(&mut self, name: &str, password: &[u8]) -> Outcome<'static> {
        if self.accounts.contains_key(name) {
            return Outcome::NameUnavailable;
        }
        let account = Account {
            password: password.to_owned(),
            ..Account::default()
        };
        self.accounts.insert(name.to_owned(), account);
        Outcome::Registered
    }

    fn log_in(&mut self, name: &str, password: &[u8]) -> Outcome<'static> {
        let account = self.account(name);
        if account.is_online {
            return Outcome::AlreadyLoggedIn;
        }
        if account.password != password {
            account.failures += 1;
            return match account.failures {
                3.. => Outcome::Locked { seconds_left: 60 },
                _ => Outcome::PasswordNeeded,
            };
        }
        account.failures = 0;
        account.is_online = true;
        self.user = Some(name.to_owned());
        Outcome::LoggedIn
    }

    fn change_password(&mut self, name: &str, current: &[u8], new: &[u8]) -> Outcome<'static> {
        let account = self.account(name);
        if account.password != current {
            account.failures += 1;
            if account.failures >= 3 {
                account.is_online = false;
                self.user = None;
                return Outcome::Locked { seconds_left: 60 };
            }
            return Outcome::PasswordNeeded;
        }
        account.failures = 0;
        account.password = new.to_vec();
        Outcome::Stored {
            unknown: NameList::new(),
        }
    }

    fn send(&mut self, sender: &str, recipients: &NameList<'_>, text: &str) -> Decision {
        let is_known = |name: &&str| self.accounts.contains_key(*name);
        let (known, untrusted): (Vec<&str>, Vec<&str>) = recipients.iter().partition(is_known);
        let mut unknown: Vec<String> = Vec::new();
        for name in untrusted {
            if !unknown.iter().any(|other| other == name) {
                unknown.push(name.to_owned());
            }
        }
        self.store(sender, known, text);
        Decision::Sent { unknown }
    }

    fn store<'a>(&mut self, sender: &str, readers: impl IntoIterator<Item = &'a str>, text: &str) {
        self.messages.push(Stored {
            sender: sender.to_owned(),
            text: text.to_owned(),
            readers: readers.into_iter().map(str::to_owned).collect(),
        });
    }

    /// Somebody else sends this to foobar.
    pub(super) fn bob_writes(&mut self, text: &str) {
        self.store("bob", ["foobar"], text);
        self.push();
    }

    /// The same, before the daemon came to pushing it.
    pub(super) fn store_quietly(&mut self, text: &str) {
        self.store("bob", ["foobar"], text);
    }

    /// A user logs in, or out, somewhere else.
    pub(super) fn set_online(&mut self, name: &str, is_online: bool) {
        self.account(name).is_online = is_online;
    }

    pub(super) fn add_account(&mut self, name: &str) {
        self.accounts.insert(name.to_owned(), Account::default());
    }

    fn account(&mut self, name: &str) -> &mut Account {
        self.accounts.get_mut(name).unwrap()
    }

    pub(super) fn is_online(&self, name: &str) -> bool {
        self.accounts[name].is_online
    }

    fn online(&self) -> NameList<'static> {
        let online = self
            .accounts
            .iter()
            .filter(|(_, account)| account.is_online);
        online.map(|(name, _)| name.as_str()).collect()
    }

    fn newest(&self) -> MessageNumber {
        MessageNumber(self.messages.len() as u64)
    }

    fn note(&mut self, progress: Progress) {
        self.progress = progress;
        if let Some(user) = self.user.clone() {
            let account = self.account(&user);
            account.cursor = account.cursor.max(progress.confirmed);
        }
    }

    /// Numbers and texts of what stands in a reader's queue.
    pub(super) fn queue(&self, reader: &str) -> Vec<(u64, &str)> {
        self.read(reader, MessageNumber(0), self.newest())
            .map(|message| (message.number.0, message.text))
            .collect()
    }

    /// Texts of all that was ever sent to a reader.
    pub(super) fn all_to(&self, reader: &str) -> Vec<String> {
        let messages = self.messages.iter();
        messages
            .filter(|message| message.readers.contains(reader))
            .map(|message| message.text.clone())
            .collect()
    }

    /// How many messages were stored with this text.
    pub(super) fn count_stored(&self, text: &str) -> usize {
        self.messages
            .iter()
            .filter(|message| message.text == text)
            .count()
    }
}
