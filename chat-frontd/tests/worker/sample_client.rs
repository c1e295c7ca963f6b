//! The client of `docs/protocol.md`, as it stands there, over a connection that is cut again and again.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::installation::wait_until;
use crate::processes::PATIENCE;
use crate::server::{Server, expect};

const MESSAGES: usize = 400;
/// So many answered `fetch` of its own after a message, and the client takes it for confirmed.
const SETTLED: usize = 5;

/// When a connection is cut, once it is logged in.
#[derive(Clone, Copy)]
enum Cut {
    AfterMessages(usize),
    AfterFetches(usize),
}

impl Cut {
    /// Whether it is due when these lines have gone to the client.
    fn is_due(self, messages: usize, fetches: usize, line: &[u8]) -> bool {
        match self {
            Self::AfterMessages(count) => messages == count,
            Self::AfterFetches(count) => fetches == count && line == b"DONE\n",
        }
    }
}

/// A way to the server on which the connections are cut like this, one after the other, and those after them are not.
/// Also how many have been cut.
fn relay(server: SocketAddr, cuts: &'static [Cut]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cut = Arc::new(AtomicUsize::new(0));
    let done = Arc::clone(&cut);
    thread::spawn(move || {
        for client in listener.incoming() {
            let next = cuts.get(done.load(Ordering::SeqCst)).copied();
            if carry(client.unwrap(), server, next) {
                done.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (address, cut)
}

/// Carries one connection to its end; whether it was cut.
fn carry(mut client: TcpStream, server: SocketAddr, cut: Option<Cut>) -> bool {
    let server = TcpStream::connect(server).unwrap();
    let (mut said, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut said, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut messages, mut fetches) = (0, 0);
    let mut answers = BufReader::new(server);
    let mut line = Vec::new();
    let mut is_cut = false;
    while !is_cut && matches!(answers.read_until(b'\n', &mut line), Ok(1..)) {
        messages += usize::from(line.starts_with(b"["));
        fetches += usize::from(line == b"fetching\n");
        let _ = client.write_all(&line);
        is_cut = cut.is_some_and(|cut| cut.is_due(messages, fetches, &line));
        line.clear();
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = answers.get_ref().shutdown(Shutdown::Both);
    is_cut
}

struct Sample {
    child: Child,
    shown: Receiver<String>,
}

impl Sample {
    /// None where there is no Python.
    fn start(address: SocketAddr, directory: &Path) -> Option<Self> {
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
        let document = std::fs::read_to_string(document).unwrap();
        let (_, behind) = document.split_once("```python\n").unwrap();
        let (program, _) = behind.split_once("```\n").unwrap();
        let file = directory.join("client.py");
        std::fs::write(&file, program).unwrap();
        let port = address.port().to_string();
        let mut child = Command::new("python3")
            .arg(file)
            .args(["127.0.0.1", &port, "foobar", "passpass"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let (sender, shown) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Some(Self { child, shown })
    }

    fn next_line(&self) -> String {
        self.shown.recv_timeout(PATIENCE).expect("a line is shown")
    }

    #[track_caller]
    fn expect(&self, end: &str) {
        let line = self.next_line();
        assert!(line.ends_with(end), "{line}, not {end}");
    }

    /// Types this, or ends the input.
    fn types(&mut self, line: Option<&str>) {
        match line {
            Some(line) => {
                let input = self.child.stdin.as_mut().unwrap();
                writeln!(input, "{line}").unwrap();
            }
            None => self.child.stdin = None,
        }
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn sample_client_survives_connection_losses() {
    let server = Server::start(&[]);
    let mut sender = server.log_in("windows", "withglass");
    expect(&mut sender, "DONE");
    let lines: String = (0..MESSAGES)
        .map(|n| format!("send foobar {n}\n"))
        .collect();
    sender.send(lines.as_bytes()).unwrap();
    for _ in 0..MESSAGES {
        expect(&mut sender, "sent:");
        expect(&mut sender, "DONE");
    }
    const CUTS: &[Cut] = &[
        Cut::AfterMessages(MESSAGES),
        Cut::AfterMessages(37),
        Cut::AfterMessages(MESSAGES),
        Cut::AfterFetches(SETTLED),
    ];
    let (address, cut) = relay(server.address, CUTS);
    let directory = tempfile::tempdir().unwrap();
    let Some(mut sample) = Sample::start(address, directory.path()) else {
        return eprintln!("there is no python3 to run the sample client with");
    };
    for number in 0..MESSAGES {
        sample.expect(&format!("windows: {number}"));
    }
    // What is typed while a connection breaks is perhaps not done, as the client then says.
    wait_until("all are cut", || cut.load(Ordering::SeqCst) == CUTS.len());
    sample.types(Some("send windows seen"));
    sample.expect("sent:");
    // The client has forgotten what it had shown: the server has to know that it is confirmed.
    for text in ["more", "and more"] {
        sender
            .send(format!("send foobar {text}\n").as_bytes())
            .unwrap();
        sample.expect(&format!("windows: {text}"));
    }
    sample.types(None);
    sample.expect("goodbye");
    let status = sample.child.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(sample.shown.recv_timeout(PATIENCE).is_err(), "shown again");
}
