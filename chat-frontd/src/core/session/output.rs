//! What is to be written to a client.

/// A buffer that exists only while it holds bytes, and knows where it is in the whole output stream.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// How much of `bytes` the kernel has taken.
    written: usize,
    /// How much of the stream the kernel had taken before `bytes`.
    before: u64,
    /// How much the last buffer came to hold: the next one is made for as much at once.
    usual_bytes: u32,
}

/// A buffer is moved together when so much of it was written.
const COMPACT_BYTES: usize = 64 * 1024;
/// A buffer is made for at most so much at once.
const MAX_USUAL_BYTES: usize = 16 * 1024;

impl Output {
    /// Where a stream stands of which so much was written.
    pub(crate) fn at(position: u64, usual_bytes: u32) -> Self {
        Self {
            before: position,
            usual_bytes,
            ..Self::default()
        }
    }

    /// Whether it holds nothing, written or not.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn usual_bytes(&self) -> u32 {
        self.usual_bytes
    }

    /// Adds a line, and its end.
    pub(crate) fn line(&mut self, line: &str) {
        let buffer = self.buffer();
        buffer.extend_from_slice(line.as_bytes());
        buffer.push(b'\n');
    }

    /// Where more is added.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(self.usual_bytes as usize);
        }
        &mut self.bytes
    }

    /// What waits to be written.
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Bytes that are held.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The kernel has taken so many bytes of [`Output::pending`].
    pub fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written == self.bytes.len() {
            self.before += self.written as u64;
            self.usual_bytes = self.written.min(MAX_USUAL_BYTES) as u32;
            self.written = 0;
            self.bytes = Vec::new();
        } else if self.written >= COMPACT_BYTES {
            self.before += self.written as u64;
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }

    /// Length of the stream so far, written or not.
    pub(crate) fn end_position(&self) -> u64 {
        self.before + self.bytes.len() as u64
    }

    /// How much of the stream the kernel has taken.
    pub(crate) fn written_position(&self) -> u64 {
        self.before + self.written as u64
    }
}
