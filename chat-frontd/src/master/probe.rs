//! Probes the server as a client.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chat_line_protocol::client::{Dialogue, Event};

use super::tls_probe;
use crate::proxy_header::LOCAL_HEADER;

/// How long the server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A name that nobody is likely to have. Sending a name changes nothing.
const NAME: &[u8] = b"-";

/// A bound for the answer to a name.
const MAX_ANSWER_BYTES: usize = 256;

/// Why a probe failed.
#[derive(Debug)]
pub enum ProbeError {
    /// The address cannot be reached from this host. Other hosts may reach it.
    Unreachable(io::Error),
    /// The address can be reached, but the server did not answer properly.
    NotServed(io::Error),
}

/// The result of a successful probe.
#[derive(Debug)]
pub struct Seen {
    /// The time until the answer.
    pub took: Duration,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

/// Connects to `address`, with TLS if `is_tls`, sends a name, and waits for the answer. The answer needs a worker and
/// the state daemon.
///
/// If a balancer runs on this host, connections from here need a PROXY header, so a closed connection is tried again
/// with one.
pub fn probe(address: SocketAddr, is_tls: bool) -> Result<Seen, ProbeError> {
    match probe_as(address, is_tls, &[]) {
        Err(ProbeError::NotServed(error)) if is_end(&error) => {
            probe_as(address, is_tls, &LOCAL_HEADER).map_err(|_| ProbeError::NotServed(error))
        }
        result => result,
    }
}

fn is_end(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let ends = [
        BrokenPipe,
        ConnectionAborted,
        ConnectionReset,
        UnexpectedEof,
    ];
    ends.contains(&error.kind())
}

fn probe_as(address: SocketAddr, is_tls: bool, header: &[u8]) -> Result<Seen, ProbeError> {
    let start = Instant::now();
    let stream =
        TcpStream::connect_timeout(&address, TIMEOUT).map_err(|error| match error.kind() {
            // The host answers, but nothing listens.
            ErrorKind::ConnectionRefused => ProbeError::NotServed(error),
            _ => ProbeError::Unreachable(error),
        })?;
    converse(stream, address, is_tls, header, start).map_err(ProbeError::NotServed)
}

fn converse(
    mut stream: TcpStream,
    address: SocketAddr,
    is_tls: bool,
    header: &[u8],
    start: Instant,
) -> io::Result<Seen> {
    let deadline = start + TIMEOUT;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(header)?;
    let (mut dialogue, mut line) = (Dialogue::default(), Vec::new());
    dialogue.give_name(NAME, &mut line);
    let mut warnings = Vec::new();
    let (answer, took) = if is_tls {
        let mut stream = tls_probe::connect(address, stream)?;
        warnings.extend(tls_probe::certificate_warning(&stream));
        let answer = request(&mut stream, &line, deadline, |stream| &stream.sock)?;
        let took = start.elapsed();
        tls_probe::close(stream);
        (answer, took)
    } else {
        let answer = request(&mut stream, &line, deadline, |stream| stream)?;
        let took = start.elapsed();
        // The answer has arrived, so an error while closing does not matter.
        let _ = stream.shutdown(Shutdown::Write);
        (answer, took)
    };
    if matches!(dialogue.hear(&answer), Event::LoginRefused(_)) {
        let text = String::from_utf8_lossy(&answer).into_owned();
        return Err(io::Error::other(format!("the server answered {text}")));
    }
    Ok(Seen { took, warnings })
}

/// Writes a line and returns the answer.
fn request<S: Read + Write>(
    stream: &mut S,
    line: &[u8],
    deadline: Instant,
    socket: impl Fn(&S) -> &TcpStream,
) -> io::Result<Vec<u8>> {
    stream.write_all(line)?;
    stream.flush()?;
    let mut answer = Vec::new();
    while answer.len() < MAX_ANSWER_BYTES {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket(stream).set_read_timeout(Some(left))?;
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => {
                let text = "the server closed without an answer";
                return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
            }
            Ok(_) if byte == *b"\n" => return Ok(answer),
            Ok(_) => answer.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let text = format!("no answer within {TIMEOUT:?}");
    Err(io::Error::new(ErrorKind::TimedOut, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn probe_server(answer: &'static [u8]) -> Result<Seen, ProbeError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = [0; NAME.len() + 1];
            stream.read_exact(&mut line).unwrap();
            stream.write_all(answer).unwrap();
        });
        let result = probe(address, false);
        server.join().unwrap();
        result
    }

    #[test]
    fn only_answer_counts() {
        probe_server(b"register\n").unwrap();
        let not_served = |result: Result<Seen, ProbeError>| match result {
            Err(ProbeError::NotServed(error)) => error,
            other => panic!("{other:?}"),
        };
        let silent = not_served(probe_server(b""));
        assert_eq!(silent.kind(), ErrorKind::UnexpectedEof);
        let busy = not_served(probe_server(b"error:busy:\n"));
        assert_eq!(busy.to_string(), "the server answered error:busy:");
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = closed.local_addr().unwrap();
        drop(closed);
        not_served(probe(address, false));
    }

    #[test]
    fn unreachable_address_proves_nothing() {
        // Nobody has a connection with everybody.
        let result = probe("255.255.255.255:9".parse().unwrap(), false);
        assert!(
            matches!(result, Err(ProbeError::Unreachable(_))),
            "{result:?}"
        );
    }
}
