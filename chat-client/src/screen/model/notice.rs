//! How the user is told of new messages while he looks elsewhere.

/// How the terminal is to tell of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notifying {
    /// The bell.
    Bell,
    /// A message of the desktop, as iTerm2 began it.
    Osc9,
    /// The same, as rxvt began it.
    Osc777,
    /// The user's command.
    Command,
    /// Not at all.
    Off,
}

/// All, and what people call them.
const NAMES: [(Notifying, &str); 5] = [
    (Notifying::Bell, "bell"),
    (Notifying::Osc9, "osc9"),
    (Notifying::Osc777, "osc777"),
    (Notifying::Command, "command"),
    (Notifying::Off, "off"),
];

impl Notifying {
    /// The one that people call so.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(how, _)| *how)
    }

    /// What people call it.
    pub(crate) fn name(self) -> &'static str {
        let found = NAMES.iter().find(|(how, _)| *how == self);
        found.map_or("", |(_, name)| name)
    }

    /// What the terminal is sent. The words have no control characters and no semicolon in them.
    pub(crate) fn sequence(self, words: &str) -> String {
        let words: String = words
            .chars()
            .map(|character| match character {
                ';' => ',',
                character if character.is_control() => ' ',
                character => character,
            })
            .collect();
        match self {
            Self::Bell => "\x07".to_owned(),
            Self::Osc9 => format!("\x1b]9;{words}\x07"),
            Self::Osc777 => format!("\x1b]777;notify;chatserv;{words}\x07"),
            Self::Command | Self::Off => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_end_their_sequence() {
        let sequence = Notifying::Osc777.sequence("a;b\x07\x1b]0;c");
        assert_eq!(sequence, "\x1b]777;notify;chatserv;a,b  ]0,c\x07");
        assert_eq!(Notifying::Off.sequence("x"), "");
        assert_eq!(Notifying::named("osc9"), Some(Notifying::Osc9));
        assert_eq!(Notifying::named("loud"), None);
    }
}
