//! Which of the host's own addresses a client connects from, so that many clients do not look like one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use mio::net::TcpStream;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use socket2::{Domain, Protocol, Socket, Type};

/// Where the clients of a server come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddresses {
    server: SocketAddr,
    first: u32,
    count: u32,
}

/// Addresses of loopback that may be used.
const MOST: u32 = 1 << 16;

impl ClientAddresses {
    /// One for all: whichever the system chooses.
    pub fn one(server: SocketAddr) -> Self {
        Self {
            server,
            first: 0,
            count: 1,
        }
    }

    /// `count` addresses of loopback in turn, if the server is on it and speaks IPv4; otherwise one.
    ///
    /// The ports of each are a list of its own, in which those of clients that have left stand for a minute: where
    /// there is but one, the system spends more on finding a free port than on all else of a connection.
    pub fn several(server: SocketAddr, count: usize) -> Self {
        let count = match server.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => count.clamp(1, MOST as usize) as u32,
            _ => 1,
        };
        Self {
            count,
            ..Self::one(server)
        }
    }

    /// As many others, that were not given out by this before as long as there are such.
    pub fn fresh(self) -> Self {
        static GIVEN_OUT: AtomicU32 = AtomicU32::new(0);
        let first = GIVEN_OUT.fetch_add(self.count, Ordering::Relaxed);
        Self { first, ..self }
    }

    /// Where a client comes from; `None` if that is left to the system.
    fn of(&self, client: usize) -> Option<IpAddr> {
        if self.count == 1 {
            return None;
        }
        let place = self.first.wrapping_add(client as u32 % self.count) % MOST;
        let first = Ipv4Addr::LOCALHOST.to_bits();
        Some(Ipv4Addr::from_bits(first + place).into())
    }

    /// Begins to connect a client, without waiting.
    pub fn connect(&self, client: usize) -> io::Result<TcpStream> {
        let Some(own) = self.of(client) else {
            return TcpStream::connect(self.server);
        };
        let domain = Domain::for_address(self.server);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // The port is chosen when the server's address is known, too: then one may serve for several servers.
        setsockopt(&socket, IpBindAddressNoPort, &true)?;
        socket.bind(&SocketAddr::new(own, 0).into())?;
        match socket.connect(&self.server.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(error),
            _ => Ok(TcpStream::from_std(socket.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn clients_come_from_several_addresses_in_turn() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let accepted = |addresses: ClientAddresses, client| {
            let _stream = addresses.connect(client).unwrap();
            listener.accept().unwrap().1.ip().to_string()
        };
        let several = ClientAddresses::several(server, 300);
        let from: Vec<String> = [0, 1, 299, 300, 301]
            .map(|client| accepted(several, client))
            .into();
        let expected = [
            "127.0.0.1",
            "127.0.0.2",
            "127.0.1.44",
            "127.0.0.1",
            "127.0.0.2",
        ];
        assert_eq!(from, expected);
        let two = [several.fresh(), several.fresh()].map(|fresh| accepted(fresh, 0));
        assert_ne!(two[0], two[1]);
        let one = ClientAddresses::one(server);
        assert_eq!(accepted(one, 0), accepted(one, 1));
    }

    #[test]
    fn remote_server_is_reached_from_one_address() {
        for server in ["192.0.2.1:1", "[::1]:1"] {
            let server = server.parse().unwrap();
            let several = ClientAddresses::several(server, 9);
            assert_eq!(several, ClientAddresses::one(server));
        }
    }
}
