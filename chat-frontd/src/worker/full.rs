//! What a worker that has no place left does with those who connect.
//!
//! Others may have places, and all listen at the same sockets. So it waits a moment; whoever is still not served then
//! is told that there are too many.

use std::io::{Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;
use zeroize::Zeroize;

/// How long the other workers have for taking somebody.
const WAIT_MS: u64 = 200;
/// How many are told at once, before the clients have their turn again.
pub(super) const MOST_AT_ONCE: usize = 32;
/// How soon the next are told.
const NEXT_MS: u64 = 10;

/// Since when there is no place.
#[derive(Debug, Default)]
pub(super) struct Full {
    tell_from_ms: Option<u64>,
}

impl Full {
    /// There are places.
    pub(super) fn is_over(&mut self) {
        self.tell_from_ms = None;
    }

    /// Somebody waits, and there is no place: when those who wait are to be told.
    pub(super) fn tell_from_ms(&mut self, now_ms: u64) -> u64 {
        *self.tell_from_ms.get_or_insert(now_ms + WAIT_MS)
    }

    /// So many were told: when it is to be looked for more.
    pub(super) fn told(&mut self, count: usize, now_ms: u64) -> Option<u64> {
        self.tell_from_ms = (count == MOST_AT_ONCE).then_some(now_ms + NEXT_MS);
        self.tell_from_ms
    }
}

/// Tells a client, if it speaks plainly, and closes. What it has sent already is read first, since it would have the
/// connection reset before the line is there.
pub(super) fn reject(mut stream: TcpStream, is_plain: bool, scratch: &mut [u8]) {
    if is_plain {
        if let Ok(bytes) = stream.read(scratch) {
            // There may be a password among it.
            scratch[..bytes].zeroize();
        }
        // Whether it takes the line or not: there is nothing more to be done for it.
        let _ = stream.write(b"error:busy:\n");
    }
    let _ = stream.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_worker_refuses_in_small_groups() {
        let mut full = Full::default();
        assert_eq!(full.tell_from_ms(1_000), 1_000 + WAIT_MS);
        assert_eq!(full.tell_from_ms(1_100), 1_000 + WAIT_MS);
        assert_eq!(full.told(MOST_AT_ONCE, 2_000), Some(2_000 + NEXT_MS));
        assert_eq!(full.tell_from_ms(2_005), 2_000 + NEXT_MS);
        assert_eq!(full.told(3, 2_010), None);
        assert_eq!(full.tell_from_ms(3_000), 3_000 + WAIT_MS);
        full.is_over();
        assert_eq!(full.tell_from_ms(4_000), 4_000 + WAIT_MS);
    }
}
