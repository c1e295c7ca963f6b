//! The connection to the server: TCP, with TLS in it if that is wanted.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustls::ClientConfig;
use socket2::{SockRef, TcpKeepalive};

use crate::tls::Tls;

/// A server that does not even take a line for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// A server that is gone without a word is noticed after 30 s + 3 x 10 s.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// An open connection.
pub(crate) struct Connection {
    stream: TcpStream,
    tls: Option<Box<Tls>>,
}

impl Connection {
    /// Tries each address of the host in turn, each for the time-out at most. The error names what was tried.
    pub(crate) fn open(host: &str, port: u16, timeout: Duration) -> Result<Connection, String> {
        let host = without_brackets(host);
        let addresses = (host, port)
            .to_socket_addrs()
            .map_err(|error| format!("cannot find the host {host}: {error}"))?;
        let mut failures = Vec::new();
        for address in addresses {
            match TcpStream::connect_timeout(&address, timeout).and_then(Connection::prepare) {
                Ok(connection) => return Ok(connection),
                Err(error) => failures.push(format!("{address}: {}", reason(&error))),
            }
        }
        Err(format!(
            "cannot connect to {host} port {port} ({}); is the server running there?",
            failures.join("; ")
        ))
    }

    fn prepare(stream: TcpStream) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_PROBES);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        Ok(Connection { stream, tls: None })
    }

    /// Does the handshake, and makes sure that the server is `host`.
    pub(crate) fn with_tls(
        self,
        host: &str,
        config: ClientConfig,
        timeout: Duration,
    ) -> Result<Connection, String> {
        let mut stream = self.stream;
        let tls = Tls::connect(&mut stream, without_brackets(host), config, timeout)?;
        Ok(Connection {
            stream,
            tls: Some(Box::new(tls)),
        })
    }

    /// Sends a whole line.
    pub(crate) fn send(&mut self, line: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.send(&mut self.stream, line),
            None => self.stream.write_all(line),
        }
    }

    /// Reads what is there; 0 bytes when the server has closed. [`io::ErrorKind::Interrupted`] if what is there
    /// says nothing yet. The buffer holds at least a TLS record.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.read(&mut self.stream, buffer),
            None => self.stream.read(buffer),
        }
    }

    /// Closes, over TLS with the word that this is the end. It confirms nothing: a line has done that before.
    pub(crate) fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            // A server that has gone meanwhile has nothing to be told.
            let _ = tls.say_farewell(&mut self.stream);
        }
    }

    /// Closes by a reset, so that not even `push on` confirms what could not be shown.
    pub(crate) fn abort(self) {
        // Without it the connection ends by a FIN, which confirms nothing either.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// `[::1]` is how people write an IPv6 address beside a port.
fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host)
}

/// The error in words without the number that the system gives it.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset => "the server broke it off".into(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer in time".into(),
        io::ErrorKind::BrokenPipe => "the server has closed it".into(),
        _ => error.to_string(),
    }
}
