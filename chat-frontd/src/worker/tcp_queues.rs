//! How much of a connection's bytes lies in the kernel, since when, and whether its end does.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc::{self, POLLRDHUP};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

mod requests {
    use nix::libc::{FIONREAD, TIOCOUTQ, c_int};

    // For a TCP socket TIOCOUTQ is SIOCOUTQ, and FIONREAD is SIOCINQ (tcp(7)).
    nix::ioctl_read_bad!(bytes_unacknowledged, TIOCOUTQ, c_int);
    nix::ioctl_read_bad!(bytes_unread, FIONREAD, c_int);
}

/// Bytes that were written and that the peer's TCP has not acknowledged.
pub(super) fn unacknowledged_bytes(socket: &impl AsFd) -> io::Result<u64> {
    let mut bytes = 0;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and both requests write one int,
    // for which `bytes` has the room.
    unsafe { requests::bytes_unacknowledged(socket.as_fd().as_raw_fd(), &mut bytes) }?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Bytes that have come in and were not read.
pub(super) fn unread_bytes(socket: &impl AsFd) -> io::Result<u64> {
    let mut bytes = 0;
    // SAFETY: as above.
    unsafe { requests::bytes_unread(socket.as_fd().as_raw_fd(), &mut bytes) }?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// How long ago, in milliseconds, bytes came last, read or not; 0 if that cannot be told. As exact as the ticks of the
/// kernel, of which there are at least 100 in a second. Time in which the host slept is not in it.
pub(super) fn data_age_ms(socket: &impl AsFd) -> u64 {
    // SAFETY: all zeroes are a value of this struct of integers.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut bytes = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and the kernel writes `bytes` at most, for
    // which `info` has the room.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &mut bytes,
        )
    };
    match result {
        0 => info.tcpi_last_data_recv.into(),
        _ => 0,
    }
}

/// Whether a FIN has come, behind what is unread or not; or the connection is broken. What cannot be told counts as
/// one.
pub(super) fn has_fin(socket: &impl AsFd) -> bool {
    let awaited = PollFlags::from_bits_retain(POLLRDHUP);
    let mut fds = [PollFd::new(socket.as_fd(), awaited)];
    !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn bytes_and_fin_are_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(b"12345").unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while unread_bytes(&far).unwrap() < 5 || unacknowledged_bytes(&near).unwrap() > 0 {
            assert!(Instant::now() < deadline);
        }
        assert!(!has_fin(&far));
        near.shutdown(Shutdown::Write).unwrap();
        while !has_fin(&far) {
            assert!(Instant::now() < deadline);
        }
        assert_eq!(unread_bytes(&far).unwrap(), 5, "the end is behind it");
        while data_age_ms(&far) < 50 {
            assert!(Instant::now() < deadline);
        }
        far.read_exact(&mut [0; 5]).unwrap();
        assert_eq!(unread_bytes(&far).unwrap(), 0);
    }
}
