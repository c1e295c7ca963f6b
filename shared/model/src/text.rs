//! Making what a client typed safe to show to another person.

use std::borrow::Cow;

/// The text as it is stored: bytes that are not UTF-8 and control characters (C0 but TAB, DEL, C1) become U+FFFD.
/// Everything else, spaces, tabs and bidirectional controls too, stays as typed.
pub fn clean(bytes: &[u8]) -> Cow<'_, str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if is_clean(text) => return Cow::Borrowed(text),
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    };
    Cow::Owned(
        text.chars()
            .map(|character| {
                if is_replaced(character) {
                    char::REPLACEMENT_CHARACTER
                } else {
                    character
                }
            })
            .collect(),
    )
}

/// Whether a text holds no control character but TAB, as [`clean`] leaves it.
pub fn is_clean(text: &str) -> bool {
    // C1 controls are encoded as 0xC2 0x80..=0x9F, so most texts are decided by bytes alone.
    is_printable_ascii(text.as_bytes()) || !text.chars().any(is_replaced)
}

/// TAB moves a terminal's cursor within its line, and can do nothing else.
fn is_replaced(character: char) -> bool {
    character.is_control() && character != '\t'
}

fn is_printable_ascii(bytes: &[u8]) -> bool {
    // Without leaving a chunk early, so that the compiler looks at many bytes at once.
    bytes.chunks(64).all(|chunk| {
        chunk.iter().fold(true, |printable, byte| {
            printable & matches!(byte, 0x20..0x7f)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_broken_utf8_are_replaced() {
        assert_eq!(clean(b"hi  there"), "hi  there");
        assert_eq!(clean(b"\x1b[31mred\x07"), "\u{fffd}[31mred\u{fffd}");
        assert_eq!(
            clean("a\u{9b}b\u{7f}\t\u{b}".as_bytes()),
            "a\u{fffd}b\u{fffd}\t\u{fffd}"
        );
        assert_eq!(clean(b"\ttabs\tstay\t"), "\ttabs\tstay\t");
        assert_eq!(clean(b"\xff\xfea"), "\u{fffd}\u{fffd}a");
        assert_eq!(clean("שלום \u{202e}x 👋".as_bytes()), "שלום \u{202e}x 👋");
    }
}
