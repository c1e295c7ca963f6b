//! How records and the header of a checkpoint are written down. Pure.

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::journal::LogIndex;
use crate::records;

/// Number of the format that is written: that of the records. Rows and header have been the same since the first.
pub(super) const FORMAT: i32 = records::FORMAT as i32;

/// The oldest that is read.
pub(super) const FIRST_FORMAT: i32 = records::OLDEST as i32;

const HEADER_BYTES: usize = 4 * 8 + 16;

/// Checksum of a row: over where it belongs and what it holds. A row without content says that the record
/// was removed.
pub(super) fn row_checksum(table: u8, key: u64, generation: u64, value: Option<&[u8]>) -> u64 {
    let mut place = [0; 18];
    place[0] = table;
    place[1] = u8::from(value.is_some());
    place[2..10].copy_from_slice(&key.to_le_bytes());
    place[10..].copy_from_slice(&generation.to_le_bytes());
    let mut hasher = Xxh3::new();
    hasher.update(&place);
    hasher.update(value.unwrap_or_default());
    hasher.digest()
}

/// What is current, and what has to be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Counts checkpoints. Of the rows of one record, that with the highest generation not above this one holds.
    pub(super) generation: u64,
    /// The last batch whose effects are in the records.
    pub(super) position: LogIndex,
    /// How many records there are.
    pub(super) records: u64,
    /// Their checksums, added up modulo 2^64, so that neither order nor what did not change matters.
    pub(super) sum: u64,
}

impl Header {
    /// As it is stored: the fields, then a checksum over them.
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let fields = [self.generation, self.position.0, self.records, self.sum];
        let mut bytes = [0; HEADER_BYTES];
        for (slot, field) in bytes.chunks_exact_mut(8).zip(fields) {
            slot.copy_from_slice(&field.to_le_bytes());
        }
        let checksum = xxh3_128(&bytes[..32]).to_le_bytes();
        bytes[32..].copy_from_slice(&checksum);
        bytes
    }

    /// As it was stored, or nothing if its checksum is wrong.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let field = |index: usize| {
            let bytes = bytes.get(index * 8..)?.first_chunk()?;
            Some(u64::from_le_bytes(*bytes))
        };
        let header = Self {
            generation: field(0)?,
            position: LogIndex(field(1)?),
            records: field(2)?,
            sum: field(3)?,
        };
        (header.encode() == bytes).then_some(header)
    }

    pub(super) fn add(&mut self, checksum: u64) {
        self.records += 1;
        self.sum = self.sum.wrapping_add(checksum);
    }

    pub(super) fn remove(&mut self, checksum: u64) {
        self.records = self.records.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(checksum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let header = Header {
            generation: 1,
            position: LogIndex(2),
            records: 3,
            sum: 4,
        };
        let bytes = header.encode();
        let fields = [1, 2, 3, 4].map(|field: u64| field.to_le_bytes());
        assert_eq!(bytes[..32], *fields.as_flattened());
        assert_eq!(Header::decode(&bytes), Some(header));
        let checksum = 0x93e0_8544_0feb_4ed7_3349_1ce3_a4ec_fabd_u128;
        assert_eq!(bytes[32..], checksum.to_le_bytes());
        assert_eq!(row_checksum(1, 2, 3, Some(b"text")), 0x5ffa76bb184362b2);
        assert_eq!(row_checksum(1, 2, 3, Some(b"")), 0xf8b7f5a8490a4cbb);
        assert_eq!(row_checksum(1, 2, 3, None), 0x04e13c896148999d);
    }

    #[test]
    fn flipped_bit_of_header_is_noticed() {
        let bytes = Header::default().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&flipped), None, "bit {bit}");
        }
        assert_eq!(Header::decode(&bytes[..bytes.len() - 1]), None);
    }
}
