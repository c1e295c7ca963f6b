//! Names of users as an answer, which may be as long as there are users: held once for all clients that it is written to.

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

/// A line of names, with its end.
#[derive(Debug)]
pub(crate) struct NameList {
    line: Box<[u8]>,
    held: HeldLists,
}

impl NameList {
    pub(crate) fn new(names: &str, held: &HeldLists) -> Arc<Self> {
        let line: Box<[u8]> = [names.as_bytes(), b"\n"].concat().into();
        held.0.fetch_add(line.len(), Ordering::Relaxed);
        let held = held.clone();
        Arc::new(Self { line, held })
    }

    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }
}

impl Drop for NameList {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.line.len(), Ordering::Relaxed);
    }
}
