//! `chatctl metrics --listen`: a process that answers scrapes, and holds neither clients nor state.

use std::convert::Infallible;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chat_node::logs::output;
use signal_hook::consts::SIGTERM;
use signal_hook::flag::register_conditional_shutdown;
use thiserror::Error;

use super::gather::gather;
use super::http::{self, MAX_REQUEST_BYTES, Refusal, Wanted};
use super::text;
use crate::daemons::Daemons;

/// Scrapes that are answered at once. The control sockets take a few tools at a time.
const MAX_SCRAPES: usize = 4;
/// How long a request may take to come, and an answer to be taken.
const EXCHANGE_TIME: Duration = Duration::from_secs(5);
/// How long a request that is refused unread may still come.
const LINGER: Duration = Duration::from_millis(100);
/// When nobody can be accepted, the next try is made after this.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Why the endpoint cannot begin.
#[derive(Debug, Error)]
pub(super) enum EndpointError {
    #[error(
        "cannot listen on {address} for scrapes: {error} (choose another address with --listen; `ss -ltnp` shows who \
         has this one)"
    )]
    Listen {
        address: SocketAddr,
        error: io::Error,
    },
    #[error("cannot catch SIGTERM: {0}")]
    Signal(io::Error),
    #[error("cannot start a thread for a scrape: {0}")]
    Thread(io::Error),
}

/// Answers scrapes until SIGTERM, which ends the process at once: it holds nothing that could be lost.
pub(super) fn serve(daemons: &Daemons, address: SocketAddr) -> Result<Infallible, EndpointError> {
    let listen = |error| EndpointError::Listen { address, error };
    let listener = TcpListener::bind(address).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    register_conditional_shutdown(SIGTERM, 0, Arc::new(true.into()))
        .map_err(EndpointError::Signal)?;
    output::complain(format_args!(
        "chatctl: metrics are at http://{address}/metrics"
    ));
    let scrapes = AtomicUsize::new(0);
    thread::scope(|scope| {
        loop {
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(ACCEPT_RETRY);
                continue;
            };
            if scrapes.fetch_add(1, Ordering::Relaxed) >= MAX_SCRAPES {
                let _ = refuse(stream, Refusal::Busy);
                scrapes.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let scrapes = &scrapes;
            let started = thread::Builder::new().spawn_scoped(scope, move || {
                // Whoever leaves early wants no answer.
                let _ = answer(daemons, stream);
                scrapes.fetch_sub(1, Ordering::Relaxed);
            });
            if let Err(error) = started {
                scrapes.fetch_sub(1, Ordering::Relaxed);
                output::complain(format_args!("chatctl: {}", EndpointError::Thread(error)));
            }
        }
    })
}

fn answer(daemons: &Daemons, mut stream: TcpStream) -> io::Result<()> {
    stream.set_write_timeout(Some(EXCHANGE_TIME))?;
    let answer = match read_request(&mut stream)? {
        Wanted::OpenMetrics => http::open_metrics(&text::open_metrics(gather(daemons))),
        Wanted::Prometheus => http::prometheus(&text::prometheus(gather(daemons))),
        Wanted::Refused(refusal) => return refuse(stream, refusal),
    };
    stream.write_all(answer.as_bytes())
}

fn refuse(mut stream: TcpStream, refusal: Refusal) -> io::Result<()> {
    stream.set_write_timeout(Some(EXCHANGE_TIME))?;
    stream.write_all(http::refusal(refusal).as_bytes())?;
    // What is unread when it is closed would take the answer away from the client.
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(LINGER))?;
    let _ = stream.read(&mut [0; MAX_REQUEST_BYTES])?;
    Ok(())
}

/// Reads until the request is whole, too long or too late.
fn read_request(stream: &mut TcpStream) -> io::Result<Wanted> {
    let deadline = Instant::now() + EXCHANGE_TIME;
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Wanted::Refused(Refusal::TimedOut));
        }
        stream.set_read_timeout(Some(left))?;
        let most = buffer.len().min(MAX_REQUEST_BYTES - request.len());
        match stream.read(&mut buffer[..most]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => request.extend_from_slice(&buffer[..bytes]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        if let Some(wanted) = http::wanted(&request) {
            return Ok(wanted);
        }
    }
}
