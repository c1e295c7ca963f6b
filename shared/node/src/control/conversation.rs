//! One control connection from the daemon's side. Pure: bytes and times in, requests and bytes out.

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::protocol::{BUILD, Greeting, Hello, Report, Request, VERSION, encode_line};

/// Longest line of a tool, in bytes.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// How long a tool may send nothing while no request of its is under way, or read nothing of an answer.
const SILENCE_MS: u64 = 10_000;

/// What the connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Hello,
    Request,
    /// A request is under way.
    Report,
    /// Everything is said: it is closed once that is written.
    Closing,
}

/// The dialogue on one connection.
#[derive(Debug)]
pub(super) struct Conversation {
    program: &'static str,
    stage: Stage,
    /// May hold a password.
    input: Zeroizing<Vec<u8>>,
    output: Vec<u8>,
    /// When it is closed unless something happens before.
    silent_at_ms: u64,
}

impl Conversation {
    pub(super) fn new(program: &'static str, now_ms: u64) -> Self {
        Self {
            program,
            stage: Stage::Hello,
            input: Zeroizing::default(),
            output: Vec::new(),
            silent_at_ms: now_ms + SILENCE_MS,
        }
    }

    /// A conversation that ends with a refusal.
    pub(super) fn refused(program: &'static str, reason: &str, now_ms: u64) -> Self {
        let mut conversation = Self::new(program, now_ms);
        conversation.say(&conversation.greeting());
        conversation.close_with(reason);
        conversation
    }

    fn greeting(&self) -> Greeting {
        Greeting {
            version: VERSION,
            program: self.program.to_owned(),
            build: BUILD.to_owned(),
        }
    }

    /// How many bytes it takes now. What it does not take stays in the kernel.
    pub(super) fn room(&self) -> usize {
        match self.stage {
            Stage::Hello | Stage::Request => (MAX_LINE_BYTES + 1).saturating_sub(self.input.len()),
            Stage::Report | Stage::Closing => 0,
        }
    }

    /// Takes bytes of the tool. Returns its request if there is one to be answered now.
    pub(super) fn received(&mut self, bytes: &[u8], now_ms: u64) -> Option<Request> {
        // A buffer that grew would leave copies.
        self.input = Zeroizing::new([&self.input, bytes].concat());
        self.next_request(now_ms)
    }

    fn next_request(&mut self, now_ms: u64) -> Option<Request> {
        while matches!(self.stage, Stage::Hello | Stage::Request) {
            let Some(line) = self.next_line() else {
                if self.input.len() > MAX_LINE_BYTES {
                    self.close_with(&format!("a line has more than {MAX_LINE_BYTES} bytes"));
                }
                return None;
            };
            self.silent_at_ms = now_ms + SILENCE_MS;
            if self.stage == Stage::Hello {
                self.take_hello(&line);
            } else if let Some(request) = self.parse(&line) {
                self.stage = Stage::Report;
                return Some(request);
            }
        }
        None
    }

    fn next_line(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        let end = self.input.iter().position(|byte| *byte == b'\n')?;
        if end >= MAX_LINE_BYTES {
            return None;
        }
        let rest = Zeroizing::new(self.input[end + 1..].to_vec());
        let mut line = std::mem::replace(&mut self.input, rest);
        line.truncate(end + 1);
        Some(line)
    }

    fn take_hello(&mut self, line: &[u8]) {
        self.say(&self.greeting());
        match self.parse(line) {
            Some(Hello { version: VERSION }) => self.stage = Stage::Request,
            Some(Hello { version }) => self.close_with(&format!(
                "this {} of version {BUILD} speaks control version {VERSION}, not {version}: use the chatctl that \
                 belongs to it",
                self.program
            )),
            None => {}
        }
    }

    /// What is no message of this version ends the connection.
    fn parse<T: DeserializeOwned>(&mut self, line: &[u8]) -> Option<T> {
        match serde_json::from_slice(line) {
            Ok(message) => Some(message),
            Err(error) => {
                self.close_with(&format!("the line cannot be understood: {error}"));
                None
            }
        }
    }

    fn close_with(&mut self, reason: &str) {
        let reason = reason.to_owned();
        self.say(&Report::Failed { reason });
        self.stage = Stage::Closing;
    }

    fn say(&mut self, message: &impl serde::Serialize) {
        self.output.extend(encode_line(message));
    }

    /// Answers the request that is under way. Returns the next one if it is there already.
    pub(super) fn answer(&mut self, report: &Report, now_ms: u64) -> Option<Request> {
        if self.stage != Stage::Report {
            return None;
        }
        self.say(report);
        self.stage = Stage::Request;
        self.silent_at_ms = now_ms + SILENCE_MS;
        self.next_request(now_ms)
    }

    /// What is to be written.
    pub(super) fn output(&self) -> &[u8] {
        &self.output
    }

    /// So many bytes of the output were written.
    pub(super) fn wrote(&mut self, bytes: usize, now_ms: u64) {
        self.output.drain(..bytes);
        self.silent_at_ms = now_ms + SILENCE_MS;
    }

    /// When the connection is to be looked at although nothing happens.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        // Who answers sees to it that a request comes to an end.
        let is_waiting = self.stage == Stage::Report && self.output.is_empty();
        (!is_waiting).then_some(self.silent_at_ms)
    }

    /// Whether the connection can be closed, or has been silent for too long.
    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        self.stage == Stage::Closing && self.output.is_empty()
            || self.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::super::protocol::Question;
    use super::*;

    const HELLO: &[u8] = b"{\"version\":2}\n";
    const STATUS: &[u8] = b"{\"request\":\"status\"}\n";

    fn conversation() -> Conversation {
        Conversation::new("chat-x", 0)
    }

    fn said(conversation: &mut Conversation) -> String {
        let said = String::from_utf8(conversation.output().to_vec()).unwrap();
        conversation.wrote(said.len(), 0);
        said
    }

    fn failed() -> Report {
        Report::Failed {
            reason: "no".to_owned(),
        }
    }

    #[test]
    fn requests_are_answered_one_by_one() {
        let mut conversation = conversation();
        let bytes = [
            HELLO,
            STATUS,
            b"{\"request\":\"ask\",\"child\":2,\"question\":{\"question\":\"ping\"}}\n",
        ];
        let mut requests = Vec::new();
        // Byte by byte, as far as they are taken.
        let mut bytes = bytes.concat().into_iter();
        while conversation.room() > 0 {
            requests.extend(conversation.received(&[bytes.next().unwrap()], 0));
        }
        assert_eq!(requests, [Request::Status]);
        let greeting = format!("{{\"version\":2,\"program\":\"chat-x\",\"build\":\"{BUILD}\"}}\n");
        assert_eq!(said(&mut conversation), greeting);
        assert_eq!(conversation.answer(&failed(), 0), None);
        assert_eq!(
            said(&mut conversation),
            "{\"report\":\"failed\",\"reason\":\"no\"}\n"
        );
        assert_eq!(conversation.answer(&failed(), 0), None, "nothing was asked");
        let rest: Vec<u8> = bytes.collect();
        let ask = Request::Ask {
            child: 2,
            question: Question::Ping,
        };
        assert_eq!(conversation.received(&rest, 0), Some(ask));
    }

    #[test]
    fn request_behind_another_waits() {
        let mut conversation = conversation();
        let bytes = [HELLO, STATUS, STATUS].concat();
        assert_eq!(conversation.received(&bytes, 0), Some(Request::Status));
        assert_eq!(conversation.answer(&failed(), 0), Some(Request::Status));
        assert_eq!(conversation.answer(&failed(), 0), None);
    }

    #[test]
    fn other_version_is_refused_with_reason() {
        let mut conversation = conversation();
        assert_eq!(
            conversation.received(b"{\"version\":1,\"old\":1}\n", 0),
            None
        );
        assert!(!conversation.is_over(0), "the reason is not written");
        let said = said(&mut conversation);
        assert!(said.starts_with("{\"version\":2,"), "{said}");
        assert!(said.contains("speaks control version 2, not 1"), "{said}");
        assert!(conversation.is_over(0));
    }

    #[test]
    fn nonsense_ends_connection() {
        for bytes in [
            &b"\n"[..],
            b"GET / HTTP/1.1\n",
            b"{\"request\":\"dance\"}\n",
            b"\xff\xfe\n",
            b"[[[[[[[[\n",
        ] {
            for is_greeted in [false, true] {
                let mut conversation = conversation();
                if is_greeted {
                    conversation.received(HELLO, 0);
                }
                assert_eq!(conversation.received(bytes, 0), None);
                let said = said(&mut conversation);
                assert!(said.contains("cannot be understood"), "{said}");
                assert!(conversation.is_over(0) && conversation.room() == 0);
            }
        }
    }

    #[test]
    fn long_line_ends_connection() {
        for end in [&b""[..], b"\n"] {
            let mut conversation = conversation();
            conversation.received(HELLO, 0);
            let line = [&vec![b' '; MAX_LINE_BYTES + 1][..], end].concat();
            assert_eq!(conversation.received(&line, 0), None);
            assert!(said(&mut conversation).contains("has more than 65536 bytes"));
            assert!(conversation.is_over(0));
        }
    }

    #[test]
    fn silent_tool_is_disconnected() {
        let mut conversation = conversation();
        assert!(!conversation.is_over(SILENCE_MS - 1));
        assert!(conversation.is_over(SILENCE_MS));
        conversation.received(HELLO, 5);
        assert!(!conversation.is_over(SILENCE_MS));
        assert_eq!(conversation.next_due_ms(), Some(SILENCE_MS + 5));
        conversation.wrote(conversation.output().len(), 6);
        conversation.received(STATUS, 7);
        assert_eq!(conversation.next_due_ms(), None, "we are to answer");
        conversation.answer(&failed(), 70_000);
        assert!(!conversation.is_over(70_000));
        assert!(
            conversation.is_over(70_000 + SILENCE_MS),
            "it does not read"
        );
    }
}
