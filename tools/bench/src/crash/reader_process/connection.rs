//! A reader's connection, plain or with TLS, of which nothing is left unread.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long a handshake may take, and how long a line may wait to be written.
const PATIENCE: Duration = Duration::from_secs(60);

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

pub(super) struct Connection {
    stream: Stream,
    /// The beginning of a line.
    partial: Vec<u8>,
}

/// What [`Connection::read`] found.
pub(super) struct ReadLines {
    /// Whole lines, with their ends.
    pub(super) lines: Vec<u8>,
    /// The server has closed, or the connection broke.
    pub(super) has_ended: bool,
}

impl Connection {
    /// Connects. Nothing, if nobody listens.
    pub(super) fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: Stream::Plain(stream),
            partial: Vec::new(),
        })
    }

    /// Agrees upon TLS with a server that shows the certificate in this file.
    pub(super) fn begin_tls(
        self,
        certificate_file: &Path,
        server: SocketAddr,
    ) -> anyhow::Result<Self> {
        let Stream::Plain(mut stream) = self.stream else {
            return Ok(self);
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::from(server.ip());
        let mut tls = ClientConnection::new(config(certificate_file)?, name)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(Self {
            stream: Stream::Tls(Box::new(StreamOwned::new(tls, stream))),
            ..self
        })
    }

    /// From now on reading waits for nothing.
    pub(super) fn set_nonblocking(&self) -> io::Result<()> {
        self.socket().set_nonblocking(true)
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    /// Reads until there is nothing left to read.
    pub(super) fn read(&mut self) -> ReadLines {
        let mut bytes = [0; 16 * 1024];
        let has_ended = loop {
            let read = match &mut self.stream {
                Stream::Plain(stream) => stream.read(&mut bytes),
                Stream::Tls(stream) => stream.read(&mut bytes),
            };
            match read {
                Ok(0) => break true,
                Ok(count) => self.partial.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break true,
            }
        };
        let whole = memchr::memrchr(b'\n', &self.partial).map_or(0, |end| end + 1);
        let rest = self.partial.split_off(whole);
        ReadLines {
            lines: std::mem::replace(&mut self.partial, rest),
            has_ended,
        }
    }

    /// Whether something has come that was not read, or the end.
    pub(super) fn has_unread(&self) -> bool {
        let peeked = self.socket().peek(&mut [0]);
        !peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Writes a line as a whole.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let mut rest = line;
        while !rest.is_empty() {
            let written = match &mut self.stream {
                Stream::Plain(stream) => stream.write(rest),
                Stream::Tls(stream) => stream.write(rest),
            };
            match written {
                Ok(count) => rest = &rest[count..],
                Err(error) => self.await_room(error)?,
            }
        }
        loop {
            let flushed = match &mut self.stream {
                Stream::Plain(_) => return Ok(()),
                Stream::Tls(stream) => stream.flush(),
            };
            match flushed {
                Ok(()) => return Ok(()),
                Err(error) => self.await_room(error)?,
            }
        }
    }

    fn await_room(&self, error: io::Error) -> io::Result<()> {
        if error.kind() != ErrorKind::WouldBlock {
            return Err(error);
        }
        await_any([self.socket().as_fd()], PollFlags::POLLOUT, PATIENCE).map(|_| ())
    }
}

/// Waits until one of these is ready, at most so long; which of them are.
pub(super) fn await_any<const COUNT: usize>(
    descriptors: [BorrowedFd<'_>; COUNT],
    flags: PollFlags,
    most: Duration,
) -> io::Result<[bool; COUNT]> {
    let mut polled = descriptors.map(|descriptor| PollFd::new(descriptor, flags));
    let most = PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX);
    match poll(&mut polled, most) {
        Ok(_) | Err(nix::Error::EINTR) => Ok(polled.map(|polled| polled.any().unwrap_or(false))),
        Err(error) => Err(error.into()),
    }
}

fn config(certificate_file: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let pem = fs::read(certificate_file)
        .with_context(|| format!("cannot read {}", certificate_file.display()))?;
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_slice(&pem)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
