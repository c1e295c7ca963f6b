//! A worker of the front end as the daemon sees it, blocking, and in the hands of the test.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown};
use std::os::unix::net::UnixStream;
use std::path::Path;

use chat_model::{
    Audience, ConnectionSerial, Message, MessageNumber, NameList, Outcome, Password, Progress,
    Request, StreamOffset,
};
use chat_rpc::{
    FrameReader, FrameWriter, FromWorker, Greeting, Hello, Refusal, RequestItem, ResumeToken,
    ResumedConnection, ToWorker, decode_items,
};

use super::{PASSWORD, Served, TIMEOUT, wait_for};

pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
pub(crate) const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

pub(crate) const SENT: Outcome<'static> = Outcome::Stored {
    unknown: NameList::new(),
};

/// A connection to the daemon on which anything can be said.
pub(crate) struct Link {
    stream: UnixStream,
    reader: FrameReader,
}

impl Link {
    /// Connects as soon as the daemon listens.
    pub(crate) fn open(socket: &Path) -> Self {
        let stream = wait_for("the daemon to listen", || UnixStream::connect(socket).ok());
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Self {
            stream,
            reader: FrameReader::default(),
        }
    }

    /// Writes bytes; that the daemon has closed the connection shows when reading.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Err(error) if is_closed(error.kind()) => {}
            result => result.unwrap(),
        }
    }

    pub(crate) fn write_frame(&mut self, payload: &[u8]) {
        let mut writer = FrameWriter::default();
        writer.push_frame(payload);
        self.write(writer.pending());
    }

    pub(crate) fn end_of_input(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next frame; `None` once the daemon has closed the connection.
    pub(crate) fn read_frame(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(payload) = self.reader.next_frame().unwrap() {
                return Some(payload.to_vec());
            }
            match self.reader.read_from(&mut self.stream) {
                Ok(0) => return None,
                Err(error) if is_closed(error.kind()) => return None,
                result => result.unwrap(),
            };
        }
    }

    /// Says hello and reads what is said to it; `None` if the daemon closes instead.
    pub(crate) fn greet(&mut self, resume: Option<ResumeToken>) -> Option<Greeting> {
        self.write_frame(&Hello { resume }.encode().unwrap());
        Some(Greeting::decode(&self.read_frame()?).unwrap())
    }
}

fn is_closed(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

/// A client's connection, as its worker keeps it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) serial: ConnectionSerial,
    /// Where the client's last line ended.
    pub(crate) offset: StreamOffset,
    pub(crate) answered: StreamOffset,
    pub(crate) progress: Progress,
}

impl Client {
    /// Another line of this client.
    pub(crate) fn request<'a>(&mut self, request: Request<'a>) -> RequestItem<'a> {
        self.offset.0 += 7;
        RequestItem {
            connection: self.serial,
            offset: self.offset,
            answered: self.answered,
            progress: self.progress,
            request,
        }
    }

    /// Its reader has everything up to a message.
    pub(crate) fn has(&mut self, number: MessageNumber) {
        self.progress = everything_up_to(number);
    }

    /// What a worker says of it when it attaches again.
    pub(crate) fn resumed(&self) -> ResumedConnection {
        ResumedConnection {
            connection: self.serial,
            answered: self.answered,
            progress: self.progress,
            taken: self.progress.sent,
            push: false,
            names_groups: false,
        }
    }
}

pub(crate) fn everything_up_to(number: MessageNumber) -> Progress {
    Progress {
        sent: number,
        acknowledged: number,
        confirmed: number,
    }
}

/// What came in answer to a request.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) connection: ConnectionSerial,
    pub(crate) offset: StreamOffset,
    pub(crate) answer: Outcome<'static>,
    /// With one space between; `None` if the answer is no list.
    pub(crate) names: Option<String>,
    pub(crate) messages: Vec<Message<'static>>,
    pub(crate) through: MessageNumber,
    pub(crate) more: bool,
}

/// The texts of messages.
pub(crate) fn texts<'a>(messages: &[Message<'a>]) -> Vec<&'a str> {
    messages.iter().map(|message| message.text).collect()
}

/// An attached worker.
pub(crate) struct Worker {
    pub(crate) link: Link,
    pub(crate) credential: ResumeToken,
    last_serial: u64,
    /// Came and were not looked at yet.
    items: VecDeque<ToWorker<'static>>,
}

impl Worker {
    /// A worker with a new worker session.
    pub(crate) fn attach(daemon: &impl Served) -> Self {
        Self::attach_at(&daemon.socket_path())
    }

    pub(crate) fn attach_at(socket: &Path) -> Self {
        Self::greeted(socket, None).unwrap()
    }

    /// A worker that shows the worker session it had.
    pub(crate) fn resume(daemon: &impl Served, credential: ResumeToken) -> Result<Self, Refusal> {
        let worker = Self::greeted(&daemon.socket_path(), Some(credential))?;
        assert_eq!(worker.credential, credential);
        Ok(worker)
    }

    fn greeted(socket: &Path, resume: Option<ResumeToken>) -> Result<Self, Refusal> {
        let mut link = Link::open(socket);
        match link.greet(resume).expect("a greeting") {
            Greeting::Attached(credential) => Ok(Self {
                link,
                credential,
                last_serial: 0,
                items: VecDeque::new(),
            }),
            Greeting::Refused(refusal) => {
                assert_eq!(link.read_frame(), None, "closed after a refusal");
                Err(refusal)
            }
        }
    }

    /// Another process of the daemon: attaches again with these clients.
    pub(crate) fn come_back(&mut self, daemon: &impl Served, connections: Vec<ResumedConnection>) {
        let last_serial = self.last_serial;
        *self = Self::resume(daemon, self.credential).unwrap();
        self.last_serial = last_serial;
        self.say([FromWorker::Resume { connections }]);
    }

    /// A client that connected just now.
    pub(crate) fn client(&mut self) -> Client {
        self.last_serial += 1;
        Client {
            serial: ConnectionSerial(self.last_serial),
            offset: StreamOffset(0),
            answered: StreamOffset(0),
            progress: Progress::default(),
        }
    }

    /// Sends items, as one frame unless they are large.
    pub(crate) fn say<'a>(&mut self, items: impl IntoIterator<Item = FromWorker<'a>>) {
        let mut writer = FrameWriter::default();
        for item in items {
            writer.push(&item).unwrap();
        }
        self.link.write(writer.pending());
    }

    /// Sends requests in the same way.
    pub(crate) fn request<'a>(&mut self, requests: impl IntoIterator<Item = RequestItem<'a>>) {
        self.say(requests.into_iter().map(FromWorker::Request));
    }

    /// The next item; `None` once the daemon has closed the connection.
    pub(crate) fn next_item(&mut self) -> Option<ToWorker<'static>> {
        while self.items.is_empty() {
            // A test is short; its items borrow from frames that live as long as it does.
            let payload: &'static [u8] = self.link.read_frame()?.leak();
            for item in decode_items(payload) {
                self.items.push_back(item.unwrap());
            }
        }
        self.items.pop_front()
    }

    /// The next item, which must be a reply.
    pub(crate) fn next_reply(&mut self) -> Reply {
        match self.next_item().expect("a reply") {
            ToWorker::Reply {
                connection,
                offset,
                outcome,
                messages,
                through,
                more,
            } => Reply {
                connection,
                offset,
                answer: outcome,
                names: None,
                messages,
                through,
                more,
            },
            ToWorker::Users {
                mut requests,
                names,
            } => {
                let request = requests.pop().expect("somebody who asked");
                for request in requests {
                    let requests = vec![request];
                    let names = names.clone();
                    self.items.push_front(ToWorker::Users { requests, names });
                }
                Reply {
                    connection: request.connection,
                    offset: request.offset,
                    answer: Outcome::Done,
                    names: Some(joined(&names)),
                    messages: Vec::new(),
                    through: request.through,
                    more: request.more,
                }
            }
            ToWorker::Kept {
                request, messages, ..
            } => Reply {
                connection: request.connection,
                offset: request.offset,
                answer: Outcome::Done,
                names: None,
                messages,
                through: request.through,
                more: request.more,
            },
            other => panic!("a reply was due, not {other:?}"),
        }
    }

    /// The next item, which must be a push: to whom, what, up to where, and whether there is more.
    pub(crate) fn next_push(
        &mut self,
    ) -> (
        Vec<ConnectionSerial>,
        Vec<Message<'static>>,
        MessageNumber,
        bool,
    ) {
        match self.next_item().expect("a push") {
            ToWorker::Push {
                connections,
                messages,
                through,
                more,
            } => (connections, messages, through, more),
            other => panic!("a push was due, not {other:?}"),
        }
    }

    /// Asks for a part of a queue; the next item must be it.
    pub(crate) fn page(
        &mut self,
        client: &Client,
        after: MessageNumber,
        through: MessageNumber,
    ) -> (Vec<Message<'static>>, bool) {
        self.say([FromWorker::Page {
            connection: client.serial,
            after,
            through,
        }]);
        match self.next_item().expect("a page") {
            ToWorker::Page {
                connection,
                messages,
                more,
            } => {
                assert_eq!(connection, client.serial);
                (messages, more)
            }
            other => panic!("a page was due, not {other:?}"),
        }
    }

    /// One request, and the reply to it, which must come next.
    pub(crate) fn ask(&mut self, client: &mut Client, call: Request<'_>) -> Reply {
        let request = client.request(call);
        self.request([request]);
        let reply = self.next_reply();
        assert_eq!(
            (reply.connection, reply.offset),
            (client.serial, client.offset)
        );
        client.answered = client.offset;
        reply
    }

    /// The same, where only the answer is of interest.
    pub(crate) fn answer(&mut self, client: &mut Client, call: Request<'_>) -> Outcome<'static> {
        self.ask(client, call).answer
    }

    /// What a client that names a user is told.
    pub(crate) fn look_up(&mut self, user: &str) -> Outcome<'static> {
        let mut client = self.client();
        let answer = self.answer(&mut client, name(user));
        self.close(&client);
        answer
    }

    /// A client that is logged in, and what it was welcomed with.
    pub(crate) fn log_in_reading(&mut self, user: &str) -> (Client, Reply) {
        let mut client = self.client();
        let reply = self.ask(&mut client, log_in(user, PASSWORD));
        assert_eq!(reply.answer, Outcome::LoggedIn, "{user}");
        (client, reply)
    }

    /// A client that is logged in.
    pub(crate) fn log_in(&mut self, user: &str) -> Client {
        self.log_in_reading(user).0
    }

    /// The same as [`Worker::log_in_reading`], once a session from before a start has ended.
    pub(crate) fn log_in_when_free(&mut self, user: &str) -> (Client, Reply) {
        wait_for(&format!("the end of the old session of {user}"), || {
            let mut client = self.client();
            let reply = self.ask(&mut client, log_in(user, PASSWORD));
            if reply.answer == Outcome::AlreadyLoggedIn {
                self.close(&client);
                return None;
            }
            assert_eq!(reply.answer, Outcome::LoggedIn, "{user}");
            Some((client, reply))
        })
    }

    /// Sends a message, which must be stored.
    pub(crate) fn send(&mut self, client: &mut Client, recipient: &str, text: &str) {
        assert_eq!(self.answer(client, send(recipient, text)), SENT);
    }

    /// Logs a client out, and closes it.
    pub(crate) fn log_out(&mut self, mut client: Client) {
        assert_eq!(
            self.answer(&mut client, Request::LogOut),
            Outcome::LoggedOut
        );
        self.close(&client);
    }

    /// A client's connection has ended.
    pub(crate) fn close(&mut self, client: &Client) {
        self.say([FromWorker::ClientClosed {
            connection: client.serial,
            progress: client.progress,
        }]);
    }

    /// Waits until a name is answered with this.
    pub(crate) fn wait_for_answer(&mut self, user: &str, answer: &Outcome<'_>) {
        wait_for(&format!("{answer:?} to {user}"), || {
            (self.look_up(user) == *answer).then_some(())
        });
    }

    /// The names of the users online.
    pub(crate) fn who(&mut self, client: &mut Client) -> String {
        users(&self.ask(
            client,
            Request::ListUsers {
                seen_within_minutes: None,
            },
        ))
        .to_owned()
    }
}

/// The names in an answer.
pub(crate) fn users(reply: &Reply) -> &str {
    reply.names.as_deref().expect("names")
}

pub(crate) fn name(name: &str) -> Request<'_> {
    Request::Identify {
        name: name.into(),
        address: HERE,
    }
}

pub(crate) fn register<'a>(name: &'a str, password: &'a [u8]) -> Request<'a> {
    Request::Register {
        name: name.into(),
        password: Password::borrowed(password),
        address: HERE,
    }
}

pub(crate) fn log_in<'a>(name: &'a str, password: &'a [u8]) -> Request<'a> {
    log_in_from(HERE, name, password)
}

pub(crate) fn log_in_from<'a>(address: IpAddr, name: &'a str, password: &'a [u8]) -> Request<'a> {
    Request::LogIn {
        name: name.into(),
        password: Password::borrowed(password),
        address,
        asked_boot_ms: 0,
    }
}

pub(crate) fn send<'a>(recipient: &'a str, text: &'a str) -> Request<'a> {
    send_group(recipient, text)
}

/// To several, whose names are separated by a space.
pub(crate) fn send_group<'a>(recipients: &'a str, text: &'a str) -> Request<'a> {
    Request::Send {
        audience: Audience::Accounts(names(recipients)),
        text: text.into(),
    }
}

/// To everybody but the sender.
pub(crate) fn broadcast(text: &str) -> Request<'_> {
    Request::Send {
        audience: Audience::Everyone,
        text: text.into(),
    }
}

/// A list of names that are separated by a space.
pub(crate) fn names(separated: &str) -> NameList<'static> {
    separated.split(' ').collect()
}

/// Names with one space between.
pub(crate) fn joined(names: &NameList<'_>) -> String {
    names.iter().collect::<Vec<_>>().join(" ")
}
