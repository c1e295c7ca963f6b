//! The control socket of a daemon: who may connect, and the connections. Nothing here waits.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use anyhow::Context;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;

use super::conversation::Conversation;
use super::protocol::{Report, Request};
use crate::files::socket_file;

/// Most connections at once. Further ones are refused with a reason.
const MAX_CONNECTIONS: usize = 16;
/// Connections that are refused with a reason at once; still more are closed.
const MAX_REFUSALS: usize = 16;
/// Connections that are accepted in a turn.
const MAX_ACCEPTED: usize = 32;
/// Bytes that are read from a connection in a turn.
const READ_BYTES: usize = 4096;

/// A process at the other end of a control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its number.
    pub pid: i32,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { uid, pid } = self;
        write!(f, "uid={uid} pid={pid}")
    }
}

/// Names a connection. No two connections of a socket have the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionKey(u64);

/// A request that is to be answered by [`ControlSocket::answer`].
#[derive(Debug)]
pub struct Asked {
    /// Where the answer goes.
    pub connection: ConnectionKey,
    /// Who asks.
    pub peer: Peer,
    /// The request.
    pub request: Request,
}

#[derive(Debug)]
struct Connection {
    key: ConnectionKey,
    stream: UnixStream,
    peer: Peer,
    conversation: Conversation,
    is_broken: bool,
}

/// The listening socket and its connections.
#[derive(Debug)]
pub struct ControlSocket {
    program: &'static str,
    listener: UnixListener,
    connections: Vec<Connection>,
    opened: u64,
    asked: Vec<Asked>,
}

impl ControlSocket {
    /// Makes the socket at `path`, for its owner only. No other daemon may be using it.
    pub fn listen(program: &'static str, path: &Path) -> anyhow::Result<Self> {
        let listener = socket_file::listen(path, None)?;
        listener
            .set_nonblocking(true)
            .with_context(|| format!("cannot use {}", path.display()))?;
        Ok(Self {
            program,
            listener,
            connections: Vec::new(),
            opened: 0,
            asked: Vec::new(),
        })
    }

    /// What has to be polled for.
    pub fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let listener = PollFd::new(self.listener.as_fd(), PollFlags::POLLIN);
        let connections = self.connections.iter();
        let connections = connections.map(|it| PollFd::new(it.stream.as_fd(), it.poll_flags()));
        [listener].into_iter().chain(connections)
    }

    /// When [`Self::turn`] is due although nothing is to be read or written.
    pub fn next_due_ms(&self) -> Option<u64> {
        let connections = self.connections.iter();
        connections
            .filter_map(|it| it.conversation.next_due_ms())
            .min()
    }

    /// Accepts, reads, writes and closes what can be without waiting. Returns the requests that came.
    pub fn turn(&mut self, now_ms: u64) -> Vec<Asked> {
        self.accept(now_ms);
        for connection in &mut self.connections {
            if let Some(request) = connection.read(now_ms) {
                self.asked.push(Asked {
                    connection: connection.key,
                    peer: connection.peer,
                    request,
                });
            }
            connection.write(now_ms);
        }
        self.connections
            .retain(|it| !it.is_broken && !it.conversation.is_over(now_ms));
        std::mem::take(&mut self.asked)
    }

    /// Answers a request. If its connection is closed by now, nothing happens.
    pub fn answer(&mut self, key: ConnectionKey, report: &Report, now_ms: u64) {
        let Some(connection) = self.connections.iter_mut().find(|it| it.key == key) else {
            return;
        };
        if let Some(request) = connection.conversation.answer(report, now_ms) {
            self.asked.push(Asked {
                connection: key,
                peer: connection.peer,
                request,
            });
        }
        connection.write(now_ms);
    }

    /// Whether requests wait that the next [`Self::turn`] returns.
    pub fn has_waiting(&self) -> bool {
        !self.asked.is_empty()
    }

    fn accept(&mut self, now_ms: u64) {
        for _ in 0..MAX_ACCEPTED {
            match self.listener.accept() {
                Ok((stream, _)) => self.accepted(stream, now_ms),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return log::warn!("cannot accept a control connection: {error}"),
            }
        }
    }

    fn accepted(&mut self, stream: UnixStream, now_ms: u64) {
        let peer = match peer_of(&stream) {
            Ok(peer) => peer,
            Err(error) => return log::warn!("a control connection is refused: {error}"),
        };
        let refusal = self.refusal(peer);
        if let Some(reason) = &refusal {
            log::warn!("security: event=control-refused {peer} reason={reason:?}");
        }
        if self.connections.len() >= MAX_CONNECTIONS + MAX_REFUSALS
            || stream.set_nonblocking(true).is_err()
        {
            return;
        }
        self.opened += 1;
        self.connections.push(Connection {
            key: ConnectionKey(self.opened),
            stream,
            peer,
            conversation: match refusal {
                Some(reason) => Conversation::refused(self.program, &reason, now_ms),
                None => Conversation::new(self.program, now_ms),
            },
            is_broken: false,
        });
    }

    /// Why this process may not connect now.
    fn refusal(&self, peer: Peer) -> Option<String> {
        let own = geteuid().as_raw();
        if peer.uid != 0 && peer.uid != own {
            let uid = peer.uid;
            return Some(format!(
                "user {uid} may not control this server: only root and user {own}, who runs it, may"
            ));
        }
        (self.connections.len() >= MAX_CONNECTIONS)
            .then(|| format!("there are {MAX_CONNECTIONS} control connections already"))
    }
}

/// The process that connected.
pub(super) fn peer_of(stream: &impl AsFd) -> nix::Result<Peer> {
    let credentials = getsockopt(stream, PeerCredentials)?;
    Ok(Peer {
        uid: credentials.uid(),
        pid: credentials.pid(),
    })
}

impl Connection {
    fn poll_flags(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        if self.conversation.room() > 0 {
            flags |= PollFlags::POLLIN;
        }
        if !self.conversation.output().is_empty() {
            flags |= PollFlags::POLLOUT;
        }
        flags
    }

    fn read(&mut self, now_ms: u64) -> Option<Request> {
        let mut buffer = [0; READ_BYTES];
        let room = self.conversation.room().min(READ_BYTES);
        if room == 0 {
            // Whoever waits for an answer and has left would otherwise wake the loop for ever.
            self.is_broken |= self.has_hung_up();
            return None;
        }
        match self.stream.read(&mut buffer[..room]) {
            Ok(0) => self.is_broken = true,
            Ok(bytes) => return self.conversation.received(&buffer[..bytes], now_ms),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.is_broken = true,
        }
        None
    }

    fn has_hung_up(&self) -> bool {
        let mut fds = [PollFd::new(self.stream.as_fd(), PollFlags::empty())];
        let polled = nix::poll::poll(&mut fds, nix::poll::PollTimeout::ZERO);
        polled == Ok(1)
            && fds[0]
                .revents()
                .is_some_and(|seen| seen.intersects(PollFlags::POLLHUP | PollFlags::POLLERR))
    }

    fn write(&mut self, now_ms: u64) {
        while !self.is_broken && !self.conversation.output().is_empty() {
            match self.stream.write(self.conversation.output()) {
                Ok(0) => self.is_broken = true,
                Ok(bytes) => self.conversation.wrote(bytes, now_ms),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.is_broken = true,
            }
        }
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}
