//! What was said in one conversation, and how far its reader is.

use std::rc::Rc;

use jiff::Timestamp;

use super::request::Delivery;
use super::target::Target;
use crate::conversation::message::Message;

/// Who an entry is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// A user; in a list of found messages with the room.
    User(Rc<str>),
    /// The user at this client, whose message has this id if it was sent in this run.
    Own(Option<u64>),
    /// The room itself.
    Room,
    /// The client.
    Client,
}

/// One message, or what the client says.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) time: Timestamp,
    pub(crate) number: Option<u64>,
    pub(crate) author: Author,
    pub(crate) text: Box<str>,
    /// Of an own message that was sent in this run.
    pub(crate) delivery: Delivery,
    /// It names the user.
    pub(crate) is_mention: bool,
    /// Who else got it, where the conversation does not tell: rooms and users, one space between.
    pub(crate) also_to: Option<Box<str>>,
}

impl Entry {
    /// Words of the client.
    pub(crate) fn of_client(time: Timestamp, words: &str) -> Self {
        Self {
            time,
            number: None,
            author: Author::Client,
            text: words.into(),
            delivery: Delivery::Stored,
            is_mention: false,
            also_to: None,
        }
    }

    /// Whether both are the same message, of which one may not know its number.
    fn is_same(&self, other: &Self) -> bool {
        if self.number.is_some() && other.number.is_some() {
            return self.number == other.number;
        }
        let is_own = matches!(
            (&self.author, &other.author),
            (Author::Own(_), Author::Own(_))
        );
        let is_near = match is_own {
            // An own message has the time of this host.
            true => (self.time.as_second() - other.time.as_second()).abs() <= CLOCKS_DIFFER_S,
            false => self.time == other.time,
        };
        is_near && self.text == other.text && (is_own || self.author == other.author)
    }
}

/// How far the clocks of this host and of the server may be apart.
const CLOCKS_DIFFER_S: i64 = 300;

/// Where the reader has scrolled to: this many rows of this entry and all entries behind it are below the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// The last entry that is visible.
    pub(crate) entry: usize,
    /// So many of its last rows are not.
    pub(crate) hidden_rows: usize,
}

/// What is known of the messages before the first entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum History {
    /// Nobody has asked.
    Unasked,
    /// The server was asked.
    Asked,
    /// There may be more.
    MayHaveMore,
    /// There is no more, or it is not to be seen.
    Ended,
}

/// One conversation.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) target: Target,
    pub(crate) entries: Vec<Entry>,
    pub(crate) unread: usize,
    /// Unread messages that name the user, or are for him alone.
    pub(crate) urgent: usize,
    /// The first entry that was new when the reader came.
    pub(crate) mark: Option<usize>,
    pub(crate) anchor: Option<Anchor>,
    pub(crate) history: History,
    pub(crate) draft: String,
    pub(crate) topic: String,
    /// With the marks of owner and operators.
    pub(crate) members: Vec<String>,
    pub(crate) is_muted: bool,
}

impl Transcript {
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            entries: Vec::new(),
            unread: 0,
            urgent: 0,
            mark: None,
            anchor: None,
            history: History::Unasked,
            draft: String::new(),
            topic: String::new(),
            members: Vec::new(),
            is_muted: false,
        }
    }

    /// Adds an entry at the end. An unread one is counted.
    pub(crate) fn add(&mut self, entry: Entry, is_unread: bool, is_urgent: bool) {
        if is_unread {
            if self.unread == 0 {
                self.mark = Some(self.entries.len());
            }
            self.unread += 1;
            self.urgent += usize::from(is_urgent);
        }
        self.entries.push(entry);
    }

    /// All is read now.
    pub(crate) fn read(&mut self) {
        self.unread = 0;
        self.urgent = 0;
    }

    /// The reader goes away: what is marked as new is old when he comes again.
    pub(crate) fn left(&mut self) {
        self.mark = None;
    }

    /// Puts messages of the history where they belong. What is there already gets its number.
    pub(crate) fn merge(&mut self, kept: Vec<Entry>) {
        self.history = match kept.is_empty() {
            true => History::Ended,
            false => History::MayHaveMore,
        };
        let mut from = 0;
        for entry in kept {
            if let Some(at) = self.entries[from..]
                .iter()
                .position(|known| known.is_same(&entry))
            {
                let known = &mut self.entries[from + at];
                known.number = known.number.or(entry.number);
                from += at + 1;
                continue;
            }
            let later = self.entries[from..]
                .iter()
                .position(|known| known.time > entry.time);
            let at = from + later.unwrap_or(self.entries.len() - from);
            self.insert(at, entry);
            from = at + 1;
        }
    }

    fn insert(&mut self, at: usize, entry: Entry) {
        self.entries.insert(at, entry);
        if let Some(mark) = &mut self.mark
            && *mark >= at
        {
            *mark += 1;
        }
        if let Some(anchor) = &mut self.anchor
            && anchor.entry >= at
        {
            anchor.entry += 1;
        }
    }

    /// The oldest number that is known.
    pub(crate) fn oldest_number(&self) -> Option<u64> {
        self.entries.iter().find_map(|entry| entry.number)
    }

    /// Changes what is known of an own message, and gives it.
    pub(crate) fn delivered(&mut self, id: u64, delivery: Delivery) -> Option<&Entry> {
        let own = Author::Own(Some(id));
        let mut entries = self.entries.iter_mut().rev();
        let entry = entries.find(|entry| entry.author == own)?;
        entry.delivery = delivery;
        Some(entry)
    }
}

/// An entry of a message; `own` is the account of the user.
pub(crate) fn entry_of(message: &Message, own: &str) -> Entry {
    let author = match message.sender.as_str() {
        "*" if message.room.is_some() => Author::Room,
        sender if sender == own => Author::Own(None),
        sender => Author::User(sender.into()),
    };
    let is_from_other = matches!(author, Author::User(_));
    Entry {
        time: message.time,
        number: message.number,
        is_mention: is_from_other && names_user(&message.text, own),
        author,
        text: message.text.as_str().into(),
        delivery: Delivery::Stored,
        also_to: other_readers(message, own),
    }
}

/// The other readers of a message to rooms and users. Of users alone, the conversation is with all of them.
fn other_readers(message: &Message, own: &str) -> Option<Box<str>> {
    let names = message
        .went_to
        .as_deref()?
        .trim_matches(['(', ')'])
        .split(' ');
    let names: Vec<&str> = names.filter(|name| *name != own).collect();
    let has_room = names.iter().any(|name| name.starts_with('#'));
    has_room.then(|| names.join(" ").into())
}

/// Whether the text has the name as a word of its own, in any case.
fn names_user(text: &str, name: &str) -> bool {
    let is_of_word =
        |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
    let text = text.to_lowercase();
    let name = name.to_lowercase();
    !name.is_empty()
        && text.match_indices(&name).any(|(at, found)| {
            !text[..at].ends_with(is_of_word) && !text[at + found.len()..].starts_with(is_of_word)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: &str) -> Entry {
        entry_of(&Message::parse(line).expect("a message"), "bob")
    }

    fn texts(transcript: &Transcript) -> Vec<&str> {
        transcript
            .entries
            .iter()
            .map(|entry| &*entry.text)
            .collect()
    }

    #[test]
    fn other_readers_of_rooms_are_known() {
        for (went_to, also) in [
            ("(bob #tea dave)", Some("#tea dave")),
            ("(bob dave)", None),
            ("*", None),
        ] {
            let entry = entry(&format!("[2026-11-22T11:00:01Z] #4 ann {went_to}: hi"));
            assert_eq!(entry.also_to.as_deref(), also, "{went_to}");
        }
    }

    #[test]
    fn names_are_words() {
        for text in ["bob: hi", "hi BOB", "(bob)", "bob", "is bob's"] {
            assert!(names_user(text, "bob"), "{text}");
        }
        for text in ["bobby", "kebob", "bob-2", "", "b ob"] {
            assert!(!names_user(text, "bob"), "{text}");
        }
    }

    #[test]
    fn history_is_merged_without_doubles() {
        let mut transcript = Transcript::new(Target::Room("#tea".into()));
        for line in [
            "[2026-11-22T11:00:03Z] ann #tea: c",
            "[2026-11-22T11:00:04Z] #14 ann #tea: d",
        ] {
            transcript.add(entry(line), true, false);
        }
        transcript.merge(vec![
            entry("[2026-11-22T11:00:01Z] #11 ann #tea: a"),
            entry("[2026-11-22T11:00:02Z] #12 ann #tea: b"),
            entry("[2026-11-22T11:00:03Z] #13 ann #tea: c"),
            entry("[2026-11-22T11:00:04Z] #14 ann #tea: d"),
        ]);
        assert_eq!(texts(&transcript), ["a", "b", "c", "d"]);
        assert_eq!(transcript.entries[2].number, Some(13));
        assert_eq!(
            (transcript.mark, transcript.oldest_number()),
            (Some(2), Some(11))
        );
        transcript.merge(Vec::new());
        assert_eq!(transcript.history, History::Ended);
    }

    #[test]
    fn own_message_of_history_is_not_doubled() {
        let mut transcript = Transcript::new(Target::Room("#tea".into()));
        let mut own = entry("[2026-11-22T11:00:09Z] bob #tea: mine");
        own.author = Author::Own(Some(1));
        transcript.add(own, false, false);
        transcript.merge(vec![
            entry("[2026-11-22T11:00:05Z] #5 ann #tea: a"),
            entry("[2026-11-22T11:00:08Z] #6 bob #tea: mine"),
        ]);
        assert_eq!(texts(&transcript), ["a", "mine"]);
        assert_eq!(transcript.entries[1].number, Some(6));
    }

    #[test]
    fn first_unread_entry_is_marked() {
        let mut transcript = Transcript::new(Target::Person("ann".into()));
        transcript.add(entry("[2026-11-22T11:00:01Z] ann: a"), false, false);
        transcript.add(entry("[2026-11-22T11:00:02Z] ann: b"), true, true);
        transcript.add(entry("[2026-11-22T11:00:03Z] ann: c"), true, true);
        assert_eq!(
            (transcript.mark, transcript.unread, transcript.urgent),
            (Some(1), 2, 2)
        );
        transcript.read();
        assert_eq!((transcript.mark, transcript.unread), (Some(1), 0));
        transcript.left();
        assert_eq!(transcript.mark, None);
    }
}
