//! Names of users as an answer, which may be as long as there are users: held once for all clients that it is written to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chat_model::NameList;

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
pub(crate) struct ListLine {
    line: Box<[u8]>,
    held: HeldLists,
}

impl ListLine {
    pub(crate) fn new(names: &NameList<'_>, held: &HeldLists) -> Arc<Self> {
        let mut line = Vec::with_capacity(names.bytes() + names.len().max(1));
        for (index, name) in names.iter().enumerate() {
            if index > 0 {
                line.push(b' ');
            }
            line.extend_from_slice(name.as_bytes());
        }
        line.push(b'\n');
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
