//! Workers' connections: taking them, reading them, writing to them, closing them.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use chat_node::crash_point;
use chat_rpc::FrameReader;
use mio::Token;
use mio::net::UnixStream;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use super::{EventLoop, FIRST_LINK};
use crate::core::LinkId;
use crate::server::socket::{Socket, Written};

/// When a worker cannot be accepted, the next try is made after this.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// So often is a worker read when the daemon is told to stop: more than its socket holds, and an end to who never stops
/// talking.
const LAST_READS: usize = 64;

impl EventLoop {
    pub(super) fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.open_link(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accept_at = None;
                    return;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    // Once, not each time that it is tried.
                    if self.accept_at.is_none() {
                        log::error!("cannot accept a worker: {error}");
                    }
                    self.accept_at = Some(Instant::now() + ACCEPT_RETRY);
                    return;
                }
            }
        }
    }

    fn open_link(&mut self, stream: UnixStream) {
        let peer = match getsockopt(&stream, PeerCredentials) {
            Ok(peer) => peer,
            Err(error) => return log::error!("cannot tell who a worker is: {error}"),
        };
        if !self.peers.allows(peer.uid()) {
            return log::warn!("refused process {} of user {}", peer.pid(), peer.uid());
        }
        let entry = self.sockets.vacant_entry();
        let link = entry.key();
        match Socket::new(stream, Token(link + FIRST_LINK), self.poll.registry()) {
            Ok(socket) => entry.insert(socket),
            Err(error) => return log::error!("cannot wait for a worker: {error}"),
        };
        self.core.link_opened(link, peer.pid().unsigned_abs());
    }

    pub(super) fn read_workers(&mut self) {
        if self.core.is_full() || self.stop_by.is_some() {
            return;
        }
        let readable: Vec<LinkId> = self
            .sockets
            .iter()
            .filter(|(link, socket)| socket.is_readable && !self.core.is_behind(*link))
            .map(|(link, _)| link)
            .collect();
        for link in readable {
            self.read_worker(link);
        }
    }

    /// What workers said before the stop is still done, and who hung up before it is gone: the kernel may tell of the
    /// stop first.
    pub(super) fn read_workers_a_last_time(&mut self) {
        for _ in 0..LAST_READS {
            // An end behind what was read has not been told of either.
            for (_, socket) in &mut self.sockets {
                socket.is_readable = true;
            }
            self.read_workers();
        }
    }

    fn read_worker(&mut self, link: LinkId) {
        let socket = &mut self.sockets[link];
        match socket.reader.read_from(&mut socket.stream) {
            Ok(0) => return self.close_link(link),
            // All there was: what comes later is told of.
            Ok(bytes) => {
                socket.is_readable = bytes >= FrameReader::READ_BYTES || socket.is_read_closed;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                socket.is_readable = false;
                return;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            Err(_) => return self.close_link(link),
        }
        if socket.closing_since.is_some() {
            return;
        }
        if socket.is_read_closed {
            self.core.link_hung_up(link);
        }
        loop {
            match socket.reader.next_frame() {
                Ok(Some(payload)) if self.core.expects_hello(link) => {
                    let mut secret = [0; 16];
                    if let Err(error) = getrandom::fill(&mut secret) {
                        log::error!("cannot draw a worker's secret: {error}");
                        return self.close_link(link);
                    }
                    self.core.hello(link, payload, secret);
                }
                Ok(Some(payload)) => {
                    crash_point::reach("state:before-acknowledgement");
                    self.core.received(link, payload);
                    if self.core.take_saw_password() {
                        socket.reader.wipe_given_out();
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    log::warn!("a worker sent what is not a frame: {error}");
                    return self.close_link(link);
                }
            }
        }
    }

    pub(super) fn write_workers(&mut self) {
        for link in self.core.links_with_output() {
            let (Some(socket), Some(output)) = (self.sockets.get_mut(link), self.core.output(link))
            else {
                continue;
            };
            if socket.write(output, self.poll.registry()) == Written::PeerGone {
                self.close_link(link);
            }
        }
        let done: Vec<LinkId> = self
            .sockets
            .iter()
            .filter(|(_, socket)| socket.closing_since.is_some())
            .map(|(link, _)| link)
            .filter(|link| {
                let is_written = self
                    .core
                    .output(*link)
                    .is_none_or(|output| output.pending_bytes() == 0);
                is_written || self.sockets[*link].is_overdue()
            })
            .collect();
        for link in done {
            self.close_link(link);
        }
    }

    pub(super) fn close_link(&mut self, link: LinkId) {
        if let Some(mut socket) = self.sockets.try_remove(link) {
            // Closing takes it out of the event queue in any case.
            let _ = self.poll.registry().deregister(&mut socket.stream);
            self.core.link_closed(link);
        }
    }
}
