//! The PROXY header: what was decided of a beginning stays decided, and a header is never longer than what is there.

use chat_frontd::proxy_header::{MAX_HEADER_BYTES, ProxyHeader, parse};

/// Begins every header.
pub const WORDS: &[&[u8]] = &[
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24",
    b"\x20\0\0\0",
    b"\x21\x31\0\xd8",
    b"\x0f\xf0",
    b"\x0f\xf1",
    b"\0\0\0\0\0\0\0\0\0\0\xff\xff",
    b"PROXY TCP4 ",
    b"foobar\n",
];

/// What a balancer sends, and the client behind it.
pub fn run(bytes: &[u8]) {
    let whole = parse(bytes);
    for end in 0..=bytes.len() {
        match (parse(&bytes[..end]), &whole) {
            (Ok(ProxyHeader::Incomplete), _) => assert!(end < MAX_HEADER_BYTES),
            (Ok(ProxyHeader::Complete { length, source }), _) => {
                assert!(length <= end && length <= MAX_HEADER_BYTES);
                assert_eq!(whole, Ok(ProxyHeader::Complete { length, source }));
                return;
            }
            (Err(_), whole) => {
                assert!(whole.is_err(), "refused, and then taken");
                return;
            }
        }
    }
    assert_eq!(whole, Ok(ProxyHeader::Incomplete));
}
