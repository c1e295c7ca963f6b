//! Opens the listening sockets.
//!
//! All workers share them. With a socket for each worker (SO_REUSEPORT), connections in the queue of a worker that dies
//! would be reset.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use nix::errno::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use chat_settings::listen_address::ListenAddress;

use super::activation::ActivatedSockets;

/// Length of the queue of connections to accept; the system may shorten it.
const BACKLOG: i32 = 4096;

/// Opens sockets for all `addresses`, the value of `setting`, or takes them from `activated`. The sockets `own` are
/// open already.
pub fn listen_on_all(
    addresses: &[ListenAddress],
    setting: &str,
    own: &[TcpListener],
    activated: &mut ActivatedSockets,
) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for address in addresses {
        let taken: Vec<SocketAddr> = own
            .iter()
            .chain(&listeners)
            .filter_map(|listener| listener.local_addr().ok())
            .collect();
        let take_or_open = |address| match activated.remove(address) {
            Some(listener) => adopt(listener, address),
            None => open(address),
        };
        listeners.extend(open_each(address, setting, &taken, take_or_open)?);
    }
    Ok(listeners)
}

/// Fails if the addresses could not be opened. Ports among `own_ports` may be in use.
pub fn check_bindable(
    addresses: &[ListenAddress],
    own_ports: &[u16],
    setting: &str,
) -> anyhow::Result<()> {
    let check = |address: SocketAddr| match bind(address) {
        Err(error)
            if error.kind() == ErrorKind::AddrInUse && own_ports.contains(&address.port()) =>
        {
            Ok(())
        }
        bound => bound.map(drop),
    };
    for address in addresses {
        open_each(address, setting, &[], check)?;
    }
    Ok(())
}

/// Opens a socket for each address of the host. If it has several, it is enough if one can be opened.
fn open_each<T>(
    address: &ListenAddress,
    setting: &str,
    taken: &[SocketAddr],
    mut open: impl FnMut(SocketAddr) -> io::Result<T>,
) -> anyhow::Result<Vec<T>> {
    let mut resolved: Vec<SocketAddr> = (address.host.as_str(), address.port)
        .to_socket_addrs()
        .with_context(|| format!("cannot listen on {address}: cannot resolve the host"))?
        .collect();
    resolved.sort_unstable();
    resolved.dedup();
    let mut listeners = Vec::new();
    let mut refused = None;
    for socket_address in resolved {
        match open(socket_address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if is_family_missing(&error) => {
                refused = Some((socket_address, error));
            }
            Err(error) => {
                if let Some(own) = taken.iter().find(|own| overlap(**own, socket_address))
                    && error.kind() == ErrorKind::AddrInUse
                {
                    bail!(
                        "cannot listen on {address}: this chat-frontd listens on {own} already, which includes it: \
                         omit one of them from {setting}"
                    );
                }
                return Err(explain(address, setting, &error));
            }
        }
    }
    match refused {
        Some((_, error)) if listeners.is_empty() => Err(explain(address, setting, &error)),
        None if listeners.is_empty() => bail!("cannot listen on {address}: it has no address"),
        Some((skipped, error)) => {
            log::warn!("not listening on {skipped}: {error}");
            Ok(listeners)
        }
        None => Ok(listeners),
    }
}

/// Whether a connection could match both addresses.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let are_alike = one.is_ipv4() == other.is_ipv4() && one.port() == other.port();
    let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    are_alike && (is_any || one.ip() == other.ip())
}

/// Prepares a socket of the service manager as [`open`] does.
fn adopt(listener: TcpListener, address: SocketAddr) -> io::Result<TcpListener> {
    let socket = SockRef::from(&listener);
    if address.is_ipv6() && !socket.only_v6()? {
        let advice = "the socket unit needs BindIPv6Only=ipv6-only";
        return Err(io::Error::other(advice));
    }
    prepare_for_clients(&socket)?;
    // A drain before the restart has shut it down for the service manager, too.
    socket.listen(BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bind(address)?;
    socket.listen(BACKLOG)?;
    // Several workers may wake for one connection; those that come too late must not block.
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Lingering connections of an earlier run must not block the port.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // So that settings may list both [::] and 0.0.0.0.
        socket.set_only_v6(true)?;
    }
    prepare_for_clients(&socket)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Sets options that the clients' sockets inherit: a dead peer is detected after about 90 s, and small answers are sent
/// at once.
fn prepare_for_clients(listener: &Socket) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    listener.set_tcp_keepalive(&keepalive)?;
    listener.set_tcp_user_timeout(Some(Duration::from_secs(60)))?;
    listener.set_tcp_nodelay(true)
}

/// Whether the host has no addresses of this kind, such as IPv6.
fn is_family_missing(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL))
}

fn explain(address: &ListenAddress, setting: &str, error: &io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => &format!(
            "address in use (another chat-frontd running? see scripts/status; \
             or choose another address with {setting})"
        ),
        ErrorKind::PermissionDenied => "permission denied (only root may use ports below 1024)",
        ErrorKind::AddrNotAvailable => "this host has no such address",
        _ => return anyhow!("cannot listen on {address}: {error}"),
    };
    anyhow!("cannot listen on {address}: {advice}")
}

/// The address at which a client on this host reaches a socket that listens on `address`.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_all(
        addresses: &[ListenAddress],
        own: &[TcpListener],
    ) -> anyhow::Result<Vec<TcpListener>> {
        listen_on_all(addresses, "--listen", own, &mut ActivatedSockets::default())
    }

    #[test]
    fn names_and_free_ports_work() {
        let address = "localhost:0".parse().unwrap();
        let listeners = open_all(&[address], &[]).unwrap();
        assert!(!listeners.is_empty());
        assert_ne!(listeners[0].local_addr().unwrap().port(), 0);
    }

    #[test]
    fn drained_socket_listens_again() {
        // Of an address that no other test uses. A port that the kernel chose would not survive the shutdown.
        let chosen = open("127.77.4.1:0".parse().unwrap()).unwrap().local_addr();
        let listener = open(chosen.unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = SockRef::from(&listener).shutdown(std::net::Shutdown::Both);
        shutdown.unwrap();
        assert!(std::net::TcpStream::connect(address).is_err());
        let _adopted = adopt(listener, address).unwrap();
        std::net::TcpStream::connect(address).unwrap();
    }

    #[test]
    fn clients_inherit_socket_options() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = open(address.parse().unwrap()) else {
                continue;
            };
            let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let socket = loop {
                match listener.accept() {
                    Ok((stream, _)) => break Socket::from(stream),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            };
            let seconds = Duration::from_secs;
            assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), seconds(30));
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), seconds(10));
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(seconds(60)));
        }
    }

    #[test]
    fn port_in_use_is_explained() {
        let first = open("127.0.0.1:0".parse().unwrap()).unwrap();
        let taken = first.local_addr().unwrap().to_string();
        let error = open_all(&[taken.parse().unwrap()], &[]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("cannot listen on {taken}: address in use")),
            "{text}"
        );
    }

    #[test]
    fn conflicting_own_address_is_named() {
        let first = open("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = first.local_addr().unwrap().port();
        let own = [first];
        for host in ["127.0.0.1", "0.0.0.0"] {
            let address = format!("{host}:{port}").parse().unwrap();
            let error = open_all(&[address], &own).unwrap_err();
            let text = error.to_string();
            let expected = format!("this chat-frontd listens on 127.0.0.1:{port} already");
            assert!(text.contains(&expected), "{text}");
        }
    }

    #[test]
    fn settings_check_accepts_own_port() {
        let first = open("127.0.0.1:0".parse().unwrap()).unwrap();
        let taken = first.local_addr().unwrap();
        let addresses = [taken.to_string().parse().unwrap()];
        check_bindable(&addresses, &[taken.port()], "--listen").unwrap();
        let error = check_bindable(&addresses, &[], "--listen").unwrap_err();
        assert!(error.to_string().contains("address in use"), "{error}");
        let foreign = ["192.0.2.1:1".parse().unwrap()];
        let error = check_bindable(&foreign, &[1], "--listen").unwrap_err();
        assert!(error.to_string().ends_with("this host has no such address"));
    }

    #[test]
    fn address_of_another_host_is_explained() {
        // Reserved for documentation, so no host has it.
        let error = open_all(&["192.0.2.1:0".parse().unwrap()], &[]).unwrap_err();
        assert!(error.to_string().ends_with("this host has no such address"));
    }

    #[test]
    fn all_addresses_are_reached_over_loopback() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:1"), "127.0.0.1:1");
        assert_eq!(reached("[::]:1"), "[::1]:1");
        assert_eq!(reached("10.1.2.3:1"), "10.1.2.3:1");
    }
}
