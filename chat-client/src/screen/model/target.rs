//! Whom a conversation is with.

use chat_line_protocol::words;

use crate::conversation::message::Message;

/// Whom a conversation is with; what is typed in it goes there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// The server: answers and news of the client itself.
    Server,
    /// All messages that name the user.
    Mentions,
    /// What a search has found.
    Found,
    /// Everyone: broadcasts.
    Everyone,
    /// A room, with its `#`.
    Room(String),
    /// One user.
    Person(String),
    /// Several users and rooms.
    Group(Vec<String>),
}

impl Target {
    /// The target that these recipients stand for.
    pub(crate) fn of(recipients: &[String]) -> Option<Self> {
        match recipients {
            [] => None,
            [room] if room.starts_with('#') => Some(Self::Room(room.clone())),
            [person] => Some(Self::Person(person.clone())),
            several => {
                // The same people are the same conversation.
                let mut several = several.to_vec();
                several.sort();
                several.dedup();
                Some(Self::Group(several))
            }
        }
    }

    /// The conversation that a message to the user `own` belongs to: its other readers are in it.
    pub(crate) fn of_message(message: &Message, own: &str) -> Self {
        if let Some(room) = &message.room {
            return Self::Room(room.clone());
        }
        let sender = || Self::Person(message.sender.clone());
        let Some(went_to) = message.went_to.as_deref() else {
            return sender();
        };
        if went_to == "*" {
            return Self::Everyone;
        }
        let names = went_to.trim_matches(['(', ')']).split(' ');
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        if names.iter().any(|name| name.starts_with('#')) {
            // The user may be in none of the rooms.
            return sender();
        }
        names.push(message.sender.clone());
        names.retain(|name| name != own);
        Self::of(&names).unwrap_or_else(sender)
    }

    /// How people call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Server => "chatserv".to_owned(),
            Self::Mentions => "mentions".to_owned(),
            Self::Found => "found".to_owned(),
            Self::Everyone => "everyone".to_owned(),
            Self::Room(name) | Self::Person(name) => name.clone(),
            Self::Group(names) => names.join("+"),
        }
    }

    /// The name that settings and files know it by. No user and no room is called so but its own.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Everyone => "*".to_owned(),
            Self::Server | Self::Mentions | Self::Found => format!("({})", self.name()),
            _ => self.name(),
        }
    }

    /// The line that sends a text there.
    pub(crate) fn line_with(&self, text: &str) -> Option<String> {
        match self {
            Self::Server | Self::Mentions | Self::Found => None,
            Self::Everyone => Some(format!("{} {text}", words::BROADCAST)),
            Self::Room(name) | Self::Person(name) => Some(format!("{} {name} {text}", words::SEND)),
            Self::Group(names) => Some(format!("{} ({}) {text}", words::SEND, names.join(" "))),
        }
    }

    /// What `history` and `search` call it.
    pub(crate) fn of_history(&self) -> Option<&str> {
        match self {
            Self::Room(name) | Self::Person(name) => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_to_its_target() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| String::from(*name))
                .collect::<Vec<_>>()
        };
        for (recipients, line) in [
            (names(&["bob"]), "send bob a  b "),
            (names(&["#tea"]), "send #tea a  b "),
            (names(&["bob", "#tea"]), "send (#tea bob) a  b "),
        ] {
            let target = Target::of(&recipients).expect("a target");
            assert_eq!(target.line_with("a  b ").as_deref(), Some(line));
        }
        assert_eq!(Target::of(&[]), None);
        let line = Target::Everyone.line_with("x");
        assert_eq!(line.as_deref(), Some("broadcast x"));
        assert_eq!(Target::Server.line_with("x"), None);
    }

    #[test]
    fn message_belongs_to_all_its_readers() {
        for (head, name) in [
            ("ann", "ann"),
            ("ann #tea", "#tea"),
            ("ann *", "everyone"),
            ("dave (bob ann)", "ann+dave"),
            ("ann (bob)", "ann"),
            ("ann (bob #tea)", "ann"),
        ] {
            let line = format!("[2026-11-22T11:18:31Z] #4 {head}: hi");
            let message = Message::parse(&line).expect("a message");
            assert_eq!(Target::of_message(&message, "bob").name(), name);
        }
    }
}
