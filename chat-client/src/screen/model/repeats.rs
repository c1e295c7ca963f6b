//! Tells messages that come again after a broken connection from new ones.
//!
//! The server begins each session with the first message that is not confirmed. So the messages behind `welcome` that
//! were shown before are a piece of the list kept here; see `docs/protocol.md`, "Recognising repeats".

use std::collections::VecDeque;

use crate::conversation::message::Message;

/// A message is confirmed on disk once three lines were answered that were sent after it. One more may have been under
/// way when it came.
const GROUPS: usize = 4;

/// What one message has that stays when it is repeated: numbers are off behind `welcome`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    time: jiff::Timestamp,
    sender: String,
    room: Option<String>,
    text: String,
}

impl Shown {
    fn of(message: &Message) -> Self {
        Self {
            time: message.time,
            sender: message.sender.clone(),
            room: message.room.clone(),
            text: message.text.clone(),
        }
    }
}

/// The messages that were shown and may come again.
pub(crate) struct Repeats {
    /// A group for each of the last answered lines; the newest group is the last.
    groups: VecDeque<Vec<Shown>>,
    /// What is to come again next; none before the first message of a session.
    expected: Option<VecDeque<Shown>>,
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            groups: VecDeque::from([Vec::new()]),
            expected: Some(VecDeque::new()),
        }
    }
}

impl Repeats {
    /// A session begins. Lines of earlier sessions confirm nothing that comes again in this one.
    pub(crate) fn session_began(&mut self) {
        let all = self.groups.drain(..).flatten().collect();
        self.groups.push_back(all);
        self.expected = None;
    }

    /// All that waited at the login has come. If that was nothing, all is confirmed.
    pub(crate) fn caught_up(&mut self) {
        if self.expected.is_none() {
            *self = Self::default();
        }
    }

    /// Whether this message is new. A new one is remembered.
    pub(crate) fn is_new(&mut self, message: &Message) -> bool {
        let shown = Shown::of(message);
        let expected = self.expected.get_or_insert_with(|| {
            // What stands before the first message is confirmed.
            let all = self.groups.drain(..).flatten();
            let again: Vec<Shown> = all.skip_while(|earlier| *earlier != shown).collect();
            self.groups.push_back(again.clone());
            again.into()
        });
        if expected.front() == Some(&shown) {
            expected.pop_front();
            return false;
        }
        expected.clear();
        if let Some(newest) = self.groups.back_mut() {
            newest.push(shown);
        }
        true
    }

    /// A line was answered, and not by `error:busy:`.
    pub(crate) fn line_was_answered(&mut self) {
        self.groups.push_back(Vec::new());
        if self.groups.len() > GROUPS {
            self.groups.pop_front();
        }
    }

    /// `goodbye` has come: nothing comes again.
    pub(crate) fn left(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::parse(&format!("[2026-11-22T11:18:31Z] ann: {text}")).expect("a message")
    }

    fn new_ones(repeats: &mut Repeats, texts: &[&str]) -> Vec<String> {
        let new = texts
            .iter()
            .filter(|text| repeats.is_new(&message(text)))
            .map(|text| (*text).to_owned());
        new.collect()
    }

    #[test]
    fn unconfirmed_messages_are_shown_once() {
        let mut repeats = Repeats::default();
        repeats.session_began();
        assert_eq!(new_ones(&mut repeats, &["a", "b", "c"]), ["a", "b", "c"]);
        for _ in 0..3 {
            repeats.session_began();
            assert!(new_ones(&mut repeats, &["b"]).is_empty());
        }
        repeats.session_began();
        assert_eq!(new_ones(&mut repeats, &["b", "c", "d"]), ["d"]);
        repeats.session_began();
        assert_eq!(new_ones(&mut repeats, &["c", "d", "e", "c"]), ["e", "c"]);
    }

    #[test]
    fn confirmed_messages_are_forgotten() {
        for (answers, new) in [(3, vec![]), (4, vec!["a"])] {
            let mut repeats = Repeats::default();
            new_ones(&mut repeats, &["a"]);
            for _ in 0..answers {
                repeats.line_was_answered();
            }
            repeats.session_began();
            assert_eq!(new_ones(&mut repeats, &["a"]), new);
        }
    }

    #[test]
    fn lines_of_earlier_sessions_confirm_nothing() {
        let mut repeats = Repeats::default();
        new_ones(&mut repeats, &["a"]);
        for _ in 0..10 {
            repeats.line_was_answered();
            repeats.session_began();
            assert!(new_ones(&mut repeats, &["a"]).is_empty());
        }
        repeats.session_began();
        repeats.caught_up();
        repeats.session_began();
        assert_eq!(new_ones(&mut repeats, &["a"]), ["a"]);
    }

    #[test]
    fn numbers_do_not_tell_messages_apart() {
        let mut repeats = Repeats::default();
        let numbered = Message::parse("[2026-11-22T11:18:31Z] #7 ann: a").expect("a message");
        assert!(repeats.is_new(&numbered));
        repeats.session_began();
        assert!(!repeats.is_new(&message("a")));
    }

    #[test]
    fn same_text_twice_within_session_is_new() {
        let mut repeats = Repeats::default();
        assert_eq!(new_ones(&mut repeats, &["a", "a"]), ["a", "a"]);
    }
}
