//! Text for the clipboard of the terminal (OSC 52).

use base64ct::{Base64, Encoding};

/// Terminals take no more.
const MAX_BYTES: usize = 74_994;

/// What the terminal is sent to put this text into its clipboard. A text that is too long is cut.
pub(crate) fn sequence(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(MAX_BYTES)];
    format!("\x1b]52;c;{}\x07", Base64::encode_string(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_encoded_and_bounded() {
        assert_eq!(sequence("hi"), "\x1b]52;c;aGk=\x07");
        assert!(sequence(&"é".repeat(100_000)).len() < 100_010);
    }
}
