//! How records of journal and checkpoint become bytes: bincode. The one module of this crate that knows it.
//!
//! The encoding is positional: it has no names and no types, so a record means something to its own format only.

use bincode::config::{Configuration, standard};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::{Deserialize, Serialize};

const ENCODING: Configuration = standard();

const MEBIBYTE: usize = 1024 * 1024;

/// Longest piece that a journal or a backup holds, in bytes.
const LONGEST_BYTES: usize = 65 * MEBIBYTE;

/// Writes a value behind what is in `bytes`.
pub(crate) fn encode_behind<T: Serialize>(bytes: &mut Vec<u8>, value: &T) {
    bincode::serde::encode_into_writer(value, Behind(bytes), ENCODING)
        .expect("records can always be encoded into memory");
}

/// Puts what is encoded behind what is in a buffer. The way through `std::io::Write` takes twice the instructions.
struct Behind<'a>(&'a mut Vec<u8>);

impl Writer for Behind<'_> {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// The value that is in `bytes`, if nothing stands behind it.
pub(crate) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    let mut rest = bytes;
    let value = decode_first(&mut rest)?;
    rest.is_empty().then_some(value)
}

/// The value at the beginning of `rest`, which then holds what stands behind it.
///
/// Nothing is allocated for a length that cannot be: who made a backup may have given it checksums that are right. The
/// encoding counts up to eight bytes for each that there is.
pub(crate) fn decode_first<'a, T: Deserialize<'a>>(rest: &mut &'a [u8]) -> Option<T> {
    if rest.len() <= MEBIBYTE {
        decode_within::<T, { 8 * MEBIBYTE }>(rest)
    } else if rest.len() <= LONGEST_BYTES {
        decode_within::<T, { 8 * LONGEST_BYTES }>(rest)
    } else {
        // From no backup.
        decode_within::<T, { usize::MAX }>(rest)
    }
}

fn decode_within<'a, T: Deserialize<'a>, const LIMIT: usize>(rest: &mut &'a [u8]) -> Option<T> {
    let encoding = ENCODING.with_limit::<LIMIT>();
    let (value, consumed) = bincode::serde::borrow_decode_from_slice(rest, encoding).ok()?;
    *rest = rest.get(consumed..)?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by fuzzing: a length of a text in a backup whose checksums were right ended the process for want of
    /// memory.
    #[test]
    fn impossible_length_allocates_nothing() {
        for length in [u64::MAX, 1 << 60, 1 << 40] {
            let mut bytes = vec![0xfd];
            bytes.extend_from_slice(&length.to_le_bytes());
            assert_eq!(decode::<String>(&bytes), None, "{length}");
        }
    }

    #[test]
    fn many_small_numbers_are_within_limit() {
        for count in [2 * MEBIBYTE, MEBIBYTE - 8] {
            let numbers = vec![1_u64; count];
            let mut bytes = Vec::new();
            encode_behind(&mut bytes, &numbers);
            assert!(bytes.len() < count + 16);
            assert_eq!(decode::<Vec<u64>>(&bytes), Some(numbers));
        }
    }

    #[test]
    fn bytes_behind_value_are_refused() {
        assert_eq!(decode::<u8>(&[1]), Some(1));
        assert_eq!(decode::<u8>(&[1, 2]), None);
        let mut rest = &[1, 2][..];
        assert_eq!(decode_first::<u8>(&mut rest), Some(1));
        assert_eq!(rest, [2]);
    }
}
