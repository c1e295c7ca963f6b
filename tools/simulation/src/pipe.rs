//! A byte stream in one direction: what was written arrives in pieces.

use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(crate) struct Pipe {
    bytes: VecDeque<u8>,
}

impl Pipe {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes out up to so many bytes.
    pub(crate) fn read(&mut self, max: usize) -> Vec<u8> {
        let count = max.min(self.bytes.len());
        self.bytes.drain(..count).collect()
    }
}
