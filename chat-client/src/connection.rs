//! The connection to the server: TCP, optionally with TLS.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustls::ClientConfig;
use socket2::{SockRef, TcpKeepalive};

use crate::tls::Tls;

/// A server that accepts no bytes for this long is considered dead.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// A server that vanishes is noticed after 30 s + 3 x 10 s.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// An open connection.
pub(crate) struct Connection {
    stream: TcpStream,
    tls: Option<Box<Tls>>,
}

impl Connection {
    /// Tries each address of the host in turn, each for `timeout` at most. The error names the addresses tried.
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

    /// Does the TLS handshake, and verifies that the certificate is valid for `host`.
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

    /// Sends `line`, which includes its line end.
    pub(crate) fn send(&mut self, line: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.send(&mut self.stream, line),
            None => self.stream.write_all(line),
        }
    }

    /// Reads available bytes; 0 when the server has closed. [`io::ErrorKind::Interrupted`] if a TLS record is
    /// incomplete. The buffer must hold at least one TLS record.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.read(&mut self.stream, buffer),
            None => self.stream.read(buffer),
        }
    }

    /// Closes the connection, over TLS with a close notification. Closing confirms no message.
    pub(crate) fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            // The server may have gone already.
            let _ = tls.send_close_notify(&mut self.stream);
        }
    }

    /// Resets the connection, so that even with `push on` no message is confirmed that could not be shown.
    pub(crate) fn abort(self) {
        // If this fails, the connection ends with a FIN, which confirms nothing either.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Removes the brackets of `[::1]`, the usual form of an IPv6 address beside a port.
fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host)
}

/// The error for people, without the number of the system.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset => "reset by the server".into(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "timed out".into(),
        io::ErrorKind::BrokenPipe => "closed by the server".into(),
        _ => error.to_string(),
    }
}
