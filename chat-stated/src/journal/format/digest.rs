//! What makes the batches of a journal a chain.

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::journal::LogIndex;

/// Bytes of a digest.
pub const DIGEST_BYTES: usize = 16;

/// Bytes of an encoded [`LogBase`].
const LOG_BASE_BYTES: usize = 8 + DIGEST_BYTES + 16;

/// Digest of a stored batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; DIGEST_BYTES]);

impl Digest {
    /// What stands before the first batch of a new journal.
    pub const START: Self = Self(*b"chatserv journal");

    /// The digest of a body in its place.
    pub fn of(position: LogIndex, previous: Digest, body: &[u8]) -> Self {
        let mut hasher = Xxh3::new();
        hasher.update(&position.0.to_le_bytes());
        hasher.update(&previous.0);
        hasher.update(body);
        Self(hasher.digest128().to_le_bytes())
    }

    /// As it is stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As it was stored; anything but [`DIGEST_BYTES`] bytes is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }
}

/// The last batch that was forgotten: what the first stored one follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBase {
    /// Its place.
    pub position: LogIndex,
    /// Its digest.
    pub digest: Digest,
}

impl LogBase {
    /// Whether the journal was begun in place of one that is gone, behind the checkpoint at this position.
    pub fn begins_anew_after(&self, checkpoint: LogIndex) -> bool {
        checkpoint > LogIndex(0) && self.position == checkpoint && self.digest == Digest::START
    }

    /// As it is stored: position, digest, checksum over both.
    pub fn encode(&self) -> [u8; LOG_BASE_BYTES] {
        let mut bytes = [0; LOG_BASE_BYTES];
        bytes[..8].copy_from_slice(&self.position.0.to_le_bytes());
        bytes[8..24].copy_from_slice(&self.digest.0);
        let checksum = xxh3_128(&bytes[..24]).to_le_bytes();
        bytes[24..].copy_from_slice(&checksum);
        bytes
    }

    /// As it was stored, or nothing if its checksum is wrong.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (position, rest) = bytes.split_first_chunk::<8>()?;
        let (digest, _) = rest.split_first_chunk::<DIGEST_BYTES>()?;
        let log_base = Self {
            position: LogIndex(u64::from_le_bytes(*position)),
            digest: Digest(*digest),
        };
        (log_base.encode() == bytes).then_some(log_base)
    }
}
