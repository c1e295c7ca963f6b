//! The listening sockets that a parent shares with its children. A compromised child can shut them down for all
//! processes; the parent opens them again. A drain shuts them on purpose.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Backlog, Shutdown, SockaddrStorage, getsockname, listen, shutdown};

/// The listening sockets, and which of them are watched.
#[derive(Debug)]
pub struct SharedSockets(Vec<Shared>);

#[derive(Debug)]
struct Shared {
    socket: OwnedFd,
    is_watched: bool,
    /// The address before it was shut on purpose.
    address: Option<String>,
}

impl SharedSockets {
    /// Watches all of `sockets`.
    pub fn new(sockets: Vec<OwnedFd>) -> Self {
        let shared = |socket| Shared {
            socket,
            is_watched: true,
            address: None,
        };
        Self(sockets.into_iter().map(shared).collect())
    }

    pub(super) fn sockets(&self) -> impl ExactSizeIterator<Item = &OwnedFd> {
        self.0.iter().map(|shared| &shared.socket)
    }

    /// Polls that return when a socket is shut down, but not when a client connects.
    pub(super) fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let watched = self.0.iter().filter(|shared| shared.is_watched);
        watched.map(|shared| PollFd::new(shared.socket.as_fd(), PollFlags::empty()))
    }

    /// Shuts the sockets: from now on the kernel refuses connections.
    pub(super) fn shut(&mut self) {
        for shared in self.0.iter_mut().filter(|shared| shared.is_watched) {
            let socket = shared.socket.as_raw_fd();
            shared.address = Some(address_of(&shared.socket));
            shared.is_watched = false;
            if let Err(error) = shutdown(socket, Shutdown::Both) {
                log::error!("cannot shut a listening socket: {error}");
            }
        }
    }

    /// Opens the sockets again that [`Self::shut`] has shut. Fails if one of them cannot be opened at its address.
    pub(super) fn end_shut(&mut self) -> Result<(), String> {
        for shared in self.0.iter_mut().filter(|shared| shared.address.is_some()) {
            let advice = "restart this daemon";
            let listening = listen(&shared.socket, Backlog::MAXCONN);
            listening.map_err(|error| format!("cannot listen again: {error}: {advice}"))?;
            // The kernel gives a port that it has chosen to others.
            let address = address_of(&shared.socket);
            if let Some(before) = shared.address.as_ref().filter(|before| **before != address) {
                return Err(format!(
                    "cannot listen on {before} again, only on {address}: {advice}"
                ));
            }
            shared.address = None;
            shared.is_watched = true;
        }
        Ok(())
    }

    /// Opens the sockets again that are shut down.
    pub(super) fn open_again(&mut self) {
        for shared in self.0.iter_mut().filter(|shared| shared.is_watched) {
            if !is_shut(&shared.socket) {
                continue;
            }
            let result = listen(&shared.socket, Backlog::MAXCONN);
            if result.is_ok() && !is_shut(&shared.socket) {
                log::error!("a child has shut down a listening socket; it is open again");
            } else {
                log::error!(
                    "a child has shut down a listening socket, and it cannot be opened again: restart this daemon"
                );
                shared.is_watched = false;
            }
        }
    }
}

/// As text, because the bytes of one address can differ.
fn address_of(socket: &OwnedFd) -> String {
    let address = getsockname::<SockaddrStorage>(socket.as_raw_fd());
    address.map_or_else(|error| error.to_string(), |address| address.to_string())
}

fn is_shut(socket: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    let is_reported = matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1));
    is_reported
        && fds[0]
            .revents()
            .is_some_and(|seen| seen.contains(PollFlags::POLLHUP))
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Binds by number: a port that the kernel chose would be released on shutdown.
    fn listener() -> (TcpListener, SocketAddr) {
        loop {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            if let Ok(listener) = TcpListener::bind(address) {
                return (listener, address);
            }
        }
    }

    #[test]
    fn shut_socket_is_opened_again() {
        let (listener, address) = listener();
        let of_child = listener.try_clone().unwrap();
        let mut sockets = SharedSockets::new(vec![listener.into()]);
        let wakes = |sockets: &SharedSockets| {
            let mut fds: Vec<PollFd<'_>> = sockets.poll_fds().collect();
            poll(&mut fds, PollTimeout::ZERO).unwrap() > 0
        };
        let client = TcpStream::connect(address).unwrap();
        assert!(!wakes(&sockets), "woken by a client");
        drop(client);
        for _ in 0..3 {
            shutdown(of_child.as_raw_fd(), Shutdown::Both).unwrap();
            assert!(TcpStream::connect(address).is_err());
            assert!(wakes(&sockets));
            sockets.open_again();
            assert!(!wakes(&sockets));
            TcpStream::connect(address).unwrap();
            of_child.accept().unwrap();
        }
    }

    #[test]
    fn shut_sockets_refuse_until_end() {
        let (listener, address) = listener();
        let of_child = listener.try_clone().unwrap();
        let mut sockets = SharedSockets::new(vec![listener.into()]);
        for _ in 0..3 {
            sockets.shut();
            sockets.shut();
            sockets.open_again();
            assert!(TcpStream::connect(address).is_err());
            sockets.end_shut().unwrap();
            TcpStream::connect(address).unwrap();
            of_child.accept().unwrap();
        }
        let chosen = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sockets = SharedSockets::new(vec![chosen.into()]);
        let address = |sockets: &SharedSockets| address_of(&sockets.0[0].socket);
        let before = address(&sockets);
        sockets.shut();
        // The kernel may give it the port again, or another one.
        let is_ended = sockets.end_shut().is_ok();
        assert_eq!(is_ended, address(&sockets) == before);
    }

    #[test]
    fn hopeless_socket_is_not_retried() {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let of_child = listener.try_clone().unwrap();
        let mut sockets = SharedSockets::new(vec![listener.into()]);
        assert!(!is_shut(sockets.sockets().next().unwrap()));
        shutdown(of_child.as_raw_fd(), Shutdown::Both).unwrap();
        sockets.open_again();
        assert_eq!(sockets.poll_fds().count(), 0);
    }
}
