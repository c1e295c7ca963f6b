//! The history's file, and what its thread does with it.

use std::collections::{BTreeMap, BTreeSet};

use chat_model::{HistorySpan, MessageNumber};
use chat_stated::history::{Found, KeptMessage, Question, Retention, Scope, Words};
use chat_stated::state::Forgotten;

/// What is durable of it.
#[derive(Debug, Default)]
pub(crate) struct HistoryFile {
    kept: BTreeMap<MessageNumber, KeptMessage>,
    /// The last message that was to be there.
    through: MessageNumber,
    /// Numbers of all messages that were ever there.
    ever: BTreeSet<MessageNumber>,
    /// What has to stay, as the daemon that runs has said.
    retention: Retention,
}

impl HistoryFile {
    /// Makes messages durable, and says how far it has come.
    pub(crate) fn keep(&mut self, messages: Vec<KeptMessage>) -> MessageNumber {
        for message in messages {
            if message.number > self.through {
                self.through = message.number;
                self.ever.insert(message.number);
                self.kept.insert(message.number, message);
            }
        }
        self.through
    }

    pub(crate) fn through(&self) -> MessageNumber {
        self.through
    }

    /// Whether a message is there, or was.
    pub(crate) fn ever_had(&self, number: MessageNumber) -> bool {
        self.ever.contains(&number)
    }

    /// The daemon that began says what has to stay.
    pub(crate) fn retain(&mut self, retention: Retention) {
        self.retention = retention;
    }

    /// Less has to stay.
    pub(crate) fn forget(&mut self, forgotten: &[Forgotten]) {
        for forgotten in forgotten {
            self.retention.forget(forgotten);
        }
    }

    /// Deletes what has to stay no longer. The thread does it when it has the time.
    pub(crate) fn sweep(&mut self) {
        self.kept.retain(|_, message| self.retention.keeps(message));
    }

    pub(crate) fn answer(&self, question: &Question) -> Found {
        match question {
            Question::Page { scope, span, count } => self.page(scope, *span, *count),
            Question::Search {
                scope,
                words,
                count,
            } => self.search(scope, words, *count),
        }
    }

    fn page(&self, scope: &Scope, span: HistorySpan, count: usize) -> Found {
        let is_meant = |message: &&KeptMessage| match span {
            HistorySpan::Newest => true,
            HistorySpan::Before(number) => message.number < number,
            HistorySpan::After(number) => message.number > number,
        };
        let found = self.in_scope(scope).filter(is_meant);
        match span {
            HistorySpan::After(_) => cut(found, count),
            HistorySpan::Newest | HistorySpan::Before(_) => newest(found, count),
        }
    }

    fn search(&self, scope: &Scope, words: &Words, count: usize) -> Found {
        let words = words.in_lower_case();
        let has_words = |message: &&KeptMessage| {
            let text = message.text.to_lowercase();
            let mut words = words.iter().rev();
            let last = words.next().map_or("", String::as_str);
            let begins = |word: &str| word.starts_with(last);
            let mut others = words.map(String::as_str);
            text.split(' ').any(begins) && others.all(|word| text.split(' ').any(|it| it == word))
        };
        newest(self.in_scope(scope).filter(has_words), count)
    }

    fn in_scope<'a>(
        &'a self,
        scope: &'a Scope,
    ) -> impl DoubleEndedIterator<Item = &'a KeptMessage> {
        self.kept.values().filter(|message| scope.contains(message))
    }
}

/// The first of them.
fn cut<'a>(found: impl Iterator<Item = &'a KeptMessage>, count: usize) -> Found {
    let mut found = found.cloned();
    let messages = found.by_ref().take(count).collect();
    Found {
        messages,
        has_more: found.next().is_some(),
        damaged: Vec::new(),
    }
}

/// The last of them, oldest first.
fn newest<'a>(found: impl DoubleEndedIterator<Item = &'a KeptMessage>, count: usize) -> Found {
    let mut found = cut(found.rev(), count);
    found.messages.reverse();
    found
}
