//! Names of users or kept messages as an answer, which may be long. It is held once for all clients that get it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much is held of all lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldLists(Arc<AtomicUsize>);

impl HeldLists {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A line of names, or several lines, with their end.
#[derive(Debug)]
pub(crate) struct ListLine {
    line: Box<[u8]>,
    held: HeldLists,
}

impl ListLine {
    pub(crate) fn new(line: Vec<u8>, held: &HeldLists) -> Arc<Self> {
        let line = line.into_boxed_slice();
        held.0.fetch_add(line.len(), Ordering::Relaxed);
        let held = held.clone();
        Arc::new(Self { line, held })
    }

    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }
}

impl Drop for ListLine {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.line.len(), Ordering::Relaxed);
    }
}
