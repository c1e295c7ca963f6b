//! What a message may be made of. A worker refuses a line that is none, and the state daemon takes whoever sends it one
//! for broken: both have to mean the same.

use super::text;

/// Longest text, in bytes; far longer than a line of a client may be.
pub const MAX_TEXT_BYTES: usize = 1024 * 1024;
/// Longest names of all recipients of a message, in bytes, with one byte between two names; as long as a line of a
/// client may be.
pub const MAX_RECIPIENTS_BYTES: usize = 64 * 1024;

/// Whether something can be stored as a message, and read again with others in one frame.
pub fn may_be_text(text: &str) -> bool {
    (1..=MAX_TEXT_BYTES).contains(&text.len()) && text::is_clean(text)
}

/// Whether something can name a message among those that its sender sends once.
pub fn may_be_once_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether something can be taken for a recipient's name: the answer that repeats it has commas between names.
pub fn may_be_recipient(name: &str) -> bool {
    let has_separator = name.bytes().any(|byte| matches!(byte, b',' | b'\t' | b' '));
    !name.is_empty() && !has_separator && text::is_clean(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_break_answers() {
        for name in ["a", "(a", "{x}José", "\u{fffd}"] {
            assert!(may_be_recipient(name), "{name}");
        }
        for name in [
            "", " ", "a ", " a", "a b", "a,b", ",", "a\n", "a\tb", "a\u{9b}",
        ] {
            assert!(!may_be_recipient(name), "{name}");
        }
    }

    #[test]
    fn text_is_not_empty_without_escapes() {
        assert!(may_be_text(" ") && may_be_text("a,\tb"));
        assert!(!may_be_text("") && !may_be_text("a\x1b[m"));
        assert!(!may_be_text(&"x".repeat(MAX_TEXT_BYTES + 1)));
    }
}
