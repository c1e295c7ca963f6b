//! What the sessions of a worker count together: answers by kind, and messages.

use chat_model::{OutcomeKind, RequestKind};

const REQUESTS: usize = RequestKind::ALL.len();
const OUTCOMES: usize = OutcomeKind::ALL.len();

/// Counts since the worker began.
#[derive(Debug)]
pub struct SessionCounts {
    answers: [[u64; OUTCOMES]; REQUESTS],
    messages_written: u64,
}

impl Default for SessionCounts {
    fn default() -> Self {
        Self {
            answers: [[0; OUTCOMES]; REQUESTS],
            messages_written: 0,
        }
    }
}

impl SessionCounts {
    /// So many lines were answered alike.
    pub(super) fn answered(&mut self, request: RequestKind, outcome: OutcomeKind, lines: usize) {
        self.answers[request as usize][outcome as usize] += lines as u64;
    }

    /// So many messages were written for a reader.
    pub(super) fn wrote_messages(&mut self, count: usize) {
        self.messages_written += count as u64;
    }

    /// How many lines were answered, of each kind and outcome that there was.
    pub fn answers(&self) -> impl Iterator<Item = (RequestKind, OutcomeKind, u64)> {
        let kinds = RequestKind::ALL.iter().zip(&self.answers);
        let all = kinds.flat_map(|(request, counts)| {
            let outcomes = OutcomeKind::ALL.iter().zip(counts);
            outcomes.map(|(outcome, count)| (*request, *outcome, *count))
        });
        all.filter(|(_, _, count)| *count > 0)
    }

    /// How many messages were written for their readers.
    pub fn messages_written(&self) -> u64 {
        self.messages_written
    }
}
