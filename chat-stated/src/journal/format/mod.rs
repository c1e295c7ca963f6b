//! How a batch is written down. Pure: no disk, no clock.
//!
//! A body is a format number and the batch in bincode. Its digest covers the batch's position, the digest of
//! the batch before and the body: so a digest is a checksum of content and key, and the digests are a chain
//! in which nothing can be changed, left out or put elsewhere unseen.

mod digest;

use crate::entry::Batch;
use crate::records::encoding::{decode_first, encode_behind};
use crate::records::v3;

pub use digest::{DIGEST_BYTES, Digest, LogBase};

/// Number of the encoding that is written. Raised whenever a golden byte in the tests would change, or what came before
/// could not read it.
pub const FORMAT: u8 = 3;

/// The first encoding, whose batches mean the same in this one.
const FIRST_FORMAT: u8 = 1;

/// Largest body of a batch, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// What can be wrong with a stored batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Content, place or what stands before it is not what was written.
    #[error("its digest does not match its content")]
    Digest,
    /// Written by a version of this program that knows more.
    #[error("it has format {0}, this program knows formats up to {FORMAT}")]
    Unknown(u8),
    /// The digest is right and the content still makes no sense.
    #[error("its content cannot be read")]
    Malformed,
    /// Larger than [`MAX_BODY_BYTES`].
    #[error("it is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
}

/// Entries that memory is taken for at once when a batch is read.
const ENTRIES_AT_ONCE: usize = 1_024;

/// Writes a batch behind what is in `body`.
pub fn encode(batch: &Batch, body: &mut Vec<u8>) -> Result<(), FormatError> {
    let start = body.len();
    body.push(FORMAT);
    encode_behind(body, &v3::Timestamp::from(batch.timestamp));
    encode_behind(body, &(batch.entries.len() as u64));
    for entry in &batch.entries {
        encode_behind(body, &v3::entry::Entry::from(entry));
        if body.len() - start > MAX_BODY_BYTES {
            body.truncate(start);
            return Err(FormatError::TooLarge);
        }
    }
    Ok(())
}

/// Reads a body whose digest was checked.
pub fn decode(body: &[u8]) -> Result<Batch, FormatError> {
    let (&format, content) = body.split_first().ok_or(FormatError::Malformed)?;
    if !(FIRST_FORMAT..=FORMAT).contains(&format) {
        return Err(FormatError::Unknown(format));
    }
    if content.len() > MAX_BODY_BYTES {
        return Err(FormatError::TooLarge);
    }
    read(content).ok_or(FormatError::Malformed)
}

fn read(mut content: &[u8]) -> Option<Batch> {
    let timestamp: v3::Timestamp = decode_first(&mut content)?;
    let count: u64 = decode_first(&mut content)?;
    let count = usize::try_from(count).ok()?;
    let mut entries = Vec::with_capacity(count.min(ENTRIES_AT_ONCE));
    for _ in 0..count {
        let entry: v3::entry::Entry<'_> = decode_first(&mut content)?;
        entries.push(entry.read()?);
    }
    content.is_empty().then_some(Batch {
        timestamp: timestamp.into(),
        entries,
    })
}

#[cfg(test)]
mod tests;
