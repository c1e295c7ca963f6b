//! Words of a line, and the white space between them.

use memchr::memchr2;

pub(super) fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The first word, and what comes after the one space or tab behind it.
pub(super) fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = skip_white(line);
    match memchr2(b' ', b'\t', line) {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, b""),
    }
}

pub(super) fn skip_white(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_white(*byte));
    &bytes[start.unwrap_or(bytes.len())..]
}

/// Without white space at both ends.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !is_white(*byte));
    skip_white(&bytes[..end.map_or(0, |last| last + 1)])
}

/// A whole number; one that is too large is the largest.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0_u64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    }))
}
