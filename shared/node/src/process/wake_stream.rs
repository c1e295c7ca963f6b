//! Streams that wake an event loop: for a signal, or for the end of the parent.

use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// A non-blocking stream that becomes readable when the signal arrives. The handler is never removed.
pub fn for_signal(signal: i32) -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    write.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal, OwnedFd::from(write))?;
    Ok(read)
}

/// Reads all available bytes from a non-blocking stream. Returns whether the other end is closed.
pub fn drain(stream: &mut impl Read) -> bool {
    let mut bytes = [0; 256];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn drain_finds_end_of_stream() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        assert!(!drain(&mut near));
        far.write_all(&[0; 1_000]).unwrap();
        assert!(!drain(&mut near));
        drop(far);
        assert!(drain(&mut near));
    }
}
