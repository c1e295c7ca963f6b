//! Making what the server sent safe to show: this client trusts no server.

use chat_model::text::clean;

/// A line break within a text (U+2028).
pub(crate) const LINE_BREAK: char = '\u{2028}';
const FIRST_STRONG_ISOLATE: char = '\u{2068}';
const POP_ISOLATE: char = '\u{2069}';

/// The bytes of a line as text that moves no cursor and starts no line: controls, line separators and broken
/// UTF-8 become U+FFFD.
pub(crate) fn safe(bytes: &[u8]) -> String {
    clean(bytes).replace(['\u{2028}', '\u{2029}'], "\u{fffd}")
}

/// The same for a text that is shown with its line breaks: U+2028 stays.
pub(crate) fn safe_with_breaks(bytes: &[u8]) -> String {
    clean(bytes).replace('\u{2029}', "\u{fffd}")
}

/// The text as one line.
pub(crate) fn without_breaks(text: &str) -> String {
    text.replace(LINE_BREAK, "\u{fffd}")
}

/// The text between isolates that it cannot leave: the writing direction of what stands around it stays.
pub(crate) fn isolated(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + 6);
    let mut open: usize = 0;
    result.push(FIRST_STRONG_ISOLATE);
    for character in text.chars() {
        match character {
            '\u{2066}' | '\u{2067}' | FIRST_STRONG_ISOLATE => open += 1,
            POP_ISOLATE if open == 0 => {
                // It would close the isolate around the text.
                result.push(char::REPLACEMENT_CHARACTER);
                continue;
            }
            POP_ISOLATE => open -= 1,
            _ => {}
        }
        result.push(character);
    }
    result.extend(std::iter::repeat_n(POP_ISOLATE, open + 1));
    result
}

/// The same, but a text that is written from left to right throughout stays as it is: who copies it from a terminal
/// gets no invisible characters.
pub(crate) fn isolated_if_needed(text: &str) -> String {
    if text.chars().any(may_change_direction) {
        isolated(text)
    } else {
        text.to_owned()
    }
}

/// Letters of scripts that are written from right to left, and the controls of direction.
fn may_change_direction(character: char) -> bool {
    matches!(
        character,
        '\u{590}'..='\u{8ff}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{fb1d}'..='\u{fdff}'
            | '\u{fe70}'..='\u{feff}'
            | '\u{10800}'..='\u{10fff}'
            | '\u{1e800}'..='\u{1efff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_separators_are_replaced() {
        assert_eq!(safe(b"\x1b]0;x\x07\xff"), "\u{fffd}]0;x\u{fffd}\u{fffd}");
        assert_eq!(
            safe("a\u{9b}2Jb\u{2028}c\rd".as_bytes()),
            "a\u{fffd}2Jb\u{fffd}c\u{fffd}d"
        );
        assert_eq!(safe("é 👋".as_bytes()), "é 👋");
    }

    #[test]
    fn only_text_that_needs_it_is_isolated() {
        for text in ["hi", "José 漢字 👋", ""] {
            assert_eq!(isolated_if_needed(text), text);
        }
        for text in ["ש", "a\u{202e}b", "\u{2069}", "\u{61c}", "𐤀"] {
            assert_eq!(isolated_if_needed(text), isolated(text));
        }
    }

    #[test]
    fn text_cannot_leave_its_isolate() {
        assert_eq!(isolated("hi"), "\u{2068}hi\u{2069}");
        assert_eq!(
            isolated("\u{2069}\u{202e}x"),
            "\u{2068}\u{fffd}\u{202e}x\u{2069}"
        );
        assert_eq!(isolated("\u{2067}x"), "\u{2068}\u{2067}x\u{2069}\u{2069}");
        assert_eq!(
            isolated("\u{2067}x\u{2069}y"),
            "\u{2068}\u{2067}x\u{2069}y\u{2069}"
        );
    }
}
