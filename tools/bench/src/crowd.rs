//! Many clients' connections on one thread: bytes in, lines out, and the other way round.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::client_addresses::ClientAddresses;

/// Read at once, and the longest line that is understood.
const READ_BYTES: usize = 1024 * 1024;
/// An empty output buffer that once held more than this is given back.
const KEPT_BYTES: usize = 16 * 1024;
/// Where clients come from many addresses: fewer than a server may be expected to allow.
const CLIENTS_OF_AN_ADDRESS: usize = 50;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It was never made.
    NeverOpened,
    /// The server closed in good order.
    End,
    /// It broke.
    Broken,
}

/// What is done with what happens. `client` is the number the connection was made with; what is appended to `output` is
/// written before the next turn.
pub trait Audience {
    /// The connection is made.
    fn opened(&mut self, client: usize, output: &mut Vec<u8>);
    /// A line came, here without its end.
    fn line(&mut self, client: usize, line: &[u8], output: &mut Vec<u8>);
    /// Whole lines came at once, here with their ends. Who knows how long the lines are need not look for ends.
    fn lines(&mut self, client: usize, mut lines: &[u8], output: &mut Vec<u8>) {
        while let Some(end) = memchr::memchr(b'\n', lines) {
            self.line(client, &lines[..end], output);
            lines = &lines[end + 1..];
        }
    }
    /// The connection is gone; a beginning of a line that had come is dropped.
    fn closed(&mut self, client: usize, how: Closed);
}

/// All the connections.
pub struct Crowd {
    addresses: ClientAddresses,
    poll: Poll,
    events: Events,
    connections: Vec<Option<Connection>>,
    /// Those with something to write.
    unwritten: Vec<usize>,
    scratch: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    is_open: bool,
    is_unwritten: bool,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    output: Vec<u8>,
    written: usize,
}

impl Crowd {
    /// Room for clients of `server` numbered below `clients`.
    pub fn new(server: SocketAddr, clients: usize) -> io::Result<Self> {
        Self::coming_from(ClientAddresses::one(server), clients)
    }

    /// The same, for so many clients that they come from many addresses, other ones than those of crowds before.
    pub fn from_many_addresses(server: SocketAddr, clients: usize) -> io::Result<Self> {
        let addresses = clients.div_ceil(CLIENTS_OF_AN_ADDRESS);
        Self::coming_from(ClientAddresses::several(server, addresses).fresh(), clients)
    }

    fn coming_from(addresses: ClientAddresses, clients: usize) -> io::Result<Self> {
        Ok(Self {
            addresses,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            connections: (0..clients).map(|_| None).collect(),
            unwritten: Vec::new(),
            scratch: vec![0; READ_BYTES],
        })
    }

    /// Begins to connect a client; one that it still has is dropped.
    pub fn connect(&mut self, client: usize) -> io::Result<()> {
        let mut stream = self.addresses.connect(client)?;
        stream.set_nodelay(true)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(client), interest)?;
        self.connections[client] = Some(Connection {
            stream,
            is_open: false,
            is_unwritten: false,
            partial: Vec::new(),
            output: Vec::new(),
            written: 0,
        });
        Ok(())
    }

    /// What a client will write at the end of this turn, to append to; `None` if it has no connection.
    pub fn output(&mut self, client: usize) -> Option<&mut Vec<u8>> {
        let connection = self.connections[client].as_mut()?;
        if !connection.is_unwritten {
            connection.is_unwritten = true;
            self.unwritten.push(client);
        }
        Some(&mut connection.output)
    }

    /// The port of a client's own end.
    pub fn local_port(&self, client: usize) -> Option<u16> {
        let connection = self.connections[client].as_ref()?;
        Some(connection.stream.local_addr().ok()?.port())
    }

    /// Closes a client's connection without telling the audience.
    pub fn hang_up(&mut self, client: usize) {
        self.connections[client] = None;
    }

    /// Writes what is to be written, as far as the kernel takes it.
    pub fn write(&mut self, audience: &mut impl Audience) {
        let mut again = std::mem::take(&mut self.unwritten);
        for client in again.drain(..) {
            let Some(connection) = &mut self.connections[client] else {
                continue;
            };
            connection.is_unwritten = false;
            if connection.is_open && connection.write().is_err() {
                self.close(client, Closed::Broken, audience);
            }
        }
        // Its capacity is kept; nothing was added meanwhile.
        self.unwritten = again;
    }

    /// Waits for something to happen, at most for `timeout`, and tells of it.
    pub fn turn(&mut self, timeout: Duration, audience: &mut impl Audience) -> io::Result<()> {
        self.write(audience);
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let polled = self.poll.poll(&mut events, Some(timeout));
        match polled {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        for event in &events {
            self.happened(event, audience);
        }
        self.events = events;
        self.write(audience);
        Ok(())
    }

    fn happened(&mut self, event: &Event, audience: &mut impl Audience) {
        let client = event.token().0;
        let Some(connection) = &mut self.connections[client] else {
            return;
        };
        if !connection.is_open {
            match connection.stream.take_error() {
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => return self.close(client, Closed::NeverOpened, audience),
            }
            if connection.stream.peer_addr().is_err() {
                return;
            }
            connection.is_open = true;
            audience.opened(client, &mut connection.output);
        }
        // What came before a failure to write is heard first.
        let is_ending = event.is_read_closed() || event.is_error();
        let has_come = event.is_readable() || is_ending;
        if has_come
            && let Err(how) = connection.read(client, is_ending, &mut self.scratch, audience)
        {
            return self.close(client, how, audience);
        }
        if !connection.is_unwritten && connection.has_output() {
            connection.is_unwritten = true;
            self.unwritten.push(client);
        }
    }

    fn close(&mut self, client: usize, how: Closed, audience: &mut impl Audience) {
        self.connections[client] = None;
        audience.closed(client, how);
    }
}

impl Connection {
    fn has_output(&self) -> bool {
        self.written < self.output.len()
    }

    fn write(&mut self) -> io::Result<()> {
        while self.has_output() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(bytes) => self.written += bytes,
                // Writable is told once there is room.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Why it broke, and what came before, reading will tell.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        if self.output.capacity() > KEPT_BYTES {
            self.output = Vec::new();
        }
        Ok(())
    }

    /// Reads until there is no more. With an end (`is_ending`) no event will follow, so that is read too.
    fn read(
        &mut self,
        client: usize,
        is_ending: bool,
        scratch: &mut [u8],
        audience: &mut impl Audience,
    ) -> Result<(), Closed> {
        loop {
            let held = self.partial.len();
            if held >= scratch.len() {
                return Err(Closed::Broken);
            }
            scratch[..held].copy_from_slice(&self.partial);
            let read = match self.stream.read(&mut scratch[held..]) {
                Ok(0) => return Err(Closed::End),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Err(Closed::Broken),
            };
            let came = &scratch[..held + read];
            let whole = memchr::memrchr(b'\n', came).map_or(0, |end| end + 1);
            if whole > 0 {
                audience.lines(client, &came[..whole], &mut self.output);
            }
            self.partial.clear();
            self.partial.extend_from_slice(&came[whole..]);
            // A read that was not filled has emptied the socket; what comes later is told of.
            if held + read < scratch.len() && !is_ending {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    #[derive(Default)]
    struct Heard(Vec<String>);

    impl Audience for Heard {
        fn opened(&mut self, _: usize, output: &mut Vec<u8>) {
            output.extend_from_slice(b"hello\n");
        }

        fn line(&mut self, client: usize, line: &[u8], output: &mut Vec<u8>) {
            let text = String::from_utf8_lossy(line);
            self.0.push(format!("{client}: {text}"));
            output.extend_from_slice(line);
            output.push(b'\n');
        }

        fn closed(&mut self, client: usize, how: Closed) {
            self.0.push(format!("{client} {how:?}"));
        }
    }

    fn turn_until(crowd: &mut Crowd, heard: &mut Heard, what: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !heard.0.iter().any(|entry| entry == what) {
            assert!(Instant::now() < deadline, "no {what}: {:?}", heard.0);
            crowd.turn(Duration::from_millis(10), heard).unwrap();
        }
    }

    #[test]
    fn lines_are_joined_and_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut crowd = Crowd::new(listener.local_addr().unwrap(), 4).unwrap();
        let mut heard = Heard::default();
        crowd.connect(3).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"on").unwrap();
        for _ in 0..3 {
            crowd.turn(Duration::from_millis(1), &mut heard).unwrap();
        }
        server.write_all(b"e\ntwo\nthr").unwrap();
        turn_until(&mut crowd, &mut heard, "3: two");
        let mut lines = BufReader::new(server.try_clone().unwrap()).lines();
        for expected in ["hello", "one", "two"] {
            assert_eq!(lines.next().unwrap().unwrap(), expected);
        }
        drop((server, lines));
        turn_until(&mut crowd, &mut heard, "3 End");
        assert_eq!(heard.0, ["3: one", "3: two", "3 End"]);
        assert!(crowd.output(3).is_none());
    }

    #[test]
    fn where_nobody_listens_nothing_is_opened() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut crowd = Crowd::new(address, 1).unwrap();
        let mut heard = Heard::default();
        crowd.connect(0).unwrap();
        turn_until(&mut crowd, &mut heard, "0 NeverOpened");
    }
}
