//! What tests of stored state have in common.

use std::time::Duration;

/// Long enough for any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A directory in memory where there is one, for tests that sync thousands of times.
pub(crate) fn quick_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Copies of a file's content, each with one byte wrong.
pub(crate) fn flips(
    original: &[u8],
    offsets: impl Iterator<Item = usize>,
) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let end = original.len();
    offsets
        .take_while(move |offset| *offset < end)
        .map(|offset| {
            let mut flipped = original.to_vec();
            flipped[offset] ^= if offset % 2 == 0 { 0xff } else { 0x01 };
            (offset, flipped)
        })
}
