//! Appending to a file in memory that takes what it likes: for fuzzing.

use std::io;

use super::{AppendTarget, append_whole};

/// A file that takes so many bytes at a time, and none any more after so many writes.
#[derive(Clone, Debug)]
pub struct MemoryFile {
    /// What is in it.
    pub content: Vec<u8>,
    /// Bytes that one write takes.
    pub bytes_a_write: usize,
    /// Writes before the disk is full.
    pub writes_left: usize,
}

impl MemoryFile {
    /// As [`super::append`]; says whether the lines are in it.
    pub fn append(&mut self, lines: &[u8]) -> bool {
        append_whole(self, lines).is_ok()
    }
}

impl AppendTarget for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.len() as u64)
    }

    fn byte_at(&self, offset: u64) -> io::Result<u8> {
        let byte = usize::try_from(offset)
            .ok()
            .and_then(|at| self.content.get(at));
        byte.copied()
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn append_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes_left = self
            .writes_left
            .checked_sub(1)
            .ok_or(io::ErrorKind::StorageFull)?;
        let taken = bytes.len().min(self.bytes_a_write.max(1));
        self.content.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.content
            .truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
