//! Which messages were given already and may come again: after a break, the server begins with the first one that is
//! not confirmed. `docs/protocol.md` has the rule, under "Recognising repeats".

use std::collections::VecDeque;

/// A message is off the list when so many lines that were sent after it are answered: the first tells the server that
/// the message has arrived, the second confirms it, and the answer to the third says that this is on disk.
const LINES_UNTIL_CONFIRMED: u8 = 3;

/// What tells a message from others.
pub(crate) type MessageId = u128;

/// A piece of the queue without a gap, which ends with the last message that was given.
#[derive(Debug, Default)]
pub(crate) struct Handled {
    entries: VecDeque<(MessageId, u8)>,
    /// So many of them were there when the line under way was sent.
    covered: usize,
    repeats: Repeats,
}

/// Which message comes again next.
#[derive(Debug, Default)]
enum Repeats {
    /// Nothing has come in this session.
    #[default]
    Unknown,
    /// Those from this place on.
    From(usize),
    /// Everything is new.
    Over,
}

impl Handled {
    /// These, oldest first.
    pub(crate) fn of(ids: impl IntoIterator<Item = MessageId>) -> Self {
        Self {
            entries: ids.into_iter().map(|id| (id, 0)).collect(),
            ..Self::default()
        }
    }

    /// A session begins.
    pub(crate) fn begin_session(&mut self) {
        self.repeats = Repeats::Unknown;
        self.covered = 0;
        // Lines of another connection say nothing.
        for (_, answered) in &mut self.entries {
            *answered = 0;
        }
    }

    /// What waited at the login has come: from here on nothing is repeated.
    pub(crate) fn end_repeats(&mut self) {
        self.repeats = Repeats::Over;
    }

    /// Whether this message, the next of the session, was given already.
    pub(crate) fn is_repeat(&mut self, id: MessageId) -> bool {
        let at = match self.repeats {
            Repeats::Unknown => self.entries.iter().position(|(known, _)| *known == id),
            Repeats::From(at) => Some(at).filter(|at| {
                let expected = self.entries.get(*at);
                expected.is_some_and(|(known, _)| *known == id)
            }),
            Repeats::Over => None,
        };
        self.repeats = at.map_or(Repeats::Over, |at| Repeats::From(at + 1));
        at.is_some()
    }

    /// This message was given.
    pub(crate) fn add(&mut self, id: MessageId) {
        self.entries.push_back((id, 0));
    }

    /// Whether everything is confirmed.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A line is sent. One is under way at a time.
    pub(crate) fn line_sent(&mut self) {
        self.covered = self.entries.len();
    }

    /// The line is answered. Returns how many messages are confirmed by that, the oldest of the list.
    pub(crate) fn line_answered(&mut self) -> usize {
        for (_, answered) in self.entries.iter_mut().take(self.covered) {
            *answered += 1;
        }
        let is_confirmed = |(_, answered): &&(_, u8)| *answered >= LINES_UNTIL_CONFIRMED;
        let confirmed = self.entries.iter().take_while(is_confirmed).count();
        self.entries.drain(..confirmed);
        self.covered = 0;
        confirmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_ones(handled: &mut Handled, ids: &[MessageId]) -> Vec<MessageId> {
        let is_new = |id: &MessageId| !handled.is_repeat(*id);
        ids.iter().copied().filter(is_new).collect()
    }

    #[test]
    fn repeats_end_where_the_list_ends() {
        let mut handled = Handled::of([1, 2, 3]);
        assert_eq!(new_ones(&mut handled, &[2, 3, 4, 2]), [4, 2]);
        handled.begin_session();
        assert_eq!(new_ones(&mut handled, &[4, 1]), [4, 1]);
        handled.begin_session();
        handled.end_repeats();
        assert_eq!(new_ones(&mut handled, &[1]), [1]);
    }

    #[test]
    fn three_answered_lines_confirm() {
        let mut handled = Handled::of([1]);
        let mut confirmed = Vec::new();
        for id in 2..5 {
            handled.line_sent();
            // It comes with the answer, so this line says nothing of it.
            handled.add(id);
            confirmed.push(handled.line_answered());
        }
        assert_eq!(confirmed, [0, 0, 1]);
        // The lines before a break do not count.
        handled.begin_session();
        for confirmed in [0, 0, 3] {
            handled.line_sent();
            assert_eq!(handled.line_answered(), confirmed);
        }
        assert!(handled.is_empty());
    }
}
