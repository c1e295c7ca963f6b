//! How a batch is written down. Pure: no disk, no clock.
//!
//! A body is a format number and the batch in bincode. Its digest covers the batch's position, the digest of
//! the batch before and the body: so a digest is a checksum of content and key, and the digests are a chain
//! in which nothing can be changed, left out or put elsewhere unseen.

mod digest;

use crate::entry::Batch;
use crate::records::batch::{BatchHead, KnownFormats, decode_batch, encode_batch};
use crate::records::{self, OLDEST};

pub use digest::{DIGEST_BYTES, Digest, LogBase};

/// Number of the newest format that is read. A batch is written in the lowest, from 4 on, that expresses it.
pub const FORMAT: u8 = records::FORMAT;

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

/// Writes a batch behind what is in `body`.
pub fn encode(batch: &Batch, body: &mut Vec<u8>) -> Result<(), FormatError> {
    let head = BatchHead {
        timestamp: batch.timestamp,
        origin: batch.origin,
    };
    match encode_batch::<KnownFormats>(body, head, &batch.entries, MAX_BODY_BYTES) {
        true => Ok(()),
        false => Err(FormatError::TooLarge),
    }
}

/// Reads a body whose digest was checked.
pub fn decode(body: &[u8]) -> Result<Batch, FormatError> {
    let (&format, content) = body.split_first().ok_or(FormatError::Malformed)?;
    if !(OLDEST..=FORMAT).contains(&format) {
        return Err(FormatError::Unknown(format));
    }
    if content.len() > MAX_BODY_BYTES {
        return Err(FormatError::TooLarge);
    }
    let (head, entries) =
        decode_batch::<KnownFormats>(format, content).ok_or(FormatError::Malformed)?;
    Ok(Batch {
        timestamp: head.timestamp,
        origin: head.origin,
        entries,
    })
}

#[cfg(test)]
mod tests;
