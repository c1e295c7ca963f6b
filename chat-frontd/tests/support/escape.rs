//! Bytes written as text, for what a line of a dialogue cannot hold as it is.

/// Turns `\n`, `\r`, `\t`, `\\`, `\xHH` and `\(TEXT*COUNT)` into the bytes they stand for.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        rest = unescape_one(after, &mut bytes)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// Reads what follows a backslash and returns what follows that.
fn unescape_one<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str, String> {
    let kind = text
        .chars()
        .next()
        .ok_or("a backslash stands at the end: write \\\\")?;
    let rest = &text[kind.len_utf8()..];
    match kind {
        'n' => bytes.push(b'\n'),
        'r' => bytes.push(b'\r'),
        't' => bytes.push(b'\t'),
        '\\' => bytes.push(b'\\'),
        'x' => {
            let digits = rest.get(..2).ok_or("\\x wants two hex digits")?;
            let byte = u8::from_str_radix(digits, 16)
                .map_err(|_| format!("\\x{digits}: not two hex digits"))?;
            bytes.push(byte);
            return Ok(&rest[2..]);
        }
        '(' => {
            let (inside, rest) = rest.split_once(')').ok_or("\\( has no )")?;
            let (repeated, count) = parse_repeat(inside).ok_or("\\(TEXT*COUNT) is meant")?;
            bytes.extend(repeated.repeat(count).into_bytes());
            return Ok(rest);
        }
        other => return Err(format!("\\{other} means nothing")),
    }
    Ok(rest)
}

/// Reads `TEXT*COUNT`.
pub(crate) fn parse_repeat(inside: &str) -> Option<(&str, usize)> {
    let (repeated, count) = inside.rsplit_once('*')?;
    Some((repeated, count.parse().ok()?))
}

#[test]
fn escapes_stand_for_bytes() {
    assert_eq!(
        unescape(r"a\r\n\t\\\x00\xff").unwrap(),
        b"a\r\n\t\\\x00\xff"
    );
    assert_eq!(unescape(r"<\(ab*3)>").unwrap(), b"<ababab>");
    assert_eq!(unescape("grüß").unwrap(), "grüß".as_bytes());
    for wrong in [
        r"\", r"\q", r"\x", r"\x1", r"\xzz", r"\(a*3", r"\(a)", r"\(a*x)",
    ] {
        assert!(unescape(wrong).is_err(), "{wrong}");
    }
}
