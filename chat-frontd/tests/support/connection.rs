//! One client's end of a connection.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::{Domain, Socket, Type};

use super::processes::PATIENCE;

/// What came next.
#[derive(Debug, PartialEq)]
pub(crate) enum Received {
    /// A line, without its LF.
    Line(Vec<u8>),
    /// The server closed in good order, after these bytes that are no whole line.
    Closed(Vec<u8>),
    /// The connection broke, after these bytes.
    Broken(Vec<u8>),
    /// Nothing more than these bytes until the time was over.
    Nothing(Vec<u8>),
}

/// For people: lines as they are, but long ones and control characters shortened.
impl fmt::Display for Received {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, left) = match self {
            Self::Line(line) => return formatter.write_str(&shortened(line)),
            Self::Closed(left) => ("the server closed", left),
            Self::Broken(left) => ("the connection broke", left),
            Self::Nothing(left) => ("nothing came", left),
        };
        if left.is_empty() {
            return write!(formatter, "({what})");
        }
        let left = shortened(left);
        write!(formatter, "({what} after the unfinished line {left})")
    }
}

fn shortened(line: &[u8]) -> String {
    const MOST: usize = 300;
    let text = std::str::from_utf8(line).map_or_else(
        |_| line.escape_ascii().to_string(),
        |line| line.escape_debug().to_string(),
    );
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], line.len()),
        None => text,
    }
}

/// Connected.
pub(crate) struct Connection {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    unread: Vec<u8>,
}

impl Connection {
    /// Connects, if wished with a source address.
    pub(crate) fn open(server: SocketAddr, source: Option<IpAddr>) -> Result<Self, String> {
        Self::try_open(server, source)
            .map_err(|error| format!("cannot connect to {server}: {error}"))
    }

    fn try_open(server: SocketAddr, source: Option<IpAddr>) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        socket.connect_timeout(&server.into(), PATIENCE)?;
        socket.set_tcp_nodelay(true)?;
        let stream = TcpStream::from(socket);
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            tls: None,
            unread: Vec::new(),
        })
    }

    /// The same, once TLS is agreed upon with the server `name`.
    #[allow(
        dead_code,
        reason = "not every test program that has this module uses it"
    )]
    pub(crate) fn with_tls(self, config: &Arc<ClientConfig>, name: &str) -> Result<Self, String> {
        let mut stream = self.stream;
        let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
        let mut tls =
            ClientConnection::new(Arc::clone(config), name).map_err(|error| error.to_string())?;
        stream
            .set_read_timeout(Some(PATIENCE))
            .map_err(|error| error.to_string())?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)
                .map_err(|error| format!("no TLS: {error}"))?;
        }
        let tls = Some(Box::new(tls));
        Ok(Self {
            stream,
            tls,
            unread: Vec::new(),
        })
    }

    /// What TLS has agreed upon.
    #[allow(
        dead_code,
        reason = "not every test program that has this module uses it"
    )]
    pub(crate) fn tls(&self) -> Option<&ClientConnection> {
        self.tls.as_deref()
    }

    /// Without what was received and not taken.
    #[allow(
        dead_code,
        reason = "not every test program that has this module uses it"
    )]
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// To be written to in another way.
    #[allow(
        dead_code,
        reason = "not every test program that has this module uses it"
    )]
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// This end's address.
    pub(crate) fn local_address(&self) -> Result<SocketAddr, String> {
        self.stream.local_addr().map_err(|error| error.to_string())
    }

    /// All at once.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sent = match &mut self.tls {
            None => self.stream.write_all(bytes),
            Some(tls) => {
                let written = tls.writer().write_all(bytes);
                written.and_then(|()| flush(tls, &mut self.stream))
            }
        };
        sent.map_err(|error| format!("cannot send: {error}"))
    }

    /// Each byte in a packet of its own.
    pub(crate) fn send_byte_by_byte(&mut self, bytes: &[u8]) -> Result<(), String> {
        bytes.chunks(1).try_for_each(|byte| self.send(byte))
    }

    /// Says that nothing more is sent.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            flush(tls, &mut self.stream).map_err(|error| format!("no close_notify: {error}"))?;
        }
        self.stream
            .shutdown(std::net::Shutdown::Write)
            .map_err(|error| format!("cannot shut the sending side: {error}"))
    }

    /// Ends with a reset.
    pub(crate) fn reset(self) -> Result<(), String> {
        Socket::from(self.stream)
            .set_linger(Some(Duration::ZERO))
            .map_err(|error| format!("cannot ask for a reset: {error}"))
    }

    /// Waits for a line, or for the end.
    pub(crate) fn receive(&mut self) -> Received {
        self.receive_within(PATIENCE)
    }

    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.stream.read(buffer);
        };
        match tls.reader().read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return read,
        }
        tls.read_tls(&mut self.stream)?;
        tls.process_new_packets().map_err(std::io::Error::other)?;
        flush(tls, &mut self.stream)?;
        tls.reader().read(buffer)
    }

    /// Waits for a line, or for the end, but no longer than this.
    pub(crate) fn receive_within(&mut self, limit: Duration) -> Received {
        let end = Instant::now() + limit;
        let mut buffer = [0; 4096];
        loop {
            if let Some(length) = self.unread.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<_> = self.unread.drain(..=length).collect();
                line.pop();
                return Received::Line(line);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                return Received::Nothing(self.unread.clone());
            }
            match self.read(&mut buffer) {
                Ok(0) => return Received::Closed(std::mem::take(&mut self.unread)),
                Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(_) => return Received::Broken(std::mem::take(&mut self.unread)),
            }
        }
    }
}

fn flush(tls: &mut ClientConnection, stream: &mut TcpStream) -> std::io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(stream)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Connection::open(listener.local_addr().unwrap(), None).unwrap();
        (client, listener.accept().unwrap().0)
    }

    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn lines_then_end() {
        let (mut client, mut server) = pair();
        server.write_all(b"one\n\ntwo\r\nrest").unwrap();
        for line in [&b"one"[..], b"", b"two\r"] {
            assert_eq!(client.receive(), Received::Line(line.to_vec()));
        }
        assert_eq!(
            client.receive_within(SHORT),
            Received::Nothing(b"rest".to_vec())
        );
        drop(server);
        assert_eq!(client.receive(), Received::Closed(b"rest".to_vec()));
    }

    #[test]
    fn reset_is_no_orderly_end() {
        let (mut client, server) = pair();
        Socket::from(server)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        assert_eq!(client.receive(), Received::Broken(Vec::new()));
        let (client, mut server) = pair();
        client.reset().unwrap();
        assert!(server.read(&mut [0]).is_err());
    }

    #[test]
    fn source_address_can_be_chosen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let client = Connection::open(server, Some([127, 0, 0, 2].into())).unwrap();
        assert_eq!(
            client.local_address().unwrap().ip(),
            IpAddr::from([127, 0, 0, 2])
        );
        assert_eq!(
            listener.accept().unwrap().1,
            client.local_address().unwrap()
        );
    }
}
