//! A worker of the test's own: asks the daemon one thing after the other.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use chat_model::{
    Audience, ConnectionSerial, Message, MessageNumber, NameList, Outcome, Password, Progress,
    Request, StreamOffset,
};
use chat_rpc::{
    FrameReader, FrameWriter, FromWorker, Greeting, Hello, RequestItem, ToWorker, decode_items,
};

use super::installation::{Installation, PATIENCE};

pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) struct Worker {
    stream: UnixStream,
    reader: FrameReader,
    offset: u64,
}

impl Worker {
    /// Attaches to the daemon as a new worker session.
    pub(crate) fn attach(installation: &Installation) -> Self {
        let hello = Hello { resume: None }.encode().unwrap();
        let (mut worker, greeting) = Self::greet(&installation.path("chat-stated.sock"), &hello);
        let greeting = Greeting::decode(&greeting).unwrap();
        assert!(matches!(greeting, Greeting::Attached(_)), "{greeting:?}");
        worker.offset = 0;
        worker
    }

    /// Sends a first frame; returns the first that comes back.
    pub(crate) fn greet(socket: &Path, hello: &[u8]) -> (Self, Vec<u8>) {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut worker = Self {
            stream,
            reader: FrameReader::default(),
            offset: 0,
        };
        let mut writer = FrameWriter::default();
        writer.push_frame(hello);
        worker.stream.write_all(writer.pending()).unwrap();
        let greeting = worker.next_frame();
        (worker, greeting)
    }

    /// Asks something for a client; returns what `read` makes of the answer and the messages.
    pub(crate) fn ask<T>(
        &mut self,
        client: u64,
        request: Request<'_>,
        read: impl FnOnce(Outcome<'_>, &[Message<'_>]) -> T,
    ) -> T {
        self.offset += 1;
        let mut writer = FrameWriter::default();
        let request = FromWorker::Request(RequestItem {
            connection: ConnectionSerial(client),
            offset: StreamOffset(self.offset),
            answered: StreamOffset(self.offset - 1),
            progress: Progress::default(),
            request,
        });
        writer.push(&request).unwrap();
        self.stream.write_all(writer.pending()).unwrap();
        let frame = self.next_frame();
        let item = decode_items(&frame).next().unwrap().unwrap();
        match item {
            ToWorker::Reply {
                outcome,
                messages,
                more,
                ..
            } => {
                assert!(!more, "a test with more messages than a reply holds");
                read(outcome, &messages)
            }
            other => panic!("{other:?} is no reply"),
        }
    }

    /// What is answered, as text.
    pub(crate) fn answer(&mut self, client: u64, request: Request<'_>) -> String {
        self.ask(client, request, |answer, _| format!("{answer:?}"))
    }

    /// Logs in, as soon as sessions from before a start have ended; returns the messages that waited.
    pub(crate) fn log_in(&mut self, client: u64, name: &str) -> Vec<(MessageNumber, String)> {
        let end = Instant::now() + PATIENCE;
        loop {
            let request = Request::LogIn {
                name: name.into(),
                password: Password::borrowed(b"password"),
                address: HERE,
            };
            let messages = self.ask(client, request, |answer, messages| match answer {
                Outcome::LoggedIn => Some(
                    messages
                        .iter()
                        .map(|message| (message.number, message.text.to_owned()))
                        .collect(),
                ),
                Outcome::AlreadyLoggedIn => None,
                other => panic!("{name} cannot log in: {other:?}"),
            });
            if let Some(messages) = messages {
                return messages;
            }
            assert!(
                Instant::now() < end,
                "the old session of {name} never ended"
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// Sends a message, which must be taken.
    pub(crate) fn send(&mut self, client: u64, to: &str, text: &str) {
        let request = Request::Send {
            audience: Audience::Accounts(NameList::one(to)),
            text: text.into(),
        };
        let answer = self.answer(client, request);
        assert_eq!(answer, "Stored { unknown: [] }");
    }

    /// A wrong password.
    pub(crate) fn fail(&mut self, client: u64, name: &str) -> String {
        let request = Request::LogIn {
            name: name.into(),
            password: Password::borrowed(b"wrong"),
            address: HERE,
        };
        self.answer(client, request)
    }

    pub(crate) fn name(&mut self, client: u64, name: &str) -> String {
        let request = Request::Identify {
            name: name.into(),
            address: HERE,
        };
        self.answer(client, request)
    }

    fn next_frame(&mut self) -> Vec<u8> {
        loop {
            if let Some(payload) = self.reader.next_frame().unwrap() {
                return payload.to_vec();
            }
            let read = self.reader.read_from(&mut self.stream).unwrap();
            assert!(read > 0, "the daemon closed the connection");
        }
    }
}
