//! What is to be written to a client.

use std::sync::Arc;

use crate::core::list_line::ListLine;

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
    /// Stands somewhere between `bytes`.
    list: Option<Box<ListInOutput>>,
}

/// A list that other clients may have in their outputs, too.
#[derive(Debug)]
struct ListInOutput {
    list: Arc<ListLine>,
    /// So many of the output's own bytes come before it.
    at: usize,
    /// How much of it the kernel has taken.
    written: usize,
}

/// A buffer is moved together when so much of it was written.
const COMPACT_BYTES: usize = 64 * 1024;
/// A buffer is made for at most so much at once.
const MAX_USUAL_BYTES: usize = 16 * 1024;
/// A list that is no longer than this is copied.
const MAX_COPIED_LIST_BYTES: usize = 4 * 1024;

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
        self.bytes.is_empty() && self.list.is_none()
    }

    pub(crate) fn usual_bytes(&self) -> u32 {
        self.usual_bytes
    }

    /// Adds a line, and its end.
    #[cfg(test)]
    pub(crate) fn line(&mut self, line: &str) {
        let buffer = self.buffer();
        buffer.extend_from_slice(line.as_bytes());
        buffer.push(b'\n');
    }

    /// Adds a line of names.
    pub(crate) fn list(&mut self, list: Arc<ListLine>) {
        if list.line().len() <= MAX_COPIED_LIST_BYTES || self.list.is_some() {
            return self.buffer().extend_from_slice(list.line());
        }
        self.list = Some(Box::new(ListInOutput {
            list,
            at: self.bytes.len(),
            written: 0,
        }));
    }

    /// Whether a list waits to be written.
    pub(crate) fn holds_list(&self) -> bool {
        self.list.is_some()
    }

    /// What the list takes up, divided among all who hold it.
    pub(crate) fn list_share_bytes(&self) -> usize {
        self.list.as_ref().map_or(0, |held| {
            held.list.line().len() / Arc::strong_count(&held.list)
        })
    }

    /// Where more is added.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(self.usual_bytes as usize);
        }
        &mut self.bytes
    }

    /// What waits to be written next; empty only if nothing waits.
    pub fn pending(&self) -> &[u8] {
        match &self.list {
            Some(held) if self.written < held.at => &self.bytes[self.written..held.at],
            Some(held) => &held.list.line()[held.written..],
            None => &self.bytes[self.written..],
        }
    }

    /// How much waits to be written.
    pub fn pending_bytes(&self) -> usize {
        let list_bytes = |held: &ListInOutput| held.list.line().len() - held.written;
        self.bytes.len() - self.written + self.list.as_deref().map_or(0, list_bytes)
    }

    /// Bytes that are held for this client alone.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The kernel has taken so many bytes of [`Output::pending`].
    pub fn advance(&mut self, bytes: usize) {
        if let Some(held) = &mut self.list
            && self.written == held.at
        {
            held.written += bytes;
            if held.written == held.list.line().len() {
                self.before += held.written as u64;
                self.list = None;
            }
        } else {
            self.written += bytes;
        }
        if self.written == self.bytes.len() && self.list.is_none() {
            self.before += self.written as u64;
            self.usual_bytes = self.written.min(MAX_USUAL_BYTES) as u32;
            self.written = 0;
            self.bytes = Vec::new();
        } else if self.written >= COMPACT_BYTES {
            self.before += self.written as u64;
            self.bytes.drain(..self.written);
            if let Some(held) = &mut self.list {
                held.at -= self.written;
            }
            self.written = 0;
        }
    }

    /// Length of the stream so far, written or not.
    pub(crate) fn end_position(&self) -> u64 {
        let list = self.list.as_ref();
        let list_bytes = list.map_or(0, |held| held.list.line().len());
        self.before + (self.bytes.len() + list_bytes) as u64
    }

    /// How much of the stream the kernel has taken.
    pub(crate) fn written_position(&self) -> u64 {
        let list_bytes = self.list.as_ref().map_or(0, |held| held.written);
        self.before + (self.written + list_bytes) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::core::list_line::HeldLists;

    fn line_of(names: &str) -> Vec<u8> {
        [names.as_bytes(), b"\n"].concat()
    }

    /// Writes all that waits, so many bytes at a time; gives what was written.
    fn write_all(output: &mut Output, at_once: usize) -> Vec<u8> {
        let mut written = Vec::new();
        while output.pending_bytes() > 0 {
            let before = output.written_position();
            let bytes = output.pending().len().min(at_once);
            written.extend_from_slice(&output.pending()[..bytes]);
            output.advance(bytes);
            assert_eq!(output.written_position(), before + bytes as u64);
        }
        assert!(output.pending().is_empty());
        written
    }

    #[test]
    fn long_list_keeps_its_place() {
        let held = HeldLists::default();
        let names = "n".repeat(100_000);
        let list = ListLine::new(line_of(&names), &held);
        for (lines_before, at_once) in [(0, 7_000), (1, 1), (10_000, 90_000), (1, usize::MAX)] {
            let mut output = Output::at(5, 0);
            for _ in 0..lines_before {
                output.line("before before");
            }
            output.list(Arc::clone(&list));
            assert_eq!(output.held_bytes(), lines_before * 14);
            assert!(output.holds_list());
            output.line("behind");
            let expected = [
                "before before\n".repeat(lines_before),
                names.clone(),
                "\nbehind\n".to_owned(),
            ];
            let expected = expected.concat();
            assert_eq!(output.pending_bytes(), expected.len());
            assert_eq!(output.end_position(), 5 + expected.len() as u64);
            assert_eq!(write_all(&mut output, at_once), expected.as_bytes());
            assert_eq!(output.written_position(), 5 + expected.len() as u64);
            assert!(output.is_empty() && !output.holds_list());
        }
        assert_eq!(held.bytes(), names.len() + 1);
        drop(list);
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn the_cost_of_a_list_is_shared() {
        let held = HeldLists::default();
        let list = ListLine::new(line_of(&"n".repeat(99_999)), &held);
        let mut outputs = [Output::default(), Output::default()];
        for output in &mut outputs {
            output.list(Arc::clone(&list));
        }
        drop(list);
        assert_eq!(outputs[0].list_share_bytes(), 50_000);
        outputs[1].advance(100_000);
        assert_eq!(outputs[0].list_share_bytes(), 100_000);
    }
}
