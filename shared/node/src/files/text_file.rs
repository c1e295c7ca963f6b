//! Text files as editors save them: with a byte order mark, with any line ends, or in UTF-16, which is refused.

use thiserror::Error;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why the bytes of a file cannot be read as UTF-8 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TextFileError {
    /// The file begins with a byte order mark of UTF-16, or with a NUL byte in its first two bytes.
    #[error("it is UTF-16 text; save it as UTF-8")]
    Utf16,
    /// The file contains a NUL byte.
    #[error("it contains a NUL byte, so it is not text; save it as UTF-8")]
    Nul,
}

/// Removes the byte order mark. Bytes that are not UTF-8 are kept.
pub fn without_byte_order_mark(bytes: &[u8]) -> Result<&[u8], TextFileError> {
    let is_utf16 = matches!(
        bytes,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=255, ..] | [1..=255, 0, ..]
    );
    if is_utf16 {
        return Err(TextFileError::Utf16);
    }
    if bytes.contains(&0) {
        return Err(TextFileError::Nul);
    }
    Ok(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes))
}

/// The lines of a text without their ends, which are LF, CR LF or CR.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text).filter(|text| !text.is_empty());
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let Some(end) = end else {
            rest = None;
            return Some(text);
        };
        let end_bytes = if text[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = Some(&text[end + end_bytes..]).filter(|rest| !rest.is_empty());
        Some(&text[..end])
    })
}

/// Converts a PEM file to the form that parsers expect: no byte order mark, LF as line end, no blanks around lines.
pub fn pem(bytes: &[u8]) -> Result<Vec<u8>, TextFileError> {
    let text = without_byte_order_mark(bytes)?;
    let mut pem = Vec::with_capacity(text.len() + 1);
    for line in lines(text) {
        pem.extend_from_slice(line.trim_ascii());
        pem.push(b'\n');
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_mark_is_dropped() {
        let text = without_byte_order_mark;
        assert_eq!(text(b"\xef\xbb\xbfann"), Ok(&b"ann"[..]));
        assert_eq!(text(b"ann \xff"), Ok(&b"ann \xff"[..]));
        assert_eq!(text(b""), Ok(&b""[..]));
        for utf16 in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"a\0b\0", b"\0a\0b"] {
            assert_eq!(text(utf16), Err(TextFileError::Utf16), "{utf16:?}");
        }
        assert_eq!(text(b"ann\0"), Err(TextFileError::Nul));
    }

    #[test]
    fn lines_end_in_any_of_three_ways() {
        let split = |text: &'static [u8]| -> Vec<&[u8]> { lines(text).collect() };
        assert_eq!(split(b"a\nb\r\nc\rd"), [b"a", b"b", b"c", b"d"]);
        assert_eq!(split(b"a\n\n\r\rb\n"), [&b"a"[..], b"", b"", b"", b"b"]);
        assert_eq!(split(b""), [b""; 0]);
        assert_eq!(split(b"\n"), [b""]);
    }

    #[test]
    fn pem_does_not_depend_on_line_ends() {
        let expected = b"-----BEGIN X-----\nAAAA\n-----END X-----\n";
        for saved in [
            &b"\xef\xbb\xbf-----BEGIN X-----\r\nAAAA\r\n-----END X-----"[..],
            b"-----BEGIN X-----\rAAAA\r-----END X-----\r",
            b"  -----BEGIN X----- \nAAAA\t\n-----END X-----\n",
        ] {
            assert_eq!(pem(saved).unwrap(), expected);
        }
    }
}
