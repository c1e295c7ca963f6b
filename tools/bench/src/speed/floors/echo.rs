//! Lines over TCP to a server that sends them back, both with epoll.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::{OtherEnd, UNIT_BYTES};
use crate::crowd::Crowd;
use crate::speed::hearing::Hearing;
use crate::speed::progress::Progress;
use crate::speed::setup::Stage;
use crate::speed::traffic::{Stopwatch, Traffic, flow};

/// How long the server may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
const LISTENER: Token = Token(usize::MAX);

/// The server: writes its address to a file, and sends back what comes.
#[derive(clap::Args, Clone, Debug)]
pub struct Server {
    /// Where the address is written
    pub address_file: PathBuf,
}

/// Sends back what comes, until it is killed.
pub fn serve(server: &Server) -> anyhow::Result<()> {
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr()?.to_string();
    let unfinished = server.address_file.with_extension("new");
    std::fs::write(&unfinished, address)?;
    std::fs::rename(&unfinished, &server.address_file)?;
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut streams: Vec<TcpStream> = Vec::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = Token(streams.len());
                    poll.registry()
                        .register(&mut stream, token, Interest::READABLE)?;
                    streams.push(stream);
                }
            } else {
                send_back(&mut streams[event.token().0], &mut buffer)?;
            }
        }
    }
}

fn send_back(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        match stream.read(buffer) {
            Ok(0) => return Ok(()),
            // Little is ever on the way, so a socket has room for it.
            Ok(read) => {
                stream.write_all(&buffer[..read])?;
                if read < buffer.len() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

pub(super) fn measure(
    stage: &Stage<'_>,
    connections: usize,
    window: usize,
    span: Duration,
    progress: &mut Progress,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let dir = tempfile::Builder::new().prefix("chat-bench-").tempdir()?;
    let file = dir.path().join("address");
    let server = OtherEnd::start(stage, "echo-server", &file)?;
    let deadline = Instant::now() + PATIENCE;
    let address = loop {
        if let Ok(address) = std::fs::read_to_string(&file) {
            break address;
        }
        ensure!(Instant::now() < deadline, "the echo server does not listen");
        std::thread::sleep(Duration::from_millis(5));
    };
    let address = address.parse().context("the echo server has no address")?;
    let mut crowd = Crowd::new(address, connections)?;
    for client in 0..connections {
        crowd.connect(client)?;
    }
    let mut echo = Echo::new(window);
    flow(&mut echo, &mut crowd, Duration::from_millis(500), progress)?;
    let stopwatch = Stopwatch::start(vec![server.pid()], echo.done);
    flow(&mut echo, &mut crowd, span, progress)?;
    Ok(stopwatch.figures("lines/s", echo.done))
}

/// Clients that send again what comes back.
struct Echo {
    lines: Vec<u8>,
    done: u64,
}

impl Echo {
    fn new(window: usize) -> Self {
        let line = [&[b'x'; UNIT_BYTES - 1][..], b"\n"].concat();
        Self {
            lines: line.repeat(window),
            done: 0,
        }
    }
}

impl Traffic for Echo {
    fn begin_more(&mut self, _: &mut Crowd) -> anyhow::Result<()> {
        Ok(())
    }

    fn done(&self) -> u64 {
        self.done
    }
}

impl Hearing for Echo {
    fn opened(&mut self, _: usize, output: &mut Vec<u8>) {
        output.extend_from_slice(&self.lines);
    }

    fn lines(&mut self, _: usize, lines: &[u8], output: &mut Vec<u8>) -> anyhow::Result<()> {
        self.done += (lines.len() / UNIT_BYTES) as u64;
        output.extend_from_slice(lines);
        Ok(())
    }
}
