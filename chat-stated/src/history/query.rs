//! What is asked of the history, and how the full-text index is asked for words. Pure.

use chat_model::AccountId;

use super::KeptMessage;
use super::format::{reader_token, sender_token};

/// Which messages are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What two accounts sent to one another, also among others.
    Conversation {
        /// Who asks.
        own: AccountId,
        /// With whom.
        other: AccountId,
    },
    /// All that an account sent or got.
    Own(AccountId),
}

impl Scope {
    /// Whether a message belongs to it.
    pub(super) fn contains(&self, message: &KeptMessage) -> bool {
        let (sender, readers) = (message.sender, &message.readers);
        match self {
            Self::Conversation { own, other } => {
                sender == *own && readers.contains(other)
                    || sender == *other && readers.contains(own)
            }
            Self::Own(own) => sender == *own || readers.contains(own),
        }
    }

    fn expression(&self) -> String {
        let (sent, got) = match self {
            Self::Conversation { own, other } => (
                format!("{} AND {}", sender_token(*own), reader_token(*other)),
                format!("{} AND {}", sender_token(*other), reader_token(*own)),
            ),
            Self::Own(own) => (sender_token(*own), reader_token(*own)),
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
    pub(super) fn in_lower_case(&self) -> Vec<String> {
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
        assert_eq!(
            words.expression(&Scope::Own(AccountId(17))),
            "audience : ((s11) OR (p11)) AND text : \"Tea\" AND text : \" at \" AND text : \"noo\" *"
        );
        let between = Scope::Conversation {
            own: AccountId(1),
            other: AccountId(2),
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
