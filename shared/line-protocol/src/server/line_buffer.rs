//! Cutting what a client sends into lines.

use std::ops::Range;

use chat_model::StreamOffset;
use memchr::{memchr, memmem};
use zeroize::Zeroize;

/// How telnet ends a line in which each key is sent at once (RFC 854).
const TELNET_END: &[u8] = b"\r\0";

/// A piece of a client's stream that is to be answered; [`LineBuffer::content`] has what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it lies in the buffer, without its end; of a line over the limit, as much as came before the limit.
    content: Range<usize>,
    /// How many bytes the client had sent when it was complete, or over the limit.
    pub end: StreamOffset,
    /// Over the limit; what is left of it is skipped.
    pub is_too_long: bool,
}

/// Holds what has come of a client's stream and was not taken as a line yet.
#[derive(Debug)]
pub struct LineBuffer {
    max_line_bytes: usize,
    bytes: Vec<u8>,
    /// How much of `bytes` was taken already.
    taken: usize,
    /// How much after `taken` is known to have no line end.
    searched: usize,
    /// How many bytes of the stream were taken.
    stream_taken: u64,
    /// In the middle of a line over the limit.
    is_skipping: bool,
    /// What comes may be a password: nothing of it stays in memory that is given back.
    has_secrets: bool,
}

impl LineBuffer {
    /// The beginning of a stream, which may hold passwords. A line has at most so many bytes, its end included.
    pub fn new(max_line_bytes: usize) -> Self {
        Self {
            max_line_bytes,
            bytes: Vec::new(),
            taken: 0,
            searched: 0,
            stream_taken: 0,
            is_skipping: false,
            has_secrets: true,
        }
    }

    /// Where a stream stands of which so much came and was taken, and that holds no more passwords.
    pub fn at(position: StreamOffset, max_line_bytes: usize) -> Self {
        let mut buffer = Self::new(max_line_bytes);
        buffer.stream_taken = position.0;
        buffer.has_secrets = false;
        buffer
    }

    /// Whether nothing came that was not taken, a new line begins, and it is no password.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.is_skipping && !self.has_secrets
    }

    /// Whether what comes from here on may be a password. No line that was given out is of use after this.
    pub fn keeps_secrets(&mut self, has_secrets: bool) {
        if self.has_secrets && !has_secrets {
            self.wipe_spare();
        }
        self.has_secrets = has_secrets;
    }

    /// Adds bytes that came. No line that was given out is of use after this.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        if self.has_secrets && self.bytes.capacity() - self.bytes.len() < bytes.len() {
            // Growing by itself, it would leave a copy where it was.
            let mut grown =
                Vec::with_capacity((self.bytes.len() + bytes.len()).next_power_of_two());
            grown.extend_from_slice(&self.bytes);
            std::mem::replace(&mut self.bytes, grown).zeroize();
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Wipes what was taken, and what lies behind what is there.
    fn wipe_spare(&mut self) {
        let rest = self.bytes[self.taken..].to_vec();
        std::mem::replace(&mut self.bytes, rest).zeroize();
        self.taken = 0;
    }

    /// How many bytes have come, taken or not.
    pub fn stream_total(&self) -> u64 {
        self.stream_taken + (self.bytes.len() - self.taken) as u64
    }

    /// Whether nothing of what came can be a line: only then is it time for more, or the buffer would grow.
    pub fn needs_more(&self) -> bool {
        self.taken + self.searched == self.bytes.len()
    }

    /// Bytes that are held.
    pub fn held_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The next line, if it is complete or over the limit.
    pub fn next_line(&mut self) -> Option<Line> {
        if self.is_skipping && !self.skip_to_line_end() {
            return None;
        }
        let rest = &self.bytes[self.taken..];
        let end = memchr(b'\n', &rest[self.searched..]).map(|at| self.searched + at);
        match end {
            Some(at) if at < self.max_line_bytes => {
                let content = &rest[..at];
                let content_bytes = content.strip_suffix(b"\r").unwrap_or(content).len();
                Some(self.take(content_bytes, at + 1, false))
            }
            _ if rest.len() >= self.max_line_bytes => {
                self.is_skipping = true;
                Some(self.take(self.max_line_bytes, self.max_line_bytes, true))
            }
            _ => {
                self.searched = rest.len();
                self.give_back_memory();
                None
            }
        }
    }

    /// Takes out a line that is ended by CR NUL instead of LF, if one is the next; whether it was.
    pub fn skip_telnet_line(&mut self) -> bool {
        if self.is_skipping {
            return false;
        }
        let rest = &self.bytes[self.taken..];
        let line = &rest[..rest.len().min(self.max_line_bytes)];
        let line = &line[..memchr(b'\n', line).unwrap_or(line.len())];
        let end = memmem::find(line, TELNET_END);
        if let Some(at) = end {
            self.consume(at + TELNET_END.len());
        }
        end.is_some()
    }

    /// What a line says, for as long as no other was asked for and nothing was added.
    pub fn content(&self, line: &Line) -> &[u8] {
        &self.bytes[line.content.clone()]
    }

    fn take(&mut self, content_bytes: usize, length: usize, is_too_long: bool) -> Line {
        let content = self.taken..self.taken + content_bytes;
        self.consume(length);
        Line {
            content,
            end: StreamOffset(self.stream_taken),
            is_too_long,
        }
    }

    fn consume(&mut self, length: usize) {
        self.taken += length;
        self.stream_taken += length as u64;
        self.searched = 0;
    }

    /// Skips what is there of a line over the limit; whether its end was found.
    fn skip_to_line_end(&mut self) -> bool {
        let rest = &self.bytes[self.taken..];
        match memchr(b'\n', rest) {
            Some(at) => {
                self.consume(at + 1);
                self.is_skipping = false;
                true
            }
            None => {
                self.consume(rest.len());
                self.give_back_memory();
                false
            }
        }
    }

    fn give_back_memory(&mut self) {
        if self.taken == self.bytes.len() {
            let mut given_back = std::mem::take(&mut self.bytes);
            if self.has_secrets {
                given_back.zeroize();
            }
            self.taken = 0;
        }
    }
}

impl Drop for LineBuffer {
    fn drop(&mut self) {
        if self.has_secrets {
            self.bytes.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<(String, u64, bool)> {
        let mut buffer = LineBuffer::new(8);
        let mut lines = Vec::new();
        for chunk in chunks {
            buffer.extend(chunk);
            while let Some(line) = buffer.next_line() {
                let text = String::from_utf8_lossy(buffer.content(&line)).into_owned();
                lines.push((text, line.end.0, line.is_too_long));
            }
        }
        lines
    }

    fn byte_by_byte(stream: &[u8]) -> Vec<(String, u64, bool)> {
        lines(&stream.chunks(1).collect::<Vec<_>>())
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let stream = b"one\r\n\ntwo\r\r\n1234567\n12345678\n123456789012345\nlast\nunfini";
        let whole = lines(&[stream]);
        assert_eq!(
            whole,
            [
                ("one".into(), 5, false),
                ("".into(), 6, false),
                ("two\r".into(), 12, false),
                ("1234567".into(), 20, false),
                ("12345678".into(), 28, true),
                ("12345678".into(), 37, true),
                ("last".into(), 50, false),
            ]
        );
        assert_eq!(byte_by_byte(stream), whole);
        for cut in 0..stream.len() {
            assert_eq!(lines(&[&stream[..cut], &stream[cut..]]), whole);
        }
    }

    #[test]
    fn telnet_line_is_removed_however_it_comes() {
        let stream = b"one\r\0two\r\0three\nfour\r\0";
        for size in 1..stream.len() {
            let (mut buffer, mut skipped, mut said) = (LineBuffer::new(8), 0, Vec::new());
            for piece in stream.chunks(size) {
                buffer.extend(piece);
                loop {
                    if buffer.skip_telnet_line() {
                        skipped += 1;
                    } else if let Some(line) = buffer.next_line() {
                        said.push((buffer.content(&line).to_vec(), line.end.0));
                    } else {
                        break;
                    }
                }
            }
            assert_eq!(skipped, 3, "{size}");
            assert_eq!(said, [(b"three".to_vec(), 16)], "{size}");
        }
        let mut long = LineBuffer::new(8);
        long.extend(b"123456789\r\0x");
        assert!(!long.skip_telnet_line());
        assert!(long.next_line().is_some_and(|line| line.is_too_long));
        assert!(!long.skip_telnet_line());
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut buffer = LineBuffer::new(8);
        for _ in 0..1_000 {
            buffer.extend(&[b'x'; 1_000]);
            while buffer.next_line().is_some() {}
            assert!(buffer.bytes.capacity() <= 1_000);
        }
        assert_eq!(buffer.stream_total(), 1_000_000);
    }

    #[test]
    fn secret_lines_stay_whole() {
        let mut buffer = LineBuffer::new(64);
        let mut seen = Vec::new();
        for (index, byte) in b"name\npassword\nwho\nrest".chunks(3).enumerate() {
            buffer.extend(byte);
            while let Some(line) = buffer.next_line() {
                seen.push(buffer.content(&line).to_vec());
            }
            if index == 5 {
                buffer.keeps_secrets(false);
                assert!(buffer.taken == 0 && buffer.bytes.capacity() == buffer.bytes.len());
            }
        }
        assert_eq!(
            seen,
            [b"name".to_vec(), b"password".to_vec(), b"who".to_vec()]
        );
        assert_eq!(&buffer.bytes[buffer.taken..], b"rest");
    }
}
