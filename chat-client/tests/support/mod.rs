//! A server that plays a fixed dialogue, and the client run against it.

pub(crate) mod alacritty;
pub(crate) mod golden;
pub(crate) mod host;
pub(crate) mod screen;
pub(crate) mod terminal;

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// No step of a test takes so long, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A step of the server.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Wait for exactly this line.
    Expect(String),
    /// Wait for a line that begins so.
    ExpectBeginning(String),
    /// Send this line.
    Say(String),
    /// Send these bytes.
    SayBytes(Vec<u8>),
    /// Break the connection off with a reset.
    Reset,
    /// Wait until the client has closed, without more lines from it.
    ExpectEnd,
    /// Wait until the client has broken the connection off, without more lines from it.
    ExpectReset,
    /// Wait until the test calls `cue`.
    Cue,
    /// Let the test know, which waits in `wait_until_reached`.
    Reached,
}

/// Reads a dialogue as transcripts write it: `> line` the client sends (`> word...` with anything behind the word),
/// `< line` the server sends, `! reset`, `! end`, `! broken`, `! cue`, `! reached`. At its end the server closes in
/// order.
pub(crate) fn dialogue(text: &str) -> Vec<Step> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| match line.split_at(1) {
            (">", rest) => {
                let rest = rest.strip_prefix(' ').unwrap_or(rest);
                match rest.strip_suffix("...") {
                    Some(beginning) => Step::ExpectBeginning(beginning.into()),
                    None => Step::Expect(rest.into()),
                }
            }
            ("<", rest) => Step::Say(rest.strip_prefix(' ').unwrap_or(rest).into()),
            ("!", " reset") => Step::Reset,
            ("!", " end") => Step::ExpectEnd,
            ("!", " cue") => Step::Cue,
            ("!", " reached") => Step::Reached,
            ("!", " broken") => Step::ExpectReset,
            _ => panic!("no step: {line}"),
        })
        .collect()
}

/// A server for one connection, or for several in turn. What it did not expect is its thread's panic.
pub(crate) struct FakeServer {
    pub(crate) address: SocketAddr,
    thread: JoinHandle<()>,
    cues: Sender<()>,
    reached: Receiver<()>,
}

impl FakeServer {
    /// Plays the steps; byte by byte if wanted.
    pub(crate) fn play(steps: Vec<Step>, byte_by_byte: bool) -> FakeServer {
        FakeServer::play_in_turn(vec![steps], byte_by_byte)
    }

    /// Plays each of them with a connection.
    pub(crate) fn play_in_turn(dialogues: Vec<Vec<Step>>, byte_by_byte: bool) -> FakeServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (cues, cued) = mpsc::channel();
        let (reaching, reached) = mpsc::channel();
        let thread = thread::spawn(move || {
            for steps in dialogues {
                let (stream, _) = listener.accept().expect("a client");
                serve(&stream, &steps, (&cued, &reaching), byte_by_byte);
            }
        });
        FakeServer {
            address,
            thread,
            cues,
            reached,
        }
    }

    /// No server.
    pub(crate) fn nobody() -> FakeServer {
        FakeServer::play_in_turn(Vec::new(), false)
    }

    /// Waits until the server has come to its next `! reached`.
    pub(crate) fn wait_until_reached(&self) {
        self.reached.recv_timeout(PATIENCE).expect("a server");
    }

    /// Lets the server go on from its next `! cue`.
    pub(crate) fn cue(&self) {
        self.cues.send(()).expect("a server");
    }

    /// Passes on what went wrong in the server.
    pub(crate) fn finish(self) {
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

fn serve(
    stream: &TcpStream,
    steps: &[Step],
    (cued, reaching): (&Receiver<()>, &Sender<()>),
    byte_by_byte: bool,
) {
    stream.set_nodelay(true).expect("an option");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    let mut reader = BufReader::new(stream);
    let mut next_line = || {
        let mut line = String::new();
        reader.read_line(&mut line).map(|_| line)
    };
    let mut failure = None;
    for step in steps {
        match step {
            Step::Expect(expected) => {
                assert_eq!(next_line().expect("a line"), format!("{expected}\n"));
            }
            Step::ExpectBeginning(beginning) => {
                let line = next_line().expect("a line");
                assert!(line.starts_with(beginning), "{line}");
            }
            Step::Say(line) => {
                let line = format!("{line}\n");
                failure = failure.or(say(stream, line.as_bytes(), byte_by_byte));
            }
            Step::SayBytes(bytes) => failure = failure.or(say(stream, bytes, byte_by_byte)),
            Step::Cue => cued.recv_timeout(PATIENCE).expect("a cue"),
            Step::Reached => reaching.send(()).expect("a test"),
            Step::Reset => {
                socket2::SockRef::from(stream)
                    .set_linger(Some(Duration::ZERO))
                    .expect("an option");
                return;
            }
            Step::ExpectEnd => assert_eq!(next_line().expect("an end"), "", "the client closes"),
            Step::ExpectReset => {
                // The system tells of it once, perhaps when something was said.
                let kind = failure.unwrap_or_else(|| next_line().expect_err("a reset").kind());
                assert_eq!(kind, ErrorKind::ConnectionReset);
            }
        }
    }
}

/// Why it could not be said, if it could not.
fn say(mut stream: &TcpStream, bytes: &[u8], byte_by_byte: bool) -> Option<ErrorKind> {
    let piece_bytes = if byte_by_byte { 1 } else { bytes.len().max(1) };
    for piece in bytes.chunks(piece_bytes) {
        // A client that has left already does not hear the rest.
        if let Err(error) = stream.write_all(piece) {
            return Some(error.kind());
        }
    }
    None
}

/// The program, with nothing of this environment that it would heed.
pub(crate) fn client() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
    for name in [
        "CHAT_HOST",
        "CHAT_PORT",
        "CHAT_NO_PUSH",
        "CHAT_PLAIN",
        "CHAT_TLS",
        "CHAT_CA",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "CHAT_CONNECT_TIMEOUT",
        "CHAT_ANSWER_TIMEOUT",
        "CHAT_PASSWORD_FILE",
        "CHAT_USER",
        "CHAT_KEEP_LOGIN",
        "CHAT_CLIENT_CONFIG",
        "HOME",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "NO_COLOR",
    ] {
        command.env_remove(name);
    }
    command.env("TZ", "XXX-2").env("TERM", "xterm");
    command
}

/// What a run of the client gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        Run {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

/// Runs the client to its end with this input in a pipe.
pub(crate) fn run_with_input(mut command: Command, input: &[u8]) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the client");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // In a thread, as the client reads only what it can use.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let run = child.wait_with_output().expect("an end").into();
    writer.join().expect("the writer");
    run
}

/// Plays a dialogue with a client whose input is a pipe.
pub(crate) fn run_script(input: &str, steps: &[Step], byte_by_byte: bool) -> Run {
    let server = FakeServer::play(steps.to_vec(), byte_by_byte);
    let mut command = client();
    command.args([
        server.address.ip().to_string(),
        server.address.port().to_string(),
    ]);
    let run = run_with_input(command, input.as_bytes());
    server.finish();
    run
}
