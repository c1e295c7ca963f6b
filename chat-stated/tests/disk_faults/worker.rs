//! A front-end worker as far as these tests need one: it asks, and asks again under the same name after the daemon
//! has come back.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use chat_model::{
    ConnectionSerial, Message, MessageNumber, Outcome, Progress, Request, StreamOffset,
};
use chat_rpc::{
    FrameReader, FrameWriter, FromWorker, Greeting, Hello, RequestItem, ResumeToken,
    ResumedConnection, ToWorker, decode_items,
};

use crate::daemon::{Daemon, Installation, TIMEOUT};
use crate::support::worker::{SENT, broadcast, everything_up_to, log_in, register, send_group};

/// The daemon did not come back in time, or has given the worker session up.
#[derive(Debug)]
pub(crate) struct Gone;

/// When waiting for an answer ends.
struct Deadline {
    without_fault: Instant,
    with_fault: Option<Instant>,
}

impl Deadline {
    fn new() -> Self {
        Self {
            without_fault: Instant::now() + TIMEOUT,
            with_fault: None,
        }
    }
}

/// A request that names are owned of.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Register(&'static str),
    LogIn(&'static str, &'static str),
    Send(&'static str, String),
    Broadcast(String),
    Fetch,
    LogOut,
}

/// An answer, and what came with it.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) answer: String,
    pub(crate) messages: Vec<(MessageNumber, String)>,
}

impl Reply {
    pub(crate) fn is(&self, answer: &Outcome<'_>) -> bool {
        self.answer == format!("{answer:?}")
    }

    pub(crate) fn is_sent(&self) -> bool {
        self.is(&SENT)
    }
}

#[derive(Default)]
struct Client {
    offset: u64,
    answered: u64,
    progress: Progress,
    /// The last message that came over this link.
    taken: MessageNumber,
    /// Replies whose messages are not all there yet, each with its line and the last message that belongs to it. For
    /// the first of them a page was asked for.
    incomplete: VecDeque<(u64, Reply, MessageNumber)>,
}

pub(crate) struct Worker<'a> {
    installation: &'a Installation,
    daemon: &'a mut Daemon,
    link: Option<(UnixStream, FrameReader)>,
    token: Option<ResumeToken>,
    clients: BTreeMap<u64, Client>,
    asked: BTreeMap<(u64, u64), Ask>,
    /// How long to wait for a daemon whose disk has begun to fail; as long as for any other if there is hope.
    pub(crate) timeout_with_fault: Duration,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(installation: &'a Installation, daemon: &'a mut Daemon) -> Self {
        Self {
            installation,
            daemon,
            link: None,
            token: None,
            clients: BTreeMap::new(),
            asked: BTreeMap::new(),
            timeout_with_fault: TIMEOUT,
        }
    }

    /// Asks one thing and waits for the answer.
    pub(crate) fn ask(&mut self, client: u64, ask: Ask) -> Result<Reply, Gone> {
        let replies = self.ask_all(client, vec![ask])?;
        Ok(replies.into_iter().next().expect("one was asked"))
    }

    /// Asks several things at once and waits for all answers, in order.
    pub(crate) fn ask_all(&mut self, client: u64, asks: Vec<Ask>) -> Result<Vec<Reply>, Gone> {
        let state = self.clients.entry(client).or_default();
        for ask in asks {
            state.offset += 10;
            self.asked.insert((client, state.offset), ask);
        }
        let wanted: Vec<_> = self.asked.keys().copied().collect();
        let mut replies = BTreeMap::new();
        let mut deadline = Deadline::new();
        if self.link.is_some() {
            // A link that has broken meanwhile is noticed when it is read.
            let _ = self.send_asked();
        }
        while replies.len() < wanted.len() {
            if self.link.is_none() {
                self.attach(&mut deadline)?;
                let _ = self.send_asked();
            }
            if self.read_replies(&mut replies).is_err() {
                self.link = None;
            }
            self.check(&mut deadline)?;
        }
        self.asked.clear();
        Ok(replies.into_values().collect())
    }

    /// The reader surely has everything up to this number.
    pub(crate) fn has_read(&mut self, client: u64, through: MessageNumber) {
        self.clients.entry(client).or_default().progress = everything_up_to(through);
    }

    fn attach(&mut self, deadline: &mut Deadline) -> Result<(), Gone> {
        loop {
            self.check(deadline)?;
            let Ok(mut stream) = self.installation.connect() else {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            };
            stream
                .set_read_timeout(Some(Duration::from_millis(50)))
                .unwrap();
            let hello = Hello { resume: self.token }.encode().unwrap();
            let mut output = FrameWriter::default();
            output.push_frame(&hello);
            if stream.write_all(output.pending()).is_err() {
                continue;
            }
            let mut reader = FrameReader::default();
            let greeting = loop {
                if let Some(frame) = reader.next_frame().unwrap() {
                    break Some(Greeting::decode(frame).unwrap());
                }
                self.check(deadline)?;
                if read_some(&mut stream, &mut reader).is_err() {
                    break None;
                }
            };
            match greeting {
                None => continue,
                Some(Greeting::Refused(_)) => return Err(Gone),
                Some(Greeting::Attached(token)) => self.token = Some(token),
            }
            let connections = self
                .clients
                .iter()
                .map(|(serial, client)| ResumedConnection {
                    connection: ConnectionSerial(*serial),
                    answered: StreamOffset(client.answered),
                    progress: client.progress,
                    taken: client.progress.sent,
                    push: false,
                    names_groups: false,
                });
            let resume = FromWorker::Resume {
                connections: connections.collect(),
            };
            let mut output = FrameWriter::default();
            output.push(&resume).unwrap();
            let _ = stream.write_all(output.pending());
            for client in self.clients.values_mut() {
                client.taken = client.progress.sent;
                client.incomplete.clear();
            }
            self.link = Some((stream, reader));
            return Ok(());
        }
    }

    /// Whether there is still something to wait for.
    fn check(&mut self, deadline: &mut Deadline) -> Result<(), Gone> {
        if deadline.with_fault.is_none() && self.installation.control.failed() > 0 {
            deadline.with_fault = Some(Instant::now() + self.timeout_with_fault);
        }
        let is_over = [Some(deadline.without_fault), deadline.with_fault]
            .into_iter()
            .flatten()
            .any(|end| Instant::now() > end);
        if is_over || self.daemon.has_ended() {
            Err(Gone)
        } else {
            Ok(())
        }
    }

    fn send_asked(&mut self) -> std::io::Result<()> {
        let mut output = FrameWriter::default();
        for ((serial, offset), ask) in &self.asked {
            let client = &self.clients[serial];
            let request = match ask {
                Ask::Register(name) => register(name, b"x"),
                Ask::LogIn(name, password) => log_in(name, password.as_bytes()),
                Ask::Send(recipients, text) => send_group(recipients, text),
                Ask::Broadcast(text) => broadcast(text),
                Ask::Fetch => Request::Fetch,
                Ask::LogOut => Request::LogOut,
            };
            let request = RequestItem {
                connection: ConnectionSerial(*serial),
                offset: StreamOffset(*offset),
                answered: StreamOffset(client.answered),
                progress: client.progress,
                request,
            };
            output.push(&FromWorker::Request(request)).unwrap();
        }
        match &mut self.link {
            Some((stream, _)) => stream.write_all(output.pending()),
            None => Ok(()),
        }
    }

    fn read_replies(&mut self, replies: &mut BTreeMap<(u64, u64), Reply>) -> std::io::Result<()> {
        let Some((stream, reader)) = &mut self.link else {
            return Ok(());
        };
        let mut pages = Vec::new();
        read_some(stream, reader)?;
        while let Some(frame) = reader.next_frame().unwrap() {
            for item in decode_items::<ToWorker<'_>>(frame) {
                match item.unwrap() {
                    ToWorker::Reply {
                        connection,
                        offset,
                        outcome,
                        messages,
                        through,
                        more,
                    } => {
                        let client = self.clients.get_mut(&connection.0).unwrap();
                        let reply = Reply {
                            answer: format!("{outcome:?}"),
                            messages: client.take(&messages),
                        };
                        if !more && client.incomplete.is_empty() {
                            complete(
                                &mut self.asked,
                                replies,
                                connection,
                                client,
                                offset.0,
                                reply,
                            );
                            continue;
                        }
                        client.incomplete.push_back((offset.0, reply, through));
                        if client.incomplete.len() == 1 {
                            pages.extend(client.next_page(connection));
                        }
                    }
                    ToWorker::Page {
                        connection,
                        messages,
                        more,
                    } => {
                        let client = self.clients.get_mut(&connection.0).unwrap();
                        let taken = client.take(&messages);
                        let (_, reply, _) = client.incomplete.front_mut().expect("asked for");
                        reply.messages.extend(taken);
                        if !more
                            && let Some((offset, reply, through)) = client.incomplete.pop_front()
                        {
                            client.taken = client.taken.max(through);
                            complete(&mut self.asked, replies, connection, client, offset, reply);
                        }
                        pages.extend(client.next_page(connection));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        let mut output = FrameWriter::default();
        for page in pages {
            output.push(&page).unwrap();
        }
        stream.write_all(output.pending())
    }
}

impl Client {
    fn take(&mut self, messages: &[Message<'_>]) -> Vec<(MessageNumber, String)> {
        let messages: Vec<_> = messages
            .iter()
            .map(|message| (message.number, message.text.to_owned()))
            .collect();
        if let Some((number, _)) = messages.last() {
            self.taken = *number;
        }
        messages
    }

    fn next_page(&self, connection: ConnectionSerial) -> Option<FromWorker<'static>> {
        let (_, _, through) = self.incomplete.front()?;
        Some(FromWorker::Page {
            connection,
            after: self.taken,
            through: *through,
        })
    }
}

fn complete(
    asked: &mut BTreeMap<(u64, u64), Ask>,
    replies: &mut BTreeMap<(u64, u64), Reply>,
    connection: ConnectionSerial,
    client: &mut Client,
    offset: u64,
    reply: Reply,
) {
    if asked.remove(&(connection.0, offset)).is_some() {
        client.answered = client.answered.max(offset);
        replies.insert((connection.0, offset), reply);
    }
}

/// Reads what has come, if anything; an error is the end of the link.
fn read_some(stream: &mut UnixStream, reader: &mut FrameReader) -> std::io::Result<()> {
    let mut bytes = [0; 64 * 1024];
    match stream.read(&mut bytes) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(count) => {
            reader.extend(&bytes[..count]);
            Ok(())
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
        Err(error) => Err(error),
    }
}
