//! The texts of messages: who sent them to whom, which one it is, and a checksum over that.

use std::io::Write;

use chat_line_protocol::client::number;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The shortest text: sender, sequence number, checksum, a space between.
pub const MIN_TEXT_BYTES: usize = SENDER_DIGITS + SEQUENCE_DIGITS + CHECKSUM_DIGITS + 2;

const SENDER_DIGITS: usize = 6;
const SEQUENCE_DIGITS: usize = 10;
const CHECKSUM_DIGITS: usize = 16;

/// How the texts of one run are written and recognised.
#[derive(Clone, Copy, Debug)]
pub struct Payload {
    seed: u64,
    text_bytes: usize,
}

/// Which message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Number of the sender, below a million.
    pub sender: u32,
    /// Number of the reader.
    pub reader: u32,
    /// Counted by the sender, from 0.
    pub sequence: u32,
}

impl Payload {
    /// Texts of `text_bytes` bytes, or [`MIN_TEXT_BYTES`] if that is more; those of another seed are not recognised.
    pub fn new(seed: u64, text_bytes: usize) -> Self {
        Self {
            seed,
            text_bytes: text_bytes.max(MIN_TEXT_BYTES),
        }
    }

    /// Appends the text of a message.
    pub fn append(&self, buffer: &mut Vec<u8>, label: Label) {
        let checksum = self.checksum(label);
        let Label {
            sender, sequence, ..
        } = label;
        let start = buffer.len();
        // Writing to a vector cannot fail.
        let _ = write!(buffer, "{sender:06} {sequence:010} {checksum:016x}");
        buffer.resize(start + self.text_bytes, b'.');
    }

    /// Which message a reader was sent, if this is one of this run, unharmed and meant for this reader.
    pub fn recognise(&self, text: &[u8], reader: u32) -> Option<Label> {
        if text.len() != self.text_bytes {
            return None;
        }
        let (sender, rest) = text.split_at(SENDER_DIGITS);
        let (sequence, rest) = rest.strip_prefix(b" ")?.split_at(SEQUENCE_DIGITS);
        let (checksum, padding) = rest.strip_prefix(b" ")?.split_at(CHECKSUM_DIGITS);
        let label = Label {
            sender: number(sender)?.try_into().ok()?,
            reader,
            sequence: number(sequence)?.try_into().ok()?,
        };
        let mut expected = [0_u8; CHECKSUM_DIGITS];
        write!(&mut expected[..], "{:016x}", self.checksum(label)).ok()?;
        (checksum == expected && padding.iter().all(|byte| *byte == b'.')).then_some(label)
    }

    fn checksum(&self, label: Label) -> u64 {
        let mut bytes = [0_u8; 12];
        bytes[..4].copy_from_slice(&label.sender.to_le_bytes());
        bytes[4..8].copy_from_slice(&label.reader.to_le_bytes());
        bytes[8..].copy_from_slice(&label.sequence.to_le_bytes());
        xxh3_64_with_seed(&bytes, self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = Label {
        sender: 7,
        reader: 8,
        sequence: 123,
    };

    #[test]
    fn text_is_recognised_by_its_reader_only() {
        let payload = Payload::new(1, 64);
        let mut text = Vec::new();
        payload.append(&mut text, LABEL);
        assert_eq!(text.len(), 64);
        assert_eq!(payload.recognise(&text, 8), Some(LABEL));
        assert_eq!(payload.recognise(&text, 9), None);
        assert_eq!(Payload::new(2, 64).recognise(&text, 8), None);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let payload = Payload::new(1, 40);
        let mut text = Vec::new();
        payload.append(&mut text, LABEL);
        for position in 0..text.len() {
            let mut changed = text.clone();
            changed[position] ^= 1;
            assert_eq!(payload.recognise(&changed, 8), None, "{position}");
            assert_eq!(payload.recognise(&text[..position], 8), None);
        }
    }
}
