//! Frames: a length, then that many bytes. Pure: bytes in, frames out, no sockets.
//!
//! The only module of this crate that knows bincode. The encoding of every type is pinned by golden bytes in the tests,
//! because bincode is complete but no longer maintained.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// Largest payload of a frame, in bytes; a peer that announces more is cut off before anything is allocated.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;

const LENGTH_BYTES: usize = 4;

/// Buffers that grew larger than this are given back once they are empty.
const KEPT_BUFFER_BYTES: usize = 256 * 1024;

const fn encoding() -> Configuration<LittleEndian, Varint, Limit<MAX_FRAME_BYTES>> {
    bincode::config::standard().with_limit::<MAX_FRAME_BYTES>()
}

/// What can be wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME_BYTES`].
    #[error("a frame of {0} bytes is over the limit of {MAX_FRAME_BYTES}")]
    TooLong(usize),
    /// A frame without content.
    #[error("an empty frame")]
    Empty,
    /// The content is not what was expected.
    #[error("the content of a frame cannot be read")]
    Malformed,
    /// Something that should have been encoded is larger than a frame may be.
    #[error("an item is too large for a frame")]
    TooLargeToEncode,
}

/// One value as a payload of its own.
pub(super) fn encode_one<T: Serialize>(value: &T) -> Result<Vec<u8>, FrameError> {
    bincode::serde::encode_to_vec(value, encoding()).map_err(|_| FrameError::TooLargeToEncode)
}

/// A payload that holds exactly one value.
pub(super) fn decode_one<'de, T: Deserialize<'de>>(payload: &'de [u8]) -> Result<T, FrameError> {
    let (value, consumed) = bincode::serde::borrow_decode_from_slice(payload, encoding())
        .map_err(|_| FrameError::Malformed)?;
    if consumed == payload.len() {
        Ok(value)
    } else {
        Err(FrameError::Malformed)
    }
}

/// The items of a frame, in order. The first that cannot be read ends the iteration with an error.
pub fn decode_items<'de, T: Deserialize<'de>>(
    payload: &'de [u8],
) -> impl Iterator<Item = Result<T, FrameError>> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        match bincode::serde::borrow_decode_from_slice(rest, encoding()) {
            Ok((item, consumed)) if consumed > 0 => {
                rest = &rest[consumed..];
                Some(Ok(item))
            }
            _ => {
                rest = &[];
                Some(Err(FrameError::Malformed))
            }
        }
    })
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

/// Collects what is to be written to a peer: items gather in frames, frames in one buffer.
#[derive(Debug, Default)]
pub struct FrameWriter {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were written to the peer already.
    written: usize,
    /// Where the length of the frame stands that items are still added to.
    open_frame: Option<usize>,
    /// A password is in it, and it is to be wiped once it is written.
    holds_secret: bool,
}

/// A frame is closed once it holds this much, so that the peer can begin with it.
const FRAME_TARGET_BYTES: usize = 256 * 1024;

impl FrameWriter {
    /// Adds an item to the frame that is being filled. On an error the item is left out, all else stands.
    pub fn push<T: Serialize>(&mut self, item: &T) -> Result<(), FrameError> {
        let start = match self.open_frame {
            Some(start) if self.buffer.len() - start < FRAME_TARGET_BYTES => start,
            _ => {
                self.close_frame();
                let start = self.buffer.len();
                self.buffer.extend_from_slice(&[0; LENGTH_BYTES]);
                start
            }
        };
        let before = self.buffer.len();
        let result = bincode::serde::encode_into_writer(item, Behind(&mut self.buffer), encoding());
        let payload_bytes = self.buffer.len() - start - LENGTH_BYTES;
        if result.is_err() || payload_bytes > MAX_FRAME_BYTES {
            self.buffer.truncate(before);
            if before == start + LENGTH_BYTES {
                self.buffer.truncate(start);
                self.open_frame = None;
            } else {
                self.open_frame = Some(start);
            }
            return Err(FrameError::TooLargeToEncode);
        }
        self.open_frame = Some(start);
        Ok(())
    }

    /// Adds a payload as a frame of its own.
    pub fn push_frame(&mut self, payload: &[u8]) {
        self.close_frame();
        self.buffer
            .extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(payload);
    }

    /// Says that what was added holds a password: it is wiped from memory once all is written.
    pub fn wipe_when_written(&mut self) {
        self.holds_secret = true;
    }

    fn close_frame(&mut self) {
        if let Some(start) = self.open_frame.take() {
            let payload_bytes = (self.buffer.len() - start - LENGTH_BYTES) as u32;
            self.buffer[start..start + LENGTH_BYTES].copy_from_slice(&payload_bytes.to_le_bytes());
        }
    }

    /// What is to be written to the peer now; closes the frame that was being filled.
    pub fn pending(&mut self) -> &[u8] {
        self.close_frame();
        &self.buffer[self.written..]
    }

    /// How many bytes wait to be written.
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len() - self.written
    }

    /// Says that so many bytes of [`FrameWriter::pending`] were written.
    pub fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written == self.buffer.len() {
            self.written = 0;
            if std::mem::take(&mut self.holds_secret) {
                self.buffer.zeroize();
            }
            if self.buffer.capacity() > KEPT_BUFFER_BYTES {
                self.buffer = Vec::new();
            } else {
                self.buffer.clear();
            }
        } else if self.written > KEPT_BUFFER_BYTES && self.open_frame.is_none() {
            self.buffer.drain(..self.written);
            self.written = 0;
        }
    }
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct FrameReader {
    /// Longer than what came, so that room that was made once need not be made, and so filled, again.
    buffer: Vec<u8>,
    /// Bytes of `buffer` that came.
    filled: usize,
    /// Of these, bytes that belong to frames already given out.
    consumed: usize,
}

impl FrameReader {
    /// What [`FrameReader::read_from`] asks for at least. If fewer bytes come, there were no more.
    pub const READ_BYTES: usize = 64 * 1024;

    /// Adds bytes that came from the peer.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.room_for(bytes.len()).copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    /// Reads once from a peer, straight into the buffer; returns how many bytes came, 0 at the end.
    pub fn read_from(&mut self, peer: &mut impl std::io::Read) -> std::io::Result<usize> {
        let wanted = self
            .missing_bytes()
            .clamp(Self::READ_BYTES, MAX_FRAME_BYTES);
        let bytes = peer.read(self.room_for(wanted))?;
        self.filled += bytes;
        Ok(bytes)
    }

    /// Room for so many bytes behind what came.
    fn room_for(&mut self, bytes: usize) -> &mut [u8] {
        self.compact();
        let end = self.filled + bytes;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        &mut self.buffer[self.filled..end]
    }

    /// The payload of the next whole frame, if it is there.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let rest = &self.buffer[self.consumed..self.filled];
        let Some((length, body)) = rest.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(length));
        }
        if length == 0 {
            return Err(FrameError::Empty);
        }
        if body.len() < length {
            return Ok(None);
        }
        let start = self.consumed + LENGTH_BYTES;
        self.consumed = start + length;
        Ok(Some(&self.buffer[start..start + length]))
    }

    /// Wipes the frames that were given out from memory: a password was in them.
    pub fn wipe_given_out(&mut self) {
        self.buffer[..self.consumed].zeroize();
    }

    /// Whether the stream stopped in the middle of a frame.
    pub fn is_mid_frame(&self) -> bool {
        self.consumed < self.filled
    }

    fn missing_bytes(&self) -> usize {
        let rest = &self.buffer[self.consumed..self.filled];
        rest.split_first_chunk::<LENGTH_BYTES>()
            .map_or(0, |(length, body)| {
                (u32::from_le_bytes(*length) as usize).saturating_sub(body.len())
            })
    }

    fn compact(&mut self) {
        if self.consumed == 0 {
            return;
        }
        let moved = self.consumed..self.filled;
        self.buffer.copy_within(moved.clone(), 0);
        self.filled = moved.len();
        self.consumed = 0;
        // A part of a frame may be one of a password.
        self.buffer[moved.start.max(self.filled)..moved.end].zeroize();
        if self.filled == 0 && self.buffer.len() > KEPT_BUFFER_BYTES {
            self.buffer = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_buffers_are_wiped() {
        let mut writer = FrameWriter::default();
        writer.push_frame(b"password");
        writer.wipe_when_written();
        let mut reader = FrameReader::default();
        reader.extend(writer.pending());
        reader.extend(b"\x05\0");
        assert_eq!(reader.next_frame().unwrap().unwrap(), b"password");
        reader.wipe_given_out();
        assert!(reader.buffer[..12].iter().all(|byte| *byte == 0));
        reader.extend(b"\0\0after");
        assert!(reader.buffer[9..].iter().all(|byte| *byte == 0));
        assert_eq!(reader.next_frame().unwrap().unwrap(), b"after");
        writer.advance(5);
        assert_eq!(writer.pending(), b"assword");
        writer.advance(7);
        assert_eq!((writer.pending_bytes(), writer.holds_secret), (0, false));
        writer.push_frame(b"x");
        assert_eq!(writer.pending(), b"\x01\0\0\0x");
    }
}
