//! What is asked of the history, and how the full-text index is asked for words. Pure.

use std::slice;

use chat_model::{AccountId, MessageNumber, RoomId};

use super::format::{reader_token, room_token, sender_token};
use super::{KeptMessage, KeptRoom};

impl KeptRoom {
    /// Whether a message of the room is among what may be read.
    pub(super) fn contains(&self, message: &KeptMessage) -> bool {
        message.number > self.after && message.rooms.contains(&self.room)
    }
}

/// An account whose messages to and from people are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnMessages {
    /// Whose.
    pub account: AccountId,
    /// Those behind this one.
    pub after: MessageNumber,
}

impl OwnMessages {
    fn contains(&self, message: &KeptMessage) -> bool {
        let readers = &message.readers;
        let is_own = message.sender == self.account && !readers.is_empty();
        message.number > self.after && (is_own || readers.contains(&self.account))
    }
}

/// Which messages are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What two accounts sent to one another, also among others.
    Conversation {
        /// Who asks.
        own: AccountId,
        /// With whom.
        other: AccountId,
        /// Messages behind this one.
        after: MessageNumber,
    },
    /// What was sent to a room.
    Room(KeptRoom),
    /// All that may be read.
    Own {
        /// Of messages to people; `None` for none of them.
        direct: Option<OwnMessages>,
        /// Of rooms.
        rooms: Vec<KeptRoom>,
    },
}

impl Scope {
    /// Whether a message belongs to it.
    pub fn contains(&self, message: &KeptMessage) -> bool {
        let (sender, readers) = (message.sender, &message.readers);
        match self {
            Self::Conversation { own, other, after } => {
                let is_of_both = sender == *own && readers.contains(other)
                    || sender == *other && readers.contains(own);
                message.number > *after && is_of_both
            }
            Self::Room(room) => room.contains(message),
            Self::Own { direct, .. } => {
                let direct = direct.as_ref();
                direct.is_some_and(|own| own.contains(message)) || self.room_of(message).is_some()
            }
        }
    }

    /// The room as of which a message is shown: the first that may be read.
    pub fn room_of(&self, message: &KeptMessage) -> Option<RoomId> {
        let views = match self {
            Self::Conversation { .. } => &[],
            Self::Room(view) => slice::from_ref(view),
            Self::Own { rooms, .. } => rooms.as_slice(),
        };
        let mut rooms = message.rooms.iter();
        let found = rooms.find(|room| {
            let view = views.iter().find(|view| view.room == **room);
            view.is_some_and(|view| view.contains(message))
        });
        found.copied()
    }

    fn expression(&self) -> String {
        let (sent, got) = match self {
            Self::Conversation { own, other, .. } => (
                format!("{} AND {}", sender_token(*own), reader_token(*other)),
                format!("{} AND {}", sender_token(*other), reader_token(*own)),
            ),
            Self::Room(view) => return format!("audience : {}", room_token(view.room)),
            Self::Own { direct, rooms } => {
                let direct = direct.map(|own| own.account);
                let direct = direct.map(|own| [sender_token(own), reader_token(own)]);
                let rooms = rooms.iter().map(|view| room_token(view.room));
                let tokens: Vec<String> = direct.into_iter().flatten().chain(rooms).collect();
                return format!("audience : ({})", tokens.join(" OR "));
            }
        };
        format!("audience : (({sent}) OR ({got}))")
    }
}

/// Words to be found, all of them, the last as a beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    words: Vec<String>,
}

impl Words {
    /// The words of a line; nothing if there is none that could be found.
    pub fn of(line: &str) -> Option<Self> {
        let words: Vec<String> = line
            .split_whitespace()
            .filter(|word| word.chars().any(char::is_alphanumeric))
            .map(str::to_owned)
            .collect();
        (!words.is_empty()).then_some(Self { words })
    }

    /// Whether they are of a language without borders between words, so that the index cannot find them.
    pub(super) fn need_scan(&self) -> bool {
        self.words
            .iter()
            .any(|word| word.chars().any(has_no_borders))
    }

    /// As the index is asked.
    pub(super) fn expression(&self, scope: &Scope) -> String {
        let mut expression = scope.expression();
        for (index, word) in self.words.iter().enumerate() {
            let word = word.replace('"', " ");
            let end = if index + 1 == self.words.len() {
                " *"
            } else {
                ""
            };
            expression.push_str(&format!(" AND text : \"{word}\"{end}"));
        }
        expression
    }

    /// The words in lower case, as a scan compares them.
    pub fn in_lower_case(&self) -> Vec<String> {
        self.words.iter().map(|word| word.to_lowercase()).collect()
    }
}

/// Whether a character belongs to a script that is written without spaces between words.
fn has_no_borders(character: char) -> bool {
    matches!(u32::from(character),
        // Thai and Lao, Tibetan, Myanmar, Khmer.
        0x0e00..=0x0eff | 0x0f00..=0x0fff | 0x1000..=0x109f | 0x1780..=0x17ff
        // Tai, Javanese, Balinese.
        | 0x1950..=0x19df | 0x1a20..=0x1aaf | 0x1b00..=0x1b7f | 0xa980..=0xa9ff | 0xaa60..=0xaadf
        // Japanese, Chinese.
        | 0x2e80..=0x2fdf | 0x3005..=0x30ff | 0x31f0..=0x31ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff
        | 0xf900..=0xfaff | 0xff66..=0xff9f | 0x1b000..=0x1b16f | 0x20000..=0x3ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_an_expression() {
        let words = Words::of("  Tea \"at\"  noo ").unwrap();
        let view = KeptRoom {
            room: RoomId(3),
            after: MessageNumber(0),
        };
        let own = Scope::Own {
            direct: Some(OwnMessages {
                account: AccountId(17),
                after: MessageNumber(0),
            }),
            rooms: vec![view],
        };
        assert_eq!(
            words.expression(&own),
            "audience : (s11 OR p11 OR r3) AND text : \"Tea\" AND text : \" at \" AND text : \"noo\" *"
        );
        let between = Scope::Conversation {
            own: AccountId(1),
            other: AccountId(2),
            after: MessageNumber(0),
        };
        assert_eq!(
            Words::of("x").unwrap().expression(&between),
            "audience : ((s1 AND p2) OR (s2 AND p1)) AND text : \"x\" *"
        );
    }

    #[test]
    fn lines_without_words_are_none() {
        for line in ["", "  ", "!? \"\" *", "\u{1f600}"] {
            assert_eq!(Words::of(line), None, "{line:?}");
        }
    }

    #[test]
    fn scripts_without_borders_need_scan() {
        for line in ["東京", "tea 茶", "ชา", "カフェ"] {
            assert!(Words::of(line).unwrap().need_scan(), "{line}");
        }
        for line in ["tea", "café", "чай", "시간", "שלום"] {
            assert!(!Words::of(line).unwrap().need_scan(), "{line}");
        }
    }
}
